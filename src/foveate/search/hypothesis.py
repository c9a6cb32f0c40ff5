"""What a search returns, and the trace from which it is read off at the end.

While searching, a step stores only its tokens and which row each came from; histories are never
copied. `Trace.hypotheses` walks back once, for all hypotheses together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveate.errors import SearchError
from foveate.search.stepper import Step

Integers = NDArray[np.int64]


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
    """

    ids: list[int]
    score: float
    token_log_probs: list[float]
    attention: NDArray[np.float32] | None
    is_finished: bool
    end_log_prob: float | None = None
    num_unmet: int = 0


@dataclass(slots=True)
class Endings:
    """Where hypotheses ended: one entry for each, all arrays of one length."""

    owners: Integers  # number of the source (or of the sample) that the hypothesis belongs to
    steps: Integers  # number of its tokens
    rows: Integers  # its row in that step
    log_probs: NDArray[np.float64]  # of EOS; 0 when unfinished
    is_finished: NDArray[np.bool_]
    ranks: NDArray[np.float64]  # what a beam orders by; greater is better


class Trace:
    """The steps of a search as tokens, log-probabilities, back-pointers and attention.

    Args:
        source_lengths: number of real source tokens of every owner.
    """

    def __init__(self, source_lengths: Integers) -> None:
        self._source_lengths = source_lengths
        self._attention: list[NDArray[np.float32] | None] = []
        self._parents: list[Integers] = []
        self._tokens: list[Integers] = []
        self._log_probs: list[NDArray[np.float32]] = []
        self._endings: list[Endings] = []

    def see(self, step: Step) -> None:
        """Keep the attention of a step, before its hypotheses end or go on.

        Raises:
            SearchError: the model gives no numbers.
        """
        check_numbers(step.log_probs[:, 0])
        self._attention.append(step.attention)

    def extend(self, parents: Integers, tokens: Integers, log_probs: NDArray[np.float32]) -> None:
        """Make the rows of the next step: row i is row `parents[i]` of this one, and a token."""
        self._parents.append(parents)
        self._tokens.append(tokens)
        self._log_probs.append(log_probs)

    def end(
        self,
        owners: Integers,
        rows: Integers,
        log_probs: ArrayLike = 0.0,
        *,
        is_finished: bool,
        ranks: ArrayLike = 0.0,
    ) -> None:
        """Let rows of the present step end, with EOS (`is_finished`) or for want of room."""
        if rows.size:
            shape = rows.shape
            self._endings.append(
                Endings(
                    owners,
                    np.full(shape, len(self._parents)),
                    rows,
                    np.broadcast_to(np.asarray(log_probs, np.float64), shape),
                    np.full(shape, is_finished),
                    np.broadcast_to(np.asarray(ranks, np.float64), shape),
                )
            )

    def hypotheses(self, n_best: int) -> list[list[Hypothesis]]:
        """Return up to `n_best` hypotheses of every owner: finished ones first, then by rank."""
        results: list[list[Hypothesis]] = [[] for _ in self._source_lengths]
        if self._endings:
            chosen = _choose(_concatenate(self._endings), n_best)
            for owner, hypothesis in zip(chosen.owners.tolist(), self._read(chosen), strict=True):
                results[owner].append(hypothesis)
        return results

    def _read(self, endings: Endings) -> list[Hypothesis]:
        tokens, log_probs, attention = self._walk_back(endings)
        results = []
        for index, (ids, numbers, length, end, is_finished, width) in enumerate(
            zip(
                tokens.tolist(),
                log_probs.tolist(),
                endings.steps.tolist(),
                endings.log_probs.tolist(),
                endings.is_finished.tolist(),
                self._source_lengths[endings.owners].tolist(),
                strict=True,
            )
        ):
            own = numbers[:length]
            looks = None if attention is None else attention[index, :length, :width].copy()
            score = math.fsum([*own, end])  # exact, so the order of the terms cannot matter
            results.append(Hypothesis(ids[:length], score, own, looks, is_finished))
        return results

    def _walk_back(
        self, endings: Endings
    ) -> tuple[Integers, NDArray[np.float64], NDArray[np.float32] | None]:
        count, longest = len(endings.rows), int(endings.steps.max())
        tokens = np.zeros((count, longest), np.int64)
        log_probs = np.zeros((count, longest), np.float64)
        attention = None
        if self._attention[0] is not None:
            attention = np.zeros((count, longest, int(self._source_lengths.max())), np.float32)
        rows = endings.rows.copy()
        for t in range(longest - 1, -1, -1):
            active = np.flatnonzero(endings.steps > t)
            here = rows[active]
            tokens[active, t] = self._tokens[t][here]
            log_probs[active, t] = self._log_probs[t][here]
            rows[active] = parents = self._parents[t][here]
            seen = self._attention[t]
            if attention is not None and seen is not None:
                attention[active, t] = seen[parents, : attention.shape[2]]
        return tokens, log_probs, attention


def check_numbers(log_probs: NDArray[np.float32]) -> None:
    """Raise a `SearchError` when log-probabilities are not numbers."""
    if np.isnan(log_probs).any():
        raise SearchError(
            "the model's log-probabilities are not numbers (NaN): its weights are damaged or "
            "its training diverged; train it again, with a smaller learning_rate"
        )


def _concatenate(parts: list[Endings]) -> Endings:
    return Endings(
        np.concatenate([part.owners for part in parts]),
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.log_probs for part in parts]),
        np.concatenate([part.is_finished for part in parts]),
        np.concatenate([part.ranks for part in parts]),
    )


def _choose(endings: Endings, n_best: int) -> Endings:
    order = np.lexsort((-endings.ranks, ~endings.is_finished, endings.owners))
    owners = endings.owners[order]
    place = np.arange(len(owners)) - np.searchsorted(owners, owners)  # within its owner
    order = order[place < n_best]
    return Endings(
        endings.owners[order],
        endings.steps[order],
        endings.rows[order],
        endings.log_probs[order],
        endings.is_finished[order],
        endings.ranks[order],
    )
