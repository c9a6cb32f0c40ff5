"""1.5-entmax: a softmax whose small weights are exactly zero.

Attention that looks at a few positions and at nothing else is easier to read. Knows nothing of
attention: scores in, weights out.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

BELOW_SUPPORT = -2.0  # half a score less the largest half: from -1 down, the weight is 0


def masked_entmax(
    scores: Float[Tensor, "*batch S"], mask: Bool[Tensor, "*#batch S"]
) -> Float[Tensor, "*batch S"]:
    """Return a_j = max(e_j / 2 - tau, 0)^2, tau such that a row sums to 1; 0 where masked.

    A row without any real position gets weights 0.

    Reference: Peters et al. 2019, section 3, and algorithm 2 for the exact threshold.
    """
    lowest = torch.finfo(scores.dtype).min
    largest = torch.where(mask, scores, lowest).amax(dim=-1, keepdim=True)
    halves = ((scores - largest) / 2).clamp(min=BELOW_SUPPORT)
    halves = torch.where(mask, halves, BELOW_SUPPORT)
    if torch.is_grad_enabled():
        weights: Tensor = _Entmax.apply(halves)  # type: ignore[no-untyped-call]
    else:
        weights = _weigh(halves)  # an exported graph holds operations, no functions of ours
    return torch.where(mask, weights, 0.0)


def _weigh(halves: Tensor) -> Tensor:
    """Find the threshold among those that the k largest numbers alone would have."""
    ordered = torch.sort(halves, dim=-1, descending=True).values
    counts = torch.ones_like(ordered).cumsum(dim=-1)
    mean = ordered.cumsum(dim=-1) / counts
    spread = (ordered**2).cumsum(dim=-1) - counts * mean**2
    thresholds = mean - ((1 - spread) / counts).clamp(min=0).sqrt()
    size = (thresholds <= ordered).sum(dim=-1, keepdim=True)
    threshold = thresholds.gather(-1, size - 1)
    return (halves - threshold).clamp(min=0) ** 2


class _Entmax(torch.autograd.Function):
    """d a / d z = diag(s) - s s^T / sum(s), s = 2 sqrt(a), for z the halves of the scores."""

    @staticmethod
    def forward(context: Any, halves: Tensor) -> Tensor:
        weights = _weigh(halves)
        context.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        slopes = 2 * context.saved_tensors[0].sqrt()
        change = gradients[0] * slopes
        mean = change.sum(dim=-1, keepdim=True) / slopes.sum(dim=-1, keepdim=True)
        back: Tensor = change - mean * slopes
        return back
