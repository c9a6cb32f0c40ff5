"""Prefixes, demands, bans and mixed batches against brute force over all short outputs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.errors import SearchError
from foveate.records import Sampling
from foveate.search import Hypothesis, Query, search
from foveate.search.automaton import build_phrases
from foveate.text.vocabulary import BOS, EOS, UNK
from test_search import FakeStepper, assert_same, make_sources, walk_slowly

LONGEST = 4
TEXTS = {4: "a", 5: "ab", 6: "b", 7: "ba"}
SIZE = 8
tokens = st.integers(4, 7)
sequences = st.lists(tokens, min_size=1, max_size=3).map(tuple)
alternatives = st.lists(sequences, min_size=1, max_size=2, unique=True).map(tuple)


def score_all(stepper: Any, source: Any, mask: Any) -> dict[tuple[int, ...], float]:
    """Return the log-probability of every output of at most `LONGEST` tokens, EOS included."""
    scores: dict[tuple[int, ...], float] = {}

    def visit(ids: tuple[int, ...], score: float, state: Any) -> None:
        step = stepper.step(state, np.array([ids[-1] if ids else BOS]), None)
        scores[ids] = score + float(step.log_probs[0, EOS])
        if len(ids) < LONGEST:
            for token in range(EOS + 1, SIZE):
                visit((*ids, token), score + float(step.log_probs[0, token]), step.state)

    visit((), 0.0, stepper.start(source[None], mask[None], attention=False))
    return scores


def build_lattice(text: str) -> tuple[dict[int, int], ...]:
    """Say "the output begins with this text", as the docstring of `Query` does it."""
    places = []
    for place in range(len(text)):
        rest = text[place:]
        edges = {token: place + len(own) for token, own in TEXTS.items() if rest.startswith(own)}
        edges |= {token: len(text) for token, own in TEXTS.items() if own.startswith(rest)}
        places.append(edges)
    return tuple(places)


def contains(ids: tuple[int, ...], sequence: tuple[int, ...]) -> bool:
    return any(ids[i : i + len(sequence)] == sequence for i in range(len(ids)))


def obeys(ids: tuple[int, ...], query: Query, text: str) -> bool:
    """Tell whether an output keeps the rules of a query, by their definitions."""
    free = len(query.prefix)
    if ids[:free] != query.prefix:
        return False
    if not "".join(TEXTS[token] for token in ids[free:]).startswith(text):
        return False
    while len("".join(TEXTS[token] for token in ids[len(query.prefix) : free])) < len(text):
        free += 1
    if any(contains(ids, sequence) for sequence in query.must_not):
        return False
    if not all(any(contains(ids, one) for one in item) for item in query.must):
        return False
    size = query.no_repeat
    for end in range(max(free + 1, size), len(ids) + 1):
        gram = ids[end - size : end]
        if size and contains(ids[: end - 1], gram):
            return False
    return True


@st.composite
def ruled_queries(draw: Any, **fixed: Any) -> tuple[Query, str]:
    text = draw(st.sampled_from(["", "", "a", "ab", "aba", "b", "bab"]))
    options = {
        "prefix": draw(st.lists(tokens, max_size=1).map(tuple)),
        "begins": build_lattice(text),
        "must": tuple(draw(st.lists(alternatives, max_size=2))),
        "must_not": tuple(draw(st.lists(sequences, max_size=2))),
        "no_repeat": draw(st.sampled_from([0, 0, 1, 2])),
        "length_penalty": draw(st.sampled_from([0.0, 0.7, 1.0])),
    } | fixed
    must_not = [one for one in options["must_not"] if not contains(options["prefix"], one)]
    must = [
        item
        for item in options["must"]
        if any(not any(contains(one, bad) for bad in must_not) for one in item)
    ]
    return Query(**{**options, "must": tuple(must), "must_not": tuple(must_not)}), text


@given(
    seed=st.integers(0, 10_000),
    ruled=ruled_queries(max_length=LONGEST, beam_size=350, n_best=3),
    end_bias=st.sampled_from([-1.0, 1.0]),
)
def test_a_wide_beam_is_brute_force(seed: int, ruled: tuple[Query, str], end_bias: float) -> None:
    query, text = ruled
    stepper = FakeStepper(seed, vocabulary_size=SIZE, end_bias=end_bias)
    source, mask = make_sources(seed, 1)
    scores = {
        ids: score / (len(ids) + 1) ** query.length_penalty
        for ids, score in score_all(stepper, source[0], mask[0]).items()
        if obeys(ids, query, text)
    }
    best = sorted(scores, key=lambda ids: -scores[ids])[:3]
    (found,) = search(stepper, source, mask, [query])
    assert found
    finished = [tuple(one.ids) for one in found if one.is_finished]
    assert finished == best
    assert [one.is_finished for one in found] == sorted(
        (one.is_finished for one in found), reverse=True
    )
    for one in found:
        assert one.num_unmet == 0 or not one.is_finished


@given(
    seed=st.integers(0, 10_000),
    beam_size=st.integers(1, 4),
    ruled=ruled_queries(max_length=9),
    end_bias=st.sampled_from([0.0, 3.0]),
)
def test_a_narrow_beam_keeps_every_rule(
    seed: int, beam_size: int, ruled: tuple[Query, str], end_bias: float
) -> None:
    query, text = ruled
    query = replace(query, beam_size=beam_size, n_best=beam_size)
    stepper = FakeStepper(seed, vocabulary_size=SIZE, end_bias=end_bias)
    source, mask = make_sources(seed, 1)
    (found,) = search(stepper, source, mask, [query])
    assert len({tuple(one.ids) for one in found}) == len(found)
    for one in found:
        log_probs, _ = walk_slowly(stepper, source[0], mask[0], one.ids)
        assert one.token_log_probs == log_probs[:-1]
        assert one.end_log_prob == (log_probs[-1] if one.is_finished else None)
        total = sum(log_probs) if one.is_finished else sum(log_probs[:-1])
        assert one.score == pytest.approx(total, abs=1e-9)
        if one.is_finished:
            assert obeys(tuple(one.ids), query, text)
        else:
            is_met = [any(contains(tuple(one.ids), a) for a in item) for item in query.must]
            assert one.num_unmet >= is_met.count(False)


@given(seed=st.integers(0, 10_000), must=st.lists(alternatives, min_size=1, max_size=3))
def test_any_beam_meets_demands_that_can_be_met(seed: int, must: Any) -> None:
    stepper = FakeStepper(seed, vocabulary_size=SIZE, end_bias=3.0)
    source, mask = make_sources(seed, 2)
    queries = [Query(23, beam_size=size, must=tuple(must)) for size in (1, 3)]
    for (best,) in search(stepper, source, mask, queries):
        assert best.num_unmet == 0  # some of these models never end
        assert obeys(tuple(best.ids), queries[0], "")


def test_a_demand_is_met_where_it_costs_least() -> None:
    stepper = FakeStepper(3, vocabulary_size=SIZE, end_bias=1.0)
    source, mask = make_sources(3, 7)
    query = Query(LONGEST, beam_size=5, must=(((7, 5),),))
    found = search(stepper, source, mask, [query] * 7)
    gaps = []
    for row, (best,) in enumerate(found):
        scores = score_all(stepper, source[row], mask[row])
        top = max(score for ids, score in scores.items() if contains(ids, (7, 5)))
        gaps.append(top - best.score)
    assert sorted(gaps)[3] == pytest.approx(0, abs=1e-6)  # most of them are the very best
    assert max(gaps) < 2


def test_tokens_that_are_demanded_need_not_be_likely() -> None:
    stepper = FakeStepper(29, vocabulary_size=53, end_bias=2.0)
    stepper.log_probs[:, 50:] -= 30
    source, mask = make_sources(29, 5)
    query = Query(9, beam_size=2, must=(((52, 50),), ((51,),)))
    for (best,) in search(stepper, source, mask, [query] * 5):
        assert best.is_finished
        assert contains(tuple(best.ids), (52, 50))
        assert 51 in best.ids


def test_demands_that_contradict_come_back_unmet() -> None:
    stepper = FakeStepper(5, vocabulary_size=SIZE)
    source, mask = make_sources(5, 12)
    torn = Query(2, beam_size=5, num_found=8, must=(((4, 4),), ((5,),)), no_repeat=1)
    stuck = Query(5, beam_size=3, begins=({4: 1, 5: 1}, {4: 2}), must_not=((4, 4), (5, 4)))
    found = search(stepper, source, mask, [torn] * 11 + [stuck])
    for outputs in found:
        unmet = [one.num_unmet for one in outputs]
        assert unmet == sorted(unmet)
        assert min(unmet) == 1
        assert not any(one.is_finished for one in outputs)
    assert {one.num_unmet for outputs in found for one in outputs} == {1, 2}
    for outputs in found[:11]:
        for one in outputs:
            assert one.num_unmet == 2 - (5 in one.ids)


short = st.lists(st.integers(4, 5), min_size=1, max_size=4).map(tuple)


@given(
    must=st.lists(st.lists(short, min_size=1, max_size=3).map(tuple), max_size=3),
    must_not=st.lists(short, max_size=3),
    text=st.lists(st.integers(4, 6), max_size=23),
)
def test_the_table_of_phrases_knows_what_an_output_ends_with(
    must: Any, must_not: Any, text: list[int]
) -> None:
    try:
        query = Query(5, must=tuple(must), must_not=tuple(must_not))
    except SearchError:  # they contradict each other
        query = Query(5, must=tuple(must))
    table = build_phrases([Query(5, must=(((4, 6),),)), query, Query(5)])
    place = table.starts[1:2]
    for end in range(1, len(text) + 1):
        place = table.follow(place, np.array(text[end - 1 : end]))
        written = tuple(text[:end])

        def ends_with(part: tuple[int, ...], written: tuple[int, ...] = written) -> bool:
            return written[-len(part) :] == part

        assert table.is_forbidden[place[0]] == any(map(ends_with, query.must_not))
        for item, sequences in enumerate(query.must):
            weight = min(map(len, sequences))
            begun = [one[:size] for one in sequences for size in range(1, len(one) + 1)]
            sizes = [len(part) for part in begun if ends_with(part)]
            assert table.meets[place[0], item] == any(map(ends_with, sequences))
            assert table.opens[place[0], item] == bool(sizes)
            assert table.progress[place[0], item] == min(max(sizes, default=0), weight - 1)


def test_a_row_without_a_way_on_ends() -> None:
    stepper = FakeStepper(7, vocabulary_size=SIZE)
    source, mask = make_sources(7, 2)
    ban_all = tuple((token,) for token in range(4, SIZE))
    queries = [
        Query(5, prefix=(4,), begins=({5: 1},), must_not=((5,),)),
        Query(5, must_not=ban_all),
    ]
    stuck, empty = search(stepper, source, mask, queries)
    assert [(one.ids, one.is_finished, one.num_unmet) for one in stuck] == [([4], False, 1)]
    assert [(one.ids, one.is_finished) for one in empty] == [([], True)]


def test_a_prefix_may_hold_what_is_never_generated_and_repeat_itself() -> None:
    stepper = FakeStepper(11, vocabulary_size=SIZE)
    source, mask = make_sources(11, 2)
    query = Query(9, prefix=(UNK, 4, 4, 4), no_repeat=1)
    for (one,) in search(stepper, source, mask, [query, replace(query, beam_size=4)]):
        assert tuple(one.ids[:4]) == query.prefix
        assert len(set(one.ids[4:])) == len(one.ids[4:])
        assert 4 not in one.ids[4:]


@pytest.mark.parametrize("top_p", [1.0, 0.7])
@pytest.mark.parametrize("top_k", [0, 2])
def test_samples_are_drawn_from_what_is_allowed(top_k: int, top_p: float) -> None:
    stepper = FakeStepper(13, vocabulary_size=SIZE)
    source, mask = make_sources(13, 1)
    state = stepper.start(source, mask, attention=False)
    log_probs = stepper.step(state, np.array([BOS]), None).log_probs[0]
    ranked = sorted([4, 5, 7], key=lambda i: -log_probs[i])[: top_k or None]
    weights = {i: float(np.exp(log_probs[i])) for i in ranked}
    total, before = sum(weights.values()), 0.0
    kept = {}
    for i, weight in weights.items():
        if before < top_p * total:
            kept[i] = weight
        before += weight
    sampling = Sampling(top_k=top_k, top_p=top_p)
    query = Query(1, begins=({4: 1, 5: 1, 7: 1},), n_best=5000, sampling=sampling)
    (found,) = search(stepper, source, mask, [query], attention=False)
    counts = Counter(one.ids[0] for one in found)
    assert set(counts) == set(kept)
    for i, weight in kept.items():
        assert counts[i] / 5000 == pytest.approx(weight / sum(kept.values()), abs=0.03)


def test_samples_keep_the_rules() -> None:
    stepper = FakeStepper(17, vocabulary_size=SIZE)
    source, mask = make_sources(17, 1)
    rules = {"begins": build_lattice("aba"), "must_not": ((4,), (7, 7)), "no_repeat": 2}
    query = Query(7, n_best=200, sampling=Sampling(temperature=2.0), **rules)
    (found,) = search(stepper, source, mask, [query])
    assert len({tuple(one.ids) for one in found}) > 20
    for one in found:
        assert obeys(tuple(one.ids), query, "aba") or one.num_unmet


KINDS = st.one_of(
    st.builds(Query, st.integers(1, 7)),
    st.builds(
        lambda limit, size, penalty: Query(limit, size, size, length_penalty=penalty),
        st.integers(1, 7),
        st.integers(2, 5),
        st.sampled_from([0.0, 1.0]),
    ),
    st.builds(
        lambda limit, top_k, top_p, count: Query(
            limit, n_best=count, sampling=Sampling(1.3, top_k, top_p), number=limit
        ),
        st.integers(1, 7),
        st.sampled_from([0, 2]),
        st.sampled_from([0.8, 1.0]),
        st.integers(1, 3),
    ),
    st.builds(lambda ids: Query(1, target=tuple(ids)), st.lists(tokens, max_size=5)),
    ruled_queries(max_length=5, beam_size=3, n_best=2).map(lambda ruled: ruled[0]),
    ruled_queries(max_length=5, must=()).map(lambda ruled: ruled[0]),
    ruled_queries(max_length=5, must=(), n_best=2, sampling=Sampling()).map(lambda pair: pair[0]),
)


def assert_all_same(found: list[list[Hypothesis]], expected: list[list[Hypothesis]]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


@given(
    seed=st.integers(0, 10_000),
    queries=st.lists(KINDS, min_size=1, max_size=5),
    padding=st.integers(0, 2),
    can_choose=st.booleans(),
    can_write=st.booleans(),
)
def test_mixed_batches_give_what_each_gives_alone(
    seed: int, queries: list[Query], padding: int, can_choose: bool, can_write: bool
) -> None:
    stepper = FakeStepper(seed, SIZE, can_choose=can_choose, can_write=can_write)
    source, mask = make_sources(seed, len(queries))
    wide = [np.pad(array, ((0, 0), (0, padding))) for array in (source, mask)]
    together = search(stepper, *wide, queries)
    plain = FakeStepper(seed, SIZE)
    for row, query in enumerate(queries):
        alone = slice(row, row + 1)
        assert_all_same([together[row]], search(plain, source[alone], mask[alone], [query]))


@given(seed=st.integers(0, 10_000), num_sources=st.integers(1, 7))
def test_writing_several_tokens_in_one_call_changes_nothing(seed: int, num_sources: int) -> None:
    source, mask = make_sources(seed, num_sources)
    limits = np.random.default_rng(seed).integers(1, 12, num_sources).tolist()
    queries = [Query(limit, prefix=(4,) * (limit % 2)) for limit in limits]
    found = [
        search(FakeStepper(seed, SIZE, can_choose=c, can_write=w), source, mask, queries)
        for c, w in ((True, True), (False, True), (True, False), (False, False))
    ]
    for others in found[1:]:
        assert_all_same(others, found[0])


def test_without_attention_there_is_none() -> None:
    source, mask = make_sources(19, 3)
    for can_write in (True, False):
        stepper = FakeStepper(19, SIZE, can_write=can_write)
        found = search(stepper, source, mask, [Query(5)] * 3, attention=False)
        assert all(one.attention is None for row in found for one in row)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_more_can_be_had_than_what_is_settled(length_penalty: float) -> None:
    stepper = FakeStepper(23, SIZE, end_bias=0.5)
    source, mask = make_sources(23, 11)
    query = Query(7, beam_size=5, n_best=2, length_penalty=length_penalty)
    few = search(stepper, source, mask, [query] * 11)
    many = search(stepper, source, mask, [replace(query, num_found=13)] * 11)
    for some, more in zip(few, many, strict=True):
        assert_same(more[:2], some)
        assert len({tuple(one.ids) for one in more}) == len(more) <= 13
    assert sum(map(len, many)) > 3 * 11
