"""Greedy search: always the most probable next token."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveate.search.hypothesis import Hypothesis, Integers
from foveate.search.stepper import Step, Stepper
from foveate.search.walk import check_max_lengths, walk


def greedy_search(
    stepper: Stepper,
    source: NDArray[np.int64],
    source_mask: NDArray[np.bool_],
    *,
    max_lengths: ArrayLike,
) -> list[Hypothesis]:
    """Decode every source [B, S] by taking the most probable token at every step.

    Args:
        stepper: the model.
        source: [B, S] ids, padded on the right.
        source_mask: [B, S], True where a real token stands.
        max_lengths: greatest number of tokens, EOS not counted: one number, or [B]. A row that
            has so many, and whose best next token is still not EOS, comes back unfinished.

    Raises:
        SearchError: the lengths or the shapes are impossible.
    """
    limits = check_max_lengths(max_lengths, len(source))
    return walk(stepper, source, source_mask, _take_best, k=1, max_lengths=limits)


def _take_best(step: Step, owners: Integers, length: int) -> tuple[Integers, NDArray[np.float32]]:
    return step.ids[:, 0], step.log_probs[:, 0]
