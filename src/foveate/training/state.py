"""The state of a run on disk: everything that the next update depends on.

    state/00000420/tensors.safetensors   model, average, best, optimizer
    state/00000420/state.json            counters, schedule, and the checksum of the tensors
    state/text/                          vocabularies
    state/run.json                       configuration, data, and checksums of the vocabularies

A state is written aside, synced and renamed, so a run may be killed at any moment, also while
saving; the state before it is removed only then. Every JSON file has a checksum of its own. Never
a pickle.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import foveate.torch_loading  # noqa: F401  # isort: skip  # before torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from foveate.errors import BundleError
from foveate.files import hash_file, name_aside, remove, replace_file, sync_folder, write_synced
from foveate.options import TextOptions
from foveate.text.codec import Codec
from foveate.training.folder import LOCK, RUN, STATE, remove_leftovers
from foveate.training.schedule import Counters, Schedule

TENSORS = "tensors.safetensors"
COUNTERS = "state.json"
MOST_KEPT_BYTES = 256_000_000  # of a state that outlives its run


class SavedState(NamedTuple):
    """What a state on disk holds."""

    counters: Counters
    schedule: Schedule
    tensors: dict[str, Tensor]


class StateFolder:
    """The `state/` of a run."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out / STATE

    @property
    def is_begun(self) -> bool:
        """Say whether a run was begun here, and its vocabularies are written."""
        return (self.path / RUN).is_file()

    @property
    def has_saved(self) -> bool:
        """Say whether a state was saved here."""
        return bool(self._numbered())

    def begin(self, run: dict[str, Any], source: Codec, target: Codec) -> None:
        """Write down what never changes during the run; what another run left there is removed.

        Raises:
            OSError: it cannot be written.
        """
        remove(self.path / RUN)  # first: a kill leaves no run that seems to be one
        for old in self.path.iterdir():
            if old.name != LOCK:
                remove(old)
        remove_leftovers(self.out)
        text = self.path / "text"
        text.mkdir(parents=True)
        names = source.save(text, "shared" if source is target else "source")
        if source is not target:
            names += target.save(text, "target")
        sync_folder(text)
        files = {name: hash_file(text / name) for name in names}
        _write_checked(self.path / RUN, {**run, "files": files})

    def change_run(self, run: dict[str, Any]) -> None:
        """Replace what `begin` was given, but for the vocabularies."""
        _write_checked(self.path / RUN, {**self.read_run(), **run})

    def read_run(self) -> dict[str, Any]:
        """Return what `begin` was given, its vocabularies checked.

        Raises:
            BundleError: a file is damaged.
        """
        try:
            run = _read_checked(self.path / RUN)
            for name, digest in run["files"].items():
                if hash_file(self.path / "text" / name) != digest:
                    raise ValueError(f"{name} has changed since it was written")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BundleError(f"{self.path / RUN}: cannot go on from it: {error}") from None
        return run

    def read_codecs(self, options: TextOptions) -> tuple[Codec, Codec]:
        """Return the vocabularies that the run began with: the same one twice if it is shared.

        Raises:
            BundleError: one is damaged.
        """
        text, normalization = self.path / "text", options.normalization
        if (text / "shared.vocabulary.txt").exists():
            shared = Codec.load(text, "shared", options.source_tokens, normalization)
            return shared, shared
        source = Codec.load(text, "source", options.source_tokens, normalization)
        return source, Codec.load(text, "target", options.target_tokens, normalization)

    def save(self, counters: Counters, schedule: Schedule, tensors: dict[str, Tensor]) -> None:
        """Write a state and remove the ones before it.

        Raises:
            OSError: the disk is full; the state before stays.
        """
        final = self.path / f"{counters.update:08d}"
        if final.exists():
            return
        aside = name_aside(final)
        contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        content = save(contiguous)
        try:
            aside.mkdir()
            write_synced(aside / TENSORS, content)
            values = {
                "counters": dataclasses.asdict(counters),
                "schedule": dataclasses.asdict(schedule),
                "tensors": hashlib.sha256(content).hexdigest(),
            }
            write_synced(aside / COUNTERS, _format_checked(values))
            sync_folder(aside)
            aside.rename(final)
            sync_folder(self.path)
        finally:
            remove(aside)
        for old in self._numbered()[:-1]:
            self._remove_state(old)

    def load(self) -> SavedState | None:
        """Return the newest state, or None when the run was killed before its first.

        Raises:
            BundleError: it is damaged.
        """
        numbered = self._numbered()
        if not numbered:
            return None
        newest = numbered[-1]
        try:
            values = _read_checked(newest / COUNTERS)
            content = (newest / TENSORS).read_bytes()
            if hashlib.sha256(content).hexdigest() != values["tensors"]:
                raise ValueError(f"{TENSORS} has changed since it was written")
            counters = Counters(**values["counters"])
            return SavedState(counters, Schedule.restore(values["schedule"]), load(content))
        except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
            raise BundleError(f"{newest}: cannot go on from it: {error}") from None

    def finish(self) -> None:
        """Keep the last state of a run that has ended, unless it is large."""
        for state in self._numbered():
            if _measure(state) > MOST_KEPT_BYTES:
                self._remove_state(state)
        self.tidy()

    def tidy(self) -> None:
        """Remove all but the last state, and what a kill left half written or half removed."""
        for state in self._numbered()[:-1]:
            self._remove_state(state)
        remove_leftovers(self.out)

    def _remove_state(self, state: Path) -> None:
        """Remove a state: it is never seen half removed under its own name."""
        aside = name_aside(state)
        state.rename(aside)
        remove(aside)

    def _numbered(self) -> list[Path]:
        if not self.path.is_dir():
            return []
        return sorted(entry for entry in self.path.iterdir() if entry.name.isdigit())


def _measure(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _format_checked(values: dict[str, Any]) -> str:
    return json.dumps({"sha256": _hash(values), **values}, indent=1)


def _write_checked(path: Path, values: dict[str, Any]) -> None:
    replace_file(path, _format_checked(values))


def _read_checked(path: Path) -> dict[str, Any]:
    values = json.loads(path.read_text(encoding="utf-8"))
    digest = values.pop("sha256")
    if digest != _hash(values):
        raise ValueError(f"{path.name} has changed since it was written")
    return dict(values)


def _hash(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
