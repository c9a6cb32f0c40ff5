"""The experiments in small: their data, their judgement, and that each runs from end to end."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.data.bundled_data import load_demo
from foveate.experiments import EXPERIMENTS, copy_reverse, data_size, length
from foveate.experiments.experiment import Budget, Findings
from foveate.metrics import Score

SMALL = {"hidden_size": 16, "embedding_size": 8, "num_layers": 1, "num_validations": 1}


def score(value: float, *names: str) -> dict[str, Score]:
    """Return metrics of one value with an interval of a point to each side."""
    return {name: Score(value, value - 0.01, value + 0.01, "") for name in names}


# --- data -----------------------------------------------------------------------------------------


@given(st.text("abc", min_size=1, max_size=9), st.sampled_from(sorted(copy_reverse.TASKS)))
def test_each_letter_of_an_output_stands_at_its_place(text: str, name: str) -> None:
    task = copy_reverse.TASKS[name]
    places = task.places(text)
    assert sorted(places) == list(range(len(text)))
    assert "".join(text[place] for place in places) == task.write(text)


def test_the_tasks_are_what_they_are_called() -> None:
    written = {name: task.write("banana") for name, task in copy_reverse.TASKS.items()}
    assert written == {"copy": "banana", "reverse": "ananab", "sort": "aaabnn"}


@pytest.fixture(scope="module")
def dates() -> dict[str, length.Dates]:
    demo = load_demo("dates")
    tables = {"train": demo.train, "test": demo.test}
    return {split: length.split_dates(table) for split, table in tables.items()}


def test_single_dates_are_short_and_hardly_any_of_the_test_was_learnt(
    dates: dict[str, length.Dates],
) -> None:
    for pairs in dates.values():
        assert len(pairs) > 100
        assert all(len(source) <= 12 and ";" not in source + target for source, target in pairs)
    assert len(set(dates["test"]) & set(dates["train"])) < 0.05 * len(dates["test"])


def test_dates_are_joined_on_both_sides(dates: dict[str, length.Dates]) -> None:
    table = length.draw_by_length(dates["test"], 3, random.Random(1))
    bins = [length.name_bin(source) for source in table.sources()]
    assert {label: bins.count(label) for label in length.list_bins()} == dict.fromkeys(
        length.list_bins(), 3
    )
    known = dict(dates["test"])
    for source, target in zip(table.sources(), table.targets(), strict=True):
        assert "; ".join(known[date] for date in source.split("; ")) == target


def test_the_lengths_of_training_are_those_that_the_picture_says(
    dates: dict[str, length.Dates],
) -> None:
    table = length.draw_pairs(dates["train"], 200, random.Random(2))
    seen = {length.name_bin(source) for source in table.sources()}
    assert seen == set(length.list_bins()[: length.NUM_TRAINED])


def test_no_test_word_is_learnt_and_small_sets_begin_the_large_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = load_demo("pronunciation")
    bundled = list(zip(demo.train.sources(), demo.train.targets(), strict=True))
    tested = demo.test.source(0)
    path = tmp_path / "some.dict"
    path.write_text(f"{bundled[7][0]} AA\n{tested} AA1\nqqq K\nxyzzy Z IH1 Z IY0\n")
    monkeypatch.setattr(data_size, "find_dictionary", lambda: path)
    pairs = data_size.collect_pairs(demo, seed=3)
    assert pairs[: data_size.BUNDLED_PAIRS] == bundled
    assert sorted(pairs[data_size.BUNDLED_PAIRS :]) == [("qqq", "K"), ("xyzzy", "Z IH Z IY")]


def test_a_dictionary_gives_words_with_one_pronunciation(tmp_path: Path) -> None:
    path = tmp_path / "some.dict"
    path.write_text("read R EH1 D\nread(2) R IY1 D\ncat K AE1 T # a pet\no'er AO1 R\nox AA1 K S\n")
    assert list(data_size.read_dictionary(path)) == [("cat", "K AE T")]
    assert list(data_size.read_dictionary(None)) == []


# --- judgement ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("traditional", "attention", "pointed", "holds"),
    [
        (0.2, 0.99, 0.98, True),
        (0.99, 0.99, 0.98, False),
        (0.2, 0.7, 0.98, False),
        (0.2, 0.99, 0.5, False),
    ],
)
def test_copying_is_judged_by_both_models_and_by_where_attention_stands(
    traditional: float, attention: float, pointed: float, holds: bool
) -> None:
    longest = str(copy_reverse.LONGEST)
    scores = {
        "traditional": {longest: score(traditional, "exact_match")},
        "attention": {longest: score(attention, "exact_match")},
    }
    assert copy_reverse.judge(scores, pointed) is holds


def test_data_are_judged_at_every_size() -> None:
    names = "exact_match", data_size.ERRORS
    attention = {100: score(0.5, *names), 1000: score(0.2, *names)}
    one_vector = {100: score(0.6, *names), 1000: score(0.4, *names)}
    assert data_size.judge(attention, one_vector)
    assert not data_size.judge(one_vector, attention)
    assert not data_size.judge(attention, one_vector | {100: score(0.4, *names)})
    assert not data_size.judge(attention, one_vector | {1000: score(0.21, *names)})


# --- from end to end ------------------------------------------------------------------------------


def shrink_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(length, "MOST_DATES", 1)
    monkeypatch.setattr(length, "NUM_TRAINED", 1)
    monkeypatch.setattr(length, "NUM_BINS", 2)
    monkeypatch.setattr(length, "UPDATES", dict.fromkeys(length.UPDATES, 2))
    monkeypatch.setattr(length, "OPTIONS", SMALL)


def keep_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep only the models and tasks that the claim is about."""
    rivals = {one: copy_reverse.RIVALS[one] for one in ("attention", "traditional")}
    tasks = {one: copy_reverse.TASKS[one] for one in ("copy", "reverse")}
    monkeypatch.setattr(copy_reverse, "RIVALS", rivals)
    monkeypatch.setattr(copy_reverse, "TASKS", tasks)


def shrink_copying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_reverse, "LENGTHS", (3, 5, 8))
    monkeypatch.setattr(copy_reverse, "LONGEST", 5)
    monkeypatch.setattr(copy_reverse, "DRAWN", 5)
    keep_few(monkeypatch)
    monkeypatch.setattr(copy_reverse, "OPTIONS", {**copy_reverse.OPTIONS, **SMALL})


def shrink_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_size, "OPTIONS", SMALL)
    monkeypatch.setattr(data_size, "find_dictionary", lambda: None)


SHRINK = {"copy-reverse": shrink_copying, "data": shrink_data}


@pytest.mark.long
@pytest.mark.parametrize("name", SHRINK)
def test_an_experiment_runs_from_end_to_end(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    SHRINK[name](monkeypatch)
    told: list[float] = []

    def listen(done: float, total: float, what: str) -> None:
        assert what
        told.append(done / total)

    check_findings(EXPERIMENTS[name].run(Budget(scale=0.001, seed=1), listen))
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


@pytest.mark.long
def test_an_experiment_that_was_stopped_goes_on_with_the_models_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_length(monkeypatch)
    budget = Budget(scale=0.001, seed=1, folder=tmp_path)

    def stop(done: float, total: float, what: str) -> None:
        if what.startswith("traditional"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        length.run(budget, stop)
    bundle = tmp_path / "attention" / "bundle.json"
    written = bundle.stat().st_mtime_ns
    check_findings(length.run(budget, lambda *told: None))
    assert bundle.stat().st_mtime_ns == written
    assert {path.name for path in tmp_path.iterdir()} == set(length.LABELS)


def check_findings(found: Findings) -> None:
    assert found.pictures
    assert all(picture.svg.startswith("<svg") for picture in found.pictures)
    assert len({picture.name for picture in found.pictures}) == len(found.pictures)
    for table in found.tables:
        assert {len(row) for row in table.rows} == {len(table.header)}
    check_numbers(found.numbers)


def check_numbers(value: Any) -> None:
    if isinstance(value, dict):
        assert all(isinstance(key, str) for key in value)
        list(map(check_numbers, value.values()))
    elif isinstance(value, float):
        assert math.isfinite(value)
    else:
        assert isinstance(value, (str, int, bool, list))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("name", "scale"), [("length", 0.3), ("copy-reverse", 0.7), ("data", 0.5)])
def test_the_claim_holds_in_small(name: str, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_few(monkeypatch)
    found = EXPERIMENTS[name].run(Budget(scale, seed=1), lambda *told: None)
    assert found.holds, found.found
