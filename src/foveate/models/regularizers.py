"""What may be added to the cross-entropy: looking twice, looking elsewhere, answering differently.

Knows weights and log-probabilities, nothing of where they come from.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def coverage_loss(
    weights: Float[Tensor, "B T S"], target_mask: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Return the mean over real steps i of sum_j min(a_ij, c_ij), c_ij = sum_{i' < i} a_i'j.

    It is 0 when no source token is looked at by two steps.

    Reference: See et al. 2017, equations 10 and 12.

    Differs: coverage is not an input of the attention (their equation 11), so that all steps are
    computed at once.
    """
    covered = weights.cumsum(dim=1) - weights
    looked_twice = torch.minimum(weights, covered).sum(dim=2)  # B T
    return looked_twice[target_mask].mean()


def guidance_loss(
    weights: Float[Tensor, "B T S"], alignment: Float[Tensor, "B T S"]
) -> Float[Tensor, ""]:
    """Return -sum_j p_ij log a_ij, averaged over the steps that the alignment p speaks of.

    Rows of zeros say nothing. Attention that is exactly 0 counts as a millionth.

    Reference: Chen et al. 2016, guided alignment by cross-entropy.
    """
    costs = -(alignment * weights.clamp(min=1e-6).log()).sum(dim=2)  # B T
    return costs.sum() / (alignment.sum(dim=2) > 0).sum().clamp(min=1)


def consistency_loss(one: Float[Tensor, "M V"], other: Float[Tensor, "M V"]) -> Float[Tensor, ""]:
    """Return the mean of (KL(p || q) + KL(q || p)) / 2 of log-probabilities, in nats.

    Reference: Liang et al. 2021 (R-Drop), equation 2: p and q are the same model's, with two
    dropout masks.
    """
    difference = one - other
    return ((one.exp() - other.exp()) * difference).sum(dim=1).mean() / 2
