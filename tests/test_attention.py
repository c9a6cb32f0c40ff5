"""Every score against its formula and, where PyTorch has it, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from torch import nn

from foveate.models import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    ScaledDotAttention,
    masked_softmax,
)
from foveate.models.attention import merge_heads, split_heads
from foveate.models.build import build_model
from foveate.models.variants.entmax import masked_entmax
from made import make_options
from models_naive import mask_of, naive_attention, randomise, softmax, to_numpy

SCORES = ("additive", "dot", "general", "scaled_dot")
B, S, T, Q = 2, 5, 3, 7


def build(score: str, num_heads: int, key_size: int) -> Attention:
    """Each width is a different number: head widths 11 of the keys and 13 of the hidden layer."""
    hidden = 13 * num_heads
    attention = {
        "additive": lambda: AdditiveAttention(Q, key_size, hidden, num_heads),
        "dot": lambda: DotAttention(num_heads),
        "general": lambda: GeneralAttention(Q, key_size, num_heads),
        "scaled_dot": lambda: ScaledDotAttention(Q, key_size, hidden, num_heads),
    }[score]().double()
    randomise(attention)
    return attention


def draw_inputs(score: str, key_size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    query_size = key_size if score == "dot" else Q
    query = torch.randn(B, T, query_size, generator=generator, dtype=torch.float64)
    states = torch.randn(B, S, key_size, generator=generator, dtype=torch.float64)
    return query, states, mask_of([S, S - 2], S)


@pytest.mark.parametrize("num_heads", [1, 3])
@pytest.mark.parametrize("score", SCORES)
def test_attention_equals_the_formula(score: str, num_heads: int) -> None:
    key_size = 11 * num_heads
    attention = build(score, num_heads, key_size)
    query, states, mask = draw_inputs(score, key_size)

    context, weights = attention(query, attention.keys(states), states, mask)

    assert context.shape == (B, T, key_size)
    assert weights.shape == (B, num_heads, T, S)
    for b, length in enumerate(mask.sum(dim=1).tolist()):
        for t in range(T):
            expected_context, expected_weights = naive_attention(
                score,
                query[b, t].numpy(),
                states[b, :length].numpy(),
                to_numpy(attention),
                num_heads,
            )
            np.testing.assert_allclose(context[b, t].detach(), expected_context, atol=1e-12)
            np.testing.assert_allclose(
                weights[b, :, t, :length].detach(), expected_weights, atol=1e-12
            )


@pytest.mark.parametrize("num_heads", [1, 3])
@pytest.mark.parametrize("score", SCORES)
def test_weights_sum_to_one_and_are_zero_on_padding(score: str, num_heads: int) -> None:
    attention = build(score, num_heads, 11 * num_heads)
    query, states, mask = draw_inputs(score, 11 * num_heads)
    _, weights = attention(query, attention.keys(states), states, mask)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(B, num_heads, T).double())
    assert (weights[1, :, :, S - 2 :] == 0).all()
    assert (weights[0] > 0).all()


@pytest.mark.parametrize("score", SCORES)
def test_what_stands_on_padding_is_never_seen(score: str) -> None:
    attention = build(score, 1, 11)
    query, states, mask = draw_inputs(score, 11)
    changed = states.masked_fill(~mask[:, :, None], 1e6)
    before = attention(query, attention.keys(states), states, mask)
    after = attention(query, attention.keys(changed), changed, mask)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one, other)


def test_dot_attention_equals_pytorch() -> None:
    query, states, mask = draw_inputs("dot", 11)
    attention = DotAttention()
    context, _ = attention(query, attention.keys(states), states, mask)
    expected = nn.functional.scaled_dot_product_attention(
        query, states, states, attn_mask=mask[:, None, :], scale=1.0
    )
    torch.testing.assert_close(context, expected)


@pytest.mark.parametrize("num_heads", [1, 3])
def test_scaled_dot_attention_equals_pytorch(num_heads: int) -> None:
    size = 11 * num_heads
    attention = ScaledDotAttention(Q, size, 13 * num_heads, num_heads).double()
    query, states, mask = draw_inputs("scaled_dot", size)
    context, _ = attention(query, attention.keys(states), states, mask)
    expected = nn.functional.scaled_dot_product_attention(
        split_heads(attention.query_projection(query), num_heads),
        split_heads(attention.key_projection(states), num_heads),
        split_heads(states, num_heads),
        attn_mask=mask[:, None, None, :],
    )
    torch.testing.assert_close(context, merge_heads(expected))


@given(
    scores=st.lists(st.floats(-300, 300), min_size=1, max_size=7),
    data=st.data(),
)
def test_masked_softmax_equals_softmax_over_the_real_positions(
    scores: list[float], data: st.DataObject
) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    weights = masked_softmax(torch.tensor(scores, dtype=torch.float64), torch.tensor(mask)).numpy()
    expected = np.zeros(len(scores))
    if any(mask):
        expected[np.array(mask)] = softmax(np.array(scores)[np.array(mask)])
    np.testing.assert_allclose(weights, expected, atol=1e-12)
    assert (weights[~np.array(mask)] == 0).all()


def test_masked_softmax_without_any_real_position_has_finite_gradients() -> None:
    scores = torch.zeros(2, 3, requires_grad=True)
    weights = masked_softmax(scores, torch.tensor([[False, False, False], [True, True, False]]))
    assert weights.tolist() == [[0, 0, 0], [0.5, 0.5, 0]]
    (gradient,) = torch.autograd.grad(weights[1, 0], scores)
    assert torch.isfinite(gradient).all()


def test_heads_are_cut_in_order_and_merged_again() -> None:
    states = torch.arange(B * S * 6).reshape(B, S, 6).float()
    heads = split_heads(states, 3)
    assert heads.shape == (B, 3, S, 2)
    for n in range(3):
        assert torch.equal(heads[:, n], states[:, :, 2 * n : 2 * n + 2])
    assert torch.equal(merge_heads(heads), states)


def test_several_queries_at_once_equal_one_at_a_time() -> None:
    attention = build("additive", 1, 11)
    query, states, mask = draw_inputs("additive", 11)
    keys = attention.keys(states)
    together, _ = attention(query, keys, states, mask)
    alone = [attention(query[:, t : t + 1], keys, states, mask)[0] for t in range(T)]
    torch.testing.assert_close(together, torch.cat(alone, dim=1))


def test_shapes_are_checked_in_the_test_run() -> None:
    with pytest.raises(TypeCheckError, match="mask"):
        masked_softmax(torch.zeros(B, S), mask_of([3, 2], S - 1))


def test_a_query_of_the_wrong_width_is_refused() -> None:
    attention = GeneralAttention(Q, 11)
    states = torch.randn(B, S, 11)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        attention(torch.randn(B, T, Q + 1), attention.keys(states), states, mask_of([S, S], S))


# --- sparse weights ------------------------------------------------------------------------------


@given(
    st.lists(st.floats(-6, 6), min_size=1, max_size=9),
    st.integers(0, 3),
)
def test_entmax_is_the_squared_distance_from_a_threshold(
    numbers: list[float], padding: int
) -> None:
    length = len(numbers)
    scores = torch.tensor([numbers + [99.0] * padding], dtype=torch.float64)
    weights = masked_entmax(scores, mask_of([length], length + padding))[0].numpy()

    low, high = max(numbers) / 2 - 1, max(numbers) / 2
    for _ in range(80):  # the sum falls as the threshold rises
        middle = (low + high) / 2
        total = sum(max(number / 2 - middle, 0) ** 2 for number in numbers)
        low, high = (middle, high) if total > 1 else (low, middle)
    expected = [max(number / 2 - low, 0) ** 2 for number in numbers]
    np.testing.assert_allclose(weights[:length], expected, atol=1e-9)
    assert (weights[length:] == 0).all()


def test_entmax_has_exact_zeros_and_the_right_gradient() -> None:
    generator = torch.Generator().manual_seed(2)
    scores = 3 * torch.randn(4, 7, generator=generator, dtype=torch.float64)
    mask = mask_of([7, 5, 2, 1], 7)
    weights = masked_entmax(scores, mask)
    assert ((weights == 0) & mask).any()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(4, dtype=torch.float64))
    with torch.no_grad():
        torch.testing.assert_close(masked_entmax(scores, mask), weights, rtol=0, atol=0)
    scores.requires_grad_()
    assert torch.autograd.gradcheck(lambda inputs: masked_entmax(inputs, mask), (scores,))


def test_entmax_of_a_row_without_positions_is_zero() -> None:
    scores = torch.zeros(2, 3, requires_grad=True)
    weights = masked_entmax(scores, mask_of([3, 0], 3))
    assert weights[1].tolist() == [0, 0, 0]
    weights.sum().backward()
    assert scores.grad is not None and scores.grad.isfinite().all()


def test_the_option_makes_the_attention_sparse() -> None:
    options = {"hidden_size": 8, "embedding_size": 6, "num_heads": 1, "dropout": 0.0}
    sparse, dense = (
        build_model(make_options(**options, attention_weights=kind), 9, 9, False)
        for kind in ("entmax", "softmax")
    )
    for model in (sparse, dense):
        randomise(model)
        model.decoder.attention.vector.data *= 30  # scores far apart
    source = torch.randint(4, 9, (3, 11), generator=torch.Generator().manual_seed(1))
    mask = torch.ones(3, 11, dtype=torch.bool)
    looks = [model(source, mask, source[:, :4]).attention for model in (sparse, dense)]
    assert (looks[0] == 0).any()
    assert not (looks[1] == 0).any()
