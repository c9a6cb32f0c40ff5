"""The page of a run that people watch while it goes: what it shows, and when it is written.

    model/state/watched.jsonl   the examples, and what the model did with them at which update

The page costs at most a hundredth of the time, and changes nothing of the run. It knows no model.
Does not load PyTorch.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from foveate.files import replace_file
from foveate.insight.training_page import (
    Example,
    Moment,
    Watched,
    draw_training_page,
)
from foveate.training.folder import LOG, STATE
from foveate.training.report import Report

WATCHED = "watched.jsonl"
SECONDS_BETWEEN = 3.0  # two pages, where nothing was validated
MOST_COST = 0.004  # share of the run's time that pages may take, and moments between validations
GROWTH = 1.25  # of the number of updates from one moment to the next
LEAST_STEP = 0.01  # of all updates


class Watcher:
    """Keep what a page shows, and write it.

    Args:
        path: of the page.
        title: its heading.
    """

    def __init__(self, path: Path, title: str) -> None:
        self.path = path
        self.run = Watched(title)
        self.spent_looking = 0.0  # seconds between validations
        self.spent_writing = 0.0
        self.problem = ""  # the page could not be written
        self.is_part = False  # of a run of several models, which goes on after the end of this one
        self._begin = time.perf_counter()
        self._last_written = -math.inf

    def recall(self, out: Path) -> None:
        """Take up what a run has left in its folder."""
        run = self.run
        run.losses, run.validations, run.examples, run.moments = [], [], [], []
        with suppress(TypeError):  # rows of another version
            for row in read_rows(out / LOG):
                self._take(Report(**row))
            for row in read_rows(out / STATE / WATCHED):
                if "examples" in row:
                    run.examples = [Example(**one) for one in row["examples"]]
                else:
                    self.add(Moment(**row))

    def expect(self, examples: list[Example], has_attention: bool) -> bool:
        """Say which examples will be shown, and return whether they are others than before."""
        self.run.has_attention = has_attention
        if examples == self.run.examples:
            return False
        self.run.examples, self.run.moments = examples, []
        return True

    def is_due(self, update: int) -> bool:
        """Say whether there is time for a moment between two validations."""
        if self.run.moments:
            last = self.run.moments[-1].update
            if update < max(GROWTH * last, last + LEAST_STEP * self.run.total_updates):
                return False
        return self._has_time(self.spent_looking)

    def add(self, moment: Moment) -> None:
        """Show one more moment, unless it was shown before."""
        moments = self.run.moments
        if not moments or moment.update > moments[-1].update:
            moments.append(moment)

    def hear(self, report: Report) -> None:
        """Take a report, and write the page if it is time for that."""
        self._take(report)
        if report.kind == "plan" or (
            self._is_page_due(report) and self._has_time(self.spent_writing)
        ):
            self.write()

    def _is_page_due(self, report: Report) -> bool:
        since = time.perf_counter() - self._last_written
        return report.kind == "validation" or since >= SECONDS_BETWEEN

    def _has_time(self, spent: float) -> bool:
        """Say whether less was spent than a share of the whole run."""
        whole = time.perf_counter() - self._begin + (self.run.seconds_left or 0.0)
        return spent < MOST_COST * whole

    def _take(self, report: Report) -> None:
        run = self.run
        if report.kind == "plan":
            run.plan, run.message = report.message, ""
        elif report.kind == "note":
            run.message = report.message
        if report.total_updates:
            run.total_updates = report.total_updates
        if report.kind not in ("progress", "validation", "end") or report.message:
            return
        run.update, run.epoch, run.seconds = report.update, report.epoch, report.seconds
        run.seconds_left = report.seconds_left
        if report.loss is not None:
            run.losses.append((report.update, report.loss))
            run.tokens_per_second = report.target_tokens_per_second
        if report.kind == "validation" and report.dev:
            run.validations.append((report.update, report.dev, report.is_kept))
            run.message = ""

    def conclude(self, scores: dict[str, dict[str, Any]], was_interrupted: bool) -> None:
        """Write the last page of a run."""
        self.run.scores = scores
        if self.is_part:
            self.run.message = "this model is trained; others follow"
        else:
            self.run.status = "stopped" if was_interrupted else "done"
            self.run.message = "The same command with --resume goes on." * was_interrupted
        self.write()

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Say on the page that the run has failed, if it does."""
        try:
            yield
        except BaseException as error:
            self.run.status, self.run.message = "stopped", str(error) or "by Ctrl-C"
            self.write()
            raise

    def write(self) -> None:
        """Write the page, if that is possible; `problem` says why it is not."""
        begin = time.perf_counter()
        self.run.written = time.time()
        try:
            replace_file(self.path, draw_training_page(self.run), is_synced=False)
            self.problem = ""
        except OSError as error:
            self.problem = f"could not write {self.path}: {error.strerror or error}"
        self._last_written = time.perf_counter()
        self.spent_writing += self._last_written - begin


def watch_in(path: Path | None, out: Path | None) -> Watcher | None:
    """Return what keeps a page, where one is wanted, of a run in a folder or in none."""
    return None if path is None else Watcher(path, f"Training of {out}" if out else "Training")


def format_examples(examples: list[Example]) -> str:
    """Return the first row of `watched.jsonl`."""
    return json.dumps({"examples": [asdict(one) for one in examples]}) + "\n"


def format_moment(moment: Moment) -> str:
    """Return a row of `watched.jsonl`."""
    return json.dumps(asdict(moment)) + "\n"


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file of JSON lines that are whole; none where it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row
