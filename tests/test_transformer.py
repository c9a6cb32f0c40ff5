"""The Transformer's parts against PyTorch's own and against loops over the formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from foveate.models import Encoded, TransformerDecoder, TransformerEncoder
from foveate.models.transformer import DecoderLayer, EncoderLayer, MultiHeadAttention, rotate
from models_naive import (
    Array,
    mask_of,
    naive_feed_forward,
    naive_linear,
    naive_multi_head,
    naive_norm,
    naive_rotate,
    randomise,
    to_numpy,
)

B, S, T, E, MEMORY, INNER = 2, 5, 3, 7, 13, 17
LENGTHS = [S, 3]

each_num_heads = pytest.mark.parametrize("num_heads", [1, 3])


def draw(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    """Copy our projections into PyTorch's layer, which keeps them apart when widths differ."""
    query, (key, value) = ours.query, ours.key_value.weight.chunk(2)
    if theirs.in_proj_weight is None:
        theirs.q_proj_weight.data.copy_(query.weight)
        theirs.k_proj_weight.data.copy_(key)
        theirs.v_proj_weight.data.copy_(value)
    else:
        theirs.in_proj_weight.data.copy_(torch.cat((query.weight, key, value)))
    theirs.in_proj_bias.data.copy_(torch.cat((query.bias, ours.key_value.bias)))
    theirs.out_proj.load_state_dict(ours.output.state_dict())


def copy_inner(ours: nn.Module, theirs: nn.Module) -> None:
    first, _, _, second = ours.children()
    theirs.get_submodule("linear1").load_state_dict(first.state_dict())
    theirs.get_submodule("linear2").load_state_dict(second.state_dict())


@each_num_heads
@pytest.mark.parametrize("memory_size", [None, MEMORY])
def test_multi_head_attention_equals_pytorch(num_heads: int, memory_size: int | None) -> None:
    hidden, width = 4 * num_heads, memory_size or 4 * num_heads
    ours = MultiHeadAttention(hidden, num_heads, memory_size).double()
    randomise(ours)
    theirs = nn.MultiheadAttention(
        hidden, num_heads, kdim=width, vdim=width, batch_first=True, dtype=torch.float64
    )
    copy_attention(ours, theirs)
    states, memory, mask = draw(B, T, hidden), draw(B, S, width, seed=2), mask_of(LENGTHS, S)

    query, (key, value) = ours.project_query(states), ours.project_memory(memory)
    result = ours(query, key, value, mask[:, None, None, :])
    weights = ours.weights(query, key, mask[:, None, None, :])

    expected, expected_weights = theirs(
        states, memory, memory, key_padding_mask=~mask, average_attn_weights=False
    )
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(weights, expected_weights)
    assert (weights[1, ..., LENGTHS[1] :] == 0).all()


@each_num_heads
def test_multi_head_attention_equals_the_formula(num_heads: int) -> None:
    module = MultiHeadAttention(4 * num_heads, num_heads, MEMORY).double()
    randomise(module)
    states, memory = draw(B, T, 4 * num_heads), draw(B, S, MEMORY, seed=2)
    query, (key, value) = module.project_query(states), module.project_memory(memory)
    result = module(query, key, value, mask_of(LENGTHS, S)[:, None, None, :])
    named = {f"x.{name}": value for name, value in to_numpy(module).items()}
    for b, length in enumerate(LENGTHS):
        expected, _ = naive_multi_head(
            states[b].numpy(), memory[b, :length].numpy(), named, "x", num_heads
        )
        np.testing.assert_allclose(result[b].detach(), expected, atol=1e-12)


@pytest.mark.parametrize("start", [0, 11])
def test_rotation_equals_complex_numbers(start: int) -> None:
    states = draw(B, 3, S, 10)
    result = rotate(states, start)
    for b in range(B):
        for n in range(3):
            expected = naive_rotate(states[b, n].numpy(), start)
            np.testing.assert_allclose(result[b, n], expected, atol=1e-5)  # angles are float32


@given(query_at=st.integers(0, 40), key_at=st.integers(0, 40), shift=st.integers(0, 100))
def test_rotated_product_depends_on_the_distance_only(
    query_at: int, key_at: int, shift: int
) -> None:
    query, key = draw(1, 1, 1, 6), draw(1, 1, 1, 6, seed=2)

    def product(offset: int) -> Tensor:
        return (rotate(query, query_at + offset) * rotate(key, key_at + offset)).sum()

    torch.testing.assert_close(product(0), product(shift), atol=1e-4, rtol=0)
    torch.testing.assert_close(rotate(query, query_at).norm(), query.norm())


def test_rotated_product_changes_with_the_distance() -> None:
    query, key = draw(1, 1, 1, 6), draw(1, 1, 1, 6, seed=2)
    products = [(rotate(query, at) * key).sum().item() for at in range(5)]
    assert min(abs(a - b) for i, a in enumerate(products) for b in products[:i]) > 1e-3


def test_a_row_rotated_piecewise_is_the_row_rotated() -> None:
    states = draw(B, 1, S, 6)
    pieces = torch.cat((rotate(states[:, :, :2]), rotate(states[:, :, 2:], 2)), dim=2)
    assert torch.equal(pieces, rotate(states))


@each_num_heads
def test_encoder_layer_equals_pytorch_where_position_cannot_matter(num_heads: int) -> None:
    """PyTorch has no rotary positions: with queries of zero there is nothing to rotate."""
    hidden = 4 * num_heads
    ours = EncoderLayer(hidden, num_heads, INNER, dropout=0.5).double().eval()
    randomise(ours)
    for parameter in ours.attention.query.parameters():
        parameter.data.zero_()
    theirs = nn.TransformerEncoderLayer(
        hidden, num_heads, INNER, batch_first=True, norm_first=True, dtype=torch.float64
    ).eval()
    copy_attention(ours.attention, theirs.self_attn)
    copy_inner(ours.inner, theirs)
    theirs.norm1.load_state_dict(ours.attention_norm.state_dict())
    theirs.norm2.load_state_dict(ours.inner_norm.state_dict())
    states, mask = draw(B, S, hidden), mask_of(LENGTHS, S)
    expected = theirs(states, src_key_padding_mask=~mask)
    torch.testing.assert_close(ours(states, mask)[mask], expected[mask])


@each_num_heads
def test_look_across_equals_pytorch_where_position_cannot_matter(num_heads: int) -> None:
    """Without self-attention, and with queries of zero."""
    hidden = 4 * num_heads
    ours = DecoderLayer(hidden, hidden, num_heads, INNER, dropout=0.5).double().eval()
    randomise(ours)
    theirs = nn.TransformerDecoderLayer(
        hidden, num_heads, INNER, batch_first=True, norm_first=True, dtype=torch.float64
    ).eval()
    for parameter in (*theirs.self_attn.out_proj.parameters(), *ours.cross.query.parameters()):
        parameter.data.zero_()
    copy_attention(ours.cross, theirs.multihead_attn)
    copy_inner(ours.inner, theirs)
    theirs.norm2.load_state_dict(ours.cross_norm.state_dict())
    theirs.norm3.load_state_dict(ours.inner_norm.state_dict())
    states, memory, mask = draw(B, T, hidden), draw(B, S, hidden, seed=2), mask_of(LENGTHS, S)
    result, _ = ours.look_across(states, ours.remember(memory), mask)
    torch.testing.assert_close(result, theirs(states, memory, memory_key_padding_mask=~mask))


def naive_encoder(embedded: Array, weights: dict[str, Array], layers: int, heads: int) -> Array:
    states = naive_linear(embedded, weights, "widen")
    for layer in (f"layers.{index}" for index in range(layers)):
        normed = naive_norm(states, weights, f"{layer}.attention_norm")
        states = (
            states
            + naive_multi_head(
                normed, normed, weights, f"{layer}.attention", heads, is_rotary=True
            )[0]
        )
        normed = naive_norm(states, weights, f"{layer}.inner_norm")
        states = states + naive_feed_forward(normed, weights, f"{layer}.inner")
    return naive_norm(states, weights, "norm")


def naive_decoder(
    embedded: Array, memory: Array, weights: dict[str, Array], layers: int, heads: int
) -> tuple[Array, list[Array]]:
    """Return the features [T, H] and the cross-attention of every layer [N, T, S]."""
    states, shown = naive_linear(embedded, weights, "widen"), []
    for layer in (f"layers.{index}" for index in range(layers)):
        normed = naive_norm(states, weights, f"{layer}.past_norm")
        past, _ = naive_multi_head(
            normed, normed, weights, f"{layer}.past", heads, is_causal=True, is_rotary=True
        )
        states = states + past
        normed = naive_norm(states, weights, f"{layer}.cross_norm")
        found, weight = naive_multi_head(
            normed, memory, weights, f"{layer}.cross", heads, is_rotary=True
        )
        states, shown = states + found, [*shown, weight]
        normed = naive_norm(states, weights, f"{layer}.inner_norm")
        states = states + naive_feed_forward(normed, weights, f"{layer}.inner")
    return naive_norm(states, weights, "norm"), shown


@each_num_heads
@pytest.mark.parametrize("num_layers", [1, 2])
def test_encoder_equals_the_formula(num_heads: int, num_layers: int) -> None:
    encoder = TransformerEncoder(E, 4 * num_heads, num_layers, num_heads, INNER, 0.5)
    randomise(encoder.double().eval())
    embedded, mask = draw(B, S, E), mask_of(LENGTHS, S)
    states, same_mask, summary = encoder(embedded, mask)
    assert same_mask is mask
    for b, length in enumerate(LENGTHS):
        row = embedded[b, :length].numpy()
        expected = naive_encoder(row, to_numpy(encoder), num_layers, num_heads)
        np.testing.assert_allclose(states[b, :length].detach(), expected, atol=1e-5)
        np.testing.assert_allclose(summary[b].detach(), expected.mean(axis=0), atol=1e-5)


@each_num_heads
@pytest.mark.parametrize(("num_layers", "shown_layer"), [(1, 0), (2, 0), (3, 1)])
def test_decoder_equals_the_formula(num_heads: int, num_layers: int, shown_layer: int) -> None:
    decoder = TransformerDecoder(E, 4 * num_heads, MEMORY, num_layers, num_heads, INNER, 0.5)
    randomise(decoder.double().eval())
    embedded, memory = draw(B, T, E), draw(B, S, MEMORY, seed=2)
    encoded = Encoded(memory, mask_of(LENGTHS, S), draw(B, MEMORY, seed=3))
    features, weights = decoder(embedded, encoded)
    for b, length in enumerate(LENGTHS):
        expected, shown = naive_decoder(
            embedded[b].numpy(),
            memory[b, :length].numpy(),
            to_numpy(decoder),
            num_layers,
            num_heads,
        )
        np.testing.assert_allclose(features[b].detach(), expected, atol=1e-5)
        np.testing.assert_allclose(weights[b, ..., :length].detach(), shown[shown_layer], atol=1e-5)


def test_a_width_that_agrees_needs_no_projection() -> None:
    names = [name for name, _ in TransformerEncoder(6, 6, 1, 1, INNER, 0.0).named_parameters()]
    assert not [name for name in names if name.startswith("widen")]


def test_weights_are_not_computed_in_training() -> None:
    decoder = TransformerDecoder(E, 6, MEMORY, 1, 1, INNER, 0.0).double()
    encoded = Encoded(draw(B, S, MEMORY), mask_of(LENGTHS, S), draw(B, MEMORY))
    assert decoder.train()(draw(B, T, E), encoded)[1] is None
    assert decoder.eval()(draw(B, T, E), encoded)[1] is not None
