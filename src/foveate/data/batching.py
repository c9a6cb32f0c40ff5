"""From a table of texts to padded batches of integers.

Knows nothing of PyTorch; a codec is anything that turns texts into ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from foveate.records import Batch
from foveate.text.vocabulary import BOS, EOS, PAD

if TYPE_CHECKING:
    from foveate.data.table import PairTable

_CHUNK = 10_000  # rows encoded at once
_ENOUGH = 0.04  # share of padding below which batches may be looser, and so more random


class TextCodec(Protocol):
    """What is needed of a codec."""

    def encode_many(self, texts: list[str], /, *, sampling: float, seed: int) -> list[list[int]]:
        """Return the ids of each text."""
        ...


@dataclass(frozen=True, slots=True)
class EncodedPairs:
    """The ids of all pairs in flat arrays; row i of a side is `ids[offsets[i]:offsets[i + 1]]`."""

    source_ids: NDArray[np.int32]
    source_offsets: NDArray[np.int64]
    target_ids: NDArray[np.int32]
    target_offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.source_offsets) - 1

    @property
    def source_lengths(self) -> NDArray[np.int64]:
        """Number of source tokens of each row."""
        return np.diff(self.source_offsets)

    @property
    def target_lengths(self) -> NDArray[np.int64]:
        """Number of target tokens of each row, without EOS."""
        return np.diff(self.target_offsets)

    def source(self, index: int) -> NDArray[np.int32]:
        """Return the source ids of one row, as a view."""
        return self.source_ids[self.source_offsets[index] : self.source_offsets[index + 1]]

    def target(self, index: int) -> NDArray[np.int32]:
        """Return the target ids of one row, as a view."""
        return self.target_ids[self.target_offsets[index] : self.target_offsets[index + 1]]

    @property
    def num_steps(self) -> int:
        """Number of target tokens of all rows, an end mark for each."""
        return len(self.target_ids) + len(self)

    def steps(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of the steps of some rows, of all that are counted by `num_steps`."""
        begins = self.target_offsets[rows] + rows
        ends = self.target_offsets[rows + 1] + rows + 1
        return np.concatenate(
            [np.arange(begin, end) for begin, end in zip(begins, ends, strict=True)]
        )

    @property
    def size_in_bytes(self) -> int:
        """Memory of the four arrays."""
        arrays = (self.source_ids, self.source_offsets, self.target_ids, self.target_offsets)
        return sum(values.nbytes for values in arrays)


def encode_table(
    table: PairTable,
    source_codec: TextCodec,
    target_codec: TextCodec,
    *,
    sampling: float = 0.0,
    seed: int = 0,
) -> EncodedPairs:
    """Encode both sides of a table, chunk by chunk.

    Args:
        table: the pairs.
        source_codec: encodes the sources.
        target_codec: encodes the targets.
        sampling: strength of subword sampling.
        seed: of the sampling; every chunk of every side gets its own from it.
    """
    source_ids, source_offsets = _encode_side(table.sources(), source_codec, sampling, seed, 0)
    target_ids, target_offsets = _encode_side(table.targets(), target_codec, sampling, seed, 1)
    return EncodedPairs(source_ids, source_offsets, target_ids, target_offsets)


def _encode_side(
    texts: Iterator[str], codec: TextCodec, sampling: float, seed: int, side: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    ids = [np.zeros(0, dtype=np.int32)]
    lengths = [np.zeros(1, dtype=np.int64)]
    while chunk := list(islice(texts, _CHUNK)):
        entropy = np.random.SeedSequence([seed, side, len(ids)])
        chunk_seed = int(entropy.generate_state(1)[0]) >> 1  # fits a signed 32-bit integer
        rows = codec.encode_many(chunk, sampling=sampling, seed=chunk_seed)
        lengths.append(np.array([len(row) for row in rows], dtype=np.int64))
        ids.append(np.array([token for row in rows for token in row], dtype=np.int32))
    return np.concatenate(ids), np.cumsum(np.concatenate(lengths))


def plan_batches(
    source_lengths: NDArray[np.integer[Any]],
    target_lengths: NDArray[np.integer[Any]],
    batch_tokens: int,
    seed: int,
    epoch: int,
) -> list[NDArray[np.int64]]:
    """Share the rows of one epoch out among batches of similar lengths, in random order.

    Rows are bucketed by target length, sorted by source length within a bucket, ties and the
    place of the bucket edges at random, and cut wherever the next row would make a batch too
    large. The widest buckets are taken whose padding stays under 4 percent: wide buckets mix
    rows better from epoch to epoch.

    Args:
        source_lengths: tokens of each source.
        target_lengths: tokens of each target, without EOS.
        batch_tokens: the largest number of cells `B * (S + T)` of a batch, where S is its longest
            source and T its longest target with EOS; a longer row is a batch by itself.
        seed: of the whole run.
        epoch: number of the epoch; the plan is a pure function of the arguments.

    Returns:
        The row numbers of each batch; every row is in exactly one of them.
    """
    S = np.asarray(source_lengths, dtype=np.int64)
    T = np.asarray(target_lengths, dtype=np.int64) + 1  # EOS
    if not len(S):
        return []
    generator = np.random.default_rng([seed, epoch])
    best: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None
    num_real = int(S.sum() + T.sum())
    for width in (3, 2, 1):
        order = _sort_rows(S, T, width, generator)
        begins = _cut(S[order], T[order], batch_tokens)
        num_cells = _count_cells(S[order], T[order], begins)
        if best is None or num_cells < best[0]:
            best = num_cells, order, begins
        if num_cells * (1 - _ENOUGH) <= num_real:
            break
    assert best is not None
    batches = np.split(best[1], best[2][1:])
    return [batches[index] for index in generator.permutation(len(batches))]


def _sort_rows(
    S: NDArray[np.int64], T: NDArray[np.int64], width: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Order rows by bucket of target length, then by source length up and down in turns."""
    buckets = (T + generator.integers(width)) // width
    sources = S + generator.uniform(-0.5, 0.5, len(S))  # breaks ties only
    return np.lexsort((np.where(buckets % 2, sources, -sources), buckets))


def _cut(S: NDArray[np.int64], T: NDArray[np.int64], batch_tokens: int) -> NDArray[np.int64]:
    """Return where each batch of the ordered rows begins."""
    begins = []
    begin = 0
    while begin < len(S):
        begins.append(begin)
        most = max(1, batch_tokens // int(S[begin] + T[begin]))  # later rows can only lower it
        end = begin + most
        widths = np.maximum.accumulate(S[begin:end]) + np.maximum.accumulate(T[begin:end])
        cells = widths * np.arange(1, len(widths) + 1)
        begin += max(1, int(np.searchsorted(cells, batch_tokens, side="right")))
    return np.array(begins, dtype=np.int64)


def _count_cells(S: NDArray[np.int64], T: NDArray[np.int64], begins: NDArray[np.int64]) -> int:
    sizes = np.diff(begins, append=len(S))
    widths = np.maximum.reduceat(S, begins) + np.maximum.reduceat(T, begins)
    return int((sizes * widths).sum())


Row = Sequence[int] | NDArray[np.integer[Any]]


def collate(sources: Sequence[Row], targets: Sequence[Row]) -> Batch:
    """Pad rows of ids on the right and add BOS and EOS to the targets.

    Args:
        sources: ids of each source.
        targets: ids of each target, without BOS and EOS.

    Raises:
        ValueError: there is no row, a source is empty, or the sides differ in number.

    Example:
        >>> batch = collate([[7, 8], [9]], [[5], [5, 6]])
        >>> batch.source.tolist(), batch.target_in.tolist(), batch.target_out.tolist()
        ([[7, 8], [9, 0]], [[2, 5, 0], [2, 5, 6]], [[5, 3, 0], [5, 6, 3]])
    """
    source, source_mask = collate_sources(sources)
    if len(sources) != len(targets):
        raise ValueError(f"{len(sources)} sources but {len(targets)} targets")
    target_in, target_mask = _pad(targets, lambda row: np.concatenate(([BOS], row)))
    target_out, _ = _pad(targets, lambda row: np.concatenate((row, [EOS])))
    return Batch(source, source_mask, target_in, target_out, target_mask)


def collate_sources(sources: Sequence[Row]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Pad sources on the right; return ids [B, S] and the mask, True where a token stands.

    Raises:
        ValueError: there is no row, or an empty source (drop these before).
    """
    if not len(sources) or any(len(row) == 0 for row in sources):
        raise ValueError("a batch needs at least one source, and no empty one")
    return _pad(sources, np.asarray)


def _pad(
    rows: Sequence[Row], convert: Callable[[Row], NDArray[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    arrays = [convert(row) for row in rows]
    lengths = np.array([len(array) for array in arrays])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(mask.shape, PAD, dtype=np.int64)
    ids[mask] = np.concatenate(arrays)
    return ids, mask
