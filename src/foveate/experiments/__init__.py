"""Experiments: what is claimed of attention, seen on models that are trained here and now.

    experiment.py    what an experiment is
    training.py      a model trained within a budget, with its progress told
    length.py, ...   one experiment a file
    write.py         what was found as a page, pictures and numbers
    display.py       how far an experiment is, on the screen

PyTorch is loaded when an experiment runs, not before.
"""

from foveate.experiments.aligner import ALIGNER
from foveate.experiments.copy_reverse import COPY_REVERSE
from foveate.experiments.data_size import DATA
from foveate.experiments.experiment import Experiment
from foveate.experiments.focus import FOCUS
from foveate.experiments.length import LENGTH

__all__ = ["EXPERIMENTS"]

_ALL = (LENGTH, COPY_REVERSE, FOCUS, ALIGNER, DATA)

EXPERIMENTS: dict[str, Experiment] = {one.name: one for one in _ALL}
