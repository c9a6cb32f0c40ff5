"""The lexicon: learnt and mixed in as the equations say, kept, exported; and guided attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foveate.config import Config, build_config
from foveate.data.batching import EncodedPairs, collate
from foveate.data.table import PairTable
from foveate.errors import ConfigError
from foveate.export import export_bundle
from foveate.models import build_model
from foveate.models.copying import EPSILON, LexicalPrior
from foveate.models.regularizers import GuidedAlignment
from foveate.models.seq2seq import Seq2SeqModel
from foveate.text.vocabulary import PAD
from foveate.training.build import build_trainer
from foveate.training.defaults import DataFacts, resolve
from foveate.training.lexicon import DIAGONAL, EMPTY_SHARE, ITERATIONS, Lexicon
from foveate.training.prepare import prepare
from foveate.training.report import Report
from foveate.training.run import train
from foveate.training.trainer import to_tensors
from foveate.translator import Translator
from models_naive import randomise, sigmoid, softmax

Rows = list[tuple[list[int], list[int]]]


def encode(rows: Rows) -> EncodedPairs:
    sides = []
    for side in (0, 1):
        texts = [row[side] for row in rows]
        ids = np.array([token for text in texts for token in text], dtype=np.int32)
        sides += [ids, np.cumsum([0, *map(len, texts)])]
    return EncodedPairs(*sides)


def naive_model_1(rows: Rows, target_size: int) -> dict[tuple[int, int], float]:
    """Expectation-maximisation with dictionaries; PAD stands for the empty word."""
    chances: dict[tuple[int, int], float] = {}
    for _ in range(ITERATIONS):
        counts: dict[tuple[int, int], float] = {}
        for source, target in rows:
            if not source:
                continue
            for i, word in enumerate(target):
                near = [
                    np.exp(-DIAGONAL * abs((i + 0.5) / len(target) - (j + 0.5) / len(source)))
                    for j in range(len(source))
                ]
                prior = [EMPTY_SHARE, *((1 - EMPTY_SHARE) * one / sum(near) for one in near)]
                keys = [(token, word) for token in (PAD, *source)]
                shares = [
                    chances.get(key, 1 / target_size) * p
                    for key, p in zip(keys, prior, strict=True)
                ]
                for key, share in zip(keys, shares, strict=True):
                    counts[key] = counts.get(key, 0.0) + share / sum(shares)
        totals: dict[int, float] = {}
        for (token, _), count in counts.items():
            totals[token] = totals.get(token, 0.0) + count
        chances = {key: count / totals[key[0]] for key, count in counts.items()}
    return chances


def test_probabilities_are_those_of_a_naive_loop() -> None:
    rows = [([4, 5, 4], [6, 7]), ([5], [7, 7, 8]), ([], [6]), ([6, 4], []), ([4], [6])]
    words, chances = Lexicon(encode(rows), 8, 9).likeliest(2)
    expected = naive_model_1(rows, 9)
    for token in (4, 5):
        best = sorted(((p, w) for (x, w), p in expected.items() if x == token), reverse=True)[:2]
        assert words[token].tolist() == [word for _, word in best]
        assert chances[token] == pytest.approx([p for p, _ in best], rel=1e-6)
    assert not chances[[PAD, 6, 7]].any()  # nothing is known of these
    assert not words[[PAD, 6, 7]].any()


def test_a_dictionary_is_found_from_shuffled_sentences() -> None:
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(300):
        source = generator.choice(np.arange(4, 34), size=generator.integers(3, 8), replace=False)
        rows.append((source.tolist(), (generator.permutation(source) + 30).tolist()))
    words, chances = Lexicon(encode(rows), 34, 64).likeliest(8)
    assert words[4:, 0].tolist() == list(range(34, 64))
    assert (chances[4:, 0] > 0.6).all()
    assert (chances.sum(axis=1) < 1 + 1e-6).all()


def test_a_sorted_file_is_looked_at_everywhere() -> None:
    """Where not all pairs are affordable, those of the end are as good as those of the head."""
    rows = [([4 + place // 10], [4 + place // 10]) for place in range(100)]
    chances = Lexicon(encode(rows), 14, 14, most_links=60).likeliest(1)[1]
    assert (chances[4:, 0] > 0.9).all()


def test_alignments_are_those_of_a_naive_loop() -> None:
    rows = [([4, 5, 4], [6, 7]), ([5], [7, 7, 8]), ([6, 4], [8])]
    chances = naive_model_1(rows, 9)
    batch = collate(*([row[side] for row in rows] for side in (0, 1)))
    found = Lexicon(encode(rows), 8, 9).align(batch)
    assert found.shape == (3, 4, 3)
    expected = np.zeros_like(found)
    for b, (source, target) in enumerate(rows):
        for i, word in enumerate(target):
            places = (np.arange(len(source)) + 0.5) / len(source)
            near = np.exp(-DIAGONAL * np.abs((i + 0.5) / len(target) - places))
            prior = (1 - EMPTY_SHARE) * near / near.sum()
            shares = prior * [chances[token, word] for token in source]
            empty = EMPTY_SHARE * chances[PAD, word]
            expected[b, i, : len(source)] = shares / (shares.sum() + empty)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_tokens_that_never_met_are_not_aligned() -> None:
    lexicon = Lexicon(encode([([4], [5])]), 8, 9)
    assert not lexicon.align(collate([[7, 4]], [[8]])).any()
    assert not Lexicon(encode([]), 8, 9).likeliest(3)[1].any()


def test_guidance_costs_what_the_attention_misses() -> None:
    weights = torch.tensor([[[0.5, 0.5], [0.9, 0.1], [0.0, 1.0]]])
    alignment = torch.tensor([[[0.8, 0.1], [0.0, 0.0], [1.0, 0.0]]])
    expected = (-0.9 * np.log(0.5) - np.log(1e-6)) / 2  # the row of zeros does not count
    assert GuidedAlignment(3.0, alignment).cost(weights).item() == pytest.approx(3 * expected)
    assert GuidedAlignment(3.0, torch.zeros_like(alignment)).cost(weights).item() == 0


def test_guidance_falls_to_nothing_by_mid_run() -> None:
    table = make_table(40, seed=4)
    weights: list[float] = []

    class Model(Seq2SeqModel):
        def loss(self, *batch: Any, regularizers: Any, **named: Any) -> torch.Tensor:
            weights.append(sum(one.weight for one in regularizers))
            return super().loss(*batch, regularizers=regularizers, **named)

    trainer = build_trainer(prepare(table, table, tiny(guidance=0.4)))
    trainer.model.__class__ = Model
    trainer.total_updates = 8
    for _ in range(8):
        trainer.update()
    assert weights == pytest.approx([0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0])


@pytest.mark.long
def test_guided_attention_learns_sooner_where_to_look() -> None:
    table, dev = make_table(150, seed=5), make_table(5, seed=6)
    found = {}
    for guidance in (0.0, 1.0):
        told = tiny(guidance=guidance, max_updates=120, learning_rate=4e-3)
        model = train(table, dev, told).translator
        translations = list(model.translate(list(table.sources())[:30], beam_size=1))
        looks = [one.attention.argmax(axis=1) for one in translations]  # type: ignore[union-attr]
        found[guidance] = np.mean([(look == np.arange(len(look))).mean() for look in looks])
    assert found[1.0] > 0.8
    assert found[1.0] > found[0.0] + 0.2


def test_the_part_equals_the_naive_loop() -> None:
    torch.manual_seed(0)
    part = LexicalPrior(feature_size=7, source_size=6, num_words=3)
    randomise(part)
    part = part.double()
    part.words.data = torch.randint(4, 11, (6, 3)).double()
    part.words.data[5] = PAD
    part.chances.data = torch.rand(6, 3).double() / 3
    part.chances.data[5] = 0
    logits, features = torch.randn(4, 11).double(), torch.randn(4, 7).double()
    weights = torch.softmax(torch.randn(4, 5).double(), dim=-1)
    source = torch.randint(0, 6, (4, 5))
    found = part(logits, features, weights, part.translate(source)).exp().detach().numpy()
    for row in range(4):
        gate = sigmoid(part.gate(features[row]).detach().numpy())[0]
        prior = np.zeros(11)
        for weight, token in zip(weights[row].tolist(), source[row].tolist(), strict=True):
            for word, chance in zip(part.words[token], part.chances[token], strict=True):
                prior[int(word)] += weight * float(chance)
        expected = softmax(logits[row].numpy() + gate * np.log(1 + prior / EPSILON))
        np.testing.assert_allclose(found[row], expected, rtol=1e-9)


def test_nothing_trains_the_lexicon() -> None:
    config = Config(embedding_size=8, hidden_size=8, num_heads=1, dropout=0.0, lexicon=True)
    facts = DataFacts(50, 2.0, 2.0, 9, 9, "whitespace", "whitespace")
    model = build_model(resolve(config, facts).model, 9, 9, shared=False)
    batch = to_tensors(collate([[4, 5]], [[6]]), torch.device("cpu"))
    model.loss(batch).backward()  # type: ignore[no-untyped-call]
    names = {name for name, p in model.named_parameters() if p.grad is None}
    assert names == {"copying.words", "copying.chances"}


WORDS = [f"{a}{b}" for a in "abcdefgh" for b in "uvwxyz"]


def make_table(count: int, seed: int) -> PairTable:
    """Sentences that are translated word by word, by a dictionary that has to be found."""
    generator = np.random.default_rng(seed)
    sources = [
        " ".join(generator.choice(WORDS, size=generator.integers(2, 6))) for _ in range(count)
    ]
    targets = [" ".join(word.upper()[::-1] for word in text.split()) for text in sources]
    return PairTable.from_texts(sources, targets)


TINY = Config(
    max_updates=60,
    num_validations=2,
    hidden_size=32,
    embedding_size=32,
    dropout=0.0,
    batch_tokens=200,
    source_tokens="whitespace",
    target_tokens="whitespace",
    threads=1,
)


def tiny(**options: object) -> Config:
    return TINY.replace(**options)


@pytest.mark.long
def test_words_that_were_seen_once_or_twice_are_looked_up(tmp_path: Path) -> None:
    table, dev = make_table(80, seed=1), make_table(20, seed=2)
    scores = {}
    for lexicon in (True, False):
        trained = train(table, dev, tiny(lexicon=lexicon, max_updates=100))
        bundle = trained.translator.bundle
        scores[lexicon] = bundle.scores["dev"]["character_error_rate"]["value"]
    assert scores[True] < 0.7 * scores[False]


@pytest.mark.long
def test_a_stopped_run_goes_on_exactly_and_is_exported(tmp_path: Path) -> None:
    table, config = make_table(60, seed=3), tiny(lexicon=True, max_updates=12)
    dev = make_table(5, seed=6)
    whole = train(table, dev, config, out=tmp_path / "whole")

    def interrupt(report: Report) -> None:
        if report.kind == "progress" and report.update >= 5:
            raise KeyboardInterrupt

    train(table, dev, config, out=tmp_path / "halves", report=interrupt)
    train(table, dev, config, out=tmp_path / "halves", resume=True)
    ours, theirs = (Translator.load(tmp_path / name).bundle.weights for name in ("whole", "halves"))
    assert ours["copying.chances"].any()
    for name in ours:
        assert ours[name].tobytes() == theirs[name].tobytes(), name
    texts = ["au bv", "hz", "unknown au"]
    before = list(whole.translator.translate(texts))
    for int8 in (False, True):
        out = tmp_path / f"exported{int8}"
        found = export_bundle(tmp_path / "whole", out, int8=int8)
        assert found.difference < 1e-4
        after = list(Translator.load(out, threads=1).translate(texts))
        if int8:
            assert found.agreement is not None and found.agreement > 0.5
        else:
            assert [one.text for one in after] == [one.text for one in before]


def test_the_plan_says_that_there_is_a_lexicon() -> None:
    notes: list[str] = []
    train(
        make_table(30, 1),
        None,
        tiny(lexicon=True, max_updates=1),
        report=lambda r: notes.append(r.message),
    )
    assert any("lexicon" in note for note in notes)


@pytest.mark.parametrize(
    "options", [{"copy": True}, {"architecture": "traditional"}], ids=["copy", "traditional"]
)
def test_what_it_does_not_go_with(options: dict[str, object]) -> None:
    with pytest.raises(
        ConfigError, match=r"lexicon: (goes without copy|the traditional model has no such option)"
    ):
        build_config({"lexicon": True, **options})
