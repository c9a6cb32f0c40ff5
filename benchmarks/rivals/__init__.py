"""The contenders of `compare_rivals.py`: one file a toolkit, behind one small interface.

A file has

    PINS         what pip installs into an environment of its own, one call a list; None: no
                 environment, the contender runs in Foveate's
    CONTENDERS   names of the ways to run it, each with its settings
    train(job)   train for some updates and return what `Meter.result` returns
    prepare(job) make a model to translate with, in `job.work`; its quality does not matter
    decode(job)  translate the test sentences with it and return the rows of `measure_decoding`
    ENGINES      optional: what `decode` can compute with, each in a process of its own
    NOTES        optional: what has to be known of a contender when its figures are read
    work(...)    optional: the necessary products, for the share of the machine's peak

A toolkit that cannot train has no `train`, and one that only trains no `decode`. All of these run
in a process of their own, in the contender's environment; everything that a file needs from its
toolkit is imported inside of them.
"""
