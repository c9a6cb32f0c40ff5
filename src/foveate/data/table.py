"""A compact table of pairs: a million pairs are four arrays, not a million Python objects.

Knows nothing of files and tokens.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from foveate.data.column import Column, ColumnWriter
from foveate.errors import DataError
from foveate.records import Pair
from foveate.text.codec import normalize_text

HASHES_AT_ONCE = 2**20
LOOKED_AT = 8  # times as many sources as are held out


class PairTable:
    """Pairs of texts, addressed by row number.

    Example:
        >>> table = PairTable.from_texts(["cat", "dog"], ["K AE T", "D AO G"])
        >>> len(table), table.source(1), table.target(0)
        (2, 'dog', 'K AE T')
    """

    __slots__ = ("_sources", "_targets")

    def __init__(self, sources: Column, targets: Column) -> None:
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
        sources, targets = ColumnWriter(), ColumnWriter()
        for number, (source, target) in enumerate(rows, start=1):
            sources.add(_to_bytes(source, "source", number))
            targets.add(_to_bytes(target, "target", number))
        return cls(sources.finish(), targets.finish())

    def __len__(self) -> int:
        return len(self._sources)

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

    def joined_sources(self) -> Iterator[str]:
        """Yield all sources in some large texts, a line end between two of them."""
        return (piece.decode() for piece in self._sources.joined())

    def spread(self, most: int) -> list[tuple[str, str]]:
        """Return at most so many pairs, from everywhere in the table."""
        step = max(1, -(-len(self) // most))
        return [(self.source(row), self.target(row)) for row in range(0, len(self), step)]

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

    def hash_into(self, digest: hashlib._Hash) -> None:
        """Put all texts into a hash: the sources and an empty one, then the targets and another."""
        for column in (self._sources, self._targets):
            for piece in column.joined():
                digest.update(piece + b"\n")
            digest.update(b"\n")

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
        hashes = self._hash_sources(seed)
        if hashes.min() == hashes.max():
            raise DataError("cannot hold out pairs: there are not two different sources")
        chosen = _choose_hashes(hashes, count)
        parts = np.array_split(hashes, 1 + len(hashes) // HASHES_AT_ONCE)
        is_held = np.concatenate([np.isin(part, chosen) for part in parts])
        del hashes, parts
        return self.rows(np.flatnonzero(~is_held)), self.rows(np.flatnonzero(is_held))

    def deal(self, parts: int, seed: int) -> NDArray[np.int64]:
        """Return for every row the number of its part: all rows of a source are in one.

        Sources are dealt out by a hash of their text and the seed, as in `split_off`.
        """
        _, places = np.unique(self._hash_sources(seed), return_inverse=True)
        return places % parts

    def _hash_sources(self, seed: int) -> NDArray[np.uint64]:
        """Return a hash of every source: the same of all spellings, in any order of rows."""
        hasher = functools.partial(hashlib.blake2b, digest_size=8, key=str(seed).encode())
        digests = bytearray()
        for raw in self._sources:
            digests += hasher(raw if raw.isascii() else _normalize(raw)).digest()
        return np.frombuffer(digests, ">u8").astype(np.uint64)

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
            part.hash_into(digest)
    return digest.hexdigest()


def _normalize(raw: bytes) -> bytes:
    """Return a source in the form in which two spellings of a letter are the same."""
    return normalize_text(raw.decode("utf-8"), "NFC").encode("utf-8")


def _choose_hashes(hashes: NDArray[np.uint64], count: int) -> NDArray[np.uint64]:
    """Choose sources in the order of their hashes, as long as their rows fit into `count`.

    The first ones suffice as a rule. If they do not fill it, all are looked at.
    """
    share = min(1.0, LOOKED_AT * count / len(hashes))
    for bound in (np.uint64(share * (2**64 - 2**11)), np.uint64(2**64 - 1)):
        texts, sizes = np.unique(hashes[hashes <= bound], return_counts=True)
        chosen, num_rows = list[int](), 0
        for place, size in enumerate(sizes.tolist()):
            if num_rows + size <= count:
                chosen.append(place)
                num_rows += size
            if num_rows == count:
                return texts[chosen]
    return texts[chosen or [int(sizes.argmin())]]


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
