"""Show how far an experiment is, and how long it will take: a bar, or a line at times."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from foveate.console import format_duration, say
from foveate.printable import make_printable

if TYPE_CHECKING:
    from rich.progress import Progress

SECONDS_BETWEEN_LINES = 15.0
LEAST_SHARE = 0.02  # before which nobody knows how long the rest takes


class ExperimentDisplay:
    """Shows what an experiment reports, with the time left.

    Example:
        with ExperimentDisplay("length") as display:
            findings = experiment.run(budget, display)
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar: Progress | None = None
        self._begin = time.monotonic()
        self._last_line = self._begin - SECONDS_BETWEEN_LINES

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = _build_bar(self._label)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: float, total: float, what: str) -> None:
        """Show how far the experiment is."""
        now = time.monotonic()
        status = describe(done / total if total else 0.0, now - self._begin, what)
        if self._bar is not None:
            shown = make_printable(status)
            self._bar.update(self._bar.task_ids[0], completed=done, total=total, status=shown)
        elif now - self._last_line >= SECONDS_BETWEEN_LINES or done >= total:
            self._last_line = now
            say(f"{self._label}: {status}")


def describe(share: float, seconds: float, what: str) -> str:
    """Say how far something is, and how long the rest will take once that can be known.

    Example:
        >>> describe(0.25, 60, "attention: update 300 of 900")
        '25 %  3 min 0 s left  attention: update 300 of 900'
    """
    parts = [f"{100 * share:.0f} %"]
    if LEAST_SHARE <= share < 1:
        parts.append(f"{format_duration(seconds * (1 - share) / share)} left")
    return "  ".join([*parts, what])


def _build_bar(label: str) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[status]}", markup=False),
        console=Console(stderr=True, highlight=False),
        transient=True,
    )
    bar.add_task(label, total=None, status="")
    return bar
