"""Decoding that chooses one token a row and step: sampled and forced are two choices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveate.errors import SearchError
from foveate.search.hypothesis import Hypothesis, Integers, Trace
from foveate.search.stepper import Step, Stepper
from foveate.text.vocabulary import BOS, EOS

Choose = Callable[[Step, Integers, int], tuple[Integers, NDArray[np.float32]]]


def walk(
    stepper: Stepper,
    source: Integers,
    source_mask: NDArray[np.bool_],
    choose: Choose,
    *,
    k: int | None,
    max_lengths: Integers,
    copies: int = 1,
) -> list[Hypothesis]:
    """Decode `copies` rows of every source until each has chosen EOS or is at its length.

    `choose` takes a step, the owner of each row (source number times `copies`, plus the number
    of the copy) and the number of tokens so far; it gives the next tokens [R] and their
    log-probabilities [R]. `k` is what the stepper is asked for, and `max_lengths` [B] are the
    greatest numbers of tokens, EOS not counted.
    """
    lengths = check_source(source, source_mask)
    if not len(lengths):
        return []
    owners = np.arange(len(lengths) * copies)
    trace = Trace(lengths.repeat(copies))
    state = stepper.start(source, source_mask)
    if copies > 1:
        state = stepper.reorder(state, owners // copies)
    limits = max_lengths.repeat(copies)
    tokens = np.full(len(owners), BOS, np.int64)
    length = 0
    while owners.size:
        step = stepper.step(state, tokens, k)
        trace.see(step)
        tokens, log_probs = choose(step, owners, length)
        state = step.state
        rows = np.arange(owners.size)
        is_end = tokens == EOS
        is_cut = limits[owners] <= length
        if (is_end | is_cut).any():
            ends, cuts = np.flatnonzero(is_end), np.flatnonzero(is_cut & ~is_end)
            trace.end(owners[ends], ends, log_probs[ends], is_finished=True)
            trace.end(owners[cuts], cuts, is_finished=False)
            rows = np.flatnonzero(~(is_end | is_cut))
            if rows.size:
                state = stepper.reorder(state, rows)
            owners, tokens, log_probs = owners[rows], tokens[rows], log_probs[rows]
        trace.extend(rows, tokens, log_probs)
        length += 1
    return [found[0] for found in trace.hypotheses(1)]


def check_source(source: Integers, source_mask: NDArray[np.bool_]) -> Integers:
    """Return the number of real tokens of every source row.

    Raises:
        SearchError: source and mask differ in shape, or a row has no token.
    """
    if source.ndim != 2 or source.shape != source_mask.shape:
        raise SearchError(
            f"source {source.shape} and source_mask {source_mask.shape}: both must be [B, S]"
        )
    lengths: Integers = source_mask.sum(axis=1, dtype=np.int64)
    empty = np.flatnonzero(lengths == 0)
    if empty.size:
        raise SearchError(f"source row {empty[0]} has no tokens: leave empty sources out")
    return lengths


def check_max_lengths(max_lengths: ArrayLike, num_sources: int, min_length: int = 0) -> Integers:
    """Return the greatest lengths as [B].

    Raises:
        SearchError: there is not one for each source, one is below 1, or below `min_length`.
    """
    limits = np.asarray(max_lengths, np.int64)
    if limits.shape not in ((), (num_sources,)):
        raise SearchError(
            f"max_lengths has shape {limits.shape}: give one number, or one for each of the "
            f"{num_sources} sources"
        )
    if limits.size and limits.min() < max(1, min_length):
        raise SearchError(
            f"max_lengths: {limits.min()} is below {max(1, min_length)}, the least length allowed"
        )
    return np.broadcast_to(limits, (num_sources,))
