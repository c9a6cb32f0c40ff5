"""The state of a run on disk: everything that the next update depends on.

    state/00000420/tensors.safetensors   model, average, best, optimizer
    state/00000420/state.json            counters
    state/text/                          vocabularies
    state/run.json                       configuration, data and number of updates

A state is written aside, synced and renamed, so a run may be killed at any moment, also while
saving; the state before it is removed only then. Never a pickle.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from foveate.bundle import MANIFEST, read_manifest
from foveate.errors import BundleError
from foveate.files import name_aside, replace_file, sync_folder, write_synced
from foveate.options import TextOptions
from foveate.text.codec import Codec


@dataclass
class Counters:
    """Where a run is.

    Attributes:
        update: updates done.
        epoch: passes begun, from 0.
        batch: batches done of this pass.
        best_update: update of the validation whose weights are kept; -1 before the first.
        best_scores: its dev metrics.
        top_scores: dev metrics of the validation with the highest score.
        top_outputs: what it wrote for the dev sources.
        stale: validations since then.
        seconds: time trained, pauses not counted.
    """

    update: int = 0
    epoch: int = 0
    batch: int = 0
    best_update: int = -1
    best_scores: dict[str, float] = dataclasses.field(default_factory=dict)
    top_scores: dict[str, float] = dataclasses.field(default_factory=dict)
    top_outputs: list[str] = dataclasses.field(default_factory=list)
    stale: int = 0
    seconds: float = 0.0


class StateFolder:
    """The `state/` of a run."""

    def __init__(self, out: Path) -> None:
        self.path = out / "state"

    @property
    def exists(self) -> bool:
        """Say whether a run was begun here."""
        return (self.path / "run.json").is_file()

    @property
    def is_finished(self) -> bool:
        """Say whether the run here came to its end, and left nothing but its bundle."""
        if not self.exists or self._numbered() or not (self.path.parent / MANIFEST).is_file():
            return False
        return not read_manifest(self.path.parent).summary.was_interrupted

    def finish(self) -> None:
        """Remove what nobody needs once the bundle is written: most of the folder's size."""
        for state in self._numbered():
            shutil.rmtree(state, ignore_errors=True)

    def begin(self, run: dict[str, Any], source: Codec, target: Codec) -> None:
        """Write down what never changes during the run."""
        text = self.path / "text"
        text.mkdir(parents=True, exist_ok=True)
        if source is target:
            source.save(text, "shared")
        else:
            source.save(text, "source")
            target.save(text, "target")
        sync_folder(text)
        replace_file(self.path / "run.json", json.dumps(run, indent=2))

    def read_run(self) -> dict[str, Any]:
        """Return what `begin` was given.

        Raises:
            BundleError: the file is damaged.
        """
        path = self.path / "run.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise BundleError(f"{path}: cannot go on from it: {error}") from None

    def read_codecs(self, options: TextOptions) -> tuple[Codec, Codec]:
        """Return the vocabularies that the run began with."""
        text = self.path / "text"
        if (text / "shared.vocabulary.txt").exists():
            shared = Codec.load(text, "shared", options.source_tokens, options.normalization)
            return shared, shared
        source = Codec.load(text, "source", options.source_tokens, options.normalization)
        return source, Codec.load(text, "target", options.target_tokens, options.normalization)

    def save(self, counters: Counters, tensors: dict[str, Tensor]) -> None:
        """Write a state and remove the ones before it.

        Raises:
            OSError: the disk is full; the state before stays.
        """
        final = self.path / f"{counters.update:08d}"
        if final.exists():
            return
        aside = name_aside(final)
        try:
            aside.mkdir(parents=True)
            contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
            write_synced(aside / "tensors.safetensors", save(contiguous))
            write_synced(aside / "state.json", json.dumps(dataclasses.asdict(counters)))
            sync_folder(aside)
            aside.rename(final)
            sync_folder(self.path)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        for old in self._numbered():
            if old != final:
                shutil.rmtree(old, ignore_errors=True)

    def load(self) -> tuple[Counters, dict[str, Tensor]] | None:
        """Return the newest state, or None when the run was killed before its first.

        Raises:
            BundleError: it is damaged.
        """
        numbered = self._numbered()
        if not numbered:
            return None
        newest = numbered[-1]
        try:
            counters = json.loads((newest / "state.json").read_text(encoding="utf-8"))
            tensors = load((newest / "tensors.safetensors").read_bytes())
            return Counters(**counters), tensors
        except (OSError, ValueError, TypeError, SafetensorError) as error:
            raise BundleError(f"{newest}: cannot go on from it: {error}") from None

    def _numbered(self) -> list[Path]:
        return sorted(entry for entry in self.path.iterdir() if entry.name.isdigit())
