"""A run that is stopped, disturbed or begun twice: nothing is lost, and nothing is left behind."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from foveate.cli import main
from foveate.data.table import PairTable
from foveate.errors import BundleError, ConfigError, DataError, ModelMismatchError, TrainingError
from foveate.models.randomness import OwnGenerator
from foveate.training.build import build_trainer
from foveate.training.ensemble import join_members, train_models
from foveate.training.prepare import prepare
from foveate.training.recorder import Recorder
from foveate.training.report import Report
from foveate.training.run import _Run, tell_out_of_memory, train
from foveate.training.state import StateFolder
from foveate.translator import Translator
from test_training import TINY, assert_same_weights, make_table, read_log

Stop = Callable[[Report], bool]


def stop_when(is_time: Stop, how: Callable[[], None] | None = None) -> Callable[[Report], None]:
    """Return a listener that stops a run once."""

    def listen(report: Report) -> None:
        if is_time(report):
            (how or press_keys)()

    return listen


def press_keys() -> None:
    signal.raise_signal(signal.SIGINT)


def is_scoring(report: Report) -> bool:
    return report.message.startswith("scoring the best weights")


def is_last_validation(report: Report) -> bool:
    return report.kind == "validation" and report.update == 20


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "model"
    train(make_table(), None, TINY, out=out)
    return out


@pytest.mark.parametrize(
    "is_time", [is_scoring, pytest.param(is_last_validation, marks=pytest.mark.long)]
)
def test_ctrl_c_after_the_last_update_is_heard_and_the_run_goes_on(
    whole: Path, tmp_path: Path, is_time: Stop
) -> None:
    out = tmp_path / "m"
    stopped = train(make_table(), None, TINY, out=out, report=stop_when(is_time))
    assert stopped.was_interrupted and not Translator.load(out).bundle.scores
    ended = train(make_table(), None, TINY, out=out, resume=True)
    assert not ended.was_interrupted and "dev" in ended.translator.bundle.scores
    assert_same_weights(whole, out)
    updates = [(row["kind"], row["update"]) for row in read_log(out)]
    assert updates == [(row["kind"], row["update"]) for row in read_log(whole)]


def test_more_updates_of_a_run_that_has_ended_go_on(whole: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "m"))
    longer = train(make_table(), None, TINY.replace(max_updates=30), out=out, resume=True)
    assert longer.summary.updates == 30 and read_log(out)[-1]["update"] == 30
    again = train(make_table(), None, TINY.replace(max_updates=30), out=out, resume=True)
    assert again.summary == longer.summary
    with pytest.raises(ConfigError, match=r"begun with more updates \(30, now it is 20\)"):
        train(make_table(), None, TINY, out=out, resume=True)


def test_another_list_of_words_is_refused_also_after_the_end(whole: Path) -> None:
    with pytest.raises(ConfigError, match="was begun with no list of words"):
        train(make_table(), None, TINY, out=whole, resume=True, words=["ab", "ba"])


@pytest.mark.long
def test_more_updates_of_a_run_that_had_lost_patience_go_on(tmp_path: Path) -> None:
    out, impatient = tmp_path / "m", TINY.replace(patience=1, learning_rate=1e-9)
    short = train(make_table(), None, impatient, out=out)
    assert short.summary.updates < 20
    longer = impatient.replace(max_updates=40)
    assert train(make_table(), None, longer, out=out, resume=True).summary.updates > (
        short.summary.updates
    )


@pytest.mark.long
def test_a_longer_run_that_is_stopped_goes_on_exactly(whole: Path, tmp_path: Path) -> None:
    longer = TINY.replace(max_updates=40)
    quiet, stopped = (Path(shutil.copytree(whole, tmp_path / name)) for name in "ab")
    train(make_table(), None, longer, out=quiet, resume=True)
    stop = stop_when(lambda report: report.kind == "progress" and report.update == 33)
    train(make_table(), None, longer, out=stopped, resume=True, report=stop)
    train(make_table(), None, longer, out=stopped, resume=True)
    assert_same_weights(quiet, stopped)


def test_other_pairs_are_refused_also_after_the_end(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match="other pairs"):
        train(make_table(61), None, TINY.replace(max_updates=999), out=whole, resume=True)
    with pytest.raises(ConfigError, match=r"dropout was 0\.2, now it is 0\.1"):
        train(make_table(), None, TINY.replace(dropout=0.1), out=whole, resume=True)
    timed = TINY.replace(max_updates=None, minutes=1)
    with pytest.raises(ConfigError, match="minutes"):
        train(make_table(), None, timed, out=whole, resume=True)
    out = tmp_path / "m"
    for name, seed in (("part1", 1), ("part2", 2)):
        table = make_table(30, seed)
        rows = zip(table.sources(), table.targets(), strict=True)
        (tmp_path / f"{name}.tsv").write_text("".join(f"{s}\t{t}\n" for s, t in rows))
    told = ["--out", str(out), "--hidden-size", "16"]
    assert main(["train", str(tmp_path / "part1.tsv"), *told, "--max-updates", "2"]) == 0
    more = ["--max-updates", "9", "--resume"]
    assert main(["train", str(tmp_path / "part2.tsv"), *told, *more]) == 2
    assert "was begun with other pairs" in capsys.readouterr().err
    assert main(["train", str(tmp_path / "part1.tsv"), *told, *more]) == 0
    assert Translator.load(out).summary.updates == 9


def test_a_run_without_its_state_says_that_it_cannot_go_on(whole: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "m"))
    shutil.rmtree(out / "state" / "00000020")
    assert not train(make_table(), None, TINY, out=out, resume=True).was_interrupted
    with pytest.raises(ConfigError, match="state was not kept"):
        train(make_table(), None, TINY.replace(max_updates=30), out=out, resume=True)


LEFT = ["lock", "text/shared.vocabulary.txt", ".00000005.0a1b2c3d.part"]
QUICK = [("lock", False), (".00000005.0a1b2c3d.part", True)]


@pytest.mark.parametrize(
    ("left", "resume"),
    [
        pytest.param(left, resume, marks=[pytest.mark.long] * ((left, resume) not in QUICK))
        for left in LEFT
        for resume in (False, True)
    ],
)
def test_what_a_kill_left_before_the_first_save_is_begun_anew(
    whole: Path, tmp_path: Path, left: str, resume: bool
) -> None:
    out = tmp_path / "m"
    (out / "state" / left).parent.mkdir(parents=True)
    (out / "state" / left).write_text("half")
    (out / "log.jsonl").write_text('{"kind": "progress", "update": 2}\n{"ki')
    train(make_table(), None, TINY, out=out, resume=resume)
    assert_same_weights(whole, out)
    assert [path.name for path in out.rglob(".*")] == []
    assert [row["update"] for row in read_log(out)] == [row["update"] for row in read_log(whole)]


def test_the_command_takes_such_a_folder(tmp_path: Path) -> None:
    pairs, out = tmp_path / "pairs.tsv", tmp_path / "m"
    pairs.write_text("ab\tba\nca\tac\n" * 6)
    (out / "state").mkdir(parents=True)
    assert main(["train", str(pairs), "--out", str(out), "--max-updates", "1"]) == 0
    assert (out / "bundle.json").is_file()


def test_a_folder_belongs_to_one_run_at_a_time(tmp_path: Path) -> None:
    out, errors = tmp_path / "m", []

    def begin_another(report: Report) -> None:
        if report.kind == "validation" and not errors:
            for resume in (False, True):
                with pytest.raises(BundleError) as caught:
                    train(make_table(), None, TINY, out=out, resume=resume)
                errors.append(str(caught.value))

    train(make_table(), None, TINY, out=out, report=begin_another)
    assert all("another run is at work" in error or "add --resume" in error for error in errors)
    assert "another run is at work" in errors[1]


def test_a_run_that_failed_before_it_began_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "m"
    with pytest.raises(DataError, match="no pairs"):
        train(make_table(0), None, TINY, out=out)
    assert not out.exists()


STATE = ["00000005/tensors.safetensors", "00000005/state.json", "run.json", "text/*.vocabulary.txt"]


def test_a_flipped_bit_in_the_state_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "m"
    stop = stop_when(lambda report: report.kind == "progress" and report.update == 5)
    train(make_table(), None, TINY, out=out, report=stop)
    for name in STATE:
        (path,) = (out / "state").glob(name)
        flip_bits(path, out)
    assert train(make_table(), None, TINY, out=out, resume=True).summary.updates == 20


def flip_bits(path: Path, out: Path) -> None:
    """Flip a bit in nine places of a file, one after the other; no run goes on from it."""
    good = path.read_bytes()
    generator = np.random.default_rng(5)
    for place in generator.integers(0, len(good), 9).tolist():
        bad = bytearray(good)
        bad[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(bytes(bad))
        with pytest.raises(BundleError, match="cannot go on from it") as caught:
            train(make_table(), None, TINY, out=out, resume=True)
        assert len(str(caught.value).splitlines()) == 1
    path.write_bytes(good)


def test_weights_that_are_no_numbers_end_the_run_with_the_best_before(tmp_path: Path) -> None:
    out = tmp_path / "m"
    prepared = prepare(make_table(), None, TINY)
    trainer = build_trainer(prepared)

    def spoil(report: Report) -> None:
        if report.update == 12:
            trainer.average.output_bias.data.fill_(torch.nan)

    (out / "state").mkdir(parents=True)
    run = _Run(prepared, trainer, Recorder(out, spoil), time.perf_counter)
    run.follow(run.plan(0.0))
    with pytest.raises(TrainingError, match=r"update 15 cannot be used.* best weights so far"):
        run.loop()
    kept = Translator.load(out)
    assert kept.summary.best_update in (5, 10) and kept.summary.was_interrupted
    assert all(np.isfinite(array).all() for array in kept.bundle.weights.values())


@pytest.mark.long
def test_a_log_that_cannot_be_written_is_told_once(whole: Path, tmp_path: Path) -> None:
    out, notes = tmp_path / "m", []

    def listen(report: Report) -> None:
        if report.kind == "plan":
            (out / "log.jsonl").mkdir()  # stands in its way
        if "log.jsonl" in report.message:
            notes.append(report.message)

    train(make_table(), None, TINY, out=out, report=listen)
    assert len(notes) == 1 and "ends here" in notes[0]
    assert_same_weights(whole, out)


def test_a_folder_that_vanishes_does_not_end_the_run(whole: Path, tmp_path: Path) -> None:
    out, notes = tmp_path / "m", []

    def listen(report: Report) -> None:
        notes.append(report.message)
        if report.kind == "progress" and report.update == 7:
            shutil.rmtree(out)

    train(make_table(), None, TINY, out=out, report=listen)
    assert any("could not save the state" in note for note in notes)
    assert_same_weights(whole, out)


def test_nothing_of_the_program_around_is_changed() -> None:
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    train(make_table(), None, TINY.replace(threads=2, max_updates=2, num_validations=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_runs_in_threads_of_one_program_are_those_of_one_after_another() -> None:
    seeds = (1, 1, 2)
    found: dict[int, dict[str, np.ndarray]] = {}

    def run(place: int) -> None:
        told = TINY.replace(seed=seeds[place], max_updates=6, num_validations=1)
        found[place] = train(make_table(), None, told).translator.bundle.weights

    threads = [threading.Thread(target=run, args=[place]) for place in range(len(seeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = dict(found)
    for place in range(len(seeds)):
        run(place)
        for name, array in found[place].items():
            assert array.tobytes() == together[place][name].tobytes(), name


def test_own_numbers_are_those_of_the_seed() -> None:
    def build() -> list[torch.nn.Module]:
        parts: list[torch.nn.Module] = [torch.nn.LSTM(3, 17), torch.nn.Linear(5, 41)]
        return [*parts, torch.nn.Embedding(43, 7)]

    with OwnGenerator(7):
        ours = build()
    torch.manual_seed(7)
    for one, other in zip(ours, build(), strict=True):
        for first, second in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.equal(first, second)


def test_models_with_other_vocabularies_are_not_joined() -> None:
    tables = make_table(), PairTable.from_texts(["xyz", "zyx"] * 9, ["zyx", "xyz"] * 9)
    told = TINY.replace(max_updates=1)
    bundles = [train(table, None, told).translator.bundle for table in tables]
    with pytest.raises(ModelMismatchError, match="another source vocabulary"):
        join_members(bundles)


@pytest.mark.long
def test_models_trained_side_by_side_are_the_same(tmp_path: Path) -> None:
    told = TINY.replace(models=2, max_updates=6)
    train_models(make_table(), None, told, out=tmp_path / "one")
    train_models(make_table(), None, told.replace(jobs=2), out=tmp_path / "two")
    assert_same_weights(tmp_path / "one", tmp_path / "two")
    again = train_models(make_table(), None, told, out=tmp_path / "two", resume=True)
    assert not again.was_interrupted  # another number of jobs is the same run


def test_too_few_pairs_to_hold_some_out_are_told() -> None:
    notes: list[str] = []
    table = PairTable.from_texts(["ab", "ba"], ["x", "y"])
    told = TINY.replace(max_updates=1)
    train(table, None, told, report=lambda report: notes.append(report.message))
    assert any("the 2 training pairs themselves" in note for note in notes)


def test_no_room_is_a_memory_error() -> None:
    with pytest.raises(MemoryError), tell_out_of_memory():
        torch.empty(2**45)
    with pytest.raises(RuntimeError, match="shapes"), tell_out_of_memory():
        torch.ones(2, 3) @ torch.ones(2, 3)


def test_the_last_state_is_kept_and_no_other(whole: Path) -> None:
    saved = StateFolder(whole).load()
    assert saved is not None and saved.counters.update == 20
    names = sorted(entry.name for entry in (whole / "state").iterdir())
    assert names == ["00000020", "lock", "run.json", "text"]
