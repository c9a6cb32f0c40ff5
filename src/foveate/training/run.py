"""A whole training run: from a table of pairs to a bundle, resumable at any moment.

It ties four parts together: what is found from the pairs (prepare.py), what is due when
(schedule.py), one update (trainer.py), and what is told and written (recorder.py). Everything that
happens after an update is done before its state is saved, once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import foveate.torch_loading  # noqa: F401  # isort: skip  # before torch
import torch

from foveate.bundle import Summary, load_bundle
from foveate.config import Config
from foveate.counted import counted
from foveate.data.table import PairTable
from foveate.errors import TrainingError
from foveate.options import Options
from foveate.records import SoftTargets
from foveate.search.workers import granted_threads
from foveate.torch_loading import threads_here
from foveate.training.appraisal import appraise
from foveate.training.build import build_trainer
from foveate.training.defaults import describe_plan
from foveate.training.going_on import Parent
from foveate.training.holding import hold_out
from foveate.training.interrupt import InterruptGate
from foveate.training.onlooker import Onlooker
from foveate.training.opening import Machine, extend, open_run, own_folder
from foveate.training.origin import describe_origin
from foveate.training.planning import plan_run
from foveate.training.prepare import Prepared
from foveate.training.recorder import Recorder
from foveate.training.report import Listener, Report, be_silent
from foveate.training.schedule import Schedule
from foveate.training.selection import Selector
from foveate.training.state import SavedState
from foveate.training.trainer import Trainer
from foveate.training.watching import watch_in
from foveate.translator import Translator

__all__ = ["Machine", "Trained", "hold_out", "open_run", "reload_model", "run_prepared", "train"]

SAVE_SECONDS = 60.0
REPORT_SECONDS = 1.0
MOST_EXAMPLES = 64  # dev sources that a model carries, to check an export on


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
    page: Path | None = None,
    parent: Parent | None = None,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
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
        page: an HTML file to watch the run in, written as it goes.
        parent: a model to go on from.
        overwrite: a model in `out` may be replaced, when this one is ready.
        origin: what the card is to say of data, licence and language (training/origin.py).

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
    recorder = Recorder(out, report or be_silent, watch_in(page, out), origin)
    told: Any = {"parent": parent, "overwrite": overwrite, "words": words}
    with own_folder(out, resume, overwrite), recorder.shown():
        prepared = open_run(table, dev, config, recorder, resume, machine, **told)
        return run_prepared(prepared, recorder, words=words, machine=machine, begin=begin)


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
    schedule = extend(saved, prepared, recorder) if saved is not None else None
    if _has_ended(saved, schedule, prepared.options.training.patience) and recorder.has_bundle_of(
        saved
    ):
        return reload_model(prepared, recorder)
    recorder.go_on(saved.counters.update if saved is not None else 0)
    threads = prepared.options.training.threads or granted_threads()
    with threads_here(threads), tell_out_of_memory():
        trainer = build_trainer(prepared, soft_targets, machine.ranks)
        run = _Run(prepared, trainer, recorder, machine.clock)
        if saved is not None and schedule is not None:
            run.trainer.restore(saved.counters, saved.tensors)
            total = schedule.total_updates
            recorder.note(f"resumed after {saved.counters.update:,} of {counted(total, 'update')}")
        run.follow(schedule or run.plan(begin))
        if run.loop():
            try:
                return run.conclude(words)
            except KeyboardInterrupt:
                pass
        return run.conclude_early()


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
    bundle = load_bundle(recorder.out)
    recorder.recall(bundle)
    bundle.attention = prepared.attention
    translator = Translator.from_bundle(
        bundle, backend="torch", threads=options.training.threads, origin=str(recorder.out)
    )
    return Trained(translator, options, translator.summary, prepared.table, prepared.dev)


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
        self.prepared, self.trainer = prepared, trainer
        self.recorder, self.clock = recorder, clock
        self.selector = Selector(prepared, trainer)
        self.onlooker: Onlooker | None = None
        self.gate = InterruptGate(trainer.ranks)

    def plan(self, begin: float) -> Schedule:
        """Make the schedule of a new run."""
        if self.prepared.options.training.max_updates is None:
            self.recorder.note("measuring how fast this machine trains")
        return plan_run(self.prepared, self.trainer, self.selector, self.clock, begin)

    def follow(self, schedule: Schedule) -> None:
        """Train by a schedule from now on."""
        self.schedule = schedule
        self.trainer.peak = schedule.learning_rate
        self.trainer.total_updates = schedule.total_updates
        self.selector.take_sources(schedule.validation_sources)

    def loop(self) -> bool:
        """Train to the last update; return whether it got there, or was stopped by Ctrl-C.

        Raises:
            TrainingError: something is not a number; the best weights so far are kept.
        """
        self._tell_plan()
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
        patience = self.prepared.options.training.patience
        self.mark = self.last_save = self.last_report = self.clock()
        self._begin_watching()
        while not self.schedule.is_over(counters, patience):
            self.gate.check()
            is_guided = trainer.is_guided
            trainer.update()
            now = self._count_time(is_guided)
            if self.schedule.events(counters.update).plan:
                self._plan_again()
            events = self.schedule.events(counters.update)
            if events.log or now - self.last_report > REPORT_SECONDS:
                self._tell_progress(now, events.log)
                self._watch()
            if events.validate:
                self._validate()
            if events.save or now - self.last_save > SAVE_SECONDS:
                self._save()
        self.gate.check()

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

    def _plan_again(self) -> None:
        before = self.schedule.total_updates
        self.follow(self.schedule.plan_again(self.trainer.counters))
        total = self.schedule.total_updates
        if abs(total - before) > 0.05 * before:
            self._tell(Report("note", f"the time is enough for {counted(total, 'update')}"), False)

    def _validate(self) -> None:
        scores, is_kept = self.selector.validate()
        self._watch(self.selector.outputs)
        now = self.clock()
        self.trainer.counters.seconds += now - self.mark
        self.mark = self.last_report = now
        self._tell(self._report("validation", dev=scores, is_kept=is_kept))

    def _begin_watching(self) -> None:
        """Choose what the page of the run shows, where there is one."""
        if self.recorder.watcher is None:
            return
        self.onlooker = Onlooker(self.selector)
        has_attention = self.onlooker.has_attention
        self.recorder.expect(self.onlooker.examples, has_attention)
        self._watch()

    def _watch(self, outputs: Sequence[str] = ()) -> None:
        """Look at the examples, after a validation or where there is time for it."""
        watcher, update = self.recorder.watcher, self.trainer.counters.update
        if self.onlooker is None or watcher is None or not (outputs or watcher.is_due(update)):
            return
        begin = self.clock()
        self.recorder.watch(self.onlooker.look(update, outputs))
        if not outputs:
            watcher.spent_looking += self.clock() - begin

    def _save(self) -> None:
        self.recorder.save(self.trainer.counters, self.schedule, self.trainer.tensors())
        self.last_save = self.clock()

    def conclude(self, words: Collection[str]) -> Trained:
        """Score the best weights on the whole dev set and write the bundle."""
        if note := self.selector.choose_last():
            self.recorder.note(note)
        return self._finish(words, was_interrupted=False)

    def conclude_early(self) -> Trained:
        """Write the bundle of the best weights so far, without scores."""
        return self._finish((), was_interrupted=True)

    def _finish(self, words: Collection[str], was_interrupted: bool) -> Trained:
        prepared, tables = self.prepared, (self.prepared.table, self.prepared.dev)
        if not self.trainer.best:
            self.trainer.keep_best()
        weights = {name: tensor.cpu().numpy() for name, tensor in self.trainer.best.items()}
        bundle = prepared.to_bundle(weights, self._summarize(was_interrupted))
        translator = appraise(
            bundle,
            *tables,
            self.recorder.hear,
            is_complete=not was_interrupted,
            options=prepared.options.training,
            words=words,
            parent=prepared.parent,
        )
        self.recorder.tell(self._report("end", dev=self.trainer.counters.best_scores or None))
        self.recorder.save_bundle(bundle)
        self.recorder.conclude(bundle)
        return Trained(translator, prepared.options, bundle.summary, *tables, was_interrupted)

    def _summarize(self, was_interrupted: bool) -> Summary:
        prepared, trainer, counters = self.prepared, self.trainer, self.trainer.counters
        return Summary(
            plan=self._describe(),
            pairs=len(prepared.table),
            dev_pairs=len(prepared.dev),
            parameters=trainer.num_parameters,
            updates=counters.update,
            epochs=round(trainer.epoch / prepared.num_parts, 2),
            minutes=round(counters.seconds / 60, 2),
            best_update=counters.best_update,
            seed=trainer.options.seed,
            was_interrupted=was_interrupted,
            training={**vars(trainer.options), "learning_rate": trainer.peak},
            origin=describe_origin(self.recorder.origin),
            examples=self.selector.validation.sources[:MOST_EXAMPLES],
        )

    def _describe(self) -> str:
        options, facts = self.prepared.options, self.prepared.facts
        return describe_plan(options, facts, self.trainer.num_parameters, self.trainer.peak)

    def _tell_plan(self) -> None:
        total = self.schedule.total_updates
        line = f"{self._describe()}, {counted(total, 'update')}"
        self.recorder.tell(Report("plan", line, total_updates=total), is_logged=False)

    def _tell_progress(self, now: float, is_logged: bool) -> None:
        loss, tokens = self.trainer.take_loss()
        speed = tokens / max(now - self.last_report, 1e-9)
        self.last_report = now
        report = self._report("progress", loss=loss, target_tokens_per_second=speed)
        self._tell(report, is_logged)

    def _report(self, kind: Literal["progress", "validation", "end"], **more: Any) -> Report:
        """Report where the run is."""
        counters, total = self.trainer.counters, self.schedule.total_updates
        left = counters.seconds / max(counters.update, 1) * (total - counters.update)
        return Report(
            kind,
            update=counters.update,
            total_updates=total,
            epoch=round(self.trainer.epoch / self.prepared.num_parts, 3),
            seconds=round(counters.seconds, 2),
            seconds_left=round(left, 1),
            learning_rate=self.trainer.learning_rate,
            **more,
        )

    def _tell(self, report: Report, is_logged: bool = True) -> None:
        """Tell a report; a listener that stops the run does so once this update is done."""
        try:
            self.recorder.tell(report, is_logged)
        except KeyboardInterrupt:
            self.gate.is_requested = True
