"""`foveate export`: a model that runs without PyTorch, as a folder or as a page."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from foveate.commands.arguments import Place, TrustCode, missing_torch
from foveate.commands.groups import ESSENTIAL
from foveate.console import say
from foveate.errors import ConfigError, ModelMismatchError

if TYPE_CHECKING:
    from foveate.bundle import Bundle
    from foveate.export import Exported

LARGE_PAGE = 7_000_000  # bytes
Export = Callable[[str, str], "Exported"]

app = App(
    name="export",
    help_epilogue="""\
Examples:
  foveate export model small
  foveate export model smaller --int8-weights --trim-memory
  foveate translate small new.txt
  foveate export model model.html --int8-weights
  foveate export model both.html --also other-model

The new folder is a whole model. translate, evaluate, attend and align take it
where PyTorch is not installed. Keep the old one, to export it again.
The page holds all that it needs. It opens by a double click, without a network.
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
    no_examples: Annotated[
        bool, Parameter(group=ESSENTIAL, negative="", show_default=False)
    ] = False,
    also: Annotated[
        list[str] | None, Parameter(group=ESSENTIAL, negative="", metavar="MODEL")
    ] = None,
    trust_code: TrustCode = False,
) -> int:
    """Make a model that runs without PyTorch (ONNX), checked against the original.

    Args:
        model: Folder of a trained model. A page also takes an exported one.
        out: New folder for the exported model; it must not exist yet. A name that ends in .html
            makes one page with the model inside.
        int8: Store the weights in 8 bits and compute with them: a third of the size. A few outputs
            differ, and the other texts of a batch may change an output.
        int8_weights: Store the weights in 8 bits and compute in floats: as small. A text has the
            same output in every batch.
        trim_memory: Leave out of the memory what the exported model writes without it.
        no_examples: Leave out the texts that the model carries: sources of dev, errors in its card,
            the memory. The model then writes remembered sources itself.
        also: A further model for the page; repeat the flag for several.
        trust_code: Run code of somebody's own that MODEL names (its attention).
    """
    from foveate.output import check_folder, is_page

    make = partial(
        _export,
        int8=int8,
        int8_weights=int8_weights,
        trim_memory=trim_memory,
        no_examples=no_examples,
        trust_code=trust_code,
    )
    if is_page(out):
        options = {"int8": int8, "int8-weights": int8_weights, "trim-memory": trim_memory}
        told = [f"--{name}" for name, is_told in options.items() if is_told]
        return _export_page([model, *(also or [])], out, make, told, no_examples)
    if also:
        raise ConfigError(f"--also {also[0]}: only a page holds several models: name it OUT.html")
    check_folder(out)
    found = make(model, out)
    say(f"the exported model is in {out} ({found.size / 1e6:.1f} MB of graphs); next:")
    say(f"  foveate translate {shlex.quote(out)} FILE")
    return 0


def _export(
    model: str,
    out: str,
    *,
    int8: bool,
    int8_weights: bool,
    trim_memory: bool,
    no_examples: bool,
    trust_code: bool,
) -> Exported:
    try:
        from foveate.export import export_bundle
    except ModuleNotFoundError as error:
        raise missing_torch(error) from None
    return export_bundle(
        model,
        out,
        int8=int8,
        int8_weights=int8_weights,
        trim_memory=trim_memory,
        no_examples=no_examples,
        trust_code=trust_code,
        report=say,
    )


def _export_page(
    models: list[str], out: str, make: Export, told: list[str], no_examples: bool
) -> int:
    """Write a page; `make` exports a model that has no graphs, and `told` says how it should."""
    from foveate.output import check_file, open_output
    from foveate.personal import leave_out_texts, tell_texts
    from foveate.single_page import build_single_page

    check_file(out)
    loaded = _load_all(models, told)  # what cannot be had is said before anything is exported
    bundles: dict[str, Bundle] = {}
    for model, (name, bundle) in zip(models, loaded.items(), strict=True):
        if not bundle.graphs:
            bundles[name] = _export_aside(model, make)  # which tells of its texts
            continue
        bundles[name] = leave_out_texts(bundle) if no_examples else bundle
        if line := tell_texts(bundles[name], no_examples):
            say(f"{name}: {line}")
    page = build_single_page(bundles)
    with open_output(out) as stream:
        stream.write(page)
    size = len(page.encode())
    say(f"the page is {out} ({size / 1e6:.1f} MB): open it in a browser, no network needed")
    if size > LARGE_PAGE and not told:
        say("  --int8-weights makes it smaller")
    return 0


def _name_model(model: str, taken: dict[str, Bundle]) -> str:
    """Return what the page calls a model: its folder."""
    name = Path(model).resolve().name
    if name in taken:
        raise ConfigError(f"{model}: another model of the page is called {name}, too: rename one")
    return name


def _load_all(models: list[str], told: list[str]) -> dict[str, Bundle]:
    """Return the models of a page by their names."""
    from foveate.bundle import load_bundle

    loaded: dict[str, Bundle] = {}
    for model in models:
        name = _name_model(model, loaded)
        loaded[name] = load_bundle(model)
        if loaded[name].graphs and told:
            raise ModelMismatchError(f"{model}: is an exported model already; leave out {told[0]}")
    return loaded


def _export_aside(model: str, make: Export) -> Bundle:
    """Return what a model is when it is exported."""
    from foveate.bundle import load_bundle

    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "exported")
        make(model, place)
        return load_bundle(place)
