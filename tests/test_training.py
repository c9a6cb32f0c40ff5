"""Training: it learns, it resumes bit for bit after any kill, and it is honest about time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foveate.bundle import load_bundle
from foveate.config import Config
from foveate.data.table import PairTable
from foveate.errors import BundleError, ConfigError, DataError, TrainingError
from foveate.options import AttendingOptions, AttentionOptions, Options
from foveate.records import Batch
from foveate.search.workers import granted_threads
from foveate.torch_loading import use_threads
from foveate.training.defaults import (
    HIGHEST_RATE,
    DataFacts,
    choose_batch_tokens,
    choose_learning_rate,
    resolve,
)
from foveate.training.interrupt import InterruptGate
from foveate.training.optimizer import Optimizer, learning_rate_factor, update_average
from foveate.training.recorder import cut_log
from foveate.training.report import Report
from foveate.training.run import Machine, hold_out, train
from foveate.training.speed import measure_speed
from foveate.training.state import StateFolder
from foveate.training.trainer import Trainer
from foveate.translator import Translator
from made import mark_others

TINY = Config(
    max_updates=20,
    num_validations=4,
    hidden_size=16,
    embedding_size=8,
    num_layers=1,
    num_heads=1,
    dropout=0.2,
    batch_tokens=64,
    threads=1,
)


def make_table(num_pairs: int = 60, seed: int = 3) -> PairTable:
    generator = np.random.default_rng(seed)
    words = ["".join(generator.choice(list("abcde"), size=1 + i % 6)) for i in range(num_pairs)]
    return PairTable.from_texts(words, [word[::-1] for word in words])


def weights_of(out: Path) -> dict[str, np.ndarray]:
    return load_bundle(out).weights


def assert_same_weights(one: Path, other: Path) -> None:
    first, second = weights_of(one), weights_of(other)
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].tobytes() == second[name].tobytes(), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "model"
    train(make_table(), None, TINY, out=out)
    return out


LONG = pytest.mark.long


@pytest.mark.parametrize("stop_at", [pytest.param(1, marks=LONG), 9, pytest.param(13, marks=LONG)])
def test_interrupted_run_resumes_to_the_same_weights(
    whole: Path, tmp_path: Path, stop_at: int
) -> None:
    table = make_table()

    def interrupt(report: Report) -> None:
        if report.kind == "progress" and report.update >= stop_at:
            raise KeyboardInterrupt

    stopped = train(table, None, TINY, out=tmp_path / "halves", report=interrupt)
    assert stopped.was_interrupted
    assert stopped.summary.updates < 20
    assert (tmp_path / "halves" / "bundle.json").exists()  # the best so far is kept
    finished = train(table, None, TINY, out=tmp_path / "halves", resume=True)
    assert finished.summary.updates == 20
    assert_same_weights(whole, tmp_path / "halves")


@pytest.mark.long
def test_subword_sampling_and_word_dropout_resume_exactly(tmp_path: Path) -> None:
    sentences = ["the cat sat on a mat", "a dog ran to the cat", "the dog sat", "a mat ran"] * 5
    table = PairTable.from_texts(sentences, [s.upper() for s in sentences])
    options = {
        "source_tokens": "unigram",
        "target_tokens": "bpe",
        "vocabulary_size": 40,
        "subword_sampling": 0.3,
        "word_dropout": 0.2,
        "max_updates": 12,
    }
    config = TINY.replace(**options)
    train(table, table, config, out=tmp_path / "whole")

    def interrupt(report: Report) -> None:
        if report.kind == "progress" and report.update >= 7:
            raise KeyboardInterrupt

    train(table, table, config, out=tmp_path / "halves", report=interrupt)
    train(table, table, config, out=tmp_path / "halves", resume=True)
    assert_same_weights(tmp_path / "whole", tmp_path / "halves")


@pytest.mark.timeout(600)  # on a machine with others at work
@pytest.mark.slow  # the quick run has the kill points instead
def test_killed_run_resumes_to_the_same_weights(tmp_path: Path) -> None:
    """SIGKILL at moments nobody chose, with a state saved after every update."""
    table = make_table(200)
    pairs = tmp_path / "pairs.tsv"
    rows = zip(table.sources(), table.targets(), strict=True)
    pairs.write_text("".join(f"{source}\t{target}\n" for source, target in rows))
    options = "--max-updates 120 --num-validations 60 --hidden-size 16 --embedding-size 8"
    options += " --num-layers 1 --num-heads 1 --dropout 0.2 --batch-tokens 64 --threads 1"
    command = [sys.executable, "-m", "foveate", "train", str(pairs), *options.split(), "--out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    resume: list[str] = []
    for wait_for in (10, 40):
        process = subprocess.Popen(
            [*command, str(killed), *resume], stderr=subprocess.DEVNULL, env=environment
        )
        deadline = time.monotonic() + 60
        while newest_state(killed) < wait_for and process.poll() is None:
            assert time.monotonic() < deadline, "the run saved no state"
            time.sleep(0.003)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run ended before it was killed"
        resume = ["--resume"]
    subprocess.run([*command, str(killed), "--resume"], check=True, env=environment)
    subprocess.run([*command, str(whole)], check=True, env=environment)
    assert_same_weights(killed, whole)
    updates = [row["update"] for row in read_log(killed)]
    assert updates == sorted(updates)


def read_log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def newest_state(out: Path) -> int:
    state = out / "state"
    names = [entry.name for entry in state.iterdir()] if state.is_dir() else []
    return max((int(name) for name in names if name.isdigit()), default=-1)


def test_half_written_state_is_never_taken(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    table = make_table()

    def interrupt(report: Report) -> None:
        if report.kind == "progress" and report.update >= 9:
            raise KeyboardInterrupt

    train(table, None, TINY, out=out, report=interrupt)
    left = out / "state" / ".00000099.abcd.part"
    left.mkdir()
    (left / "tensors.safetensors").write_bytes(b"half")
    train(table, None, TINY, out=out, resume=True)
    assert_same_weights(whole, out)


def test_resume_refuses_other_data_and_other_options(tmp_path: Path) -> None:
    out = tmp_path / "model"

    def interrupt(report: Report) -> None:
        if report.kind == "progress":
            raise KeyboardInterrupt

    train(make_table(), None, TINY, out=out, report=interrupt)
    with pytest.raises(DataError, match="other pairs"):
        train(make_table(61), None, TINY, out=out, resume=True)
    changed = TINY.replace(dropout=0.1)
    with pytest.raises(ConfigError, match="dropout"):
        train(make_table(), None, changed, out=out, resume=True)
    with pytest.raises(BundleError, match="--resume"):
        train(make_table(), None, TINY, out=out)
    with pytest.raises(BundleError, match="no training run"):
        train(make_table(), None, TINY, out=tmp_path / "nothing", resume=True)


@pytest.mark.parametrize(
    "architecture", mark_others(["attention", "traditional", "transformer"], ["attention"])
)
def test_architectures_learn_and_their_bundles_translate_the_same(
    tmp_path: Path, architecture: str
) -> None:
    options = {"max_updates": 80, "learning_rate": 2e-2}
    reports: list[Report] = []
    trained = train(
        make_table(), None, TINY.fit_to(architecture).replace(**options), out=tmp_path / "m",
        report=reports.append,
    )  # fmt: skip
    losses = [report.loss for report in reports if report.kind == "progress" and report.loss]
    assert losses[-1] < 0.8 * losses[0]
    again = Translator.load(tmp_path / "m", threads=1)
    texts = ["abc", "eeda", "", "xyz"]
    before = list(trained.translator.translate(texts))
    after = list(again.translate(texts))
    assert [t.text for t in before] == [t.text for t in after]
    assert [t.score for t in before] == pytest.approx([t.score for t in after])
    assert after[2].text == "" and after[2].tokens == []
    has_attention = architecture != "traditional"
    assert again.has_attention is has_attention
    for one in after[:2]:
        assert (one.attention is not None) is has_attention
        if one.attention is not None:
            assert one.attention.shape == (len(one.tokens), len(one.source_tokens))
            np.testing.assert_allclose(one.attention.sum(axis=1), 1, atol=1e-5)


@pytest.fixture(scope="module")
def translator() -> Translator:
    learnt = TINY.replace(max_updates=30, learning_rate=2e-2)
    return train(make_table(), None, learnt).translator


def test_score_of_search_is_the_forced_score(translator: Translator) -> None:
    found = [t for t in translator.translate(["abc", "edcba", "ca"]) if t.tokens]
    assert found
    pairs = [("".join(t.source_tokens), t.text) for t in found]
    for one, forced in zip(found, translator.score_pairs(pairs), strict=True):
        assert forced.score == pytest.approx(one.score, abs=1e-4)
        np.testing.assert_allclose(forced.attention, one.attention, atol=1e-5)


def test_batches_do_not_change_translations(translator: Translator) -> None:
    texts = ["a", "abcde", "cab", "", "ebb", "deadbeef"]
    alone = [translator.translate_one(text) for text in texts]
    for one, other in zip(alone, translator.translate(texts), strict=True):
        assert one.text == other.text
        assert one.score == pytest.approx(other.score, abs=1e-5)


def test_learning_rate_rises_and_decays_to_zero() -> None:
    factors = [learning_rate_factor(update, 100, 0.1) for update in range(100)]
    assert factors[9] == 1.0 and max(factors) == 1.0
    assert all(a < b for a, b in pairwise(factors[:10]))
    assert all(a > b for a, b in pairwise(factors[9:]))
    assert 0 < factors[-1] < 0.02
    assert learning_rate_factor(100, 100, 0.1) == 0.0


def test_moving_average_follows_its_formula() -> None:
    model, average = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    naive = average.weight.detach().clone()
    for update in range(5):
        decay = min(0.5, (1 + update) / (10 + update))
        naive = decay * naive + (1 - decay) * model.weight.detach()
        update_average(list(average.parameters()), list(model.parameters()), update, 0.5)
    torch.testing.assert_close(average.weight.detach(), naive)


def test_updates_are_those_of_pytorch() -> None:
    """AdamW with clipped gradients; biases do not decay, and what has no gradient stays."""
    config = Config(clip_norm=1.0, weight_decay=0.1)
    torch.manual_seed(1)
    ours, theirs = torch.nn.Bilinear(2, 3, 4), torch.nn.Bilinear(2, 3, 4)
    for model in (ours, theirs):
        model.register_parameter("unused", torch.nn.Parameter(torch.ones(2, 2)))
    theirs.load_state_dict(ours.state_dict())
    optimizer = Optimizer(ours, config)
    groups = [{"params": [theirs.weight]}, {"params": [theirs.bias], "weight_decay": 0.0}]
    pytorch = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.1)
    norms = []
    for update in range(6):
        one, two = torch.randn(5, 2), torch.randn(5, 3)
        for model in (ours, theirs):
            loss = model(one, two).square().sum()
            (loss if update % 2 else 1e-3 * loss).backward()
        norms.append(torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0).item())
        for group in pytorch.param_groups:
            group["lr"] = 0.1 / (1 + update)
        pytorch.step()
        pytorch.zero_grad()
        optimizer.step(0.1 / (1 + update))
        assert all(parameter.grad is None for parameter in ours.parameters())
    assert min(norms) < 1 < max(norms)  # clipped and not
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter, theirs.get_parameter(name))
    assert torch.equal(ours.get_parameter("unused"), torch.ones(2, 2))


@pytest.mark.long
def test_training_loads_no_compiler() -> None:
    """It takes longer to load than a small model to train."""
    program = (
        "import sys\n"
        "from foveate import Seq2Seq\n"
        "Seq2Seq(max_updates=2, hidden_size=16).fit(['ab', 'ba'] * 9, ['b a', 'a b'] * 9)\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_infinite_loss_is_told(tmp_path: Path) -> None:
    wild = TINY.replace(learning_rate=100.0, weight_decay=1000.0, average_decay=0.0, warmup=0.0)
    with pytest.raises(TrainingError, match="learning_rate below"):
        train(make_table(), None, wild)


def test_patience_stops_the_run() -> None:
    options = {"learning_rate": 1e-12, "patience": 2, "num_validations": 20}
    frozen = TINY.replace(**options)
    summary = train(make_table(), None, frozen).summary
    assert summary.updates == 3  # the first validation is the best, two more are not better


def test_minutes_become_updates_and_the_log_tells_them(tmp_path: Path) -> None:
    config = TINY.replace(max_updates=None, minutes=0.05)
    begin = time.perf_counter()
    train(make_table(), None, config, out=tmp_path / "m")
    seconds = time.perf_counter() - begin
    rows = read_log(tmp_path / "m")
    assert rows[-1]["kind"] == "end" and rows[-1]["update"] == rows[-1]["total_updates"]
    assert {"loss", "learning_rate", "target_tokens_per_second"} <= rows[0].keys()
    assert any("dev" in row for row in rows)
    assert 1 < seconds < 30


class Ticks:
    """A clock that goes on by a hundredth of a second whenever it is looked at.

    By `calibration` of them while updates are timed before the run, and by three while the first
    `slow` updates are done.
    """

    def __init__(self, calibration: float, slow: int) -> None:
        self.looks, self.now = 0, 0.0
        self.calibration, self.slow = calibration, slow

    def __call__(self) -> float:
        self.looks += 1
        done = self.looks - 8  # updates; the begin, two of search, one before and four to calibrate
        is_calibration = -4 < done <= 0
        self.now += 0.01 * (self.calibration if is_calibration else 3 if done <= self.slow else 1)
        return self.now


@pytest.mark.parametrize(
    ("calibration", "slow", "least", "most"),
    [
        pytest.param(12, 0, 80, 120, marks=LONG),
        pytest.param(1, 0, 80, 120, marks=LONG),
        (8, 8, 40, 60),
    ],
)
def test_a_wrong_calibration_and_a_slow_begin_are_put_right(
    tmp_path: Path, calibration: float, slow: int, least: int, most: int
) -> None:
    """An update takes a hundredth of a second, at first perhaps three of them.

    By the first tenth alone the slow ones would leave 33 updates.
    """
    notes: list[str] = []
    config = TINY.replace(max_updates=None, minutes=0.02)

    def listen(report: Report) -> None:
        if report.kind == "note":
            notes.append(report.message)

    machine = Machine(Ticks(calibration, slow), lambda device: 1.0)
    out = tmp_path / "m"
    trained = train(make_table(), None, config, out=out, report=listen, machine=machine)
    updates = trained.summary.updates
    assert least < updates < most and any("the time is enough for" in note for note in notes)
    saved = StateFolder(out).load()
    assert saved is not None
    assert saved.schedule.total_updates == updates and saved.schedule.trials == ()


def test_hold_out_keeps_sources_apart() -> None:
    table = make_table(200)
    rest, dev = hold_out(table, seed=1)
    assert len(rest) + len(dev) == 200 and len(dev) >= 10
    assert not set(rest.sources()) & set(dev.sources())


def test_cut_log_drops_what_came_after(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"update": 3}\n{"update": 5}\n{"update": 9}\n{"upd')
    cut_log(log, 5)
    assert log.read_text() == '{"update": 3}\n{"update": 5}\n'


def facts(num_pairs: int, kind: str = "characters") -> DataFacts:
    return DataFacts(num_pairs, 7.5, 6.5, 30, 45, kind, kind)


def test_many_letters_that_are_seen_a_few_times_have_ngrams() -> None:
    def ngrams(num_pairs: int, updates: int, kind: str = "characters") -> tuple[int | None, ...]:
        chosen = resolve(Config(max_updates=updates), facts(num_pairs, kind)).model
        return chosen.source_ngrams, chosen.ngram_rows if chosen.source_ngrams > 1 else None

    assert ngrams(100_000, 4000) == (5, 2**16)
    assert ngrams(100_000, 14_000) == ngrams(100_000, 4000)  # 13 passes
    assert ngrams(100_000, 40_000) == (1, None)
    assert ngrams(25_000, 4000) == (5, 2**15)
    assert ngrams(10_000, 500) == (1, None)
    assert ngrams(100_000, 4000, "unigram") == (1, None)
    told = resolve(Config(max_updates=300, source_ngrams=3), facts(5_000, "unigram")).model
    assert (told.source_ngrams, told.ngram_rows) == (3, 2**12)


def test_the_more_passes_the_more_ngrams_are_dropped() -> None:
    def share(updates: int, num_pairs: int = 100_000, **told: object) -> float | None:
        config = Config(max_updates=updates, **told)  # type: ignore[arg-type]
        return resolve(config, facts(num_pairs)).model.ngram_dropout

    few, more = share(1_000), share(8_000)
    assert few is not None and more is not None
    assert 0.01 < few < 0.1 < more < 0.6 == share(40_000, source_ngrams=5)
    assert share(40_000) == share(1_000, num_pairs=5_000) == 0
    assert share(8_000, architecture="transformer") == 0
    assert share(8_000, ngram_dropout=0.2) == 0.2


def test_a_transformer_gets_ngrams_earlier_and_a_window() -> None:
    def sees(num_pairs: int, updates: int, kind: str = "characters") -> tuple[int | None, ...]:
        asked = Config(architecture="transformer", max_updates=updates)
        chosen = resolve(asked, facts(num_pairs, kind)).model
        return chosen.source_ngrams, chosen.source_window

    assert sees(100_000, 40_000) == sees(10_000, 500) == (5, 5)
    assert sees(3_000, 500) == sees(100_000, 4000, "unigram") == (1, 5)
    assert resolve(Config(max_updates=500), facts(800)).model.source_window == 1
    told = Config(architecture="transformer", max_updates=500, source_window=1)
    assert resolve(told, facts(800)).model.source_window == 1


def test_the_attention_rnn_knows_where_it_looked() -> None:
    def window(**told: Any) -> int:
        options = resolve(Config(max_updates=500, **told), facts(800)).model
        assert isinstance(options, AttentionOptions)
        return options.location_window

    assert window() == 7
    assert window(location_window=0) == 0 and window(location_window=3) == 3


def test_batches_grow_with_the_square_root_of_the_pairs() -> None:
    def batch_size(num_pairs: int) -> int:
        tokens = resolve(Config(), facts(num_pairs)).training.batch_tokens
        assert tokens is not None
        return round(tokens / facts(num_pairs).pair_length)

    assert [batch_size(count) for count in (500, 10_000, 40_000, 10**6)] == [16, 30, 60, 96]
    sentences = DataFacts(10**6, 40, 40, 90, 90, "unigram", "unigram")
    assert choose_batch_tokens(sentences) == 96 * 81
    for length, size in ((30, 30), (60, 17), (190, 5), (900, 4)):
        long = DataFacts(10_000, length, length, 90, 90, "characters", "characters")
        assert choose_batch_tokens(long) == pytest.approx(size * long.pair_length, rel=0.06)


def test_defaults_grow_with_data_and_minutes() -> None:
    def width(num_pairs: int, minutes: float) -> int:
        size = resolve(Config(minutes=minutes), facts(num_pairs)).model.hidden_size
        assert size is not None and size % 16 == 0
        return size

    assert width(100_000, 10) < width(100_000, 30) < width(100_000, 170)
    assert width(800, 10) < width(10_000, 10)
    told = resolve(Config(hidden_size=100, dropout=0.5), facts(5000)).model
    assert (told.hidden_size, told.dropout) == (100, 0.5)


def test_a_faster_machine_trains_a_wider_model_in_the_same_minutes() -> None:
    slow, fast = (
        resolve(Config(minutes=10), facts(100_000), speed=speed).model for speed in (1, 6)
    )
    assert slow.hidden_size and fast.hidden_size and fast.hidden_size > 1.5 * slow.hidden_size
    assert slow.dropout and fast.dropout and fast.dropout > slow.dropout
    assert slow.ngram_dropout and fast.ngram_dropout and fast.ngram_dropout > slow.ngram_dropout
    hour, minutes = Config(minutes=60), Config(minutes=10)
    assert (
        resolve(hour, facts(100_000)).model.hidden_size
        == resolve(minutes, facts(100_000), speed=6).model.hidden_size
    )


def test_speed_is_the_best_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, threads = iter([0.5, 0.25, *[1.0] * 38]), set()

    def time_product(rows: torch.Tensor, weights: torch.Tensor) -> float:
        threads.add(torch.get_num_threads())
        return next(seconds)

    monkeypatch.setitem(measure_speed.__globals__, "_time_product", time_product)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        speed = measure_speed(torch.device("cpu"))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert threads == {1}
    assert speed == pytest.approx(2 * 96 * 512 * 2048 / 0.25 / 3.15e10)


@pytest.mark.long
def test_sizes_depend_on_the_machine_only_where_minutes_count() -> None:
    fast = Machine(measure_speed=lambda device: 1e6)
    open_size = TINY.replace(dropout=None)
    told = open_size.replace(max_updates=1)
    for_updates = train(make_table(), None, told, machine=fast).options.model
    told = open_size.replace(max_updates=None, minutes=0.01)
    in_time = train(make_table(), None, told, machine=fast).options.model
    assert for_updates.dropout == 0.02 and in_time.dropout == 0.35


def test_short_runs_and_few_pairs_get_a_high_learning_rate() -> None:
    def rate(num_pairs: int, updates: int, **told: Any) -> float:
        config = Config(**{"hidden_size": 144, "batch_tokens": 720, **told})
        data = facts(num_pairs)
        return choose_learning_rate(resolve(config, data), data, updates)

    assert rate(100_000, 800) > rate(100_000, 6000) > rate(100_000, 19_000)
    assert rate(100_000, 19_000) == rate(100_000, 90_000) == 0.0036
    assert rate(100_000, 1) == rate(10, 90_000) == HIGHEST_RATE
    assert rate(3600, 1500) == rate(3600, 90_000) > rate(10_000, 90_000)
    assert rate(100_000, 19_000, hidden_size=288) == 0.0018
    assert rate(100_000, 19_000, architecture="transformer") == 0.0051
    assert rate(100_000, 800, architecture="transformer") == 0.0051
    assert rate(100_000, 800, architecture="transformer", optimizer="adamw") == 0.0018
    assert rate(100_000, 800, architecture="traditional") == 0.0036


@pytest.mark.long
def test_the_learning_rate_follows_from_the_number_of_updates_unless_it_is_told() -> None:
    table = make_table()
    for told in (None, 0.5):
        summary = train(table, table, TINY.replace(learning_rate=told)).summary
        assert summary.training["learning_rate"] == (told or HIGHEST_RATE)


def test_sentences_are_guided_and_get_noise_in_long_runs_only() -> None:
    sentences = DataFacts(2000, 17, 16, 2000, 2000, "unigram", "unigram")
    short, long = (resolve(Config(minutes=minutes), sentences) for minutes in (5, 120))
    assert (short.model.word_dropout, short.training.subword_sampling) == (0.0, 0.0)
    assert (long.model.word_dropout, long.training.subword_sampling) == (0.1, 0.1)
    assert short.training.guidance == long.training.guidance == 0.3
    assert has_lexicon(short) and not has_lexicon(resolve(Config(copy=True), sentences))
    assert not has_lexicon(resolve(Config(), replace(sentences, num_pairs=29_000)))
    transformer = resolve(Config(architecture="transformer"), sentences)
    assert transformer.training.guidance == 0.3 and has_lexicon(transformer)
    plain = resolve(Config(architecture="traditional"), sentences)
    assert plain.training.guidance == 0.0 and not has_lexicon(plain)
    letters = resolve(Config(minutes=120), facts(2000))
    assert (letters.training.guidance, letters.model.word_dropout) == (0.0, 0.0)
    assert not has_lexicon(letters)


def has_lexicon(options: Options) -> bool:
    return isinstance(options.model, AttendingOptions) and options.model.lexicon


def test_gate_holds_the_first_interrupt_and_lets_the_second_through() -> None:
    with InterruptGate() as gate:
        gate.check()
        signal.raise_signal(signal.SIGINT)
        assert gate.is_requested and not gate.is_torn
        with pytest.raises(KeyboardInterrupt):
            gate.check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert gate.is_torn
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_best_weights_outlive_a_loss_that_is_not_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Trainer.update_on

    def break_late(self: Trainer, batch: Batch) -> None:
        if self.counters.update == 12:
            raise TrainingError("the loss is not a number")
        whole(self, batch)

    monkeypatch.setattr(Trainer, "update_on", break_late)
    with pytest.raises(TrainingError):
        train(make_table(), None, TINY, out=tmp_path / "m")
    kept = Translator.load(tmp_path / "m", threads=1)
    assert kept.summary.updates == 12 and kept.summary.best_update in (5, 10)


def test_unknown_source_tokens_are_told(translator: Translator) -> None:
    found = translator.translate(["abz", "ée", "cab"])
    assert [one.unknown for one in found] == [(2,), (0,), ()]


def test_threads_are_those_granted_unless_told() -> None:
    assert granted_threads() == 1  # OMP_NUM_THREADS of the test run, as joblib sets it in workers
    use_threads(2)
    assert torch.get_num_threads() == 2
    use_threads(0)
    assert torch.get_num_threads() == 1


@pytest.mark.long
def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "m"
    first = train(make_table(), None, TINY, out=out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    again = train(make_table(), None, TINY, out=out, resume=True)
    assert again.summary == first.summary and not again.was_interrupted
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_texts_that_do_not_come_back_are_told() -> None:
    notes: list[str] = []
    table = PairTable.from_texts(["ab", "ba"] * 10, ["x  y", "y x"] * 10)
    config = TINY.replace(target_tokens="whitespace", max_updates=1)
    train(table, None, config, report=lambda report: notes.append(report.message))
    told = [note for note in notes if "do not come back" in note]
    assert len(told) == 1 and "target" in told[0] and "'x  y' as 'x y'" in told[0]
