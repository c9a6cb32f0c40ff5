"""Minimum Bayes risk: of several outputs, the one that is most like all the others.

Knows no texts: how alike two outputs are is for the caller to say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveate.errors import SearchError

Floats = NDArray[np.float64]


def temper(log_probs: Sequence[float], temperature: float = 1.0) -> Floats:
    """Return probabilities in proportion to exp(log_prob / temperature).

    Args:
        log_probs: of N outputs, in nats. For samples, which come as often as they are probable,
            give zeros: each counts once.
        temperature: below 1 counts the likely outputs for more, above 1 for less.

    Raises:
        SearchError: there are no outputs, or the temperature is not above 0.

    Example:
        >>> temper([-1.0, -1.0]).tolist()
        [0.5, 0.5]
    """
    if not len(log_probs):
        raise SearchError("minimum Bayes risk needs at least one output")
    if not 0 < temperature < float("inf"):
        raise SearchError(f"minimum Bayes risk: temperature must be above 0, not {temperature}")
    scores = np.asarray(log_probs, np.float64)
    weights = np.exp((scores - scores.max()) / temperature)
    probabilities: Floats = weights / weights.sum()
    return probabilities


def order_by_risk(
    similarities: NDArray[np.floating], probabilities: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """Return the order of N outputs, least risk first, and what each can expect, in that order.

        expected_i = sum_j p_j similarity(i, j)

    Equals stay in the order in which they came.

    Args:
        similarities: [N, N] how alike output i is to output j as its reference; greater is more.
            It need not be symmetric.
        probabilities: [N], of the outputs as references.

    Raises:
        SearchError: the shapes do not go together.

    Reference:
        Kumar & Byrne 2004, Minimum Bayes-Risk Decoding for Statistical Machine Translation,
        section 2.

    Example:
        >>> alike = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.9], [0.0, 0.9, 1.0]])
        >>> order_by_risk(alike, np.array([0.4, 0.31, 0.29]))[0].tolist()
        [1, 2, 0]
    """
    count = len(probabilities)
    if similarities.shape != (count, count):
        raise SearchError(
            f"minimum Bayes risk: similarities {similarities.shape} of {count} outputs: "
            f"must be ({count}, {count})"
        )
    expected = similarities @ probabilities
    order = np.argsort(-expected, kind="stable")
    return order, expected[order]
