"""Several targets of one source, as dictionaries write them, and a first row that is no pair.

What the first rows have is looked at once; a file without any of it is handed on untouched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

from foveate.data.dictionaries import VARIANT
from foveate.data.headers import names_sides
from foveate.data.rows import Report, Rows
from foveate.records import Pair

LOOKED_AT = 1000
SLASHES = ("slashes", "/x/, /y/")
SLASHED = re.compile(r"/[^/]+/(\s*[,;]\s*/[^/]+/)*|\[[^\[\]]+\](\s*[,;]\s*\[[^\[\]]+\])*")
_IN_SLASHES = re.compile(r"/([^/]+)/|\[([^\[\]]+)\]")
Change = Callable[[Pair], Iterator[Pair]]


def split_variants(rows: Rows, place: str, note: Report) -> Rows:
    """Make several pairs of one where its target lists variants, and drop the row of names.

    Args:
        rows: pairs and bad rows as they were read.
        place: how a message begins.
        note: is told what was found.
    """
    head = list(islice(rows, LOOKED_AT))
    pairs = [row for row in head if isinstance(row, Pair) and (row.source or row.target)]
    rows = chain(head, rows)
    if pairs and names_sides(pairs[0].source, pairs[0].target):
        note(f"{place}:{pairs[0].line}: the first row names the columns and is no pair")
        rows = (row for row in rows if row is not pairs[0])
    change = _find_change(pairs, place, note)
    return rows if change is None else _apply(rows, change)


def _apply(rows: Rows, change: Change) -> Rows:
    for row in rows:
        if isinstance(row, Pair):
            yield from change(row)
        else:
            yield row


def _find_change(pairs: Sequence[Pair], place: str, note: Report) -> Change | None:
    sources = {pair.source for pair in pairs}
    numbered = [
        pair.source
        for pair in pairs
        if (match := VARIANT.fullmatch(pair.source)) and match[1] in sources
    ]
    if numbered:
        note(f"{place}: {numbered[0]!r} and the like are further targets of the same source")
        return _strip_number
    slashed = [pair.target for pair in pairs if SLASHED.fullmatch(pair.target.strip())]
    if pairs and len(slashed) >= 0.9 * len(pairs):
        what, example = ("brackets", "[x], [y]") if slashed[0].lstrip()[0] == "[" else SLASHES
        note(f"{place}: {what} around targets are dropped; {example} are two targets of a source")
        return _split_slashes
    return None


def _strip_number(pair: Pair) -> Iterator[Pair]:
    match = VARIANT.fullmatch(pair.source)
    yield pair if match is None else replace(pair, source=match[1])


def _split_slashes(pair: Pair) -> Iterator[Pair]:
    if not SLASHED.fullmatch(pair.target.strip()):
        yield pair
        return
    for in_slashes, in_brackets in _IN_SLASHES.findall(pair.target):
        yield replace(pair, target=(in_slashes or in_brackets).strip())
