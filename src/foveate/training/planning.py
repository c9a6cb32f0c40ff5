"""The schedule of a new run: minutes become a number of updates, by what the machine can do."""

from __future__ import annotations

from collections.abc import Callable

from foveate.training.defaults import choose_learning_rate
from foveate.training.prepare import Prepared
from foveate.training.schedule import GUIDED_TRIALS, TRIALS, Schedule
from foveate.training.selection import Selector
from foveate.training.trainer import Trainer
from foveate.training.validation import share_out

VALIDATION_SHARE = 0.1  # of the minutes, at most, by the calibration


def plan_run(
    prepared: Prepared,
    trainer: Trainer,
    selector: Selector,
    clock: Callable[[], float],
    begin: float,
) -> Schedule:
    """Make the schedule of a run.

    Args:
        prepared: the pairs and the options.
        trainer: is timed on copies, where minutes are to be planned.
        selector: is timed, too.
        clock: tells the seconds.
        begin: when the minutes began.
    """
    options, num_sources = prepared.options.training, len(selector.validation.sources)
    if options.max_updates is not None:
        return Schedule(
            options.max_updates,
            choose_learning_rate(prepared.options, prepared.facts, options.max_updates),
            options.num_validations,
            num_sources,
            options.max_updates,
            options.minutes,
        )
    per_source = selector.time_source(clock)
    left = max(60 * options.minutes - (clock() - begin), 6 * options.minutes)
    num_validations, num_sources = share_out(
        VALIDATION_SHARE * left, per_source, options.num_validations, num_sources
    )
    seconds = max(left - num_validations * num_sources * per_source, 0.1)  # for updates alone
    pace = trainer.measure_pace(clock)
    total = pace.count_updates(seconds, trainer.is_guided)
    return Schedule(
        total,
        choose_learning_rate(prepared.options, prepared.facts, total),
        num_validations,
        num_sources,
        minutes=options.minutes,
        seconds=seconds,
        trials=GUIDED_TRIALS if trainer.is_guided else TRIALS,
        plain_cost=pace.plain / pace.guided,
    )
