"""`foveate demo`: what attention is good for, in minutes."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from foveate.commands.arguments import Place
from foveate.commands.groups import ESSENTIAL

app = App(
    name="demo",
    usage="Usage: foveate demo [OPTIONS] [NAME]",
    help_epilogue="""\
Examples:
  foveate demo                          words to pronunciations
  foveate demo dates --out dates-demo   English dates to Hungarian ones
""",
)


@app.default
def demo(
    name: str = "pronunciation",
    /,
    *,
    out: Annotated[Place | None, Parameter(group=ESSENTIAL, metavar="FOLDER")] = None,
    minutes: Annotated[float | None, Parameter(group=ESSENTIAL, metavar="X")] = None,
) -> int:
    """Train on bundled real pairs, with and without attention; compare, translate, draw.

    Args:
        name: pronunciation or dates.
        out: Folder for the two models and the page with the pictures (default: a new folder here).
        minutes: Time to train, for the two models together (default: a set number of updates,
            two to three minutes on two slow cores).
    """
    from foveate.demo import run_demo

    return run_demo(name, out, minutes)
