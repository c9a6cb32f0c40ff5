"""The page of a run: it shows what happened, costs nothing of the result, and outlives trouble."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from browsing import CHROMIUM, open_browser
from foveate.cli import main
from foveate.errors import TrainingError
from foveate.estimator import Seq2Seq
from foveate.insight.palette import LIGHT, level_of, ramp
from foveate.insight.training_page import (
    MOST_POINTS,
    Example,
    Moment,
    Watched,
    draw_training_page,
)
from foveate.training.ensemble import train_models
from foveate.training.folder import was_killed_early
from foveate.training.report import Report
from foveate.training.run import train
from foveate.translator import Translator
from test_training import TINY, assert_same_weights, make_table


def read_data(page: Path) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert found is not None
    return dict(json.loads(found[1]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was watched, and the same one that was not."""
    folder = tmp_path_factory.mktemp("watched")
    train(make_table(), None, TINY, out=folder / "plain")
    train(make_table(), None, TINY, out=folder / "seen", page=folder / "page.html")
    return folder


def test_watching_changes_no_bit(folder: Path) -> None:
    assert_same_weights(folder / "plain", folder / "seen")
    assert not (folder / "plain" / "state" / "watched.jsonl").exists()


def test_the_page_has_what_happened(folder: Path) -> None:
    data = read_data(folder / "page.html")
    assert data["status"] == "done"
    updates = [moment["update"] for moment in data["moments"]]
    assert updates[0] == 0
    assert {5, 10, 15, 20} <= set(updates)  # the validations
    text = (folder / "page.html").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in (folder / "seen" / "log.jsonl").read_text().splitlines()]
    for row in rows:
        if row["kind"] == "progress":
            assert f'<td class="number">{row["loss"]:.3f}</td>' in text


def test_the_last_moment_is_what_the_model_does(folder: Path) -> None:
    """The average after the last update is kept here, so a translator has the same numbers."""
    data = read_data(folder / "page.html")
    translator = Translator.load(folder / "seen", threads=1)
    assert translator.summary.best_update == 20
    example_rows = (folder / "seen" / "state" / "watched.jsonl").read_text().splitlines()
    examples = json.loads(example_rows[0])["examples"]
    last = data["moments"][-1]
    for k, attention in enumerate(last["attention"]):
        pair = examples[k]["source"], examples[k]["references"][0]
        scored = next(translator.score_pairs([pair]))
        assert scored.attention is not None
        assert np.abs(np.array(attention) - 100 * scored.attention).max() < 0.51
    for example, output in zip(examples, last["outputs"], strict=True):
        assert translator.translate_one(example["source"], beam_size=1).text == output


def test_attention_begins_nearly_uniform(folder: Path) -> None:
    first = read_data(folder / "page.html")["moments"][0]["attention"]
    for weights in first:
        width = len(weights[0])
        assert max(max(row) for row in weights) < 100 / width + 15


def test_the_page_asks_for_nothing_and_runs_only_its_script(folder: Path) -> None:
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert "default-src 'none'; script-src 'sha256-" in text
    assert not re.search(r"""\son\w+=|src=|href="(?!data:)""", text)
    assert set(re.findall(r"https?://[^\s\"'<>]+", text)) == {"http://www.w3.org/2000/svg"}


def test_a_stopped_run_goes_on_with_its_page(tmp_path: Path) -> None:
    def stop(report: Report) -> None:
        if report.kind == "progress" and report.update == 11:
            raise KeyboardInterrupt

    page = tmp_path / "page.html"
    options = TINY.replace(num_validations=2)
    first = train(make_table(), None, options, out=tmp_path / "m", page=page, report=stop)
    assert first.was_interrupted
    data = read_data(page)
    assert data["status"] == "stopped"
    assert "--resume" in page.read_text(encoding="utf-8")
    before = [moment for moment in data["moments"] if moment["update"] <= 11]
    train(make_table(), None, options, out=tmp_path / "m", page=page, resume=True)
    data = read_data(page)
    assert data["status"] == "done"
    assert data["moments"][: len(before)] == before
    updates = [moment["update"] for moment in data["moments"]]
    assert updates == sorted(set(updates))
    assert updates[-1] == 20
    other = tmp_path / "other.html"
    train(make_table(), None, options, out=tmp_path / "m", page=other, resume=True)
    assert read_data(other)["moments"] == data["moments"]  # a run that has ended already


def test_a_page_that_cannot_be_written_is_told_once(folder: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    told: list[str] = []

    def listen(report: Report) -> None:
        told.append(report.message)
        if report.kind == "plan":
            shutil.rmtree(gone)

    train(make_table(), None, TINY, out=tmp_path / "m", page=gone / "page.html", report=listen)
    assert sum("could not write" in message for message in told) == 1
    assert_same_weights(folder / "plain", tmp_path / "m")


def test_a_run_that_fails_says_so(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    wild = TINY.replace(learning_rate=100.0, weight_decay=1000.0, average_decay=0.0, warmup=0.0)
    with pytest.raises(TrainingError):
        train(make_table(), None, wild, page=page)
    assert read_data(page)["status"] == "stopped"


def test_traditional_has_curves_and_outputs_but_nothing_to_look_at(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    options = TINY.fit_to("traditional")
    train(make_table(), make_table(8), options, page=page)
    assert "no attention" in page.read_text(encoding="utf-8")
    last = read_data(page)["moments"][-1]
    assert last["attention"] == []
    assert len(last["outputs"]) == 6


@pytest.mark.long
def test_a_transformer_is_watched(tmp_path: Path) -> None:
    model = Seq2Seq(architecture="transformer", max_updates=6, hidden_size=16, threads=1)
    texts = [[*side] for side in (make_table().sources(), make_table().targets())]
    dev = texts[0][:6], texts[1][:6]
    model.fit(*texts, dev=dev, report=tmp_path / "page.html")
    assert len(read_data(tmp_path / "page.html")["moments"][-1]["attention"]) == 3


@pytest.mark.parametrize(
    "jobs",
    [
        pytest.param(1, marks=pytest.mark.long),
        pytest.param(2, marks=pytest.mark.slow),
    ],
)
def test_the_first_model_of_several_is_shown(tmp_path: Path, jobs: int) -> None:
    page = tmp_path / "page.html"
    options = TINY.replace(models=2, jobs=jobs)
    trained = train_models(make_table(), None, options, out=tmp_path / "m", page=page)
    data = read_data(page)
    assert data["status"] == "done"
    assert data["moments"][-1]["update"] == 20
    share = trained.translator.bundle.scores["dev"]["exact_match"]["value"]
    assert f'<td class="number">{100 * share:.1f}</td>' in page.read_text(encoding="utf-8")


def test_the_command_refuses_what_is_no_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("a\tb\n" * 5)
    out = tmp_path / "m"
    for name, says in (("page.pdf", "ends in .html"), ("no/page.html", "is not there")):
        arguments = ["train", str(pairs), "--out", str(out), "--report", str(tmp_path / name)]
        assert main(arguments) == 2
        assert says in capsys.readouterr().err
    assert not out.exists()
    assert not was_killed_early(out)


def make_watched(status: Any = "running", num_moments: int = 5) -> Watched:
    """Return a run whose attention moves from uniform to a diagonal."""
    example = Example("<b>ab", ["<i>x y"], ["<b>", "a", "b"], ["<i>x", "y", "z"])
    moments = []
    for k in range(num_moments):
        share = k / max(num_moments - 1, 1)
        weights = (1 - share) / 3 + share * np.eye(3)
        percents = np.rint(100 * weights).astype(int).tolist()
        moments.append(Moment(10 * k, ["wrong" if share < 1 else "<i>x y"], [percents]))
    losses = [(k, 3 / (k + 1)) for k in range(1000)]
    scores = {"exact_match": 0.5, "chrf": 40.0}
    return Watched(
        "Training of <model>",
        status,
        update=40,
        total_updates=80,
        written=4e9,
        losses=losses,
        validations=[(40, scores, True)],
        examples=[example],
        moments=moments,
    )


def test_texts_are_never_markup_and_long_curves_are_thinned() -> None:
    page = draw_training_page(make_watched())
    assert "<b>ab" not in page
    assert "<i>x" not in page
    assert "<model>" not in page
    table = page.split('id="loss-table"')[1].split("</details>")[0]
    assert table.count("<tr>") == MOST_POINTS + 1
    assert '<td class="number">999</td>' in table


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
def test_in_a_browser_the_slider_moves_time_and_stays_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(draw_training_page(make_watched()), encoding="utf-8")
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 360, "height": 800})
        seen: list[str] = []
        page.on("request", lambda request: seen.append(request.url))
        page.on("pageerror", lambda error: seen.append(str(error)))
        page.on("console", lambda message: seen.append(message.text))
        page.goto(path.as_uri())
        width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] == width[1]
        slider = page.locator("#moment")
        cell = page.locator(".cells rect").first
        number = page.locator("[data-map] tbody td").first
        assert slider.input_value() == "4"
        assert (cell.get_attribute("fill"), number.text_content()) == (ramp(LIGHT)[-1], "100")
        slider.focus()
        page.keyboard.press("Home")
        assert page.inner_text("#when") == "after update 0"
        assert cell.get_attribute("fill") == ramp(LIGHT)[level_of(0.33)]
        assert number.text_content() == "33"
        assert page.locator(".outputs tbody td").nth(1).inner_text() == "wrong"
        page.keyboard.press("ArrowRight")
        path.write_text(draw_training_page(make_watched(num_moments=8)), encoding="utf-8")
        with page.expect_navigation(timeout=15_000):  # the page reads itself again
            pass
        assert page.locator("#moment").get_attribute("max") == "7"
        assert page.locator("#moment").input_value() == "1"
        assert page.evaluate("document.activeElement.id") == "moment"
        page.click("#play")
        expect(page.locator("#moment")).to_have_value("7", timeout=15_000)
        assert page.locator(".outputs tbody td").nth(2).inner_text() == "✓"
        path.write_text(draw_training_page(make_watched("done")), encoding="utf-8")
        page.reload()
        assert page.title().endswith("done")
        assert page.locator("#follow").count() == 0
        assert {url for url in seen if not url.startswith("file:")} == set()
