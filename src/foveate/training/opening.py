"""Where a run begins: in a folder that is free, or with what a run that was stopped had there."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import foveate.torch_loading  # noqa: F401  # isort: skip  # before torch
import torch

from foveate.bundle import refuse_foreign
from foveate.config import Config, restore_options
from foveate.data.table import PairTable
from foveate.errors import BundleError, ConfigError
from foveate.training.build import choose_device
from foveate.training.folder import check_new_run, is_new_run_possible, lock_folder
from foveate.training.going_on import Parent, refuse_other_parent
from foveate.training.parting import count_parts
from foveate.training.prepare import Prepared, describe, prepare, restore
from foveate.training.ranks import Ranks
from foveate.training.recorder import Recorder
from foveate.training.schedule import Schedule
from foveate.training.speed import measure_speed
from foveate.training.state import SavedState


@dataclass(frozen=True)
class Machine:
    """What a run asks of the machine: the seconds, and how fast it is beside the slow core."""

    clock: Callable[[], float] = time.perf_counter
    measure_speed: Callable[[torch.device], float] = measure_speed
    ranks: Ranks = field(default_factory=Ranks)


@contextmanager
def own_folder(out: Path | None, resume: bool, overwrite: bool = False) -> Iterator[None]:
    """Keep a folder to this run, once it is sure that one may begin or go on there."""
    if out is not None:
        refuse_foreign(out)
        if not resume:
            check_new_run(out, overwrite)
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
    *,
    parent: Parent | None = None,
    overwrite: bool = False,
    words: Collection[str] = (),
    requested: Config | None = None,
) -> Prepared:
    """Prepare a new run and write that down, or take up what one that was stopped had.

    The options that were asked for are `requested`, where `config` is that of a member.
    """
    if parent is not None:
        requested, config = requested or config, parent.settle(config)
    state, out = recorder.state, recorder.out
    if resume and state is not None and state.is_begun:
        run = state.read_run()
        refuse_other_parent(parent, run, str(out))
        _refuse_other_words(words, run, str(out))
        codecs = state.read_codecs(restore_options(run["options"], str(out)).text)
        prepared = restore(
            table, dev, config, run, codecs, str(out), parent=parent, requested=requested
        )
        _refuse_without_state(prepared, run, recorder)
        return prepared
    if out is not None and resume:
        if not is_new_run_possible(out):
            raise BundleError(f"{out}: there is no training run to resume")
        recorder.note("nothing had been saved yet: the run begins anew")
    elif out is not None:
        check_new_run(out, overwrite)  # once more: now nobody else can begin one
    if (num_parts := count_parts(table)) > 1:
        recorder.note(f"{len(table):,} pairs, trained in {num_parts} parts: counting their symbols")
    device = choose_device(config.device)
    prepared = prepare(
        table,
        dev,
        config,
        parent=parent,
        requested=requested,
        measure_speed=lambda: machine.measure_speed(device),
    )
    if parent is not None:
        recorder.note(parent.tell(len(prepared.pairs)))
    for note in prepared.notes:
        recorder.note(note)
    recorder.begin(prepared, words=_hash_words(words))
    return prepared


def _hash_words(words: Collection[str]) -> str:
    """Return what a list of words is known by; nothing for none."""
    listed = words if isinstance(words, Sequence) else sorted(words)
    return hashlib.sha256("\n".join(listed).encode()).hexdigest() if listed else ""


def _refuse_other_words(words: Collection[str], run: dict[str, Any], origin: str) -> None:
    asked = _hash_words(words)
    if asked != run.get("words", asked):
        begun = "another list of words" if run["words"] else "no list of words"
        raise ConfigError(
            f"{origin}: was begun with {begun}: resume with the same, or train into another folder"
        )


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


def extend(saved: SavedState, prepared: Prepared, recorder: Recorder) -> Schedule:
    """Return the schedule of a state, with more updates or minutes if these are asked for."""
    schedule, training = saved.schedule, prepared.options.training
    asked, begun = ((one.max_updates or 0, one.minutes) for one in (training, schedule))
    if asked == begun:
        return schedule
    if asked < begun:
        place, noun = (0, "updates") if training.max_updates else (1, "minutes")
        raise ConfigError(
            f"{recorder.out}: was begun with more {noun} ({begun[place]:g}, now it is "
            f"{asked[place]:g}): resume with the same or more, or train into another folder"
        )
    saved.counters.stale = 0  # who wants more has new patience
    if recorder.state is not None and recorder.state.is_begun:
        recorder.state.change_run(describe(prepared))
    return schedule.extend(training.max_updates, training.minutes, saved.counters)
