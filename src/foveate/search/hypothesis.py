"""What a search returns, and the trace from which it is read off at the end.

While searching, a step stores only its tokens and which row each came from; histories are never
copied. `Trace.hypotheses` walks back once, for all hypotheses together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveate.errors import SearchError

Integers = NDArray[np.int64]


class Node(NamedTuple):
    """A prefix that a search held: one more token than its parent, which comes before it.

    The root has the parent -1 and the token BOS.
    """

    parent: int
    token: int
    log_prob: float
    score: float  # sum of the log-probabilities from the root to here
    is_finished: bool = False  # the search found an output that ends here, with EOS


@dataclass(slots=True)
class Hypothesis:
    """One output of a search.

    Attributes:
        ids: its T tokens, without BOS and EOS.
        score: sum of the log-probabilities of the tokens and, if finished, of EOS.
        token_log_probs: log-probability of each of the T tokens, in nats.
        attention: [T, S] weights over the S real tokens of the source; None without attention.
        is_finished: whether it ended with EOS rather than at the greatest length.
        end_log_prob: log-probability of EOS; None when it is not finished.
        num_unmet: what it lacks of all that the query demands: the items of `must`, and one more
            if it does not begin as it should. 0 when it is finished.
        tree: all prefixes that the search held, and those that just missed its beam; only on the
            first hypothesis of a query that asks for it.
    """

    ids: list[int]
    score: float
    token_log_probs: list[float]
    attention: NDArray[np.float32] | None
    is_finished: bool
    end_log_prob: float | None = None
    num_unmet: int = 0
    tree: Sequence[Node] = ()


@dataclass(slots=True)
class Endings:
    """Where hypotheses ended: one entry for each, all arrays of one length."""

    owners: Integers  # number of the beam that the hypothesis belongs to
    steps: Integers  # number of its tokens
    chunks: Integers  # number of chunks before it ended
    rows: Integers  # its row in the last of them
    log_probs: NDArray[np.float64]  # of EOS; 0 when unfinished
    is_finished: NDArray[np.bool_]
    ranks: NDArray[np.float64]  # what a beam orders by; greater is better
    num_unmet: Integers

    def take(self, order: Integers) -> Endings:
        """Return some of them, in this order."""
        return Endings(
            self.owners[order],
            self.steps[order],
            self.chunks[order],
            self.rows[order],
            self.log_probs[order],
            self.is_finished[order],
            self.ranks[order],
            self.num_unmet[order],
        )


@dataclass(slots=True)
class _Chunk:
    """What was written one after the other by the same rows."""

    begin: int  # number of tokens before
    parents: Integers | None  # [R'] the row before from which each row comes; None: the same
    first_attention: NDArray[np.float32] | None = None  # [1, R, S] of the rows before
    tokens: list[Integers] = field(default_factory=list)  # [n, R'] each
    log_probs: list[NDArray[np.float32]] = field(default_factory=list)  # [n, R'] each
    attention: list[NDArray[np.float32]] = field(default_factory=list)  # [n, R', S] each


class Trace:
    """The steps of a search as tokens, log-probabilities, back-pointers and attention.

    Args:
        source_lengths: number of real source tokens of every beam.
    """

    def __init__(self, source_lengths: Integers) -> None:
        self._source_lengths = source_lengths
        self._width = int(source_lengths.max())  # of attention; padding may be wider
        self._chunks = [_Chunk(0, None)]
        self._endings: list[Endings] = []
        self._length = 0
        self._has_attention = False

    def consider(self, ids: Integers, log_probs: NDArray[np.float32], length: int) -> None:
        """Take note of the candidates [R, k] of the present rows, each of `length` tokens."""

    def extend(
        self,
        parents: Integers | None,
        tokens: Integers,
        log_probs: NDArray[np.float32],
        attention: NDArray[np.float32] | None,
    ) -> None:
        """Make new rows: row i is row `parents[i]` of the present ones, and n tokens more.

        Args:
            parents: [R']; None: every row goes on.
            tokens: [n, R'], where n is 1 unless every row goes on.
            log_probs: [n, R'].
            attention: [n, R, S] of the present rows.
        """
        if attention is not None:
            self._has_attention = True
            attention = attention[:, :, : self._width]
        if parents is not None:
            self._chunks.append(_Chunk(self._length, parents, attention))
        elif attention is not None:
            self._chunks[-1].attention.append(attention)
        self._chunks[-1].tokens.append(tokens)
        self._chunks[-1].log_probs.append(log_probs)
        self._length += len(tokens)

    def keep(self, rows: Integers) -> None:
        """Drop all present rows but these."""
        self._chunks.append(_Chunk(self._length, rows))

    def end(
        self,
        owners: Integers,
        rows: Integers,
        log_probs: NDArray[np.float32] | float = 0.0,
        *,
        is_finished: NDArray[np.bool_] | bool,
        steps: Integers | None = None,
        ranks: NDArray[np.float64] | float = 0.0,
        num_unmet: Integers | int = 0,
    ) -> None:
        """Let present rows end, with EOS (`is_finished`) or for want of room.

        `steps` says how many tokens they have, if not all up to here.
        """
        count = rows.size
        if count:
            self._endings.append(
                Endings(
                    owners,
                    _fill(count, self._length if steps is None else steps, np.int64),
                    np.full(count, len(self._chunks)),
                    rows,
                    _fill(count, log_probs, np.float64),
                    _fill(count, is_finished, np.bool_),
                    _fill(count, ranks, np.float64),
                    _fill(count, num_unmet, np.int64),
                )
            )

    def hypotheses(self, num_found: Integers) -> list[list[Hypothesis]]:
        """Return up to `num_found` [G] hypotheses of every beam.

        Finished ones come first, then those with fewer unmet demands, then it goes by rank.
        """
        results: list[list[Hypothesis]] = [[] for _ in self._source_lengths]
        if self._endings:
            chosen = _choose(_concatenate(self._endings), num_found)
            for owner, hypothesis in zip(chosen.owners.tolist(), self._read(chosen), strict=True):
                results[owner].append(hypothesis)
        return results

    def _read(self, endings: Endings) -> list[Hypothesis]:
        tokens, log_probs, attention = self._walk_back(endings)
        results = []
        for index, (ids, numbers, length, end, is_finished, unmet, width) in enumerate(
            zip(
                tokens.tolist(),
                log_probs.tolist(),
                endings.steps.tolist(),
                endings.log_probs.tolist(),
                endings.is_finished.tolist(),
                endings.num_unmet.tolist(),
                self._source_lengths[endings.owners].tolist(),
                strict=True,
            )
        ):
            own = numbers[:length]
            looks = None if attention is None else attention[index, :length, :width].copy()
            last = end if is_finished else None
            score = math.fsum([*own, end])  # exact, so the order of the terms cannot matter
            results.append(Hypothesis(ids[:length], score, own, looks, is_finished, last, unmet))
        return results

    def _walk_back(
        self, endings: Endings
    ) -> tuple[Integers, NDArray[np.floating[Any]], NDArray[np.float32] | None]:
        if len(self._chunks) == 1:
            (chunk,), rows = self._chunks, endings.rows
            looks = _join(chunk.attention)[:, rows].swapaxes(0, 1) if chunk.attention else None
            return _join(chunk.tokens)[:, rows].T, _join(chunk.log_probs)[:, rows].T, looks
        count, longest = len(endings.rows), self._length
        tokens = np.zeros((count, longest), np.int64)
        log_probs = np.zeros((count, longest), np.float64)
        attention = None
        if self._has_attention:
            attention = np.zeros((count, longest, self._width), np.float32)
        rows = endings.rows
        for index in range(len(self._chunks) - 1, -1, -1):
            chunk = self._chunks[index]
            active = np.flatnonzero(endings.chunks > index)
            here = rows[active]
            before = here if chunk.parents is None else chunk.parents[here]
            begin = chunk.begin
            _copy(chunk.tokens, here, tokens, active, begin)
            _copy(chunk.log_probs, here, log_probs, active, begin)
            if attention is not None and chunk.first_attention is not None:
                attention[active, begin] = chunk.first_attention[0, before]
                begin += 1
            if attention is not None:
                _copy(chunk.attention, here, attention, active, begin)
            if chunk.parents is not None:
                rows = rows.copy()
                rows[active] = before
        return tokens, log_probs, attention


def _copy(
    parts: list[NDArray[Any]],
    here: Integers,
    table: NDArray[Any],
    active: Integers,
    begin: int,
) -> None:
    """Copy the rows `here` of parts [n, R, ...] into rows of a table, from a column on."""
    if not parts:
        return
    if len(parts) == 1 and len(parts[0]) == 1:
        table[active, begin] = parts[0][0][here]
        return
    whole = _join(parts)
    table[active, begin : begin + len(whole)] = whole[:, here].swapaxes(0, 1)


def _join(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _fill(count: int, value: NDArray[Any] | float, kind: type[Any]) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        return value
    return np.full(count, value, kind) if value else np.zeros(count, kind)


def find_lowest(log_probs: NDArray[np.float32]) -> float:
    """Return the lowest of some log-probabilities.

    Raises:
        SearchError: they are not numbers.
    """
    lowest = float(log_probs.min())
    if math.isnan(lowest):
        raise SearchError(
            "the model's log-probabilities are not numbers (NaN): its weights are damaged or "
            "its training diverged; train it again, with a smaller learning_rate"
        )
    return lowest


def _concatenate(parts: list[Endings]) -> Endings:
    if len(parts) == 1:
        return parts[0]
    return Endings(
        np.concatenate([part.owners for part in parts]),
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.chunks for part in parts]),
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.log_probs for part in parts]),
        np.concatenate([part.is_finished for part in parts]),
        np.concatenate([part.ranks for part in parts]),
        np.concatenate([part.num_unmet for part in parts]),
    )


def _choose(endings: Endings, num_found: Integers) -> Endings:
    if len(endings.owners) == 1:
        return endings
    order = np.lexsort((-endings.ranks, endings.num_unmet, ~endings.is_finished, endings.owners))
    owners = endings.owners[order]
    place = np.arange(len(owners)) - np.searchsorted(owners, owners)  # within its owner
    return endings.take(order[place < num_found[owners]])
