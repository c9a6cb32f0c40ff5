"""Python is as good as the shell: names, words, numbers and pictures."""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from rapidfuzz.distance import Levenshtein
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import foveate
from foveate.console import LateDisplay
from foveate.errors import ConfigError
from foveate.estimator import Seq2Seq
from foveate.metrics import METRICS, get_scorer
from foveate.records import Translation
from foveate.search.workers import count_cores, cut_threads
from foveate.training.report import Report
from test_estimator import SOURCES, TARGETS, TINY

BLOCK = """
import sys
for name in ("torch", "sklearn", "jaxtyping", "matplotlib", "onnx", "pyarrow", "joblib", "scipy"):
    sys.modules[name] = None
"""


def run_plain(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program where nothing of the extras can be imported."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    return subprocess.run(
        [sys.executable, "-c", BLOCK + program], capture_output=True, text=True, env=environment
    )


@pytest.fixture(scope="module")
def fitted() -> Seq2Seq:
    return Seq2Seq(**TINY).fit(SOURCES, TARGETS)


def test_a_plain_install_has_all_names_but_the_estimator() -> None:
    done = run_plain(
        "import foveate, pydoc\nfrom foveate import *\nhelp(foveate)\nprint(Translator)"
    )
    assert done.returncode == 0, done.stderr
    assert "class Translator" in done.stdout
    assert "Seq2Seq(" not in done.stdout.split("DATA")[-1]


def test_where_the_estimator_is_missing_the_way_to_do_without_is_told() -> None:
    done = run_plain("from foveate import Seq2Seq")
    assert "pip install 'foveate[train]'" in done.stderr
    assert "from foveate import Translator" in done.stderr


def weights(model: Seq2Seq) -> dict[str, np.ndarray]:
    return model.translator_.bundle.weights


def test_random_state_is_seed() -> None:
    one = Seq2Seq(**TINY, seed=3).fit(SOURCES, TARGETS)
    other = Seq2Seq(**TINY, random_state=3).fit(SOURCES, TARGETS)
    assert other.config_.seed == 3
    for name, array in weights(one).items():
        assert array.tobytes() == weights(other)[name].tobytes()


def test_a_random_state_gives_another_number_at_every_fit() -> None:
    model = Seq2Seq(**TINY, random_state=np.random.RandomState(5))
    seeds = [model.fit(SOURCES, TARGETS).config_.seed for _ in range(2)]
    expected = np.random.RandomState(5)
    assert seeds == [expected.randint(2**31 - 1) for _ in range(2)]


@pytest.mark.parametrize(
    "options", [{"seed": 2, "random_state": 3}, {"jobs": 2, "n_jobs": 2}, {"n_jobs": 0}], ids=str
)
def test_two_names_of_one_option_are_not_both_given(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"jobs|random_state"):
        Seq2Seq(**TINY, **options).fit(SOURCES, TARGETS)


def test_all_cores_are_minus_one() -> None:
    assert Seq2Seq(n_jobs=-1)._build_config().jobs == count_cores()


def test_more_threads_than_cores_are_cut_with_a_word() -> None:
    told: list[str] = []
    assert cut_threads(count_cores(), told.append) == count_cores()
    assert told == []
    assert cut_threads(count_cores() + 1, told.append) == count_cores()
    assert f"{count_cores()} are used" in told[0]
    with pytest.warns(UserWarning, match="no more cores"):
        assert Seq2Seq(threads=999)._build_config().threads == count_cores()


def test_progress_is_shown_where_it_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("progress", update=3, total_updates=9, loss=1.5)
    LateDisplay(patience=60)(report)
    assert capsys.readouterr().err == ""
    display = LateDisplay(patience=0.01)
    time.sleep(0.02)
    display(report)
    assert "3/9" in capsys.readouterr().err


def test_what_training_says_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="foveate"):
        Seq2Seq(**TINY, verbose=0).fit(SOURCES, TARGETS)
    said = "\n".join(caplog.messages)
    assert "pairs" in said
    assert "dev: " in said


def test_unknown_symbols_are_warned_of(fitted: Seq2Seq) -> None:
    with pytest.warns(UserWarning, match=r"1 of 2 sources .* row 1\): 'z'"):
        fitted.predict(["bad", "zz"])


def test_the_summary_has_the_dev_scores(fitted: Seq2Seq) -> None:
    summary = fitted.summary_
    assert {"pairs", "parameters", "updates", "minutes"} <= summary.keys()
    bundle = fitted.translator_.bundle
    assert summary["scores"]["dev"]["chrf"] == bundle.scores["dev"]["chrf"]["value"]


def test_evaluation_is_that_of_the_outputs(fitted: Seq2Seq) -> None:
    found = fitted.evaluate(SOURCES, TARGETS)
    outputs = fitted.predict(SOURCES)
    edits = sum(Levenshtein.distance(a, b) for a, b in zip(outputs, TARGETS, strict=True))
    rate = edits / sum(map(len, TARGETS))
    assert found.metrics["character_error_rate"].value == pytest.approx(rate)
    pairs = zip(SOURCES, TARGETS, strict=True)
    assert foveate.evaluate(fitted.translator_, pairs).to_dict() == found.to_dict()
    measured = foveate.measure(outputs, [[target] for target in TARGETS])
    assert measured["chrf"].value == pytest.approx(found.metrics["chrf"].value)


def test_scorers_are_the_metrics_and_greater_is_better(fitted: Seq2Seq) -> None:
    metrics = fitted.evaluate(SOURCES, TARGETS).metrics
    for metric in METRICS:
        name = f"neg_{metric}" if "error" in metric else metric
        scorer = pickle.loads(pickle.dumps(get_scorer(name)))
        sign = -1 if "error" in metric else 1
        assert scorer(fitted, SOURCES, TARGETS) == pytest.approx(sign * metrics[metric].value)


def test_a_scorer_takes_all_targets_of_a_source_as_right(fitted: Seq2Seq) -> None:
    output = fitted.predict(["bad"])[0]
    assert get_scorer("exact_match")(fitted, ["bad", "bad"], ["no", output]) == 1.0


def test_an_unknown_scorer_is_told_with_those_that_are_there() -> None:
    with pytest.raises(ConfigError, match="did you mean neg_character_error_rate"):
        get_scorer("character_error_rate")


@pytest.mark.long
def test_grid_search_and_pipelines_take_scorers() -> None:
    scoring = {name: get_scorer(name) for name in ("chrf", "neg_character_error_rate")}
    grid = {"hidden_size": [14, 22]}
    search = GridSearchCV(Seq2Seq(**TINY), grid, scoring=scoring, refit="chrf", cv=2)
    search.fit(SOURCES, TARGETS)
    assert (search.cv_results_["mean_test_neg_character_error_rate"] <= 0).all()
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipeline = make_pipeline(lower, Seq2Seq(**TINY))
    scores = cross_val_score(pipeline, SOURCES, TARGETS, cv=2, scoring=scoring["chrf"])
    assert scores.shape == (2,)


def make_translation(**more: Any) -> Translation:
    attention = np.full((2, 3), 1 / 3, np.float32)
    values = {"score": -0.5, "attention": attention, **more}
    return Translation(list("a<b"), ["X", "Y"], "X&Y", **values)


def test_a_list_of_translations_is_short() -> None:
    shown = repr([make_translation(alternatives=[make_translation()])] * 2)
    assert len(shown) < 200
    assert "'X&Y', score -0.500, 2x3, 1 alternative>" in shown


def test_a_translation_shows_all_of_itself_in_a_notebook() -> None:
    other = make_translation(score=-2.0)
    card = make_translation(alternatives=[other])._repr_html_()
    root = ElementTree.fromstring(card)
    text = " ".join("".join(root.itertext()).split())
    assert "a<b" in text
    assert "X&Y" in text
    assert "-0.500" in text
    assert "60.7%" in text
    assert "-2.00" in text
    assert root.find(".//{http://www.w3.org/2000/svg}svg") is not None
    assert "svg" not in make_translation(attention=None)._repr_html_()


def test_a_fitted_model_shows_curves_sizes_scores_and_an_example(fitted: Seq2Seq) -> None:
    losses, validations = fitted.history_["losses"], fitted.history_["validations"]
    assert [update for update, _ in losses] == list(range(1, TINY["max_updates"] + 1))
    assert set(validations[-1][1]) <= set(METRICS)
    card = fitted._repr_mimebundle_()["text/html"]
    assert card.split("<details>")[0] == fitted._repr_html_().split("<details>")[0]
    assert f"{fitted.summary_['parameters']:,}" in card and "exact match" in card
    assert card.count('class="foveate-curve"') == 2 and "foveate-translation" in card
    assert "foveate-run" not in Seq2Seq()._repr_html_()
    again = pickle.loads(pickle.dumps(fitted))
    assert again.history_ == fitted.history_ and "foveate-curve" in again._repr_html_()


def test_a_loaded_model_has_no_curves(fitted: Seq2Seq, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    loaded = Seq2Seq.load(tmp_path / "model")
    assert loaded.history_ == {"losses": [], "validations": []}
    card = loaded._repr_html_()
    assert "foveate-curve" not in card and "foveate-translation" in card
    run = foveate.Run.load(tmp_path / "model")
    assert run.summary["updates"] == TINY["max_updates"] and "finished" in repr(run)
    assert "foveate-curve" not in run._repr_html_()


def test_a_run_shows_what_its_log_has(tmp_path: Path) -> None:
    rows = [
        Report("plan", "a plan"),
        *(Report("progress", update=n, loss=4.0 - n) for n in (1, 2)),
        Report("validation", update=2, loss=2.5, dev={"exact_match": 0.25}),
        Report("progress", "words of a list", update=3),
    ]
    lines = [json.dumps(row.to_log()) for row in rows]
    (tmp_path / "log.jsonl").write_text("\n".join([*lines, '{"update": 3, "lo']))
    run = foveate.Run.load(tmp_path)
    assert run.history["losses"] == [(1, 3.0), (2, 2.0), (2, 2.5)]
    assert run.history["validations"] == [(2, {"exact_match": 0.25})]
    assert "not finished" in run._repr_html_() and "not finished" in repr(run)
    assert run._repr_html_().count("<svg") == 2
    with pytest.raises(foveate.BundleError):
        foveate.Run.load(tmp_path / "nowhere")


def test_a_picture_shows_itself_without_a_magic_command() -> None:
    picture = make_translation().plot()
    assert isinstance(picture, Figure)
    assert picture._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    again = pickle.loads(pickle.dumps(picture))
    assert again._repr_png_().startswith(b"\x89PNG")
    buffer = io.BytesIO()
    again.savefig(buffer, format="pdf")
    assert buffer.getvalue().startswith(b"%PDF")
