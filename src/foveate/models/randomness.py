"""A random generator of one's own, for code that draws from PyTorch's global one.

Knows nothing of models or training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_DRAWS: frozenset[Callable[..., Any]] = frozenset(
    (
        Tensor.bernoulli_,
        Tensor.exponential_,
        Tensor.normal_,
        Tensor.random_,
        Tensor.uniform_,
        torch.bernoulli,
        torch.multinomial,
        torch.normal,
        torch.rand,
        torch.randint,
        torch.randn,
        torch.randperm,
        nn.init.kaiming_normal_,
        nn.init.kaiming_uniform_,
        nn.init.normal_,
        nn.init.uniform_,
    )
)


class OwnGenerator(TorchFunctionMode):
    """Let what this thread draws within the context depend on a seed alone.

    PyTorch has one generator for the whole process. Seeding that one would change the numbers of
    the program around us, and models that are built in several threads at once would take numbers
    from each other.

    Example:
        >>> with OwnGenerator(7):
        ...     first = torch.nn.Linear(2, 3)
        >>> with OwnGenerator(7):
        ...     second = torch.nn.Linear(2, 3)
        >>> torch.equal(first.weight, second.weight)
        True
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._generator = torch.Generator().manual_seed(seed)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call a function of PyTorch, with our generator if it draws."""
        named = dict(kwargs or {})
        if func in _DRAWS and named.get("generator") is None:
            named["generator"] = self._generator
        return func(*args, **named)
