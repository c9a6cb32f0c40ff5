"""AdamW, the learning rate over a run, and the moving average of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from foveate.config import Config


def learning_rate_factor(update: int, total: int, warmup: float) -> float:
    """Rise linearly for a share of the updates, then decay linearly to 0 over exactly the rest.

    Args:
        update: 0 for the first.
        total: number of updates.
        warmup: share of them.

    Example:
        >>> [round(learning_rate_factor(update, 5, 0.4), 2) for update in range(5)]
        [0.5, 1.0, 0.75, 0.5, 0.25]
    """
    rising = max(1, round(warmup * total))
    if update < rising:
        return (update + 1) / rising
    return (total - update) / max(1, total - rising + 1)


def build_optimizer(model: nn.Module, config: Config) -> torch.optim.AdamW:
    """Build AdamW that decays matrices only, never biases or norms; every update sets its rate."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, update: int, decay: float) -> None:
    """Move the averaged weights towards the model's: a <- d a + (1 - d) w.

    The decay d rises with the updates, min(decay, (1 + n) / (10 + n)), so that a short run does
    not remember its random beginning.
    """
    weight = 1 - min(decay, (1 + update) / (10 + update))
    averages: list[Tensor] = list(average.parameters())
    weights: list[Tensor] = list(model.parameters())
    torch._foreach_lerp_(averages, weights, weight)


def read_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """Return the optimizer's tensors under the names `parameter|key`."""
    return {
        f"{name}|{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state[parameter].items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, model: nn.Module, tensors: dict[str, Tensor]
) -> None:
    """Put back what `read_optimizer` returned."""
    parameters = dict(model.named_parameters())
    for name, value in tensors.items():
        parameter, key = name.rsplit("|", 1)
        optimizer.state[parameters[parameter]][key] = value.clone()
