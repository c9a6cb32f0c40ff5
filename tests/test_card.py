"""The model card: where a model comes from, and what the hub's own library reads of it."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from foveate import Translator
from foveate.bundle import load_bundle, read_manifest, save_bundle
from foveate.cli import main

SMALL = ["--max-updates", "4", "--num-validations", "1", "--hidden-size", "8"]
GOLDEN = Path(__file__).parent / "golden" / "format-2"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    rows = [f"{a}{b}{c}\t{c}{b}{a}" for a in "abcde" for b in "fgh" for c in "ijk"]
    (folder / "pairs.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "test.tsv").write_text("\n".join(rows[:9]) + "\n", encoding="utf-8")
    told = ["--test", str(folder / "test.tsv"), "--language", "en,de", "--licence", "CC0-1.0"]
    out = str(folder / "model")
    assert main(["train", str(folder / "pairs.tsv"), "--out", out, *told, *SMALL]) == 0
    return folder / "model"


def test_the_card_says_where_the_model_comes_from(model: Path) -> None:
    card = (model / "README.md").read_text(encoding="utf-8")
    for part, name in (("train", "pairs.tsv"), ("test", "test.tsv")):
        data = (model.parent / name).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        assert f"| {part} | {name} | {len(data):,} | {digest} |" in card
    shown = card.replace("\\_", "_")  # Markdown's way to write one
    assert f"python {platform.python_version()}" in shown and platform.machine() in shown
    assert read_manifest(model).id in card
    assert Translator.load(model).bundle.id == read_manifest(model).id


def test_the_hub_reads_the_front_matter(model: Path) -> None:
    card = ModelCard.load(model / "README.md")
    assert card.data.library_name == "foveate"
    assert card.data.language == ["en", "de"]
    assert card.data.license == "cc0-1.0"
    assert card.data.tags == ["attention", "sequence-to-sequence"]
    scores = read_manifest(model).scores
    found = {
        (one.dataset_split, one.metric_type): one.metric_value for one in card.data.eval_results
    }
    expected = {
        (split, name): pytest.approx(score["value"], rel=1e-5)
        for split, metrics in scores.items()
        for name, score in metrics.items()
    }
    assert found == expected and {split for split, _ in found} == {"dev", "test"}
    assert {one.dataset_name for one in card.data.eval_results} == {"pairs.tsv", "test.tsv"}


def test_what_is_told_after_the_end_stands_in_the_card(model: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(model, tmp_path / "model"))
    told = ["--resume", "--language", "fr", "--licence", "Ours: 1"]
    pairs = str(model.parent / "pairs.tsv")
    assert main(["train", pairs, "--out", str(out), *told, *SMALL]) == 0
    data = ModelCard.load(out / "README.md").data
    assert data.language == ["fr"]
    assert (data.license, data.license_name) == ("other", "Ours: 1")
    assert read_manifest(out).id == read_manifest(model).id


def test_texts_of_a_stranger_stay_texts(tmp_path: Path) -> None:
    bundle = load_bundle(GOLDEN)
    name = 'a"\n---\nlibrary_name: evil\nb: |\n  `x`'
    file = {"set": "train", "name": name, "bytes": 3, "sha256": "`"}
    bundle.summary.origin = {"data": [file], "licence": name, "language": name}
    bundle.scores = {
        "dev": {"exact_match": {"value": 0.5, "low": 0.4, "high": 0.6, "signature": ""}}
    }
    save_bundle(bundle, tmp_path / "model")
    card = ModelCard.load(tmp_path / "model" / "README.md")
    assert card.data.library_name == "foveate"
    assert card.data.eval_results[0].dataset_name == name
    assert load_bundle(tmp_path / "model").summary.origin["data"] == [file]


def test_an_origin_that_is_none_is_refused(tmp_path: Path) -> None:
    save_bundle(load_bundle(GOLDEN), tmp_path / "model")
    manifest = tmp_path / "model" / "bundle.json"
    values = json.loads(manifest.read_text(encoding="utf-8"))
    values["summary"]["origin"] = {"data": [{"set": "train", "name": 3}]}
    manifest.write_text(json.dumps(values), encoding="utf-8")
    assert main(["info", str(tmp_path / "model")]) == 2
