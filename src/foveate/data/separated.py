"""Text files with a row a line: TSV, fields between bars, and two parallel files.

The readers yield `Pair` and `BadRow` in file order, so that one place can decide what to do with
bad rows; a file that is wrong as a whole is a `DataError` at once.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from foveate.counted import counted
from foveate.data.columns import Choice, choose_columns, describe_column
from foveate.data.headers import is_header, is_header_of_csv
from foveate.data.lines import Line, read_numbered_lines, show_name
from foveate.data.rows import BadRow, Report, Rows
from foveate.errors import DataError
from foveate.records import Pair

BARS = " ||| "
SENTENCE_END = "<eos>"  # of both sides: a row that separates, as in the corpus of Sproat & Jaitly


def read_tsv(
    name: str,
    head: Sequence[Line],
    lines: Iterator[Line],
    note: Report,
    asked: str | None = None,
    separator: str = "\t",
) -> Rows:
    """Read rows of fields without quotes; the first lines say how many there are, and which.

    Args:
        name: of the file.
        head: its first lines.
        lines: all of them.
        note: is told which columns were taken.
        asked: the columns of source and target.
        separator: of the fields.
    """
    opened = open_tsv(name, head, lines, note, asked, separator)
    path, num_columns = show_name(name), len(opened.names)
    choice = choose_columns(
        opened.names, opened.sample, path, note, asked=asked, has_names=opened.has_header
    )
    return _read_fields(path, opened.lines, separator, num_columns, choice)


class Opened(NamedTuple):
    """A table: its columns, some of its rows, and the lines behind the names of its columns."""

    names: list[str]
    has_header: bool
    sample: list[list[str]]
    lines: Iterator[Line]


def open_tsv(
    name: str,
    head: Sequence[Line],
    lines: Iterator[Line],
    note: Report,
    asked: str | None = None,
    separator: str = "\t",
) -> Opened:
    """Find the columns of a table without quotes; arguments are those of `read_tsv`."""
    path = show_name(name)
    num_comments = count_comments(head, separator)
    if num_comments:
        note(f"{path}: the {num_comments} lines of comment at the beginning are skipped")
        head, lines = head[num_comments:], itertools.islice(lines, num_comments, None)
    rows = [line.text.split(separator) for line in head if not line.problem]
    num_columns = _count_columns(rows)
    first, has_row_names = rows[:1], names_all_but_first(rows, num_columns)
    rows = [row for row in rows if len(row) == num_columns]
    if has_row_names:
        header: list[str] | None = ["", *first[0]]
    else:
        header = rows[0] if rows and _has_header(rows, asked) else None
    names = header or [str(number) for number in range(1, num_columns + 1)]
    sample = rows[1:] if header and not has_row_names else rows
    if header:
        lines = _skip(lines, separator.join(header[has_row_names:]), path, note)
    return Opened(names, header is not None, sample, lines)


def count_comments(head: Sequence[Line], separator: str) -> int:
    """Return how many lines at the beginning are comments, as those of Anki: `#separator:tab`.

    They begin with `#` and have no separator, as the lines behind them have.
    """
    is_comment = [line.text.startswith("#") and separator not in line.text for line in head]
    count = next((n for n, one in enumerate(is_comment) if not one), 0)
    return count if any(separator in line.text for line in head) else 0


def names_all_but_first(rows: Sequence[Sequence[str]], num_columns: int) -> bool:
    """Tell whether the first row has a name less than there are columns: R leaves that one out."""
    if len(rows) < 4 or len(rows[0]) != num_columns - 1 or not is_header_of_csv(rows[0]):
        return False
    full = [row for row in rows[1:] if len(row) == num_columns]
    kind = describe_column("", [row[0] for row in full]).kind
    return len(full) >= 3 and kind in ("row", "number", "id")


def _count_columns(rows: Sequence[Sequence[str]]) -> int:
    """Return how many fields most rows have; two where no row has several."""
    counts = Counter(len(row) for row in rows if len(row) > 1)
    return counts.most_common(1)[0][0] if counts else 2


def _has_header(rows: Sequence[Sequence[str]], asked: str | None) -> bool:
    if asked is not None:
        wanted = {part.strip() for side in asked.split(",") for part in side.split("+")}
        if not all(part.isdigit() for part in wanted):
            return wanted <= {field.strip() for field in rows[0]} or is_header(rows)
    return is_header(rows)


def _skip(lines: Iterator[Line], header: str, path: str, note: Report) -> Iterator[Line]:
    """Leave the row of names out, which is the first that is not blank."""
    for line in lines:
        if line.text == header:
            note(f"{path}:{line.number}: the first row names the columns and is no pair")
            return lines
    return lines


def _read_fields(
    path: str, lines: Iterator[Line], separator: str, num_columns: int, choice: Choice
) -> Rows:
    source, target, is_plain = choice.source[0], choice.target[0], choice.is_plain
    for number, text, fault, _ in lines:
        fields = text.split(separator)
        if len(fields) != num_columns or fault:
            if set(fields) == {SENTENCE_END}:
                continue
            if problem := fault or _find_fault(fields, num_columns):
                yield BadRow(path, number, problem)
                continue
            fields = [*fields, *[""] * num_columns][:num_columns]  # a blank line, or blank ends
        if is_plain:
            yield Pair(fields[source], fields[target], path, number)
        else:
            yield Pair(*choice.join_sides(fields), path, number)


def _find_fault(fields: Sequence[str], num_columns: int) -> str:
    """Say what is wrong with a row of another number of fields; blank rows are skipped."""
    if len(fields) == 1:
        return "one column: no TAB between source and target" if fields[0].strip() else ""
    if not any(field.strip() for field in fields[num_columns:]) and len(fields) > num_columns:
        return ""
    return f"{counted(len(fields), 'column')} instead of {num_columns}"


def read_parallel(source_name: str, target_name: str) -> Rows:
    """Read line i of two text files as a pair."""
    if not source_name or not target_name:
        raise DataError(f"{source_name},{target_name}: two files are needed, SOURCE,TARGET")
    path = f"{source_name},{target_name}"
    lines = itertools.zip_longest(
        read_numbered_lines(source_name), read_numbered_lines(target_name)
    )
    for source, target in lines:
        if source is None or target is None:
            num_longer = (source or target).number + sum(1 for _ in lines)
            num_shorter = (source or target).number - 1
            counts = (num_shorter, num_longer) if source is None else (num_longer, num_shorter)
            raise DataError(
                f"{source_name} has {counted(counts[0], 'line')} and {target_name} has "
                f"{counts[1]:,}: "
                "line 1 of one must belong to line 1 of the other, and so on"
            )
        problem = source.problem and f"source: {source.problem}"
        problem = problem or (target.problem and f"target: {target.problem}")
        if problem:
            yield BadRow(path, source.number, problem)
        else:
            yield Pair(source.text, target.text, path, source.number)
