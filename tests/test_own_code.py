"""An attention of the user's own: it learns, it is kept by its name, and it runs only on demand."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import cosine
from foveate.bundle import load_bundle, save_bundle
from foveate.cli import main
from foveate.errors import ConfigError, ExportError, ModelMismatchError
from foveate.estimator import Seq2Seq
from foveate.export import export_bundle
from foveate.own_code import import_attention, name_attention
from foveate.training.ensemble import train_models
from foveate.translator import Translator

TINY: dict[str, Any] = {
    "max_updates": 2,
    "hidden_size": 14,
    "num_validations": 1,
    "threads": 1,
    "memory": False,
}
PATH = "cosine:CosineAttention"
CHANCE = np.random.default_rng(3)
WORDS = ["".join(CHANCE.choice(list("abcde"), size=CHANCE.integers(2, 7))) for _ in range(800)]
BACKWARDS = [word[::-1] for word in WORDS]


def teach(updates: int) -> Seq2Seq:
    """Return a model that writes words backwards, and finds their places by cosines alone."""
    options = {"max_updates": updates, "hidden_size": 38, "num_heads": 2, "location_window": 0}
    learner = Seq2Seq(attention=cosine.CosineAttention, **{**TINY, **options})
    return learner.fit(WORDS[:700], BACKWARDS[:700])


@pytest.fixture(scope="module")
def taught() -> Seq2Seq:
    """A model that has not learnt much."""
    return teach(10)


@pytest.fixture(scope="module")
def saved(taught: Seq2Seq, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "model"
    taught.save(path)
    return path


@pytest.mark.long
def test_it_learns_and_attends_where_it_has_to() -> None:
    taught = teach(260)
    assert taught.score(WORDS[700:], BACKWARDS[700:]) > 0.8
    translation = taught.translate("abcde")
    assert translation.text == "edcba"
    assert translation.attention is not None
    steps = taught.translator_.stepper.model.decoder.attention  # type: ignore[attr-defined]
    assert isinstance(steps, cosine.CosineAttention)
    assert steps.num_heads == 2


def test_a_function_may_make_it() -> None:
    learner = Seq2Seq(attention=cosine.make_sharp, **TINY).fit(WORDS[:20], BACKWARDS[:20])
    sharpness = learner.translator_.bundle.weights["decoder.attention.sharpness"]
    assert sharpness == pytest.approx(9, abs=0.5)


def test_it_is_kept_by_its_path_and_loaded_on_demand_alone(taught: Seq2Seq, saved: Path) -> None:
    assert f'attention_module = "{PATH}"' in (saved / "config.toml").read_text()
    for load in (Seq2Seq.load, Translator.load):
        with pytest.raises(ModelMismatchError) as caught:
            load(saved)
        message = str(caught.value)
        assert "\n" not in message
        assert PATH in message
        assert "trust_code=True" in message
    loaded = Seq2Seq.load(saved, trust_code=True)
    assert loaded.attention is cosine.CosineAttention
    assert loaded.predict(WORDS[:30]).tolist() == taught.predict(WORDS[:30]).tolist()
    again = clone(loaded).set_params(**TINY).fit(WORDS[:20], BACKWARDS[:20])
    assert again.config_.attention_module == PATH


MARK = """
from pathlib import Path
from cosine import CosineAttention
Path(__file__).with_name("mark").touch()
class Marked(CosineAttention): pass
"""


@pytest.fixture
def marked(saved: Path, tmp_path: Path) -> Path:
    """A model whose module leaves a mark when it is imported."""
    (tmp_path / "leaves_a_mark.py").write_text(MARK)
    bundle = load_bundle(saved)
    bundle.model = type(bundle.model)(
        **{**vars(bundle.model), "attention_module": "leaves_a_mark:Marked"}
    )
    save_bundle(bundle, tmp_path / "model")
    return tmp_path / "model"


def test_nothing_imports_the_code_of_a_model_that_is_not_trusted(
    marked: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    mark = tmp_path / "mark"
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("ab\tba\n" * 20)
    for command in (
        ["translate", marked, pairs],
        ["evaluate", marked, pairs],
        ["attend", marked, "ab"],
        ["align", marked, pairs],
        ["export", marked, tmp_path / "out"],
        ["train", pairs, "--out", tmp_path / "new", "--config", marked / "config.toml"],
    ):
        assert main([str(argument) for argument in command]) == 2
        said = capsys.readouterr().err
        assert "leaves_a_mark:Marked" in said
        assert "trust" in said
        assert said.count("\n") == 1
    assert main(["info", str(marked)]) == 0
    with pytest.raises(ModelMismatchError):
        Translator.from_bundle(load_bundle(marked))
    with pytest.raises(ConfigError, match="import it yourself"):
        Seq2Seq(attention="leaves_a_mark:Marked", **TINY).fit(WORDS, BACKWARDS)
    assert "leaves_a_mark" not in sys.modules
    assert not mark.exists()


@pytest.mark.long
def test_what_is_trusted_runs_in_the_shell_and_exported_it_needs_no_trust(
    marked: Path,
    tmp_path: Path,
    taught: Seq2Seq,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    mark, words, small = tmp_path / "mark", tmp_path / "words.txt", tmp_path / "small"
    words.write_text("abcde\nbad\n")
    expected = taught.predict(["abcde", "bad"]).tolist()
    assert all(expected)
    assert main(["translate", str(marked), str(words), "--trust-code"]) == 0
    assert main(["export", str(marked), str(small), "--trust-code"]) == 0
    assert mark.exists()
    assert capsys.readouterr().out.splitlines() == expected
    mark.unlink()
    del sys.modules["leaves_a_mark"]
    assert main(["translate", str(small), str(words)]) == 0
    assert capsys.readouterr().out.splitlines() == expected
    loaded = Seq2Seq.load(small)
    assert loaded.predict(WORDS[:9]).tolist() == taught.predict(WORDS[:9]).tolist()
    assert loaded.attention == "leaves_a_mark:Marked"
    assert not mark.exists()


def test_export_asks_for_trust_too(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelMismatchError, match="trust_code=True"):
        export_bundle(saved, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_an_attention_that_cannot_be_exported_is_told(tmp_path: Path) -> None:
    Seq2Seq(attention=cosine.Normed, **TINY).fit(WORDS[:20], BACKWARDS[:20]).save(tmp_path / "one")
    with pytest.raises(ExportError, match=r"cosine:Normed cannot be exported: .*ReduceL2"):
        export_bundle(tmp_path / "one", tmp_path / "out", trust_code=True)
    assert not (tmp_path / "out").exists()


def test_a_run_in_the_shell_takes_it_by_its_path_and_goes_on(tmp_path: Path) -> None:
    pairs, out = tmp_path / "pairs.tsv", str(tmp_path / "model")
    pairs.write_text("".join(f"{word}\t{word[::-1]}\n" for word in WORDS[:30]))
    sizes = ["--hidden-size", "14", "--threads", "1", "--num-validations", "1"]
    call = ["train", str(pairs), "--out", out, *sizes, "--attention-module", PATH]
    assert main([*call, "--max-updates", "2"]) == 0
    assert main([*call, "--max-updates", "2", "--resume"]) == 0
    assert main([*call, "--max-updates", "4", "--resume"]) == 0
    assert Translator.load(out, trust_code=True).summary.updates == 4


@pytest.mark.long
def test_several_models_attend_with_it() -> None:
    learner = Seq2Seq(attention=cosine.CosineAttention, models=2, **TINY)
    learner.fit(WORDS[:20], BACKWARDS[:20])
    assert learner.translator_.bundle.num_members == 2
    assert "1/decoder.attention.sharpness" in learner.translator_.bundle.weights


def test_a_pickle_comes_back_with_it(taught: Seq2Seq) -> None:
    back = pickle.loads(pickle.dumps(taught))
    assert back.predict(WORDS[:9]).tolist() == taught.predict(WORDS[:9]).tolist()
    assert back.get_params() == taught.get_params()


def make_local() -> type[cosine.CosineAttention]:
    class Local(cosine.CosineAttention):
        pass

    return Local


Gone = type("Gone", (cosine.CosineAttention,), {"__module__": "cosine"})
Main = type("Main", (cosine.CosineAttention,), {"__module__": "__main__"})


@pytest.mark.parametrize(
    ("attention", "words"),
    [
        (make_local(), "a file of its own"),
        (lambda **sizes: cosine.CosineAttention(**sizes), "a file of its own"),
        (Main, "a file of its own"),
        (Gone, "cannot import cosine:Gone"),
        (cosine.CosineAttention(2, 2, 1), "must be a class, or a function that makes one"),
        (cosine.Narrow, "has to take query_size, key_size and num_heads"),
        (cosine.make_nothing, "made a Linear, not a foveate.models.Attention"),
        (cosine.Blunt, "has 1 head where num_heads is 2"),
    ],
)
def test_what_cannot_work_is_refused_before_it_is_trained(attention: Any, words: str) -> None:
    learner = Seq2Seq(attention=attention, num_heads=2, **TINY)
    with pytest.raises(ConfigError, match=words) as caught:
        learner.fit(WORDS[:20], BACKWARDS[:20])
    assert "\n" not in str(caught.value)


def test_options_that_do_not_go_together_are_refused() -> None:
    for options in ({"attention_score": "dot"}, {"architecture": "transformer"}):
        with pytest.raises(ConfigError, match="attention_module"):
            Seq2Seq(attention=cosine.CosineAttention, **TINY, **options).fit(WORDS, BACKWARDS)


@pytest.mark.parametrize("path", ["cosine", "a b:c", "../cosine:X", "cosine:X()", "os.system:"])
def test_a_path_is_a_path(path: str) -> None:
    with pytest.raises(ConfigError, match="an import path, module:Name"):
        train_models_with(path)


def test_a_module_that_fails_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fails_at_once.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    for path, words in (
        ("fails_at_once:Any", "division by zero"),
        ("is_not_there:Any", "No module named"),
        ("cosine:Any", "no attribute 'Any'"),
        ("cosine:MADE", "no class or function"),
    ):
        with pytest.raises(ConfigError, match=words):
            import_attention(path)
    assert import_attention(PATH) is cosine.CosineAttention
    assert name_attention(cosine.CosineAttention) == PATH


def train_models_with(path: str) -> None:
    from foveate.config import Config
    from foveate.data.table import PairTable
    from foveate.records import Pair

    table = PairTable.from_pairs(map(Pair, WORDS, BACKWARDS))
    train_models(table, None, Config(attention_module=path, **TINY))
