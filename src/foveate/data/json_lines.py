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
    return read_records(_parse_lines(lines), show_name(name), note, asked)


def _parse_lines(lines: Iterator[Line]) -> Iterator[Record]:
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
    found = parse(_read_whole(path, lines))
    if isinstance(found, str):
        raise DataError(
            f"{path}: JSON over several lines that is damaged, or ends too early: {found}; "
            f"fetch it again; {ONE_A_LINE}"
        )
    rows = _find_array(found.value)
    if rows is not None:
        records = (
            _to_record(_Value(row), n, isinstance(rows[0], list))
            for n, row in enumerate(rows, start=1)
        )
        yield from read_records(records, path, note, asked)
    elif isinstance(found.value, dict) and (pairs := _find_mapping(found.value)):
        note(f"{path}: read as a dictionary: keys are sources, values are targets")
        for number, (key, value) in enumerate(pairs.items(), start=1):
            for target in value if isinstance(value, list) else [value]:
                yield Pair(key, target, path, number)
    elif isinstance(found.value, dict):
        yield from read_records(iter([Record(1, found.value)]), path, note, asked)
    else:
        raise DataError(f"{path}: JSON without an array of objects: {ONE_A_LINE}")


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


def _find_array(value: Any, depth: int = 4) -> Sequence[Any] | None:
    """Return the longest array of objects or arrays in a value; None when there is none."""
    if isinstance(value, list):
        return value if value and isinstance(value[0], dict | list) else None
    if not isinstance(value, dict) or not depth:
        return None
    found = [array for inner in value.values() if (array := _find_array(inner, depth - 1))]
    return max(found, key=len, default=None)


def _find_mapping(value: dict[str, Any]) -> dict[str, Any]:
    """Return the object whose values are texts, or lists of texts, if there is just one."""
    inner = [one for one in value.values() if isinstance(one, dict)]
    if len(value) == len(inner) == 1:
        return _find_mapping(inner[0])
    is_mapping = len(value) > MOST_FIELDS and all(map(_is_target, value.values()))
    return value if is_mapping else {}


def _is_target(value: Any) -> bool:
    texts = value if isinstance(value, list) and value else [value]
    return all(isinstance(text, str) for text in texts)
