"""Bundles: old ones load, damaged ones say so, and nothing of a save is ever half there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from foveate.bundle import Bundle, load_bundle, read_manifest, save_bundle
from foveate.errors import BundleError
from foveate.files import replace_file
from foveate.translator import Translator

GOLDEN = sorted(path for path in (Path(__file__).parent / "golden").iterdir() if path.is_dir())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN[-1], tmp_path / "model"))


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda path: path.name)
def test_bundles_of_every_format_translate_as_they_did(folder: Path) -> None:
    translator = Translator.load(folder, threads=1)
    expected = json.loads(folder.with_suffix(".json").read_text())
    assert len(expected) >= 4
    assert any(row["text"] == row["source"][::-1] != "" for row in expected)
    for row, found in zip(
        expected, translator.translate(r["source"] for r in expected), strict=True
    ):
        assert found.text == row["text"]
        assert found.score == pytest.approx(row["score"], abs=1e-4)
        if row["attention"]:
            np.testing.assert_allclose(found.attention, row["attention"], atol=1e-4)


def test_save_and_load_keep_everything(model: Path, tmp_path: Path) -> None:
    first = load_bundle(model)
    first.scores["test"] = {
        "exact_match": {"value": 0.5, "low": 0.4, "high": 0.6, "signature": "é|a_b"}
    }
    save_bundle(first, tmp_path / "other")
    second = load_bundle(tmp_path / "other")
    assert (second.text, second.model) == (first.text, first.model)
    assert second.scores == first.scores and second.summary == first.summary
    assert second.source_codec.vocabulary == first.source_codec.vocabulary
    assert second.is_shared is first.is_shared
    for name, weights in first.weights.items():
        np.testing.assert_array_equal(second.weights[name], weights)
    card = (tmp_path / "other" / "README.md").read_text(encoding="utf-8")
    assert "| exact_match | 0.5 | 0.4 to 0.6 | é\\|a\\_b |" in card.splitlines()


def flip_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def edit_manifest(model: Path, **changes: object) -> None:
    path = model / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


BREAKAGES = {
    "flipped byte": (
        lambda m: flip_byte(m / "weights.safetensors"),
        "weights.safetensors: is damaged",
    ),
    "truncated weights": (lambda m: os.truncate(m / "weights.safetensors", 99), "is damaged"),
    "changed options": (lambda m: flip_byte(m / "config.toml"), "config.toml: is damaged"),
    "missing file": (lambda m: (m / "config.toml").unlink(), "config.toml: is missing"),
    "newer format": (lambda m: edit_manifest(m, format_version=99), "format version 99"),
    "no format": (lambda m: edit_manifest(m, format="other"), "not a Foveate model"),
    "hostile name": (lambda m: edit_manifest(m, files={"../x": "0"}), "is not a file name"),
    "no files": (lambda m: edit_manifest(m, files=[]), "files is missing"),
    "broken JSON": (lambda m: (m / "bundle.json").write_text("{"), "bundle.json: is damaged"),
    "binary manifest": (lambda m: (m / "bundle.json").write_bytes(b"\xff\x00"), "is damaged"),
    "no manifest": (lambda m: (m / "bundle.json").unlink(), "has no bundle.json"),
    "nothing": (shutil.rmtree, "there is no such model"),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_damaged_bundles_say_what_is_wrong(name: str, model: Path) -> None:
    break_it, message = BREAKAGES[name]
    break_it(model)
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(model)
    assert str(model) in str(caught.value) and "\n" not in str(caught.value)


def test_weights_of_another_model_are_refused(model: Path) -> None:
    bundle = load_bundle(model)
    weights = dict(bundle.weights)
    name = next(iter(weights))
    wrong_shape = {**weights, name: np.zeros((3, 5), np.float32)}
    missing = {key: value for key, value in weights.items() if key != name}
    for broken in (wrong_shape, missing):
        other = Bundle(bundle.text, bundle.model, bundle.source_codec, bundle.target_codec, broken)
        with pytest.raises(BundleError, match=name.replace(".", r"\.")):
            Translator.from_bundle(other, origin="here")


def test_foreign_folders_and_files_are_left_alone(model: Path, tmp_path: Path) -> None:
    bundle = load_bundle(model)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("words")
    (tmp_path / "file").write_text("words")
    for taken in ("mine", "file"):
        with pytest.raises(BundleError, match="choose another"):
            save_bundle(bundle, tmp_path / taken)
    assert [entry.name for entry in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    assert (tmp_path / "file").read_text() == "words"


def test_overwriting_a_bundle_keeps_log_and_state(model: Path) -> None:
    (model / "state").mkdir()
    (model / "log.jsonl").write_text("{}\n")
    save_bundle(load_bundle(model), model)
    assert (model / "log.jsonl").exists() and (model / "state").is_dir()
    read_manifest(model)
    assert not [entry for entry in model.parent.iterdir() if entry.name != "model"]


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("foveate.files.os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]
