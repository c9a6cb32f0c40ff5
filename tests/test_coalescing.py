"""Calls of several threads that share batches: real threads, and a function that can be held."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from foveate.search.coalescing import Coalescer

WAIT_SECONDS = 20


class Doubler:
    """Doubles numbers, keeps what it was called for, and may be held in its first call."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.num_inside = self.most_inside = 0
        self.is_inside, self.may_go = threading.Event(), threading.Event()
        self.may_go.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.num_inside += 1
        self.most_inside = max(self.most_inside, self.num_inside)
        self.batches.append(list(items))
        self.is_inside.set()
        assert self.may_go.wait(WAIT_SECONDS)
        self.num_inside -= 1
        if any(item < 0 for item in items):
            raise ValueError(f"below 0: {min(items)}")
        if 13 in items:
            raise KeyboardInterrupt
        return [2 * item for item in items]


def may_join(items: Sequence[int]) -> bool:
    return len(items) <= 4 and len({item % 2 for item in items}) == 1


@contextmanager
def hold(first: Sequence[int], others: Sequence[Sequence[int]]) -> Iterator[tuple[Doubler, list]]:
    """Let calls wait, in this order, while the first one runs; yield the futures of all."""
    double = Doubler()
    double.may_go.clear()
    coalescer = Coalescer(double, may_join)
    with ThreadPoolExecutor(9) as pool:
        futures: list[Future[list[int]]] = [pool.submit(coalescer, first)]
        assert double.is_inside.wait(WAIT_SECONDS)
        for number, items in enumerate(others, start=1):
            futures.append(pool.submit(coalescer, items))
            while len(coalescer._waiting) < number:
                assert threading.Event().wait(0.001) is False
        double.may_go.set()
        yield double, futures
    assert not coalescer._waiting and not coalescer._is_busy


def test_a_lone_call_runs_at_once_in_its_own_thread() -> None:
    seen: list[threading.Thread] = []

    def run(items: Sequence[int]) -> list[int]:
        seen.append(threading.current_thread())
        return list(items)

    coalescer = Coalescer(run, may_join)
    assert coalescer([3, 5]) == [3, 5] and coalescer([]) == []
    assert seen == [threading.current_thread()] * 2


def test_what_waits_goes_together_as_far_as_it_may() -> None:
    calls = [[2], [4, 6], [3], [8], [10], [5]]
    with hold([1], calls) as (double, futures):
        found = [future.result(WAIT_SECONDS) for future in futures]
    assert found == [[2 * item for item in items] for items in [[1], *calls]]
    assert double.batches == [[1], [2, 4, 6, 8], [3, 5], [10]]


def test_what_one_call_raises_reaches_only_its_caller() -> None:
    with hold([2], [[4], [-6], [8]]) as (double, futures):
        assert [futures[place].result(WAIT_SECONDS) for place in (0, 1, 3)] == [[4], [8], [16]]
        with pytest.raises(ValueError, match="below 0: -6"):
            futures[2].result(WAIT_SECONDS)
    assert double.batches[1] == [4, -6, 8]
    with hold([-2], [[4]]) as (double, futures):
        with pytest.raises(ValueError, match="below 0: -2"):
            futures[0].result(WAIT_SECONDS)
        assert futures[1].result(WAIT_SECONDS) == [8]


def test_an_interrupt_leaves_nobody_waiting() -> None:
    with hold([1], [[13], [3], [5], [2]]) as (_, futures):
        with pytest.raises(KeyboardInterrupt):
            futures[1].result(WAIT_SECONDS)
        found = [futures[place].result(WAIT_SECONDS) for place in (0, 2, 3, 4)]
    assert found == [[2], [6], [10], [4]]


def test_many_threads_get_their_own_results_one_batch_at_a_time() -> None:
    double = Doubler()
    coalescer = Coalescer(double, may_join)
    calls = [[number] if number % 3 else [number, number + 2] for number in range(2_000)]
    calls = [[item * 2 if item == 13 else item for item in items] for items in calls]
    calls = [items for items in calls if may_join(items)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(coalescer, calls))
    assert found == [[2 * item for item in items] for items in calls]
    assert double.most_inside == 1
    assert sum(map(len, double.batches)) == sum(map(len, calls))
