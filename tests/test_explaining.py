"""What attention computed: beside loops over the formulas, on all layouts, layers and heads."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from foveate.bundle import Bundle
from foveate.errors import ModelMismatchError, SearchError
from foveate.explaining import NUM_CHOICES
from foveate.models import Seq2SeqModel, TraditionalEncoder, TransformerDecoder, TransformerEncoder
from foveate.models.build import build_model
from foveate.models.looking import LookTensors, record_looks
from foveate.options import TextOptions
from foveate.records import Request, Translation
from foveate.search import join_steppers
from foveate.text.codec import Codec
from foveate.text.tokenizers import CharacterTokenizer
from foveate.text.vocabulary import Vocabulary
from foveate.torch_backend import TorchStepper
from foveate.translator import Translator
from made import make_options
from models_naive import (
    Array,
    location_scores,
    mask_of,
    naive_feed_forward,
    naive_linear,
    naive_norm,
    naive_rotate,
    naive_scores,
    randomise,
    softmax,
    to_numpy,
)
from test_decoders import Case, NaiveDecoder, _build
from test_translator import golden

B, S, T, E, H = 2, 5, 3, 7, 13
LENGTHS = [S, 3]
SOURCE = torch.tensor([[4, 5, 6, 7, 4], [6, 4, 5, 0, 0]])
TARGET_IN = torch.tensor([[2, 5, 4], [2, 6, 5]])

Numbers = dict[str, Array]


def build_whole(encoder: Any, decoder: Any) -> Seq2SeqModel:
    tables = [torch.nn.Embedding(8, E) for _ in range(2)]
    model = Seq2SeqModel(*tables, encoder, decoder, dropout=0.5).double().eval()
    randomise(model)
    return model


def list_rows(looks: list[LookTensors], row: int) -> list[Numbers]:
    """Return the arrays of one row of the batch."""
    return [
        {name: value[row].detach().numpy() for name, value in look._asdict().items()
         if isinstance(value, torch.Tensor)}
        for look in looks
    ]  # fmt: skip


def naive_numbers(
    queries: Array, scores: Array, values: Array, num_heads: int, is_causal: bool = False
) -> Numbers:
    """Return weights and context for scores [N, T, S], in loops."""
    weights, width = np.zeros_like(scores), values.shape[1] // num_heads
    context = np.zeros((scores.shape[1], values.shape[1]))
    for n in range(num_heads):
        for i in range(scores.shape[1]):
            seen = i + 1 if is_causal else scores.shape[2]
            scores[n, i, seen:] = -math.inf
            weights[n, i, :seen] = softmax(scores[n, i, :seen])
            for j in range(seen):
                part = slice(n * width, (n + 1) * width)
                context[i, part] += weights[n, i, j] * values[j, part]
    numbers = {"queries": queries, "values": values, "scores": scores}
    return {**numbers, "weights": weights, "context": context}


def assert_numbers(found: Numbers, expected: Numbers, length: int, atol: float) -> None:
    """Compare, and see that what lies beyond the source has a score of -inf and no weight."""
    for name, values in expected.items():
        ours = found[name]
        if name in ("scores", "weights"):
            beyond = -math.inf if name == "scores" else 0
            assert (ours[:, :, length:] == beyond).all()
            ours = ours[:, :, :length]
        elif name == "values":
            ours = ours[: len(values)]
        np.testing.assert_allclose(ours, values, atol=atol, err_msg=name)


# Recurrent decoders


class NaiveRecorder(NaiveDecoder):
    """A recurrent decoder in loops that writes down what it asks, and how that is scored."""

    def attend(self, query: Array) -> tuple[Array, Array]:
        weights = {
            name.removeprefix("attention."): value
            for name, value in self.weights.items()
            if name.startswith("attention.")
        }
        rows = []
        for head in range(self.case.num_heads):
            scores = naive_scores(
                self.case.score, query, self.states, weights, head, self.case.num_heads
            )
            if self.before is not None:
                scores = scores + location_scores(query, self.before[head], weights, head)
            rows.append(scores)
        self.queries.append(query)
        self.scores.append(np.stack(rows))
        return super().attend(query)

    queries: list[Array]
    scores: list[Array]


CASES = [
    Case(layout, "gru", score, heads, 2 if layout != "bahdanau" else 1, window)
    for layout in ("gnmt", "luong", "luong_feeding", "bahdanau")
    for score, heads, window in (("additive", 1, 3), ("additive", 2, 0), ("scaled_dot", 2, 3))
] + [Case("luong", "lstm", "general", 2), Case("gnmt", "lstm", "dot", 1)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_recurrent_decoder_is_recorded_as_the_formula_has_it(case: Case) -> None:
    encoder = TraditionalEncoder("gru", E, case.encoder_size, 1, 0.5)
    model = build_whole(encoder, _build(case))
    [look] = looks = record_looks(model, SOURCE, mask_of(LENGTHS, S), TARGET_IN)
    assert (look.kind, look.layer) == ("cross", 1)
    encoded = model.encode(SOURCE, mask_of(LENGTHS, S))
    embedded = model.target_embedding(TARGET_IN).detach().numpy()
    for row, length in enumerate(LENGTHS):
        states = encoded.states[row, :length].detach().numpy()
        naive = NaiveRecorder(
            case, to_numpy(model.decoder), (states, encoded.summary[row].detach().numpy())
        )
        naive.queries, naive.scores = [], []
        for step in range(T):
            getattr(naive, case.layout)(embedded[row, step])
        queries, scores = np.stack(naive.queries), np.stack(naive.scores, axis=1)
        expected = naive_numbers(queries, scores, states, case.num_heads)
        assert_numbers(list_rows(looks, row)[0], expected, length, 1e-9)


def test_the_record_shows_the_weights_that_the_decoder_returns_and_leaves_nothing_behind() -> None:
    case = Case("bahdanau", window=3)
    model = build_whole(TraditionalEncoder("gru", E, case.encoder_size, 1, 0.5), _build(case))
    before = {name: id(value) for name, value in vars(model.decoder).items()}
    [look] = record_looks(model, SOURCE, mask_of(LENGTHS, S), TARGET_IN)
    weights = model(SOURCE, mask_of(LENGTHS, S), TARGET_IN).attention
    torch.testing.assert_close(look.weights, weights)
    assert {name: id(value) for name, value in vars(model.decoder).items()} == before
    assert "query" not in model.start(SOURCE, mask_of(LENGTHS, S))


# The Transformer


def naive_look(
    asking: Array, asked: Array, weights: Numbers, name: str, heads: int, is_causal: bool = False
) -> Numbers:
    """Return the numbers of one multi-head attention, heads side by side."""
    query = naive_linear(asking, weights, f"{name}.query")
    key, values = np.split(naive_linear(asked, weights, f"{name}.key_value"), 2, axis=1)
    parts = np.split(np.arange(query.shape[1]), heads)
    query, key = (
        np.concatenate([naive_rotate(states[:, part]) for part in parts], axis=1)
        for states in (query, key)
    )
    scores = np.stack([query[:, p] @ key[:, p].T / math.sqrt(len(p)) for p in parts])
    return naive_numbers(query, scores, values, heads, is_causal)


def naive_transformer(source: Array, target: Array, weights: Numbers, heads: int) -> list[Numbers]:
    """Return the numbers of every attention of two layers, in the order of the record."""
    looks: list[Numbers] = []

    def attend(states: Array, memory: Array, part: str, norm: str, is_causal: bool) -> Array:
        normed = naive_norm(states, weights, f"{part.rpartition('.')[0]}.{norm}")
        asked = normed if memory is states else memory
        looks.append(naive_look(normed, asked, weights, part, heads, is_causal))
        return states + naive_linear(looks[-1]["context"], weights, f"{part}.output")

    def think(states: Array, layer: str) -> Array:
        normed = naive_norm(states, weights, f"{layer}.inner_norm")
        return states + naive_feed_forward(normed, weights, f"{layer}.inner")

    states = naive_linear(source, weights, "encoder.widen")
    for layer in ("encoder.layers.0", "encoder.layers.1"):
        states = attend(states, states, f"{layer}.attention", "attention_norm", False)
        states = think(states, layer)
    memory = naive_norm(states, weights, "encoder.norm")
    states = naive_linear(target, weights, "decoder.widen")
    for layer in ("decoder.layers.0", "decoder.layers.1"):
        states = attend(states, states, f"{layer}.past", "past_norm", True)
        states = attend(states, memory, f"{layer}.cross", "cross_norm", False)
        states = think(states, layer)
    return looks


@pytest.mark.parametrize("heads", [1, 3])
def test_every_layer_and_head_of_a_transformer_is_recorded(heads: int) -> None:
    size = 4 * heads
    model = build_whole(
        TransformerEncoder(E, size, 2, heads, 17, 0.5),
        TransformerDecoder(E, size, size, 2, heads, 17, 0.5),
    )
    looks = record_looks(model, SOURCE, mask_of(LENGTHS, S), TARGET_IN)
    order = [("encoder", 1), ("encoder", 2), ("decoder", 1), ("cross", 1), ("decoder", 2)]
    assert [(look.kind, look.layer) for look in looks] == [*order, ("cross", 2)]
    weights = to_numpy(model)
    for row, length in enumerate(LENGTHS):
        source = weights["source_embedding.weight"][SOURCE[row, :length]]
        target = weights["target_embedding.weight"][TARGET_IN[row]]
        expected = naive_transformer(source, target, weights, heads)
        for look, found, numbers in zip(looks, list_rows(looks, row), expected, strict=True):
            if look.kind == "encoder":  # padding asks, too, but nobody reads what it finds
                for name in ("scores", "weights"):
                    found[name] = found[name][:, :length]
                found["queries"], found["context"] = (
                    found[name][:length] for name in ("queries", "context")
                )
            width = T if look.kind == "decoder" else length
            assert_numbers(found, numbers, width, 1e-5)


# Texts


@cache
def random_model(architecture: str, members: int = 1, **options: Any) -> Translator:
    """Return a model with random weights that are in its bundle, too."""
    codec = Codec(CharacterTokenizer(), Vocabulary("abcde"))
    made = make_options(architecture, embedding_size=6, hidden_size=8, **options)
    models = [build_model(made, 9, 9, True) for _ in range(members)]
    weights = {}
    for number, model in enumerate(models):
        randomise(model.eval(), seed=number)
        prefix = f"{number}/" if members > 1 else ""
        for name, value in model.named_parameters():
            weights[prefix + name] = value.detach().numpy()
    bundle = Bundle(TextOptions(shared_vocabulary=True), made, codec, codec, weights)
    return Translator(bundle, join_steppers([TorchStepper(one) for one in models]), threads=1)


MODELS: list[tuple[str, int, dict[str, Any]]] = [
    ("attention", 1, {"location_window": 3}),
    ("attention", 3, {"num_heads": 2, "layout": "luong"}),
    ("attention", 1, {"layout": "bahdanau", "attention_weights": "entmax"}),
    ("transformer", 1, {"num_heads": 2, "num_layers": 3}),
    ("transformer", 2, {"num_heads": 2, "num_layers": 1}),
]
each_model = pytest.mark.parametrize(("architecture", "members", "options"), MODELS)


@each_model
def test_an_explanation_has_the_weights_of_the_translation(
    architecture: str, members: int, options: dict[str, Any]
) -> None:
    translator = random_model(architecture, members, **options)
    found = translator.translate_one("abcad", explain=True, max_length=4)
    explanation = found.explain()
    shown = explanation.looks[explanation.shown]
    alike = [one for one in explanation.looks if (one.kind, one.layer) == (shown.kind, shown.layer)]
    assert len(alike) == members and shown.model == 1
    mean = np.mean([one.weights.mean(axis=0) for one in alike], axis=0)
    assert found.attention is not None and shown.kind == "cross"
    np.testing.assert_allclose(mean[: len(found.tokens)], found.attention, atol=1e-6)
    assert explanation.tokens == [*found.tokens, *[""] * found.is_finished]
    is_soft = options.get("attention_weights") != "entmax"
    for look in explanation.looks:
        np.testing.assert_allclose(look.weights.sum(axis=-1), 1, atol=1e-6)
        if is_soft:
            powers = np.exp(look.scores - look.scores.max(axis=-1, keepdims=True))
            expected = powers / powers.sum(axis=-1, keepdims=True)
            np.testing.assert_allclose(look.weights, expected, atol=1e-6)
        for step in range(len(look.context)):
            total = look.weighted_states(step).sum(axis=0)
            np.testing.assert_allclose(total, look.context[step], atol=1e-5)


@each_model
def test_asking_for_an_explanation_changes_nothing_else(
    architecture: str, members: int, options: dict[str, Any]
) -> None:
    translator = random_model(architecture, members, **options)
    plain = translator.translate(["abcad", "", "e"], n_best=2, max_length=4)
    asked = translator.translate(["abcad", "", "e"], n_best=2, max_length=4, explain=True)
    for ours, theirs in zip(asked, plain, strict=True):
        assert (ours.explanation is None) == (not ours.source_tokens)
        assert all(one.explanation is None for one in ours.alternatives)
        assert [len(row) for row in ours.choices] == [5] * len(ours.choices)
        bare = replace(ours, explanation=None, choices=[])
        others = [replace(one, choices=[]) for one in ours.alternatives]
        np.testing.assert_allclose(ours.attention, theirs.attention, atol=1e-6)
        bare = replace(bare, alternatives=others, attention=None)
        assert _strip(bare) == _strip(replace(theirs, attention=None))


def _strip(one: Translation) -> Any:
    return json.dumps({**one.to_dict(), "alternatives": [other.text for other in one.alternatives]})


def test_a_step_is_chosen() -> None:
    found = golden("torch").translate_one("abc", explain=True)
    explanation = found.explain(1)
    look = explanation.look()
    assert explanation.step == 1 and look is explanation.looks[explanation.shown]
    np.testing.assert_array_equal(explanation.scores, look.scores[:, 1])
    np.testing.assert_array_equal(explanation.weights, look.weights[:, 1])
    np.testing.assert_array_equal(explanation.context, look.context[1])
    np.testing.assert_array_equal(explanation.query, look.queries[1])
    assert explanation.weighted_states.shape == look.values.shape
    assert len(explanation.choices[1]) == NUM_CHOICES
    assert explanation.at(0).step == 0 and repr(explanation.tokens[1]) in repr(explanation)
    for step in (-1, len(explanation.tokens)):
        with pytest.raises(SearchError, match="there is no step"):
            found.explain(step)
    with pytest.raises(SearchError, match="explain=True"):
        golden("torch").translate_one("abc").explain()
    with pytest.raises(SearchError, match="the source is blank"):
        golden("torch").translate_one("  ", explain=True).explain()


def test_a_layer_is_chosen() -> None:
    translator = random_model("transformer", num_heads=2, num_layers=3)
    explanation = translator.translate_one("abcad", explain=True, max_length=3).explain()
    assert explanation.look().layer == 2  # the last but one, which pictures show
    assert explanation.look("encoder", 1) is explanation.looks[0]
    assert explanation.look("decoder").layer == 3
    with pytest.raises(SearchError, match=r"no layer 4 of cross attention.*layers 1 to 3"):
        explanation.look("cross", 4)
    recurrent = golden("torch").translate_one("abc", explain=True).explain()
    with pytest.raises(SearchError, match="only a Transformer has"):
        recurrent.look("encoder")


def test_given_targets_are_explained() -> None:
    translator = random_model("transformer", num_heads=2, num_layers=2)
    [found] = translator.score_pairs([("abc", "eda")], explain=True)
    assert found.explain().tokens == ["e", "d", "a", ""]
    assert found.attention is not None
    mean = found.explain().look().weights.mean(axis=0)[:3]
    np.testing.assert_allclose(mean, found.attention, atol=1e-6)


def test_the_numbers_are_json() -> None:
    translator = random_model("transformer", num_heads=2, num_layers=2)
    values = translator.translate_one("abc", explain=True, max_length=3).to_dict()
    told = json.loads(json.dumps(values["explanation"], allow_nan=False))
    past = next(look for look in told["looks"] if look["kind"] == "decoder")
    assert past["scores"][0][0][1] is None and past["weights"][0][0][1] == 0
    assert {equation["name"] for equation in told["equations"]} == {"scores", "weights", "context"}


@pytest.mark.parametrize(
    ("translator", "message"),
    [
        (lambda: golden("onnx"), "exported model returns attention weights only"),
        (lambda: random_model("traditional"), "no attention to explain"),
    ],
)
def test_what_cannot_be_explained_says_why(translator: Any, message: str) -> None:
    with pytest.raises(ModelMismatchError, match=message):
        translator().translate_one("abc", explain=True)
    with pytest.raises(SearchError, match="leave out explain"):
        list(golden("torch").stream(Request("abc", beam_size=1, explain=True)))
