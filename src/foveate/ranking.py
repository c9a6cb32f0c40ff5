"""How outputs of one source are ranked: the one home of ranking by length.

The beam uses it while it searches, and whoever puts outputs in another order afterwards.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", float, NDArray[np.float64])
MOST_PENALTY = 10.0  # above it the power of a length is soon no number any more


def rank_score(score: Number, length: int | NDArray[np.int64], length_penalty: Number) -> Number:
    """Return score / length**length_penalty; greater is better.

    Args:
        score: log-probability of an output, or of several, and what it may have gained.
        length: number of its log-probabilities: its tokens, and one for EOS if it is finished.
        length_penalty: 0 ranks by the sum of the log-probabilities, 1 by their mean.

    Reference:
        Wu et al. 2016, Google's Neural Machine Translation System, section 7, equation 14.
    Differs:
        The length is plain, not (5 + length) / 6, so a penalty of 1 is the mean a token.

    Example:
        >>> rank_score(-6.0, 3, 1.0)
        -2.0
    """
    # For one number NumPy takes ten times as long.
    least_one: Any = max(length, 1.0) if isinstance(length, int) else np.maximum(length, 1.0)
    return cast(Number, score / least_one**length_penalty)


def place_key(rank: float, is_finished: bool) -> tuple[bool, float]:
    """Return what to sort outputs by, best first: an unfinished one never outranks a finished.

    Example:
        >>> sorted([(-0.1, False), (-2.0, True), (-1.0, True)], key=lambda one: place_key(*one))
        [(-1.0, True), (-2.0, True), (-0.1, False)]
    """
    return not is_finished, -rank
