"""One generator a file format: TSV, parallel text files, CSV, JSON lines, parquet.

Each yields `Pair` and `BadRow` in file order, so that one place can decide what to do with bad
rows; a file that is wrong as a whole is a `DataError` at once.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from foveate.data.lines import is_gzip_name, open_bytes, read_numbered_lines, show_name
from foveate.errors import DataError, MissingExtraError, did_you_mean
from foveate.records import Pair

Report = Callable[[str], None]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class BadRow(NamedTuple):
    """A row that is no pair: where it stands and what is wrong with it."""

    path: str
    line: int
    problem: str


Rows = Iterator[Pair | BadRow]


# --- TSV and parallel files -----------------------------------------------------------------------


def read_tsv(name: str, note: Report) -> Rows:
    """Read source TAB target; a third column is allowed when it is a number in every row."""
    path, num_columns = show_name(name), 0
    for line in read_numbered_lines(name):
        fields = line.text.split("\t")
        if not num_columns and len(fields) > 1:  # the first row with columns decides
            num_columns = 3 if _has_weight(fields) else 2
            if num_columns == 3:
                note(f"{path}: the third column is a number and is not used")
        problem = line.problem or _find_column_fault(fields, num_columns or 2)
        yield (
            BadRow(path, line.number, problem)
            if problem
            else Pair(fields[0], fields[1], path, line.number)
        )


def _has_weight(fields: list[str]) -> bool:
    return len(fields) == 3 and _NUMBER.fullmatch(fields[2].strip()) is not None


def _find_column_fault(fields: list[str], num_columns: int) -> str:
    if len(fields) == 1:
        return "one column: no TAB between source and target" if fields[0] else "empty line"
    if len(fields) < num_columns:
        return f"{len(fields)} columns, but {num_columns} in the first row"
    if len(fields) > num_columns:
        return f"{len(fields)} columns instead of {num_columns} (cut -f1,2 keeps the first two)"
    if num_columns == 3 and not _has_weight(fields):
        return "the third column is not a number, but it is in the first row"
    return ""


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
                f"{source_name} has {counts[0]:,} lines and {target_name} has {counts[1]:,}: "
                "line 1 of one must belong to line 1 of the other, and so on"
            )
        problem = source.problem and f"source: {source.problem}"
        problem = problem or (target.problem and f"target: {target.problem}")
        if problem:
            yield BadRow(path, source.number, problem)
        else:
            yield Pair(source.text, target.text, path, source.number)


# --- CSV ------------------------------------------------------------------------------------------


def read_csv(name: str, note: Report) -> Rows:
    """Read comma, semicolon or tab separated values with a header and double quotes."""
    faults: dict[int, str] = {}  # of lines that a row may span
    lines = _remember_faults(name, faults)
    first = next(lines, None)
    if first is None:
        return
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter, strict=True)
    columns: tuple[int, int] | None = None
    num_columns = 0
    for number, row in _number_rows(reader):
        bad_line = next((line for line in range(number, reader.line_num + 1) if line in faults), 0)
        if columns is None:
            if isinstance(row, str) or bad_line:
                raise DataError(
                    f"{name}:1: bad header: {row if not bad_line else faults[bad_line]}"
                )
            columns, num_columns = _choose_columns(row, f"{name}:1", note), len(row)
        elif bad_line:
            yield BadRow(name, bad_line, faults[bad_line])
        elif isinstance(row, str):
            yield BadRow(name, number, row)
        elif len(row) != num_columns:
            yield BadRow(name, number, f"{len(row)} columns, but {num_columns} in the header")
        else:
            yield Pair(row[columns[0]], row[columns[1]], name, number)


def _remember_faults(name: str, faults: dict[int, str]) -> Iterator[str]:
    for line in read_numbered_lines(name):
        if line.problem:
            faults[line.number] = line.problem
        yield line.text + "\n"


def _number_rows(reader: Any) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the line where each row begins and its fields, or what is wrong with its quotes."""
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, f"bad quotes: {error}; is a double quote not closed?"
        else:
            if row:  # a blank line is no row
                yield number, row


def _choose_columns(names: list[str], place: str, note: Report) -> tuple[int, int]:
    plain = [name.strip().lower() for name in names]
    found = [side for side in ("source", "target") if side in plain]
    if len(found) == 2:
        return plain.index("source"), plain.index("target")
    if found or len(names) < 2:
        listed = ", ".join(map(repr, names)) or "none"
        raise DataError(f"{place}: needs the columns source and target; its columns are: {listed}")
    note(f"{place}: columns {names[0]!r} and {names[1]!r} are taken as source and target")
    return 0, 1


# --- JSON lines -----------------------------------------------------------------------------------


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


# --- parquet --------------------------------------------------------------------------------------


def read_parquet(name: str, note: Report) -> Rows:
    """Read two text columns; the line of a pair is its row number, from 1."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", "Reading a parquet file") from None
    with open_bytes(name) as stream:
        if not stream.peek(1):
            return
        seekable = io.BytesIO(stream.read()) if is_gzip_name(name) else stream
        try:
            table = parquet.ParquetFile(seekable)
            names = _choose_text_columns(table.schema_arrow, name, note)
            number = 0
            for batch in table.iter_batches(batch_size=4096, columns=names):
                sides = [_to_strings(batch.column(column)) for column in names]
                for source, target in zip(*sides, strict=True):
                    number += 1
                    yield _row_of_values(source, target, name, number)
        except (pyarrow.ArrowException, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise DataError(f"{name}: not a readable parquet file: {reason}") from None


def _choose_text_columns(schema: Any, name: str, note: Report) -> list[str]:
    chosen = [schema.names[index] for index in _choose_columns(schema.names, name, note)]
    for column in chosen:
        if schema.names.count(column) > 1:
            raise DataError(f"{name}: has two columns {column!r}")
        kind = schema.field(column).type
        kind = getattr(kind, "value_type", kind)  # of a dictionary-encoded (categorical) column
        if str(kind) not in ("string", "large_string", "string_view"):
            raise DataError(f"{name}: column {column!r} is {kind}, not text")
    return chosen


def _to_strings(column: Any) -> list[str | bytes | None]:
    """Return the texts of a column; one that is not UTF-8 stays bytes."""
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return [_to_string(value) for value in column]


def _to_string(value: Any) -> str | bytes | None:
    try:
        text: str | None = value.as_py()
    except UnicodeDecodeError:
        return b""
    return text


def _row_of_values(
    source: str | bytes | None, target: str | bytes | None, name: str, number: int
) -> Pair | BadRow:
    if isinstance(source, str) and isinstance(target, str):
        return Pair(source, target, name, number)
    side, value = ("target", target) if isinstance(source, str) else ("source", source)
    return BadRow(name, number, f"{side} is {'missing' if value is None else 'not UTF-8'}")
