"""What the readers of all file formats have in common: good and bad rows, and their pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from foveate.records import Pair

Report = Callable[[str], None]


class BadRow(NamedTuple):
    """A row that is no pair: where it stands and what is wrong with it."""

    path: str
    line: int
    problem: str


Rows = Iterator[Pair | BadRow]
