"""The weights that recurrent layers begin with, and models that need none to begin with.

Knows nothing of attention, vocabularies or text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

import torch
from torch import nn

from foveate.models.randomness import OwnGenerator

_FILLS: frozenset[Callable[..., Any]] = frozenset(
    (nn.init.kaiming_normal_, nn.init.kaiming_uniform_, nn.init.normal_, nn.init.uniform_)
)
_are_given_later = ContextVar("weights are given later", default=False)


class WeightsFollow(OwnGenerator):
    """Build models whose weights are given afterwards: what would be drawn for them is 0.

    Drawing takes half of the time in which a small model is built.

    Example:
        >>> with WeightsFollow():
        ...     layer = torch.nn.Linear(2, 3)
        >>> layer.weight.abs().sum().item()
        0.0
    """

    def __init__(self) -> None:
        super().__init__(0)  # an attention of somebody's own may draw what is no weight

    def __enter__(self) -> WeightsFollow:
        """Begin, in this thread alone."""
        self._token = _are_given_later.set(True)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *raised: Any) -> None:
        """End."""
        super().__exit__(*raised)  # type: ignore[no-untyped-call]
        _are_given_later.reset(self._token)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call a function of PyTorch; one that fills a tensor by chance fills it with 0."""
        if func in _FILLS:
            tensor = args[0] if args else (kwargs or {})["tensor"]
            with torch.no_grad():
                return tensor.zero_()
        return super().__torch_function__(func, types, args, kwargs)


def initialise_recurrent(module: nn.Module, hidden_size: int) -> None:
    """Give input weights Xavier, recurrent weights orthogonal, biases 0, LSTM forget biases 1."""
    if _are_given_later.get():
        return
    for name, parameter in module.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
            if len(parameter) == 4 * hidden_size and "ih" in name:
                nn.init.ones_(parameter.data[hidden_size : 2 * hidden_size])
        else:
            for block in parameter.data.chunk(len(parameter) // hidden_size):
                initialise = nn.init.orthogonal_ if "hh" in name else nn.init.xavier_uniform_
                initialise(block)
