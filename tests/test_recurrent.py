"""Cells, layers and encoders against PyTorch's own and against the formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from foveate.models import BidirectionalEncoder, BidirectionalLayer, Cell, RecurrentLayer
from foveate.models.encoders import masked_mean
from foveate.models.initial_weights import WeightsFollow
from foveate.models.recurrent import NUM_STATES, CellName, reverse_within_length
from foveate.models.traditional import TraditionalEncoder
from models_naive import mask_of, naive_cell, naive_layer_step, randomise, to_numpy

CELLS: tuple[CellName, ...] = ("lstm", "gru")
B, S, E, H = 3, 5, 7, 11
LENGTHS = [3, 5, 1]

each_cell = pytest.mark.parametrize("cell", CELLS)


def draw(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def run_packed(layer: nn.LSTM | nn.GRU, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """What PyTorch makes of unequal lengths: all outputs, and the last h of every layer."""
    packed = pack_padded_sequence(inputs, torch.tensor(LENGTHS), True, enforce_sorted=False)
    outputs, state = layer(packed)
    padded, _ = pad_packed_sequence(outputs, batch_first=True)
    return padded, state[0] if isinstance(state, tuple) else state


def pytorch_layer(cell: CellName, **options: object) -> nn.LSTM | nn.GRU:
    layer = nn.LSTM if cell == "lstm" else nn.GRU
    return layer(E, batch_first=True, dtype=torch.float64, **options)


def copy_weights(from_layer: nn.Module, to_layer: nn.Module, suffix: str) -> None:
    """Copy the parameters of a one-layer RNN into the layer `suffix` of a larger one."""
    for name, parameter in from_layer.named_parameters():
        to_layer.get_parameter(name.replace("_l0", suffix)).data.copy_(parameter)


@each_cell
def test_cell_equals_pytorch(cell: CellName) -> None:
    ours = Cell(cell, H).double()
    randomise(ours)
    theirs = (nn.LSTMCell if cell == "lstm" else nn.GRUCell)(E, H, dtype=torch.float64)
    for name in ("weight_hh", "bias_ih", "bias_hh"):
        theirs.get_parameter(name).data.copy_(ours.get_parameter(name))
    inputs, state = draw(B, E), draw(B, NUM_STATES[cell], H, seed=2)

    result = ours(inputs @ theirs.weight_ih.T, state.unbind(1))

    if cell == "lstm":
        torch.testing.assert_close(result, theirs(inputs, state.unbind(1)))
    else:
        torch.testing.assert_close(result, (theirs(inputs, state[:, 0]),))


@each_cell
def test_cell_equals_the_formula(cell: CellName) -> None:
    module = Cell(cell, H).double()
    randomise(module)
    gates, state = draw(B, module.gate_size), draw(B, module.num_states, H, seed=2)
    result = torch.stack(module(gates, state.unbind(1)), dim=1)
    weights = to_numpy(module)
    for b in range(B):
        recurrent = weights["weight_hh"] @ state[b, 0].numpy() + weights["bias_hh"]
        expected = naive_cell(
            cell, gates[b].numpy() + weights["bias_ih"], recurrent, state[b].numpy()
        )
        np.testing.assert_allclose(result[b].detach(), expected, atol=1e-12)


@each_cell
def test_layer_equals_its_steps_and_the_formula(cell: CellName) -> None:
    layer = RecurrentLayer(cell, E, H).double()
    randomise(layer)
    inputs, state = draw(B, S, E), draw(B, NUM_STATES[cell], H, seed=2)
    outputs, last = layer(inputs, state)
    naive = [row.numpy() for row in state]
    for index in range(S):
        state = torch.stack(layer.step(inputs[:, index], state.unbind(1)), dim=1)
        torch.testing.assert_close(state[:, 0], outputs[:, index])
        for b in range(B):
            naive[b] = naive_layer_step(
                cell, inputs[b, index].numpy(), naive[b], to_numpy(layer), "layer."
            )
            np.testing.assert_allclose(state[b].detach(), naive[b], atol=1e-12)
    torch.testing.assert_close(state, last)


@each_cell
def test_layer_begins_at_zero_without_a_state(cell: CellName) -> None:
    layer = RecurrentLayer(cell, E, H).double()
    zero = torch.zeros(B, NUM_STATES[cell], H, dtype=torch.float64)
    for given_none, given_zero in zip(
        layer(draw(B, S, E)), layer(draw(B, S, E), zero), strict=True
    ):
        assert torch.equal(given_none, given_zero)


@each_cell
def test_bidirectional_layer_equals_packed_pytorch(cell: CellName) -> None:
    ours = BidirectionalLayer(cell, E, H).double()
    randomise(ours)
    theirs = pytorch_layer(cell, hidden_size=H, bidirectional=True)
    copy_weights(ours.forward_layer.layer, theirs, "_l0")
    copy_weights(ours.backward_layer.layer, theirs, "_l0_reverse")
    inputs, mask = draw(B, S, E), mask_of(LENGTHS, S)
    expected, _ = run_packed(theirs, inputs)
    torch.testing.assert_close(ours(inputs, mask)[mask], expected[mask])


@each_cell
def test_bidirectional_encoder_equals_stacked_packed_pytorch(cell: CellName) -> None:
    half = 5
    ours = BidirectionalEncoder(cell, E, 2 * half, 2, dropout=0.5).double().eval()
    randomise(ours)
    theirs = pytorch_layer(cell, hidden_size=half, num_layers=2, bidirectional=True)
    for index, layer in enumerate(ours.layers):
        assert isinstance(layer, BidirectionalLayer)
        copy_weights(layer.forward_layer.layer, theirs, f"_l{index}")
        copy_weights(layer.backward_layer.layer, theirs, f"_l{index}_reverse")
    lowest = pytorch_layer(cell, hidden_size=half, num_layers=1, bidirectional=True)
    lowest.load_state_dict({name: theirs.state_dict()[name] for name in lowest.state_dict()})
    inputs, mask = draw(B, S, E), mask_of(LENGTHS, S)

    states, same_mask, summary = ours(inputs, mask)

    # The upper layer's width is that of the one below, so it is residual; the lowest's is not.
    expected = run_packed(theirs, inputs)[0] + run_packed(lowest, inputs)[0]
    torch.testing.assert_close(states[mask], expected[mask])
    assert same_mask is mask
    for b, length in enumerate(LENGTHS):
        torch.testing.assert_close(summary[b], expected[b, :length].mean(dim=0))


@each_cell
def test_traditional_encoder_equals_stacked_packed_pytorch(cell: CellName) -> None:
    ours = TraditionalEncoder(cell, E, H, 2, dropout=0.5).double().eval()
    randomise(ours)
    theirs = pytorch_layer(cell, hidden_size=H, num_layers=2)
    for index, layer in enumerate(ours.layers):
        assert isinstance(layer, RecurrentLayer)
        copy_weights(layer.layer, theirs, f"_l{index}")
    inputs, mask = draw(B, S, E), mask_of(LENGTHS, S)

    states, _, summary = ours(inputs, mask)

    expected, last = run_packed(theirs, inputs)
    torch.testing.assert_close(states[mask], expected[mask])
    torch.testing.assert_close(summary, last[-1])


@pytest.mark.parametrize("encoder", [BidirectionalEncoder, TraditionalEncoder])
def test_dropout_stands_between_layers_only_and_only_in_training(
    encoder: type[BidirectionalEncoder | TraditionalEncoder],
) -> None:
    inputs, mask = torch.randn(B, S, E), mask_of(LENGTHS, S)
    one, two = encoder("gru", E, 10, 1, 0.5), encoder("gru", E, 10, 2, 0.5)
    assert torch.equal(one(inputs, mask).states, one(inputs, mask).states)
    assert not torch.equal(two(inputs, mask).states, two(inputs, mask).states)
    two.eval()
    assert torch.equal(two(inputs, mask).states, two(inputs, mask).states)


@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4), extra=st.integers(0, 3))
def test_reversal_stays_within_the_length(lengths: list[int], extra: int) -> None:
    width = max(lengths) + extra
    mask = mask_of(lengths, width)
    inputs = torch.arange(len(lengths) * width * 2.0).reshape(len(lengths), width, 2)
    result = reverse_within_length(inputs, mask)
    for b, length in enumerate(lengths):
        row = inputs[b].tolist()
        assert result[b].tolist() == row[:length][::-1] + row[length:]
    assert torch.equal(reverse_within_length(result, mask), inputs)


def test_masked_mean_is_the_mean_of_the_real_positions() -> None:
    states, mask = draw(B, S, E), mask_of([3, 5, 0], S)
    mean = masked_mean(states, mask)
    torch.testing.assert_close(mean[0], states[0, :3].mean(dim=0))
    torch.testing.assert_close(mean[1], states[1].mean(dim=0))
    assert mean[2].tolist() == [0.0] * E


@pytest.mark.parametrize("module", [Cell("lstm", H), RecurrentLayer("lstm", E, H)])
def test_lstm_begins_by_remembering(module: nn.Module) -> None:
    for name, parameter in module.named_parameters():
        if "bias" in name:
            expected = torch.zeros(4, H)
            expected[1] = float("ih" in name)
            assert torch.equal(parameter.reshape(4, H), expected)


@each_cell
@pytest.mark.parametrize("build", [Cell, lambda cell, size: RecurrentLayer(cell, E, size)])
def test_recurrent_weights_begin_orthogonal_in_every_gate(cell: CellName, build: object) -> None:
    assert callable(build)
    for name, parameter in build(cell, H).named_parameters():
        if "weight_hh" in name:
            for block in parameter.split(H):
                torch.testing.assert_close(block @ block.T, torch.eye(H), atol=1e-5, rtol=0)
        if cell == "gru" and "bias" in name:
            assert not parameter.any()


@each_cell
def test_nothing_is_drawn_for_weights_that_are_given_later(cell: CellName) -> None:
    before = torch.get_rng_state()
    with WeightsFollow():
        layer, own = BidirectionalLayer(cell, E, H), torch.empty(3)
        nn.init.normal_(own)
        nn.init.orthogonal_(layer.forward_layer.layer.weight_hh_l0)  # as somebody's own may
        drawn = torch.rand(41)
    assert not own.any()
    assert drawn.std() > 0  # what is no weight
    assert layer.forward_layer.layer.weight_hh_l0.isfinite().all()
    assert torch.equal(torch.get_rng_state(), before)
    again = BidirectionalLayer(cell, E, H).forward_layer.layer
    products = again.weight_hh_l0[:H] @ again.weight_hh_l0[:H].T
    torch.testing.assert_close(products, torch.eye(H))  # drawn as ever, after it
