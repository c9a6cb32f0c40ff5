"""The experiments on how attention focuses, and on how well it aligns words."""

from __future__ import annotations

import dataclasses
import json
import math
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from foveate.config import Config
from foveate.data.batching import collate
from foveate.data.bundled_data import load_demo
from foveate.data.table import PairTable
from foveate.experiments import EXPERIMENTS, aligner, focus
from foveate.experiments.aligning import (
    AHEAD,
    BACK,
    DIAGONAL,
    IBM,
    JOININGS,
    RAW,
    SHIFTED,
    Scores,
    align_corpus,
    draw_sentences,
)
from foveate.experiments.dates_aligned import align_dates
from foveate.experiments.experiment import Budget, Findings, Progress
from foveate.experiments.focusing import Look, Observed, find_half_way
from foveate.experiments.ibm_model import EMPTY, learn_model_1
from foveate.experiments.invented_language import (
    ADJECTIVES,
    LIGHT_VERB,
    NEVER,
    NUM_NAMES,
    OBJECT,
    SUBJECT,
    InventedLanguage,
)
from foveate.experiments.looks import look_at_pairs, spread_looks, train_with_looks
from foveate.insight.alignment import pool_to_words
from foveate.insight.bars import draw_bars
from foveate.insight.focus import entropies, shares_near
from foveate.insight.grids import Grid, Moment, draw_film, draw_grids
from foveate.insight.symmetry import AlignmentScore, join_directions, score_alignments
from foveate.search.workers import granted_threads
from foveate.torch_backend import TorchStepper
from foveate.training.prepare import prepare
from foveate.training.run import train

SVG = "{http://www.w3.org/2000/svg}"
HAUS = [["das", "Haus"], ["das", "Buch"], ["ein", "Buch"]]
HOUSE = [["the", "house"], ["the", "book"], ["a", "book"]]
Link = tuple[int, int]
LINKS = st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=9)


# How sharp attention is


def test_the_entropy_of_weights_is_that_of_scipy() -> None:
    weights = np.random.default_rng(3).dirichlet(np.full(7, 0.3), size=5)
    weights[1] = np.eye(7)[4]
    np.testing.assert_allclose(entropies(weights), [entropy(row) for row in weights], atol=1e-12)
    assert entropies(np.full((1, 7), 1 / 7))[0] == pytest.approx(math.log(7))


def test_the_share_near_a_place_stops_at_the_edges() -> None:
    weights = np.array([[0.5, 0.2, 0.2, 0.1]] * 3)
    near = shares_near(weights, np.array([0, 1, 3]), reach=1)
    assert near.tolist() == pytest.approx([0.5 + 0.2, 0.5 + 0.2 + 0.2, 0.2 + 0.1])


# IBM model 1


def count_by_brute_force(rounds: int) -> dict[tuple[str, str], float]:
    """Do expectation-maximisation over all alignments of the three sentences, one by one."""
    chances: dict[tuple[str, str], float] = defaultdict(lambda: 1.0)
    for _ in range(rounds):
        counts: dict[tuple[str, str], float] = defaultdict(float)
        for source, target in zip(HAUS, HOUSE, strict=True):
            words = [EMPTY, *source]
            ways = list(product(range(len(words)), repeat=len(target)))
            shares = [
                math.prod(chances[words[i], f] for i, f in zip(way, target, strict=True))
                for way in ways
            ]
            for way, share in zip(ways, shares, strict=True):
                for i, f in zip(way, target, strict=True):
                    counts[words[i], f] += share / sum(shares)
        totals: dict[str, float] = defaultdict(float)
        for (e, _), count in counts.items():
            totals[e] += count
        chances = defaultdict(float, {pair: n / totals[pair[0]] for pair, n in counts.items()})
    return chances


@pytest.mark.parametrize("rounds", [1, 2, 7])
def test_model_1_counts_what_all_alignments_together_count(rounds: int) -> None:
    expected = count_by_brute_force(rounds)
    found = learn_model_1(HAUS, HOUSE, rounds).chances
    assert set(found) == set(expected)
    for pair, chance in expected.items():
        assert found[pair] == pytest.approx(chance, abs=1e-12), pair


def test_model_1_finds_the_translations_of_the_three_sentences() -> None:
    model = learn_model_1(HAUS, HOUSE, 30)
    for source, target in zip(HAUS, HOUSE, strict=True):
        assert model.align(source, target) == {(0, 0), (1, 1)}
    assert model.share(["nie", "gesehen"], ["never"]).tolist() == [[1 / 3, 1 / 3, 1 / 3]]


# Alignments: joined and scored


def test_the_error_rate_is_that_of_the_equation_by_hand() -> None:
    # Of two pairs 5 links: 3 sure ones of 4, 1 that is only possible, 1 wrong.
    score = score_alignments(
        [
            ({(0, 0), (1, 1), (2, 0)}, {(0, 0), (1, 1)}, {(1, 1), (2, 2)}),
            ({(0, 1), (1, 1)}, {(0, 1), (1, 0)}, {(1, 1)}),
        ]
    )
    assert score.precision == pytest.approx(4 / 5)
    assert score.recall == pytest.approx(3 / 4)
    assert score.error_rate == pytest.approx(1 - (3 + 4) / (5 + 4))


def test_no_links_find_nothing_and_are_wrong_about_nothing() -> None:
    score = score_alignments([(set(), {(0, 0)}, set())])
    assert (score.precision, score.recall, score.error_rate) == (1.0, 0.0, 1.0)


def test_two_directions_grow_together_as_worked_out_by_hand() -> None:
    # The intersection is (0, 0). (1, 1) touches it and brings both words in. (2, 1) touches that,
    # and source 2 is free. (0, 1) touches, too, but source 0 and target 1 have links by then.
    # (4, 4) touches nothing, but both of its words are free; (4, 0) has a target that is taken.
    ahead = {(0, 0), (1, 1), (2, 1), (4, 4)}
    back = {(0, 0), (0, 1), (4, 0)}
    joined = join_directions(ahead, back, "grow-diag-final-and")
    assert (0, 0) in joined
    assert (4, 4) in joined
    assert (4, 0) not in joined
    assert joined == {(0, 0), (0, 1), (1, 1), (2, 1), (4, 4)}


@given(LINKS, LINKS)
def test_joined_links_lie_between_intersection_and_union(ahead: set[Link], back: set[Link]) -> None:
    joined = join_directions(ahead, back, "grow-diag-final-and")
    assert ahead & back == join_directions(ahead, back, "intersection") <= joined
    assert joined <= join_directions(ahead, back, "union") == ahead | back
    for i, j in ahead | back:  # whatever was left out has a word that is linked
        assert i in {one for one, _ in joined} or j in {other for _, other in joined}


# The made-up language


def test_the_made_up_language_is_what_it_is_said_to_be() -> None:
    language = InventedLanguage(seed=2)
    texts = [language.draw_sentence() for _ in range(1000)]
    translations: dict[str, set[str]] = defaultdict(set)
    lengths: Counter[tuple[int, int]] = Counter()
    for one in texts:
        sure, linked = one.sure, {i for i, _ in one.sure}
        assert not sure & one.possible
        free = {one.source[i] for i in range(len(one.source)) if i not in linked}
        assert free <= {"the", "a", *ADJECTIVES.split()}
        written = {j for _, j in sure}
        assert {one.target[j] for j in range(len(one.target)) if j not in written} <= {
            SUBJECT,
            OBJECT,
        }
        for i, j in sure:
            translations[one.source[i]].add(one.target[j])
            lengths[sum(i == other for other, _ in sure), sum(j == other for _, other in sure)] += 1
        assert one.target[-2] not in (SUBJECT, OBJECT)  # the verb is there
    assert max(len(words) for words in translations.values()) <= 4
    assert {(1, 1), (2, 1), (1, 2)} <= set(lengths)
    assert translations["never"] == {NEVER}
    assert any(LIGHT_VERB in words for words in translations.values())
    crossing = sum(i > k and j < m for one in texts for i, j in one.sure for k, m in one.sure)
    assert crossing > len(texts)
    names = Counter(w for one in texts for w in one.source if w[0].isupper())
    expected = 1 / sum(1 / rank for rank in range(1, NUM_NAMES + 1))
    assert names.most_common(1)[0][1] / names.total() == pytest.approx(expected, rel=0.25)


def test_the_same_seed_makes_the_same_language() -> None:
    one, other, third = (InventedLanguage(seed).draw_sentence() for seed in (5, 5, 6))
    assert one == other != third


def test_the_notation_of_dates_links_every_word() -> None:
    demo = load_demo("dates")
    for source, target in zip(demo.test.sources(), demo.test.targets(), strict=True):
        text = align_dates(source, target)
        assert (" ".join(text.source), " ".join(text.target)) == (source, target)
        assert {i for i, _ in text.sure | text.possible} == set(range(len(text.source)))
        assert sorted(j for _, j in text.sure) == list(range(len(text.target)))
        for i, j in text.sure:  # the numbers of days and years are written alike
            number = text.source[i].strip(",;")
            assert not number.isdigit() or text.target[j].strip(".,;") == number


def test_weights_of_words_are_those_of_their_tokens() -> None:
    weights = np.random.default_rng(2).dirichlet(np.ones(5), size=3)
    pooled = pool_to_words(weights, [0, 0, -1, 1, 1], [0, -1, 0])
    expected = [
        [sum(weights[t, s] for t in (0, 2) for s in columns) / 2 for columns in ((0, 1), (3, 4))]
    ]
    np.testing.assert_allclose(pooled, expected)


# Looking between two updates

TINY = {
    "hidden_size": 16,
    "embedding_size": 12,
    "num_layers": 1,
    "source_tokens": "characters",
    "target_tokens": "characters",
    "location_window": 0,
    "memory": False,
    "dropout": 0.0,
    "batch_tokens": 200,
}


def make_reversals(count: int) -> PairTable:
    drawn = np.random.default_rng(1)
    words = ["".join(drawn.choice(list("abcdefgh"), drawn.integers(3, 7))) for _ in range(count)]
    return PairTable.from_texts(words, [word[::-1] for word in words])


def test_looks_between_updates_are_those_of_the_whole_target_at_once() -> None:
    table = make_reversals(60)
    prepared = prepare(table, table, Config(max_updates=3, **TINY))
    pairs = [("abc", "cba"), ("hgfed", "de"), ("a", "aaaa")]
    for _, translator in train_with_looks(prepared, [2]):
        found = look_at_pairs(translator, pairs)
        stepper = translator.stepper
    assert isinstance(stepper, TorchStepper)
    source, target = translator.source_codec, translator.target_codec
    for (one, other), weights in zip(pairs, found, strict=True):
        batch = collate([source.encode(one)], [target.encode(other)])
        with torch.no_grad():
            output = stepper.model(
                torch.from_numpy(batch.source),
                torch.from_numpy(batch.source_mask),
                torch.from_numpy(batch.target_in),
            )
        assert weights.shape == (len(other) + 1, len(one))
        np.testing.assert_allclose(weights, output.attention[0, 0].numpy(), atol=1e-5)


def test_looking_does_not_change_what_is_learnt() -> None:
    table = make_reversals(60)
    config = Config(max_updates=4, num_validations=1, threads=granted_threads(), **TINY)
    for _, translator in train_with_looks(prepare(table, table, config), [0, 1, 4]):
        look_at_pairs(translator, [("abc", "cba")])
    assert isinstance(translator.stepper, TorchStepper)
    trained = train(table, table, config)
    for name, parameter in translator.stepper.model.named_parameters():
        np.testing.assert_array_equal(
            parameter.detach().numpy(), trained.translator.bundle.weights[name], err_msg=name
        )


@pytest.mark.long
def test_attention_that_begins_evenly_comes_to_a_focus() -> None:
    table = make_reversals(300)
    changed = {"hidden_size": 24, "location_window": 5, "batch_tokens": 150, "learning_rate": 0.02}
    config = Config(max_updates=140, **{**TINY, **changed})
    pairs = list(zip(table.sources(), table.targets(), strict=True))[:40]
    measured = []
    for _, translator in train_with_looks(prepare(table, table, config), [0, 140]):
        rows = [one[:-1] for one in look_at_pairs(translator, pairs)]
        measured.append(np.concatenate([entropies(one) for one in rows]).mean())
    even = np.mean([math.log(len(one)) for one, _ in pairs for _ in one])
    assert measured[0] == pytest.approx(even, rel=0.02)
    assert measured[1] < 0.5 * even
    is_right = np.concatenate([one.argmax(axis=1) == np.arange(len(one))[::-1] for one in rows])
    assert is_right.mean() > 0.8  # the anti-diagonal


def test_looks_are_closer_together_at_first() -> None:
    looks = spread_looks(900, 13)
    assert (looks[0], looks[-1], len(looks)) == (0, 900, 13)
    steps = np.diff(looks)
    assert (np.diff(steps) > 0).all()


# Pictures


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def test_a_film_has_a_frame_for_each_moment_and_shows_the_last_one_without_motion() -> None:
    moments = [
        Moment(f"update {k}", [Grid("one", ["a", "b", "c"], ["A", "B"], np.full((2, 3), k / 4))])
        for k in range(4)
    ]
    film = parse(draw_film(moments, "It learns."))
    frames = [one for one in film.iter(f"{SVG}g") if "frame" in one.get("class", "")]
    assert [one.get("class") for one in frames] == [
        "frame f0",
        "frame f1",
        "frame f2",
        "frame f3 last",
    ]
    assert [[text.text for text in one.iter(f"{SVG}text")][-1] for one in frames] == [
        "update 0",
        "update 1",
        "update 2",
        "update 3",
    ]
    style = next(film.iter(f"{SVG}style")).text or ""
    assert "@media (prefers-reduced-motion:reduce){.film .frame{animation:none!important}}" in style
    assert ".film .frame{visibility:hidden" in style
    assert ".film .last{visibility:visible}" in style
    assert not list(film.iter(f"{SVG}script"))


def test_a_grid_shows_each_weight_at_its_place_and_each_gold_link() -> None:
    weights = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    grid = Grid("x", list("abc"), list("AB"), weights, "", frozenset({(0, 0)}), frozenset({(2, 1)}))
    root = parse(draw_grids([Moment("", [grid])], "A sentence."))
    darkest = [one.get("d") for one in root.iter(f"{SVG}path") if one.get("class") == "w23"]
    assert darkest == ["M0 0h1v1h-1zM1 1h2v1h-2z"]
    marks = [one for one in root.iter(f"{SVG}rect") if one.get("class") == "mark"]
    across = [float(one.get("x", "")) for one in marks[:2]]
    assert across[1] - across[0] == pytest.approx(2 * 22)
    assert [one.get("stroke-dasharray") is not None for one in marks[:2]] == [False, True]


def test_bars_are_as_long_as_their_numbers() -> None:
    root = parse(draw_bars({"a": {"x": 10.0, "y": 2.5}, "b": {"": 5.0}}, "T", "per cent"))
    bars = [one for one in root.iter(f"{SVG}rect") if one.get("class", "").startswith("d")]
    widths = [float(one.get("width", "")) for one in bars]
    assert widths == pytest.approx([widths[0], widths[0] / 4, widths[0] / 2], abs=0.1)


# What the claims make of numbers


def observe(entropies: list[float], near: list[float]) -> Observed:
    looks = [
        Look(100 * k, one, 0.5, 0.0, other, [[1000]])
        for k, (one, other) in enumerate(zip(entropies, near, strict=True))
    ]
    return Observed(looks, 0.5, 0.1)


def test_the_claims_of_focus_are_read_off_the_numbers() -> None:
    found = {
        "softmax": observe([2.0, 1.5, 0.8], [0.2, 0.4, 0.8]),
        "entmax": observe([2.0, 1.0, 0.5], [0.2, 0.5, 0.8]),
        "location": observe([1.99, 1.0, 0.7], [0.2, 0.6, 0.8]),
    }
    assert find_half_way(found["softmax"]) == pytest.approx(125)
    assert find_half_way(found["location"]) == pytest.approx(75)
    assert set(focus.check_claims(found, 2.0).values()) == {True}
    blunt = observe([2.0, 1.9, 1.7], [0.2, 0.3, 0.4])
    assert find_half_way(blunt) == math.inf
    failed = focus.check_claims({**found, "entmax": blunt, "location": blunt}, 2.0)
    assert failed == {
        "begins_even": True,
        "comes_to_a_focus": False,
        "entmax_is_sharper": False,
        "location_is_sooner": False,
    }


def score_all(rate: float, joined: float, diagonal: float) -> Scores:
    def score(value: float) -> AlignmentScore:
        return AlignmentScore(0.5, 0.5, value)

    own = {AHEAD: score(rate), BACK: score(rate), **dict.fromkeys(JOININGS, score(joined))}
    return {DIAGONAL: {"": score(diagonal)}, RAW: own, SHIFTED: own, IBM: own}


def test_the_claims_of_aligner_are_read_off_the_error_rates() -> None:
    assert set(aligner.check_claims(score_all(0.3, 0.25, 0.7)).values()) == {True}
    assert set(aligner.check_claims(score_all(0.3, 0.35, 0.55)).values()) == {False}


# The experiments in small


def run(name: str, scale: float, folder: Path | None = None) -> Findings:
    told: list[tuple[float, float]] = []
    findings = EXPERIMENTS[name].run(
        Budget(scale, 1, folder), lambda done, total, what: told.append((done, total))
    )
    assert told == sorted(told)
    assert told[-1][0] == pytest.approx(told[-1][1])
    return findings


@pytest.mark.long
def test_focus_in_small_measures_three_models_and_recalls_them(tmp_path: Path) -> None:
    findings = run("focus", 0.01, tmp_path)
    again = run("focus", 0.01, tmp_path)
    assert again == findings
    numbers = findings.numbers
    models = numbers["models"]
    assert isinstance(models, dict)
    assert set(models) == {"softmax", "entmax", "location"}
    for one in models.values():
        assert one["looks"][0]["entropy"] == pytest.approx(numbers["even_entropy"], rel=0.02)
    assert findings.pictures[0].is_animation
    for picture in findings.pictures:
        parse(picture.svg)
        assert len(picture.svg.encode()) < 100_000


def test_aligner_in_small_scores_every_way() -> None:
    budget = Budget(0.01, seed=1)
    outcome = align_corpus(draw_sentences(budget), budget, Progress(lambda *told: None, 2))
    dates = dataclasses.replace(outcome, corpus=dataclasses.replace(outcome.corpus, name="dates"))
    findings = aligner.conclude([outcome, dates])
    corpora = findings.numbers["corpora"]
    assert isinstance(corpora, dict)
    assert set(corpora) == {"sentences", "dates"}
    scores = corpora["sentences"]["scores"]
    assert [len(own) for own in scores.values()] == [1, 5, 5, 5]
    counted = scores[IBM]
    assert counted["intersection"]["precision"] > counted["union"]["precision"]
    assert counted["intersection"]["recall"] < counted["union"]["recall"]
    assert counted["union"]["error_rate"] < scores[DIAGONAL]["both"]["error_rate"]
    for picture in findings.pictures:
        parse(picture.svg)
    assert json.dumps(findings.numbers)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_attention_aligns_better_than_the_diagonal() -> None:
    budget = Budget(1.0, seed=1)
    found = align_corpus(draw_sentences(budget), budget, Progress(lambda *told: None, 2))
    assert aligner.check_claims(found.scores)["far_better_than_the_diagonal"]
