"""Search several batches at a time, each on a processor core of its own.

Two cores that share the small products of one batch wait for each other most of the time; with a
batch each they do not (docs/decisions/0015). NumPy, PyTorch and ONNX Runtime let go of Python's
lock while they compute, so threads are enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TypeVar

from foveate.search.stepper import Stepper

Batch = TypeVar("Batch")


def run_all(stepper: Stepper, run: Callable[[Batch], None], batches: Iterable[Batch]) -> None:
    """Call `run` for every batch, as many at a time as the stepper has `workers` (default 1).

    Args:
        stepper: may have `workers`, and `on_one_core`, which gives a context in which its steps
            do not share out their own work.
        run: searches one batch; must not mind which comes first.
        batches: each is run once.
    """
    batches = list(batches)
    workers = min(getattr(stepper, "workers", 1), len(batches))
    if workers < 2:
        for batch in batches:
            run(batch)
        return
    on_one_core = getattr(stepper, "on_one_core", nullcontext)

    def run_alone(batch: Batch) -> None:
        with on_one_core():
            run(batch)

    with on_one_core(), ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(run_alone, batches):  # raises what a batch raised
            pass
