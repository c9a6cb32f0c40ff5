"""Cross-entropy of a linear readout, without ever holding all its logits.

With a vocabulary of thousands the logits are the largest tensors of a training step, and plain
autograd passes over them a dozen times. Here loss and gradients come from one visit to each chunk.
Knows nothing of sequences: rows in, one number out.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

LARGEST_LOGITS = 2**21  # numbers of a chunk: 8 MB


def linear_cross_entropy(
    hidden: Float[Tensor, "M E"],
    weight: Float[Tensor, "V E"],
    bias: Float[Tensor, " V"],
    targets: Int[Tensor, " M"] | Int[Tensor, "M K"],
    label_smoothing: float = 0.0,
    probabilities: Float[Tensor, "M K"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of z = W h + b with smoothed targets, in nats.

        loss = log sum_v exp z_v - (1 - e) sum_k q_k z_target_k - e / V sum_v z_v

    Args:
        hidden: h of each of M rows.
        weight: W.
        bias: b.
        targets: ids; K of them for each row with `probabilities`, else one.
        label_smoothing: e.
        probabilities: q, which sum to 1 in each row; None is the certain target.

    Reference: Szegedy et al. 2016, section 7, for label smoothing e; Hinton et al. 2015, section 2,
    for targets that are probabilities.
    """
    if probabilities is None:
        targets, probabilities = targets[:, None], hidden.new_ones(len(hidden), 1)
    loss: Tensor = _LinearCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, weight, bias, targets, probabilities, label_smoothing
    )
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    """d loss / d z = softmax(z) - (1 - e) sum_k q_k onehot(target_k) - e / V.

    The last term is the same for every row and every v, so it never touches the logits: it enters
    through the sums of W and h.
    """

    @staticmethod
    def forward(
        context: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        probabilities: Tensor,
        label_smoothing: float,
    ) -> Tensor:
        sure = (1 - label_smoothing) * probabilities
        loss = hidden.new_zeros(())
        to_hidden = torch.empty_like(hidden)
        to_weight, to_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        rows = max(1, LARGEST_LOGITS // len(weight))
        chunks = (torch.split(rows_of, rows) for rows_of in (hidden, targets, sure, to_hidden))
        for part, aims, shares, to_part in zip(*chunks, strict=True):
            logits = torch.addmm(bias, part, weight.T)  # rows V
            largest, place = logits.max(dim=1, keepdim=True)
            loss -= (shares * logits.gather(1, aims)).sum()
            gradient = torch.softmax(logits, dim=1)
            loss += (largest - gradient.gather(1, place).log()).sum()
            gradient.scatter_add_(1, aims, -shares)
            torch.mm(gradient, weight, out=to_part)
            to_weight.addmm_(gradient.T, part)
            to_bias += gradient.sum(dim=0)
        if label_smoothing:
            share = label_smoothing / len(weight)
            weights, hiddens = weight.sum(dim=0), hidden.sum(dim=0)
            loss -= share * (hiddens @ weights + len(hidden) * bias.sum())
            to_hidden -= share * weights
            to_weight -= share * hiddens
            to_bias -= share * len(hidden)
        context.save_for_backward(to_hidden, to_weight, to_bias)
        context.scale = 1 / len(hidden)
        mean: Tensor = loss * context.scale
        return mean

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        scale = gradients[0] * context.scale
        return *(scale * saved for saved in context.saved_tensors), None, None, None
