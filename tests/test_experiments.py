"""The frame of the experiments: budgets, progress, the page, and the command around them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from foveate.cli import main
from foveate.commands import experiment as command
from foveate.experiments import EXPERIMENTS
from foveate.experiments.experiment import (
    Budget,
    Experiment,
    Findings,
    Picture,
    Report,
    Table,
)
from foveate.experiments.write import FAILED, HELD, Run, draw_page
from foveate.insight.curves import draw_length_curve
from test_python import run_plain


def toss(budget: Budget, report: Report) -> Findings:
    """Find something at once."""
    for number in range(1, 4):
        report(number, 3, f"toss {number}")
    svg = draw_length_curve({"heads": [("1", 0.5), ("2", 0.25)]}, "share", "Tosses")
    return Findings(
        claim="A coin has <two> sides.",
        expected="Two sides.\n\nNobody expects an edge (Coin 1900).",
        found=f"Seed {budget.seed} found two.",
        holds=budget.seed != 13,
        numbers={"sides": 2, "shares": [0.5, 0.25]},
        pictures=[Picture("tosses", "Tosses.", "They fall & fall.", svg)],
        tables=[Table("Shares", ("toss", "share"), [("1", "0.50"), ("2", "0.25")])],
        method="A coin was tossed.",
    )


COIN = Experiment("coin", "A coin", "How many sides has it?", 1, toss)


class Reader(HTMLParser):
    """Collects the texts of a page, and what it would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "srcset")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_an_experiment_leaves_a_page_its_pictures_and_its_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a coin"
    assert command.run_experiment(COIN, folder, 0.5, 7) == 0
    out, err = capsys.readouterr()
    call = f"foveate experiment coin --out '{folder}' --scale 0.5 --seed 7"
    assert out.startswith(HELD)
    assert "coin: 33 %" in err
    reader = Reader()
    reader.feed((folder / "index.html").read_text(encoding="utf-8"))
    assert reader.fetched == []
    for text in (
        "How many sides has it?",
        "Nobody expects an edge (Coin 1900).",
        "Seed 7 found two.",
        "A coin was tossed.",
        " They fall & fall.",
        "0.25",
        call,
    ):
        assert text in reader.texts, text
    assert any("50 % of the work" in text for text in reader.texts)
    numbers = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
    assert numbers["holds"] is True
    assert numbers["run"]["command"] == call
    assert numbers["numbers"] == {"sides": 2, "shares": [0.5, 0.25]}
    assert (folder / "tosses.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_claim_that_fails_is_said_to_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run_experiment(COIN, tmp_path / "coin", 1.0, 13) == 0
    assert capsys.readouterr().out.startswith(FAILED)
    page = (tmp_path / "coin" / "index.html").read_text(encoding="utf-8")
    assert FAILED in page
    assert HELD not in page


def test_an_experiment_that_is_stopped_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(budget: Budget, report: Report) -> Findings:
        raise KeyboardInterrupt

    stopped = Experiment("coin", "A coin", "How many sides has it?", 1, stop)
    assert command.run_experiment(stopped, tmp_path / "coin", 1.0, 1) == 130
    goes_on = f"foveate experiment coin --out {tmp_path / 'coin'} --seed 1 --resume"
    assert goes_on in capsys.readouterr().err


def test_the_list_names_every_experiment_with_its_minutes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["experiment", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(EXPERIMENTS)
    assert all(0 < int(line.split()[-1]) <= 20 for line in lines)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["lenght"], "did you mean length"),
        (["length", "--scale", "0"], "--scale"),
        (["length", "--scale", "2"], "at most 1"),
        (["length", "--seed", "-1"], "--seed"),
        (["length", "--resume"], "--out"),
        (["length", "--out", "full"], "choose another folder"),
        (["length", "--out", "new", "--resume"], "nothing to resume"),
    ],
)
def test_mistakes_are_said_before_the_work(
    arguments: list[str],
    what: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert main(["experiment", *arguments]) == 2
    assert what in capsys.readouterr().err


def test_without_pytorch_the_list_works_and_a_run_says_what_to_install(tmp_path: Path) -> None:
    out = str(tmp_path / "new")
    calls = [["experiment", "list"], ["experiment", "length", "--out", out]]
    done = run_plain(f"from foveate.cli import main\nprint([main(c) for c in {calls}])")
    assert done.stdout.splitlines()[-1] == "[0, 2]"
    assert "length" in done.stdout
    assert "pip install 'foveate[train]'" in done.stderr


@pytest.mark.parametrize(("width", "is_full"), [("893.3", True), ("704", False)])
def test_a_wide_picture_takes_the_whole_width(width: str, is_full: bool) -> None:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" height="9" width="{width}"></svg>'
    found = replace(toss(Budget(1.0, 1), lambda *told: None), pictures=[Picture("a", "", "", svg)])
    page = draw_page(COIN, found, Run("", Budget(1.0, 1), 1.0))
    assert ('class="card picture full"' in page) == is_full


def test_a_curve_says_where_training_ends() -> None:
    points = [(label, 1.0) for label in ("5", "10", "20")]
    svg = draw_length_curve({"a": points}, "share", "Copy", limit=("10", "longer than in training"))
    places = {
        label: float(re.search(rf'x="([\d.]+)"[^>]*>{label}<', svg)[1])  # type: ignore[index]
        for label in ("10", "20")
    }
    (line,) = re.findall(r'class="limit" x1="([\d.]+)"', svg)
    assert float(line) == pytest.approx((places["10"] + places["20"]) / 2, abs=0.2)
    assert ">longer than in training<" in svg
    assert "limit" not in draw_length_curve({"a": points}, "share", "Copy").split("</style>")[1]
