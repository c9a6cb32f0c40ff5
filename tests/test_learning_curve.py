"""The learning curve: which pairs each part has, what is kept, and how it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foveate.cli import main
from foveate.config import Config, build_config
from foveate.console import format_learning_curve
from foveate.data.table import PairTable
from foveate.training import learning_curve
from foveate.training.comparison import score_test
from foveate.training.learning_curve import learn_from_parts
from foveate.training.report import Report, be_silent
from foveate.training.run import Trained, train
from foveate.translator import Translator

PAIRS = [(f"{a}{b}{c}", f"{c}{b}{a}".upper()) for a in "abcdef" for b in "klmn" for c in "xyz"]
CONFIG = build_config({"max_updates": 2, "hidden_size": 16, "threads": 1})


def test_each_part_is_trained_as_a_whole_file_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = train(PairTable.from_texts(*zip(*PAIRS, strict=True)), None, CONFIG)
    seen: list[tuple[PairTable, PairTable]] = []

    def watched(table: PairTable, dev: PairTable, *others: Any, **more: Any) -> Trained:
        seen.append((table, dev))
        return train(table, dev, *others, **more)

    monkeypatch.setattr(learning_curve, "train_models", watched)
    points = learn_from_parts(trained, CONFIG, be_silent)
    whole = set(trained.table.sources())
    assert len(whole) == 65  # of 72, 7 are dev
    assert [point["pairs"] for point in points] == [16, 32, 65]
    for (part, dev), point in zip(seen, points, strict=False):
        assert dev is trained.dev
        assert len(part) == point["pairs"]
        assert set(part.sources()) < whole
    assert not whole & set(trained.dev.sources())
    scores = trained.translator.bundle.scores["dev"]["exact_match"]
    assert points[-1] == {"pairs": 65, "metric": "exact_match", "set": "dev", **scores}


def test_parts_get_the_minutes_that_were_found_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    told = CONFIG.replace(max_updates=None, minutes=0.01)
    trained = train(PairTable.from_texts(*zip(*PAIRS, strict=True)), None, told)
    seen: list[float] = []

    def watched(table: PairTable, dev: PairTable, config: Config, **more: Any) -> Trained:
        seen.append(config.minutes)
        return trained

    monkeypatch.setattr(learning_curve, "train_models", watched)
    learn_from_parts(trained, CONFIG.replace(max_updates=None), be_silent)
    assert seen == [0.01, 0.01]


def test_command_keeps_the_curve_with_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"{s}\t{t}\n" for s, t in PAIRS), encoding="utf-8")
    argv = ["train", pairs, "--out", tmp_path / "model", "--max-updates", "2", "--learning-curve"]
    assert main([*map(str, argv), "--hidden-size", "16"]) == 0
    shown = capsys.readouterr().err
    assert "learning curve, dev set" in shown
    assert "from 32 to 65 pairs: " in shown
    points = Translator.load(tmp_path / "model").summary.learning_curve
    assert [point["pairs"] for point in points] == [16, 32, 65]
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    table = card.partition("## Learning curve on dev")[2]
    assert "](learning_curve.svg)" in table
    assert [row.split(" | ")[0] for row in table.splitlines() if " to " in row] == [
        "| 16",
        "| 32",
        "| 65",
    ]
    picture = (tmp_path / "model" / "learning_curve.svg").read_text(encoding="utf-8")
    assert all(f">{label}</text>" in picture for label in ("16", "32", "65", "training pairs"))


@pytest.mark.long
def test_a_curve_on_test_has_an_eighth_too() -> None:
    more = [(f"{a}{b}{c}{d}", f"{d}{a}".upper()) for a, b, c in (p[0] for p in PAIRS) for d in "uv"]
    test = PairTable.from_texts(["akxu", "blyv", "cmzu"], ["UA", "VB", "UC"])
    trained = train(PairTable.from_texts(*zip(*more, strict=True)), None, CONFIG)
    score_test(trained, test)
    points = learn_from_parts(trained, CONFIG, be_silent, test=test)
    assert [point["pairs"] for point in points] == [16, 32, 65, 130]
    assert {point["set"] for point in points} == {"test"}
    assert points[-1]["value"] == trained.translator.bundle.scores["test"]["exact_match"]["value"]
    # Wilson: 0 of 3
    assert all(round(point["high"], 3) == 0.561 for point in points if point["value"] == 0)


def test_command_shows_the_model_without_attention_beside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, out = tmp_path / "pairs.tsv", tmp_path / "model"
    pairs.write_text("".join(f"{s}\t{t}\n" for s, t in PAIRS), encoding="utf-8")
    argv = ["train", pairs, "--out", out, "--test", pairs, "--max-updates", "2", "--copy"]
    assert main([*map(str, argv), "--hidden-size", "16", "--with-traditional"]) == 0
    shown = capsys.readouterr().err
    assert "without attention, dev set" in shown
    assert "without attention, test set" in shown
    kept = Translator.load(out)
    assert kept.bundle.model.architecture == "attention"
    table = PairTable.from_texts(*zip(*PAIRS, strict=True))
    alone = train(table, None, CONFIG.replace(architecture="traditional", threads=None))
    assert kept.summary.traditional["dev"] == alone.translator.bundle.scores["dev"]
    assert "exact_match" in kept.summary.traditional["test"]


def test_stopping_leaves_no_half_curve() -> None:
    trained = train(PairTable.from_texts(*zip(*PAIRS, strict=True)), None, CONFIG)

    def stop(report: Report) -> None:
        if report.kind == "progress":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn_from_parts(trained, CONFIG, stop)


@pytest.mark.parametrize(("value", "expected"), [(0.5, "no more"), (0.9, "more"), (0.0, "more")])
def test_last_doubling_is_compared_with_the_intervals(value: float, expected: str) -> None:
    half = {"pairs": 7, "metric": "exact_match", "value": 0.4, "low": 0.3, "high": 0.5}
    whole = {**half, "pairs": 14, "value": value, "low": value - 0.1, "high": value + 0.1}
    last = format_learning_curve([half, whole]).splitlines()[-1]
    gain = f"{100 * (value - 0.4):+.1f}"
    assert last == f"from 7 to 14 pairs: {gain}, {expected} than the intervals leave open"
