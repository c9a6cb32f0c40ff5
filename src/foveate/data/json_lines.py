"""JSON: one object a line, an array of objects, or an object that holds such an array."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from foveate.data.lines import Line, show_name
from foveate.data.objects import Record, describe_type, read_records
from foveate.data.rows import Report, Rows
from foveate.errors import DataError
from foveate.records import Pair

MOST_CHARACTERS = 2**27  # of a file that is one value and is read whole
MOST_FIELDS = 10  # of a record; an object of more texts is a dictionary
ONE_A_LINE = "one object a line is read in any size (jq -c '.[]' FILE > FILE.jsonl)"


def read_json_lines(
    name: str, lines: Iterator[Line], note: Report, asked: str | None = None
) -> Rows:
    """Read one JSON object, or array of fields, a line."""
    return read_records(read_json_records(lines), show_name(name), note, asked)


def read_json_records(lines: Iterator[Line]) -> Iterator[Record]:
    """Yield the object of every line that is not blank."""
    are_arrays: bool | None = None
    for line in lines:
        if line.problem:
            yield Record(line.number, {}, line.problem)
        elif line.text.strip():
            record = parse(line.text)
            if are_arrays is None and not isinstance(record, str):
                are_arrays = isinstance(record.value, list)
            yield _to_record(record, line.number, bool(are_arrays))


class _Value:
    """A value that was parsed, beside a text that says what is wrong."""

    def __init__(self, value: Any) -> None:
        self.value = value


def parse(text: str) -> _Value | str:
    """Return a JSON value, or what is wrong with the text."""
    try:
        return _Value(json.loads(text))
    except json.JSONDecodeError as error:
        return f"broken JSON: {error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError):
        return "broken JSON: too large a number, or too deep"


def _to_record(found: _Value | str, line: int, may_be_array: bool = False) -> Record:
    if isinstance(found, str):
        return Record(line, {}, found)
    if isinstance(found.value, list) and may_be_array:
        return Record(line, {str(n): value for n, value in enumerate(found.value, start=1)})
    if not isinstance(found.value, dict):
        return Record(line, {}, f"not a JSON object, but {describe_type(found.value)}")
    return Record(line, found.value)


def read_json_value(
    name: str, lines: Iterator[Line], note: Report, asked: str | None = None
) -> Rows:
    """Read a file that is one JSON value: an array of objects, or an object that holds one.

    The line of a pair is then the number of its object. An object of texts is a dictionary: its
    keys are the sources.
    """
    path = show_name(name)
    value = _parse_whole(path, lines)
    mapping = _find_mapping(_unpack(value))
    if not mapping:
        yield from read_records(_list_records(path, value), path, note, asked)
        return
    note(f"{path}: read as a dictionary: keys are sources, values are targets")
    for number, (key, found) in enumerate(mapping.items(), start=1):
        for target in found if isinstance(found, list) else [found]:
            yield Pair(key, target, path, number)


def read_value_records(name: str, lines: Iterator[Line]) -> Iterator[Record]:
    """Yield the objects of a file that is one JSON value.

    Raises:
        DataError: it is damaged, or has no objects.
    """
    path = show_name(name)
    return _list_records(path, _parse_whole(path, lines))


def _parse_whole(path: str, lines: Iterator[Line]) -> Any:
    text = _read_whole(path, lines)
    found = parse(text)
    if isinstance(found, str) and (several := _parse_several(text)):
        return several
    if isinstance(found, str):
        raise DataError(
            f"{path}: JSON over several lines that is damaged, or ends too early: {found}; "
            f"fetch it again; {ONE_A_LINE}"
        )
    return found.value


def _list_records(path: str, value: Any) -> Iterator[Record]:
    """Return the objects of a value; an object without any in it is one itself."""
    rows = _find_rows(value)
    if rows is None and isinstance(value, dict):
        return iter([Record(1, value)])
    if rows is None:
        raise DataError(f"{path}: JSON without an array of objects: {ONE_A_LINE}")
    are_arrays = isinstance(rows[0], list)
    return (_to_record(_Value(row), n, are_arrays) for n, row in enumerate(rows, start=1))


def _read_whole(path: str, lines: Iterator[Line]) -> str:
    parts, room = [], MOST_CHARACTERS
    for line in lines:
        if line.problem:
            raise DataError(f"{path}:{line.number}: {line.problem}: {ONE_A_LINE}")
        parts.append(line.text)
        room -= len(line.text)
        if room < 0:
            raise DataError(
                f"{path}: more than {MOST_CHARACTERS:,} characters in one JSON value: {ONE_A_LINE}"
            )
    return "\n".join(parts)


def _parse_several(text: str) -> list[Any]:
    """Return the objects of a text that has one behind another; nothing where it is damaged."""
    decoder, found, place = json.JSONDecoder(), list[Any](), 0
    try:
        while place < len(text):
            value, end = decoder.raw_decode(text, place)
            found.append(value)
            place = end + len(text[end:]) - len(text[end:].lstrip())
    except (ValueError, RecursionError):
        return []
    return found if len(found) > 1 and all(isinstance(one, dict) for one in found) else []


def _unpack(value: Any) -> Any:
    """Return what stands alone in lists and objects: `{"en": [{...}]}`."""
    while isinstance(value, list | dict) and len(value) == 1:
        inner = value[0] if isinstance(value, list) else next(iter(value.values()))
        if not isinstance(inner, list | dict):
            break
        value = inner
    return value


def _find_rows(value: Any) -> Sequence[Any] | None:
    """Return the objects of a value: an array of them, columns, or objects by their names."""
    columns = _unpack(value)
    if isinstance(columns, dict) and len(columns) > 1:
        inner = list(columns.values())
        if len({len(one) if isinstance(one, list | dict) else -1 for one in inner}) == 1:
            if all(isinstance(one, list) and one and _are_plain(one) for one in inner):
                return [dict(zip(columns, row, strict=True)) for row in zip(*inner, strict=True)]
            if all(isinstance(one, dict) and len(one) > 1 for one in inner):
                return _turn(columns)
    return _find_array(value)


def _turn(table: dict[str, dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Return the rows of a table that has columns by number, or rows by their names."""
    (first, *_), keys = table.values(), list(next(iter(table.values())))
    if any(list(one) != keys for one in table.values()):
        return None
    if all(key.isdigit() for key in first):  # as pandas writes columns
        return [{name: own[key] for name, own in table.items()} for key in keys]
    return [{"key": name, **own} for name, own in table.items()]


def _are_plain(values: Sequence[Any]) -> bool:
    return not any(isinstance(value, list | dict) for value in values)


def _find_array(value: Any, depth: int = 4) -> Sequence[Any] | None:
    """Return the longest array of objects or arrays in a value; None when there is none."""
    if isinstance(value, list):
        return value if value and isinstance(value[0], dict | list) else None
    if not isinstance(value, dict) or not depth:
        return None
    found = [array for inner in value.values() if (array := _find_array(inner, depth - 1))]
    return max(found, key=len, default=None)


def _find_mapping(value: Any) -> dict[str, Any]:
    """Return an object whose values are texts, or lists of texts; of more than a record has."""
    if not isinstance(value, dict) or len(value) <= MOST_FIELDS:
        return {}
    return value if all(map(_is_target, value.values())) else {}


def _is_target(value: Any) -> bool:
    texts = value if isinstance(value, list) and value else [value]
    return all(isinstance(text, str) for text in texts)
