"""An ensemble: models that differ in nothing but their seed.

What is found from the pairs is found once, so all of them have the same vocabularies and sizes.
With distillation they are the teachers of one more model, and that is the result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foveate.bundle import Bundle
from foveate.config import Config
from foveate.data.batching import encode_table
from foveate.data.table import PairTable
from foveate.errors import ConfigError, ModelMismatchError
from foveate.evaluation import evaluate
from foveate.files import sync_folder
from foveate.options import Options
from foveate.records import SoftTargets
from foveate.search.workers import granted_threads
from foveate.torch_loading import threads_here
from foveate.training.appraisal import appraise
from foveate.training.distillation import (
    load_soft_targets,
    save_soft_targets,
    write_soft_targets,
)
from foveate.training.folder import MEMBER, STATE
from foveate.training.going_on import Parent
from foveate.training.opening import Machine, open_run, own_folder
from foveate.training.origin import describe_origin
from foveate.training.prepare import Prepared
from foveate.training.recorder import Recorder
from foveate.training.report import Listener, be_silent
from foveate.training.run import Trained, reload_model, run_prepared, train
from foveate.training.selection import build_validation
from foveate.training.side_by_side import run_side_by_side
from foveate.training.watching import Watcher, watch_in
from foveate.translator import Translator

SOFT_TARGETS = "soft_targets.safetensors"


def train_models(
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
    """Train as many models as the configuration says, and join them to one bundle.

    Each member is a run of its own in `out/state/`, so an ensemble that was stopped goes on with
    the member that it was at; the student of a distillation is the last. The page of the run
    shows the first model. Arguments and errors are those of `training.run.train`.
    """
    machine = machine or Machine()
    if config.models == 1:
        return train(
            table,
            dev,
            config,
            out=out,
            resume=resume,
            report=report,
            words=words,
            machine=machine,
            page=page,
            parent=parent,
            overwrite=overwrite,
            origin=origin,
        )
    recorder = Recorder(out, report or be_silent, watch_in(page, out), origin)
    threads = threads_here(config.threads or granted_threads())
    told: Any = {"parent": parent, "overwrite": overwrite, "words": words, "requested": config}
    with own_folder(out, resume, overwrite), recorder.shown(), threads:
        member = _configure_member(config)
        shared = open_run(table, dev, member, recorder, resume, machine, **told)
        _refuse_large(config, shared)
        recorder.tidy()
        if recorder.has_bundle_of():
            return reload_model(shared, recorder)
        return _Ensemble(shared, config, recorder, machine).train(words)


def _refuse_large(config: Config, shared: Prepared) -> None:
    if config.distill and shared.num_parts > 1:
        raise ConfigError(
            f"distill: {len(shared.table):,} pairs are too many: what the models find likely at "
            "every step of them would not fit into the memory; leave it out, or give fewer"
        )


class _Ensemble:
    """A run of several models."""

    def __init__(
        self, shared: Prepared, config: Config, recorder: Recorder, machine: Machine
    ) -> None:
        self.shared, self.config = shared, config
        self.recorder, self.machine = recorder, machine

    def train(self, words: Collection[str]) -> Trained:
        """Train the members, join them, and perhaps let one more model learn from them."""
        members = self._train_members()
        bundle = join_members(members)
        is_complete = len(members) == self.config.models and not bundle.summary.was_interrupted
        if is_complete:
            bundle.summary.ensemble = self._collect_scores(members)
        if self.config.distill and is_complete:
            bundle = self._distill(bundle)
            is_complete = not bundle.summary.was_interrupted
        try:
            return self._finish(bundle, words, is_complete)
        except KeyboardInterrupt:
            return self._finish(bundle, words, is_complete=False)

    def _finish(self, bundle: Bundle, words: Collection[str], is_complete: bool) -> Trained:
        table, dev = self.shared.table, self.shared.dev
        bundle.summary.was_interrupted = not is_complete
        bundle.summary.origin = describe_origin(self.recorder.origin)
        options = self._describe_whole()
        translator = appraise(
            bundle,
            table,
            dev,
            self.recorder.listener,
            is_complete=is_complete,
            options=options.training,
            words=words,
            parent=self.shared.parent,
        )
        self.recorder.save_bundle(bundle)
        self._conclude_page(bundle)
        return Trained(translator, options, bundle.summary, table, dev, not is_complete)

    def _conclude_page(self, bundle: Bundle) -> None:
        """Write the last page, with the curves of the first model and the scores of all."""
        watcher = self.recorder.watcher
        if watcher is not None:
            if (folder := self._make_folder(0)) is not None:  # perhaps of another process
                watcher.recall(folder)
            watcher.is_part = False
            self.recorder.conclude(bundle)

    def _describe_whole(self) -> Options:
        """Return the options of all models together."""
        training, config = self.shared.options.training, self.config
        told: dict[str, Any] = {"models": config.models, "distill": config.distill}
        told |= {"memory": config.memory, "seed": config.seed}
        told |= {"minutes": training.minutes * (config.models + config.distill)}
        return dataclasses.replace(
            self.shared.options, training=dataclasses.replace(training, **told)
        )

    def _train_members(self) -> list[Bundle]:
        """Train the models; stopped early, return those that are there."""
        config, members = self.config, list[Bundle]()
        listener = self.recorder.listener if config.jobs == 1 else be_silent
        tasks = [
            _Task(
                self._prepare_member(number),
                self._make_folder(number),
                listener,
                self.machine,
                self.recorder.watcher if number == 0 else None,
            )
            for number in range(config.models)
        ]
        try:
            trained = run_side_by_side(_train_task, tasks, config.jobs)
            for number in range(1, config.models + 1):
                self.recorder.note(f"model {number} of {config.models}")
                members.append(next(trained))
                if members[-1].summary.was_interrupted:
                    break
        except KeyboardInterrupt:
            if not members:
                raise
        return members

    def _train_student(self, soft_targets: SoftTargets) -> Trained:
        number = self.config.models
        recorder = Recorder(self._make_folder(number), self.recorder.listener)
        prepared = self._prepare_member(number)
        return run_prepared(prepared, recorder, soft_targets=soft_targets, machine=self.machine)

    def _prepare_member(self, number: int) -> Prepared:
        return self.shared.with_seed((self.config.seed + number) % 2**31)

    def _make_folder(self, number: int) -> Path | None:
        """Return the folder of a member, where the run has one."""
        if self.recorder.out is None:
            return None
        folder = self.recorder.out.absolute() / STATE / f"{MEMBER}{number + 1}"
        (folder / STATE).mkdir(parents=True, exist_ok=True)
        sync_folder(folder)
        sync_folder(folder.parent)
        return folder

    def _collect_scores(self, members: list[Bundle]) -> dict[str, Any]:
        """Return what each member has on dev, by the metric that it was chosen by."""
        metric = build_validation(self.shared).metric
        alone = [member.scores["dev"][metric]["value"] for member in members]
        return {"metric": metric, "alone": alone}

    def _distill(self, teachers: Bundle) -> Bundle:
        """Train one more model on what the others write together; stopped early, theirs."""
        try:
            self.recorder.note(f"{len(teachers.members)} models say what one more will learn")
            teacher = Translator.from_bundle(teachers, threads=self.config.threads)
            shown = dict(teachers.summary.ensemble)
            metrics = evaluate(teacher, self.shared.dev).metrics
            shown["together"] = metrics[shown["metric"]].value
            soft_targets = self._read_or_write_targets(teachers)
            self.recorder.note("the model that learns from them")
            student = self._train_student(soft_targets)
        except KeyboardInterrupt:
            student = None
        if student is None or student.was_interrupted:
            teachers.summary.was_interrupted = True
            return teachers
        bundle = student.translator.bundle
        minutes = bundle.summary.minutes + teachers.summary.minutes
        bundle.summary.minutes = round(minutes, 2)
        bundle.summary.ensemble = shown
        return bundle

    def _read_or_write_targets(self, teachers: Bundle) -> SoftTargets:
        shared, out = self.shared, self.recorder.out
        pairs = encode_table(shared.table, shared.source_codec, shared.target_codec)
        kept = out / STATE / SOFT_TARGETS if out is not None else None
        if kept is not None and kept.exists():
            return load_soft_targets(pairs, kept)
        told: Listener = self.recorder.listener
        soft_targets = write_soft_targets(teachers, pairs, told, self.config.threads)
        if kept is not None:
            save_soft_targets(soft_targets, kept)
        return soft_targets


@dataclass(frozen=True)
class _Task:
    """What the training of a member needs, in this process or in another."""

    prepared: Prepared
    folder: Path | None
    listener: Listener
    machine: Machine
    watcher: Watcher | None


def _train_task(task: _Task) -> Bundle:
    if task.watcher is not None:
        task.watcher.is_part = True
    recorder = Recorder(task.folder, task.listener, task.watcher)
    if task.folder is not None and not task.folder.is_dir():  # on a machine that does not see it
        recorder = Recorder(None, task.listener)
    return run_prepared(task.prepared, recorder, machine=task.machine).translator.bundle


def _configure_member(config: Config) -> Config:
    """Return the options of the first member; those of the others differ in the seed."""
    minutes = config.minutes / (config.models + config.distill) if config.minutes else None
    return config.replace(models=None, distill=None, memory=False, minutes=minutes)


def join_members(members: list[Bundle]) -> Bundle:
    """Put models with the same vocabularies into one bundle.

    Args:
        members: at least one.

    Raises:
        ModelMismatchError: their vocabularies differ: they would not mean the same by an id.
    """
    first = members[0]
    for number, member in enumerate(members[1:], start=2):
        _refuse_other_text(first, member, number)
    weights = {
        f"{number}/" * (len(members) > 1) + name: np.require(array, requirements="W")
        for number, member in enumerate(members)
        for name, array in member.weights.items()  # from a cluster they come read-only
    }
    summaries = [member.summary for member in members]
    summary = dataclasses.replace(
        first.summary,
        diagnosis={},
        models=len(members),
        plan=f"{len(members)} models, each: {first.summary.plan}",
        parameters=sum(one.parameters for one in summaries),
        updates=sum(one.updates for one in summaries),
        minutes=round(sum(one.minutes for one in summaries), 2),
        was_interrupted=any(one.was_interrupted for one in summaries),
    )
    return dataclasses.replace(first, weights=weights, summary=summary, scores={})


def _refuse_other_text(first: Bundle, member: Bundle, number: int) -> None:
    sides = (
        ("source", first.source_codec, member.source_codec),
        ("target", first.target_codec, member.target_codec),
    )
    for side, one, other in sides:
        ours, theirs = one.vocabulary.entries, other.vocabulary.entries
        if (one.kind, one.normalization) != (other.kind, other.normalization) or ours != theirs:
            raise ModelMismatchError(
                f"model {number} has another {side} vocabulary than model 1: they cannot decide "
                "together; train them in one run, with --models"
            )
