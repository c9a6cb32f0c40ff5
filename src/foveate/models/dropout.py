"""Dropout whose masks cost little on a CPU and depend on nothing but numbers that are told.

PyTorch draws a CPU mask one number at a time, which takes a twentieth of a training step
(docs/decisions/0013); random bits of NumPy come in bulk. Knows nothing of layers or training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

_bits: ContextVar[np.random.SFC64 | None] = ContextVar("bits", default=None)
_RANGE = 2**16  # a mask needs no more than 16 random bits for each number


@contextmanager
def seeded_dropout(*entropy: int) -> Iterator[None]:
    """Let everything that is dropped within depend on these numbers alone.

    Args:
        entropy: not negative, for instance a run's seed and the number of the update: then a run
            that goes on after a stop needs no state of a random generator.
    """
    sequence = np.random.SeedSequence(entropy)
    token = _bits.set(np.random.SFC64(sequence))
    try:
        with _seeded_cuda(int(sequence.generate_state(1, np.uint64)[0] >> 1)):
            yield
    finally:
        _bits.reset(token)


@contextmanager
def _seeded_cuda(seed: int) -> Iterator[None]:
    """Seed CUDA, which draws its own masks, and put its generators back as they were."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        yield
        return
    before = torch.cuda.get_rng_state_all()
    torch.cuda.manual_seed_all(seed)
    try:
        yield
    finally:
        torch.cuda.set_rng_state_all(before)


def draw_kept(shape: Sequence[int], probability: float, device: torch.device) -> Tensor:
    """Draw a boolean tensor that is False, "dropped", with this probability."""
    bits = _bits.get()
    if bits is None or device.type != "cpu":
        return torch.rand(*shape, device=device) >= probability
    count = math.prod(shape)
    numbers = bits.random_raw(-(-count // 4)).view(np.uint16)[:count]
    return torch.from_numpy(numbers >= round(probability * _RANGE)).view(*shape)


class Dropout(nn.Dropout):
    """Set numbers to zero with probability p in training, and scale the rest by 1 / (1 - p).

    Within `seeded_dropout` on a CPU the masks come from its bits, else from PyTorch.

    Reference: Srivastava et al. 2014, section 4.

    Differs: p is rounded to a 65,536th there, and the scale is that of the rounded p.
    """

    def forward(self, inputs: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the inputs, some of them zero in training."""
        if not self.training or self.p == 0:
            return inputs
        if _bits.get() is None or inputs.device.type != "cpu":
            return super().forward(inputs)
        kept = draw_kept(inputs.shape, self.p, inputs.device)
        return inputs * kept.to(inputs.dtype).mul_(_RANGE / (_RANGE - round(self.p * _RANGE)))
