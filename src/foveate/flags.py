"""Command-line flags made from the fields of `Config`: one option, one home.

Every flag is absent unless it was really given, so that only given flags override a
configuration file. Does not know what the options mean.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import types
from functools import lru_cache
from itertools import pairwise
from operator import getitem
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from cyclopts import Group, Parameter

from foveate.config import Config, build_config, read_config

ESSENTIAL = Group("Essential", sort_key=1)
FIRST_OF_GROUP = {
    "architecture": ESSENTIAL,
    "source_tokens": Group("Text", sort_key=2),
    "layout": Group("Model", sort_key=3),
    "dropout": Group("Training", sort_key=4),
}


@lru_cache(maxsize=1)
def field_help() -> dict[str, str]:
    """Return the sentence under each field of `Config`.

    Example:
        >>> field_help()["clip_norm"]
        'Largest norm of the gradient.'
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(Config)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(str(ast.literal_eval(text.value)))
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
    }


def build_flags() -> type[Any]:
    """Return a dataclass with one flag for each field of `Config`, all None unless given."""
    hints = get_type_hints(Config)  # without the ranges: build_config checks those
    group, fields = ESSENTIAL, []
    for field in dataclasses.fields(Config):
        group = FIRST_OF_GROUP.get(field.name, group)
        parameter = Parameter(
            group=group,
            help=field_help().get(field.name, ""),
            show_default=_show_default(field.default),
            metavar=_metavar(hints[field.name]),
        )
        kind = getitem(Annotated, (hints[field.name] | None, parameter))
        fields.append((field.name, kind, dataclasses.field(default=None)))
    namespace = {"__module__": __name__}
    return dataclasses.make_dataclass("Flags", fields, frozen=True, namespace=namespace)


def given_flags(flags: Any) -> dict[str, Any]:
    """Return only the flags that were given."""
    return {name: value for name, value in vars(flags).items() if value is not None}


def merge_config(path: Path | str | None, flags: dict[str, Any]) -> Config:
    """Merge defaults, a configuration file and the given flags, later ones winning.

    Raises:
        ConfigError: a bad file or flag, all problems of one of them at once.
    """
    options = read_config(path) if path is not None else {}
    build_config(options, origin=str(path))
    rivals = {"minutes": "max_updates", "max_updates": "minutes"}
    for name in rivals.keys() & flags.keys():
        options.pop(rivals[name], None)
    return build_config(options, flags, origin="command line")


def _show_default(default: Any) -> str | bool:
    if default is None:
        return False
    return str(default).lower() if isinstance(default, bool) else str(default)


def _metavar(hint: Any) -> str | None:
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kinds = [member for member in members if member is not type(None)]
    if get_origin(kinds[0]) is Literal:
        return None
    return {int: "N", float: "X", str: "NAME"}.get(kinds[0])
