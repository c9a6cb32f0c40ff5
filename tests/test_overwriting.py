"""Another model is overwritten only when that is said, and then as a whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from foveate.bundle import load_bundle
from foveate.cli import main
from foveate.errors import BundleError
from foveate.training.run import train
from foveate.translator import Translator
from test_resuming import stop_when
from test_training import TINY, assert_same_weights, make_table

SHORT = TINY.replace(max_updates=6, num_validations=2)
OTHER = SHORT.replace(seed=2)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("first") / "model"
    train(make_table(), None, SHORT.replace(memory=True), out=out)
    return out


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("second") / "model"
    train(make_table(61), None, OTHER, out=out)
    return out


def list_files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_another_model_is_not_overwritten_by_save(
    first: Path, second: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(first, tmp_path / "m"))
    (out / "README.md").write_text("of the first model, edited")
    before = {name: (out / name).read_bytes() for name in list_files(out)}
    model = Translator.load(second)
    with pytest.raises(BundleError, match="holds another model already"):
        model.save(out)
    assert {name: (out / name).read_bytes() for name in list_files(out)} == before
    model.save(out, overwrite=True)
    assert_same_weights(second, out)
    assert list_files(out) == {name for name in list_files(second) if "/" not in name} - {
        "log.jsonl"
    }  # no memory, no state and no log of the first, and no edited card of it
    assert "edited" not in (out / "README.md").read_text()
    model.save(out)  # the same model is no other one


def test_an_unfinished_run_is_not_overwritten_by_save(second: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    (out / "state" / "00000005").mkdir(parents=True)
    with pytest.raises(BundleError, match="holds a training run already"):
        Translator.load(second).save(out)
    Translator.load(second).save(out, overwrite=True)
    assert not (out / "state").exists()


def test_a_save_that_fails_leaves_the_old_model_with_its_run(
    first: Path, second: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(first, tmp_path / "m"))
    before = list_files(out)
    model = Translator.load(second)
    model.bundle.graphs = {"nowhere/x": b""}  # no file can have this name
    with pytest.raises(BundleError, match="cannot write the model"):
        model.save(out, overwrite=True)
    assert list_files(out) == before
    assert_same_weights(first, out)


def test_a_run_that_overwrites_leaves_nothing_of_the_old_one(
    first: Path, second: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(first, tmp_path / "m"))
    (out / "README.md").write_text("of the first model, edited")
    (out / "state" / "model-1" / "state").mkdir(parents=True)  # of an ensemble
    (out / "onnx").mkdir()
    (out / "onnx" / "step.onnx").write_bytes(b"of an exported model")
    train(make_table(61), None, OTHER, out=out, overwrite=True)
    assert_same_weights(second, out)
    assert list_files(out) == list_files(second) and not (out / "onnx").exists()
    assert "edited" not in (out / "README.md").read_text()


def test_the_old_model_counts_until_the_new_one_is_there(
    first: Path, second: Path, tmp_path: Path
) -> None:
    """Also where both have as many updates, what is there is not taken for the new model."""
    out = Path(shutil.copytree(first, tmp_path / "m"))

    def fail() -> None:
        raise RuntimeError("killed")

    stop = stop_when(lambda report: report.message.startswith("scoring the best"), fail)
    with pytest.raises(RuntimeError, match="killed"):
        train(make_table(61), None, OTHER, out=out, overwrite=True, report=stop)
    assert load_bundle(out).id == load_bundle(first).id
    assert load_bundle(out).summary.updates == 6
    ended = train(make_table(61), None, OTHER, out=out, resume=True)
    assert ended.summary.updates == 6
    assert_same_weights(second, out)
    again = train(make_table(61), None, OTHER, out=out, resume=True)
    assert again.summary == ended.summary


def test_the_command_says_how(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path(shutil.copytree(first, tmp_path / "m"))
    (tmp_path / "pairs.tsv").write_text("".join(f"{n}a\ta{n}\n" for n in range(20)))
    argv = ["train", str(tmp_path / "pairs.tsv"), "--out", str(out), "--max-updates", "2"]
    argv += ["--hidden-size", "8", "--threads", "1"]
    assert main(argv) == 2
    assert "--overwrite to replace it" in capsys.readouterr().err
    assert main([*argv, "--overwrite"]) == 0
    assert load_bundle(out).summary.pairs == 18
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    argv[argv.index(str(out))] = str(tmp_path / "mine")
    assert main([*argv, "--overwrite"]) == 2
    assert "not a model" in capsys.readouterr().err
