"""What an experiment is: a question, a run within a budget, and what it found.

Knows nothing of models, of pages and of the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Report: TypeAlias = Callable[[float, float, str], None]
"""Is told what is done, of how much, and what is going on. Any unit of work will do."""


@dataclass(frozen=True)
class Budget:
    """How much an experiment may do.

    Attributes:
        scale: share of the whole work; 1 takes the minutes that the experiment names, on two cores.
        seed: of all that is random.
        folder: where the models are kept, and found again by a run that goes on; None keeps none.
    """

    scale: float = 1.0
    seed: int = 1
    folder: Path | None = None

    def shrink(self, number: int, least: int = 1) -> int:
        """Return as much of a number as the scale allows.

        Example:
            >>> Budget(scale=0.1).shrink(900), Budget(scale=0.001).shrink(900, least=5)
            (90, 5)
        """
        return min(max(round(number * self.scale), least), number)


@dataclass(frozen=True)
class Picture:
    """A picture of a result, as SVG; `name` is that of its file, without `.svg`."""

    name: str
    title: str
    caption: str
    svg: str
    is_animation: bool = False


@dataclass(frozen=True)
class Table:
    """Numbers in rows; the first column names them."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Findings:
    """What an experiment found. Texts are plain; an empty line begins a new paragraph.

    Attributes:
        claim: what is claimed, in one sentence.
        expected: what the papers lead to expect, with their names.
        found: what came out, with the numbers of this run.
        holds: whether the claim held in this run: computed from the numbers, never assumed.
        numbers: everything that was measured, ready for JSON.
        pictures: the first one shows the claim.
        tables: of the numbers that a reader wants to look up.
        method: how it was run: data, models, budgets.
    """

    claim: str
    expected: str
    found: str
    holds: bool
    numbers: Mapping[str, Json]
    pictures: Sequence[Picture]
    tables: Sequence[Table] = field(default=())
    method: str = ""


@dataclass(frozen=True)
class Experiment:
    """A question that one command answers.

    Attributes:
        name: of the command.
        title: of the page.
        question: what it asks, in plain English.
        minutes: it takes at scale 1 on two cores of an ordinary machine.
        run: does it.
    """

    name: str
    title: str
    question: str
    minutes: int
    run: Callable[[Budget, Report], Findings]


@dataclass
class Progress:
    """Adds up the parts of an experiment, which take unlike long.

    Attributes:
        report: is told.
        total: size of all parts together, in any unit.
        done: size of the parts that are finished.

    Example:
        >>> progress = Progress(print, total=4)
        >>> progress.tell(0.5, 3, "training")
        1.5 4 training
        >>> progress.finish(3, "trained")
        3.0 4 trained
    """

    report: Report
    total: float
    done: float = 0.0

    def tell(self, share: float, size: float, what: str) -> None:
        """Say that a share of a part of some size is done."""
        self.report(self.done + share * size, self.total, what)

    def finish(self, size: float, what: str) -> None:
        """Say that a part is finished."""
        self.done += size
        self.report(self.done, self.total, what)
