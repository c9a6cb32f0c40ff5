"""The processes that torchrun began, and what they agree on.

Reference: Li et al. 2020, PyTorch Distributed, section 2 (data-parallel training).

Differs: gradients are added up after the backward pass, as one array; the models are small.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import foveate.torch_loading  # noqa: F401  # isort: skip  # before torch
import torch
import torch.distributed as dist
from torch import nn

from foveate.training.folder import STATE
from foveate.training.opening import Machine
from foveate.training.ranks import Ranks
from foveate.training.speed import measure_speed


class TorchRanks(Ranks):
    """The processes that torchrun began; they speak gloo, and NCCL between GPUs."""

    def __init__(self) -> None:
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend)
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))

    def sum(self, value: float) -> float:
        """Return the sum over the processes."""
        number = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(number)
        return number.item()

    def agree(self, value: float) -> float:
        """Return the value that the first process has."""
        number = torch.tensor(value, dtype=torch.float64)
        dist.broadcast(number, src=0)
        return number.item()

    @torch.no_grad()
    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give each parameter the sum of its gradients over the processes."""
        learnt = [parameter for parameter in parameters if parameter.requires_grad]
        for parameter in learnt:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in learnt if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    @contextmanager
    def own_place(self, out: Path | None, resume: bool) -> Iterator[Path | None]:
        """Give the first process the folder of the user, and the others one of their own."""
        if self.rank == 0:
            dist.barrier()  # the others have copied what they go on from
            yield out
            return
        with tempfile.TemporaryDirectory() as folder:
            mine = Path(folder) / "run"
            if resume and out is not None and (out / STATE).is_dir():
                shutil.copytree(out, mine)
            dist.barrier()
            yield mine if out is not None else None


def join_ranks() -> Ranks:
    """Return the processes of torchrun, or this one alone where it was not begun by it."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return TorchRanks()
    return Ranks()


def share_machine(ranks: Ranks) -> Machine:
    """Return a machine whose time and speed are those of the first process."""
    return Machine(ranks.clock, lambda device: ranks.agree(measure_speed(device)), ranks)
