"""Several models as one stepper: averages, reordering, attention."""

from __future__ import annotations

import numpy as np
import pytest

from foveate.errors import SearchError
from foveate.search import EnsembleStepper, beam_search, forced_search, greedy_search
from foveate.text.vocabulary import BOS, EOS
from test_search import FakeStepper, make_sources, walk_slowly

SIZE = 7


def build(*seeds: int, **options: bool) -> tuple[EnsembleStepper, list[FakeStepper]]:
    members = [FakeStepper(seed, vocabulary_size=SIZE, **options) for seed in seeds]
    return EnsembleStepper(members), members


def test_step_averages_probabilities_and_attention() -> None:
    ensemble, members = build(1, 2, 3)
    source, mask = make_sources(5, num_sources=4)
    tokens = np.full(4, BOS)
    step = ensemble.step(ensemble.start(source, mask), tokens, None)
    singles = [member.step(member.start(source, mask), tokens, None) for member in members]
    probabilities = sum(np.exp(single.log_probs.astype(np.float64)) for single in singles) / 3
    np.testing.assert_allclose(np.exp(step.log_probs), probabilities, rtol=1e-5)
    np.testing.assert_allclose(step.log_probs, np.log(probabilities), rtol=1e-5)
    looks = sum(single.attention for single in singles) / 3
    np.testing.assert_allclose(step.attention, looks, rtol=1e-6)
    assert step.log_probs.dtype == step.attention.dtype == np.float32


def test_candidates_are_the_best_of_the_average() -> None:
    ensemble, _ = build(1, 2)
    source, mask = make_sources(5, num_sources=3)
    state, tokens = ensemble.start(source, mask), np.full(3, BOS)
    whole = ensemble.step(state, tokens, None)
    best = ensemble.step(state, tokens, 2)
    for row in range(3):
        order = EOS + np.argsort(-whole.log_probs[row, EOS:])
        assert best.ids[row].tolist() == order[:2].tolist()


def test_one_member_decides_alone() -> None:
    ensemble, (member,) = build(11)
    source, mask = make_sources(7, num_sources=5)
    ours = beam_search(ensemble, source, mask, beam_size=3, n_best=2, max_lengths=6)
    theirs = beam_search(member, source, mask, beam_size=3, n_best=2, max_lengths=6)
    assert [[one.ids for one in some] for some in ours] == [
        [one.ids for one in some] for some in theirs
    ]


def test_search_scores_are_those_of_single_steps() -> None:
    """Rows are dropped and repeated in every member alike."""
    ensemble, _ = build(3, 5)
    source, mask = make_sources(9, num_sources=5)
    for found, row, real in zip(
        beam_search(ensemble, source, mask, beam_size=3, max_lengths=5), source, mask, strict=True
    ):
        expected, looks = walk_slowly(ensemble, row, real, found[0].ids)
        assert found[0].token_log_probs == pytest.approx(expected[:-1], rel=1e-5)
        looks = np.reshape(looks[:-1], found[0].attention.shape)
        np.testing.assert_allclose(found[0].attention, looks, rtol=1e-5)
    greedy = greedy_search(ensemble, source, mask, max_lengths=5)
    forced = forced_search(ensemble, source, mask, [one.ids for one in greedy])
    for one, other in zip(greedy, forced, strict=True):
        assert not one.is_finished or one.score == pytest.approx(other.score, rel=1e-5)


def test_members_without_attention_are_left_out_of_its_mean() -> None:
    with_, without = FakeStepper(1), FakeStepper(2, has_attention=False)
    source, mask = make_sources(5, num_sources=2)
    ensemble = EnsembleStepper([with_, without])
    step = ensemble.step(ensemble.start(source, mask), np.full(2, BOS), None)
    alone = with_.step(with_.start(source, mask), np.full(2, BOS), None)
    np.testing.assert_array_equal(step.attention, alone.attention)
    none = EnsembleStepper([without])
    assert none.step(none.start(source, mask), np.full(2, BOS), None).attention is None


def test_impossible_tokens_stay_impossible() -> None:
    ensemble, members = build(1, 2)
    for member in members:
        member.log_probs[:, 5] = -np.inf
    source, mask = make_sources(5, num_sources=2)
    step = ensemble.step(ensemble.start(source, mask), np.full(2, BOS), None)
    assert np.isneginf(step.log_probs[:, 5]).all()
    assert not np.isnan(step.log_probs).any()


def test_an_ensemble_of_nothing_is_an_error() -> None:
    with pytest.raises(SearchError, match="at least one"):
        EnsembleStepper([])
