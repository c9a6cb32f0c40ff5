"""AdamW and Muon, the learning rate over a run, and the moving average of the weights."""

from __future__ import annotations

import foveate.torch_loading  # noqa: F401  # isort: skip  # before torch
import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from foveate.options import TrainingOptions
from foveate.training.muon import find_matrices, step_matrices

BETAS = (0.9, 0.98)
EPSILON = 1e-8


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


class Optimizer:
    """AdamW, or Muon for the matrices of encoder and decoder beside it; gradients are clipped.

    Weights decay in matrices and tables only, never biases or norms. The arithmetic of AdamW is
    PyTorch's fused one; the class that PyTorch has around it loads a compiler, which takes longer
    than many a training here takes to get going, and looks at every tensor several times in each
    update. PyTorch's Muon computes in 16 bits, for which most processors are slow.

    Reference: Loshchilov & Hutter 2019, algorithm 2; Jordan et al. 2024.
    """

    def __init__(self, model: nn.Module, options: TrainingOptions) -> None:
        self.learning_rate = 0.0  # of the last update
        named = model.named_parameters()
        self.parameters = {name: one for name, one in named if one.requires_grad}
        self.matrices = find_matrices(self.parameters) if options.optimizer == "muon" else []
        self.state = {
            name: _start_state(parameter, name in self.matrices)
            for name, parameter in self.parameters.items()
        }
        self._clip_norm = options.clip_norm
        self._weight_decay = options.weight_decay

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update the parameters by their gradients, and forget these."""
        self.learning_rate = learning_rate
        gradients = {
            name: parameter.grad
            for name, parameter in self.parameters.items()
            if parameter.grad is not None
        }
        norm = torch.stack(torch._foreach_norm(list(gradients.values()))).norm()
        divisor = (norm / self._clip_norm).clamp(min=1)
        matrices = [name for name in self.matrices if name in gradients]
        step_matrices(
            {name: self.parameters[name] for name in matrices},
            {name: gradients[name] / divisor for name in matrices},
            {name: self.state[name]["momentum"] for name in matrices},
            learning_rate,
            self._weight_decay,
        )
        others = {name: one for name, one in gradients.items() if name not in self.matrices}
        tables = {name: one for name, one in others.items() if one.dim() > 1}
        vectors = {name: one for name, one in others.items() if one.dim() <= 1}
        self._step_adamw(tables, learning_rate, self._weight_decay, divisor)
        self._step_adamw(vectors, learning_rate, 0.0, divisor)
        for parameter in self.parameters.values():
            parameter.grad = None

    def _step_adamw(
        self,
        gradients: dict[str, Tensor],
        learning_rate: float,
        weight_decay: float,
        divisor: Tensor,
    ) -> None:
        states = [self.state[name] for name in gradients]
        adamw(
            [self.parameters[name] for name in gradients],
            list(gradients.values()),
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            grad_scale=divisor,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=learning_rate,
            weight_decay=weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return what the next step depends on, under the names `parameter|key`."""
        return {
            f"{name}|{key}": value
            for name, state in self.state.items()
            for key, value in state.items()
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take what `tensors` returned; what is not there is as at the beginning."""
        for name, value in tensors.items():
            parameter, key = name.rsplit("|", 1)
            self.state[parameter][key].copy_(value)


def _start_state(parameter: Tensor, is_matrix: bool) -> dict[str, Tensor]:
    if is_matrix:
        return {"momentum": torch.zeros_like(parameter)}
    return {
        "step": torch.zeros((), device=parameter.device),
        "exp_avg": torch.zeros_like(parameter),
        "exp_avg_sq": torch.zeros_like(parameter),
    }


@torch.no_grad()
def update_average(
    averages: list[Tensor], weights: list[Tensor], update: int, decay: float
) -> None:
    """Move averages of weights towards the weights: a <- d a + (1 - d) w.

    The decay d rises with the updates, min(decay, (1 + n) / (10 + n)), so that a short run does
    not remember its random beginning.
    """
    torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + update) / (10 + update)))
