"""Texts of the user's that a model carries: told at every export, and left out when asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from foveate import Translator
from foveate.bundle import load_bundle, save_bundle
from foveate.cli import main
from foveate.export import export_bundle
from foveate.text.word_list import WordList

GOLDEN = Path(__file__).parent / "golden" / "format-2"
SECRETS = ("sourceofdev", "farthestsource", "farthestoutput", "confusedtoken", "rememberedpair")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that carries a text of each kind."""
    folder = tmp_path_factory.mktemp("personal") / "model"
    bundle = load_bundle(GOLDEN)
    source, farthest, output, token, remembered = SECRETS
    bundle.summary.examples = ["abc", source]
    bundle.summary.memory = 1
    bundle.summary.diagnosis["dev"] = {
        "memory": {"value": 0.5, "low": 0.25, "high": 0.75},
        "seen": 0.0,
        "confusions": [{"reference": token, "output": "a", "count": 3}],
        "worst": [{"source": farthest, "output": output, "reference": "cba", "edits": 5}],
    }
    words = WordList(ranks={"abc": 1}, bonus=0.0, rarity=0.0)
    bundle.decoding = replace(bundle.decoding, memory={remembered: "abc"}, words=words)
    save_bundle(bundle, folder)
    return folder


def read_all(place: Path) -> str:
    files = sorted(place.rglob("*")) if place.is_dir() else [place]
    return "".join(file.read_text("utf-8", "replace") for file in files if file.is_file())


@pytest.fixture(scope="module")
def exported(model: Path) -> tuple[Path, list[str]]:
    """Return the exported model, and what the export said."""
    lines: list[str] = []
    export_bundle(model, model.parent / "all", report=lines.append)
    return model.parent / "all", lines


@pytest.mark.long
def test_an_export_tells_what_it_carries(exported: tuple[Path, list[str]]) -> None:
    folder, lines = exported
    (line,) = [line for line in lines if "texts of yours" in line]
    assert "2 sources of dev, 2 errors in the card, 1 training pair in the memory" in line
    assert "1 word of the list" in line and "--no-examples" in line
    assert all(secret in read_all(folder) for secret in SECRETS)


def test_no_examples_leaves_them_out_and_the_model_translates(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bare"
    assert main(["export", str(model), str(out), "--no-examples"]) == 0
    assert "it carries texts of yours: 1 word of the list\n" in capfd.readouterr().err
    assert not [secret for secret in SECRETS if secret in read_all(out)]
    assert Translator.load(out).translate_one("abc").text == "cba"


@pytest.mark.long
def test_a_page_has_none_of_them_either(
    exported: tuple[Path, list[str]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bare.html"
    assert main(["export", str(exported[0]), str(out), "--no-examples"]) == 0
    assert "texts of yours: 1 word of the list" in capfd.readouterr().err
    assert not [secret for secret in SECRETS if secret in read_all(out)]
