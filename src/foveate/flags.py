"""Command-line flags made from the options: one option, one home.

Every flag is absent unless it was really given, so that only given flags override a
configuration file. `--help` shows the essential ones, `--help-all` all of them, by shelf. Does not
know what the options mean.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import types
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from operator import getitem
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

from cyclopts import App, Group, Parameter

from foveate import options
from foveate.commands.groups import ESSENTIAL
from foveate.config import Config, build_config, flat_fields, owners, read_config
from foveate.errors import ConfigError
from foveate.options import ARCHITECTURES, ModelOptions, TextOptions, TrainingOptions
from foveate.ranges import describe_range, strip_range

SHOWN = ("architecture", "minutes", "seed", "models")  # by --help; all by --help-all
GROUPS = {
    TextOptions: Group("Text", sort_key=3),
    ModelOptions: Group("Model", sort_key=4),
    TrainingOptions: Group("Training", sort_key=5),
}


@lru_cache(maxsize=1)
def field_help() -> dict[str, str]:
    """Return the sentence under each option.

    Example:
        >>> field_help()["clip_norm"]
        'Largest norm of the gradient.'
    """
    tree = ast.parse(inspect.getsource(options))
    bodies = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
    return {
        field.target.id: inspect.cleandoc(str(ast.literal_eval(text.value)))
        for body in bodies
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
    }


def build_flags(*, is_whole: bool = False) -> type[Any]:
    """Return a dataclass with one flag for each option, all None unless given.

    Args:
        is_whole: the help shows all of them, and the ranges.
    """
    fields = []
    for name, option in flat_fields().items():
        kind, _ = strip_range(option.annotation)  # build_config checks the ranges
        parameter = Parameter(
            group=ESSENTIAL if name in SHOWN else GROUPS[option.part],
            show=is_whole or name in SHOWN,
            help=field_help()[name] + (_describe_limits(name) if is_whole else ""),
            show_default=_show_default(option.default),
            metavar=_metavar(kind),
        )
        kind = getitem(Annotated, (kind | None, parameter))
        fields.append((name, kind, dataclasses.field(default=None)))
    namespace = {"__module__": __name__}
    return dataclasses.make_dataclass("Flags", fields, frozen=True, namespace=namespace)


def offer_whole_help(app: App, command: Callable[..., int]) -> None:
    """Let `--help-all` of a command that takes flags show all of them."""
    name = f"foveate {app.name[0]}"

    def show_whole_help() -> int:
        names = {**command.__globals__, "Flags": build_flags(is_whole=True), "IS_WHOLE": True}
        whole = types.FunctionType(command.__code__, names, command.__name__)
        whole.__doc__, whole.__annotations__ = command.__doc__, command.__annotations__
        whole.__defaults__, whole.__kwdefaults__ = command.__defaults__, command.__kwdefaults__
        shown = App(name=name, help_epilogue=app.help_epilogue, help_flags=[], version_flags=[])
        shown.default(whole)
        shown.help_print([])
        return 0

    app.command(show_whole_help, name="--help-all", show=False)


def given_flags(flags: Any) -> dict[str, Any]:
    """Return only the flags that were given."""
    return {name: value for name, value in vars(flags).items() if value is not None}


def merge_config(path: Path | str | None, flags: dict[str, Any]) -> Config:
    """Merge defaults, a configuration file and the given flags, later ones winning.

    Raises:
        ConfigError: a bad file or flag, all problems of one of them at once.
    """
    given = read_config(path) if path is not None else {}
    build_config(given, origin=str(path))
    if given.get("attention_module") and "attention_module" not in flags:
        raise ConfigError(
            f"{path}: attention_module names code, which no file can ask to be run: if you trust "
            f"it, add --attention-module {given['attention_module']}"
        )
    rivals = {"minutes": "max_updates", "max_updates": "minutes"}
    for name in rivals.keys() & flags.keys():
        given.pop(rivals[name], None)

    def show(name: str) -> str:
        return "--" + name.replace("_", "-") if name in flags else name

    return build_config(given, flags, origin="command line", show=show)


def _describe_limits(name: str) -> str:
    """Say which numbers an option may be, and for which architectures it is."""
    annotation, having = flat_fields()[name].annotation, owners(name)
    kind, _ = strip_range(annotation)
    limits = f" Range: {describe_range(annotation)}." if kind in (int, float) else ""
    return limits + (f" Only {' and '.join(having)}." if len(having) < len(ARCHITECTURES) else "")


def _show_default(default: Any) -> str | bool:
    if default is None:
        return False
    return str(default).lower() if isinstance(default, bool) else str(default)


def _metavar(kind: Any) -> str | None:
    return None if get_origin(kind) is Literal else {int: "N", float: "X", str: "NAME"}.get(kind)
