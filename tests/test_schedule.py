"""What is due when: in tables, against a naive reading of the rules, and on a clock of its own."""

from __future__ import annotations

import dataclasses
import json

import pytest

from foveate.training.schedule import GUIDED_TRIALS, TRIALS, Counters, Pace, Schedule


def build(total: int, count: int = 4, **more: object) -> Schedule:
    return Schedule(total, 4e-3, count, 500, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("total", "count", "due"),
    [
        (20, 4, [5, 10, 15, 20]),
        (10, 3, [3, 6, 10]),  # not 9, so near the end
        (7, 20, [1, 2, 3, 4, 5, 6, 7]),
        (1, 4, [1]),
        (13, 1, [13]),
    ],
)
def test_validations_are_spread_and_the_last_update_has_one(
    total: int, count: int, due: list[int]
) -> None:
    schedule = build(total, count)
    found = [update for update in range(1, total + 1) if schedule.events(update).validate]
    assert found == due


def test_states_are_saved_after_whatever_must_not_be_lost() -> None:
    schedule = build(40, 4, seconds=9.0, trials=TRIALS)
    rows = {update: schedule.events(update) for update in range(1, 41)}
    assert [update for update in rows if rows[update].validate] == [10, 20, 30, 40]
    assert not rows[3].plan and rows[4].plan and rows[5].plan  # until it is done
    assert [update for update in rows if rows[update].save][:3] == [4, 5, 6]
    assert not dataclasses.replace(schedule, trials=()).events(4).save


def test_two_hundred_rows_of_a_long_run_are_logged() -> None:
    schedule = build(5000)
    logged = [update for update in range(1, 5001) if schedule.events(update).log]
    assert len(logged) == 200 and logged[-1] == 5000


@pytest.mark.parametrize("seconds", [100.0, 937.0])
@pytest.mark.parametrize(("guess", "plain"), [(1.0, 1.0), (1.0, 0.6), (3.0, 0.6), (0.3, 0.9)])
def test_a_guided_run_ends_at_its_minutes(seconds: float, guess: float, plain: float) -> None:
    """Guided updates take a second, those after the first half less, whatever was measured."""
    pace = Pace(guess, guess * 0.8)
    total = pace.count_updates(seconds, is_guided=True)
    schedule = build(total, seconds=seconds, trials=GUIDED_TRIALS, plain_cost=0.8)
    counters, clock = Counters(), 0.0
    while not schedule.is_over(counters, patience=0):
        is_guided = counters.update < 0.5 * schedule.total_updates
        took = 1.0 if is_guided else plain
        counters.update += 1
        counters.update_seconds += took
        if is_guided:
            counters.guided_updates += 1
            counters.guided_seconds += took
        clock += took
        if schedule.events(counters.update).plan:
            schedule = schedule.plan_again(counters)
    assert clock == pytest.approx(seconds, rel=0.02)


def test_without_guidance_the_mean_decides() -> None:
    schedule = build(100, seconds=60.0, trials=TRIALS)
    counters = Counters(update=10, update_seconds=20.0)
    again = schedule.plan_again(counters)
    assert (again.total_updates, again.trials) == (30, (0.3,))
    late = dataclasses.replace(counters, update=50, update_seconds=100.0)
    assert again.plan_again(late).total_updates == 51  # there is no time left


def test_more_updates_or_minutes_make_it_longer() -> None:
    told = build(10, max_updates=10, minutes=1.0)
    assert told.extend(25, 1.0, Counters(update=10)).total_updates == 25
    timed = build(100, seconds=50.0, minutes=1.0)
    longer = timed.extend(None, 2.0, Counters(update=100, update_seconds=50.0))
    assert longer.total_updates == 100 + 60 / 0.5
    assert (longer.seconds, longer.minutes) == (110.0, 2.0)


def test_patience_ends_a_run() -> None:
    schedule = build(10)
    assert not schedule.is_over(Counters(update=3, stale=9), patience=0)
    assert not schedule.is_over(Counters(update=3, stale=1), patience=2)
    assert schedule.is_over(Counters(update=3, stale=2), patience=2)


def test_what_is_saved_comes_back() -> None:
    schedule = build(40, seconds=9.5, trials=TRIALS, minutes=0.2, plain_cost=0.7)
    assert Schedule.restore(json.loads(json.dumps(dataclasses.asdict(schedule)))) == schedule
