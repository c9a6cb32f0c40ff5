"""Text files with a row a line: TSV, and two parallel files.

The readers yield `Pair` and `BadRow` in file order, so that one place can decide what to do with
bad rows; a file that is wrong as a whole is a `DataError` at once.
"""

from __future__ import annotations

import itertools

from foveate.data.lines import read_numbered_lines, show_name
from foveate.data.rows import NUMBER, BadRow, Report, Rows
from foveate.errors import DataError
from foveate.records import Pair


def read_tsv(name: str, note: Report) -> Rows:
    """Read source TAB target; a third column is allowed when it is a number in every row."""
    path, num_columns = show_name(name), 0
    for line in read_numbered_lines(name):
        fields = line.text.split("\t")
        if len(fields) == 1 and not line.problem and not line.text.strip():
            continue  # a blank line is no row
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
    return len(fields) == 3 and NUMBER.fullmatch(fields[2].strip()) is not None


def _find_column_fault(fields: list[str], num_columns: int) -> str:
    if len(fields) == 1:
        return "one column: no TAB between source and target"
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
