"""Parquet files, of which pyarrow reads two columns batch by batch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from foveate.data.lines import is_gzip_name, open_bytes
from foveate.data.rows import BadRow, Report, Rows, choose_columns
from foveate.errors import DataError, MissingExtraError
from foveate.records import Pair

MAX_UNPACKED_BYTES = 2**32  # of a .parquet.gz: a small file must not fill the disk
TEXT_TYPES = ("string", "large_string", "string_view")
LIST_TYPES = tuple(f"list<{name}: string>" for name in ("element", "item"))  # several targets
COPIED_AT_ONCE = 2**20  # bytes


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
        try:
            with _make_seekable(stream, name) as seekable:
                yield from _read_batches(parquet.ParquetFile(seekable), name, note)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).partition("\n")[0]
            raise DataError(f"{name}: not a readable parquet file: {reason}") from None


@contextmanager
def _make_seekable(stream: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Give the file itself or, of a gzip-compressed one, an unpacked copy on the disk.

    Raises:
        DataError: it is longer than `MAX_UNPACKED_BYTES`.
    """
    if not is_gzip_name(name):
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        room = MAX_UNPACKED_BYTES
        while block := stream.read(COPIED_AT_ONCE):
            room -= len(block)
            if room < 0:
                raise DataError(
                    f"{name}: more than {MAX_UNPACKED_BYTES:,} bytes when unpacked: unpack it first"
                )
            copy.write(block)
        copy.seek(0)
        yield copy


def _read_batches(table: Any, name: str, note: Report) -> Rows:
    names = _choose_text_columns(table.schema_arrow, name, note)
    number = 0
    for batch in table.iter_batches(batch_size=4096, columns=names):
        sides = [_to_strings(batch.column(column)) for column in names]
        for source, target in zip(*sides, strict=True):
            number += 1
            for one in target if isinstance(target, list) and target else [target]:
                yield _row_of_values(source, one, name, number)


def _choose_text_columns(schema: Any, name: str, note: Report) -> list[str]:
    named = {column.strip().lower() for column in schema.names} & {"source", "target"}
    texts = [field.name for field in schema if _text_type(field.type) in TEXT_TYPES]
    names = schema.names if named or len(texts) < 2 else texts  # beside text, numbers are no side
    chosen = [names[index] for index in choose_columns(names, name, note)]
    for column in chosen:
        if schema.names.count(column) > 1:
            raise DataError(f"{name}: has two columns {column!r}")
        kind = _text_type(schema.field(column).type)
        if kind not in TEXT_TYPES and (column == chosen[0] or kind not in LIST_TYPES):
            raise DataError(f"{name}: column {column!r} is {kind}, not text")
    return chosen


def _text_type(kind: Any) -> str:
    """Return the name of a type, of categories that of what they stand for."""
    is_dictionary = str(kind).startswith("dictionary<")
    return str(kind.value_type if is_dictionary else kind)


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
    if source is None and target is None:
        return Pair("", "", name, number)  # a blank row
    if isinstance(source, str) and isinstance(target, str):
        return Pair(source, target, name, number)
    side, value = ("target", target) if isinstance(source, str) else ("source", source)
    return BadRow(name, number, f"{side} is {'missing' if value is None else 'not UTF-8'}")
