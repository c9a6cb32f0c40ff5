"""Muon: what it computes, and of which parameters."""

import copy

import pytest
import torch

from foveate.config import Config
from foveate.models.build import build_model
from foveate.models.randomness import OwnGenerator
from foveate.training.defaults import DataFacts, resolve
from foveate.training.muon import BLOCK_SIZE, orthogonalize, split_blocks, step_matrices
from foveate.training.optimizer import Optimizer

FACTS = DataFacts(100, 5.0, 5.0, 30, 30, "characters", "characters")


@pytest.mark.parametrize("shape", [(1, 32, 128), (3, 128, 32), (2, 5, 5), (1, 1, 7)])
def test_singular_values_are_alike_and_directions_stay(shape: tuple[int, int, int]) -> None:
    with OwnGenerator(1):
        blocks = torch.randn(shape) * 100
    made = orthogonalize(blocks)
    left, _, right = torch.linalg.svd(blocks, full_matrices=False)
    cosine = torch.nn.functional.cosine_similarity(
        made.flatten(1), (left @ right).flatten(1), dim=1
    )
    assert torch.linalg.svdvals(made).max() < 1.25
    assert cosine.min() > 0.95


def test_zeros_stay_zeros() -> None:
    assert torch.equal(orthogonalize(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))


@pytest.mark.parametrize("shape", [(64, 32), (32, 96), (176, 176), (37, 20), (8, 8)])
def test_blocks_are_views_of_every_number(shape: tuple[int, int]) -> None:
    matrix = torch.zeros(shape)
    split_blocks(matrix).add_(1)
    assert torch.equal(matrix, torch.ones(shape))


def test_steps_are_those_of_pytorch() -> None:
    """Its Muon takes whole matrices, in 16 bits: one block and a wide tolerance."""
    with OwnGenerator(2):
        ours = torch.nn.Parameter(torch.randn(BLOCK_SIZE, 48))
        gradients = [torch.randn(BLOCK_SIZE, 48) for _ in range(4)]
    theirs = torch.nn.Parameter(ours.detach().clone())
    start = ours.detach().clone()
    pytorch = torch.optim.Muon(
        [theirs], lr=0.1, weight_decay=0.5, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    momenta = {"one": torch.zeros_like(start)}
    for gradient in gradients:
        theirs.grad = gradient.clone()
        pytorch.step()
        step_matrices({"one": ours.data}, {"one": gradient}, momenta, 0.1, 0.5)
    difference = (ours - theirs).norm() / (theirs - start).norm()
    assert difference < 0.02


@pytest.mark.parametrize(
    ("architecture", "optimizer"), [("attention", "adamw"), ("transformer", "muon")]
)
def test_only_a_transformer_is_trained_so_by_itself(architecture: str, optimizer: str) -> None:
    config = Config(architecture=architecture)
    assert resolve(config, FACTS).training.optimizer == optimizer
    other = config.replace(optimizer="adamw" if optimizer == "muon" else "muon")
    assert resolve(other, FACTS).training.optimizer != optimizer


def test_an_optimizer_goes_on_where_another_stopped() -> None:
    """The momenta are part of its state, and only the matrices of layers have one."""
    options = resolve(Config(architecture="transformer", hidden_size=16), FACTS)
    with OwnGenerator(3):
        first = build_model(options.model, 30, 30, False)
    half = copy.deepcopy(first)
    optimizer, goes_on = (Optimizer(one, options.training) for one in (first, half))
    take_steps(first, optimizer, 2)
    half.load_state_dict(first.state_dict())
    goes_on.restore(optimizer.tensors())
    for model, own in ((first, optimizer), (half, goes_on)):
        take_steps(model, own, 1)
    for one, other in zip(first.parameters(), half.parameters(), strict=True):
        assert torch.equal(one, other)
    momenta = {name.split("|")[0] for name in optimizer.tensors() if "momentum" in name}
    assert momenta == set(optimizer.matrices) >= {"encoder.layers.0.attention.query.weight"}
    assert not any("embedding.weight" in name for name in momenta - {"to_embedding.weight"})


def take_steps(model: torch.nn.Module, optimizer: Optimizer, count: int) -> None:
    """Pull every weight towards 0."""
    for _ in range(count):
        for parameter in model.parameters():
            parameter.grad = parameter.detach().clone()
        optimizer.step(0.01)
