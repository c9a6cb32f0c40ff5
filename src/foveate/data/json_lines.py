"""JSON lines: one object a line, with the keys source and target."""

from __future__ import annotations

import json

from foveate.data.lines import read_numbered_lines
from foveate.data.rows import BadRow, Report, Rows
from foveate.errors import DataError, did_you_mean
from foveate.records import Pair


def read_json_lines(name: str, note: Report) -> Rows:
    """Read one JSON object a line, with the keys source and target."""
    is_first = True
    for line in read_numbered_lines(name):
        if not line.problem and not line.text.strip():
            continue
        if is_first and line.text.lstrip().startswith("["):
            advice = "one object a line is needed (jq -c '.[]' makes it so)"
            raise DataError(f"{name}:{line.number}: a JSON array, not JSON lines: {advice}")
        is_first = False
        pair = line.problem or _parse_json_pair(line.text)
        if isinstance(pair, str):
            yield BadRow(name, line.number, pair)
        else:
            yield Pair(*pair, name, line.number)


def _parse_json_pair(text: str) -> tuple[str, str] | str:
    """Return both sides, or what is wrong."""
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        return f"broken JSON: {error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError):
        return "broken JSON: too large a number, or too deep"
    if not isinstance(record, dict):
        return f"not a JSON object, but {_json_type(record)}"
    for side in ("source", "target"):
        if side not in record:
            listed = ", ".join(map(repr, list(record)[:10])) or "none"
            return f"no key {side!r}{did_you_mean(side, record)}; its keys are: {listed}"
        if not isinstance(record[side], str):
            return f"{side} is not a string, but {_json_type(record[side])}"
        if not _is_unicode(record[side]):
            return f"{side} has half a surrogate pair (a broken \\u escape)"
    return record["source"], record["target"]


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names: dict[type, str] = {dict: "an object", list: "an array", str: "a string"}
    return names.get(type(value), "a number")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
