"""Dropout: shares, scale, gradients, and masks that depend on nothing but the seed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from foveate.models.dropout import Dropout, draw_kept, seeded_dropout

CPU = torch.device("cpu")


def drop(probability: float, *entropy: int, shape: tuple[int, ...] = (97, 101)) -> Tensor:
    with seeded_dropout(*entropy):
        return Dropout(probability)(torch.ones(shape))


@pytest.mark.parametrize("probability", [0.02, 0.35, 0.9])
def test_share_and_scale(probability: float) -> None:
    dropped = drop(probability, 1, 2)
    share = float((dropped == 0).float().mean())
    assert share == pytest.approx(probability, abs=4 * (probability / 97 / 101) ** 0.5)
    assert dropped[dropped != 0].unique().numel() == 1
    assert float(dropped.max()) == pytest.approx(1 / (1 - probability), rel=1e-3)


def test_same_numbers_give_the_same_masks() -> None:
    torch.rand(3)  # the global generator stands elsewhere
    assert torch.equal(drop(0.5, 7, 11), drop(0.5, 7, 11))
    assert not torch.equal(drop(0.5, 7, 11), drop(0.5, 7, 12))
    assert not torch.equal(drop(0.5, 7, 11), drop(0.5, 8, 11))


def test_two_layers_get_two_masks() -> None:
    with seeded_dropout(3):
        layer = Dropout(0.5)
        assert not torch.equal(layer(torch.ones(53)), layer(torch.ones(53)))


def test_gradient_is_the_mask() -> None:
    inputs = torch.full((7, 5), 2.0, dtype=torch.float64, requires_grad=True)
    with seeded_dropout(5):
        outputs = Dropout(0.4)(inputs)
    outputs.sum().backward()
    assert outputs.dtype == torch.float64
    assert inputs.grad is not None
    assert torch.equal(outputs.detach(), 2 * inputs.grad)


def test_outside_it_is_what_pytorch_does() -> None:
    torch.manual_seed(3)
    ours = Dropout(0.3)(torch.ones(11, 13))
    torch.manual_seed(3)
    assert torch.equal(ours, torch.nn.functional.dropout(torch.ones(11, 13), 0.3))


def test_evaluation_drops_nothing() -> None:
    with seeded_dropout(3):
        assert torch.equal(Dropout(0.9).eval()(torch.ones(31)), torch.ones(31))


def test_bits_do_not_repeat_at_word_borders() -> None:
    for count in (1, 3, 4, 5):
        with seeded_dropout(3):
            assert draw_kept((count,), 0.5, CPU).shape == (count,)
