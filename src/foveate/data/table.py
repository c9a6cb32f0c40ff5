"""A compact table of pairs: a million pairs are four arrays, not a million Python objects.

Knows nothing of files and tokens.
"""

from __future__ import annotations

import hashlib
import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveate.errors import DataError
from foveate.records import Pair
from foveate.text.codec import normalize_text


@dataclass(frozen=True, slots=True)
class _Column:
    """Texts as one buffer of UTF-8; text i is `buffer[offsets[i]:offsets[i + 1]]`."""

    buffer: bytes
    offsets: NDArray[np.int64]

    def raw(self, index: int) -> bytes:
        return self.buffer[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[bytes]:
        bounds = self.offsets.tolist()
        return (self.buffer[begin:end] for begin, end in itertools.pairwise(bounds))

    def take(self, indices: NDArray[np.int64]) -> _Column:
        begins, ends = self.offsets[indices], self.offsets[indices + 1]
        offsets = np.zeros(len(indices) + 1, dtype=np.int64)
        np.cumsum(ends - begins, out=offsets[1:])
        view = memoryview(self.buffer)
        spans = zip(begins.tolist(), ends.tolist(), strict=True)
        return _Column(b"".join(view[begin:end] for begin, end in spans), offsets)


class PairTable:
    """Pairs of texts, addressed by row number.

    Example:
        >>> table = PairTable.from_texts(["cat", "dog"], ["K AE T", "D AO G"])
        >>> len(table), table.source(1), table.target(0)
        (2, 'dog', 'K AE T')
    """

    __slots__ = ("_sources", "_targets")

    def __init__(self, sources: _Column, targets: _Column) -> None:
        self._sources = sources
        self._targets = targets

    @classmethod
    def from_pairs(cls, pairs: Iterable[Pair]) -> PairTable:
        """Build a table of pairs as they are read; paths and line numbers are not kept.

        Raises:
            DataError: a text cannot be written as UTF-8.
        """
        return cls._from_sides((pair.source, pair.target) for pair in pairs)

    @classmethod
    def from_texts(cls, sources: Iterable[str], targets: Iterable[str]) -> PairTable:
        """Build a table of two equally long series of texts.

        Raises:
            DataError: one side is longer, or holds something that is not a text.
        """
        return cls._from_sides(_zip_sides(sources, targets))

    @classmethod
    def _from_sides(cls, rows: Iterable[tuple[str, str]]) -> PairTable:
        buffers = bytearray(), bytearray()
        offsets = array("q", [0]), array("q", [0])
        for number, row in enumerate(rows, start=1):
            for side, text in enumerate(row):
                buffers[side].extend(_to_bytes(text, ("source", "target")[side], number))
                offsets[side].append(len(buffers[side]))
        columns = [
            _Column(bytes(buffer), np.array(bounds, dtype=np.int64))
            for buffer, bounds in zip(buffers, offsets, strict=True)
        ]
        return cls(*columns)

    def __len__(self) -> int:
        return len(self._sources.offsets) - 1

    def source(self, index: int) -> str:
        """Return the source of one row (negative numbers count from the end)."""
        return self._sources.raw(self._row(index)).decode()

    def target(self, index: int) -> str:
        """Return the target of one row (negative numbers count from the end)."""
        return self._targets.raw(self._row(index)).decode()

    def _row(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of a table of {len(self)} pairs")
        return index % len(self)

    def sources(self) -> Iterator[str]:
        """Yield the sources in order."""
        return (raw.decode() for raw in self._sources)

    def targets(self) -> Iterator[str]:
        """Yield the targets in order."""
        return (raw.decode() for raw in self._targets)

    def rows(self, indices: Sequence[int] | NDArray[np.integer]) -> PairTable:
        """Return a table of the rows of these numbers, in this order (repeats allowed)."""
        wanted = np.asarray(indices, dtype=np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"rows {wanted.min()}..{wanted.max()} of a table of {len(self)} pairs")
        return PairTable(self._sources.take(wanted), self._targets.take(wanted))

    @property
    def size_in_bytes(self) -> int:
        """Memory of the texts and offsets."""
        columns = (self._sources, self._targets)
        return sum(len(column.buffer) + column.offsets.nbytes for column in columns)

    def split_off(self, share_or_count: float, seed: int) -> tuple[PairTable, PairTable]:
        """Hold out rows by source: return `(rest, held)`.

        All rows of a source go to the same side, so that nothing held out has been seen. Spellings
        that Unicode holds to be the same (NFC) are one source. A source
        is chosen by a hash of its text and the seed, not by its place, so that reordering the
        rows does not change the choice.

        Args:
            share_or_count: an int is the number of rows to hold out, a float their share; never
                more is held out, except that one source always is.
            seed: another seed holds out other sources.

        Raises:
            DataError: there are not two different sources, or not so many rows.
        """
        count = self._count_to_hold(share_or_count)
        groups: dict[bytes, int] = {}
        forms = map(_normalize, self._sources)
        group_of_row = np.array([groups.setdefault(form, len(groups)) for form in forms])
        if len(groups) < 2:
            raise DataError("cannot hold out pairs: there are not two different sources")
        is_held = _choose_groups(list(groups), np.bincount(group_of_row), count, seed)[group_of_row]
        return self.rows(np.flatnonzero(~is_held)), self.rows(np.flatnonzero(is_held))

    def deal(self, parts: int, seed: int) -> NDArray[np.int64]:
        """Return for every row the number of its part: all rows of a source are in one.

        Sources are dealt out by a hash of their text and the seed, as in `split_off`.
        """
        forms = list(map(_normalize, self._sources))
        texts = list(dict.fromkeys(forms))
        order = _order_by_hash(texts, seed)
        part_of = {texts[index]: place % parts for place, index in enumerate(order)}
        return np.array([part_of[form] for form in forms], dtype=np.int64)

    def _count_to_hold(self, share_or_count: float) -> int:
        is_share = isinstance(share_or_count, float)
        count = round(share_or_count * len(self)) if is_share else int(share_or_count)
        if share_or_count <= 0 or count >= len(self):
            raise DataError(f"cannot hold out {share_or_count} of {len(self):,} pairs")
        return max(count, 1)


def hash_tables(*tables: PairTable | None) -> str:
    """Return the sha256 of all texts of some tables, in hexadecimal."""
    digest = hashlib.sha256()
    for part in tables:
        if part is not None:
            for text in (*part.sources(), "", *part.targets(), ""):
                digest.update(text.encode("utf-8") + b"\n")
    return digest.hexdigest()


def _normalize(raw: bytes) -> bytes:
    """Return a source in the form in which two spellings of a letter are the same."""
    return raw if raw.isascii() else normalize_text(raw.decode("utf-8"), "NFC").encode("utf-8")


def _choose_groups(
    texts: list[bytes], sizes: NDArray[np.int64], count: int, seed: int
) -> NDArray[np.bool_]:
    """Mark groups in the order of their hashes, as long as they fit into `count` rows."""
    order = _order_by_hash(texts, seed)
    is_held = np.zeros(len(texts), dtype=np.bool_)
    num_rows = 0
    for group in order:
        if num_rows + sizes[group] <= count:
            is_held[group] = True
            num_rows += int(sizes[group])
        if num_rows == count:
            break
    if not num_rows:
        is_held[min(order, key=sizes.__getitem__)] = True
    return is_held


def _order_by_hash(texts: list[bytes], seed: int) -> list[int]:
    """Return the places of texts in the order of their hashes: the same in any order of rows."""
    key = str(seed).encode()
    hashes = [hashlib.blake2b(text, digest_size=8, key=key).digest() for text in texts]
    return sorted(range(len(texts)), key=hashes.__getitem__)


def _zip_sides(sources: Iterable[str], targets: Iterable[str]) -> Iterator[tuple[str, str]]:
    num_rows = 0
    try:
        for row in zip(sources, targets, strict=True):
            num_rows += 1
            yield row
    except ValueError:
        message = f"sources and targets differ in number: one side ends after {num_rows:,}"
        raise DataError(message) from None


def _to_bytes(text: str, side: str, number: int) -> bytes:
    if not isinstance(text, str):
        raise DataError(f"{side} {number} is not a text, but {type(text).__name__}: {text!r:.50}")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise DataError(f"{side} {number} has half a surrogate pair: {text!r:.50}") from None
