"""What a model might have written at every place of outputs that are there already.

The outputs are given to the model again, token by token, so the search itself is as fast as ever.
Knows no text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveate.search.hypothesis import Integers, find_lowest
from foveate.search.stepper import Stepper, best_candidates
from foveate.text.vocabulary import BOS


class Candidate(NamedTuple):
    """A token that might stand at a place, EOS among them."""

    token: int
    log_prob: float


def list_choices(
    stepper: Stepper,
    source: Integers,
    source_mask: NDArray[np.bool_],
    owners: Sequence[int],
    outputs: Sequence[Sequence[int]],
    counts: Sequence[int],
) -> list[list[list[Candidate]]]:
    """Return the likeliest tokens at every place of an output, best first, and what stands there.

    The log-probabilities are those of the whole vocabulary, given the tokens before.

    Args:
        stepper: the model.
        source: [B, S] ids, padded on the right.
        source_mask: [B, S], True where a real token stands.
        owners: the source of each output.
        outputs: the tokens of each, with EOS if it has ended.
        counts: how many of the likeliest are wanted for each.
    """
    found: list[list[list[Candidate]]] = [[] for _ in outputs]
    state = stepper.start(source, source_mask, attention=False)
    if list(owners) != list(range(len(source))):  # outputs of one source share its encoding
        state = stepper.reorder(state, np.array(owners))
    alive = np.arange(len(outputs))
    tokens = np.full(len(outputs), BOS, np.int64)
    place = 0
    while True:
        has_more = [len(outputs[row]) > place for row in alive.tolist()]
        if not all(has_more):
            kept = np.flatnonzero(has_more)
            alive, tokens = alive[kept], tokens[kept]
            state = stepper.reorder(state, kept) if kept.size else state
        if not alive.size:
            return found
        step = stepper.step(state, tokens, None)
        find_lowest(step.log_probs)
        tokens = np.array([outputs[row][place] for row in alive.tolist()])
        rows = _list_best(step.log_probs, tokens, [counts[row] for row in alive.tolist()])
        for row, candidates in zip(alive.tolist(), rows, strict=True):
            found[row].append(candidates)
        state, place = step.state, place + 1


def _list_best(
    log_probs: NDArray[np.float32], written: Integers, counts: Sequence[int]
) -> list[list[Candidate]]:
    """Return the best candidates of every row [R, V], and the one that was written."""
    ids, values = best_candidates(log_probs, max(1, *counts))
    rows = []
    for row, (token, count) in enumerate(zip(written.tolist(), counts, strict=True)):
        pairs = zip(ids[row, :count].tolist(), values[row, :count].tolist(), strict=True)
        own = [Candidate(*pair) for pair in pairs]
        if token not in (one.token for one in own):
            own.append(Candidate(token, float(log_probs[row, token])))
        rows.append(own)
    return rows
