"""A source to translate, with what stands beside it in its table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from foveate.data.lines import Line, show_name
from foveate.errors import DataError


class SourceRow(NamedTuple):
    """A source as a line, and the other columns of its table, each with its name."""

    line: Line
    others: tuple[tuple[str, str], ...] = ()


def demand_good(where: str, rows: Iterator[SourceRow]) -> Iterator[SourceRow]:
    """Yield rows until one has a problem.

    Raises:
        DataError: one has.
    """
    for row in rows:
        if row.line.problem:
            from foveate.data.encodings import advise_encoding

            advice = f"; {advise_encoding(where)}" if "not UTF-8" in row.line.problem else ""
            raise DataError(f"{show_name(where)}:{row.line.number}: {row.line.problem}{advice}")
        yield row
