"""Attention that knows where it looked; its formula is in the tests of the decoders."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from foveate.config import build_config
from foveate.errors import ConfigError
from foveate.models import AdditiveAttention, LocationScores
from models_naive import mask_of, randomise

B, N, T, S, Q, H = 2, 2, 6, 5, 7, 8
NOT_THERE = r"location_window: the .* has no such option \(attention has\)"


def build() -> AdditiveAttention:
    attention = AdditiveAttention(Q, H, 10, N)
    attention.location = LocationScores(Q, 3, N)
    randomise(attention)
    return attention.double()


def draw(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def gradients(attention: AdditiveAttention) -> tuple[Tensor, list[Tensor]]:
    query, states = draw(B, T, Q, seed=1), draw(B, S, H, seed=2)
    mask, before = mask_of([S, 3], S), draw(B, N, S, seed=3).softmax(dim=-1)
    context, weights = attention(query, attention.keys(states), states, mask, before)
    attention.zero_grad()
    (context.sum() + (weights * weights).sum()).backward()
    found = [parameter.grad for parameter in attention.parameters()]
    assert all(gradient is not None for gradient in found)
    return weights.detach(), [gradient.clone() for gradient in found if gradient is not None]


def test_steps_that_are_too_many_are_scored_some_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attention, kept = build(), []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tuple(tensor.shape))
        return tensor

    def run() -> tuple[Tensor, list[Tensor], bool]:
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            weights, found = gradients(attention)
        return weights, found, any(shape[-3:] == (T, S, 32) for shape in kept)

    weights, found, is_kept = run()
    for limit in (B * N * S * 32 * 4, 1):  # four steps at a time, and one
        monkeypatch.setattr("foveate.models.location.LARGEST", limit)
        other_weights, others, is_kept_then = run()
        assert is_kept and not is_kept_then
        torch.testing.assert_close(other_weights, weights)
        for one, other in zip(found, others, strict=True):
            torch.testing.assert_close(other, one)


def test_gradients_are_those_of_weights_before_that_are_given() -> None:
    """Found in one go, they equal those of each step alone, told where the one before looked."""
    attention = build()
    weights, found = gradients(attention)
    query, states = draw(B, T, Q, seed=1), draw(B, S, H, seed=2)
    mask, before = mask_of([S, 3], S), draw(B, N, S, seed=3).softmax(dim=-1)
    attention.zero_grad()
    for t in range(T):
        keys = attention.keys(states)
        context, now = attention(query[:, t : t + 1], keys, states, mask, before)
        (context.sum() + (now * now).sum()).backward()
        torch.testing.assert_close(now[:, :, 0], weights[:, :, t])
        before = weights[:, :, t]
    for parameter, gradient in zip(attention.parameters(), found, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"location_window": 4}, "location_window: an odd whole number to 99, or 0, not 4"),
        (
            {"location_window": 3, "architecture": "transformer"},
            NOT_THERE,
        ),
        (
            {"location_window": 3, "architecture": "traditional"},
            NOT_THERE,
        ),
    ],
)
def test_a_window_that_cannot_be_is_refused(told: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_config(told)
