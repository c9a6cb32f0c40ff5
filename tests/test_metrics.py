"""Metrics: naive implementations, sacrebleu's public functions and known values agree."""

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from foveate.errors import ConfigError, DataError
from foveate.metrics import (
    CHUNK,
    METRICS,
    Score,
    Statistics,
    bin_items,
    bleu,
    character_error_rate,
    choose_bleu_tokenizer,
    choose_telling,
    chrf,
    collect_statistics,
    count_shares,
    estimate_share_interval,
    exact_match,
    measure,
    token_error_rate,
)

WORDS = st.lists(st.sampled_from(["ab", "b", "cab", "d.", "E"]), max_size=7).map(" ".join)
ITEMS = st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3)), min_size=1, max_size=5)

HYPOTHESES = ["the cat sat on the mat .", "a dog barks", "Birds sing loudly in the tree", "no"]
REFERENCES = [
    ["the cat sat on a mat .", "a cat was on the mat ."],
    ["a dog barks"],
    ["birds sing in the trees", "Birds are singing in a tree", "birds sing"],
    ["yes indeed"],
]


def naive_distance(left: Sequence[str], right: Sequence[str]) -> int:
    table = [[i + j for j in range(len(right) + 1)] for i in range(len(left) + 1)]
    for i in range(1, len(left) + 1):
        for j in range(1, len(right) + 1):
            change = table[i - 1][j - 1] + (left[i - 1] != right[j - 1])
            table[i][j] = min(change, table[i - 1][j] + 1, table[i][j - 1] + 1)
    return table[-1][-1]


def naive_error_rate(pairs: list[tuple[Sequence[str], list[Sequence[str]]]]) -> float:
    edits = total = 0
    for output, accepted in pairs:
        nearest = min(naive_distance(output, one) for one in accepted)
        edits += nearest
        total += max(len(one) for one in accepted if naive_distance(output, one) == nearest)
    return edits / total if total else min(edits, 1)


def split(items: list[tuple[str, list[str]]]) -> tuple[list[str], list[list[str]]]:
    return [output for output, _ in items], [accepted for _, accepted in items]


@given(ITEMS)
def test_error_rates_against_naive(items: list[tuple[str, list[str]]]) -> None:
    tokens = [(output.split(), [one.split() for one in accepted]) for output, accepted in items]
    assert token_error_rate(*split(items)).value() == pytest.approx(naive_error_rate(tokens))
    assert character_error_rate(*split(items)).value() == pytest.approx(naive_error_rate(items))


@given(ITEMS)
def test_exact_match_against_naive(items: list[tuple[str, list[str]]]) -> None:
    right = sum(any(output == one for one in accepted) for output, accepted in items)
    assert exact_match(*split(items)).value() == pytest.approx(right / len(items))


def as_streams(references: list[list[str]]) -> list[list[str | None]]:
    most = max(map(len, references))
    return [[row[n] if n < len(row) else None for row in references] for n in range(most)]


@given(ITEMS, st.sampled_from(["none", "13a", "char"]))
def test_bleu_and_chrf_are_those_of_sacrebleu(
    items: list[tuple[str, list[str]]], tokenize: str
) -> None:
    outputs, references = split(items)
    streams = as_streams(references)
    public = sacrebleu.BLEU(tokenize=tokenize, force=True).corpus_score(outputs, streams)
    assert bleu(outputs, references, tokenize=tokenize).value() == pytest.approx(public.score)
    public = sacrebleu.CHRF().corpus_score(outputs, streams)
    assert chrf(outputs, references).value() == pytest.approx(public.score)


def test_closest_reference_and_longest_of_a_tie() -> None:
    # one edit from each of the first two; the longer one divides
    rate = token_error_rate(["K AE T"], [["K AE", "K AE T S", "D"]])
    assert rate.rows.tolist() == [[1, 4]]
    # a perfect short one is closer than a long one
    assert token_error_rate(["A"], [["A B C", "A"]]).rows.tolist() == [[0, 1]]
    # micro average: 1 edit in 1 + 9 tokens
    rates = token_error_rate(["X", "a b c d e f g h i"], [["A"], ["a b c d e f g h i"]])
    assert rates.value() == pytest.approx(1 / 10)


def test_no_reference_tokens_at_all() -> None:
    assert token_error_rate([""], [[""]]).value() == 0
    assert token_error_rate(["a b"], [[""]]).value() == 1
    assert math.isfinite(measure(["", "a"], [[""], [""]])["token_error_rate"].high)


def test_measure_is_all_metrics_in_order() -> None:
    scores = measure(HYPOTHESES, REFERENCES)
    assert tuple(scores) == METRICS
    assert scores["exact_match"].value == 0.25
    for score in scores.values():
        assert score.low <= score.value <= score.high
        assert score.low < score.high
    assert json.loads(json.dumps(scores["bleu"].to_dict())).keys() == {
        "value",
        "low",
        "high",
        "signature",
    }
    chosen = measure(HYPOTHESES, REFERENCES, names=["chrf", "exact_match"])
    assert tuple(chosen) == ("exact_match", "chrf")
    assert chosen["chrf"] == scores["chrf"]


def test_signatures() -> None:
    scores = measure(HYPOTHESES, REFERENCES, bleu_tokenize="none", resamples=11, seed=5)
    signatures = {name: score.signature for name, score in scores.items()}
    version = sacrebleu.__version__
    assert signatures["exact_match"].startswith("exact_match|refs:any|interval:wilson|v:")
    assert signatures["token_error_rate"].startswith(
        "token_error_rate|refs:closest|tokens:whitespace|average:micro|bootstrap:11|seed:5|v:"
    )
    assert signatures["character_error_rate"].startswith(
        "character_error_rate|refs:closest|characters:codepoints|average:micro|"
    )
    assert signatures["bleu"] == (
        "BLEU|nrefs:var|bs:11|seed:5|case:mixed|eff:no|tok:none|smooth:exp|version:" + version
    )
    assert signatures["chrf"] == (
        "chrF2|nrefs:var|bs:11|seed:5|case:mixed|eff:yes|nc:6|nw:0|space:no|version:" + version
    )
    single = measure(["a"], [["a"]], resamples=0)
    assert single["exact_match"].signature.startswith("exact_match|refs:1|v:")
    assert single["bleu"].signature.startswith("BLEU|nrefs:1|case:mixed|")


def naive_interval(statistics: Statistics, resamples: int, seed: int) -> list[float]:
    generator = np.random.default_rng(seed)
    n = len(statistics.rows)
    drawn = [generator.integers(n, size=n) for _ in range(resamples)]
    values = sorted(statistics.value(rows) for rows in drawn)
    return [float(np.percentile(values, percent)) for percent in (2.5, 97.5)]


@pytest.mark.parametrize("name", METRICS[1:])
def test_intervals_against_naive_resampling(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = collect_statistics(HYPOTHESES, REFERENCES)[name]
    score = measure(HYPOTHESES, REFERENCES, resamples=97, seed=3)[name]
    assert [score.low, score.high] == pytest.approx(naive_interval(statistics, 97, 3))
    monkeypatch.setattr("foveate.metrics.DRAWN_AT_ONCE", 23)  # five of them, then five more
    assert score == measure(HYPOTHESES, REFERENCES, resamples=97, seed=3)[name]
    alone = measure(HYPOTHESES, REFERENCES, resamples=97, seed=3, names=[name])
    assert score == alone[name]


def score_shares(right: int, n: int) -> Score:
    references = [["a"]] * right + [["b"]] * (n - right)
    return measure(["a"] * n, references, names=["exact_match"])["exact_match"]


def test_interval_of_a_proportion_is_the_textbook_one() -> None:
    n, right = 1009, 353
    score = score_shares(right, n)
    share = right / n
    half = 1.96 * math.sqrt(share * (1 - share) / n)
    assert score.low == pytest.approx(share - half, abs=0.004)
    assert score.high == pytest.approx(share + half, abs=0.004)


@pytest.mark.parametrize(("right", "n"), [(5, 5), (0, 7), (1, 1), (3, 11), (353, 1009)])
def test_interval_of_a_share_holds_what_its_test_would_not_refuse(right: int, n: int) -> None:
    score = score_shares(right, n)
    assert score.value == right / n
    assert score.low < score.high
    grid = np.linspace(0, 1, 200_001)[1:-1]
    distance = np.abs(score.value - grid) / np.sqrt(grid * (1 - grid) / n)
    kept = grid[distance <= 1.959964]  # of a normal approximation at each share
    assert score.low == pytest.approx(kept.min() if right else 0, abs=1e-4)
    assert score.high == pytest.approx(kept.max() if right < n else 1, abs=1e-4)


def test_items_of_many_rows_count_as_what_they_can_tell() -> None:
    each = estimate_share_interval(count_shares([(1, 1), (0, 1)] * 13, "x"))
    assert estimate_share_interval(count_shares([(7, 7), (0, 7)] * 13, "x")) == each
    one_large = estimate_share_interval(count_shares([(99, 99), (0, 1)], "x"))
    assert one_large[1] - one_large[0] > 0.75  # nearly a single item


def test_no_error_is_no_certainty() -> None:
    for n, most in ((5, 0.4345), (50, 0.0714)):
        scores = measure(["a b"] * n, [["a b"]] * n)
        for name in ("token_error_rate", "character_error_rate"):
            assert scores[name].low == scores[name].value == 0
            assert scores[name].high == pytest.approx(most, abs=1e-4)


def test_statistics_of_many_items_are_those_of_each() -> None:
    rng = np.random.default_rng(7)
    words = ["ab", "b", "cab", "d.", "E"]
    count = 2 * CHUNK + 17
    outputs = [" ".join(rng.choice(words, rng.integers(1, 7))) for _ in range(count)]
    references = [[" ".join(rng.choice(words, 5))] * (1 + (n == 3)) for n in range(count)]
    found = collect_statistics(outputs, references)
    for name in METRICS:
        for place in (0, 3, CHUNK - 1, CHUNK, count - 1):
            alone = collect_statistics([outputs[place]], [references[place]], names=[name])
            assert found[name].rows[place].tolist() == alone[name].rows[0].tolist()
    assert "nrefs:var" in found["bleu"].sign(0, 1)
    whole = sacrebleu.corpus_bleu(outputs, [[row[0] for row in references]], force=True)
    assert found["bleu"].value() == pytest.approx(whole.score)


JAPANESE = ["へやにいきました。", "ともだちとほんへ。"]


@pytest.mark.parametrize(
    ("texts", "tokenizer"),
    [
        (["the cat sat on the mat"], "13a"),
        (["שלום לכולם"], "13a"),
        (["나는 학교에 갔다"], "13a"),
        (JAPANESE, "char"),
        (["学校へ行く。", "水がほしい。"], "char"),
        (["我们去学校。", "他们喝水，看书。"], "zh"),
        (["ฉันไปโรงเรียน"], "char"),
        (["the word 水 means water"], "13a"),
        ([""], "13a"),
    ],
)
def test_bleu_splits_what_has_no_blanks(texts: list[str], tokenizer: str) -> None:
    assert choose_bleu_tokenizer([[text] for text in texts]) == tokenizer


@pytest.mark.parametrize(
    ("texts", "tokenizer", "telling"),
    [
        (["canto", "cantas"], "13a", {"exact_match", "character_error_rate", "chrf"}),
        (JAPANESE, "char", {"exact_match", "character_error_rate", "chrf", "bleu"}),
        (["K AE", "D AO"], "13a", set(METRICS) - {"bleu"}),
        (["the cat sat down", "a dog ran away"], "13a", set(METRICS)),
    ],
)
def test_only_metrics_that_mean_something(
    texts: list[str], tokenizer: str, telling: set[str]
) -> None:
    references = [[text] for text in texts]
    chosen = collect_statistics(texts, references, bleu_tokenize=tokenizer)
    assert set(choose_telling(references, chosen)) == telling
    for name in telling & {"bleu", "chrf"}:  # right outputs have the best value
        assert chosen[name].value() == pytest.approx(100)


def test_without_resamples_there_is_no_interval() -> None:
    for score in measure(HYPOTHESES, REFERENCES, resamples=0).values():
        assert score.low == score.value == score.high


def test_refusals() -> None:
    with pytest.raises(DataError, match="nothing to score"):
        measure([], [])
    with pytest.raises(ConfigError, match="blue: unknown metric, did you mean bleu"):
        measure(["a"], [["a"]], names=["blue"])
    with pytest.raises(ConfigError, match="'flores200' is not one of none, 13a"):
        measure(["a"], [["a"]], bleu_tokenize="flores200")
    with pytest.raises(ValueError, match="2 hypotheses but 1 lists"):
        measure(["a", "b"], [["a"]])
    for references in (["a"], [[]]):
        with pytest.raises(ValueError, match="one or more strings"):
            measure(["a"], references)


# --- by length ------------------------------------------------------------------------------------


def by_length(
    lengths: Sequence[int],
    outputs: Sequence[str],
    references: Sequence[Sequence[str]],
    edges: Sequence[int] | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    return bin_items(lengths, collect_statistics(outputs, references, **options), edges)


def test_bins_of_given_edges() -> None:
    lengths = [3, 11, 5, 40]
    table = by_length(lengths, HYPOTHESES, REFERENCES, edges=[5, 20, 30], bleu_tokenize="none")
    shape = [(row["low"], row["high"], row["sources"]) for row in table]
    assert shape == [(3, 5, 2), (6, 20, 1), (31, 40, 1)]
    for row, items in zip(table, ([0, 2], [1], [3]), strict=True):
        alone = measure(
            [HYPOTHESES[item] for item in items],
            [REFERENCES[item] for item in items],
            bleu_tokenize="none",
            resamples=0,
        )
        for name, score in alone.items():
            assert row[name] == pytest.approx(score.value)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=499))
def test_found_bins_cover_every_item_once(lengths: list[int]) -> None:
    items = ["a"] * len(lengths)
    table = by_length(lengths, items, [["a"]] * len(lengths), names=["exact_match"])
    assert sum(row["sources"] for row in table) == len(lengths)
    assert len(table) <= 8
    for row in table:
        assert row["sources"] == sum(row["low"] <= length <= row["high"] for length in lengths)
        assert row["sources"] >= min(10, len(lengths))
    assert all(first["high"] < second["low"] for first, second in itertools.pairwise(table))


def test_found_edges_are_readable() -> None:
    lengths = np.random.default_rng(1).poisson(12, 5003) + 1
    items = ["a"] * len(lengths)
    table = by_length(lengths.tolist(), items, [["a"]] * len(items), names=["exact_match"])
    assert 5 <= len(table) <= 8
    assert all(row["high"] in (*range(1, 11), 12, 14, 15, 16, 18, 20, 25) for row in table[:-1])
    assert json.dumps(table)
