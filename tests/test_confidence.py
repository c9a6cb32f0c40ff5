"""Confidence: right as often as it says, kept in a model, the same at every door."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from foveate.bundle import load_bundle
from foveate.cli import main
from foveate.confidence import (
    Confidence,
    describe_reliability,
    fit_confidence,
    measure_reliability,
    read_confidence,
)
from foveate.data.table import PairTable
from foveate.evaluation import evaluate
from foveate.records import Pair
from foveate.training.certainty import describe_confidence, fit_on
from foveate.translator import Translator

MODEL = Path(__file__).parent / "golden-onnx" / "format-1"


def draw(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return log-probabilities of a model that is too modest, and which outputs are right."""
    generator = np.random.default_rng(seed)
    probability = generator.beta(2, 2, size=count)
    true = 1 / (1 + np.exp(-(1.0 + 2.0 * np.log(probability / (1 - probability)))))
    return np.log(probability), generator.random(count) < true


def test_what_is_fitted_says_what_is_right_on_outputs_that_it_has_not_seen() -> None:
    confidence = fit_confidence(*(part.tolist() for part in draw(2000, 1)))
    log_probs, right = draw(20_000, 2)
    assert confidence is not None
    said = np.array([confidence.of(one) for one in log_probs.tolist()])
    own = describe_reliability(said, right.astype(float))
    raw = describe_reliability(np.exp(log_probs), right.astype(float))
    assert own["expected_calibration_error"] < 0.02 < raw["expected_calibration_error"]
    sure = (said > 0.875) & (said < 0.925)
    assert 0.87 < right[sure].mean() < 0.93


def test_the_fit_is_that_of_another_library() -> None:
    log_probs, right = draw(3000, 3)
    confidence = fit_confidence(log_probs.tolist(), right.tolist())
    assert confidence is not None
    columns = np.stack([log_probs, -np.log1p(-np.exp(log_probs))], axis=1)
    other = LogisticRegression(C=100.0, tol=1e-8, max_iter=1000).fit(columns, right)
    assert confidence.likely == pytest.approx(other.coef_[0, 0], abs=0.03)
    assert confidence.unlikely == pytest.approx(other.coef_[0, 1], abs=0.03)
    assert confidence.bias == pytest.approx(other.intercept_[0], abs=0.03)


@given(st.lists(st.tuples(st.floats(-80, 0), st.booleans()), min_size=50, max_size=90))
def test_a_likelier_output_is_never_less_certain(rows: list[tuple[float, bool]]) -> None:
    confidence = fit_confidence(*map(list, zip(*rows, strict=True)))
    assert confidence is not None
    said = [confidence.of(-(2.0**power)) for power in range(8, -30, -1)]
    assert all(one <= other + 1e-12 for one, other in itertools.pairwise(said))
    assert all(0 <= one <= 1 for one in said)


def test_all_right_is_not_certainty_and_few_sources_say_nothing() -> None:
    confidence = fit_confidence([-0.1] * 50, [True] * 50)
    assert confidence is not None
    assert 0.9 < confidence.of(-0.1) < 1
    assert fit_confidence([-0.1] * 49, [True] * 49) is None


def test_reliability_is_measured_on_outputs_that_were_not_fitted_on() -> None:
    generator = np.random.default_rng(4)
    log_probs = -generator.exponential(2.0, size=60)  # of no use
    right = generator.random(60) < 0.5
    found = measure_reliability(log_probs.tolist(), right.tolist())
    assert sum(row["sources"] for row in found["bins"]) == 60
    by_hand = sum(row["sources"] / 60 * abs(row["said"] - row["right"]) for row in found["bins"])
    assert found["expected_calibration_error"] == pytest.approx(by_hand)


@pytest.mark.parametrize(
    "values",
    [
        [],
        {"bias": 1, "likely": 1},
        {"bias": "1", "likely": 1, "unlikely": 1},
        {"bias": 1, "likely": -1, "unlikely": 1},
        {"bias": math.nan, "likely": 1, "unlikely": 1},
        {"bias": 1, "likely": 1, "unlikely": True},
        {"bias": 1, "likely": 1, "unlikely": 1, "recalled": 2},
        {"bias": 1, "likely": 1, "unlikely": 1, "more": 2},
    ],
)
def test_a_strangers_numbers_are_checked(values: object) -> None:
    with pytest.raises(ValueError, match="confidence"):
        read_confidence(values)


@pytest.fixture(scope="module")
def sure() -> Translator:
    bundle = load_bundle(MODEL)
    confidence = Confidence(0.25, 0.5, 2.0, recalled=0.75)
    memory = {"abc": "zzz"} if "a" in bundle.source_codec.vocabulary.entries else {}
    bundle.decoding = replace(bundle.decoding, confidence=confidence, memory=memory)
    return Translator.from_bundle(bundle)


def test_every_output_has_it_and_what_is_recalled_has_its_own(sure: Translator) -> None:
    found = sure.translate_one("bad", n_best=3)
    for one in (found, *found.alternatives):
        probability = math.exp(one.score)
        odds = math.exp(0.25) * probability**0.5 * (1 - probability) ** -2.0
        assert one.confidence == pytest.approx(odds / (1 + odds))
    memory = sure.bundle.decoding.memory
    recalled = sure.translate_one("abc")
    assert (recalled.text, recalled.confidence) == (memory["abc"], 0.75)
    cut = sure.translate_one("bad", max_length=1, beam_size=1)
    assert (cut.is_finished, cut.confidence) == (False, None)


def test_a_saved_model_keeps_it_and_tables_show_it(
    sure: Translator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, words = tmp_path / "model", tmp_path / "words.txt"
    sure.save(model)
    assert load_bundle(model).decoding.confidence == sure.bundle.decoding.confidence
    words.write_text("bad\n")
    call = ["translate", str(model), str(words), "--n-best", "3", "--format"]
    assert main([*call, "tsv"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    expected = sure.translate_one("bad", n_best=3)
    everything = [expected, *expected.alternatives]
    assert [row[3] for row in rows] == ["1", "2", "3"]
    scores = [float(row[2]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    for row, one in zip(rows, everything, strict=True):
        assert one.confidence is not None
        assert float(row[4]) == pytest.approx(math.exp(one.score), rel=1e-3)
        assert float(row[5]) == pytest.approx(one.confidence, abs=1e-3)
    assert main([*call, "jsonl"]) == 0
    assert json.loads(capsys.readouterr().out)["confidence"] == pytest.approx(expected.confidence)


def test_training_fits_it_apart_from_what_is_recalled(sure: Translator) -> None:
    generator = np.random.default_rng(5)
    letters = [one for one in sure.source_codec.tokens(range(4, 9)) if one.isalpha()]
    sources = list({"".join(generator.choice(letters, size=4).tolist()) for _ in range(90)})
    outputs = [one.text for one in sure.translate(sources)]
    targets = [text if place % 3 else text + "x" for place, text in enumerate(outputs)]
    pairs = [*zip(sources, targets, strict=True), ("abc", "zzz")]
    table = PairTable.from_pairs(
        Pair(source, target, f"line {n}") for n, (source, target) in enumerate(pairs, 1)
    )
    evaluation = evaluate(sure, table)
    confidence = fit_on(evaluation, sure)
    assert confidence is not None
    assert confidence.recalled == pytest.approx(2 / 3)  # one of one, and one more of each kind
    found = describe_confidence(evaluation, sure)["reliability"]
    assert sum(row["sources"] for row in found["bins"]) == len(sources)
    said = np.mean([confidence.of(one) for one in evaluation.log_probs[:-1]])
    assert said == pytest.approx(2 / 3, abs=0.05)
