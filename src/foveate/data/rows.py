"""What the readers of all file formats have in common: good and bad rows, and which columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from foveate.errors import DataError
from foveate.records import Pair

Report = Callable[[str], None]


class BadRow(NamedTuple):
    """A row that is no pair: where it stands and what is wrong with it."""

    path: str
    line: int
    problem: str


Rows = Iterator[Pair | BadRow]


def choose_columns(names: Sequence[str], place: str, note: Report) -> tuple[int, int]:
    """Return the numbers of the columns `source` and `target`, or of the first two.

    Raises:
        DataError: one of the two names is missing, or there are not two columns.
    """
    plain = [name.strip().lower() for name in names]
    found = [side for side in ("source", "target") if side in plain]
    if len(found) == 2:
        return plain.index("source"), plain.index("target")
    if found or len(names) < 2:
        listed = ", ".join(map(repr, names)) or "none"
        raise DataError(f"{place}: needs the columns source and target; its columns are: {listed}")
    note(f"{place}: columns {names[0]!r} and {names[1]!r} are taken as source and target")
    return 0, 1
