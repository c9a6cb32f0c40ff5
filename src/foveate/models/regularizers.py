"""What may be added to the cross-entropy by looking at the attention weights.

Knows weights, nothing of where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Regularizer(Protocol):
    """Say what attention weights cost; anything with this method can be given to the loss."""

    def cost(self, weights: Float[Tensor, "B T S"]) -> Float[Tensor, ""]:
        """Return what the weights, averaged over heads, add to the loss."""
        ...


@dataclass(frozen=True, eq=False)
class GuidedAlignment:
    """Show attention where to look: w times -sum_j p_ij log a_ij, averaged over the steps i.

    Rows of zeros in the alignment p say nothing, and do not count. Attention that is exactly 0
    counts as a millionth.

    Args:
        weight: w.
        alignment: p.

    Reference: Chen et al. 2016, guided alignment by cross-entropy.
    """

    weight: float
    alignment: Float[Tensor, "B T S"]

    def cost(self, weights: Float[Tensor, "B T S"]) -> Float[Tensor, ""]:
        """Return the weighted cross-entropy between alignment and attention, in nats."""
        costs = -(self.alignment * weights.clamp(min=1e-6).log()).sum(dim=2)  # B T
        num_steps = (self.alignment.sum(dim=2) > 0).sum().clamp(min=1)
        return self.weight * (costs.sum() / num_steps)
