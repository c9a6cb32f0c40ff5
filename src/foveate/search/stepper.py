"""The only thing that search knows of a model: give it tokens, get the best continuations.

A recurrent network and a Transformer, PyTorch and ONNX Runtime, and the fake of the tests are all
a `Stepper`. Arrays are NumPy's; what is inside a `State` is the stepper's own business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from foveate.text.vocabulary import EOS

State = Any


@dataclass(slots=True)
class Step:
    """What one step of the decoder gives for each of its R rows.

    Attributes:
        state: the state after the step, to be given to the next one.
        ids: [R, k] candidates, best first; [R, V] = 0, 1, 2, ... when k was None.
        log_probs: [R, k] log-probabilities of `ids`, in nats.
        attention: [R, S] weights over the source, 0 on padding; None when the model has none or the
            state does not want any.
    """

    state: State
    ids: NDArray[np.int64]
    log_probs: NDArray[np.float32]
    attention: NDArray[np.float32] | None = None


@dataclass(slots=True)
class Written:
    """What up to n greedy steps give for each of R rows.

    A row that has written EOS goes on, but what it writes then means nothing.

    Attributes:
        state: the state after the last step.
        ids: [n, R] the most probable tokens; PAD, UNK and BOS are not among them.
        log_probs: [n, R] their log-probabilities, in nats.
        attention: [n, R, S] weights over the source, 0 on padding; None when the model has none
            or the state does not want any.
    """

    state: State
    ids: NDArray[np.int64]
    log_probs: NDArray[np.float32]
    attention: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a stepper can do beyond the minimum; a search asks here and nowhere else.

    Attributes:
        has_attention: the model has attention weights to return.
        can_choose: `step` may be asked for the k best of every row. Without it a search always
            asks for the whole vocabulary and chooses itself.
        can_write: the stepper is a `Writer`.
    """

    has_attention: bool = True
    can_choose: bool = True
    can_write: bool = False


class Stepper(Protocol):
    """A model that decodes one token at a time, for R rows at once.

    PAD, UNK and BOS are never generated. With a number k this is the stepper's part of it: it
    chooses among the ids from EOS (3) on, which is a slice, `log_probs[:, EOS:]`. The
    log-probabilities are those of the whole vocabulary and are **not** normalised again, so the
    score of a hypothesis is the one that forced decoding of it gives.
    `best_candidates` does this for a stepper that has its log-probabilities in NumPy.

    One stepper may serve several searches at a time: what belongs to one of them is in its state.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What it can do beyond the minimum."""
        ...

    def start(
        self, source: NDArray[np.int64], source_mask: NDArray[np.bool_], *, attention: bool
    ) -> State:
        """Encode `source` [B, S] and return the state of B rows, in this order.

        Args:
            source: ids, padded on the right.
            source_mask: True where a real token stands.
            attention: whether the steps from this state on return attention weights; the state
                remembers it. A model without attention never returns any.
        """
        ...

    def step(self, state: State, tokens: NDArray[np.int64], k: int | None) -> Step:
        """Feed each row its last token [R] (BOS at first) and return its best continuations.

        Args:
            state: the state before the step; the search does not use it again afterwards.
            tokens: one token a row.
            k: number of candidates a row, EOS among them if it is one of the best; fewer come
                back when the vocabulary is smaller. None asks for the whole vocabulary, in the
                order of its ids and with PAD, UNK and BOS.
        """
        ...

    def reorder(self, state: State, rows: NDArray[np.int64]) -> State:
        """Return the state whose row i is row `rows[i]` of `state`: drop, repeat or permute."""
        ...


class Writer(Stepper, Protocol):
    """A stepper with `can_write`: it need not come back after every token of a greedy search."""

    def write(self, state: State, tokens: NDArray[np.int64], steps: int) -> Written:
        """Feed each row its last token [R] and write up to `steps` tokens greedily.

        It may stop before, once every row has written EOS.
        """
        ...


def best_candidates(
    log_probs: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return ids and log-probabilities [R, k] of the best candidates, best first, from [R, V].

    PAD, UNK and BOS are no candidates; there are fewer than k when the vocabulary is smaller.

    Example:
        >>> best_candidates(np.log([[0.1, 0.3, 0.1, 0.2, 0.05, 0.25]]), 2)[0].tolist()
        [[5, 3]]
    """
    ids, values = _take_head(log_probs[:, EOS:], k)
    return ids + EOS, values


def best(
    log_probs: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.bool_] | None = None,
    demanded: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return ids and log-probabilities [R, k] of the best candidates, and of what is demanded.

    Args:
        log_probs: [R, V].
        k: number of candidates a row.
        allowed: [R, V] which tokens may be candidates; None: all but PAD, UNK and BOS. What is not
            allowed comes back, if at all, with -inf.
        demanded: [R, V] which tokens are candidates however bad they are. Those that are not among
            the k best come in further columns, filled up with -inf.

    Example:
        >>> scores = np.log(np.float32([[0.1, 0.3, 0.1, 0.2, 0.05, 0.25]]))
        >>> is_demanded = np.arange(6)[None] == 4
        >>> best(scores, 2, demanded=is_demanded)[0].tolist()
        [[5, 3, 4]]
    """
    if allowed is None:
        ids, values = best_candidates(log_probs, k)
    else:
        log_probs = np.where(allowed, log_probs, np.float32(-np.inf))
        ids, values = _take_head(log_probs, k)
    if demanded is None or not demanded.any():
        return ids, values
    wanted = demanded.copy()
    np.put_along_axis(wanted, ids, False, axis=1)
    rows, tokens = np.nonzero(wanted)
    places = (wanted.cumsum(axis=1) - 1)[rows, tokens]
    more_ids = np.zeros((len(ids), int(places.max(initial=-1)) + 1), np.int64)
    more_values = np.full(more_ids.shape, -np.inf, np.float32)
    more_ids[rows, places], more_values[rows, places] = tokens, log_probs[rows, tokens]
    return np.concatenate([ids, more_ids], axis=1), np.concatenate([values, more_values], axis=1)


def _take_head(
    scores: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return columns and scores [R, k] of the k greatest, greatest first."""
    k = min(k, scores.shape[1])
    rows = np.arange(len(scores))[:, None]
    if k == 1:
        columns = scores.argmax(axis=1)[:, None]
    else:
        columns = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        columns = columns[rows, np.argsort(-scores[rows, columns], axis=1, kind="stable")]
    return columns, scores[rows, columns]
