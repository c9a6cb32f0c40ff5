"""Sources out of a table: one column is read, the others come along.

Read are the same forms as for pairs: TSV, CSV, JSON lines and arrays, TMX and XLIFF, parquet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from foveate.counted import counted
from foveate.data.columns import choose_source, flatten
from foveate.data.csv_rows import open_csv
from foveate.data.forms import recognise
from foveate.data.json_lines import read_json_records, read_value_records
from foveate.data.lines import Line, is_gzip_name, read_numbered_lines, show_name, take_head
from foveate.data.objects import LOOKED_AT, Record
from foveate.data.parquet import read_parquet_records
from foveate.data.rows import Report
from foveate.data.separated import BARS, open_tsv
from foveate.data.source_row import SourceRow
from foveate.data.xml_units import read_units

KnowsTag = Callable[[str], bool]
Fields = Iterator[tuple[Line, Sequence[Any]]]


class _Table(NamedTuple):
    """A table: names of its columns, some of its rows, and all of them with their lines."""

    names: list[str]
    has_names: bool
    sample: Sequence[Sequence[Any]]
    rows: Fields


def read_source_rows(
    where: str | Path, asked: str, *, knows_tag: KnowsTag | None = None, report: Report
) -> Iterator[SourceRow]:
    r"""Read the source of every row of a table.

    Args:
        where: the file; `-` is standard input.
        asked: the column, by name, number from 1 or path; `1+3` joins two. `SOURCE,TARGET` is
            taken as in training: its first side is read.
        knows_tag: tells whether a tag was seen in training, so that one row says enough.
        report: called with each note for the user.

    Raises:
        DataError: the file cannot be read, or there is no such column.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "words.csv")
        ...     _ = path.write_text("id,word\n7,cat\n", encoding="utf-8")
        ...     rows = list(read_source_rows(path, "word", report=print))
        >>> rows[0].line.text, rows[0].others
        ('cat', (('id', '7'),))
    """
    name = str(where)
    table = _open(name, asked, report)
    if table is None:
        return
    source = choose_source(
        table.names, table.sample, show_name(name), asked, table.has_names, knows_tag
    )
    others = [n for n in range(len(table.names)) if n not in source.source]
    for line, fields in table.rows:
        if line.problem:
            yield SourceRow(line)
            continue
        texts = ["" if value is None else str(value) for value in fields]
        kept = tuple((table.names[n], texts[n]) for n in others)
        yield SourceRow(line._replace(text=source.join(texts, source.source)), kept)


def _open(name: str, asked: str, report: Report) -> _Table | None:
    plain_name = name[:-3] if is_gzip_name(name) else name
    if Path(plain_name).suffix.lower() == ".parquet":
        return _tabulate(read_parquet_records(name))
    head, lines = take_head(read_numbered_lines(name))
    form = recognise(name, head)
    if form == "csv":
        opened = open_csv(show_name(name), lines, report)
        if opened is None:
            return None
        return _Table(opened.names, opened.has_header, opened.sample, _read_csv(opened.read_all()))
    if form == "json lines":
        return _tabulate(read_json_records(lines))
    if form == "json":
        return _tabulate(read_value_records(name, lines))
    if form == "xml":
        return _tabulate(read_units(lines))
    separator = BARS if form == "bars" else "\t"
    tsv = open_tsv(name, head, lines, report, asked, separator)
    rows = _read_tsv(tsv.lines, separator, len(tsv.names))
    return _Table(tsv.names, tsv.has_header, tsv.sample, rows)


def _read_tsv(lines: Iterator[Line], separator: str, num_columns: int) -> Fields:
    for line in lines:
        fields = line.text.split(separator)
        if len(fields) != num_columns and line.text.strip() and not line.problem:
            problem = f"{counted(len(fields), 'column')} instead of {num_columns}"
            line = line._replace(problem=problem)
        yield line, [*fields, *[""] * num_columns][:num_columns]


def _read_csv(rows: Iterator[tuple[int, list[str], str]]) -> Fields:
    for number, fields, problem in rows:
        yield Line(number, "", problem), fields


def _tabulate(records: Iterator[Record]) -> _Table:
    head = list(islice(records, LOOKED_AT))
    flat = [flatten(record.values) for record in head]
    names = list(dict.fromkeys(name for columns in flat for name in columns))
    sample = [[columns.get(name) for name in names] for columns in flat]
    return _Table(names, True, sample, _read_records(chain(head, records), names))


def _read_records(records: Iterator[Record], names: Sequence[str]) -> Fields:
    for record in records:
        columns = flatten(record.values)
        yield Line(record.line, "", record.problem), [columns.get(name) for name in names]
