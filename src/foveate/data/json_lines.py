"""JSON lines: one object a line, with the keys source and target."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from foveate.data.lines import read_numbered_lines
from foveate.data.rows import NUMBER, BadRow, Report, Rows, is_count
from foveate.errors import DataError, did_you_mean
from foveate.records import Pair

Key = tuple[str, ...]  # of an object, and of the objects within it
NAMED: tuple[Key, Key] = (("source",), ("target",))


def read_json_lines(name: str, note: Report) -> Rows:
    """Read one JSON object a line, with the keys source and target."""
    columns: tuple[Key, Key] | None = None
    for line in read_numbered_lines(name):
        if not line.problem and not line.text.strip():
            continue
        if columns is None and line.text.lstrip().startswith("["):
            advice = "one object a line is needed (jq -c '.[]' makes it so)"
            raise DataError(f"{name}:{line.number}: a JSON array, not JSON lines: {advice}")
        if columns is None and not line.problem:
            columns = _choose_keys(line.text, f"{name}:{line.number}", note)
        pair = line.problem or _parse_json_pair(line.text, columns or NAMED)
        if isinstance(pair, str):
            yield BadRow(name, line.number, pair)
        else:
            yield Pair(*pair, name, line.number)


def _choose_keys(text: str, place: str, note: Report) -> tuple[Key, Key] | None:
    """Return the keys of the two sides, by the first object: their names, or its only two texts.

    They may stand in an object within it. None: the line holds no object.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    if {"source", "target"} & record.keys():
        return NAMED
    outer: list[Key] = [
        (name,)
        for name, value in record.items()
        if isinstance(value, str) and not is_count(name) and not NUMBER.fullmatch(value.strip())
    ]
    inner: list[Key] = [
        (name, within)
        for name, value in record.items()
        if isinstance(value, dict)
        for within, text in value.items()
        if isinstance(text, str)
    ]
    found = [keys for keys in (outer, inner) if len(keys) == 2]
    if len(found) != 1 or len(outer) + len(inner) != 2:
        return NAMED
    source, target = (".".join(key) for key in found[0])
    note(f"{place}: keys {source!r} and {target!r} are taken as source and target")
    return found[0][0], found[0][1]


def _parse_json_pair(text: str, columns: tuple[Key, Key]) -> tuple[str, str] | str:
    """Return both sides, or what is wrong."""
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        return f"broken JSON: {error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError):
        return "broken JSON: too large a number, or too deep"
    if not isinstance(record, dict):
        return f"not a JSON object, but {_json_type(record)}"
    sides = [_find_side(record, key) for key in columns]
    problem = next((side.problem for side in sides if side.problem), "")
    return problem or (sides[0].text, sides[1].text)


def _find_side(record: dict[str, Any], key: Key) -> _Side:
    """Return the text under a key, or what is wrong with it."""
    value: Any = record
    for name in key:
        if not isinstance(value, dict) or name not in value:
            listed = ", ".join(map(repr, list(record)[:10])) or "none"
            close = did_you_mean(name, record)
            return _Side("", f"no key {'.'.join(key)!r}{close}; its keys are: {listed}")
        value = value[name]
    if not isinstance(value, str):
        return _Side("", f"{'.'.join(key)} is not a string, but {_json_type(value)}")
    if not _is_unicode(value):
        return _Side("", f"{'.'.join(key)} has half a surrogate pair (a broken \\u escape)")
    return _Side(value, "")


class _Side(NamedTuple):
    text: str
    problem: str


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names: dict[type, str] = {dict: "an object", list: "an array", str: "a string"}
    return names.get(type(value), "a number")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
