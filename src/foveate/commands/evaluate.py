"""`foveate evaluate`: every metric with its interval."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from foveate.commands.arguments import (
    Backend,
    BeamSize,
    BleuTokenize,
    Columns,
    Place,
    Threads,
    TrustCode,
    check_least,
    load_translator,
    read_table,
)
from foveate.commands.groups import ESSENTIAL
from foveate.commands.remarks import Remarks

app = App(
    name="evaluate",
    help_epilogue="""\
Examples:
  foveate evaluate model test.tsv
  foveate evaluate model test.en,test.de --bleu-tokenize none --json scores.json
  foveate evaluate model test.tsv --out outputs.html --training train.tsv
""",
)


@app.default
def evaluate(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    pairs: Annotated[Place, Parameter(metavar="PAIRS")],
    /,
    *,
    out: Annotated[Place | None, Parameter(group=ESSENTIAL, alias="-o")] = None,
    json: Annotated[Place | None, Parameter(group=ESSENTIAL)] = None,
    training: Annotated[Place | None, Parameter(group=ESSENTIAL, metavar="PAIRS")] = None,
    by_row: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    bleu_tokenize: Annotated[BleuTokenize | None, Parameter(group=ESSENTIAL)] = None,
    columns: Columns = None,
    skip_bad: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    beam_size: BeamSize = None,
    backend: Backend = "auto",
    threads: Threads = 0,
    trust_code: TrustCode = False,
) -> int:
    """Evaluate a model: every metric with its 95 % interval, and by source length.

    Args:
        model: Folder of a trained model.
        pairs: Pairs to evaluate on; rows that repeat a source are further references for it.
        out: Write every output and its nearest target to a .tsv file or a page (.html), the
            farthest off first.
        json: Write the numbers to this file; - is standard output, in place of the table.
        training: The pairs that the model learnt from; --out then says which sources it has seen.
        by_row: Count every row, and not every different source once.
        bleu_tokenize: How BLEU splits words: 13a for ordinary text, none for text that is split,
            char or zh for text without blanks (default: 13a, or what suits text without blanks).
        columns: Which columns of PAIRS are source and target: by name, number or path. 1+3 joins
            two columns, and features become tags.
        skip_bad: Skip and count bad rows instead of stopping.
        beam_size: Hypotheses that the search keeps.
        backend: What computes: PyTorch, or ONNX Runtime for an exported model.
        threads: Processor threads (0: as many as there are cores).
        trust_code: Run code of somebody's own that MODEL names (its attention).
    """
    from foveate.console import format_evaluation, show, watch
    from foveate.evaluation import evaluate as run_evaluation
    from foveate.formats import format_json
    from foveate.output import check_file, is_page, open_output
    from foveate.shown_outputs import write_outputs

    for place in (out, json):
        if place is not None:
            check_file(place, read=pairs)
    check_least(1, beam_size=beam_size)
    translator = load_translator(model, backend, threads, trust_code)
    table = read_table(pairs, columns=columns, skip_bad=skip_bad)
    seen = None
    if training is not None:
        seen = set(read_table(training, columns=columns, skip_bad=skip_bad).sources())
    remarks = Remarks(translator, "source")
    evaluation = run_evaluation(
        translator,
        table,
        beam_size=beam_size,
        bleu_tokenize=bleu_tokenize,
        by_row=by_row,
        watch=lambda found, total: watch(remarks.watch(found), total),
    )
    remarks.tell()
    if json is not None:
        with open_output(json) as stream:
            stream.write(format_json(evaluation.to_dict(), indent=2) + "\n")
    if out is not None:
        with open_output(out) as stream:
            stream.write(write_outputs(evaluation, seen, is_page=is_page(out)))
    if json != "-":
        show(format_evaluation(evaluation))
    return 0
