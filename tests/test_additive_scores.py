"""Additive scores in blocks against their formula, values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from foveate.models import additive_scores as ours
from foveate.models.additive_scores import additive_scores

B, T, S, D = 3, 4, 5, 7


def formula(queries: Tensor, keys: Tensor, vector: Tensor) -> Tensor:
    hidden = torch.tanh(queries[:, :, :, None] + keys[:, :, None])
    return torch.einsum("bntsd,nd->bnts", hidden, vector)


def make(num_heads: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = ((B, num_heads, T, D), (B, num_heads, S, D), (num_heads, D))
    parts = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [part.requires_grad_() for part in parts]


@pytest.mark.parametrize("num_heads", [1, 2])
@pytest.mark.parametrize("block", [1, 2 * S * D, 2 * T * S * D, 10**6])
def test_equals_the_formula(monkeypatch: pytest.MonkeyPatch, num_heads: int, block: int) -> None:
    monkeypatch.setattr(ours, "BLOCK", block)  # one and two steps, two rows, all rows at a time
    inputs = make(num_heads)
    weights = torch.randn(B, num_heads, T, S, dtype=torch.float64)
    found, expected = additive_scores(*inputs), formula(*inputs)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad((weights * found).sum(), inputs),
        torch.autograd.grad((weights * expected).sum(), inputs),
    )


def test_heads_that_are_views_of_one_tensor_are_as_good() -> None:
    queries, keys, vector = make(2)
    expected = additive_scores(queries, keys, vector)
    apart = [part.transpose(1, 2).contiguous().transpose(1, 2) for part in (queries, keys)]
    assert not apart[0].is_contiguous()
    torch.testing.assert_close(additive_scores(*apart, vector), expected)


@pytest.mark.parametrize("size", [1.0, 10.0, 1e4])
def test_numbers_of_any_size_give_scores_and_gradients(size: float) -> None:
    """In 32 bits, and up to 44 the right ones."""
    queries, keys, vector = (part.detach().float().requires_grad_() for part in make(1))
    found = additive_scores(size * queries, size * keys, vector)
    gradients = torch.autograd.grad(found.sum(), (queries, keys, vector))
    assert torch.isfinite(found).all()
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    if size <= 10:
        expected = formula(size * queries, size * keys, vector)
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_nothing_as_large_as_source_times_target_times_width_is_kept() -> None:
    kept: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        additive_scores(*make(1))
    assert kept and max(kept) < T * S * D


def test_backward_twice_gives_the_same() -> None:
    inputs = make(1)
    total = additive_scores(*inputs).sum()
    first = torch.autograd.grad(total, inputs, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(total, inputs), first)
