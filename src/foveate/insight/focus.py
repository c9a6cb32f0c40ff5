"""Measure how sharply attention is focused, and whether it is where it is expected.

Attention weights are [T, S]: rows target, columns source. Knows no models.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]


def entropies(weights: Weights) -> NDArray[np.float64]:
    """Return the entropy of every row [T], in nats: 0 on one place, log S spread evenly.

        H_i = - sum_j a_ij log a_ij,   0 log 0 = 0

    Example:
        >>> entropies(np.array([[1.0, 0.0], [0.5, 0.5]])).round(3).tolist()
        [0.0, 0.693]
    """
    logs = np.log(np.where(weights > 0, weights, 1.0))
    found: NDArray[np.float64] = 0.0 - (weights * logs).sum(axis=1)
    return found


def shares_near(weights: Weights, places: NDArray[np.int64], reach: int) -> NDArray[np.float64]:
    """Return how much of every row [T] is at most `reach` columns from its place [T].

    Example:
        >>> shares_near(np.array([[0.1, 0.2, 0.7]]), np.array([1]), reach=0).tolist()
        [0.2]
    """
    columns = np.arange(weights.shape[1])
    is_near = np.abs(columns - places[:, None]) <= reach
    found: NDArray[np.float64] = np.where(is_near, weights, 0.0).sum(axis=1)
    return found
