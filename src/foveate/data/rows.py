"""What the readers of all file formats have in common: good and bad rows, and which columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from foveate.errors import DataError
from foveate.records import Pair

Report = Callable[[str], None]

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_COUNTS = re.compile(r"(unnamed(: ?\d+)?|index|idx|id|row|line|nr|no|#|\w+[ _-]?id)?")


class BadRow(NamedTuple):
    """A row that is no pair: where it stands and what is wrong with it."""

    path: str
    line: int
    problem: str


Rows = Iterator[Pair | BadRow]


def choose_columns(
    names: Sequence[str], place: str, note: Report, examples: Sequence[Sequence[str]] = ()
) -> tuple[int, int]:
    """Return the numbers of the columns `source` and `target`, or else of the first two of text.

    Without these two names, a column beside text is none of them when it has no name, is called
    like a number of rows, or holds numbers alone.

    Args:
        names: of the columns.
        place: how a message begins.
        note: is told which columns were taken without their names saying so.
        examples: the fields of some rows.

    Raises:
        DataError: one of the two names is missing, or it cannot be told which columns are meant.
    """
    plain = [name.strip().lower() for name in names]
    found = [side for side in ("source", "target") if side in plain]
    if len(found) == 2:
        return plain.index("source"), plain.index("target")
    texts = [
        column
        for column, name in enumerate(plain)
        if not is_count(name) and not _holds_numbers(column, examples)
    ]
    if found or len(names) < 2 or (len(texts) < 2 < len(names)):
        listed = ", ".join(map(repr, names)) or "none"
        raise DataError(f"{place}: needs the columns source and target; its columns are: {listed}")
    if len(names) == 2:
        texts = [0, 1]
    if 2 < len(texts) < len(names):
        listed = "; ".join(_show_column(names[column], column, examples) for column in texts)
        raise DataError(
            f"{place}: which two columns are meant? Call them source and target. Of text are: "
            f"{listed}"
        )
    source, target = texts[:2]
    note(f"{place}: columns {names[source]!r} and {names[target]!r} are taken as source and target")
    return source, target


def is_count(name: str) -> bool:
    """Tell whether a column or key is called like a number of rows, or not at all.

    Example:
        >>> [is_count(name) for name in ("", "id", "table_id", "Unnamed: 0", "idea", "english")]
        [True, True, True, True, False, False]
    """
    return _COUNTS.fullmatch(name.strip().lower()) is not None


def _holds_numbers(column: int, examples: Sequence[Sequence[str]]) -> bool:
    values = [row[column].strip() for row in examples if len(row) > column]
    return any(values) and all(NUMBER.fullmatch(value) for value in values if value)


def _show_column(name: str, column: int, examples: Sequence[Sequence[str]]) -> str:
    value = next((row[column] for row in examples if len(row) > column and row[column]), "")
    return f"{name!r} ({value[:30]!r})" if value else repr(name)
