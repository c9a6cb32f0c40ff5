"""Minimum Bayes risk against a naive double loop, and ranking by length."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.errors import SearchError
from foveate.ranking import place_key, rank_score
from foveate.search.risk import order_by_risk, temper


@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 11),
    temperature=st.sampled_from([0.3, 1.0, 2.5]),
)
def test_the_order_is_that_of_a_double_loop(seed: int, count: int, temperature: float) -> None:
    generator = np.random.default_rng(seed)
    log_probs = (-40 * generator.random(count)).tolist()
    similarities = generator.random((count, count))
    total = math.fsum(math.exp(one / temperature) for one in log_probs)
    naive = []
    for i in range(count):
        value = 0.0
        for j in range(count):
            value += math.exp(log_probs[j] / temperature) / total * similarities[i, j]
        naive.append(value)
    order, expected = order_by_risk(similarities, temper(log_probs, temperature))
    assert order.tolist() == sorted(range(count), key=lambda i: -naive[i])
    np.testing.assert_allclose(expected, sorted(naive, reverse=True), rtol=1e-9)


def test_equals_stay_in_order() -> None:
    order, _ = order_by_risk(np.ones((7, 7)), temper([0.0] * 7))
    assert order.tolist() == list(range(7))


def test_probabilities_do_not_underflow() -> None:
    assert temper([-5000.0, -5000.0 - math.log(3)]).tolist() == pytest.approx([0.75, 0.25])


def test_bad_calls_are_named() -> None:
    with pytest.raises(SearchError, match="at least one output"):
        temper([])
    with pytest.raises(SearchError, match="temperature must be above 0, not 0"):
        temper([-1.0], 0.0)
    with pytest.raises(SearchError, match=r"must be \(3, 3\)"):
        order_by_risk(np.ones((3, 2)), np.ones(3))


@given(
    score=st.floats(-1000, 0),
    length=st.integers(0, 101),
    penalty=st.sampled_from([0.0, 0.7, 1.0, 2.0]),
)
def test_ranks_are_scores_by_length(score: float, length: int, penalty: float) -> None:
    naive = score if penalty == 0 else score / math.pow(max(length, 1), penalty)
    assert rank_score(score, length, penalty) == pytest.approx(naive, rel=1e-12)
    several = rank_score(np.array([score]), np.array([length]), np.array([penalty]))
    assert several[0] == pytest.approx(naive, rel=1e-12)


def test_an_unfinished_output_never_outranks_a_finished_one() -> None:
    outputs = [(-0.1, False), (-9.0, True), (-0.2, True), (-5.0, False)]
    ordered = sorted(outputs, key=lambda output: place_key(*output))
    assert ordered == [(-0.2, True), (-9.0, True), (-0.1, False), (-5.0, False)]
