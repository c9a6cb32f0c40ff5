"""Pairs of objects, wherever these come from: JSON lines, a JSON array, the units of an XML file.

An object within an object is columns with a path for a name: `translation.en`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from foveate.data.columns import Choice, choose_columns, flatten
from foveate.data.rows import BadRow, Report, Rows
from foveate.errors import did_you_mean
from foveate.records import Pair

LOOKED_AT = 200


class Record(NamedTuple):
    """One object, where it begins, and what is wrong with it: then it is empty."""

    line: int
    values: dict[str, Any]
    problem: str = ""


def read_records(
    records: Iterator[Record], path: str, note: Report, asked: str | None = None
) -> Rows:
    """Yield the pairs of objects.

    Args:
        records: the objects.
        path: how a message begins.
        note: is told which columns were taken.
        asked: the columns of source and target.
    """
    head = list(islice(records, LOOKED_AT))
    sample = [flatten(record.values) for record in head if not record.problem]
    reader = None
    if sample:
        names = list(dict.fromkeys(name for columns in sample for name in columns))
        place = f"{path}:{next(one.line for one in head if not one.problem)}"
        rows = [[columns.get(name) for name in names] for columns in sample]
        reader = _Reader(names, choose_columns(names, rows, place, note, asked=asked), asked)
    for record in chain(head, records):
        if record.problem or reader is None:
            yield BadRow(path, record.line, record.problem)
            continue
        for found in reader.read(record.values):
            if isinstance(found, str):
                yield BadRow(path, record.line, found)
            else:
                yield Pair(*found, path, record.line)


class _Reader:
    """Takes both sides out of an object."""

    def __init__(self, names: Sequence[str], choice: Choice, asked: str | None) -> None:
        self._names, self._choice = names, choice
        self._takes_numbers = asked is not None

    def read(self, record: dict[str, Any]) -> Iterator[tuple[str, str] | str]:
        """Yield both sides, several times where the target is a list; or what is wrong."""
        columns = flatten(record)
        wanted = (*self._choice.source, *self._choice.target)
        values: dict[int, str] = {}
        lists: dict[int, list[str]] = {}
        if all(columns.get(self._names[n]) is None for n in wanted) and columns.keys() >= {
            self._names[n] for n in wanted
        }:
            yield "", ""  # a blank row
            return
        for n in wanted:
            found = self._find(columns, record, n)
            if isinstance(found, str):
                yield found
                return
            lists[n] = found
            values[n] = found[0]
        source = self._join(values, self._choice.source)
        first = self._choice.target[0]
        for target in lists[first]:
            yield source, self._join({**values, first: target}, self._choice.target)

    def _join(self, values: dict[int, str], side: Sequence[int]) -> str:
        return self._choice.join([values.get(n, "") for n in range(max(side) + 1)], side)

    def _find(self, columns: dict[str, Any], record: dict[str, Any], n: int) -> list[str] | str:
        """Return the texts of a column, or what is wrong with it."""
        name = self._names[n]
        if name not in columns:
            listed = ", ".join(map(repr, list(record)[:10])) or "none"
            close = did_you_mean(name, columns)
            return f"no key {name!r}{close}; its keys are: {listed}"
        value, is_target = columns[name], n in self._choice.target
        if isinstance(value, int | float) and not isinstance(value, bool) and self._takes_numbers:
            value = str(value)
        is_joined = len(self._choice.source if not is_target else self._choice.target) > 1
        if value is None and is_joined:
            value = ""
        is_list = isinstance(value, list) and value and is_target
        texts = value if is_list else [value]
        for text in texts:
            if not isinstance(text, str):
                return f"{name} is not a string, but {describe_type(text)}"
            if not is_unicode(text):
                return f"{name} has half a surrogate pair (a broken \\u escape)"
        return list(texts)


def describe_type(value: object) -> str:
    """Return what JSON calls a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names: dict[type, str] = {dict: "an object", list: "an array", str: "a string"}
    return names.get(type(value), "a number")


def is_unicode(text: str) -> bool:
    """Tell whether a text has no half of a surrogate pair."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
