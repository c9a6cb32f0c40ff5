"""Comma, semicolon or tab separated values with a header and double quotes.

A double quote that is never closed must not swallow the rest of the file: a row that cannot be
right is one bad row, and reading goes on at the next line end.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple, Self

from foveate.counted import counted
from foveate.data.columns import choose_columns
from foveate.data.headers import is_header_of_csv
from foveate.data.lines import MAX_LINE_BYTES, Line
from foveate.data.rows import BadRow, Report, Rows
from foveate.data.separated import names_all_but_first
from foveate.errors import DataError
from foveate.records import Pair

NUM_PEEKED = 200  # lines whose fields tell which columns are text
MAX_ROW_LINES = 1000  # that a quoted field may span
NOT_CLOSED = "bad quotes: a double quote is not closed"
_SEPARATOR = re.compile(r"sep=([,;|\t])", re.IGNORECASE)

FindFault = Callable[[list[str]], str]


def read_csv(
    name: str,
    stream: Iterator[Line],
    note: Report,
    max_characters: int,
    asked: str | None = None,
) -> Rows:
    """Read a CSV file; a row whose line ends stand in quotes has the line where it begins."""
    opened = open_csv(name, stream, note)
    if opened is None:
        return
    rows, num_columns = opened.reader, len(opened.names)
    choice = choose_columns(
        opened.names, opened.sample, opened.place, note, asked=asked, has_names=opened.has_header
    )
    wanted = (*choice.source, *choice.target)
    source, target, is_plain = choice.source[0], choice.target[0], choice.is_plain

    def find_fault(fields: list[str]) -> str:
        if len(fields) != num_columns:
            return f"{counted(len(fields), 'column')}, but {num_columns} in the header"
        longest = max(len(fields[column]) for column in wanted)
        return NOT_CLOSED if longest > max_characters else ""

    while (row := rows.read(find_fault)) is not None:
        if not row.problem and not "".join(row.fields).strip():
            continue  # a blank row, as spreadsheets write them
        problem = row.problem
        if not problem and len(row.fields) != num_columns:
            problem = find_fault(row.fields)
        if problem:
            yield BadRow(name, row.line, problem)
        elif is_plain:
            yield Pair(row.fields[source], row.fields[target], name, row.line)
        else:
            yield Pair(*choice.join_sides(row.fields), name, row.line)


class Opened(NamedTuple):
    """A table: its columns, some of its rows, and what reads them all."""

    names: list[str]
    has_header: bool
    sample: list[list[str]]
    place: str
    reader: _RowReader

    def read_all(self) -> Iterator[tuple[int, list[str], str]]:
        """Yield line, fields and problem of every row that is not blank."""
        while (row := self.reader.read(self._find_fault)) is not None:
            if row.problem or "".join(row.fields).strip():
                yield row.line, row.fields, row.problem or self._find_fault(row.fields)

    def _find_fault(self, fields: list[str]) -> str:
        count, wanted = len(fields), len(self.names)
        return "" if count == wanted else f"{count} columns, but {wanted} in the header"


def open_csv(name: str, stream: Iterator[Line], note: Report) -> Opened | None:
    """Find the columns of a CSV; None where it is empty.

    Raises:
        DataError: its header cannot be read.
    """
    lines = _Lines(stream)
    delimiter = _find_delimiter(lines)
    rows = _RowReader(lines, delimiter) if delimiter else None
    header = rows.peek_first() if rows else None
    if rows is None or header is None:
        return None
    if header.problem:
        raise DataError(f"{name}:1: bad header: {header.problem}")
    peeked = rows.peek(NUM_PEEKED)
    if names_all_but_first(peeked, len(header.fields) + 1):
        header.fields.insert(0, "")
    num_columns, names = len(header.fields), header.fields
    behind = [row for row in peeked[1:] if len(row) == num_columns]
    has_header = is_header_of_csv(header.fields, behind)
    if has_header:
        rows.read(lambda _: "")
    else:
        names = [str(number) for number in range(1, num_columns + 1)]
        note(f"{name}:{header.line}: the first row is a pair and names no columns")
    sample = behind if has_header else [header.fields, *behind]
    return Opened(names, has_header, sample, f"{name}:{header.line}", rows)


class _Row(NamedTuple):
    """The fields of a row, and where it begins; `problem` is empty when they can be read."""

    line: int
    fields: list[str]
    problem: str


class _Lines:
    """Lines that can be given back."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._returned: deque[Line] = deque()

    def take(self) -> Line | None:
        """Return the next line, None at the end."""
        return self._returned.popleft() if self._returned else next(self._lines, None)

    def give_back(self, lines: list[Line]) -> None:
        """Let these lines come next once more."""
        self._returned.extendleft(reversed(lines))


def _find_delimiter(lines: _Lines) -> str:
    """Return what separates the columns, by a line `sep=;` of Excel's or by the header."""
    first = lines.take()
    if first is None:
        return ""
    if match := _SEPARATOR.fullmatch(first.text):
        return match[1]
    lines.give_back([first])
    return max(",;\t|", key=first.text.count)


class _Slot:
    """What the csv library reads from: one line, and then nothing."""

    def __init__(self) -> None:
        self.text: str | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if self.text is None:
            raise StopIteration
        text, self.text = self.text, None
        return text


class _RowReader:
    """Reads row by row; the csv library does what is whole on one line, as it is faster."""

    def __init__(self, lines: _Lines, delimiter: str) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._slot = _Slot()
        self._reader = csv.reader(self._slot, delimiter=delimiter, strict=True)

    def read(self, find_fault: FindFault) -> _Row | None:
        """Return the next row that is not blank, None at the end.

        Args:
            find_fault: says what is wrong with the fields of a row of several lines, which is
                then one bad line, and no row.
        """
        while (line := self._lines.take()) is not None:
            if line.text or line.problem:
                return self._read_row(line, find_fault)
        return None

    def peek_first(self) -> _Row | None:
        """Return the first row that is not blank, without taking it."""
        taken: list[Line] = []
        while (line := self._lines.take()) is not None and not (line.text or line.problem):
            taken.append(line)
        if line is None:
            return None
        row = self._read_row(line, lambda _: "")
        self._lines.give_back([line])
        return row

    def peek(self, count: int) -> list[list[str]]:
        """Return the fields of the next lines that are whole rows, without taking them."""
        taken: list[Line] = []
        while len(taken) < count and (line := self._lines.take()) is not None:
            taken.append(line)
        self._lines.give_back(taken)
        rows = []
        for line in taken:
            fields = _Fields(self._delimiter)
            fields.add(line.text)
            if line.text and not (line.problem or fields.problem or fields.is_open):
                rows.append(fields.values)
        return rows

    def _read_row(self, line: Line, find_fault: FindFault) -> _Row:
        if '"' not in line.text:
            return _Row(line.number, line.text.split(self._delimiter), line.problem)
        self._slot.text = line.text
        with suppress(csv.Error):
            return _Row(line.number, next(self._reader), line.problem)
        fields = _Fields(self._delimiter)
        fields.add(line.text)
        taken = [line]
        if fields.is_open:
            self._read_on(fields, taken)
        if len(taken) > 1 and (fields.problem or find_fault(fields.values)):
            self._lines.give_back(taken[1:])
            return _Row(line.number, [], NOT_CLOSED)
        bad = next((one for one in taken if one.problem), None)
        if bad is not None:
            return _Row(bad.number, [], bad.problem)
        return _Row(line.number, fields.values, fields.problem)

    def _read_on(self, fields: _Fields, taken: list[Line]) -> None:
        """Take lines until the quotes are closed, or too many for one row."""
        room = MAX_LINE_BYTES
        while fields.is_open and not fields.problem:
            following = self._lines.take() if len(taken) < MAX_ROW_LINES and room > 0 else None
            if following is None:
                fields.problem = NOT_CLOSED
                return
            fields.add(taken[-1].end + following.text)
            taken.append(following)
            room -= len(following.text)


class _Fields:
    """The fields of one row, whose text may come line by line."""

    def __init__(self, delimiter: str) -> None:
        self.values: list[str] = []
        self.problem = ""
        self.is_open = False  # within quotes
        self._delimiter = delimiter
        self._parts: list[str] = []

    def add(self, text: str) -> None:
        """Read on; afterwards the row is open, or whole, or has a problem."""
        place: int | None = 0
        while place is not None and not self.problem:
            if self.is_open:
                place = self._read_quoted(text, place)
            elif text.startswith('"', place):
                self.is_open = True
                place += 1
            else:
                place = self._read_plain(text, place)

    def _read_plain(self, text: str, place: int) -> int | None:
        end = text.find(self._delimiter, place)
        self.values.append(text[place:] if end < 0 else text[place:end])
        return None if end < 0 else end + 1

    def _read_quoted(self, text: str, place: int) -> int | None:
        """Read to the next quote: one of two, which stand for one, or the closing one."""
        end = text.find('"', place)
        if end < 0:
            self._parts.append(text[place:])
            return None
        self._parts.append(text[place:end])
        if text.startswith('"', end + 1):
            self._parts.append('"')
            return end + 2
        self.is_open = False
        self.values.append("".join(self._parts))
        self._parts = []
        if end + 1 == len(text):
            return None
        if not text.startswith(self._delimiter, end + 1):
            self.problem = "bad quotes: text behind a closing double quote"
        return end + 2
