"""A memory of training pairs: what a source that was seen in training was turned into.

Running text repeats its words, so most words of a new text were seen before, and what they became
then is right more often than what a model works out. Knows texts alone, no tokens and no models.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

import numpy as np

Memory = dict[str, str]  # source -> its commonest target


def count_targets(pairs: Iterable[tuple[str, str]]) -> dict[str, Counter[str]]:
    """Count how often each source has each target."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for source, target in pairs:
        counts[source][target] += 1
    return dict(counts)


def count_repeated(pairs: Callable[[], Iterable[tuple[str, str]]]) -> dict[str, Counter[str]]:
    """Count the targets of the sources that stand more than once in the pairs.

    A million different sources leave nothing behind: eight bytes each are all that is held.

    Example:
        >>> count_repeated(lambda: [("a", "x"), ("b", "y"), ("a", "z")])
        {'a': Counter({'x': 1, 'z': 1})}
    """
    hashes = np.fromiter((hash(source) for source, _ in pairs()), np.int64)
    values, times = np.unique(hashes, return_counts=True)
    repeated = set(values[times > 1].tolist())
    return count_targets(pair for pair in pairs() if hash(pair[0]) in repeated)


def build_memory(counts: dict[str, Counter[str]]) -> Memory:
    """Return the commonest target of every source, the one seen first among equals.

    What is empty, or became so, is left to the model.

    Example:
        >>> build_memory(count_targets([("uar", "var"), ("uar", "vor"), ("uar", "var")]))
        {'uar': 'var'}
    """
    found = {source: targets.most_common(1)[0][0] for source, targets in counts.items()}
    return {source: target for source, target in found.items() if source and target}


def leave_one_out(counts: dict[str, Counter[str]]) -> tuple[int, int]:
    """Recall every pair of a repeated source from the other pairs.

    Returns:
        Pairs recalled right (a tie is wrong), and pairs whose source is repeated.

    Example:
        >>> leave_one_out(count_targets([("a", "x")] * 3 + [("a", "y"), ("b", "z")]))
        (3, 4)
    """
    num_right = num_repeated = 0
    for targets in counts.values():
        total = targets.total()
        if total == 1:
            continue
        num_repeated += total
        times = [count for _, count in targets.most_common(2)] + [0]
        if times[0] - 1 > times[1]:  # any other target would lose against the commonest
            num_right += times[0]
    return num_right, num_repeated
