"""What the processes that train one model together do together; here for one alone.

Every process does the same run in step: the same pairs, batches, counts and decisions. Of a batch
each computes its share of the rows, and the gradients are added up. What only one process can know
(the time, a Ctrl-C) is agreed on. The first process (rank 0) keeps the run in the user's folder,
the others in a folder of their own that is thrown away.
Does not load PyTorch; the processes of torchrun are in `torchrun.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn


class Ranks:
    """This process alone.

    Attributes:
        rank: number of this process.
        size: how many there are.
    """

    rank, size = 0, 1

    @property
    def entropy(self) -> tuple[int, ...]:
        """What makes this process drop something else than the first one, which has nothing."""
        return (self.rank,) if self.rank else ()

    def share(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of a batch that this process computes; there may be none."""
        return rows[self.rank :: self.size]

    def sum(self, value: float) -> float:
        """Return the sum over the processes."""
        return value

    def agree(self, value: float) -> float:
        """Return the value that the first process has."""
        return value

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give each parameter the sum of its gradients over the processes."""

    def clock(self) -> float:
        """Return the time of the first process, in seconds."""
        return self.agree(time.perf_counter())

    @contextmanager
    def own_place(self, out: Path | None, resume: bool) -> Iterator[Path | None]:
        """Give this process the folder in which it keeps the run."""
        yield out
