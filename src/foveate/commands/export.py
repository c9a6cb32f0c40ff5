"""`foveate export`: a model that runs without PyTorch."""

from __future__ import annotations

import shlex
from typing import Annotated

from cyclopts import App, Parameter

from foveate.commands.arguments import Place, TrustCode, missing_torch
from foveate.console import say
from foveate.flags import ESSENTIAL

app = App(
    name="export",
    help_epilogue="""\
Examples:
  foveate export model small
  foveate export model smaller --int8-weights --trim-memory
  foveate translate small new.txt

The new folder is a whole model: translate, evaluate, attend and align take it
where PyTorch is not installed. Keep the old one: only it can be exported again.
""",
)


@app.default
def export(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    out: Annotated[Place, Parameter(metavar="OUT")],
    /,
    *,
    int8: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    int8_weights: Annotated[
        bool, Parameter(group=ESSENTIAL, negative="", show_default=False)
    ] = False,
    trim_memory: Annotated[
        bool, Parameter(group=ESSENTIAL, negative="", show_default=False)
    ] = False,
    trust_code: TrustCode = False,
) -> int:
    """Make a model that runs without PyTorch (ONNX), checked against the original.

    Args:
        model: Folder of a trained model.
        out: Folder to make for the exported model; it must not be there yet.
        int8: Compute with weights of 8 bits: a third of the size, a few outputs differ, and what
            stands beside a text in a batch may change its output.
        int8_weights: Keep the weights in 8 bits in the files, and compute in floats: as small, and
            a text has the same output in every batch.
        trim_memory: Leave out of the memory what the exported model writes without it.
        trust_code: Run code of somebody's own that MODEL names (its attention).
    """
    from foveate.output import check_folder

    check_folder(out)
    try:
        from foveate.export import export_bundle
    except ModuleNotFoundError as error:
        raise missing_torch(error) from None
    found = export_bundle(
        model,
        out,
        int8=int8,
        int8_weights=int8_weights,
        trim_memory=trim_memory,
        trust_code=trust_code,
        report=say,
    )
    say(f"the exported model is in {out} ({found.size / 1e6:.1f} MB of graphs); next:")
    say(f"  foveate translate {shlex.quote(out)} FILE")
    return 0
