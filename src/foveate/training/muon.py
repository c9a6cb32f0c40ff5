"""Muon: the step of a matrix is its momentum with all singular values made alike.

AdamW scales each number by itself. The gradient of a matrix has a few large directions and many
small ones, and what is rare lies in the small ones: Muon goes as far in each of them.

Reference: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks". The size
of a step is that of Liu et al. 2025, section 2.2.

Differs: a matrix is taken in blocks of some rows or columns, about as large as the heads of
attention. That takes a fifth of the arithmetic, and learns as well (docs/decisions/0064).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

import foveate.torch_loading  # noqa: F401  # isort: skip  # before torch
import torch
from jaxtyping import Float
from torch import Tensor

BLOCK_SIZE = 32
MOMENTUM = 0.95
STEP_SIZE = 0.2  # root mean square of a step of AdamW, beside its learning rate
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of a X + b X X^T X + c (X X^T)^2 X
NUM_ITERATIONS = 5
SMALLEST_SIDE = 16  # of a matrix; filters and vectors are thinner
LAYERS = ("encoder.", "decoder.", "to_embedding.")


def find_matrices(parameters: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the matrices of layers, which map states to states.

    Example:
        >>> matrix = torch.zeros(64, 32)
        >>> find_matrices({"source_embedding.weight": matrix, "decoder.bridge.weight": matrix})
        ['decoder.bridge.weight']
    """
    matrices = {name: one for name, one in parameters.items() if one.dim() == 2}
    return [
        name
        for name, matrix in matrices.items()
        if name.startswith(LAYERS) and min(matrix.shape) >= SMALLEST_SIDE
    ]


def orthogonalize(blocks: Float[Tensor, "K A B"]) -> Float[Tensor, "K A B"]:
    """Bring all singular values of each block to about 1, between 0.7 and 1.2.

    Only products are needed (Newton-Schulz). A block of zeros stays one.

    Reference: Jordan et al. 2024.
    """
    is_tall = blocks.shape[1] > blocks.shape[2]
    flat = blocks.mT if is_tall else blocks
    flat = flat / (flat.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    first, second, third = COEFFICIENTS
    for _ in range(NUM_ITERATIONS):
        gram = flat @ flat.mT
        factor = torch.baddbmm(gram, gram, gram, beta=second, alpha=third)
        flat = torch.baddbmm(flat, factor, flat, beta=first)
    return flat.mT if is_tall else flat


def split_blocks(matrix: Float[Tensor, "M N"]) -> Float[Tensor, "K A B"]:
    """Return the blocks of a matrix as a view: along the longer side, 32 or so each.

    Example:
        >>> split_blocks(torch.zeros(96, 48)).shape, split_blocks(torch.zeros(48, 96)).shape
        (torch.Size([3, 32, 48]), torch.Size([3, 48, 32]))
    """
    rows, columns = matrix.shape
    if rows >= columns:
        return matrix.view(count_blocks(rows), -1, columns)
    return matrix.view(rows, count_blocks(columns), -1).transpose(0, 1)


def count_blocks(length: int) -> int:
    """Return into how many equal blocks, each of 32 or a little more, a side is cut.

    Example:
        >>> [count_blocks(length) for length in (31, 32, 96, 176, 37)]
        [1, 1, 3, 4, 1]
    """
    most = max(length // BLOCK_SIZE, 1)
    return next(count for count in range(most, 0, -1) if length % count == 0)


@torch.no_grad()
def step_matrices(
    weights: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    momenta: Mapping[str, Tensor],
    learning_rate: float,
    weight_decay: float,
) -> None:
    """Do a step for each matrix.

    Args:
        weights: the matrices, which change.
        gradients: of each.
        momenta: of each, which change.
        learning_rate: a step changes the numbers of a matrix by a fifth of it, as AdamW does.
        weight_decay: share of the learning rate by which the matrices shrink.
    """
    alike = defaultdict(list)  # blocks of one shape are done at once
    for name, gradient in gradients.items():
        momenta[name].lerp_(gradient, 1 - MOMENTUM)
        blocks = split_blocks(gradient.lerp(momenta[name], MOMENTUM))
        alike[blocks.shape[1:]].append((blocks, weights[name]))
    for shape, pairs in alike.items():
        directions = orthogonalize(torch.cat([blocks for blocks, _ in pairs]))
        size = learning_rate * STEP_SIZE * math.sqrt(max(shape))
        parts = torch.split(directions, [len(blocks) for blocks, _ in pairs])
        for part, (_, weight) in zip(parts, pairs, strict=True):
            weight.mul_(1 - learning_rate * weight_decay)
            split_blocks(weight).sub_(part, alpha=size)
