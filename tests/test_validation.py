"""Which weights of a run are kept: the last ones that cannot be told from the best."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.config import build_config
from foveate.data.table import PairTable
from foveate.metrics import bleu, character_error_rate, chrf, estimate_difference_error, exact_match
from foveate.text.detection import build_codecs
from foveate.text.matching import Matching
from foveate.training.run import train
from foveate.training.validation import Validation
from foveate.translator import Translator

WORDS = [f"{a}{b}{c}" for a in "abcd" for b in "efgh" for c in "ijkl"]  # 64 different ones


def spoil(wrong: int) -> list[str]:
    """Return the right outputs, so many of them made wrong."""
    return ["?" + word if n < wrong else word for n, word in enumerate(WORDS)]


def build(metric: str = "exact_match") -> Validation:
    return Validation(WORDS, [[word] for word in WORDS], metric)


@pytest.mark.parametrize("metric", ["exact_match", "bleu", "chrf"])
def test_the_metric_to_select_by_comes_first_and_all_are_those_of_metrics(metric: str) -> None:
    outputs, references = spoil(7), [[word] for word in WORDS]
    scores = build(metric).measure(outputs)
    assert next(iter(scores)) == metric
    assert ("bleu" in scores) == (metric == "bleu")
    known = {
        "exact_match": exact_match,
        "bleu": bleu,
        "chrf": chrf,
        "character_error_rate": character_error_rate,
    }
    assert scores == {name: known[name](outputs, references).value() for name in scores}
    assert len(scores) == (4 if metric == "bleu" else 3)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=30, max_size=60))
def test_error_of_a_difference_is_the_textbook_one(hits: list[tuple[bool, bool]]) -> None:
    references = [["a"]] * len(hits)
    one, other = (
        exact_match(["a" if hit else "b" for hit in side], references)
        for side in zip(*hits, strict=True)
    )
    differences = np.array([int(a) - int(b) for a, b in hits])
    textbook = differences.std() / np.sqrt(len(hits))
    found = estimate_difference_error(one, other, resamples=400)
    assert found == pytest.approx(textbook, rel=0.2, abs=1e-12)


@pytest.mark.parametrize(("most", "rows"), [(48, 48), (64, 64), (500, 64), (1, 1)])
def test_a_sample_is_as_large_as_was_asked_and_evenly_spread(most: int, rows: int) -> None:
    codecs = build_codecs(lambda: WORDS, lambda: WORDS, len(WORDS), build_config({}))
    table = PairTable.from_texts(WORDS, WORDS)
    sources = Validation.build(table, Matching(*codecs), most).sources
    places = [WORDS.index(source) for source in sources]
    assert len(places) == rows
    assert {b - a for a, b in pairwise([*places, len(WORDS)])} <= {64 // rows, -(-64 // rows)}


def test_outputs_are_as_good_within_a_standard_error_and_not_beyond() -> None:
    validation, best = build(), spoil(8)
    assert validation.is_as_good(best, best)
    assert validation.is_as_good(spoil(0), best)
    assert not validation.is_as_good(spoil(12), best)  # 4 of 64 behind; the error is 1.9 of 64
    others = [*WORDS[:8], *spoil(64)[8:16], *WORDS[16:]]  # as many wrong, but not the same ones
    assert validation.is_as_good(others, best)
    by_chance = [*WORDS[:8], *spoil(64)[8:19], *WORDS[19:]]  # 3 behind; the error is 4.3
    assert validation.is_as_good(by_chance, best)


def test_ties_are_ranked_by_character_errors() -> None:
    validation = build()
    near, far = (
        spoil(5),
        ["?????" if output != word else word for output, word in zip(spoil(5), WORDS, strict=True)],
    )
    scores = validation.measure(near), validation.measure(far)
    assert scores[0]["exact_match"] == scores[1]["exact_match"]
    assert validation.is_better(scores[0], scores[1])
    assert not validation.is_better(scores[1], scores[0])
    assert not validation.is_better(scores[0], scores[0])
    assert validation.is_better(scores[1], {})


@pytest.mark.parametrize(
    ("wrong", "kept"),
    [
        ((60, 40, 20, 10), 4),  # it only gets better
        ((60, 10, 10, 10), 4),  # it stays as it is: the last one had the lowest learning rate
        ((60, 10, 40, 50), 2),  # it knows the pairs by heart in the end
        ((10, 60, 60, 9), 4),
        ((0, 60, 60, 60), 1),
    ],
)
def test_a_run_keeps_the_last_weights_that_are_as_good(
    monkeypatch: pytest.MonkeyPatch, wrong: tuple[int, ...], kept: int
) -> None:
    outputs = iter([spoil(count) for count in wrong])
    monkeypatch.setattr(Validation, "translate", lambda self, translator: next(outputs))
    table = PairTable.from_texts(WORDS, WORDS)
    config = build_config({"max_updates": 4, "num_validations": 4, "hidden_size": 8})
    trained = train(table, table, config)
    assert trained.summary.best_update == kept


@pytest.mark.parametrize(("wrong", "kept"), [(8, 4), (10, 4), (30, 2)])
def test_the_whole_of_dev_may_find_the_last_weights_as_good(
    monkeypatch: pytest.MonkeyPatch, wrong: int, kept: int
) -> None:
    """The sample, a quarter of dev, finds the weights of the second update the best by far."""
    sample = {1: 32, 2: 0, 3: 32, 4: 32}
    asked: list[int] = []

    def translate(self: Validation, translator: Translator) -> list[str]:
        asked.append(len(self.sources))
        if len(self.sources) < len(WORDS):
            return spoil(sample[len(asked)])[::4]
        return spoil(10 if len(asked) > 5 else wrong)  # the last weights, then those of the second

    monkeypatch.setattr(Validation, "translate", translate)
    monkeypatch.setattr("foveate.training.selection.MOST_SOURCES", 16)
    monkeypatch.setattr("foveate.training.validation.MOST_SOURCES", 16)
    table = PairTable.from_texts(WORDS, WORDS)
    config = build_config({"max_updates": 4, "num_validations": 4, "hidden_size": 8})
    notes: list[str] = []
    trained = train(table, table, config, report=lambda report: notes.append(report.message))
    assert asked == [16] * 4 + [64] * 2
    assert trained.summary.best_update == kept
    assert any("the last weights are kept" in note for note in notes) == (kept == 4)
