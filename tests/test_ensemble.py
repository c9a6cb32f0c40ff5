"""Several models as one stepper: averages, reordering, attention."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foveate.config import Config, build_config
from foveate.console import format_report
from foveate.data.batching import encode_table
from foveate.data.table import PairTable
from foveate.errors import BundleError, ConfigError, SearchError
from foveate.export import export_bundle
from foveate.search import EnsembleStepper
from foveate.text.vocabulary import BOS, EOS
from foveate.training.distillation import load_soft_targets, write_soft_targets
from foveate.training.ensemble import SOFT_TARGETS, train_models
from foveate.training.report import Report
from foveate.training.run import Machine, hold_out
from foveate.translator import Translator
from test_search import (
    FakeStepper,
    beam_search,
    forced_search,
    greedy_search,
    make_sources,
    walk_slowly,
)

SIZE = 7


def build(*seeds: int, **options: bool) -> tuple[EnsembleStepper, list[FakeStepper]]:
    members = [FakeStepper(seed, vocabulary_size=SIZE, **options) for seed in seeds]
    return EnsembleStepper(members), members


def test_step_averages_probabilities_and_attention() -> None:
    ensemble, members = build(1, 2, 3)
    source, mask = make_sources(5, num_sources=4)
    tokens = np.full(4, BOS)
    step = ensemble.step(ensemble.start(source, mask, attention=True), tokens, None)
    singles = [
        member.step(member.start(source, mask, attention=True), tokens, None) for member in members
    ]
    probabilities = sum(np.exp(single.log_probs.astype(np.float64)) for single in singles) / 3
    np.testing.assert_allclose(np.exp(step.log_probs), probabilities, rtol=1e-5)
    np.testing.assert_allclose(step.log_probs, np.log(probabilities), rtol=1e-5)
    looks = sum(single.attention for single in singles) / 3
    np.testing.assert_allclose(step.attention, looks, rtol=1e-6)
    assert step.log_probs.dtype == step.attention.dtype == np.float32


def test_candidates_are_the_best_of_the_average() -> None:
    ensemble, _ = build(1, 2)
    source, mask = make_sources(5, num_sources=3)
    state, tokens = ensemble.start(source, mask, attention=True), np.full(3, BOS)
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
    step = ensemble.step(ensemble.start(source, mask, attention=True), np.full(2, BOS), None)
    alone = with_.step(with_.start(source, mask, attention=True), np.full(2, BOS), None)
    np.testing.assert_array_equal(step.attention, alone.attention)
    none = EnsembleStepper([without])
    assert (
        none.step(none.start(source, mask, attention=True), np.full(2, BOS), None).attention is None
    )


def test_impossible_tokens_stay_impossible() -> None:
    ensemble, members = build(1, 2)
    for member in members:
        member.log_probs[:, 5] = -np.inf
    source, mask = make_sources(5, num_sources=2)
    step = ensemble.step(ensemble.start(source, mask, attention=True), np.full(2, BOS), None)
    assert np.isneginf(step.log_probs[:, 5]).all()
    assert not np.isnan(step.log_probs).any()


def test_an_ensemble_of_nothing_is_an_error() -> None:
    with pytest.raises(SearchError, match="at least one"):
        EnsembleStepper([])


# --- training several ----------------------------------------------------------------------------


def make_table() -> PairTable:
    words = [f"{a}{b}{c}" for a in "abcde" for b in "xyz" for c in "pqr"]
    return PairTable.from_texts(words, [word[::-1].upper() for word in words])


def configure(**options: object) -> Config:
    return build_config(
        {
            "max_updates": 10,
            "num_validations": 2,
            "hidden_size": 16,
            "models": 3,
            "seed": 5,
            **options,
        }
    )


def outputs(translator: Translator) -> list[tuple[str, float]]:
    found = translator.translate(["axp", "exr", "bzq"], beam_size=3)
    return [(one.text, one.score) for one in found]


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ensemble") / "model"
    train_models(make_table(), None, configure(), out=out)
    return out


def test_members_are_the_models_of_their_seeds(ensemble: Path) -> None:
    bundle = Translator.load(ensemble).bundle
    assert bundle.num_members == bundle.summary.models == 3
    assert bundle.summary.seed == 5
    assert bundle.summary.updates == 30
    assert "exact_match" in bundle.scores["dev"]
    assert "Each model alone has exact_match" in (ensemble / "README.md").read_text()
    assert bundle.summary.ensemble["metric"] == "exact_match"
    for number, weights in enumerate(bundle.members):
        alone = Translator.load(ensemble / "state" / f"model-{number + 1}").bundle
        score = alone.scores["dev"]["exact_match"]["value"]
        assert bundle.summary.ensemble["alone"][number] == score
        assert alone.summary.seed == 5 + number
        assert alone.weights.keys() == weights.keys()
        for name, array in weights.items():
            np.testing.assert_array_equal(array, alone.weights[name])


@pytest.mark.long
def test_members_take_what_the_first_found_whatever_the_machine_does(
    tmp_path: Path,
) -> None:
    speeds = iter((1.0, 200.0))
    machine = Machine(measure_speed=lambda device: next(speeds))
    out = tmp_path / "model"
    options = {"max_updates": None, "minutes": 0.02, "hidden_size": None, "models": 2}
    train_models(make_table(), None, configure(**options), out=out, machine=machine)
    folders = [out / "state" / f"model-{number}" for number in (1, 2)]
    first, second = (Translator.load(folder).bundle.model for folder in folders)
    assert next(speeds) == 200.0  # the second did not measure
    assert first.dropout == second.dropout != 0.35  # which 200 times the speed would have had


def test_bundle_decides_by_the_mean_of_its_members(ensemble: Path) -> None:
    folders = [ensemble / "state" / f"model-{number}" for number in (1, 2, 3)]
    joined = EnsembleStepper([Translator.load(folder).stepper for folder in folders])
    translator = Translator.load(ensemble)
    expected = Translator(translator.bundle, joined)
    assert outputs(translator) == outputs(expected)
    assert outputs(translator) != outputs(Translator.load(folders[0]))


@pytest.mark.long
def test_exported_ensemble_does_the_same(ensemble: Path, tmp_path: Path) -> None:
    exported = export_bundle(ensemble, tmp_path / "onnx")
    assert exported.difference < 1e-4
    ours = outputs(Translator.load(tmp_path / "onnx"))
    for (text, score), (expected, other) in zip(
        ours, outputs(Translator.load(ensemble)), strict=True
    ):
        assert text == expected
        assert score == pytest.approx(other, abs=1e-3)


@pytest.mark.long
def test_stopped_ensemble_goes_on_where_it_was(ensemble: Path, tmp_path: Path) -> None:
    """The second of three models was never begun: the first is not trained again."""
    out = tmp_path / "model"

    def stop(report: Report) -> None:
        if report.message == "model 2 of 3":
            raise KeyboardInterrupt

    first = train_models(make_table(), None, configure(), out=out, report=stop)
    assert first.was_interrupted and first.summary.models == 1
    folder = out / "state" / "model-1"
    kept = (folder / "bundle.json").stat().st_mtime_ns
    with pytest.raises(BundleError, match="add --resume"):
        train_models(make_table(), None, configure(), out=out)
    trained = train_models(make_table(), None, configure(), out=out, resume=True)
    assert (folder / "bundle.json").stat().st_mtime_ns == kept
    assert outputs(trained.translator) == outputs(Translator.load(ensemble))
    assert outputs(first.translator) != outputs(trained.translator)
    again = train_models(make_table(), None, configure(), out=out, resume=True)
    assert outputs(again.translator) == outputs(trained.translator)


def test_nothing_to_resume_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no training run"):
        train_models(make_table(), None, configure(), out=tmp_path / "model", resume=True)


def test_model_that_is_there_is_not_overwritten(ensemble: Path, tmp_path: Path) -> None:
    Translator.load(ensemble).save(tmp_path / "model")
    with pytest.raises(BundleError, match="holds a model already"):
        train_models(make_table(), None, configure(), out=tmp_path / "model")


# --- distillation --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("student") / "model"
    train_models(make_table(), None, configure(distill=True), out=out)
    return out


def test_a_student_is_one_model_that_learnt_from_the_others(ensemble: Path, student: Path) -> None:
    bundle = Translator.load(student).bundle
    alone = Translator.load(student / "state" / "model-4").bundle
    teachers = Translator.load(ensemble)
    assert bundle.num_members == 1
    scores = teachers.bundle.scores["dev"]["exact_match"]["value"]
    assert bundle.summary.ensemble == teachers.summary.ensemble | {"together": scores}
    assert "The models that it learnt from have exact_match" in (student / "README.md").read_text()
    for name, array in bundle.weights.items():
        np.testing.assert_array_equal(array, alone.weights[name])


def test_soft_targets_are_half_the_truth_and_half_the_likely_tokens_of_the_mean(
    ensemble: Path, student: Path
) -> None:
    teachers = Translator.load(ensemble, backend="torch")
    table, _ = hold_out(make_table(), 5)
    pairs = encode_table(table, teachers.source_codec, teachers.target_codec)
    soft = load_soft_targets(pairs, student / "state" / SOFT_TARGETS)
    assert len(soft) == pairs.num_steps
    for row in (0, 7, len(pairs) - 1):
        source = pairs.source(row)[None].astype(np.int64)
        state = teachers.stepper.start(source, np.ones_like(source, bool), attention=True)
        target = pairs.target(row).tolist()
        steps = pairs.steps(np.array([row]))
        for step, token, true in zip(steps, [BOS, *target], [*target, EOS], strict=True):
            found = teachers.stepper.step(state, np.array([token], np.int64), None)
            state, chances = found.state, np.exp(found.log_probs[0])
            chances = 0.5 * chances + 0.5 * (np.arange(len(chances)) == true)
            likely = np.argsort(-chances)[: soft.ids.shape[1]]
            assert soft.ids[step].tolist() == likely.tolist()
            expected = chances[likely] / chances[likely].sum()
            np.testing.assert_allclose(soft.probabilities[step], expected, atol=1e-3)


def test_writing_soft_targets_tells_how_far_it_is(ensemble: Path) -> None:
    teachers = Translator.load(ensemble).bundle
    pairs = encode_table(make_table(), teachers.source_codec, teachers.target_codec)
    reports: list[Report] = []
    soft = write_soft_targets(teachers, pairs, reports.append)
    assert reports[-1].update == reports[-1].total_updates == len(pairs)
    assert format_report(reports[-1]).startswith(f"pair {len(pairs):,}/{len(pairs):,}  ")
    np.testing.assert_allclose(soft.probabilities.sum(axis=1), 1, atol=2e-3)


@pytest.mark.long
def test_without_a_folder_distillation_gives_the_same(student: Path) -> None:
    trained = train_models(make_table(), None, configure(distill=True))
    assert outputs(trained.translator) == outputs(Translator.load(student))


@pytest.mark.long
def test_stopped_distillation_keeps_the_teachers_and_goes_on(
    ensemble: Path, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model"
    asked = configure(distill=True)

    def stop(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(train_models.__globals__, "write_soft_targets", stop)
        trained = train_models(make_table(), None, asked, out=out)
    assert trained.was_interrupted
    assert outputs(Translator.load(out)) == outputs(Translator.load(ensemble))
    trained = train_models(make_table(), None, asked, out=out, resume=True)
    assert not trained.was_interrupted
    assert outputs(Translator.load(out)) == outputs(Translator.load(student))


def test_soft_targets_of_other_pairs_or_damaged_are_refused(student: Path, tmp_path: Path) -> None:
    bundle = Translator.load(student).bundle
    pairs = encode_table(make_table(), bundle.source_codec, bundle.target_codec)
    kept = student / "state" / SOFT_TARGETS
    with pytest.raises(BundleError, match=f"steps for the {pairs.num_steps} of the pairs"):
        load_soft_targets(pairs, kept)
    damaged = tmp_path / SOFT_TARGETS
    damaged.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(BundleError, match="remove the file"):
        load_soft_targets(pairs, damaged)


def test_one_model_alone_cannot_be_distilled() -> None:
    with pytest.raises(ConfigError, match="needs several models"):
        build_config({"distill": True})
