"""`foveate info`: what a model is."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from foveate.commands.arguments import Place
from foveate.commands.groups import ESSENTIAL

app = App(
    name="info",
    help_epilogue="""\
Examples:
  foveate info model
  foveate info model --json | jq .summary
""",
)


@app.default
def info(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    /,
    *,
    json: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
) -> int:
    """Say what a model is: its options, its training, its scores.

    Args:
        model: Folder of a trained model.
        json: Print it as JSON.
    """
    from foveate.bundle import load_bundle
    from foveate.console import show
    from foveate.formats import describe_bundle, format_facts, format_json
    from foveate.printable import make_printable

    facts = describe_bundle(load_bundle(model))
    show(format_json(facts, indent=2) if json else make_printable(format_facts(facts)))
    return 0
