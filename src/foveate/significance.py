"""Are two models really different, or is it the luck of the test set?

Two tests on the same items, for every metric: a paired bootstrap gives the interval of the
difference, and approximate randomisation the probability of a difference as large by chance.
Knows nothing of models and files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.metrics import Statistics, resample_sums

BLOCK = 4_000_000  # coins that are thrown at a time
LEVEL = 0.05
TINY = 1e-12  # of rounding


@dataclass(frozen=True, slots=True)
class Difference:
    """How a metric differs between two sets of outputs for the same items.

    Attributes:
        one: the value of the first.
        other: the value of the second.
        low: with `high` the 95 % interval of `other` - `one`.
        high: see `low`.
        p_value: probability of a difference as large if it were chance which of the two wrote
            which output.
        signature: how both were computed.
    """

    one: float
    other: float
    low: float
    high: float
    p_value: float
    signature: str

    @property
    def value(self) -> float:
        """The second less the first."""
        return self.other - self.one

    @property
    def is_significant(self) -> bool:
        """Whether chance alone would give such a difference in less than one of twenty cases."""
        return self.p_value < LEVEL

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and text, ready for JSON."""
        return {**asdict(self), "difference": self.value}


def compare_statistics(
    ones: Mapping[str, Statistics],
    others: Mapping[str, Statistics],
    *,
    resamples: int = 2000,
    trials: int = 5000,
    seed: int = 1,
) -> dict[str, Difference]:
    """Compare two sets of outputs by every metric, given their statistics for the same items.

    Args:
        ones: the statistics of the first by each metric.
        others: those of the second.
        resamples: of the bootstrap.
        trials: of the randomisation.
        seed: of both.

    Reference:
        Koehn 2004, Statistical Significance Tests for Machine Translation Evaluation; Riezler &
        Maxwell 2005, On Some Pitfalls in Automatic Evaluation and Significance Testing for MT.

    Example:
        >>> from foveate.metrics import collect_statistics
        >>> right = [["a"], ["b"], ["c"]] * 20
        >>> first = collect_statistics(["a", "b", "x"] * 20, right, names=["exact_match"])
        >>> second = collect_statistics(["a", "y", "z"] * 20, right, names=["exact_match"])
        >>> found = compare_statistics(first, second)["exact_match"]
        >>> round(found.value, 3), found.is_significant
        (-0.333, True)
        >>> compare_statistics(first, first)["exact_match"].p_value
        1.0
    """
    names = list(ones)
    tables = [side[name].rows for side in (ones, others) for name in names]
    sums = resample_sums(tables, resamples, seed)
    chances = _randomize(ones, others, trials, seed)
    found = {}
    for place, name in enumerate(names):
        one, other = ones[name], others[name]
        drawn = other.combine(sums[len(names) + place]) - one.combine(sums[place])
        low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
        signature = (
            f"{one.sign(0, seed)}|paired_bootstrap:{resamples}"
            f"|approximate_randomization:{trials}|seed:{seed}"
        )
        found[name] = Difference(one.value(), other.value(), low, high, chances[name], signature)
    return found


def _randomize(
    ones: Mapping[str, Statistics], others: Mapping[str, Statistics], trials: int, seed: int
) -> dict[str, float]:
    """Return for each metric how often a difference is as large when outputs are swapped.

    The swaps are the same for all metrics. The outputs as they are count as one more trial, so
    the result is never 0. A trial with the same difference counts half, or else shares of few
    items that differ would hardly ever be told apart (the mid-p value of Fagerland et al. 2013).
    """
    generator = np.random.default_rng(seed)
    count = len(next(iter(ones.values())).rows)
    seen = {name: abs(others[name].value() - one.value()) for name, one in ones.items()}
    as_large = dict.fromkeys(ones, 1.0)
    block = max(1, BLOCK // max(1, count))
    for begin in range(0, trials, block):
        size = min(block, trials - begin)
        is_swapped = generator.integers(0, 2, size=(size, count), dtype=np.int8)
        for name, one in ones.items():
            drawn = _swap(one, others[name], is_swapped)
            beyond = np.abs(drawn) - seen[name]
            is_tie = np.abs(beyond) < TINY
            as_large[name] += float(((beyond > 0) & ~is_tie).sum() + is_tie.sum() / 2)
    return {
        name: number / (trials + 1) if seen[name] > TINY else 1.0
        for name, number in as_large.items()
    }


def _swap(one: Statistics, other: Statistics, is_swapped: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return the difference in each trial [n], in which some items [n, items] change sides."""
    moved = is_swapped @ (other.rows - one.rows)
    ours, theirs = one.rows.sum(axis=0) + moved, other.rows.sum(axis=0) - moved
    difference: NDArray[np.float64] = other.combine(theirs) - one.combine(ours)
    return difference
