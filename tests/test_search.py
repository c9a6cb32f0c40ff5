"""Search against brute force, a naive beam and forced decoding, over a real small `Stepper`."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.errors import SearchError
from foveate.records import Sampling
from foveate.search import (
    Capabilities,
    Hypothesis,
    Query,
    Step,
    Stepper,
    Written,
    best_candidates,
    run_all,
    search,
)
from foveate.text.vocabulary import BOS, EOS, UNK

PRIME = 211


class FakeStepper:
    """Random tables, chosen by a hash of the real source tokens and the whole history."""

    def __init__(
        self,
        seed,
        vocabulary_size=7,
        end_bias=0.0,
        sharpness=1.0,
        has_attention=True,
        can_choose=True,
        can_write=False,
    ):
        generator = np.random.default_rng(seed)
        logits = sharpness * generator.normal(size=(PRIME, vocabulary_size))
        logits[:, EOS] += end_bias
        self.log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        self.log_probs = self.log_probs.astype(np.float32)
        self.looks = generator.random((PRIME, 31)).astype(np.float32) ** 3
        self.capabilities = Capabilities(has_attention, can_choose, can_write)
        self.num_steps = self.num_rows = 0
        self.is_writing = False

    def start(self, source, source_mask, *, attention):
        places = np.arange(1, source.shape[1] + 1)
        hashes = (source * source_mask * places**2).sum(axis=1) % PRIME
        return hashes, source_mask, attention and self.capabilities.has_attention

    def step(self, state, tokens, k):
        self.num_steps += 1
        self.num_rows += len(tokens)
        hashes, mask, wants_attention = (state[0] * 37 + tokens * 13 + 5) % PRIME, *state[1:]
        looks = self.looks[hashes, : mask.shape[1]] * mask
        total = looks.cumsum(axis=1)[:, -1:]  # in this order, padding changes no bit of it
        attention = looks / total if wants_attention else None
        log_probs = self.log_probs[hashes]
        ids = np.broadcast_to(np.arange(log_probs.shape[1]), log_probs.shape)
        if k is not None:
            assert self.capabilities.can_choose or self.is_writing
            ids, log_probs = best_candidates(log_probs, k)
        return Step((hashes, mask, wants_attention), ids, log_probs, attention)

    def reorder(self, state, rows):
        return state[0][rows], state[1][rows], state[2]

    def write(self, state, tokens, steps):
        assert self.capabilities.can_write
        self.is_writing = True
        written, has_ended = [], np.zeros(len(tokens), np.bool_)
        while len(written) < steps and not has_ended.all():
            step = self.step(state, tokens, 1)
            written.append(step)
            state, tokens = step.state, step.ids[:, 0]
            has_ended |= tokens == EOS
        self.is_writing = False
        looks = None if step.attention is None else np.stack([one.attention for one in written])
        return Written(
            state,
            np.stack([one.ids[:, 0] for one in written]),
            np.stack([one.log_probs[:, 0] for one in written]),
            looks,
        )


def search_all(stepper: Stepper, source, mask, max_lengths, **options: Any):
    """Search all sources with the same options, but each with its own greatest length."""
    limits = np.broadcast_to(max_lengths, len(source)).tolist()
    return search(stepper, source, mask, [Query(limit, **options) for limit in limits])


def greedy_search(stepper, source, mask, *, max_lengths):
    return [found for (found,) in search_all(stepper, source, mask, max_lengths)]


def beam_search(stepper, source, mask, *, max_lengths, **options):
    return search_all(stepper, source, mask, max_lengths, **options)


def forced_search(stepper, source, mask, targets):
    queries = [Query(1, target=tuple(target)) for target in targets]
    return [found for (found,) in search(stepper, source, mask, queries)]


def sample_search(
    stepper, source, mask, *, max_lengths, num_samples=1, row_numbers=None, **options
):
    limits = np.broadcast_to(max_lengths, len(source)).tolist()
    numbers = range(len(source)) if row_numbers is None else row_numbers
    queries = [
        Query(limit, n_best=num_samples, sampling=Sampling(**options), number=int(number))
        for limit, number in zip(limits, numbers, strict=True)
    ]
    return search(stepper, source, mask, queries)


def make_sources(seed, num_sources, longest=5):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, longest + 1, size=num_sources)
    mask = np.arange(lengths.max()) < lengths[:, None]
    return np.where(mask, generator.integers(4, 50, size=mask.shape), 0), mask


def walk_slowly(stepper, source, mask, ids):
    """Score one output, with EOS, token by token: (log-probabilities, attention rows)."""
    state = stepper.start(source[None], mask[None], attention=True)
    log_probs, attention, token = [], [], BOS
    for following in [*ids, EOS]:
        step = stepper.step(state, np.array([token]), None)
        log_probs.append(float(step.log_probs[0, following]))
        if step.attention is not None:
            attention.append(step.attention[0, mask])
        state, token = step.state, following
    return log_probs, attention


def naive_rank(stepper, source, mask, ids, length_penalty, is_finished=True):
    log_probs, _ = walk_slowly(stepper, source, mask, ids)
    counted = log_probs if is_finished else log_probs[:-1]
    return sum(counted) / len(counted) ** length_penalty


def naive_beam(stepper, source, mask, *, beam_size, n_best, max_length, length_penalty, prune=True):
    """One source, Python lists, every prefix scored from its beginning: the rules as written."""

    def rank(prefix, is_finished):
        return naive_rank(stepper, source, mask, prefix, length_penalty, is_finished)

    live, finished, unfinished = (
        [((), 0.0, stepper.start(source[None], mask[None], attention=False))],
        [],
        [],
    )
    for length in range(max_length + 1):
        candidates = []
        for prefix, score, state in live:
            step = stepper.step(state, np.array([prefix[-1] if prefix else BOS]), None)
            candidates += [
                (score + float(step.log_probs[0, i]), prefix, i, step.state)
                for i in range(EOS, step.ids.shape[1])
            ]
        candidates.sort(key=lambda candidate: -candidate[0])
        ended = [prefix for _, prefix, i, _ in candidates[:beam_size] if i == EOS]
        finished += [(rank(prefix, True), prefix) for prefix in ended]
        finished.sort(key=lambda pair: -pair[0])
        if length == max_length:
            unfinished = [(rank(p, False), p) for p, _, _ in live if p not in ended]
            unfinished.sort(key=lambda pair: -pair[0])
        others = [candidate for candidate in candidates if candidate[2] != EOS][:beam_size]
        live = [((*prefix, i), total, state) for total, prefix, i, state in others]
        if prune and len(finished) >= n_best:
            horizon = length + 1 if len(finished) >= beam_size else max_length + 1
            power, worst = horizon**length_penalty, finished[n_best - 1][0]
            live = [prefix for prefix in live if prefix[1] / power > worst]
    return [list(prefix) for _, prefix in [*finished, *unfinished][:n_best]]


def assert_same(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.ids == other.ids
        assert one.score == other.score
        assert one.token_log_probs == other.token_log_probs
        assert one.is_finished == other.is_finished
        assert one.end_log_prob == other.end_log_prob
        assert one.num_unmet == other.num_unmet
        assert one.attention is not None
        assert other.attention is not None
        np.testing.assert_array_equal(one.attention, other.attention)


def all_outputs(vocabulary_size, max_length):
    for length in range(max_length + 1):
        yield from itertools.product(range(EOS + 1, vocabulary_size), repeat=length)


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("seed", [2, 3])
def test_a_beam_wide_enough_is_brute_force(seed, length_penalty):
    stepper = FakeStepper(seed)
    source, mask = make_sources(seed, 3)
    options = {"beam_size": 500, "n_best": 5, "length_penalty": length_penalty}
    found = beam_search(stepper, source, mask, max_lengths=4, **options)
    for row, hypotheses in enumerate(found):
        ranked = sorted(
            all_outputs(7, 4),
            key=lambda ids: -naive_rank(stepper, source[row], mask[row], ids, length_penalty),
        )
        assert [tuple(hypothesis.ids) for hypothesis in hypotheses] == ranked[:5]
        assert all(hypothesis.is_finished for hypothesis in hypotheses)


BEAMS = {
    "seed": st.integers(0, 10_000),
    "beam_size": st.integers(1, 6),
    "n_best": st.integers(1, 6),
    "length_penalty": st.sampled_from([0.0, 0.6, 1.0, 1.7]),
    "end_bias": st.sampled_from([-4.0, -1.0, 0.0, 2.0]),
}


@given(**BEAMS)
def test_beam_search_is_the_naive_beam(seed, beam_size, n_best, end_bias, length_penalty):
    stepper = FakeStepper(seed, vocabulary_size=11, end_bias=end_bias)
    source, mask = make_sources(seed, 3)
    max_lengths = np.random.default_rng(seed).integers(3, 8, size=3)
    options = {
        "beam_size": beam_size,
        "n_best": min(n_best, beam_size),
        "length_penalty": length_penalty,
    }
    found = beam_search(stepper, source, mask, max_lengths=max_lengths, **options)
    for row, hypotheses in enumerate(found):
        expected = naive_beam(
            stepper, source[row], mask[row], max_length=int(max_lengths[row]), **options
        )
        assert [hypothesis.ids for hypothesis in hypotheses] == expected
        assert len(hypotheses) == options["n_best"]


@given(seed=st.integers(0, 10_000), beam_size=st.integers(1, 5), end_bias=st.sampled_from([-2, 1]))
def test_dropping_prefixes_early_changes_nothing_without_penalty(seed, beam_size, end_bias):
    stepper = FakeStepper(seed, vocabulary_size=13, end_bias=end_bias)
    source, mask = make_sources(seed, 2)
    found = beam_search(stepper, source, mask, beam_size=beam_size, n_best=beam_size, max_lengths=7)
    for row, hypotheses in enumerate(found):
        expected = naive_beam(
            stepper,
            source[row],
            mask[row],
            beam_size=beam_size,
            n_best=beam_size,
            max_length=7,
            length_penalty=0.0,
            prune=False,
        )
        assert [hypothesis.ids for hypothesis in hypotheses] == expected


@given(
    seed=st.integers(0, 10_000),
    length_penalty=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    end_bias=st.sampled_from([-3.0, 0.0, 1.0]),
)
def test_a_beam_of_one_is_greedy_search(seed, length_penalty, end_bias):
    stepper = FakeStepper(seed, end_bias=end_bias)
    source, mask = make_sources(seed, 7)
    max_lengths = np.random.default_rng(seed).integers(1, 12, size=7)
    greedy = greedy_search(stepper, source, mask, max_lengths=max_lengths)
    beam = beam_search(
        stepper, source, mask, beam_size=1, length_penalty=length_penalty, max_lengths=max_lengths
    )
    assert_same([hypotheses[0] for hypotheses in beam], greedy)


def test_greedy_search_takes_the_best_token_at_every_step():
    stepper = FakeStepper(5, vocabulary_size=17, end_bias=0.5)
    source, mask = make_sources(5, 11)
    found = greedy_search(stepper, source, mask, max_lengths=6)
    assert {hypothesis.is_finished for hypothesis in found} == {True, False}
    for row, hypothesis in enumerate(found):
        state, token, ids = (
            stepper.start(source[row][None], mask[row][None], attention=False),
            BOS,
            [],
        )
        while len(ids) <= 6:
            step = stepper.step(state, np.array([token]), None)
            state, token = step.state, int(step.log_probs[0, EOS:].argmax()) + EOS
            if token == EOS:
                break
            ids.append(token)
        assert hypothesis.ids == ids[:6]
        assert hypothesis.is_finished == (token == EOS)


SEARCHES: dict[str, Any] = {
    "greedy": lambda *args, **kw: [[one] for one in greedy_search(*args, **kw)],
    "beam": lambda *args, **kw: beam_search(*args, beam_size=5, n_best=3, **kw),
    "beam with penalty": lambda *args, **kw: beam_search(
        *args, beam_size=3, n_best=2, length_penalty=1.0, **kw
    ),
    "samples": lambda *args, **kw: sample_search(*args, num_samples=3, **kw),
    "samples of top k": lambda *args, **kw: sample_search(*args, top_k=3, temperature=2.0, **kw),
    "samples of top p": lambda *args, **kw: sample_search(*args, top_p=0.8, **kw),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_score_and_attention_are_those_of_forced_decoding(name):
    stepper = FakeStepper(7, vocabulary_size=13)
    source, mask = make_sources(7, 11)
    found = SEARCHES[name](stepper, source, mask, max_lengths=7)
    for place in range(len(found[0])):
        hypotheses = [alternatives[place] for alternatives in found]
        forced = forced_search(stepper, source, mask, [hypothesis.ids for hypothesis in hypotheses])
        finished = [row for row, hypothesis in enumerate(hypotheses) if hypothesis.is_finished]
        assert finished
        assert_same([hypotheses[row] for row in finished], [forced[row] for row in finished])
        for hypothesis, full in zip(hypotheses, forced, strict=True):
            assert hypothesis.token_log_probs == full.token_log_probs


def test_forced_search_is_the_sum_of_single_steps():
    stepper = FakeStepper(11, vocabulary_size=13)
    source, mask = make_sources(11, 5)
    targets = [[], [UNK], [4, 5, 6], [12, UNK, 4, 4, 9, 10, 11], [7]]
    for row, found in enumerate(forced_search(stepper, source, mask, targets)):
        log_probs, attention = walk_slowly(stepper, source[row], mask[row], targets[row])
        assert found.ids == targets[row]
        assert found.is_finished
        assert found.token_log_probs == log_probs[:-1]
        assert found.score == pytest.approx(sum(log_probs), abs=1e-12)
        assert found.attention is not None
        assert found.attention.shape == (len(targets[row]), mask[row].sum())
        for got, expected in zip(found.attention, attention, strict=False):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", [name for name in SEARCHES if "samples" not in name])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), padding=st.integers(0, 3))
def test_batch_mates_order_and_padding_change_nothing(name, seed, padding):
    stepper = FakeStepper(seed, vocabulary_size=13)
    source, mask = make_sources(seed, 7)
    generator = np.random.default_rng(seed)
    max_lengths = generator.integers(1, 9, size=7)
    together = SEARCHES[name](stepper, source, mask, max_lengths=max_lengths)
    order = generator.permutation(7)[: 1 + seed % 7]
    other = SEARCHES[name](
        stepper,
        np.pad(source[order], ((0, 0), (0, padding))),
        np.pad(mask[order], ((0, 0), (0, padding))),
        max_lengths=max_lengths[order],
    )
    for place, row in enumerate(order):
        assert_same(other[place], together[row])


def test_samples_depend_on_seed_and_row_number_only():
    stepper = FakeStepper(13, vocabulary_size=13)
    source, mask = make_sources(13, 7)
    together = sample_search(stepper, source, mask, num_samples=3, seed=17, max_lengths=9)
    order = np.array([5, 0, 3])
    other = sample_search(
        stepper,
        source[order],
        mask[order],
        num_samples=3,
        seed=17,
        max_lengths=np.array([9, 11, 23]),
        row_numbers=order,
    )
    for place, row in enumerate(order):
        for one, expected in zip(other[place], together[row], strict=True):
            assert one.ids[:9] == expected.ids
    again = sample_search(stepper, source, mask, num_samples=3, seed=18, max_lengths=9)
    assert [one.ids for one in again[0]] != [one.ids for one in together[0]]


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 0, 1.0), (0.5, 0, 1.0), (1.7, 3, 1.0), (1.0, 0, 0.6), (1.3, 4, 0.7)],
)
def test_samples_have_the_frequencies_that_were_asked_for(temperature, top_k, top_p):
    stepper = FakeStepper(19, vocabulary_size=11)
    source, mask = make_sources(19, 1)
    first = stepper.step(
        stepper.start(source, mask, attention=False), np.array([BOS]), None
    ).log_probs[0]
    ranked = sorted(range(EOS, 11), key=lambda i: -first[i])[: top_k or None]
    weights = {i: float(np.exp(first[i] / temperature)) for i in ranked}
    total, share = sum(weights.values()), 0.0
    kept = {}
    for i in ranked:
        if share < top_p * total:
            kept[i] = weights[i]
        share += weights[i]
    samples = sample_search(
        stepper,
        source,
        mask,
        num_samples=20_000,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        max_lengths=1,
    )
    counts = Counter(sample.ids[0] if sample.ids else EOS for sample in samples[0])
    assert set(counts) == set(kept)
    for i, weight in kept.items():
        assert counts[i] / 20_000 == pytest.approx(weight / sum(kept.values()), abs=0.015)


@pytest.mark.parametrize("name", SEARCHES)
def test_only_real_tokens_are_generated(name):
    stepper = FakeStepper(23, vocabulary_size=7, end_bias=-2.0)
    stepper.log_probs[:, :EOS] = -0.01  # PAD, UNK and BOS would win everywhere
    source, mask = make_sources(23, 5)
    found = SEARCHES[name](stepper, source, mask, max_lengths=7)
    ids = [i for alternatives in found for hypothesis in alternatives for i in hypothesis.ids]
    assert ids
    assert min(ids) > EOS


@pytest.mark.parametrize("name", SEARCHES)
def test_attention_has_the_columns_of_the_real_source(name):
    stepper = FakeStepper(29, vocabulary_size=11)
    source, mask = make_sources(29, 7)
    found = SEARCHES[name](stepper, source, mask, max_lengths=7)
    for length, alternatives in zip(mask.sum(axis=1), found, strict=True):
        for hypothesis in alternatives:
            assert hypothesis.attention is not None
            assert hypothesis.attention.shape == (len(hypothesis.ids), length)
            np.testing.assert_allclose(hypothesis.attention.sum(axis=1), 1, rtol=1e-5)


def test_unfinished_hypotheses_come_after_finished_ones():
    stepper = FakeStepper(31, vocabulary_size=11, end_bias=-1.0)
    source, mask = make_sources(31, 23)
    found = beam_search(stepper, source, mask, beam_size=5, n_best=5, max_lengths=3)
    flags = [[hypothesis.is_finished for hypothesis in hypotheses] for hypotheses in found]
    assert all(row == sorted(row, reverse=True) for row in flags)
    assert any(row.count(True) not in (0, 5) for row in flags)
    for hypotheses in found:
        assert len({tuple(hypothesis.ids) for hypothesis in hypotheses}) == 5
        for hypothesis in hypotheses:
            if not hypothesis.is_finished:
                assert len(hypothesis.ids) == 3
                assert hypothesis.score == pytest.approx(sum(hypothesis.token_log_probs))


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_beam_search_stops_when_nothing_better_can_come(length_penalty):
    stepper = FakeStepper(37, vocabulary_size=13, end_bias=9.0)
    source, mask = make_sources(37, 11)
    beam_search(stepper, source, mask, beam_size=5, length_penalty=length_penalty, max_lengths=1000)
    assert stepper.num_steps < 20


def test_finished_rows_are_no_longer_computed():
    stepper = FakeStepper(41, vocabulary_size=13, sharpness=2.0)
    source, mask = make_sources(41, 101)
    found = greedy_search(stepper, source, mask, max_lengths=50)
    assert stepper.num_rows == sum(len(hypothesis.ids) + 1 for hypothesis in found)


def test_a_beam_without_a_way_on_keeps_what_it_has():
    stepper = FakeStepper(43, vocabulary_size=7)
    stepper.log_probs[:, EOS:] = -np.inf
    source, mask = make_sources(43, 3)
    found = beam_search(stepper, source, mask, beam_size=3, max_lengths=5)
    assert [[(one.ids, one.is_finished) for one in row] for row in found] == [[([], False)]] * 3


def test_a_model_without_attention():
    stepper = FakeStepper(47, has_attention=False)
    source, mask = make_sources(47, 3)
    for name in ("greedy", "beam", "samples"):
        found = SEARCHES[name](stepper, source, mask, max_lengths=5)
        assert all(one.attention is None for row in found for one in row)


@pytest.mark.parametrize("name", SEARCHES)
def test_no_sources_give_no_results(name):
    source = np.zeros((0, 5), np.int64)
    assert SEARCHES[name](FakeStepper(1), source, source > 0, max_lengths=3) == []


@given(seed=st.integers(0, 1000), k=st.integers(1, 1013))
def test_best_candidates_are_the_head_of_a_full_sort(seed, k):
    places = np.random.default_rng(seed).permutation(3 * 1009)  # no two alike
    log_probs = -places.reshape(3, 1009).astype(np.float32)
    ids, values = best_candidates(log_probs, k)
    for row in range(3):
        expected = sorted(range(EOS, 1009), key=lambda i: -log_probs[row, i])[:k]
        assert ids[row].tolist() == expected
        assert values[row].tolist() == log_probs[row, expected].tolist()


GOOD = Sampling()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size must be at least 1"),
        ({"beam_size": 2, "n_best": 3}, "n_best must be from 1 to beam_size"),
        ({"beam_size": 2, "n_best": 0}, "n_best must be"),
        ({"beam_size": 3, "n_best": 3, "num_found": 2}, "num_found must be 0 or at least n_best"),
        ({"length_penalty": -1.0}, "length_penalty"),
        ({"length_penalty": float("nan")}, "length_penalty"),
        ({"max_length": 0}, "max_length must be at least 1"),
        ({"no_repeat": -1}, "no_repeat"),
        ({"number": -1}, "number must not be negative"),
        ({"sampling": GOOD, "n_best": 0}, "n_best"),
        ({"sampling": Sampling(temperature=0.0)}, "temperature"),
        ({"sampling": Sampling(temperature=float("nan"))}, "temperature"),
        ({"sampling": Sampling(top_k=-1)}, "top_k"),
        ({"sampling": Sampling(top_p=0.0)}, "top_p"),
        ({"sampling": Sampling(top_p=1.5)}, "top_p"),
        ({"sampling": Sampling(seed=-1)}, "seed"),
        ({"sampling": GOOD, "must": (((4,),),)}, "must: samples cannot"),
        ({"target": (5, EOS)}, "target: PAD, BOS, EOS"),
        ({"target": (-2,)}, "target: PAD, BOS, EOS"),
        ({"prefix": (BOS,)}, "prefix: PAD, BOS, EOS"),
        ({"prefix": (4,) * 8}, "prefix: 8 tokens, but max_length 7"),
        ({"begins": ({},)}, "no token leads on from place 0"),
        ({"begins": ({4: 1}, {EOS: 2})}, "place 1 has PAD, BOS, EOS"),
        ({"begins": ({4: 1}, {5: 1})}, "place 1 must lead further on, at most to 2"),
        ({"begins": ({4: 2},)}, "place 0 must lead further on, at most to 1"),
        ({"must_not": ((),)}, "must_not: every sequence needs tokens"),
        ({"must_not": ((5, EOS),)}, "must_not: every sequence"),
        ({"must_not": ((5, 6),), "prefix": (4, 5, 6)}, "prefix contains a sequence of must_not"),
        ({"must": (((4,),), ())}, "must, item 1: needs alternatives"),
        ({"must": (((4,), ()),)}, "must, item 0: needs alternatives"),
        ({"must": (((UNK,),),)}, "must, item 0: needs alternatives"),
        ({"must": (((4, 5, 6), (7, 5)),), "must_not": ((5,),)}, "item 0: must_not forbids all"),
        ({"must": (((4,) * 8,),)}, "must, item 0: 8 tokens, but max_length 7"),
    ],
)
def test_bad_queries_are_named(options, message):
    with pytest.raises(SearchError, match=message):
        Query(**{"max_length": 7, **options})


def test_all_problems_of_a_query_are_named_at_once():
    with pytest.raises(SearchError) as caught:
        Query(0, beam_size=0, must=((),), sampling=Sampling(top_p=2.0), target=(EOS,))
    for part in ("max_length", "beam_size", "top_p", "target", "must, item 0"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        Query(3, target=(7,)),
        Query(3, prefix=(7,)),
        Query(3, begins=({4: 1, 7: 1},)),
        Query(3, must=(((4,), (5, 7)),)),
        Query(3, must_not=((7,),)),
    ],
)
def test_ids_beyond_the_vocabulary_are_named(query):
    source, mask = make_sources(1, 3)
    with pytest.raises(SearchError, match="id 7, but the model knows only 7 tokens"):
        search(FakeStepper(1), source, mask, [Query(3), query, Query(5, beam_size=2)])


def test_bad_sources_and_broken_models_are_named():
    source, mask = make_sources(1, 3)
    with pytest.raises(SearchError, match=r"both must be \[B, S\]"):
        greedy_search(FakeStepper(1), source, mask[:, :-1], max_lengths=5)
    with pytest.raises(SearchError, match="source row 1 has no tokens"):
        greedy_search(FakeStepper(1), source, mask & (np.arange(3) != 1)[:, None], max_lengths=5)
    with pytest.raises(SearchError, match="1 queries for 3 sources"):
        search(FakeStepper(1), source, mask, [Query(3)])
    stepper = FakeStepper(1)
    stepper.log_probs[:] = np.nan
    for name in SEARCHES:
        with pytest.raises(SearchError, match="NaN"):
            SEARCHES[name](stepper, source, mask, max_lengths=5)


def test_as_many_batches_as_workers_are_searched_at_a_time() -> None:
    meeting, done = threading.Barrier(3, timeout=20), []

    def run(batch: int) -> None:
        meeting.wait()  # breaks unless three batches are here together
        done.append(batch)

    run_all(3, run, range(6))
    assert sorted(done) == list(range(6))


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_batch_raises_is_raised(workers: int) -> None:
    def run(batch: int) -> None:
        if batch == 2:
            raise SearchError("no")

    with pytest.raises(SearchError, match="no"):
        run_all(workers, run, range(5))


def test_one_worker_searches_one_after_the_other() -> None:
    done: list[int] = []
    run_all(1, done.append, range(5))
    assert done == list(range(5))
