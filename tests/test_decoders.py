"""Every decoder: all steps at once, step by step, and as loops over the paper's formula."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import astuple, dataclass
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from foveate.models import (
    BahdanauDecoder,
    Decoder,
    Encoded,
    GnmtDecoder,
    LuongDecoder,
    TraditionalDecoder,
    TransformerDecoder,
)
from foveate.models.build import build_attention
from foveate.models.location import LocationScores
from foveate.models.recurrent import CellName
from models_naive import (
    Array,
    mask_of,
    naive_attention,
    naive_cell,
    naive_layer_step,
    randomise,
    to_numpy,
)

B, S, T, E = 2, 5, 3, 7
LENGTHS = [S, 3]


@dataclass(frozen=True)
class Case:
    layout: str
    cell: CellName = "lstm"
    score: str = "additive"
    num_heads: int = 1
    num_layers: int = 1
    window: int = 0

    def __str__(self) -> str:
        return "-".join(map(str, astuple(self)))

    @property
    def encoder_size(self) -> int:
        return 13 * self.num_heads

    @property
    def hidden_size(self) -> int:
        """Something else than the encoder's, where the score allows it."""
        if self.layout == "transformer":
            return 6 * self.num_heads
        return self.encoder_size if self.score == "dot" else 11


CELLS: tuple[CellName, ...] = ("lstm", "gru")
SCORES = ("additive", "dot", "general", "scaled_dot")
LAYOUTS = ("gnmt", "luong", "luong_feeding", "bahdanau")
ATTENTION_CASES = [Case(*parts) for parts in product(LAYOUTS, CELLS, SCORES, (1, 2))]
ATTENTION_CASES += [
    Case(layout, cell, "scaled_dot", 2, 3) for layout in LAYOUTS[:3] for cell in CELLS
]
ATTENTION_CASES += [
    Case(layout, "gru", score, 2, window=3) for layout, score in product(LAYOUTS, SCORES)
]
TRADITIONAL_CASES = [Case("traditional", cell, num_layers=n) for cell in CELLS for n in (1, 3)]
TRANSFORMER_CASES = [
    Case("transformer", num_heads=heads, num_layers=layers)
    for heads, layers in product((1, 3), (1, 2, 3))
]
RECURRENT_CASES = ATTENTION_CASES + TRADITIONAL_CASES
ALL_CASES = RECURRENT_CASES + TRANSFORMER_CASES
# For what does not depend on how scores are computed.
FEW_CASES = [case for case in ALL_CASES if case.score == "additive" or case.num_layers == 3]

each_decoder = pytest.mark.parametrize("case", FEW_CASES, ids=str)


@cache
def build_decoder(case: Case) -> Decoder:
    decoder = _build(case).double().eval()
    randomise(decoder)
    return decoder


def _build(case: Case) -> Decoder:
    hidden, encoder, layers, dropout = case.hidden_size, case.encoder_size, case.num_layers, 0.5
    if case.layout == "transformer":
        return TransformerDecoder(E, hidden, encoder, layers, case.num_heads, 17, dropout)
    if case.layout == "traditional":
        return TraditionalDecoder(case.cell, E, hidden, encoder, layers, dropout)
    attention = build_attention(case.score, hidden, encoder, case.num_heads)
    if case.window:
        attention.location = LocationScores(hidden, case.window, case.num_heads)
    if case.layout == "bahdanau":
        return BahdanauDecoder(case.cell, E, hidden, encoder, attention)
    if case.layout == "gnmt":
        return GnmtDecoder(case.cell, E, hidden, encoder, attention, layers, dropout)
    feeding = case.layout == "luong_feeding"
    return LuongDecoder(case.cell, E, hidden, encoder, attention, layers, dropout, feeding)


def draw(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def draw_inputs(case: Case) -> tuple[Tensor, Encoded]:
    states, summary = draw(B, S, case.encoder_size, seed=2), draw(B, case.encoder_size, seed=3)
    return draw(B, T, E, seed=1), Encoded(states, mask_of(LENGTHS, S), summary)


def assert_same(one: Tensor | None, other: Tensor | None) -> None:
    if one is None or other is None:
        assert one is other
    else:
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("case", ALL_CASES, ids=str)
def test_forward_equals_step_by_step(case: Case) -> None:
    decoder, (embedded, encoded) = build_decoder(case), draw_inputs(case)
    features, weights = decoder(embedded, encoded)
    assert features.shape == (B, T, decoder.feature_size)
    state = decoder.start(encoded)
    for index in range(T):
        feature, weight, state = decoder.step(embedded[:, index], state)
        assert_same(feature, features[:, index])
        assert_same(weight, None if weights is None else weights[:, :, index : index + 1])


@pytest.mark.parametrize("case", ATTENTION_CASES + TRANSFORMER_CASES, ids=str)
def test_attention_weights_are_a_distribution_over_real_positions(case: Case) -> None:
    decoder, (embedded, encoded) = build_decoder(case), draw_inputs(case)
    _, weights = decoder(embedded, encoded)
    assert weights.shape == (B, case.num_heads, T, S)
    assert_same(weights.sum(dim=-1), torch.ones(B, case.num_heads, T).double())
    for b, length in enumerate(LENGTHS):
        assert (weights[b, ..., :length] > 0).all()
        assert (weights[b, ..., length:] == 0).all()


@each_decoder
def test_later_tokens_do_not_change_earlier_outputs(case: Case) -> None:
    decoder, (embedded, encoded) = build_decoder(case), draw_inputs(case)
    changed = embedded.clone()
    changed[:, -1] += 10
    features, weights = decoder(embedded, encoded)
    other_features, other_weights = decoder(changed, encoded)
    assert_same(features[:, :-1], other_features[:, :-1])
    assert not torch.allclose(features[:, -1], other_features[:, -1])
    if weights is not None:
        assert_same(weights[:, :, :-1], other_weights[:, :, :-1])


@each_decoder
def test_padding_of_the_source_is_never_seen(case: Case) -> None:
    decoder, (embedded, encoded) = build_decoder(case), draw_inputs(case)
    states = encoded.states.masked_fill(~encoded.source_mask[:, :, None], 1e6)
    for one, other in zip(
        decoder(embedded, encoded), decoder(embedded, encoded._replace(states=states)), strict=True
    ):
        assert_same(one, other)


@each_decoder
def test_reordered_state_goes_on_like_the_reordered_batch(case: Case) -> None:
    decoder, (embedded, encoded) = build_decoder(case), draw_inputs(case)
    rows = torch.tensor([1, 0, 1])
    reordered = Encoded(*(part[rows] for part in encoded))
    expected, expected_weights = decoder(embedded[rows], reordered)
    for turn in range(T):
        state = decoder.start(encoded)
        for index in range(turn):
            _, _, state = decoder.step(embedded[:, index], state)
        state = {name: part.index_select(0, rows) for name, part in state.items()}
        feature, weight, _ = decoder.step(embedded[rows, turn], state)
        assert_same(feature, expected[:, turn])
        if weight is not None:
            assert_same(weight[:, :, 0], expected_weights[:, :, turn])


@each_decoder
def test_a_step_leaves_the_state_it_was_given_as_it_was(case: Case) -> None:
    decoder, (embedded, encoded) = build_decoder(case), draw_inputs(case)
    _, _, state = decoder.step(embedded[:, 0], decoder.start(encoded))
    copies = {name: part.clone() for name, part in state.items()}
    decoder.step(embedded[:, 1], state)
    assert state.keys() == copies.keys()
    assert all(torch.equal(state[name], copies[name]) for name in copies)


@pytest.mark.parametrize("case", TRADITIONAL_CASES, ids=str)
def test_traditional_decoder_sees_the_summary_and_nothing_else(case: Case) -> None:
    decoder, (embedded, encoded) = build_decoder(case), draw_inputs(case)
    features, weights = decoder(embedded, encoded)
    elsewhere = Encoded(encoded.states + 5, ~encoded.source_mask, encoded.summary)
    assert weights is None
    assert torch.equal(decoder(embedded, elsewhere)[0], features)
    moved = encoded._replace(summary=encoded.summary + 1)
    assert not torch.allclose(decoder(embedded, moved)[0][:, -1], features[:, -1])


@pytest.mark.parametrize("layout", ["traditional", "gnmt", "luong", "transformer"])
def test_dropout_only_in_training(layout: str) -> None:
    case = Case(layout, num_layers=2)
    decoder, (embedded, encoded) = build_decoder(case), draw_inputs(case)
    assert torch.equal(decoder(embedded, encoded)[0], decoder(embedded, encoded)[0])
    training = deepcopy(decoder).train()
    assert not torch.equal(training(embedded, encoded)[0], training(embedded, encoded)[0])


# The formulas, one row and one step at a time.


class NaiveDecoder:
    """A recurrent decoder on one row, without padding and without a batch."""

    def __init__(self, case: Case, weights: dict[str, Array], encoded: tuple[Array, Array]):
        self.case, self.weights = case, weights
        self.states, self.summary = encoded
        parts = {"lstm": 2, "gru": 1}[case.cell]
        first = weights["bridge.projection.weight"] @ self.summary
        first = np.tanh(first + weights["bridge.projection.bias"])
        self.layers = list(first.reshape(-1, parts, case.hidden_size))
        self.fed_back = np.zeros(case.hidden_size)
        self.before = np.zeros((case.num_heads, len(self.states))) if case.window else None

    def attend(self, query: Array) -> tuple[Array, Array]:
        weights = {
            name.removeprefix("attention."): value
            for name, value in self.weights.items()
            if name.startswith("attention.")
        }
        context, shown = naive_attention(
            self.case.score, query, self.states, weights, self.case.num_heads, self.before
        )
        self.before = shown if self.case.window else None
        return context, shown

    def run_stack(self, name: str, inputs: Array, first_layer: int = 0) -> Array:
        for index in range(first_layer, len(self.layers)):
            module = f"{name}.layers.{index - first_layer}.layer."
            self.layers[index] = naive_layer_step(
                self.case.cell, inputs, self.layers[index], self.weights, module
            )
            residual = inputs if index > first_layer else 0
            inputs = self.layers[index][0] + residual
        return inputs

    def traditional(self, embedded: Array) -> tuple[Array, None]:
        return self.run_stack("stack", np.concatenate((embedded, self.summary))), None

    def gnmt(self, embedded: Array) -> tuple[Array, Array]:
        self.layers[0] = naive_layer_step(
            self.case.cell, embedded, self.layers[0], self.weights, "bottom.layer."
        )
        bottom = self.layers[0][0]
        context, shown = self.attend(bottom)
        upper = self.run_stack("upper", np.concatenate((bottom, context)), first_layer=1)
        return np.concatenate((upper, context)), shown

    def luong(self, embedded: Array) -> tuple[Array, Array]:
        hidden = self.run_stack("stack", embedded)
        context, shown = self.attend(hidden)
        both = np.concatenate((context, hidden))
        self.fed_back = np.tanh(self.weights["combine.weight"] @ both)
        return self.fed_back, shown

    def luong_feeding(self, embedded: Array) -> tuple[Array, Array]:
        return self.luong(np.concatenate((embedded, self.fed_back)))

    def bahdanau(self, embedded: Array) -> tuple[Array, Array]:
        weights, state = self.weights, self.layers[0]
        context, shown = self.attend(state[0])
        gates = weights["embedding_gates.weight"] @ embedded + weights["cell.bias_ih"]
        gates = gates + weights["context_gates.weight"] @ context
        recurrent = weights["cell.weight_hh"] @ state[0] + weights["cell.bias_hh"]
        self.layers[0] = naive_cell(self.case.cell, gates, recurrent, state)
        read = np.concatenate((embedded, self.layers[0][0], context))
        return np.tanh(weights["readout.weight"] @ read + weights["readout.bias"]), shown


@pytest.mark.parametrize("case", RECURRENT_CASES, ids=str)
def test_decoder_equals_the_formula(case: Case) -> None:
    decoder, (embedded, encoded) = build_decoder(case), draw_inputs(case)
    features, weights = decoder(embedded, encoded)
    for b, length in enumerate(LENGTHS):
        source = encoded.states[b, :length].numpy(), encoded.summary[b].numpy()
        naive = NaiveDecoder(case, to_numpy(decoder), source)
        for t in range(T):
            feature, shown = getattr(naive, case.layout)(embedded[b, t].numpy())
            np.testing.assert_allclose(features[b, t].detach(), feature, atol=1e-10)
            if shown is not None:
                np.testing.assert_allclose(weights[b, :, t, :length].detach(), shown, atol=1e-10)


@pytest.mark.parametrize("window", [0, 3])
@pytest.mark.parametrize("layout", ["bahdanau", "luong_feeding"])
def test_a_loop_over_a_long_input_computes_its_attention_again(
    layout: str, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gradients are the same, and no hidden layer of the attention is kept."""
    case = Case(layout, window=window)
    decoder = _build(case).double().eval()
    randomise(decoder)
    embedded, encoded = draw_inputs(case)
    found = []
    for limit in (2**25, 0):
        monkeypatch.setattr("foveate.models.decoders.LARGEST_IN_LOOP", limit)
        decoder.zero_grad()
        kept: list[tuple[int, ...]] = []

        def pack(tensor: Tensor, kept: list[tuple[int, ...]] = kept) -> Tensor:
            kept.append(tuple(tensor.shape))
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            features, weights = decoder(embedded, encoded)
        (features.sum() + (weights * weights).sum()).backward()
        gradients = [parameter.grad.clone() for parameter in decoder.parameters()]
        found.append((gradients, (B, 1, 1, S, case.encoder_size) in kept))
    (ours, has_kept), (again, has_kept_too) = found
    assert has_kept and not has_kept_too
    for one, other in zip(ours, again, strict=True):
        torch.testing.assert_close(one, other)
