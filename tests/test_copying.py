"""Copying: the equation, what it does inside a model, when it is on, and that it pays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from foveate.bundle import load_bundle
from foveate.config import Config, build_config
from foveate.data.batching import collate
from foveate.data.table import PairTable
from foveate.errors import ConfigError
from foveate.export import export_bundle
from foveate.models import PointerGenerator, Seq2SeqModel, build_model
from foveate.models.copying import log_add, log_sigmoid, point
from foveate.models.seq2seq import TensorBatch
from foveate.text.vocabulary import EOS, PAD, UNK
from foveate.torch_backend import TorchStepper
from foveate.training.defaults import DataFacts, describe_plan, resolve
from foveate.training.report import Report
from foveate.training.run import train
from foveate.training.trainer import to_tensors
from foveate.translator import Translator
from made import make_options
from models_naive import naive_copying, randomise, sigmoid, softmax
from test_search import beam_search, forced_search

SOURCE_SIZE, TARGET_SIZE, FEATURE_SIZE = 11, 13, 7
TWINS = [UNK, UNK, UNK, UNK, 9, 12, UNK, 4, 4, 7, 11]  # 6 has none, 7 and 8 have the same
SIZES = {"embedding_size": 10, "hidden_size": 12, "num_heads": 2, "dropout": 0.0}
ATTENDING = {
    "gnmt": {},
    "luong": {"layout": "luong"},
    "bahdanau": {"layout": "bahdanau"},
    "transformer": {"architecture": "transformer"},
}


# The part alone.


def build_part(dtype: torch.dtype = torch.float64) -> PointerGenerator:
    part = PointerGenerator(FEATURE_SIZE, TWINS).to(dtype)
    randomise(part)
    return part


def draw_inputs(rows: int, length: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """Return logits, features, weights and source of rows of which each has its own length."""
    generator = torch.Generator().manual_seed(rows)
    logits = torch.randn(rows, TARGET_SIZE, generator=generator, dtype=dtype)
    features = torch.randn(rows, FEATURE_SIZE, generator=generator, dtype=dtype)
    scores = torch.randn(rows, length, generator=generator, dtype=dtype)
    is_real = torch.arange(length) < torch.arange(rows)[:, None] % length + 1
    weights = torch.softmax(scores.masked_fill(~is_real, -torch.inf), dim=-1)
    source = torch.randint(UNK, SOURCE_SIZE, (rows, length), generator=generator)
    return logits, features, weights, source.masked_fill(~is_real, PAD)


def test_the_part_equals_the_naive_loop() -> None:
    part = build_part()
    logits, features, weights, source = draw_inputs(17, 5)
    found = part(logits, features, weights, part.translate(source)).exp().detach().numpy()
    gates = sigmoid(part.gate(features).detach().numpy()[:, 0])
    for row in range(17):
        ids = [TWINS[token] for token in source[row].tolist()]
        generated = softmax(logits[row].numpy())
        expected = naive_copying(generated, gates[row], weights[row].numpy(), ids, EOS + 1)
        np.testing.assert_allclose(found[row], expected, rtol=1e-12)


def test_at_first_half_of_a_token_is_copied() -> None:
    part = PointerGenerator(FEATURE_SIZE, TWINS)
    logits, features = torch.zeros(1, TARGET_SIZE), torch.randn(1, FEATURE_SIZE)
    found = part(logits, features, torch.ones(1, 1), torch.tensor([[5]])).exp()
    expected = torch.full((1, TARGET_SIZE), 0.5 / TARGET_SIZE)
    expected[0, 5] += 0.5
    torch.testing.assert_close(found, expected)


def test_a_source_that_cannot_be_copied_is_generated() -> None:
    part = build_part()
    logits, features, weights, source = draw_inputs(5, 3)
    unknown = torch.full_like(source, UNK)
    torch.testing.assert_close(
        part(logits, features, weights, unknown), torch.log_softmax(logits, dim=-1)
    )


@pytest.mark.parametrize("gate", [-300.0, -60.0, -15.0, 0.0, 15.0, 60.0, 300.0])
@pytest.mark.parametrize("scale", [1.0, 300.0])
@pytest.mark.parametrize("is_hard", [False, True])
def test_log_probabilities_are_finite_normalised_and_learnable(
    gate: float, scale: float, is_hard: bool
) -> None:
    part = build_part(torch.float32)
    torch.nn.init.constant_(part.gate.bias, gate)
    logits, features, weights, source = draw_inputs(17, 5, torch.float32)
    if is_hard:
        weights = torch.nn.functional.one_hot(weights.argmax(dim=-1), 5).float()
    inputs = [part_of.requires_grad_() for part_of in (logits * scale, features, weights)]
    log_probs = part(*inputs, part.translate(source))
    assert torch.isfinite(log_probs).all()
    torch.testing.assert_close(log_probs.exp().sum(dim=-1), torch.ones(17), atol=1e-5, rtol=0)
    normalised = torch.log_softmax(log_probs, dim=-1)
    torch.testing.assert_close(normalised, log_probs, atol=1e-4, rtol=1e-5)
    gradients = torch.autograd.grad(log_probs[:, EOS:].sum(), [*inputs, *part.parameters()])
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_gradients_equal_finite_differences() -> None:
    part = build_part()
    logits, features, weights, source = (one[-1:] for one in draw_inputs(5, 5))  # no padding
    ids = part.translate(source)
    inputs = [one.requires_grad_() for one in (logits, features, weights)]
    assert torch.autograd.gradcheck(lambda *given: part(*given, ids), inputs)


@given(st.floats(-700, 700), st.floats(-700, 700))
def test_logarithms_are_those_of_pytorch(one: float, other: float) -> None:
    a, b = torch.tensor([one], dtype=torch.float64), torch.tensor([other], dtype=torch.float64)
    torch.testing.assert_close(log_add(a, b), torch.logaddexp(a, b), rtol=1e-12, atol=1e-12)
    expected = torch.nn.functional.logsigmoid(a)
    torch.testing.assert_close(log_sigmoid(a), expected, rtol=1e-12, atol=1e-17)


def test_pointers_are_the_mean_of_the_heads_at_the_wanted_steps() -> None:
    attention, ids = torch.rand(2, 3, 5, 7), torch.randint(4, 9, (2, 7))
    steps = torch.tensor([[True, False, True, True, False], [False, True, True, False, False]])
    found = point(ids, attention, steps)
    assert found is not None
    expected = [
        (sum(attention[b, n, t] for n in range(3)) / 3, ids[b]) for b, t in steps.nonzero().tolist()
    ]
    torch.testing.assert_close(found.weights, torch.stack([weights for weights, _ in expected]))
    assert torch.equal(found.copied_ids, torch.stack([row for _, row in expected]))
    assert point(None, attention) is None


# In a model (padding, steps and loss: test_seq2seq.py; the exported model: test_onnx.py).


def build_random(name: str) -> Seq2SeqModel:
    torch.manual_seed(5)
    made = make_options(**SIZES, **ATTENDING[name], copy=True)
    model = build_model(made, SOURCE_SIZE, TARGET_SIZE, shared=False, target_ids=TWINS)
    randomise(model)
    return model.double().eval()


SOURCE = torch.tensor([[4, 6, 7, 8, 10], [5, 9, 6, PAD, PAD], [6, PAD, PAD, PAD, PAD]])


@pytest.mark.parametrize("name", ATTENDING)
def test_a_model_mixes_what_it_writes_and_where_it_looks(name: str) -> None:
    model = build_random(name)
    target_in = torch.tensor([[2, 9, 4, 4], [2, 12, 7, 5], [2, 6, 8, 11]])
    mask = SOURCE != PAD
    features, attention = model.features(SOURCE, mask, target_in)
    found, _ = model(SOURCE, mask, target_in)
    assert model.copying is not None and attention is not None
    gates = sigmoid(model.copying.gate(features).detach().numpy()[..., 0])
    logits = model.readout(features).detach().numpy()
    weights = attention.detach().numpy()
    for b in range(3):
        ids = [TWINS[token] for token in SOURCE[b].tolist()]
        for t in range(4):
            mean = (weights[b, 0, t] + weights[b, 1, t]) / 2
            generated = softmax(logits[b, t])
            expected = naive_copying(generated, gates[b, t], mean, ids, EOS + 1)
            np.testing.assert_allclose(found[b, t].exp().detach().numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("name", ATTENDING)
def test_attention_is_learnt_through_copying_alone(name: str) -> None:
    """With the gate shut to the vocabulary, the loss falls only by looking at the right place."""
    model = build_random(name).train()
    assert model.copying is not None
    torch.nn.init.constant_(model.copying.gate.bias, -30.0)
    batch = [torch.tensor(rows) for rows in ([[4, 5, 9]], [[2, 12]], [[12, 7]])]
    real = torch.ones(1, 2, dtype=torch.bool)
    model.loss(TensorBatch(batch[0], batch[0] != PAD, batch[1], batch[2], real)).backward()
    query = "query.weight" if name == "transformer" else "query_projection.weight"
    moved = [p for n, p in model.named_parameters() if n.endswith(query) and p.grad is not None]
    assert any(parameter.grad.abs().max() > 1e-6 for parameter in moved)


def test_a_shared_vocabulary_is_copied_as_it_is() -> None:
    part = build_model(
        make_options(**SIZES, copy=True), TARGET_SIZE, TARGET_SIZE, shared=True
    ).copying
    assert part is not None
    assert part.target_ids.tolist() == list(range(TARGET_SIZE))
    assert "copying.target_ids" not in part.state_dict()


def test_no_option_means_no_copying() -> None:
    model = build_model(make_options(**SIZES), SOURCE_SIZE, TARGET_SIZE, shared=False)
    assert model.copying is None
    assert not [name for name, _ in model.named_parameters() if "copying" in name]
    assert "copied_ids" not in model.start(SOURCE, SOURCE != PAD)


@pytest.mark.parametrize("name", ATTENDING)
def test_score_of_beam_search_is_the_forced_score(name: str) -> None:
    model = build_random(name)
    model.output_bias.data[EOS] = 3.0  # else outputs have no end
    stepper = TorchStepper(model)
    source, mask = SOURCE.numpy(), (SOURCE != PAD).numpy()
    beams = beam_search(stepper, source, mask, beam_size=3, n_best=2, max_lengths=7)
    for place in range(2):
        found = [hypotheses[place] for hypotheses in beams]
        complete = [row for row, one in enumerate(found) if len(one.ids) < 7]
        assert complete
        targets = [found[row].ids for row in complete]
        forced = forced_search(stepper, source[complete], mask[complete], targets)
        for row, again in zip(complete, forced, strict=True):
            assert again.score == pytest.approx(found[row].score, abs=1e-9)


# As an option.


def test_the_plan_says_that_it_copies() -> None:
    facts = DataFacts(5_000, 7.5, 6.5, 30, 30, "characters", "characters")
    for copy in (True, False):
        plan = describe_plan(resolve(Config(copy=copy), facts), facts, 1000, 4e-3)
        assert ("copying" in plan) is copy
    assert not Config().copy


def test_the_traditional_model_cannot_copy() -> None:
    with pytest.raises(ConfigError, match="copy: the traditional model has no such option"):
        build_config({"architecture": "traditional", "copy": True})


TINY = Config(
    max_updates=12,
    num_validations=3,
    hidden_size=16,
    embedding_size=8,
    num_layers=1,
    num_heads=1,
    dropout=0.2,
    batch_tokens=64,
    threads=1,
)


def tiny(**options: object) -> Config:
    return TINY.replace(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source_tokens": "unigram", "target_tokens": "bpe"}, "unigram and the target bpe"),
        ({"source_tokens": "bpe", "target_tokens": "characters"}, "leave copy out"),
        (
            {"source_tokens": "bpe", "target_tokens": "bpe", "shared_vocabulary": False},
            "leave shared_vocabulary out",
        ),
        ({"source_tokens": "characters", "target_tokens": "whitespace"}, "no token in common"),
    ],
)
def test_what_has_nothing_in_common_cannot_be_copied(
    options: dict[str, object], message: str
) -> None:
    texts = ["the cat sat on my mat", "the dog ran to the cat", "the dog sat", "my mat ran"] * 5
    table = PairTable.from_texts(texts, texts)
    with pytest.raises(ConfigError, match=f"copy: .*{message}"):
        train(table, None, tiny(vocabulary_size=40, copy=True, **options))


def test_subwords_of_one_vocabulary_can_be_copied() -> None:
    texts = ["the cat sat on a mat", "a dog ran to the cat", "the dog sat", "a mat ran"] * 5
    kinds = {"source_tokens": "unigram", "target_tokens": "unigram", "vocabulary_size": 40}
    table = PairTable.from_texts(texts, [text.upper() for text in texts])
    trained = train(table, None, tiny(copy=True, max_updates=1, **kinds))
    assert trained.translator.bundle.is_shared


def make_table() -> PairTable:
    """Letters of both sides, and so many others in the target that nothing is shared."""
    generator = np.random.default_rng(3)
    words = ["".join(generator.choice(list("abcde"), size=2 + i % 5)) for i in range(60)]
    targets = [word[::-1] + "".join(generator.choice(list("vwxyz"), size=2)) for word in words]
    return PairTable.from_texts([word + "7" * (i == 0) for i, word in enumerate(words)], targets)


def test_copying_brings_one_vocabulary_unless_told_otherwise() -> None:
    table = make_table()
    apart = train(table, table, tiny(max_updates=1)).translator
    assert not apart.bundle.is_shared
    found = train(table, table, tiny(copy=True, max_updates=1))
    assert found.translator.bundle.is_shared
    assert "7" in found.translator.target_codec.vocabulary.entries
    told = train(table, table, tiny(copy=True, max_updates=1, shared_vocabulary=False))
    assert not told.translator.bundle.is_shared
    bundle = told.translator.bundle
    for source_id, target_id in enumerate(bundle.target_ids):
        token = bundle.source_codec.vocabulary.entries[source_id]
        expected = UNK if source_id <= EOS or token == "7" else None
        if expected is None:
            assert bundle.target_codec.vocabulary.entries[target_id] == token
        else:
            assert target_id == UNK


@pytest.mark.long
def test_a_stopped_run_goes_on_exactly_and_its_bundle_copies(tmp_path: Path) -> None:
    table, config = make_table(), tiny(copy=True, shared_vocabulary=False)
    whole = train(table, table, config, out=tmp_path / "whole")

    def interrupt(report: Report) -> None:
        if report.kind == "progress" and report.update >= 5:
            raise KeyboardInterrupt

    train(table, table, config, out=tmp_path / "halves", report=interrupt)
    train(table, table, config, out=tmp_path / "halves", resume=True)
    ours, theirs = (load_bundle(tmp_path / name).weights for name in ("whole", "halves"))
    assert "copying.gate.weight" in ours
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].tobytes() == theirs[name].tobytes(), name
    texts = ["abc", "eed", "7a", "x"]
    before = list(whole.translator.translate(texts))
    export_bundle(tmp_path / "whole", tmp_path / "exported", int8=False)
    for folder in ("whole", "exported"):
        after = list(Translator.load(tmp_path / folder, threads=1).translate(texts))
        assert [one.text for one in before] == [one.text for one in after]
        expected = [one.score for one in before]
        assert [one.score for one in after] == pytest.approx(expected, abs=1e-4)


@pytest.mark.long
def test_a_copying_model_is_exported_in_8_bits(tmp_path: Path) -> None:
    table = make_table()
    train(table, table, tiny(copy=True, max_updates=60), out=tmp_path / "model")
    found = export_bundle(tmp_path / "model", tmp_path / "small", int8=True)
    assert found.difference < 1e-4
    assert found.agreement is not None and found.agreement > 0.5
    assert Translator.load(tmp_path / "small", threads=1).bundle.model.copy is True


# Learning: symbols that training hardly ever showed are copied.


COMMON, RARE, VOCABULARY = range(4, 9), range(9, 29), 29


def draw_words(generator: np.random.Generator, count: int, rare: float) -> list[list[int]]:
    """Draw words of common symbols, in which each is a rare one with a small probability."""
    words = []
    for _ in range(count):
        word = generator.choice(COMMON, size=generator.integers(3, 7))
        is_rare = generator.random(len(word)) < rare
        words.append(np.where(is_rare, generator.choice(RARE, size=len(word)), word).tolist())
    return words


def train_to_double(copy: bool) -> Seq2SeqModel:
    """Teach to write every word with its first symbol in front once more."""
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    sizes = {"embedding_size": 16, "hidden_size": 32, "num_layers": 1, "num_heads": 1}
    model = build_model(make_options(**sizes, copy=copy), VOCABULARY, VOCABULARY, shared=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(100):
        words = draw_words(generator, 24, rare=0.01)
        batch = collate(words, [[word[0], *word] for word in words])
        optimizer.zero_grad()
        model.loss(to_tensors(batch, torch.device("cpu")), label_smoothing=0.1).backward()
        optimizer.step()
    return model.eval()


def arrays(batch: object) -> list[np.ndarray]:
    names = ("source", "source_mask", "target_in", "target_out", "target_mask")
    return [getattr(batch, name) for name in names]


@torch.no_grad()
def share_right(model: Seq2SeqModel, rare: float) -> float:
    words = draw_words(np.random.default_rng(1), 200, rare)
    batch = collate(words, [[word[0], *word] for word in words])
    source, mask, target_in, target_out, target_mask = map(torch.from_numpy, arrays(batch))
    is_right = model(source, mask, target_in).logits.argmax(dim=-1) == target_out
    return float((is_right | ~target_mask).all(dim=1).float().mean())


@pytest.mark.long
def test_symbols_that_were_hardly_ever_seen_are_copied() -> None:
    copying, plain = train_to_double(copy=True), train_to_double(copy=False)
    assert share_right(copying, rare=0.0) > 0.9
    assert share_right(copying, rare=0.5) > share_right(plain, rare=0.5) + 0.3
