"""Greedy search: always the most probable next token."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveate.search.hypothesis import Hypothesis, Integers, check_numbers
from foveate.search.stepper import State, Stepper, Written
from foveate.search.walk import check_max_lengths, check_source
from foveate.text.vocabulary import BOS, EOS

STRIDE = 4  # tokens that a `Writer` writes before rows that have ended are dropped


def greedy_search(
    stepper: Stepper,
    source: NDArray[np.int64],
    source_mask: NDArray[np.bool_],
    *,
    max_lengths: ArrayLike,
) -> list[Hypothesis]:
    """Decode every source [B, S] by taking the most probable token at every step.

    Args:
        stepper: the model; if it is a `Writer`, several tokens are written in one call.
        source: [B, S] ids, padded on the right.
        source_mask: [B, S], True where a real token stands.
        max_lengths: greatest number of tokens, EOS not counted: one number, or [B]. A row that
            has so many, and whose best next token is still not EOS, comes back unfinished.

    Raises:
        SearchError: the lengths or the shapes are impossible.
    """
    limits = check_max_lengths(max_lengths, len(source))
    lengths = check_source(source, source_mask)
    if not len(lengths):
        return []
    owners = np.arange(len(lengths))
    state = stepper.start(source, source_mask)
    tokens = np.full(len(owners), BOS, np.int64)
    parts: list[tuple[Integers, Written]] = []
    length = 0  # tokens so far, EOS among them
    while owners.size:
        most = int(limits[owners].max()) + 1 - length
        written = _write(stepper, state, tokens, most if owners.size == 1 else min(most, STRIDE))
        check_numbers(written.log_probs)
        parts.append((owners, written))
        length += len(written.ids)
        has_ended = (written.ids == EOS).any(axis=0) | (limits[owners] < length)
        rows = np.flatnonzero(~has_ended)
        state, tokens = written.state, written.ids[-1, rows]
        if 0 < rows.size < owners.size:
            state = stepper.reorder(state, rows)
        owners = owners[rows]
    return _read(parts, lengths, limits)


def _write(stepper: Stepper, state: State, tokens: Integers, steps: int) -> Written:
    if hasattr(stepper, "write"):  # a Writer; isinstance is slow with protocols
        written: Written = stepper.write(state, tokens, steps)
        return written
    step = stepper.step(state, tokens, 1)
    attention = None if step.attention is None else step.attention[None]
    return Written(step.state, step.ids[None, :, 0], step.log_probs[None, :, 0], attention)


def _read(
    parts: list[tuple[Integers, Written]], lengths: Integers, limits: Integers
) -> list[Hypothesis]:
    """Put together what was written for each source, up to its EOS or its limit."""
    total = sum(len(written.ids) for _, written in parts)
    ids = np.full((len(lengths), total), EOS, np.int64)
    log_probs = np.zeros((len(lengths), total))
    attention = None
    if parts[0][1].attention is not None:
        attention = np.zeros((len(lengths), total, int(lengths.max())), np.float32)
    begin = 0
    for owners, written in parts:
        end = begin + len(written.ids)
        ids[owners, begin:end] = written.ids.T
        log_probs[owners, begin:end] = written.log_probs.T
        if attention is not None and written.attention is not None:
            width = attention.shape[2]  # padding may be wider
            attention[owners, begin:end] = written.attention[:, :, :width].transpose(1, 0, 2)
        begin = end
    is_end = ids == EOS
    ends = np.where(is_end.any(axis=1), is_end.argmax(axis=1), total)
    hypotheses = []
    for row, (size, is_finished, width) in enumerate(
        zip(
            np.minimum(ends, limits).tolist(),
            (ends <= limits).tolist(),
            lengths.tolist(),
            strict=True,
        )
    ):
        numbers = log_probs[row, : size + is_finished].tolist()
        looks = None if attention is None else attention[row, :size, :width].copy()
        score = math.fsum(numbers)  # exact, as in the other searches
        hypotheses.append(
            Hypothesis(ids[row, :size].tolist(), score, numbers[:size], looks, is_finished)
        )
    return hypotheses
