"""What may be wanted of every text, as arguments: the fields of `Request` without its source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from foveate.errors import did_you_mean
from foveate.records import Likeness, Request, Sampling

DEFAULT_BEAM_SIZE = 5
DEFAULT_LENGTH_PENALTY = 1.0  # with smoothed labels every token costs, also a right one


class Wishes(TypedDict, total=False):
    """What may be wanted of every text: the fields of `Request` but its source."""

    beam_size: int | None
    n_best: int
    length_penalty: float | None
    max_length: int | None
    attention: bool
    prefix: str | Sequence[str]
    must: Sequence[str]
    must_not: Sequence[str]
    no_repeat: int
    mbr: Likeness | None
    sampling: Sampling | None
    choices: int
    tree: bool
    explain: bool


def complete_wishes(wishes: Wishes) -> dict[str, Any]:
    """Return the fields of a request, with a value where None stands for one."""
    unknown = [name for name in wishes if name not in Wishes.__annotations__]
    if unknown:
        hint = did_you_mean(unknown[0], Wishes.__annotations__)
        raise TypeError(f"translate has no argument {unknown[0]!r}{hint}")
    fields: dict[str, Any] = dict(wishes)
    if fields.get("beam_size") is None:
        fields["beam_size"] = max(DEFAULT_BEAM_SIZE, fields.get("n_best", 1))
    if fields.get("length_penalty") is None:
        fields["length_penalty"] = DEFAULT_LENGTH_PENALTY
    for name in {"prefix", "must", "must_not"} & fields.keys():
        if not isinstance(fields[name], str):
            fields[name] = tuple(fields[name])
    return fields


def count_rows(request: Request, has_words: bool) -> tuple[int, int]:
    """Return how many outputs may be found for a request, and how many it has to choose from."""
    if has_words or request.mbr is not None:
        return max(request.beam_size, request.n_best), max(request.beam_size, request.n_best)
    return max(request.beam_size, request.n_best), request.n_best
