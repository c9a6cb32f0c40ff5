"""What a run does when, and where it is: two small values that are saved with every state.

Knows nothing of models, files or clocks.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

NUM_LOG_ROWS = 200
GUIDED_SHARE = 0.5  # of the updates, in which an alignment guides the attention
TRIALS = (0.1, 0.3)  # of the updates, whose speed then decides how many the minutes hold
GUIDED_TRIALS = (*TRIALS, 0.6)  # the last one when attention is no longer guided


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
        update_seconds: those of them that went into updates.
        guided_updates: updates whose attention was guided.
        guided_seconds: what these took.
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
    update_seconds: float = 0.0
    guided_updates: int = 0
    guided_seconds: float = 0.0


@dataclass(frozen=True)
class Pace:
    """How long an update takes, in seconds; a guided one takes longer."""

    guided: float
    plain: float

    def count_updates(self, seconds: float, is_guided: bool) -> int:
        """Return how many updates fit in so many seconds, at least one."""
        mean = self.plain
        if is_guided:
            mean = GUIDED_SHARE * self.guided + (1 - GUIDED_SHARE) * self.plain
        return max(1, int(seconds / mean))


@dataclass(frozen=True)
class Events:
    """What is due after an update."""

    plan: bool
    validate: bool
    log: bool

    @property
    def save(self) -> bool:
        """Say whether the state has to be saved, once everything else has happened."""
        return self.plan or self.validate


@dataclass(frozen=True)
class Schedule:
    """The plan of a run.

    Attributes:
        total_updates: updates of the whole run.
        learning_rate: its peak.
        num_validations: in the whole run.
        validation_sources: dev sources of each.
        max_updates: what was asked for; None where minutes were.
        minutes: what was asked for or found; None where updates were.
        seconds: time for updates alone; None where these were told.
        trials: shares of the updates, after which the number of updates is planned again.
        plain_cost: of an update without guidance, beside a guided one.

    Example:
        >>> schedule = Schedule(10, 4e-3, num_validations=3, validation_sources=500)
        >>> [update for update in range(1, 11) if schedule.events(update).validate]
        [3, 6, 10]
    """

    total_updates: int
    learning_rate: float
    num_validations: int
    validation_sources: int
    max_updates: int | None = None
    minutes: float | None = None
    seconds: float | None = None
    trials: tuple[float, ...] = ()
    plain_cost: float = 1.0

    @classmethod
    def restore(cls, values: dict[str, Any]) -> Schedule:
        """Build a schedule from what `dataclasses.asdict` made, perhaps by way of JSON."""
        return cls(**{**values, "trials": tuple(values["trials"])})

    def events(self, update: int) -> Events:
        """Say what is due after an update, the first of which is 1."""
        total = self.total_updates
        every = max(1, round(total / self.num_validations))
        is_last = update >= total
        is_near_end = total - update < every / 2
        return Events(
            plan=bool(self.trials) and update >= self.trials[0] * total,
            validate=is_last or (update % every == 0 and not is_near_end),
            log=is_last or update % max(1, total // NUM_LOG_ROWS) == 0,
        )

    def is_over(self, counters: Counters, patience: int) -> bool:
        """Say whether the last update is done, or validations have got no better for too long."""
        return counters.update >= self.total_updates or 0 < patience <= counters.stale

    def plan_again(self, counters: Counters) -> Schedule:
        """Set the number of updates from the time that they have taken so far.

        The calibration was short, and other programs may have been busy in it, or in the first
        tenth.
        """
        total = max(self._count_updates(counters), counters.update + 1)
        return dataclasses.replace(self, total_updates=total, trials=self.trials[1:])

    def extend(
        self, max_updates: int | None, minutes: float | None, counters: Counters
    ) -> Schedule:
        """Return the schedule of the same run with more updates or minutes than it had."""
        if max_updates is not None:
            return dataclasses.replace(self, total_updates=max_updates, max_updates=max_updates)
        assert self.seconds is not None and self.minutes is not None and minutes is not None
        seconds = self.seconds + 60 * (minutes - self.minutes)
        longer = dataclasses.replace(self, minutes=minutes, seconds=seconds)
        return longer.plan_again(counters)

    def _count_updates(self, counters: Counters) -> int:
        assert self.seconds is not None, "the number of updates was told"
        num_plain = counters.update - counters.guided_updates
        if num_plain:
            each = (counters.update_seconds - counters.guided_seconds) / num_plain
            left = self.seconds - counters.update_seconds
            return counters.update + int(left / max(each, 1e-9))
        guided = counters.guided_seconds / counters.guided_updates
        return Pace(guided, guided * self.plain_cost).count_updates(self.seconds, is_guided=True)
