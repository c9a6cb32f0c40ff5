"""A large file of plain rows, `source TAB target`, read by blocks instead of line by line.

What is special in a file, also a single bad row, is left to the readers, which say what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.data.column import ColumnWriter
from foveate.data.readers import read_pairs
from foveate.data.rows import Report
from foveate.data.table import PairTable

LARGE = 32 * 2**20  # bytes of a file; others are read in no time
BLOCK = 4 * 2**20
COMPARED = 1000  # rows by which the readers decide what a file is
TAB, LINE_END = b"\t\n"
UNUSUAL = (b"\0", b"\r", b"<eos>")  # <eos>: a row that separates, in one corpus


def read_table(
    where: str | Path,
    *,
    report: Report | None = None,
    max_characters: int = 2000,
    large: int = LARGE,
    **how: Any,
) -> PairTable:
    """Read pairs into a table, a large file of plain rows by blocks.

    Args:
        where: the file.
        report: is told what `read_pairs` has to say.
        max_characters: most letters of a side.
        large: bytes from which on a file is read by blocks.
        how: further arguments of `read_pairs`, whose errors are those of this function.
    """
    how["max_characters"] = max_characters
    notes: list[str] = []
    table = None
    if _is_large(where, large):
        head = islice(read_pairs(where, report=notes.append, **how), COMPARED)
        expected = [(pair.source, pair.target) for pair in head]
        table = _read_plain(Path(where), expected, max_characters)
    if table is None:
        return PairTable.from_pairs(read_pairs(where, report=report, **how))
    if report is not None:
        for note in notes:
            report(note)
    return table


def _is_large(where: str | Path, large: int) -> bool:
    path = Path(where)
    is_text = path.is_file() and path.suffix not in (".gz", ".parquet")
    return is_text and path.stat().st_size > large


def _read_plain(
    path: Path, expected: list[tuple[str, str]], max_characters: int
) -> PairTable | None:
    """Return the pairs of a file; None where they are not plain, or do not begin as expected."""
    sources, targets = ColumnWriter(), ColumnWriter()
    is_first = True
    for block in _read_blocks(path):
        bounds = _find_bounds(block, max_characters)
        if bounds is None:
            return None
        if is_first and not _begins_with(block, expected):
            return None
        is_first = False
        tabs, ends, begins = bounds
        sources.add_lengths(tabs - begins)
        targets.add_lengths(ends - tabs - 1)
        array = np.frombuffer(block, np.uint8)
        is_source = np.zeros(len(array) + 1, np.int8)
        is_source[begins] = 1
        is_source[tabs] -= 1
        in_source = np.cumsum(is_source[:-1], dtype=np.int8).astype(bool)
        sources.add_bytes(array[in_source].tobytes())
        in_target = ~in_source
        in_target[tabs] = in_target[ends] = False
        targets.add_bytes(array[in_target].tobytes())
    return PairTable(sources.finish(), targets.finish())


def _read_blocks(path: Path) -> Iterator[bytes]:
    """Yield whole lines, some thousands at once, each with its end."""
    rest = b""
    with path.open("rb") as stream:
        while read := stream.read(BLOCK):
            cut = read.rfind(b"\n") + 1
            if cut:
                yield rest + read[:cut]
                rest = b""
            rest += read[cut:]
    if rest:
        yield rest + b"\n"


def _find_bounds(
    block: bytes, max_characters: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the places of tabs, line ends and first bytes; None where a line is not plain."""
    if any(part in block for part in UNUSUAL):
        return None
    try:
        block.decode()
    except UnicodeDecodeError:
        return None
    array = np.frombuffer(block, np.uint8)
    ends, tabs = np.flatnonzero(array == LINE_END), np.flatnonzero(array == TAB)
    if len(ends) != len(tabs):
        return None
    begins = np.concatenate(([0], ends[:-1] + 1))
    sides = tabs - begins, ends - tabs - 1
    is_plain = all(side.min() > 0 and side.max() <= max_characters for side in sides)
    if not is_plain or _has_blank_side(block, array, begins, tabs, ends):
        return None
    return tabs, ends, begins


def _has_blank_side(
    block: bytes,
    array: NDArray[np.uint8],
    begins: NDArray[np.int64],
    tabs: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> bool:
    """Say whether a side consists of blanks; only sides that begin like it are looked at."""
    for first, last in ((begins, tabs), (tabs + 1, ends)):
        letters = array[first]
        for row in np.flatnonzero((letters <= ord(" ")) | (letters >= 0x80)):
            if block[first[row] : last[row]].decode().isspace():
                return True
    return False


def _begins_with(block: bytes, expected: list[tuple[str, str]]) -> bool:
    lines = block.split(b"\n", len(expected))[: len(expected)]
    found = [tuple(line.decode().split("\t")) for line in lines]
    return found == expected[: len(found)]
