"""A whole training run: from a table of pairs to a bundle, resumable at any moment.

It ties four parts together: what is found from the pairs (prepare.py), what is due when
(schedule.py), one update (trainer.py), and what is told and written (recorder.py). Everything that
happens after an update is done before its state is saved, once.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from foveate.bundle import Bundle, Summary, refuse_foreign
from foveate.data.table import PairTable
from foveate.errors import BundleError, ConfigError, SearchError, TrainingError
from foveate.models.seq2seq import Seq2SeqModel
from foveate.options import Config, Options, restore_options
from foveate.records import SoftTargets
from foveate.torch_backend import TorchStepper, use_threads
from foveate.training.appraisal import appraise
from foveate.training.build import build_trainer, choose_device
from foveate.training.defaults import choose_learning_rate, describe_plan
from foveate.training.folder import check_new_run, is_new_run_possible, lock_folder
from foveate.training.interrupt import InterruptGate
from foveate.training.prepare import Prepared, describe, hold_out, prepare, restore
from foveate.training.recorder import Recorder
from foveate.training.report import Listener, Report, be_silent
from foveate.training.schedule import GUIDED_TRIALS, TRIALS, Schedule
from foveate.training.speed import measure_speed
from foveate.training.state import SavedState
from foveate.training.trainer import Trainer, load_tensors
from foveate.training.validation import MOST_SOURCES, Validation, share_out
from foveate.translator import Translator

__all__ = ["Machine", "Trained", "hold_out", "open_run", "reload_model", "run_prepared", "train"]

SAVE_SECONDS = 60.0
REPORT_SECONDS = 1.0
VALIDATION_SHARE = 0.1  # of the minutes, at most, by the calibration
MOST_EXAMPLES = 64  # dev sources that a model carries, to check an export on


@dataclass(frozen=True)
class Machine:
    """What a run asks of the machine: the seconds, and how fast it is beside the slow core."""

    clock: Callable[[], float] = time.perf_counter
    measure_speed: Callable[[torch.device], float] = measure_speed


@dataclass
class Trained:
    """What a run leaves: a translator, resolved options, what happened, and the pairs it used."""

    translator: Translator
    options: Options
    summary: Summary
    table: PairTable
    dev: PairTable
    was_interrupted: bool = False


def train(
    table: PairTable,
    dev: PairTable | None,
    config: Config,
    *,
    out: Path | None = None,
    resume: bool = False,
    report: Listener | None = None,
    words: Collection[str] = (),
    machine: Machine | None = None,
) -> Trained:
    """Train one model on pairs and return it; with `out`, leave it there as a bundle.

    Args:
        table: the pairs.
        dev: pairs to select the best weights by; None takes some from `table`.
        config: the options; None in it is found from the data.
        out: folder for the bundle, `state/` and `log.jsonl`.
        resume: go on with the run in `out`, which was stopped or killed, or is to have more
            updates or minutes than it had.
        report: is told what happens.
        words: of the target language; where dev says so, outputs that are made of them are
            preferred.
        machine: tells the time, and how fast it is.

    Raises:
        ConfigError: options that do not go together, or another run's with `resume`.
        DataError: there is too little data, or it is another run's with `resume`.
        BundleError: `out` is taken, or there is nothing to resume.
        TrainingError: the loss is not a number.
        MemoryError: PyTorch found no room.
    """
    machine = machine or Machine()
    begin = machine.clock()
    config = config.replace(models=None, distill=None)  # several: training/ensemble.py
    recorder = Recorder(out, report or be_silent)
    with own_folder(out, resume):
        prepared = open_run(table, dev, config, recorder, resume, machine)
        return run_prepared(prepared, recorder, words=words, machine=machine, begin=begin)


@contextmanager
def own_folder(out: Path | None, resume: bool) -> Iterator[None]:
    """Keep a folder to this run, once it is sure that one may begin or go on there."""
    if out is not None:
        refuse_foreign(out)
        if not resume:
            check_new_run(out)
        elif not out.is_dir():
            raise BundleError(f"{out}: there is no training run to resume")
    with lock_folder(out):
        yield


def open_run(
    table: PairTable,
    dev: PairTable | None,
    config: Config,
    recorder: Recorder,
    resume: bool,
    machine: Machine,
    requested: Config | None = None,
) -> Prepared:
    """Prepare a new run and write that down, or take up what one that was stopped had.

    The options that were asked for are `requested`, where `config` is that of a member.
    """
    state, out = recorder.state, recorder.out
    if resume and state is not None and state.is_begun:
        run = state.read_run()
        codecs = state.read_codecs(restore_options(run["options"], str(out)).text)
        prepared = restore(table, dev, config, run, codecs, str(out), requested=requested)
        _refuse_without_state(prepared, run, recorder)
        return prepared
    if out is not None and resume:
        if not is_new_run_possible(out):
            raise BundleError(f"{out}: there is no training run to resume")
        recorder.note("nothing had been saved yet: the run begins anew")
    elif out is not None:
        check_new_run(out)  # once more: now nobody else can begin one
    device = choose_device(config.device)
    prepared = prepare(
        table,
        dev,
        config,
        requested=requested,
        measure_speed=lambda: machine.measure_speed(device),
    )
    for note in prepared.notes:
        recorder.note(note)
    recorder.begin(prepared)
    return prepared


def _refuse_without_state(prepared: Prepared, run: dict[str, Any], recorder: Recorder) -> None:
    """Raise a ConfigError when a run that kept no state is to go on after its end."""
    assert recorder.state is not None
    training = prepared.options.training
    asked = training.max_updates, training.minutes
    begun = run["options"].get("max_updates"), run["options"]["minutes"]
    if asked != begun and recorder.has_bundle_of() and not recorder.state.has_saved:
        raise ConfigError(
            f"{recorder.out}: this run has ended and its state was not kept, so it cannot go on: "
            "train into another folder"
        )


def run_prepared(
    prepared: Prepared,
    recorder: Recorder,
    *,
    words: Collection[str] = (),
    soft_targets: SoftTargets | None = None,
    machine: Machine | None = None,
    begin: float | None = None,
) -> Trained:
    """Train a model on prepared pairs, or go on with what the recorder has kept of that.

    Args:
        prepared: the pairs and the options.
        recorder: keeps the run, where it has a folder.
        words: as for `train`.
        soft_targets: what a teacher finds likely at every step of the pairs, learnt instead of
            their targets (training/distillation.py).
        machine: tells the time.
        begin: when the minutes began; now, if it is not told.
    """
    machine = machine or Machine()
    begin = machine.clock() if begin is None else begin
    saved = recorder.resume()
    schedule = _extend(saved, prepared, recorder) if saved is not None else None
    if _has_ended(saved, schedule, prepared.options.training.patience) and recorder.has_bundle_of(
        saved
    ):
        return reload_model(prepared, recorder)
    recorder.go_on(saved.counters.update if saved is not None else 0)
    with own_threads(prepared.options.training.threads), tell_out_of_memory():
        run = _Run(prepared, build_trainer(prepared, soft_targets), recorder, machine.clock)
        if saved is not None and schedule is not None:
            run.trainer.restore(saved.counters, saved.tensors)
            total = schedule.total_updates
            recorder.note(f"resumed after {saved.counters.update:,} of {total:,} updates")
        run.follow(schedule or run.plan(begin))
        run.describe()
        if run.loop():
            try:
                return run.conclude(words)
            except KeyboardInterrupt:
                pass
        return run.conclude_early()


def _extend(saved: SavedState, prepared: Prepared, recorder: Recorder) -> Schedule:
    """Return the schedule of a state, with more updates or minutes if these are asked for."""
    schedule, training = saved.schedule, prepared.options.training
    asked, begun = ((one.max_updates or 0, one.minutes) for one in (training, schedule))
    if asked == begun:
        return schedule
    if asked < begun:
        raise ConfigError(
            f"{recorder.out}: was begun with more "
            f"{'updates' if training.max_updates else 'minutes'}: resume with the same or more, or "
            "train into another folder"
        )
    if recorder.state is not None and recorder.state.is_begun:
        recorder.state.change_run(describe(prepared))
    return schedule.extend(training.max_updates, training.minutes, saved.counters)


def _has_ended(saved: SavedState | None, schedule: Schedule | None, patience: int) -> bool:
    """Say whether a state, where there is one, is that of the end of a run."""
    if saved is None:
        return True
    return schedule == saved.schedule and schedule.is_over(saved.counters, patience)


def reload_model(prepared: Prepared, recorder: Recorder) -> Trained:
    """Return the model of a run that has ended."""
    assert recorder.out is not None
    recorder.note(f"{recorder.out}: this run has ended already")
    options = prepared.options
    translator = Translator.load(recorder.out, backend="torch", threads=options.training.threads)
    return Trained(translator, options, translator.summary, prepared.table, prepared.dev)


def build_validation(prepared: Prepared, most_sources: int | None = None) -> Validation:
    """Take so many sources of dev, evenly spread, and the metric to select by."""
    most = MOST_SOURCES if most_sources is None else most_sources
    return Validation.build(prepared.dev, prepared.target_codec, most)


@contextmanager
def own_threads(threads: int) -> Iterator[None]:
    """Use so many threads in the context, and as many as before after it."""
    before = torch.get_num_threads()
    use_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def tell_out_of_memory() -> Iterator[None]:
    """Raise a MemoryError where PyTorch found no room."""
    try:
        yield
    except RuntimeError as error:
        message = str(error)
        if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in message:
            raise MemoryError(message.splitlines()[0]) from None
        raise


class _Run:
    """The parts of one run, tied together."""

    def __init__(
        self,
        prepared: Prepared,
        trainer: Trainer,
        recorder: Recorder,
        clock: Callable[[], float],
    ) -> None:
        self.prepared, self.options = prepared, prepared.options.training
        self.trainer, self.recorder, self.clock = trainer, recorder, clock
        self.gate = InterruptGate()
        self.validation = build_validation(prepared)
        parameters = trainer.model.parameters()
        self.num_parameters = sum(parameter.numel() for parameter in parameters)

    def loop(self) -> bool:
        """Train to the last update; return whether it got there, or was stopped by Ctrl-C.

        Raises:
            TrainingError: something is not a number; the best weights so far are kept.
        """
        try:
            with self.gate:
                self._train()
        except KeyboardInterrupt:
            if not self.gate.is_torn:  # else the last state on disk stands
                self._save()
            return False
        except TrainingError as error:
            if not self.trainer.best:
                raise
            self.conclude_early()
            kept = f"; the best weights so far are in {self.recorder.out}"
            raise TrainingError(f"{error}{kept if self.recorder.out else ''}") from None
        return True

    def _train(self) -> None:
        trainer, counters = self.trainer, self.trainer.counters
        self.mark = self.last_save = self.last_report = self.clock()
        while not self.is_over:
            self.gate.check()
            is_guided = trainer.is_guided
            trainer.update()
            now = self._count_time(is_guided)
            if self.schedule.events(counters.update).plan:
                self._plan_again()
            events = self.schedule.events(counters.update)
            if events.log or now - self.last_report > REPORT_SECONDS:
                self._tell_progress(now, events.log)
            if events.validate:
                self._validate()
            if events.save or now - self.last_save > SAVE_SECONDS:
                self._save()
        self.gate.check()

    @property
    def is_over(self) -> bool:
        """Say whether the last update is done, or the model gets no better."""
        return self.schedule.is_over(self.trainer.counters, self.options.patience)

    def _count_time(self, is_guided: bool) -> float:
        """Add the time since the last mark to that of the updates, and return what time it is."""
        counters, now = self.trainer.counters, self.clock()
        spent = now - self.mark
        self.mark = now
        counters.seconds += spent
        counters.update_seconds += spent
        if is_guided:
            counters.guided_updates += 1
            counters.guided_seconds += spent
        return now

    def follow(self, schedule: Schedule) -> None:
        """Train by a schedule from now on."""
        self.schedule = schedule
        self.trainer.peak = schedule.learning_rate
        self.trainer.total_updates = schedule.total_updates
        if len(self.validation.sources) != schedule.validation_sources:
            self.validation = build_validation(self.prepared, schedule.validation_sources)

    def plan(self, begin: float) -> Schedule:
        """Make the schedule of a new run; minutes become a number of updates."""
        options = self.options
        num_validations, num_sources = options.num_validations, MOST_SOURCES
        total, plain_cost = options.max_updates, 1.0
        seconds: float | None = None
        trials: tuple[float, ...] = ()
        if total is None:
            self.recorder.note("measuring how fast this machine trains")
            num_validations, num_sources, seconds = self._share_minutes(begin)
            pace = self.trainer.measure_pace(self.clock)
            plain_cost = pace.plain / pace.guided
            total = pace.count_updates(seconds, self.trainer.is_guided)
            trials = GUIDED_TRIALS if self.trainer.is_guided else TRIALS
        rate = choose_learning_rate(self.prepared.options, self.prepared.facts, total)
        return Schedule(
            total,
            rate,
            num_validations,
            num_sources,
            options.max_updates,
            options.minutes,
            seconds,
            trials,
            plain_cost,
        )

    def _share_minutes(self, begin: float) -> tuple[int, int, float]:
        """Return how many validations of how many sources there will be, and what they leave."""
        seconds = 60 * self.options.minutes
        num_sources = len(self.validation.sources)
        per_source = self._time_source()
        left = max(seconds - (self.clock() - begin), 0.1 * seconds)
        count, sources = share_out(
            VALIDATION_SHARE * left, per_source, self.options.num_validations, num_sources
        )
        return count, sources, max(left - count * sources * per_source, 0.1)

    def _time_source(self) -> float:
        """Time greedy search for a dev source, held to the length of a real target."""
        some = self.validation.sources[:64]
        limit = round(self.prepared.facts.target_length) + 1
        begin = self.clock()
        translator = self._translator()
        for _ in translator.translate(some, beam_size=1, attention=False, max_length=limit):
            pass
        return (self.clock() - begin) / len(some)

    def _plan_again(self) -> None:
        before = self.schedule.total_updates
        self.follow(self.schedule.plan_again(self.trainer.counters))
        total = self.schedule.total_updates
        if abs(total - before) > 0.05 * before:
            self._report(Report("note", f"the time is enough for {total:,} updates"))

    def describe(self) -> None:
        """Tell what will be trained on what."""
        rate, total = self.schedule.learning_rate, self.schedule.total_updates
        self.plan_line = describe_plan(
            self.prepared.options, self.prepared.facts, self.num_parameters, rate
        )
        line = f"{self.plan_line}, {total:,} updates"
        self.recorder.listener(Report("plan", line, total_updates=total))

    def _translator(self, model: Seq2SeqModel | None = None) -> Translator:
        """Return a translator by the average, or by another model."""
        bundle = self._bundle({}, Summary())
        stepper = TorchStepper(model or self.trainer.average, with_attention=False)
        return Translator(bundle, stepper)

    def _validate(self) -> None:
        counters = self.trainer.counters
        outputs = self._translate_dev()
        scores = self.validation.measure(outputs)
        is_top = self.validation.is_better(scores, counters.top_scores)
        if is_top:
            counters.top_scores, counters.top_outputs = scores, outputs
        is_kept = is_top or self.validation.is_as_good(outputs, counters.top_outputs)
        if is_kept:
            counters.best_update, counters.best_scores = counters.update, scores
            self.trainer.keep_best()
        counters.stale = 0 if is_top else counters.stale + 1
        now = self.clock()
        counters.seconds += now - self.mark
        self.mark = self.last_report = now
        self._report(self._describe_now("validation", dev=scores, is_kept=is_kept))

    def _translate_dev(self) -> list[str]:
        """Return the outputs for the sample of dev.

        Raises:
            TrainingError: the weights are not numbers.
        """
        problem = "its weights are not numbers"
        try:
            if self.trainer.is_finite:
                return self.validation.translate(self._translator())
        except SearchError as error:
            problem = str(error)
        raise TrainingError(
            f"the model of update {self.trainer.counters.update:,} cannot be used: {problem}: "
            f"train again with a learning_rate below {self.trainer.peak}"
        )

    def _choose_last(self) -> None:
        """Keep the last weights after all, where the whole of dev finds them as good.

        The best of twenty scores of a sample is in part the luckiest one; most of the other
        sources had no part in choosing it.
        """
        counters = self.trainer.counters
        whole = build_validation(self.prepared, len(self.prepared.dev))
        num_sources = len(whole.sources)
        if counters.best_update == counters.update or num_sources == len(self.validation.sources):
            return
        kept = copy.deepcopy(self.trainer.average)
        load_tensors(kept, self.trainer.best)
        outputs, others = (whole.translate(self._translator(model)) for model in (None, kept))
        if whole.is_as_good(outputs, others):
            self.recorder.note(
                f"the last weights are kept: on all {num_sources:,} dev sources they are as good "
                f"as those of update {counters.best_update:,}"
            )
            counters.best_update = counters.update
            counters.best_scores = whole.measure(outputs)
            self.trainer.keep_best()

    def conclude(self, words: Collection[str]) -> Trained:
        """Score the best weights on the whole dev set and write the bundle."""
        self._choose_last()
        bundle = self._build_bundle(was_interrupted=False)
        return self._finish(bundle, words)

    def conclude_early(self) -> Trained:
        """Write the bundle of the best weights so far, without scores."""
        return self._finish(self._build_bundle(was_interrupted=True))

    def _build_bundle(self, was_interrupted: bool) -> Bundle:
        prepared, counters = self.prepared, self.trainer.counters
        if not self.trainer.best:
            self.trainer.keep_best()
        summary = Summary(
            plan=self.plan_line,
            pairs=len(prepared.table),
            dev_pairs=len(prepared.dev),
            parameters=self.num_parameters,
            updates=counters.update,
            epochs=round(self.trainer.epoch, 2),
            minutes=round(counters.seconds / 60, 2),
            best_update=counters.best_update,
            seed=self.options.seed,
            was_interrupted=was_interrupted,
            training={**vars(self.options), "learning_rate": self.trainer.peak},
            examples=self.validation.sources[:MOST_EXAMPLES],
        )
        weights = {name: tensor.cpu().numpy() for name, tensor in self.trainer.best.items()}
        return self._bundle(weights, summary)

    def _bundle(self, weights: dict[str, Any], summary: Summary) -> Bundle:
        prepared, options = self.prepared, self.prepared.options
        codecs = prepared.source_codec, prepared.target_codec
        return Bundle(options.text, options.model, *codecs, weights, prepared.decoding, summary)

    def _finish(self, bundle: Bundle, words: Collection[str] = ()) -> Trained:
        prepared = self.prepared
        was_interrupted = bundle.summary.was_interrupted
        translator = appraise(
            bundle,
            prepared.table,
            prepared.dev,
            self.recorder.listener,
            is_complete=not was_interrupted,
            options=self.options,
            words=words,
        )
        self.recorder.tell(self._describe_now("end", dev=self.trainer.counters.best_scores or None))
        self.recorder.save_bundle(bundle)
        tables = prepared.table, prepared.dev
        return Trained(translator, prepared.options, bundle.summary, *tables, was_interrupted)

    def _tell_progress(self, now: float, is_logged: bool) -> None:
        loss, tokens = self.trainer.take_loss()
        speed = tokens / max(now - self.last_report, 1e-9)
        self.last_report = now
        report = self._describe_now("progress")
        report = dataclasses.replace(report, loss=loss, target_tokens_per_second=speed)
        self._report(report, is_logged)

    def _describe_now(
        self,
        kind: Literal["progress", "validation", "end"],
        dev: dict[str, float] | None = None,
        is_kept: bool = False,
    ) -> Report:
        trainer, counters, total = self.trainer, self.trainer.counters, self.schedule.total_updates
        left = counters.seconds / max(counters.update, 1) * (total - counters.update)
        return Report(
            kind,
            update=counters.update,
            total_updates=total,
            epoch=round(trainer.epoch, 3),
            seconds=round(counters.seconds, 2),
            seconds_left=round(left, 1),
            learning_rate=trainer.learning_rate,
            dev=dev,
            is_kept=is_kept,
        )

    def _report(self, report: Report, is_logged: bool = True) -> None:
        """Tell a report; a listener that stops the run does so once this update is done."""
        try:
            self.recorder.tell(report, is_logged and report.kind != "note")
        except KeyboardInterrupt:
            self.gate.is_requested = True

    def _save(self) -> None:
        self.recorder.save(self.trainer.counters, self.schedule, self.trainer.tensors())
        self.last_save = self.clock()
