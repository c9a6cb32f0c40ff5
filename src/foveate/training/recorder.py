"""What a run tells and writes: reports, `log.jsonl`, states and the bundle.

Nothing else in a run writes. Of what cannot be written, only the bundle ends a run: a state, or a
row of the log, that finds no room is told and left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import foveate.torch_loading  # noqa: F401  # isort: skip  # before torch
from torch import Tensor

from foveate.bundle import MANIFEST, Bundle, read_manifest, save_bundle
from foveate.bundle_files import find_id
from foveate.errors import BundleError
from foveate.files import replace_file, sync_folder
from foveate.insight.training_page import Example, Moment
from foveate.training.folder import LOG, STATE, list_members
from foveate.training.prepare import Prepared, describe
from foveate.training.report import Listener, Report, be_silent
from foveate.training.schedule import Counters, Schedule
from foveate.training.state import SavedState, StateFolder
from foveate.training.watching import WATCHED, Watcher, format_examples, format_moment


class Recorder:
    """Tell a listener what happens, and keep it in a folder where there is one.

    Args:
        out: the folder of the run; None keeps nothing.
        listener: is told everything.
        watcher: keeps a page of the run, where one is wanted.
        origin: what the card is to say of data, licence and language.
    """

    def __init__(
        self,
        out: Path | None = None,
        listener: Listener = be_silent,
        watcher: Watcher | None = None,
        origin: Mapping[str, Any] | None = None,
    ) -> None:
        self.out = out
        self.listener = listener
        self.watcher = watcher
        self.origin = origin or {}
        self.state = StateFolder(out) if out is not None else None
        self._is_log_broken = False
        self._page_problem = ""

    def begin(self, prepared: Prepared, **more: str) -> None:
        """Write down what the run begins with, and more that is to stay the same.

        Raises:
            BundleError: it cannot be written.
        """
        if self.out is None or self.state is None:
            return
        try:
            (self.out / LOG).unlink(missing_ok=True)
            codecs = prepared.source_codec, prepared.target_codec
            run = {**describe(prepared), "replaces": find_id(self.out), **more}
            self.state.begin(run, *codecs)
            for folder in (self.state.path, self.out, self.out.parent):
                sync_folder(folder)
        except OSError as error:
            raise BundleError(f"{self.out}: cannot write there: {error.strerror}") from None

    def resume(self) -> SavedState | None:
        """Return the last state, where there is one."""
        if self.out is None or self.state is None:
            return None
        self.tidy()
        return self.state.load()

    def tidy(self) -> None:
        """Remove what nobody needs of this run and of the runs of its members, as far as we may."""
        if self.state is not None:
            for state in (self.state, *map(StateFolder, list_members(self.state.out))):
                with suppress(OSError):
                    state.tidy()

    def go_on(self, update: int) -> None:
        """Forget what was told after an update, from which the run goes on."""
        if self.out is not None:
            try:
                cut_log(self.out / LOG, update)
                if self.watcher is not None:
                    cut_log(self.out / STATE / WATCHED, update)
                    self.watcher.recall(self.out)
            except OSError as error:
                self._give_up_log(error)

    def note(self, message: str) -> None:
        """Tell something in words."""
        self.hear(Report("note", message))

    def hear(self, report: Report) -> None:
        """Tell a report to the page and the listener."""
        if self.watcher is not None:
            self.watcher.hear(report)
            self._tell_page_problem()
        self.listener(report)

    def tell(self, report: Report, is_logged: bool = True) -> None:
        """Tell a report, and write it into the log."""
        if is_logged and self.out is not None and not self._is_log_broken:
            try:
                with (self.out / LOG).open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(report.to_log()) + "\n")
            except OSError as error:
                self._give_up_log(error)
        self.hear(report)

    def expect(self, examples: list[Example], has_attention: bool) -> None:
        """Say which examples the page shows."""
        if self.watcher is not None and self.watcher.expect(examples, has_attention):
            self._append_watched(format_examples(examples), is_new=True)

    def watch(self, moment: Moment) -> None:
        """Show on the page what the model does with the examples."""
        if self.watcher is not None:
            self.watcher.add(moment)
            self._append_watched(format_moment(moment))

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show a run on its page, where it has one, also that it has failed."""
        with self.watcher.closing() if self.watcher is not None else nullcontext():
            yield

    def recall(self, bundle: Bundle) -> None:
        """Show on the page a run that has ended already."""
        if self.watcher is not None and self.out is not None:
            self.watcher.recall(self.out)
            self.conclude(bundle)

    def conclude(self, bundle: Bundle) -> None:
        """Write the last page of a run."""
        if self.watcher is not None:
            scores, summary = bundle.scores.get("dev", {}), bundle.summary
            telling = summary.diagnosis.get("dev", {}).get("telling", scores)
            shown = {name: score for name, score in scores.items() if name in telling}
            self.watcher.conclude(shown, summary.was_interrupted)
            self._tell_page_problem()

    def _append_watched(self, rows: str, is_new: bool = False) -> None:
        if self.state is not None:
            path, mode = self.state.path / WATCHED, "w" if is_new else "a"
            # Without the file a run that goes on has a page without its past.
            with suppress(OSError), path.open(mode, encoding="utf-8") as stream:
                stream.write(rows)

    def _tell_page_problem(self) -> None:
        """Tell once why the page cannot be written; the run goes on."""
        assert self.watcher is not None
        problem, before = self.watcher.problem, self._page_problem
        self._page_problem = problem
        if problem and not before:
            self.listener(Report("note", problem))

    def save(self, counters: Counters, schedule: Schedule, tensors: dict[str, Tensor]) -> None:
        """Save a state, where that is possible."""
        if self.state is None:
            return
        try:
            self.state.save(counters, schedule, tensors)
        except OSError as error:
            self.note(f"could not save the state: {error.strerror or error}")

    def has_bundle_of(self, saved: SavedState | None = None) -> bool:
        """Say whether the bundle of a whole run is there, and is that of a state, if told."""
        if self.out is None or not (self.out / MANIFEST).is_file():
            return False
        manifest = read_manifest(self.out)
        is_of_state = saved is None or manifest.summary.updates == saved.counters.update
        is_own = manifest.id != self._replaced_id()
        return is_own and is_of_state and not manifest.summary.was_interrupted

    def _replaced_id(self) -> str:
        """Return the id of the model that was there before the run; a member has none."""
        if self.state is None or not self.state.is_begun:
            return ""
        return str(self.state.read_run().get("replaces", ""))

    def save_bundle(self, bundle: Bundle) -> None:
        """Write the bundle, and tidy the state once that is done.

        Raises:
            BundleError: it cannot be written.
        """
        if self.out is None or self.state is None:
            return
        is_first = bool(replaced := self._replaced_id()) and replaced == find_id(self.out)
        save_bundle(bundle, self.out, keep_card=not is_first)
        if not bundle.summary.was_interrupted:
            try:
                self.state.finish()
            except OSError as error:
                self.note(f"could not tidy up {self.state.path}: {error.strerror or error}")

    def _give_up_log(self, error: OSError) -> None:
        self._is_log_broken = True
        self.note(f"could not write {LOG}, which ends here: {error.strerror or error}")


def cut_log(path: Path, update: int) -> None:
    """Drop the rows that a killed run wrote after the state that it goes on from."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        row = _read_row(line)
        if row is not None and row.get("update", 0) <= update and row.get("kind") != "end":
            kept.append(line + "\n")
    replace_file(path, "".join(kept))


def _read_row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:  # the kill came while it was written
        return None
    return row if isinstance(row, dict) else None
