"""The report after training: edits, confusions and memory against naive counting."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.bundle import load_bundle, save_bundle
from foveate.card import format_card
from foveate.cli import main
from foveate.console import format_diagnosis
from foveate.data.table import PairTable
from foveate.edits import count_edits, find_edits, measure_likeness, nearest_reference
from foveate.evaluation import diagnose, evaluate
from foveate.formats import format_facts
from foveate.insight.diagnosis import (
    count_confusions,
    diagnose_outputs,
    find_worst,
    remember,
)
from foveate.translator import Translator

GOLDEN = Path(__file__).parent / "golden" / "format-1"
WORDS = st.lists(st.sampled_from("abc"), max_size=7)


def naive_distance(one: list[str], other: list[str]) -> int:
    """Count the fewest edits by trying all of them."""
    if not one or not other:
        return len(one) + len(other)
    if one[0] == other[0]:
        return naive_distance(one[1:], other[1:])
    trials = ((one[1:], other), (one, other[1:]), (one[1:], other[1:]))
    return 1 + min(naive_distance(*trial) for trial in trials)


# --- edits ----------------------------------------------------------------------------------------


@given(WORDS, WORDS)
def test_edits_are_the_fewest_and_lead_from_one_to_the_other(
    hypothesis: list[str], reference: list[str]
) -> None:
    edits = find_edits(hypothesis, reference)
    assert len(edits) == naive_distance(hypothesis, reference)
    assert all(right != written for right, written in edits)
    changed = Counter(reference)
    changed.subtract(right for right, _ in edits if right)
    changed.update(written for _, written in edits if written)
    assert +changed == Counter(hypothesis)
    assert min(changed.values(), default=0) >= 0


@given(WORDS, st.lists(WORDS, min_size=1, max_size=4))
def test_the_nearest_reference_is_the_longest_of_the_nearest(
    hypothesis: list[str], references: list[list[str]]
) -> None:
    nearest = nearest_reference(hypothesis, references)
    distances = [naive_distance(hypothesis, other) for other in references]
    close = [o for o, d in zip(references, distances, strict=True) if d == min(distances)]
    assert nearest in close
    assert len(nearest) == max(map(len, close))


@given(WORDS, WORDS)
def test_likeness_is_what_the_edits_leave_of_the_longer_one(
    one: list[str], other: list[str]
) -> None:
    pair = "".join(one), "".join(other)
    edits = naive_distance(list(pair[0]), list(pair[1]))
    assert count_edits(*pair) == edits
    assert measure_likeness([pair]) == 1 - edits / max(1, *map(len, pair))


def test_likeness_is_a_mean() -> None:
    assert measure_likeness([("abcd", "abcd"), ("abcd", "abxd"), ("ab", "")]) == 1.75 / 3
    assert measure_likeness([]) == 0


def test_edits_of_each_sort_by_hand() -> None:
    right = ["F", "OW", "V", "IY", "EY", "T"]
    assert find_edits(["F", "OW", "V", "IH", "EY", "T"], right) == [("IY", "IH")]
    assert find_edits(["F", "OW", "V", "EY", "T"], right) == [("IY", "")]
    assert find_edits([*right, "S"], right) == [("", "S")]
    assert find_edits(right, right) == []


# --- confusions, memory, worst --------------------------------------------------------------------


def test_confusions_are_counted_against_the_closest_reference() -> None:
    outputs = ["K IH T", "K IH T", "D AO", "D AO G", "S"]
    references = [["K AE T"], ["K AE T S", "K AE D"], ["D AO G"], ["D AA", "D AO G"], ["S IY"]]
    found = count_confusions(outputs, references, str.split)
    rows = [(row["reference"], row["output"], row["count"]) for row in found]
    # of the second, K AE T S is as close as K AE D, and longer
    assert rows == [("AE", "IH", 2), ("G", "", 1), ("IY", "", 1), ("S", "", 1)]
    assert count_confusions(outputs, references, str.split, most=1) == found[:1]
    letters = count_confusions(["abc"], [["xbc"]], list)
    assert letters == [{"reference": "x", "output": "a", "count": 1}]


def test_the_memory_answers_with_the_commonest_target() -> None:
    training = [("a", "1"), ("b", "2"), ("a", "3"), ("a", "3"), ("b", "4"), ("d", "5")]
    outputs, seen_share = remember(["c", "a", "b", "e", "f"], iter(training))
    assert outputs == ["", "3", "2", "", ""]
    assert seen_share == pytest.approx(2 / 5)


def test_the_memory_is_scored_with_an_interval() -> None:
    sources = [f"s{number}" for number in range(20)]
    training = [(source, source.upper()) for source in sources[:15]]
    references = [[source.upper() if number < 10 else "x"] for number, source in enumerate(sources)]
    found = diagnose_outputs(sources, ["?"] * 20, references, training, list)
    assert found["memory"]["value"] == 0.5
    assert 0.2 < found["memory"]["low"] < 0.4 and 0.6 < found["memory"]["high"] < 0.8
    assert found["seen"] == 0.75


def test_sources_that_are_nearly_right_are_a_baseline() -> None:
    pairs = [("thc cat", "the cat"), ("a dog", "a dog")]
    sources, targets = map(list, zip(*pairs, strict=True))
    found = diagnose_outputs(sources, targets, [[one] for one in targets], [], list)["unchanged"]
    assert found["exact_match"]["value"] == 0.5
    assert found["character_error_rate"]["value"] == pytest.approx(1 / 12)
    others = [["die Katze"], ["ein Hund"]]
    assert diagnose_outputs(sources, targets, others, [], list)["unchanged"] == {}


def test_the_worst_have_the_most_edits_and_no_right_ones() -> None:
    sources = ["one", "two", "three", "four"]
    outputs = ["a b", "a", "a b c d", "e"]
    references = [["a b"], ["b"], ["x", "e f g h i"], ["e f g", "q w"]]
    found = find_worst(sources, outputs, references, str.split)
    assert [(row["source"], row["edits"]) for row in found] == [
        ("three", 4),
        ("four", 2),
        ("two", 1),
    ]
    assert found[0]["reference"] == "x"
    assert [row["source"] for row in find_worst(sources, outputs, references, str.split, 1)] == [
        "three"
    ]


# --- with a model ---------------------------------------------------------------------------------


@pytest.mark.long
def test_a_diagnosis_of_a_model_is_that_of_its_outputs() -> None:
    translator = Translator.load(GOLDEN, threads=1)
    sources = [row["source"] for row in json.loads(GOLDEN.with_suffix(".json").read_text())]
    sources = [source for source in sources if source.strip()][:5]
    table = PairTable.from_texts(sources, [source[::-1] + "a" for source in sources])
    found = diagnose(evaluate(translator, table), table, translator)
    outputs = [one.text for one in translator.translate(sources)]
    edits = sum(
        naive_distance(list(output), list(source[::-1] + "a"))
        for output, source in zip(outputs, sources, strict=True)
    )
    assert sum(row["count"] for row in found["confusions"]) == edits > 0
    assert (found["memory"]["value"], found["seen"]) == (1.0, 1.0)
    assert found["worst"][0]["edits"] >= found["worst"][-1]["edits"] > 0


# --- terminal, card, bundle -----------------------------------------------------------------------

DIAGNOSIS = {
    "memory": {"value": 0.5, "low": 0.25, "high": 0.75, "signature": "s"},
    "seen": 0.6,
    "confusions": [
        {"reference": "AH", "output": "", "count": 12_000},
        {"reference": "", "output": "|", "count": 3},
    ],
    "worst": [{"source": "a|b*", "output": "", "reference": "x" * 50, "edits": 50}],
}


def test_the_terminal_gets_a_few_lines() -> None:
    lines = format_diagnosis(DIAGNOSIS).splitlines()
    assert len(lines) == 5
    assert "AH > ∅ 12,000, ∅ > | 3" in lines[1]
    assert lines[-1].split() == ["a|b*", "x" * 35 + "…"]
    left = {"exact_match": {"value": 0.1, "low": 0.05, "high": 0.15}}
    found = format_diagnosis({**DIAGNOSIS, "unchanged": left}).splitlines()
    assert found[1] == "the sources left as they are: exact match 10.0 % (5.0 % to 15.0 %)"
    assert found[2:] == lines[1:]
    unseen = {**DIAGNOSIS, "seen": 0.0, "confusions": [], "worst": []}
    assert format_diagnosis(unseen).count("\n") == 0
    assert "none of the sources" in format_diagnosis(unseen)
    assert format_diagnosis(None) == format_diagnosis({}) == ""


def test_the_card_is_made_again_from_the_bundle(tmp_path: Path) -> None:
    bundle = load_bundle(GOLDEN)
    scores = {"exact_match": {"value": 0.5, "low": 0.4, "high": 0.6, "signature": "s"}}
    bundle.scores = {"dev": scores, "test": scores}
    left = {"exact_match": {"value": 0.1, "low": 0.05, "high": 0.15}}
    bundle.summary.diagnosis = {"dev": {**DIAGNOSIS, "unchanged": left}}
    save_bundle(bundle, tmp_path / "model")
    again = load_bundle(tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert format_card(again) == card
    assert "| AH | ∅ | 12000 |" in card
    assert f"| a\\|b\\* | ∅ | {'x' * 50} | 50 |" in card
    assert "60.0 % of the sources" in card
    assert "left as they are have exact match 10.0 % (5.0 % to 15.0 %)." in card
    assert "Commonest errors on dev" in card and "errors on test" not in card


def test_an_old_bundle_has_a_card_without_it() -> None:
    bundle = load_bundle(GOLDEN)
    assert not bundle.summary.diagnosis
    assert "Commonest errors" not in format_card(bundle)


def test_facts_leave_tables_to_json() -> None:
    text = format_facts({"summary": {"pairs": 7, "diagnosis": {"dev": DIAGNOSIS}}})
    assert "AH" not in text and "seen  0.6" in text


def test_training_ends_with_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs, test, out = tmp_path / "pairs.tsv", tmp_path / "test.tsv", tmp_path / "model"
    words = [x + y + z for x in "abcde" for y in "abcde" for z in "abc"]
    pairs.write_text("".join(f"{w}\t{' '.join(w.upper())}\n" for w in words), encoding="utf-8")
    test.write_text("aaa\tA  A A\nabc\tA B D\nzzz\tA\n", encoding="utf-8")
    argv = ["train", str(pairs), "--out", str(out), "--dev", str(pairs), "--test", str(test)]
    argv += ["--hidden-size", "16", "--embedding-size", "8", "--num-layers", "1", "--num-heads"]
    argv += ["1", "--num-validations", "1", "--threads", "1", "--max-updates", "2"]
    assert main([*argv, "--target-tokens", "whitespace", "--no-memory"]) == 0
    err = capsys.readouterr().err
    assert "a memory of the training pairs: exact match 100.0 %" in err
    assert "exact match 33.3 %" in err and "66.7 % seen" in err
    assert err.count("commonest errors (right > written): ") == 2
    assert "left as they are" not in err
    found = load_bundle(out).summary.diagnosis
    assert found["dev"]["seen"] == 1.0
    assert found["test"]["memory"]["value"] == pytest.approx(1 / 3)  # blanks mean nothing
    assert "Commonest errors on test" in (out / "README.md").read_text(encoding="utf-8")
