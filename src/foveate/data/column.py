"""Texts as one buffer of UTF-8; a large one lies in a file that is mapped into the memory.

The file is nameless: it is gone when nobody needs it, also after a kill. It lies in the folder for
temporary files, which `TMPDIR` names. Knows nothing of pairs.
"""

from __future__ import annotations

import itertools
import mmap
import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

MOST_IN_MEMORY = 32 * 2**20  # bytes of a column
BLOCK_BYTES = 4 * 2**20
CHUNK_ROWS = 10_000
TAKEN_ROWS = 2**20  # at once

Buffer = bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class Column:
    """Texts as one buffer; text i is `buffer[offsets[i]:offsets[i + 1]]`."""

    buffer: Buffer
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def raw(self, index: int) -> bytes:
        """Return one text as UTF-8."""
        return self.buffer[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks():
            yield from chunk

    def joined(self) -> Iterator[bytes]:
        """Yield all texts in some large pieces, a line end between them."""
        return map(b"\n".join, self._chunks())

    def _chunks(self) -> Iterator[list[bytes]]:
        for first in range(0, len(self), CHUNK_ROWS):
            bounds = self.offsets[first : first + CHUNK_ROWS + 1].tolist()
            begin = bounds[0]
            block = self.buffer[begin : bounds[-1]]
            yield [block[one - begin : end - begin] for one, end in itertools.pairwise(bounds)]

    def take(self, indices: NDArray[np.int64]) -> Column:
        """Return a column of the texts of these numbers, in this order."""
        writer = ColumnWriter()
        for first in range(0, len(indices), TAKEN_ROWS):
            some = indices[first : first + TAKEN_ROWS]
            is_begin = np.diff(some, prepend=-2) != 1  # of texts that stand side by side
            is_end = np.roll(is_begin, -1)
            runs = self.offsets[some[is_begin]].tolist(), self.offsets[some[is_end] + 1].tolist()
            writer.add_lengths(self.offsets[some + 1] - self.offsets[some])
            for begin, end in zip(*runs, strict=True):
                for place in range(begin, end, BLOCK_BYTES):
                    writer.add_bytes(self.buffer[place : min(place + BLOCK_BYTES, end)])
        return writer.finish()

    def __reduce__(self) -> tuple[Any, ...]:
        """Give another process what lies in the memory."""
        return Column, (self.buffer[:], np.array(self.offsets))


class ColumnWriter:
    """Collects texts; beyond `most_bytes` they go into a file.

    Example:
        >>> writer = ColumnWriter(most_bytes=2)
        >>> for text in (b"one", b"", b"two"):
        ...     writer.add(text)
        >>> column = writer.finish()
        >>> list(column), type(column.buffer).__name__
        ([b'one', b'', b'two'], 'mmap')
    """

    def __init__(self, most_bytes: int = MOST_IN_MEMORY) -> None:
        self._most_bytes = most_bytes
        self._buffer = bytearray()
        self._lengths = array("q", [0])
        self._files: list[IO[bytes]] = []
        self._end = 0  # of the texts in the file

    def add(self, text: bytes) -> None:
        """Add one text."""
        self._lengths.append(len(text))
        self.add_bytes(text)

    def add_lengths(self, lengths: NDArray[np.int64]) -> None:
        """Add the lengths of texts whose bytes are added, too."""
        self._lengths.frombytes(lengths.astype(np.int64).tobytes())

    def add_bytes(self, texts: bytes) -> None:
        """Add the bytes of texts whose lengths are added, too."""
        self._buffer += texts
        if len(self._buffer) > (BLOCK_BYTES if self._files else self._most_bytes):
            self._spill()

    def _spill(self) -> None:
        """Write what is there; the file of offsets is behind by what has no bytes yet."""
        if not self._files:
            self._files = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 (`finish`)
        self._files[0].write(self._buffer)
        self._buffer.clear()
        if len(self._lengths) > CHUNK_ROWS:
            self._spill_offsets()

    def _spill_offsets(self) -> None:
        offsets = self._end + np.cumsum(np.frombuffer(self._lengths, np.int64))
        self._end = int(offsets[-1]) if len(offsets) else self._end
        self._files[1].write(offsets.tobytes())
        del self._lengths[:]

    def finish(self) -> Column:
        """Return the column."""
        if not self._files:
            offsets = np.cumsum(np.frombuffer(self._lengths, np.int64))
            return Column(bytes(self._buffer), offsets)
        self._spill()
        if self._lengths:
            self._spill_offsets()
        texts, ends = self._files
        with texts, ends:  # a map needs no open file
            texts.flush()
            ends.flush()
            buffer = mmap.mmap(texts.fileno(), 0, access=mmap.ACCESS_READ)
            return Column(buffer, np.memmap(ends, dtype=np.int64, mode="r"))
