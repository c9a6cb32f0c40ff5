"""The whole model: every architecture and mixture, what it computes and what it can learn."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from foveate.errors import ConfigError
from foveate.models import (
    AdditiveAttention,
    BahdanauDecoder,
    BidirectionalEncoder,
    DotAttention,
    GeneralAttention,
    GnmtDecoder,
    LuongDecoder,
    ScaledDotAttention,
    Seq2SeqModel,
    TraditionalDecoder,
    TransformerDecoder,
    TransformerEncoder,
    build_model,
)
from foveate.models.regularizers import GuidedAlignment
from foveate.models.seq2seq import SoftTensors, TensorBatch, build_embedding
from foveate.text.vocabulary import BOS, EOS, PAD, UNK
from made import make_options, mark_others
from models_naive import naive_cross_entropy, randomise

SOURCE_SIZE, TARGET_SIZE = 11, 13
SIZES = {"embedding_size": 10, "hidden_size": 12, "num_heads": 2, "dropout": 0.0, "ngram_rows": 64}
CONFIGS = {
    "gnmt": {},
    "gnmt-gru-additive": {"cell": "gru", "attention_score": "additive", "num_layers": 3},
    "luong": {"layout": "luong", "attention_score": "general"},
    "luong-feeding": {"layout": "luong", "attention_score": "dot", "input_feeding": True},
    "bahdanau": {"layout": "bahdanau", "attention_score": "additive", "cell": "gru"},
    "bahdanau-lstm": {"layout": "bahdanau", "num_layers": 1},
    "traditional": {"architecture": "traditional"},
    "traditional-gru": {"architecture": "traditional", "cell": "gru", "num_layers": 1},
    "transformer": {"architecture": "transformer"},
    "gnmt-ngrams": {"source_ngrams": 5},
    "transformer-window": {"architecture": "transformer", "source_window": 5},
    "ngrams-traditional": {"architecture": "traditional", "source_ngrams": 2},
    "gnmt-location": {"location_window": 3},
    "bahdanau-location": {"layout": "bahdanau", "location_window": 5},
    "gnmt-copying": {"copy": True},
    "luong-feeding-copying": {"layout": "luong", "input_feeding": True, "copy": True},
    "bahdanau-copying": {"layout": "bahdanau", "copy": True},
    "transformer-copying": {"architecture": "transformer", "copy": True},
}
TWINS = [UNK, UNK, UNK, UNK, 9, 12, UNK, 4, 4, 7, 11]  # what is copied for each source id
MIXTURES = {  # name: the model that gives the encoder, the model that gives the decoder
    "transformer+gnmt": ("transformer", "gnmt"),
    "transformer+bahdanau": ("transformer", "bahdanau"),
    "transformer+traditional": ("transformer", "traditional"),
    "gnmt+transformer": ("gnmt", "transformer"),
    "traditional+luong": ("traditional", "luong"),
}
MODELS = (*CONFIGS, *MIXTURES)

LEARNING = ("gnmt", "traditional-gru", "transformer-copying")
each_model = pytest.mark.parametrize("name", MODELS)

Pairs = list[tuple[list[int], list[int]]]
PAIRS: Pairs = [
    ([4, 5, 6, 7, 8], [9, 10, 4]),
    ([10, 9], [12, 11, 10, 9, 8, 7, 6]),
    ([7, 7, 4], [5]),
    ([6], [4, 4, 8, 5]),
    ([5, 10, 8, 4], [11, 6]),
]


def pad(rows: list[list[int]], extra: int) -> Tensor:
    width = max(map(len, rows)) + extra
    return torch.tensor([row + [PAD] * (width - len(row)) for row in rows])


def make_batch(pairs: Pairs, extra_source: int = 0, extra_target: int = 0) -> TensorBatch:
    source = pad([source for source, _ in pairs], extra_source)
    target_in = pad([[BOS, *target] for _, target in pairs], extra_target)
    target_out = pad([[*target, EOS] for _, target in pairs], extra_target)
    return TensorBatch(source, source != PAD, target_in, target_out, target_out != PAD)


def build(name: str, **options: object) -> Seq2SeqModel:
    """Build a model by name; a mixture takes its two halves from two models."""
    torch.manual_seed(3)
    if name not in MIXTURES:
        made = make_options(**{**SIZES, **CONFIGS[name], **options})
        return build_model(made, SOURCE_SIZE, TARGET_SIZE, shared=False, target_ids=TWINS)
    first, second = (build(part, **options) for part in MIXTURES[name])
    return Seq2SeqModel(
        second.source_embedding, second.target_embedding, first.encoder, second.decoder
    )


@cache
def build_random(name: str) -> Seq2SeqModel:
    model = build(name).double().eval()
    randomise(model)
    return model


def assert_same(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-7)


@each_model
def test_shapes(name: str) -> None:
    batch = make_batch(PAIRS[:3])
    logits, attention = build_random(name)(*batch[:3])
    assert logits.shape == (3, 8, TARGET_SIZE)
    if name.endswith(("traditional", "traditional-gru")):
        assert attention is None
    else:
        assert attention.shape == (3, 2, 8, 5)
        assert_same(attention.sum(dim=-1), torch.ones(3, 2, 8).double())
        assert not attention.masked_select(~batch.source_mask[:, None, None, :]).any()


tokens = st.integers(4, SOURCE_SIZE - 1)
some_pairs = st.lists(
    st.tuples(st.lists(tokens, min_size=1, max_size=6), st.lists(tokens, max_size=4)),
    min_size=1,
    max_size=4,
)


@each_model
@settings(max_examples=4)
@given(pairs=some_pairs, extra_source=st.integers(0, 3), extra_target=st.integers(0, 3))
def test_padding_and_batch_mates_never_change_a_pair(
    name: str, pairs: Pairs, extra_source: int, extra_target: int
) -> None:
    model = build_random(name)
    logits, attention = model(*make_batch(pairs, extra_source, extra_target)[:3])
    for row, pair in enumerate(pairs):
        alone, attention_alone = model(*make_batch([pair])[:3])
        length, steps = len(pair[0]), len(pair[1]) + 1
        assert_same(logits[row, :steps], alone[0])
        if attention is not None:
            assert_same(attention[row, :, :steps, :length], attention_alone[0])
            assert not attention[row, ..., length:].any()


@each_model
def test_step_by_step_equals_forward(name: str) -> None:
    model, batch = build_random(name), make_batch(PAIRS)
    logits, attention = model(*batch[:3])
    state = model.start(batch.source, batch.source_mask)
    for index in range(batch.target_in.shape[1]):
        logit, weight, state = model.step(batch.target_in[:, index], state)
        assert_same(logit, logits[:, index])
        if attention is not None:
            assert_same(weight, attention[:, :, index : index + 1])


@pytest.mark.parametrize("name", ["gnmt", "traditional", "transformer", "transformer-copying"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_loss_equals_naive_cross_entropy(name: str, label_smoothing: float) -> None:
    model, batch = build_random(name), make_batch(PAIRS, extra_source=2, extra_target=2)
    rows, targets = [], []
    for source, target in PAIRS:
        alone, _ = model(*make_batch([(source, target)])[:3])
        rows.append(alone[0].detach().numpy())
        targets += [*target, EOS]
    expected = naive_cross_entropy(np.concatenate(rows), np.array(targets), label_smoothing)
    found = model.loss(batch, label_smoothing=label_smoothing).item()
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["gnmt", "transformer-copying"])
def test_guidance_pulls_the_mean_head_to_the_alignment(name: str) -> None:
    model, batch = build(name).double().eval(), make_batch(PAIRS)
    randomise(model)
    weights = model(*batch[:3]).attention
    assert weights is not None
    alignment = (
        torch.rand(weights.shape[0], *weights.shape[2:]).double() * batch.source_mask[:, None]
    )
    costs = -(alignment * weights.mean(dim=1).clamp(min=1e-6).log()).sum(dim=2)
    expected = model.loss(batch).item() + 0.7 * costs.mean().item()
    found = model.loss(batch, regularizers=[GuidedAlignment(0.7, alignment)]).item()
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["gnmt", "traditional", "transformer-copying"])
def test_soft_targets_are_learnt_by_their_shares(name: str) -> None:
    """The cost of a mixture of two targets is the mixture of their costs."""
    model, batch = build(name).double().eval(), make_batch(PAIRS)
    randomise(model)
    true = batch.target_out[batch.target_mask]
    other = (true + 1) % TARGET_SIZE
    shares = torch.linspace(0.1, 0.9, len(true), dtype=torch.float64)
    log_probs = torch.log_softmax(model(*batch[:3]).logits, dim=-1)[batch.target_mask]
    costs = -log_probs.gather(1, torch.stack((true, other), dim=1))
    expected = (shares * costs[:, 0] + (1 - shares) * costs[:, 1]).mean().item()
    soft = SoftTensors(torch.stack((true, other), dim=1), torch.stack((shares, 1 - shares), dim=1))
    found = model.loss(batch._replace(soft_targets=soft)).item()
    assert found == pytest.approx(expected, abs=1e-9)


@each_model
def test_gradients_reach_every_parameter(name: str) -> None:
    model = build(name).double()
    randomise(model)
    model.loss(make_batch(PAIRS)).backward()
    without = [
        parameter_name
        for parameter_name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert without == []
    assert not model.source_embedding.weight.grad[PAD].any()


@pytest.mark.parametrize("name", mark_others(MODELS, LEARNING))
def test_every_architecture_can_overfit_one_batch(name: str) -> None:
    model = build(name, embedding_size=32, hidden_size=48)
    batch = make_batch(PAIRS)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(60):
        optimizer.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        optimizer.step()
        if loss.item() < 0.1:
            return
    raise AssertionError(f"loss {loss.item():.3f} after 60 updates")


def test_readout_weights_are_the_target_embeddings() -> None:
    model = build_random("gnmt")
    features = torch.randn(3, model.decoder.feature_size, dtype=torch.float64)
    expected = model.to_embedding(features) @ model.target_embedding.weight.T + model.output_bias
    assert_same(model.readout(features), expected)
    tables = [tuple(p.shape) for p in model.parameters() if TARGET_SIZE in p.shape]
    assert sorted(tables) == [(TARGET_SIZE,), (TARGET_SIZE, SIZES["embedding_size"])]


def test_features_as_wide_as_the_embeddings_need_no_projection() -> None:
    model = build("luong", embedding_size=12)
    assert not list(model.to_embedding.parameters())


def test_a_shared_vocabulary_has_one_table() -> None:
    model = build_model(make_options(**SIZES), TARGET_SIZE, TARGET_SIZE, shared=True)
    assert model.source_embedding is model.target_embedding
    assert sum(p.shape == (TARGET_SIZE, 10) for p in model.parameters()) == 1


def test_embeddings_begin_with_the_variance_of_a_tied_readout() -> None:
    weight = build_embedding(500, 64).weight
    assert not weight[PAD].any()
    assert weight[1:].std().item() == pytest.approx(64**-0.5, rel=0.05)


@pytest.mark.parametrize("name", ["gnmt", "traditional", "transformer"])
def test_word_dropout_replaces_tokens_but_not_bos_and_not_padding(name: str) -> None:
    model, batch = build(name), make_batch(PAIRS)
    unknown = TensorBatch(*batch)._replace(
        source=batch.source.masked_fill(batch.source_mask, UNK),
        target_in=batch.target_in.masked_fill(batch.target_in > EOS, UNK),
    )
    plain, all_unknown = model(*batch[:3]).logits, model(*unknown[:3]).logits
    assert not torch.allclose(plain, all_unknown)
    model.word_dropout = 1.0
    torch.testing.assert_close(model(*batch[:3]).logits, all_unknown)
    torch.testing.assert_close(model.eval()(*batch[:3]).logits, plain)


def test_word_dropout_replaces_its_share_of_tokens() -> None:
    model, seen = build("traditional", word_dropout=0.3), []
    model.source_embedding.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    source = torch.full((100, 50), 7)
    model.encode(source, source != PAD)
    model.eval().encode(source, source != PAD)
    assert (seen[0] == UNK).float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert (seen[1] == 7).all()


@each_model
def test_dropout_only_in_training(name: str) -> None:
    model, batch = build(name, dropout=0.5), make_batch(PAIRS)
    assert not torch.equal(model(*batch[:3]).logits, model(*batch[:3]).logits)
    model.eval()
    assert torch.equal(model(*batch[:3]).logits, model(*batch[:3]).logits)


@pytest.mark.parametrize(
    ("name", "encoder", "decoder"),
    [
        ("gnmt", BidirectionalEncoder, GnmtDecoder),
        ("luong", BidirectionalEncoder, LuongDecoder),
        ("bahdanau", BidirectionalEncoder, BahdanauDecoder),
        ("transformer", TransformerEncoder, TransformerDecoder),
    ],
)
def test_options_choose_the_parts(name: str, encoder: type, decoder: type) -> None:
    model = build(name)
    assert type(model.encoder) is encoder
    assert type(model.decoder) is decoder


def test_the_traditional_model_has_no_attention() -> None:
    model = build("traditional")
    assert type(model.decoder) is TraditionalDecoder
    assert not [name for name, _ in model.named_modules() if "attention" in name]


@pytest.mark.parametrize(
    ("score", "attention"),
    [
        ("additive", AdditiveAttention),
        ("dot", DotAttention),
        ("general", GeneralAttention),
        ("scaled_dot", ScaledDotAttention),
    ],
)
def test_options_choose_the_score(score: str, attention: type) -> None:
    decoder = build("gnmt", attention_score=score).decoder
    assert isinstance(decoder, GnmtDecoder)
    assert type(decoder.attention) is attention
    assert decoder.attention.num_heads == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 14, "num_heads": 4}, "multiple of num_heads 4"),
        ({"hidden_size": 9, "num_heads": 3}, "must be even"),
        ({"architecture": "transformer", "hidden_size": 6, "num_heads": 2}, "rotary"),
    ],
)
def test_widths_that_do_not_divide_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build("gnmt", **options)


# Learning: the picture of attention is right, not only drawn.


def draw_strings(generator: torch.Generator, count: int, length: int) -> Pairs:
    rows = torch.randint(4, 9, (count, length), generator=generator).tolist()
    return [(row, row[::-1]) for row in rows]


def train_to_reverse(layout: str, learning_rate: float) -> Seq2SeqModel:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    options = {"embedding_size": 16, "hidden_size": 32, "num_layers": 1, "num_heads": 1}
    model = build_model(make_options(layout=layout, **options), 9, 9, shared=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    for update in range(225):
        batch = make_batch(draw_strings(generator, 32, 3 + update % 4))
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
    return model.eval()


@pytest.mark.long
@pytest.mark.parametrize(("layout", "learning_rate"), [("gnmt", 0.02), ("bahdanau", 0.01)])
def test_reverse_is_learnt_and_attention_is_anti_diagonal(
    layout: str, learning_rate: float
) -> None:
    model = train_to_reverse(layout, learning_rate)
    generator = torch.Generator().manual_seed(1)
    for length in range(3, 7):
        batch = make_batch(draw_strings(generator, 50, length))
        logits, attention = model(*batch[:3])
        is_right = logits.argmax(dim=-1) == batch.target_out
        looked_at = attention[:, 0, :length].argmax(dim=-1)  # B T, without the end mark's row
        is_mirrored = looked_at == torch.arange(length - 1, -1, -1)
        assert is_right.float().mean() > 0.95
        assert is_mirrored.float().mean() > 0.8
