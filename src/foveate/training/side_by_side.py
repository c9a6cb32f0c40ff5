"""Several trainings at a time, each in a process of its own, with the results of one by one.

Knows nothing of what is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_side_by_side(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> Iterator[Result]:
    """Yield what a function returns for each item, in their order.

    With one job it is called here, one item after the other, and not before the one before was
    taken. Else every process may use its share of the processor's threads. Ctrl-C reaches them
    all, and ends them.

    Args:
        function: of a module, so that another process finds it.
        items: values that can be pickled.
        jobs: how many at a time.

    Example:
        >>> list(run_side_by_side(abs, [-2, 3], jobs=1))
        [2, 3]
    """
    if min(jobs, len(items)) <= 1:
        return map(function, items)
    from joblib import Parallel, delayed

    results: Iterator[Result] = Parallel(n_jobs=min(jobs, len(items)), return_as="generator")(
        delayed(function)(item) for item in items
    )
    return results
