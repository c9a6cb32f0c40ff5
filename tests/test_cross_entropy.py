"""The chunked cross-entropy against PyTorch's, values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from foveate.models import cross_entropy as ours
from foveate.models.cross_entropy import linear_cross_entropy

M, E, V = 11, 5, 7


def make(seed: int = 1) -> tuple[list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((M, E), (V, E), (V,))
    parts = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    targets = torch.randint(V, (M,), generator=generator)
    return [part.requires_grad_() for part in parts], targets


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("largest", [1, 3 * V, 10**6])
def test_equals_pytorch(monkeypatch: pytest.MonkeyPatch, smoothing: float, largest: int) -> None:
    monkeypatch.setattr(ours, "LARGEST_LOGITS", largest)  # chunks of 1, 3 and all rows
    (hidden, weight, bias), targets = make()
    loss = linear_cross_entropy(hidden, weight, bias, targets, smoothing)
    expected = cross_entropy(linear(hidden, weight, bias), targets, label_smoothing=smoothing)
    torch.testing.assert_close(loss, expected)
    gradients = torch.autograd.grad(3 * loss, [hidden, weight, bias])
    expecteds = torch.autograd.grad(3 * expected, [hidden, weight, bias])
    torch.testing.assert_close(gradients, expecteds)


@pytest.mark.parametrize("largest", [1, 3 * V, 10**6])
def test_soft_targets_equal_pytorch(monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    monkeypatch.setattr(ours, "LARGEST_LOGITS", largest)
    (hidden, weight, bias), _ = make()
    generator = torch.Generator().manual_seed(2)
    whole = torch.rand((M, V), generator=generator, dtype=torch.float64)
    probabilities, ids = whole.topk(3)
    probabilities /= probabilities.sum(dim=1, keepdim=True)
    dense = torch.zeros_like(whole).scatter(1, ids, probabilities)
    loss = linear_cross_entropy(hidden, weight, bias, ids, 0.1, probabilities)
    expected = cross_entropy(linear(hidden, weight, bias), dense, label_smoothing=0.1)
    torch.testing.assert_close(loss, expected)
    gradients = torch.autograd.grad(loss, [hidden, weight, bias])
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, [hidden, weight, bias]))


def test_large_logits_stay_finite() -> None:
    (hidden, weight, bias), targets = make()
    hidden, weight, bias = ((100 * part).float() for part in (hidden, weight, bias))
    loss = linear_cross_entropy(hidden, weight, bias, targets, 0.1)
    expected = cross_entropy(linear(hidden, weight, bias), targets, label_smoothing=0.1)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=0)


def test_backward_twice_gives_the_same() -> None:
    (hidden, weight, bias), targets = make()
    loss = linear_cross_entropy(hidden, weight, bias, targets)
    first = torch.autograd.grad(loss, weight, retain_graph=True)
    second = torch.autograd.grad(loss, weight)
    torch.testing.assert_close(first, second)
