"""An ensemble: models that differ in nothing but their seed, trained one after another.

With distillation they are the teachers of one more model, and that is the result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from foveate.bundle import MANIFEST, Bundle, read_manifest, refuse_foreign, save_bundle
from foveate.config import Config
from foveate.data.batching import encode_table
from foveate.data.table import PairTable
from foveate.errors import BundleError
from foveate.evaluation import evaluate
from foveate.records import SoftTargets
from foveate.text.matching import Matching
from foveate.training.appraisal import appraise
from foveate.training.distillation import (
    load_soft_targets,
    save_soft_targets,
    write_soft_targets,
)
from foveate.training.report import Listener, Report, be_silent
from foveate.training.run import Trained, hold_out, train
from foveate.training.state import StateFolder
from foveate.training.validation import Validation
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
) -> Trained:
    """Train as many models as the configuration says, and join them to one bundle.

    Each member is a run of its own in `out/state/`, so an ensemble that was stopped goes on with
    the member that it was at; the student of a distillation is the last. Arguments and errors are
    those of `training.run.train`.
    """
    if config.models == 1:
        return train(table, dev, config, out=out, resume=resume, report=report, words=words)
    report = report or be_silent
    if dev is None:
        table, dev = hold_out(table, config.seed)
    if out is not None and (ended := _open_folder(out, resume)):
        report(Report("note", f"{out}: this run has ended already"))
        return Trained(ended, ended.config, ended.summary, table, dev)
    members: list[Trained] = []
    for number in range(config.models):
        report(Report("note", f"model {number + 1} of {config.models}"))
        folder = _member_folder(out, number) if out is not None else None
        is_begun = folder is not None and StateFolder(folder).exists
        one = _configure_member(config, number)
        if members:  # one bundle has one configuration
            one = _take_sizes(one, members[0].config)
        members.append(train(table, dev, one, out=folder, resume=is_begun, report=report))
        if members[-1].was_interrupted:
            break
    bundle = join_members([member.translator.bundle for member in members], config)
    is_complete = not members[-1].was_interrupted
    if is_complete:
        bundle.summary["ensemble"] = _collect_scores(members, dev)
    if config.distill and is_complete:
        bundle = _distill(bundle, table, dev, config, out, report)
        is_complete = not bundle.summary["was_interrupted"]
    translator = appraise(bundle, table, dev, report, is_complete=is_complete, words=words)
    if out is not None:
        save_bundle(bundle, out)
    return Trained(translator, bundle.config, bundle.summary, table, dev, not is_complete)


def _collect_scores(members: list[Trained], dev: PairTable) -> dict[str, Any]:
    """Return what each member has on dev, by the metric that it was chosen by."""
    bundles = [member.translator.bundle for member in members]
    matching = Matching(bundles[0].source_codec, bundles[0].target_codec)
    metric = Validation.build(dev, matching).metric
    return {"metric": metric, "alone": [one.scores["dev"][metric]["value"] for one in bundles]}


def _distill(
    teachers: Bundle,
    table: PairTable,
    dev: PairTable,
    config: Config,
    out: Path | None,
    report: Listener,
) -> Bundle:
    """Train one more model on what the others write together; stopped before its end, theirs."""
    student = None
    teacher = Translator.from_bundle(teachers, threads=config.threads)
    with suppress(KeyboardInterrupt):
        report(Report("note", f"{len(teachers.members)} models say what one more will learn"))
        shown = dict(teachers.summary["ensemble"])
        shown["together"] = evaluate(teacher, dev).metrics[shown["metric"]].value
        soft_targets = _read_or_write_targets(teachers, table, config, out, report)
        report(Report("note", "the model that learns from them"))
        folder = _member_folder(out, config.models) if out is not None else None
        is_begun = folder is not None and StateFolder(folder).exists
        one = _take_sizes(_configure_member(config, config.models), teachers.config)
        student = train(
            table,
            dev,
            one,
            out=folder,
            resume=is_begun,
            report=report,
            soft_targets=soft_targets,
        )
    if student is None or student.was_interrupted:
        teachers.summary["was_interrupted"] = True
        return teachers
    bundle = student.translator.bundle
    told: dict[str, Any] = {"seed": config.seed, "minutes": config.minutes, "memory": config.memory}
    bundle.config = dataclasses.replace(bundle.config, **told)
    bundle.summary["minutes"] = round(bundle.summary["minutes"] + teachers.summary["minutes"], 2)
    bundle.summary["ensemble"] = shown
    return bundle


def _read_or_write_targets(
    teachers: Bundle, table: PairTable, config: Config, out: Path | None, report: Listener
) -> SoftTargets:
    pairs = encode_table(table, teachers.source_codec, teachers.target_codec)
    kept = out / "state" / SOFT_TARGETS if out is not None else None
    if kept is not None and kept.exists():
        return load_soft_targets(pairs, kept)
    soft_targets = write_soft_targets(teachers, pairs, report, config.threads)
    if kept is not None:
        save_soft_targets(soft_targets, kept)
    return soft_targets


def _member_folder(out: Path, number: int) -> Path:
    return out / "state" / f"model-{number + 1}"


def _open_folder(out: Path, resume: bool) -> Translator | None:
    """Check that a run can begin or go on in `out`; return the model of one that has ended."""
    refuse_foreign(out)
    is_begun, is_model = StateFolder(_member_folder(out, 0)).exists, (out / MANIFEST).exists()
    if resume:
        if not is_begun:
            raise BundleError(f"{out}: there is no training run of several models to resume")
        if is_model and not read_manifest(out)["summary"].get("was_interrupted"):
            return Translator.load(out, backend="torch")
    elif is_begun:
        raise BundleError(
            f"{out}: holds a training run: add --resume to go on with it, or choose another folder"
        )
    elif is_model:
        raise BundleError(f"{out}: holds a model already: choose another folder")
    return None


def _configure_member(config: Config, number: int) -> Config:
    minutes = config.minutes / (config.models + config.distill) if config.minutes else None
    seed = (config.seed + number) % 2**31
    told: dict[str, Any] = {"seed": seed, "minutes": minutes}
    return dataclasses.replace(config, models=1, distill=False, memory=False, **told)


def _take_sizes(config: Config, resolved: Config) -> Config:
    """Fill in what the first member found from the data and the speed of the machine."""
    found = {
        name: value
        for name, value in dataclasses.asdict(resolved).items()
        if getattr(config, name) is None and name != "learning_rate"
    }
    return dataclasses.replace(config, **found)


def join_members(members: list[Bundle], config: Config) -> Bundle:
    """Put models with the same vocabularies into one bundle.

    Args:
        members: at least one.
        config: as it was asked for; its seed, minutes and memory are kept.
    """
    first = members[0]
    weights = {
        f"{number}/{name}": array
        for number, member in enumerate(members)
        for name, array in member.weights.items()
    }
    told: dict[str, Any] = {"seed": config.seed, "minutes": config.minutes, "memory": config.memory}
    summary = dict(first.summary)
    summary.pop("diagnosis", None)
    summary["models"] = len(members)
    summary["plan"] = f"{len(members)} models, each: {summary['plan']}"
    for name in ("parameters", "updates", "minutes"):
        summary[name] = round(sum(member.summary[name] for member in members), 2)
    summary["was_interrupted"] = any(member.summary["was_interrupted"] for member in members)
    joined = dataclasses.replace(first.config, models=len(members), **told)
    if len(members) == 1:
        weights = first.weights
    return Bundle(joined, first.source_codec, first.target_codec, weights, summary)
