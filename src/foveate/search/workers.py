"""Search several batches at a time, each on a processor core of its own.

Two cores that share the small products of one batch wait for each other most of the time; with a
batch each they do not (docs/decisions/0015). NumPy, PyTorch and ONNX Runtime let go of Python's
lock while they compute, so threads are enough.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Batch = TypeVar("Batch")
BATCH_TOKENS = 2000  # larger batches fall out of the processor's caches
LEAST_WORK = 100  # source tokens times hypotheses that are worth a batch of their own


def run_all(workers: int, run: Callable[[Batch], None], batches: Iterable[Batch]) -> None:
    """Call `run` for every batch, as many at a time as there are workers.

    Args:
        workers: threads; with one, the calling thread does it all.
        run: searches one batch; must not mind which comes first.
        batches: each is run once.
    """
    batches = list(batches)
    workers = min(workers, len(batches))
    if workers < 2:
        for batch in batches:
            run(batch)
        return
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(run, batches):  # raises what a batch raised
            pass


def cut_batches(
    lengths: Sequence[int], widths: Sequence[int], batch_tokens: int, workers: int
) -> list[list[int]]:
    """Cut the rows that are not empty into batches of similar length, longest first.

    There is a batch for each worker where there is enough work for all of them: a step costs much
    the same for one row as for a few, so that a small batch in parts takes longer than as a whole.

    Args:
        lengths: source tokens of each row.
        widths: hypotheses of each row.
        batch_tokens: most tokens times hypotheses of a batch, padding included.
        workers: batches that are searched at a time.

    Example:
        >>> cut_batches([3, 0, 5, 4], [1, 1, 1, 1], 8, 1)
        [[2], [3, 0]]
    """
    order = sorted((row for row, length in enumerate(lengths) if length), key=lambda r: -lengths[r])
    work = sum(lengths[row] * widths[row] for row in order)
    parts = max(1, min(workers, work // LEAST_WORK))
    batches: list[list[int]] = []
    room = share = 0
    for row in order:
        if not batches or room < widths[row] or share <= 0:
            batches.append([])
            room = batch_tokens // lengths[row]
            share = math.ceil(work / parts)
        batches[-1].append(row)
        room -= widths[row]
        share -= lengths[row] * widths[row]
    return batches


def granted_threads() -> int:
    """Return what OMP_NUM_THREADS says, as PyTorch would take it, or the number of cores.

    Processes of torchrun share the cores; it sets OMP_NUM_THREADS to 1, however many there are.
    """
    if (beside := os.environ.get("LOCAL_WORLD_SIZE", "")).isdigit() and int(beside) > 1:
        return max(1, count_cores() // int(beside))
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]  # more are for nested regions
    if said.isascii() and said.isdigit() and len(said) < 6 and int(said):
        return int(said)
    return count_cores()


def count_cores() -> int:
    """Return how many processor cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def cut_threads(threads: int, tell: Callable[[str], None]) -> int:
    """Return a number of threads that is not above that of the cores, and tell if it was.

    More of them would wait for each other: two busy threads on one core are slower than one.

    Args:
        threads: that were asked for; 0 stays 0.
        tell: is given a sentence where there are fewer.
    """
    cores = count_cores()
    if threads <= cores:
        return threads
    tell(f"{threads:,} threads were asked for, {cores} are used: this machine has no more cores")
    return cores
