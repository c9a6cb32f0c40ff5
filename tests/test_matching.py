"""What counts as right: one definition for every number that a model is told by."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.bundle import Bundle, load_bundle
from foveate.config import build_config
from foveate.console import format_evaluation
from foveate.data.table import PairTable
from foveate.estimator import Seq2Seq
from foveate.evaluation import diagnose, evaluate
from foveate.text.codec import Codec
from foveate.text.matching import Matching
from foveate.text.tokenizers import CharacterTokenizer, build_tokenizer, learn_sentencepiece
from foveate.text.vocabulary import Vocabulary
from foveate.training.run import train
from foveate.training.validation import Validation
from foveate.translator import Translator
from made import mark_others

GOLDEN = Path(__file__).parent / "golden" / "format-1"
FORMS = ("NFC", "NFD", "NFKC", "NFKD", "none")
# Spellings that are one text in some normal forms: composed, in pieces, a ligature, full width.
SPELLINGS = ["é", "e\u0301", "ﬁ", "fi", "Ａ", "A", "b", "가", "ᄀ\u1161", "▁"]
TEXT = st.lists(st.sampled_from(SPELLINGS), min_size=1, max_size=5).map("".join)
PIECES = learn_sentencepiece(["a b", "b a e", "f i A"], "unigram", 30, seed=1)


def build_codec(kind: str, form: Any) -> Codec:
    tokenizer = PIECES if kind == "unigram" else build_tokenizer(kind)
    return Codec(tokenizer, Vocabulary([]), form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["characters", "tagged", "whitespace", "bytes", "unigram"])
@settings(max_examples=12)  # of each of 25 codecs
@given(words=st.lists(TEXT, min_size=1, max_size=3), blank=st.sampled_from([" ", "  "]))
def test_what_a_perfect_model_writes_is_right(
    kind: str, form: str, words: list[str], blank: str
) -> None:
    codec = build_codec(kind, form)
    matching = Matching(codec, codec)
    target = blank.join(words)
    output = codec.join(codec.split(target))
    assert matching.is_right(output, [target])
    assert not matching.is_right(output + "x", [target])
    assert matching.target(matching.target(target)) == matching.target(target)
    assert unicodedata.is_normalized("NFC", matching.target(target))
    assert matching.is_right(unicodedata.normalize("NFD", target), [target])


@given(st.lists(st.tuples(st.sampled_from(["a", "é", "e\u0301"]), st.sampled_from("xyz"))))
def test_sources_are_grouped_by_what_the_model_reads(pairs: list[tuple[str, str]]) -> None:
    composing, plain = (
        Codec(CharacterTokenizer(), Vocabulary([]), form) for form in ("NFC", "none")
    )
    for codec in (composing, plain):
        sources, counts = Matching(codec, codec).group(pairs)
        forms = [codec.normalize(source) for source, _ in pairs]
        assert [codec.normalize(source) for source in sources] == list(dict.fromkeys(forms))
        for source, targets in zip(sources, counts, strict=True):
            form = codec.normalize(source)
            written = [
                target for other, (_, target) in zip(forms, pairs, strict=True) if other == form
            ]
            assert targets == {target: written.count(target) for target in written}


class Knower(Translator):
    """Writes what it is told, as a model with the golden bundle's tokens would."""

    answers: dict[str, str]

    def translate(self, texts: Any, **options: Any) -> Any:
        for text, found in zip(texts, super().translate(texts, **options), strict=True):
            yield replace(found, text=self.answers[self.source_codec.normalize(text)])


def build_knower(answers: dict[str, str], form: Any) -> Knower:
    bundle: Bundle = load_bundle(GOLDEN)
    bundle.target_codec.normalization = form
    knower = Knower.from_bundle(bundle, threads=1)
    assert isinstance(knower, Knower)
    knower.answers = answers
    return knower


def test_a_perfect_model_is_perfect_by_every_count() -> None:
    targets = {"foveate": "ﬁ\u0301", "attend": "ＡＢ", "train": "e\u0301"}
    answers = {source: unicodedata.normalize("NFKC", text) for source, text in targets.items()}
    knower = build_knower(answers, "NFKC")
    table = PairTable.from_texts(targets, targets.values())
    evaluation = evaluate(knower, table)
    assert evaluation.metrics["exact_match"].value == evaluation.by_row.value == 1
    assert evaluation.metrics["character_error_rate"].value == 0
    model = Seq2Seq(beam_size=1)
    model.translator_ = knower
    assert model.score(list(targets), list(targets.values())) == 1
    validation = Validation.build(table, Matching(knower.source_codec, knower.target_codec))
    assert validation.measure(validation.translate(knower))["exact_match"] == 1
    found = diagnose(evaluation, table, knower)
    assert (found["memory"]["value"], found["confusions"], found["worst"]) == (1, [], [])


def test_sources_and_rows_are_two_counts_with_two_names() -> None:
    rows = [("attend", "x")] * 2 + [("attend", "y")] * 3 + [("train", "z")] * 5
    knower = build_knower({"attend": "x", "train": "q"}, "NFC")
    evaluation = evaluate(knower, PairTable.from_texts(*zip(*rows, strict=True)))
    assert evaluation.metrics["exact_match"].value == 1 / 2
    assert evaluation.by_row.value == 2 / 10
    assert evaluation.to_dict()["exact_match_by_row"]["value"] == 2 / 10
    assert list(evaluation.to_dict()["metrics"]) == [
        "exact_match",
        "token_error_rate",
        "character_error_rate",
        "bleu",
        "chrf",
    ]
    model = Seq2Seq(beam_size=1)
    model.translator_ = knower
    assert model.score(*map(list, zip(*rows, strict=True))) == pytest.approx(2 / 10)


def test_only_what_means_something_is_shown() -> None:
    knower = build_knower({"attend": "canto", "train": "canta"}, "NFC")
    table = PairTable.from_texts(["attend", "train"], ["canto", "canta"])
    evaluation = evaluate(knower, table)
    shown = format_evaluation(evaluation).partition("signatures")[0]
    assert "BLEU" not in shown and "token error" not in shown and "by row" not in shown
    assert "exact match           100.0 %  34.2 % to 100.0 %" in shown
    assert "chrF                    100.0\n" in shown  # two items leave no interval to draw
    asked = evaluate(knower, table, bleu_tokenize="char")
    assert "BLEU" in format_evaluation(asked).partition("signatures")[0]
    twice = evaluate(knower, PairTable.from_texts(["train"] * 3, ["canta", "x", "canta"]))
    assert "exact match by row     66.7 %" in format_evaluation(twice)


@pytest.mark.parametrize("form", mark_others(["NFKC", "NFD", "decomposed"], ["NFKC"]))
def test_validation_and_evaluation_of_a_run_agree(form: str) -> None:
    words = [a + b for a in ("ﬁ", "é", "b") for b in ("Ａ", "c", "d", "e")]
    table = PairTable.from_texts(words, words)
    options = {"max_updates": 30, "num_validations": 1, "hidden_size": 16, "embedding_size": 16}
    config = build_config({**options, "num_layers": 1, "threads": 1, "normalization": form})
    translator = train(table, table, config).translator
    validation = Validation.build(table, Matching(translator.source_codec, translator.target_codec))
    outputs = validation.translate(translator)
    evaluation = evaluate(translator, table, beam_size=1)
    assert evaluation.outputs == outputs
    assert validation.measure(outputs)["exact_match"] == evaluation.metrics["exact_match"].value
    assert np.mean([a in b for a, b in zip(outputs, evaluation.references, strict=True)]) == (
        evaluation.metrics["exact_match"].value
    )
