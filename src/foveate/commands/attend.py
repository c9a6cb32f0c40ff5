"""`foveate attend`: where the model looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from foveate.commands.arguments import (
    Backend,
    BeamSize,
    Place,
    Threads,
    TrustCode,
    check_least,
    load_translator,
    require_attention,
)
from foveate.commands.groups import ESSENTIAL
from foveate.commands.remarks import Remarks
from foveate.console import say
from foveate.errors import ConfigError

if TYPE_CHECKING:
    from foveate.records import Translation
    from foveate.translator import Translator


app = App(
    name="attend",
    help_epilogue="""\
Examples:
  foveate attend model "24 December 2031"
  foveate attend model "24 December 2031" --out look.html
  foveate attend model foveate --target "F OW V IY EY T" --out look.svg
""",
)


@app.default
def attend(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    text: Annotated[Place, Parameter(metavar="TEXT")],
    /,
    *,
    target: Annotated[Place | None, Parameter(group=ESSENTIAL, metavar="TEXT")] = None,
    out: Annotated[Place | None, Parameter(group=ESSENTIAL, alias="-o")] = None,
    beam_size: BeamSize = None,
    backend: Backend = "auto",
    threads: Threads = 0,
    trust_code: TrustCode = False,
) -> int:
    """Show where the model looked: rows are the output, columns the source.

    Args:
        model: Folder of a trained model.
        text: The source; - reads the first line of standard input.
        target: Show the weights for this output instead of the model's own.
        out: Draw in a file and not in the terminal: .svg, .png, .html or .json.
        beam_size: Hypotheses that the search keeps.
        backend: What computes: PyTorch, or ONNX Runtime for an exported model.
        threads: Processor threads (0: as many as there are cores).
        trust_code: Run code of somebody's own that MODEL names (its attention).
    """
    from foveate.console import format_attention
    from foveate.insight.figure import describe_boxes
    from foveate.insight.plots import write_picture
    from foveate.output import check_file

    if out is not None:
        check_file(out)
    check_least(1, beam_size=beam_size)
    source = _first_line() if text == "-" else text
    translator = load_translator(model, backend, threads, trust_code)
    translation = _attend_one(translator, source, target, beam_size)
    remarks = Remarks(translator, "text")
    remarks.see(source)
    list(remarks.watch([translation]))
    remarks.tell()
    if out is None:
        print(format_attention(translation))
    else:
        write_picture(translation, out)
        say(f"{translation.text}\ndrawn to {out}")
        if out.lower().endswith(".png") and (boxes := describe_boxes(translation)):
            say(boxes)
    return 0


def _attend_one(
    translator: Translator, source: str, target: str | None, beam_size: int | None
) -> Translation:
    if not source.strip():
        raise ConfigError("TEXT is empty: give a source to translate")
    require_attention(translator)
    if target is not None:
        return next(translator.score_pairs([(source, target)]))
    return translator.translate_one(source, beam_size=beam_size)


def _first_line() -> str:
    from foveate.data.readers import read_lines

    return next(iter(read_lines("-")), "")
