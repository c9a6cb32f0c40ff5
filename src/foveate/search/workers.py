"""Search several batches at a time, each on a processor core of its own.

Two cores that share the small products of one batch wait for each other most of the time; with a
batch each they do not (docs/decisions/0015). NumPy, PyTorch and ONNX Runtime let go of Python's
lock while they compute, so threads are enough.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Batch = TypeVar("Batch")


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


def granted_threads() -> int:
    """Return what OMP_NUM_THREADS says, as PyTorch would take it, or the number of cores."""
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]  # more are for nested regions
    if said.isdigit() and int(said):
        return int(said)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
