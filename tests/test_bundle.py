"""Bundles: old ones load, damaged ones say so, and nothing of a save is ever half there."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from foveate.bundle import Bundle, Decoding, load_bundle, read_manifest, save_bundle
from foveate.bundle_files import identify, write_model
from foveate.errors import BundleError
from foveate.files import replace_file
from foveate.runtime import describe_runtime, read_signature
from foveate.translator import Translator

GOLDEN = sorted(path for path in (Path(__file__).parent / "golden").iterdir() if path.is_dir())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_bundle(load_bundle(GOLDEN[0]), tmp_path / "model")
    return tmp_path / "model"


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
    assert "| exact match | 50.0 % | 40.0 % to 60.0 % | é\\|a\\_b |" in card.splitlines()


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
    "changed limits": (lambda m: flip_byte(m / "runtime.json"), "runtime.json: is damaged"),
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


# --- what a stranger may send ---------------------------------------------------------------------


def forge(model: Path, name: str, data: bytes | str) -> None:
    """Write a file of a model and make every hash right again."""
    data = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    (model / name).write_bytes(data)
    manifest = json.loads((model / "bundle.json").read_text())
    manifest["files"][name] = hashlib.sha256(data).hexdigest()
    edit_manifest(model, files=manifest["files"], id=identify(2, manifest["files"]))


def change_option(line: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        name = line.split(" = ")[0]
        lines = (model / "config.toml").read_text().splitlines()
        kept = [one for one in lines if not one.startswith(f"{name} = ")]
        assert len(kept) < len(lines)
        forge(model, "config.toml", "\n".join([*kept, line]))

    return change


def change_runtime(**changes: object) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        values = {**json.loads((model / "runtime.json").read_text()), **changes}
        forge(model, "runtime.json", json.dumps(values))

    return change


def replace_by(make: Callable[[Path], None], name: str = "config.toml") -> Callable[[Path], None]:
    def change(model: Path) -> None:
        (model / name).unlink()
        make(model / name)

    return change


DEEP = "[" * 100_000
SCORE = {"value": 1.0, "low": 0.0, "high": 1.0, "signature": ""}
HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a width without weights": (change_option("embedding_size = 8000"), "ask for .9, 8000"),
    "a depth without weights": (change_option("num_layers = 12"), "fewer numbers"),
    "a state without weights": (change_option("hidden_size = 8192"), "fewer numbers"),
    "a width out of range": (change_option("hidden_size = 10000000"), "hidden_size: a whole nu"),
    "a text for a number": (change_option('num_layers = "2"'), "num_layers: a whole number"),
    "an endless number": (change_option(f"dropout = {'9' * 5000}"), "a number is too long"),
    "not a number": (change_option("dropout = nan"), "dropout: a number from 0"),
    "another architecture": (change_option('architecture = "\\u0000"'), "architecture: attention"),
    "an option of another": (change_option("copy = false\nbridge = 1"), "bridge: unknown to this"),
    "no options": (lambda m: forge(m, "config.toml", ""), "has no table"),
    "options for a text": (lambda m: forge(m, "config.toml", "text = 1\nmodel = 2"), "no table"),
    "deep options": (lambda m: forge(m, "config.toml", f"a = {DEEP}"), "nested|may have"),
    "long options": (lambda m: forge(m, "config.toml", "#" * 70_000), "may have 65,536"),
    "other reserved ids": (change_runtime(reserved={"padding": 1}), "other ids are reserved"),
    "an odd ratio": (change_runtime(length_ratio="x"), "length_ratio 'x' is not"),
    "a huge ratio": (change_runtime(length_ratio=1e300), "length_ratio 1e.300 is not"),
    "no longest source": (change_runtime(longest_source=None), "longest_source None"),
    "deep limits": (lambda m: forge(m, "runtime.json", DEEP), "nested too deeply"),
    "deep manifest": (lambda m: (m / "bundle.json").write_text(DEEP), "nested too deeply"),
    "deep summary": (
        lambda m: edit_manifest(m, summary={"x": json.loads("[" * 50 + "]" * 50)}),
        "nested too deeply",
    ),
    "odd summary": (lambda m: edit_manifest(m, summary={"pairs": "many"}), "pairs is of the wrong"),
    "endless summary": (lambda m: edit_manifest(m, summary={"pairs": 10**400}), "is too large"),
    "no number": (
        lambda m: edit_manifest(m, summary={"minutes": float("nan")}),
        "number that is no",
    ),
    "a fact without end": (lambda m: edit_manifest(m, summary={"x": 1e300}), "is too large"),
    "a long list": (
        lambda m: edit_manifest(m, summary={"examples": ["a"] * 10**5}),
        "100,000 rows",
    ),
    "a long text": (lambda m: edit_manifest(m, summary={"plan": "a" * 2**21}), "text of 2,097,152"),
    "a long name": (lambda m: edit_manifest(m, scores={"a" * 2000: {}}), "a name that is too long"),
    "endless scores": (
        lambda m: edit_manifest(m, scores={"dev": {"bleu": {**SCORE, "high": float("inf")}}}),
        "is too large",
    ),
    "odd diagnosis": (lambda m: edit_manifest(m, summary={"diagnosis": {"dev": {}}}), "diagnosis"),
    "odd scores": (lambda m: edit_manifest(m, scores={"dev": {"bleu": {"value": "x"}}}), "scores"),
    "a name with NUL": (lambda m: edit_manifest(m, files={"a\0": "0"}), "is not a file name"),
    "half a character": (lambda m: edit_manifest(m, files={"\ud800": "0"}), "is not a file name"),
    "an absolute name": (lambda m: edit_manifest(m, files={"/etc/passwd": "0"}), "not a file name"),
    "a number for a hash": (lambda m: edit_manifest(m, files={"config.toml": 1}), "sha256 of con"),
    "another id": (lambda m: edit_manifest(m, id="0" * 64), "its id is not that"),
    "an unlisted file": (lambda m: edit_manifest(m, files={}), "config.toml is not listed"),
    "a pipe": (replace_by(os.mkfifo), "not a regular file"),
    "a link": (replace_by(lambda p: p.symlink_to("/etc/hostname")), "not a regular file"),
    "a link to a device": (replace_by(lambda p: p.symlink_to("/dev/zero")), "not a regular file"),
    "a folder": (replace_by(lambda p: p.mkdir()), "not a regular file"),
    "a pipe for a manifest": (replace_by(os.mkfifo, "bundle.json"), "not a regular file"),
    "weights of 64 bits": (
        lambda m: forge(m, "weights.safetensors", save({"a": np.zeros(3)})),
        "'a' is float64, not float32",
    ),
    "no weights": (lambda m: forge(m, "weights.safetensors", b"x" * 99), "not a safetensors file"),
}


@pytest.fixture
def new_model(tmp_path: Path) -> Path:
    save_bundle(load_bundle(GOLDEN[0]), tmp_path / "new")
    return tmp_path / "new"


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_stranger_sends_is_refused_in_a_line(name: str, new_model: Path) -> None:
    break_it, message = HOSTILE[name]
    break_it(new_model)
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(new_model)
    assert str(caught.value).startswith(str(new_model))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_folder_of_graphs_may_be_no_link(tmp_path: Path) -> None:
    golden = Path(__file__).parent / "golden-onnx" / "format-1"
    model = Path(shutil.copytree(golden, tmp_path / "model"))
    (model / "onnx").rename(tmp_path / "elsewhere")
    (model / "onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="not a folder of the model"):
        load_bundle(model)


def test_every_flip_in_the_manifest_that_changes_what_computes_is_found(new_model: Path) -> None:
    path = new_model / "bundle.json"
    data = path.read_bytes()
    end = data.index(b'"summary"')
    good = load_bundle(new_model)
    for place in range(0, end, 3):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        try:
            found = load_bundle(new_model)
        except BundleError:
            continue
        assert found.id == good.id, f"byte {place}: {data[place - 20 : place + 20]!r}"


def test_the_id_is_the_hash_of_a_listing_of_hashes(new_model: Path) -> None:
    names = sorted(json.loads((new_model / "bundle.json").read_text())["files"])
    listing = subprocess.run(
        ["sha256sum", *names], cwd=new_model, capture_output=True, check=True
    ).stdout
    expected = hashlib.sha256(b"foveate 2\n" + listing).hexdigest()
    assert load_bundle(new_model).id == expected
    (new_model / "README.md").write_text("mine")  # a card may be edited
    assert load_bundle(new_model).id == expected


# --- old or new, whenever it is killed ------------------------------------------------------------


def save_and_die(bundle: Bundle, path: Path, event: int) -> bool:
    """Save in a process that dies just before its n-th file-system event; tell whether it did."""
    child = os.fork()
    if child == 0:
        left = [event]

        def die(name: str, _: object) -> None:
            if name in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.listdir"):
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)

        sys.addaudithook(die)
        try:
            save_bundle(bundle, path)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def list_files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.long
def test_a_save_that_is_killed_leaves_the_old_model_or_the_new(
    new_model: Path, tmp_path: Path
) -> None:
    old = load_bundle(new_model)
    other = load_bundle(new_model)
    other.decoding = Decoding(length_ratio=3.0, memory={"a": "b"})
    save_bundle(other, tmp_path / "other")
    seen, events, alive = set(), itertools.count(), 0
    while alive < 2:  # with a memory more, and one less
        event = next(events)
        start, end = (old, other) if event % 2 else (other, old)
        folder = tmp_path / f"kill-{event}"
        (folder / "state").mkdir(parents=True)
        (folder / "log.jsonl").write_text("{}\n")
        save_bundle(start, folder)
        alive += not save_and_die(end, folder, event)
        found = load_bundle(folder)
        assert found.id in (old.id, other.id)
        assert found.decoding.length_ratio == (3.0 if found.id == other.id else 2.0)
        assert found.decoding.memory == ({"a": "b"} if found.id == other.id else {})
        seen.add((start.id, found.id))
        save_bundle(end, folder)
        assert load_bundle(folder).id == end.id
        expected = list_files(new_model) + ["memory.json"] * (end is other)
        assert list_files(folder) == sorted([*expected, "log.jsonl"])
        shutil.rmtree(folder)
    assert event > 20
    assert len(seen) == 4  # old and new, from both sides


def test_a_first_save_that_is_killed_leaves_nothing_that_the_next_does_not_remove(
    new_model: Path, tmp_path: Path
) -> None:
    bundle = load_bundle(new_model)
    folder = tmp_path / "here"
    folder.mkdir()
    event = 0
    while save_and_die(bundle, folder / "model", event):
        assert not (folder / "model").exists() or load_bundle(folder / "model").id == bundle.id
        shutil.rmtree(folder / "model", ignore_errors=True)
        event += 2
    assert event > 8
    save_bundle(bundle, folder / "model")
    assert [entry.name for entry in folder.iterdir()] == ["model"]


def test_a_save_that_fails_leaves_the_old_model_and_nothing_else(new_model: Path) -> None:
    before = sorted(new_model.rglob("*"))
    files = {"config.toml": b"new", "x" * 300: b"a name that no disk takes"}
    with pytest.raises(OSError, match="too long"):
        write_model(new_model, files, b"{}", b"")
    assert sorted(new_model.rglob("*")) == before
    load_bundle(new_model)


def test_an_edited_card_outlives_a_save_and_others_do_not(new_model: Path) -> None:
    bundle = load_bundle(new_model)
    bundle.summary.plan = "another plan"
    save_bundle(bundle, new_model)
    assert "another plan" in (new_model / "README.md").read_text()
    (new_model / "README.md").write_text("my own words")
    bundle.summary.plan = "a third plan"
    save_bundle(bundle, new_model)
    assert (new_model / "README.md").read_text() == "my own words"
    assert read_manifest(new_model).summary.plan == "a third plan"


# --- what is there for other languages ------------------------------------------------------------


def test_runtime_says_what_the_vocabularies_and_graphs_are() -> None:
    import onnxruntime

    golden = Path(__file__).parent / "golden-onnx" / "format-1"
    bundle = load_bundle(golden)
    described = describe_runtime(bundle, {})
    assert described["source"]["size"] == len(bundle.source_codec.vocabulary)
    for name, graph in described["models"][0].items():
        session = onnxruntime.InferenceSession(golden / graph["file"])
        assert graph["inputs"] == [put.name for put in session.get_inputs()], name
        assert graph["outputs"] == [put.name for put in session.get_outputs()], name


@given(st.binary(max_size=60))
def test_a_damaged_graph_has_no_signature_or_one(data: bytes) -> None:
    try:
        inputs, outputs = read_signature(data)
    except ValueError:
        return
    assert all(isinstance(name, str) for name in (*inputs, *outputs))


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
