"""Check a plain value against an annotation: its type, its range, its choices.

    Annotated[int, Ge(1), Le(9), Odd()]      Literal["lstm", "gru"]      float | None

A tenth of a millisecond for all options of a model, where a library for it takes a quarter of a
second to load. Knows no names of options.
"""

from __future__ import annotations

import math
import re
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

LARGEST = sys.float_info.max
NOUNS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


class Ge(NamedTuple):
    """A number that is not below this one."""

    ge: float


class Gt(NamedTuple):
    """A number above this one."""

    gt: float


class Le(NamedTuple):
    """A number that is not above this one."""

    le: float


class Lt(NamedTuple):
    """A number below this one."""

    lt: float


@dataclass(frozen=True)
class Odd:
    """An odd number, or perhaps 0."""

    or_zero: bool = False


@dataclass(frozen=True)
class Form:
    """A text that a regular expression matches as a whole.

    Args:
        pattern: the expression.
        says: what it allows, in words.
    """

    pattern: str
    says: str


CHECKS: dict[type[Any], Callable[[Any, Any], bool]] = {
    Ge: lambda value, limit: value >= limit.ge,
    Gt: lambda value, limit: value > limit.gt,
    Le: lambda value, limit: value <= limit.le,
    Lt: lambda value, limit: value < limit.lt,
    Odd: lambda value, limit: value % 2 == 1 or (limit.or_zero and value == 0),
}


def strip_range(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the bare type of an annotation, without None, and what limits it.

    Example:
        >>> strip_range(Annotated[int, Ge(1)] | None)
        (<class 'int'>, (Ge(ge=1),))
    """
    if get_origin(annotation) in (Union, types.UnionType):
        (annotation,) = (kind for kind in get_args(annotation) if kind is not type(None))
    if get_origin(annotation) is Annotated:
        kind, *limits = get_args(annotation)
        return kind, tuple(limits)
    return annotation, ()


def describe_range(annotation: Any) -> str:
    """Say which values an annotation allows, for help and for errors.

    Example:
        >>> describe_range(Annotated[float, Ge(0), Lt(1)])
        'a number from 0 to below 1'
        >>> describe_range(Literal["lstm", "gru"])
        'lstm or gru'
    """
    kind, limits = strip_range(annotation)
    if get_origin(kind) is Literal:
        *most, last = map(str, get_args(kind))
        return f"{', '.join(most)} or {last}" if most else last
    if form := _find(limits, Form):
        return str(form.says)
    noun = NOUNS[kind].replace("a whole", "an odd whole") if _find(limits, Odd) else NOUNS[kind]
    low, high = _describe_low(limits), _describe_high(limits)
    text = " ".join(part for part in (noun, low, high) if part)
    odd = _find(limits, Odd)
    return text.replace(" from 0 ", " ") + ", or 0" if odd and odd.or_zero else text


def _find(limits: tuple[Any, ...], kind: type[Any]) -> Any:
    return next((limit for limit in limits if isinstance(limit, kind)), None)


def _describe_low(limits: tuple[Any, ...]) -> str:
    if least := _find(limits, Ge):
        return f"from {least.ge:,}"
    return f"above {above.gt:,}" if (above := _find(limits, Gt)) else ""


def _describe_high(limits: tuple[Any, ...]) -> str:
    if most := _find(limits, Le):
        return f"to {most.le:,}"
    return f"to below {below.lt:,}" if (below := _find(limits, Lt)) else ""


def check_value(annotation: Any, value: Any) -> Any:
    """Return a value that an annotation allows; a whole number where a float is due becomes one.

    Raises:
        ValueError: it is of another type, or out of range; the message says what is allowed.

    Example:
        >>> check_value(Annotated[float, Ge(0)], 1)
        1.0
    """
    kind, limits = strip_range(annotation)
    if get_origin(kind) is Literal:
        is_right = isinstance(value, str) and value in get_args(kind)
    elif isinstance(value, bool):  # which is an int, too
        is_right = kind is bool
    elif kind is str:
        form = _find(limits, Form)
        is_right = isinstance(value, str) and bool(not form or re.fullmatch(form.pattern, value))
    elif kind is bool:
        is_right = False
    elif kind is float:
        is_right = isinstance(value, (int, float)) and _is_within(value, limits)
        is_right = is_right and abs(value) <= LARGEST
        value = float(value) if is_right else value
    else:
        is_right = isinstance(value, int) and _is_within(value, limits)
    if not is_right:
        raise ValueError(f"{describe_range(annotation)}, not {_show(value)}")
    return value


def _is_within(value: float, limits: tuple[Any, ...]) -> bool:
    is_finite = isinstance(value, int) or math.isfinite(value)
    return is_finite and all(CHECKS[type(limit)](value, limit) for limit in limits)


def _show(value: Any) -> str:
    """Return a value as an error shows it: short, whatever it is."""
    if isinstance(value, int) and not -(10**30) < value < 10**30:
        return "a number that long"
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
