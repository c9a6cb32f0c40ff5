"""The scores of additive attention, for all queries and keys at once, in little memory.

The hidden layer tanh(q_i + k_j) has source times target times width numbers: the one thing in a
model that grows so. Here it lives in blocks that fit a processor's cache, and is computed again in
the backward pass, which costs less than to fetch it from memory. Knows nothing of sources,
targets, masks or softmax.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

BLOCK = 2**19  # hidden numbers at a time: 2 MB
BLOCK_ON_GPU = 2**24
LARGEST_EXPONENT = 88.0  # of e, in 32 bits


def additive_scores(
    queries: Float[Tensor, "B N T D"], keys: Float[Tensor, "B N S D"], vector: Float[Tensor, "N D"]
) -> Float[Tensor, "B N T S"]:
    """Return v^T tanh(q_i + k_j) for every i and j.

        tanh(q + k) = 1 - 2 / (1 + exp(2q) exp(2k))

    so that the hidden layer needs no transcendental function, only those of q and k alone. They are
    exact up to 44 in size; larger ones count as 44.

    Reference: Bahdanau et al. 2015, appendix A.1.2.
    """
    scores: Tensor = _AdditiveScores.apply(queries, keys, vector)  # type: ignore[no-untyped-call]
    return scores


class _AdditiveScores(torch.autograd.Function):
    """With r = 1 / (1 + exp(2q) exp(2k)):  tanh = 1 - 2r,  d tanh = 4 (r - r^2)."""

    @staticmethod
    def forward(context: Any, queries: Tensor, keys: Tensor, vector: Tensor) -> Tensor:
        context.save_for_backward(queries, keys, vector)
        shape = (*queries.shape[:3], keys.shape[2])
        powers, key_powers = _powers(queries), _powers(keys)
        vectors = _one_a_head(vector, len(queries))
        scores = queries.new_empty((len(powers), *shape[2:]))  # M T S
        for rows, steps, shares in _blocks(powers, key_powers):
            part = scores[rows, steps]
            part.copy_((vectors[rows, None] @ shares.flatten(1, 2).mT).view(part.shape))
        total = vector.sum(dim=1)[:, None, None]  # N 1 1
        return scores.mul_(-2).view(shape).add_(total)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        queries, keys, vector = context.saved_tensors
        powers, key_powers = _powers(queries), _powers(keys)
        to_scores = gradients[0].flatten(0, 1)  # M T S
        to_queries, to_keys = torch.empty_like(powers), torch.zeros_like(key_powers)
        to_vectors = powers.new_zeros(len(powers), 1, powers.shape[2])
        for rows, steps, shares in _blocks(powers, key_powers):
            part = to_scores[rows, steps]
            to_vectors[rows] += part.flatten(1)[:, None] @ shares.flatten(1, 2)
            slopes = shares.addcmul_(shares, shares, value=-1).mul_(part[..., None])
            torch.sum(slopes, dim=2, out=to_queries[rows, steps])
            to_keys[rows] += slopes.sum(dim=1)
        vectors = 4 * _one_a_head(vector, len(queries))[:, None]
        heads = (len(queries), *vector.shape)
        to_vector = gradients[0].sum(dim=(0, 2, 3))[:, None] - 2 * to_vectors.view(heads).sum(dim=0)
        return (
            to_queries.mul_(vectors).view(queries.shape),
            to_keys.mul_(vectors).view(keys.shape),
            to_vector,
        )


def _powers(inputs: Float[Tensor, "B N X D"]) -> Float[Tensor, "M X D"]:
    """Return exp(2x), rows and heads on one axis."""
    return (2 * inputs).clamp_(-LARGEST_EXPONENT, LARGEST_EXPONENT).exp_().flatten(0, 1)


def _one_a_head(vector: Float[Tensor, "N D"], num_rows: int) -> Float[Tensor, "M D"]:
    """Repeat the vectors of all heads for every row."""
    return vector.expand(num_rows, -1, -1).flatten(0, 1)


def _blocks(
    powers: Float[Tensor, "M T D"], key_powers: Float[Tensor, "M S D"]
) -> Iterator[tuple[slice, slice, Float[Tensor, "m t S D"]]]:
    """Yield which rows and steps, and r for them, which is overwritten by the next block."""
    num_rows, num_steps, width = powers.shape
    in_step = max(key_powers.shape[1] * width, 1)
    limit = BLOCK_ON_GPU if powers.is_cuda else BLOCK
    steps = min(max(limit // in_step, 1), num_steps)
    rows = max(limit // (in_step * num_steps), 1)
    one = powers.new_ones(())
    space = powers.new_empty(min(rows, num_rows) * steps * in_step)
    for first_row in range(0, num_rows, rows):
        some = slice(first_row, first_row + rows)
        for first_step in range(0, num_steps, steps):
            few = slice(first_step, first_step + steps)
            left, right = powers[some, few, None], key_powers[some, None]
            shape = (left.shape[0], left.shape[1], right.shape[2], width)
            shares = space[: math.prod(shape)].view(shape)
            torch.addcmul(one, left, right, out=shares)
            yield some, few, shares.reciprocal_()
