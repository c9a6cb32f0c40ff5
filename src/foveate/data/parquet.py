"""Parquet files, of which pyarrow reads two columns batch by batch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from foveate.data.columns import Choice, choose_columns, flatten
from foveate.data.lines import is_gzip_name, open_bytes
from foveate.data.objects import LOOKED_AT, Record
from foveate.data.rows import BadRow, Report, Rows
from foveate.errors import DataError, MissingExtraError
from foveate.records import Pair

MAX_UNPACKED_BYTES = 2**32  # of a .parquet.gz: a small file must not fill the disk
TEXT_TYPES = ("string", "large_string", "string_view")
LIST_TYPES = tuple(f"list<{name}: string>" for name in ("element", "item"))  # several targets
COPIED_AT_ONCE = 2**20  # bytes


def read_parquet(name: str, note: Report, asked: str | None = None) -> Rows:
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
                yield from _read_batches(parquet.ParquetFile(seekable), name, note, asked)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).partition("\n")[0]
            raise DataError(f"{name}: not a readable parquet file: {reason}") from None


def read_parquet_records(name: str) -> Iterator[Record]:
    """Yield every row as an object; its line is its number, from 1.

    Raises:
        DataError: the file cannot be read.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", "Reading a parquet file") from None
    number = 0
    with open_bytes(name) as stream:
        try:
            with _make_seekable(stream, name) as seekable:
                for batch in parquet.ParquetFile(seekable).iter_batches(batch_size=4096):
                    for row in batch.to_pylist():
                        number += 1
                        yield Record(number, row)
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


def _read_batches(table: Any, name: str, note: Report, asked: str | None) -> Rows:
    leaves = dict(_find_leaves(table.schema_arrow))
    choice = _choose(table, list(leaves), name, note, asked)
    _check_types(leaves, choice, name)
    wanted = (*choice.source, *choice.target)
    paths = [list(leaves)[n] for n in wanted]
    roots = list(dict.fromkeys(leaves[path][0] for path in paths))
    number = 0
    for batch in table.iter_batches(batch_size=4096, columns=roots):
        columns = [_to_strings(_pick(batch, leaves[path][0], path)) for path in paths]
        for values in zip(*columns, strict=True):
            number += 1
            yield from _read_row(dict(zip(wanted, values, strict=True)), choice, name, number)


def _find_leaves(
    fields: Any, begin: str = "", root: str = ""
) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Yield the path of every column, of structs that of each field; with its root and type."""
    for field in fields:
        path, top = f"{begin}{field.name}", root or field.name
        if str(field.type).startswith("struct<"):
            inner = [field.type.field(n) for n in range(field.type.num_fields)]
            yield from _find_leaves(inner, f"{path}.", top)
        else:
            yield path, (top, field.type)


def _choose(table: Any, names: list[str], name: str, note: Report, asked: str | None) -> Choice:
    """Return the columns of both sides, by the first rows."""
    for column in {"source", "target"} & set(names):
        if table.schema_arrow.names.count(column) > 1:
            raise DataError(f"{name}: has two columns {column!r}")
    rows: list[list[Any]] = []
    for batch in table.iter_batches(batch_size=LOOKED_AT):
        try:
            rows = [[flatten(row).get(one) for one in names] for row in batch.to_pylist()]
        except UnicodeDecodeError:
            rows = []
        break
    return choose_columns(names, rows, name, note, asked=asked)


def _check_types(leaves: dict[str, tuple[str, Any]], choice: Choice, name: str) -> None:
    """Raise a DataError for a column that is no text; one of the target may be lists of them."""
    paths = list(leaves)
    for n in (*choice.source, *choice.target):
        kind = _text_type(leaves[paths[n]][1])
        is_list = kind in LIST_TYPES and choice.target == (n,)
        if kind not in TEXT_TYPES and not is_list:
            raise DataError(f"{name}: column {paths[n]!r} is {kind}, not text")


def _pick(batch: Any, root: str, path: str) -> Any:
    """Return a column of a batch by its path."""
    from pyarrow.compute import struct_field

    column, rest = batch.column(root), path.removeprefix(root)
    while rest:
        fields = [column.type.field(n).name for n in range(column.type.num_fields)]
        name = max((one for one in fields if _begins(rest, one)), key=len)
        column = struct_field(column, [name])
        rest = rest[len(name) + 1 :]
    return column


def _begins(rest: str, name: str) -> bool:
    return rest == f".{name}" or rest.startswith(f".{name}.")


def _read_row(values: dict[int, Any], choice: Choice, name: str, number: int) -> Rows:
    """Yield the pairs of a row, several where its target is a list."""
    if choice.is_plain:
        source, target = values[choice.source[0]], values[choice.target[0]]
        for one in target if isinstance(target, list) and target else [target]:
            yield _row_of_values(source, one, name, number)
        return
    texts = [values.get(n) or "" for n in range(max(values) + 1)]
    yield Pair(*choice.join_sides(texts), name, number)


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
