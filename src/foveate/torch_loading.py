"""PyTorch, loaded in one place so that it waits asleep, and its threads, without a trace.

What belongs to one computation is set for the time of it and put back: a program that uses a model
keeps its environment, its number of threads, and that of the threads it starts. Knows no models.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foveate.environment import added_variables
from foveate.search.workers import granted_threads

# Threads that wait asleep, but for the first microseconds: beside another busy program, spinning
# ones are many times slower (docs/decisions/0016). OpenMP reads this once, when it is loaded.
WAIT_ASLEEP = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
KERNELS_VARIABLE = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
SMALL_BATCH = 400  # tokens, up to which compiling a kernel takes longer than it saves memory
LIBRARIES = ("libtorch_cpu.so", "libtorch_cpu.dylib", "libiomp5md.dll")  # where OpenMP is found


# A policy that the user has chosen is left alone, with its count.
with added_variables({} if "OMP_WAIT_POLICY" in os.environ else WAIT_ASLEEP):
    import torch


class _Setters:
    """What sets the number of threads of the calling thread alone, in PyTorch's own libraries.

    `torch.set_num_threads` is of no use for that: it is also the number of all new threads.
    """

    def __init__(self) -> None:
        folder = Path(torch.__file__).parent / "lib"
        found = [folder / name for name in LIBRARIES if (folder / name).exists()]
        self._library = ctypes.PyDLL(str(found[0])) if found else None  # keeps Python's lock
        self._has_openmp = self._finds("omp_set_num_threads")
        self._has_mkl = self._finds("MKL_Set_Num_Threads_Local")

    def _finds(self, name: str) -> bool:
        try:
            return self._library is not None and bool(self._library[name])
        except AttributeError:
            return False

    def set(self, threads: int, mkl_threads: int) -> int:
        """Set the number of threads, and MKL's; return MKL's from before, 0 for none of its own."""
        if self._library is None or not self._has_openmp:
            return 0
        self._library.omp_set_num_threads(threads)
        return int(self._library.MKL_Set_Num_Threads_Local(mkl_threads)) if self._has_mkl else 0


_SETTERS = _Setters()


@contextmanager
def threads_here(threads: int) -> Iterator[None]:
    """Let PyTorch use so many threads for what the calling thread computes in the context.

    No other thread notices, and none that is started later.
    """
    before = torch.get_num_threads()  # a new thread takes over PyTorch's default here
    if before == threads:
        yield
        return
    mkl_before = _SETTERS.set(threads, threads)
    try:
        yield
    finally:
        _SETTERS.set(before, mkl_before)


def use_threads(threads: int) -> None:
    """Let PyTorch use so many threads in this process; 0 means as many as are granted."""
    torch.set_num_threads(threads or granted_threads())


def keep_kernels(batch_tokens: int | None = None) -> None:
    """Choose how many compiled RNN kernels oneDNN keeps; the first call in a process decides.

    There is one, with its own memory, for each shape of a layer, and every batch has a shape of
    its own. With large batches that is hundreds of megabytes that save no time; with small ones it
    is little, and compiling anew takes a fifth of an update. oneDNN reads the variable when it
    makes its first kernel, so a tiny one is made here.

    Args:
        batch_tokens: of the batches of a training; None for what is no training.
    """
    is_small = batch_tokens is not None and batch_tokens <= SMALL_BATCH
    with added_variables({KERNELS_VARIABLE: "1024" if is_small else "16"}):
        if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            torch.ones(1).to_mkldnn()
