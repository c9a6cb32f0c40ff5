"""The command line as a user meets it: what it prints, what it writes, how it fails."""

from __future__ import annotations

import dataclasses
import gzip
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

import foveate
from foveate.bundle import load_bundle, read_manifest
from foveate.cli import COMMANDS, app, main
from foveate.config import Config, field_names
from foveate.data.bundled_data import list_demos, load_demo
from foveate.demo import RECIPES, show_results, train_both
from foveate.errors import ConfigError
from foveate.evaluation import evaluate
from foveate.flags import SHOWN, build_flags, field_help, merge_config
from foveate.output import open_output

SYMBOLS = {"a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH"}
TINY = ["--hidden-size", "16", "--embedding-size", "8", "--num-layers", "1"]
TINY += ["--source-tokens", "characters", "--target-tokens", "whitespace", "--threads", "1"]
TINY += ["--num-validations", "2", "--batch-tokens", "64"]
WORDS = [x + y + z for x in SYMBOLS for y in SYMBOLS for z in SYMBOLS]


@dataclass
class Result:
    status: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*argv: str | Path) -> Result:
        capsys.readouterr()
        status = main([str(word) for word in argv])
        return Result(status, *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs in several formats, and an attention and a traditional model trained on them."""
    folder = tmp_path_factory.mktemp("home")
    rows = [(word, " ".join(SYMBOLS[letter] for letter in word)) for word in WORDS]
    text = "".join(f"{source}\t{target}\n" for source, target in rows)
    (folder / "pairs.tsv").write_text(text, encoding="utf-8")
    (folder / "dev.tsv").write_text("abc\tAE B K\nabc\tAE B S\nded\tD EH D\n", encoding="utf-8")
    (folder / "words.txt").write_text("abc\n\nded\n", encoding="utf-8")
    (folder / "full").mkdir()
    (folder / "full" / "note.txt").write_text("mine\n", encoding="utf-8")
    dev = ["--dev", str(folder / "dev.tsv")]
    for architecture in ("attention", "traditional"):
        argv = [
            "train",
            str(folder / "pairs.tsv"),
            "--out",
            str(folder / architecture),
            *TINY,
            *dev,
        ]
        assert main([*argv, "--max-updates", "8", "--architecture", architecture]) == 0
    return folder


# --- what is imported, and help -------------------------------------------------------------------


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    heavy = ["torch", "matplotlib", "numpy", "pandas", "pydantic", "sacrebleu", "sentencepiece"]
    code = "import sys; from foveate.cli import app; app.resolved_commands();"
    code += f"print([name for name in {heavy} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(foveate.__file__).parents[1])}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert found.stdout == "[]\n"


UNUSED = (  # by the translation of plain lines, which is quick to begin because it loads none
    "torch", "pydantic", "pandas", "sentencepiece", "csv", "xml.etree", "statistics",
    "foveate.data.readers", "foveate.data.columns", "foveate.data.json_lines",
    "foveate.data.table", "foveate.inside", "foveate.inside_values", "foveate.explaining",
    "foveate.search.choices", "foveate.search.rules", "foveate.search.streaming",
    "foveate.text.likeness", "foveate.card", "foveate.first_format", "foveate.estimator",
)  # fmt: skip


def test_translating_lines_loads_no_more_than_it_uses(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("abc\n", encoding="utf-8")
    model = Path(__file__).parent / "golden-onnx" / "format-2"
    argv = ["translate", str(model), str(tmp_path / "in.txt"), "--out", str(tmp_path / "out.txt")]
    code = f"import sys; from foveate.cli import main; main({argv}); "
    code += f"print([name for name in {UNUSED} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(foveate.__file__).parents[1])}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert found.stdout == "[]\n"
    assert (tmp_path / "out.txt").exists()


def test_help_says_of_each_command_what_its_own_help_says() -> None:
    """The table in `cli.py` is there only so that the commands need not be loaded."""
    commands = [name for name in app.resolved_commands() if not name.startswith("-")]
    assert commands == list(COMMANDS)
    for name, summary in COMMANDS.items():
        function = app[name].default_command
        assert function is not None and function.__doc__ is not None
        assert function.__doc__.splitlines()[0] == summary


def test_python_dash_m_is_the_command() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(foveate.__file__).parents[1])}
    command = [sys.executable, "-m", "foveate", "--version"]
    found = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert found.stdout.strip() == foveate.__version__


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "experiment",
        "train",
        "translate",
        "evaluate",
        "compare",
        "attend",
        "align",
        "check",
        "export",
        "info",
    ],
)
def test_help_of_a_command_teaches_by_example(run: Run, command: str) -> None:
    found = run(command, "--help")
    assert found.status == 0
    assert found.err == ""
    assert found.out.count(f"\n  foveate {command} ") >= 2
    usage = found.out.partition("\n")[0]
    assert usage.startswith(f"Usage: foveate {command} ") and "ARGS" not in usage
    assert max(map(len, found.out.splitlines())) <= 80
    assert command in run("--help").out


@pytest.mark.parametrize("command", ["translate", "export"])
def test_help_breaks_lines_only_where_they_are_full(run: Run, command: str) -> None:
    lines = run(command, "--help").out.splitlines()
    cells = [line.removeprefix("│").removesuffix("│") for line in lines if line.startswith("│")]
    for cell, following in pairwise(cells):
        if following.startswith(" " * 20) and following.strip():
            word = following.split()[0]
            assert len(cell.rstrip()) + 1 + len(word) > len(cell) - 2, cell


def test_what_a_command_reads_is_not_written_over(run: Run, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("abc\tAE B K\n", encoding="utf-8")
    link = tmp_path / "link.tsv"
    link.symlink_to(pairs)
    golden = Path(__file__).parent / "golden-onnx" / "format-2"
    for argv in (
        ["check", pairs, "--rules-only", "--clean", link],
        ["evaluate", golden, pairs, "--out", pairs],
        ["align", golden, f"{pairs},{tmp_path / 'other'}", "--out", pairs],
        ["translate", golden, pairs, "--out", pairs],
    ):
        found = run(*argv)
        assert found.status == 2
        assert "would be lost" in found.err
    assert pairs.read_text(encoding="utf-8") == "abc\tAE B K\n"


def test_help_of_train_has_every_option_with_its_sentence(run: Run) -> None:
    found = run("train", "--help-all")
    assert (found.status, found.err) == (0, "")
    assert max(map(len, found.out.splitlines())) <= 80
    help_text = " ".join(found.out.replace("│", " ").split())
    for name in field_names():
        assert f"--{name.replace('_', '-')} " in help_text
        assert field_help()[name]
        assert field_help()[name].rstrip(".")[:40] in help_text


@pytest.mark.parametrize("command", ["train", "check"])
def test_short_help_shows_what_is_essential_and_where_the_rest_is(run: Run, command: str) -> None:
    short, whole = (run(command, flag).out for flag in ("--help", "--help-all"))
    shown = [name for name in field_names() if f"--{name.replace('_', '-')} " in short]
    assert tuple(shown) == tuple(name for name in field_names() if name in SHOWN)
    assert f"foveate {command} --help-all" in short
    num_shown, num_whole = (
        len(re.findall(r"^│ \*?\s+--|^│ --", help_text, re.M)) for help_text in (short, whole)
    )
    assert num_shown <= 11 < 40 < num_whole
    assert "Range: a number from 0 to 0.95." in " ".join(whole.replace("│", " ").split())
    assert "Only attention and traditional." in " ".join(whole.replace("│", " ").split())


def test_public_names_are_loaded_when_used() -> None:
    assert foveate.Config is Config
    assert foveate.ConfigError is ConfigError
    assert "Seq2Seq" in dir(foveate)
    with pytest.raises(AttributeError, match="no attribute 'Seq3Seq'"):
        foveate.Seq3Seq  # noqa: B018


def test_every_public_name_exists() -> None:
    for name in foveate.__all__:
        assert getattr(foveate, name) is not None


def test_version_is_that_of_the_project() -> None:
    project = Path(__file__).parents[1] / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == foveate.__version__


# --- flags and configuration files ----------------------------------------------------------------


def test_flags_are_the_fields_of_the_configuration() -> None:
    flags = build_flags()()
    assert tuple(vars(flags)) == field_names()
    assert set(vars(flags).values()) == {None}


def test_only_given_flags_override_a_file(tmp_path: Path) -> None:
    path = tmp_path / "options.toml"
    path.write_text("dropout = 0.3\nnum_layers = 3\nminutes = 7\n", encoding="utf-8")
    config = merge_config(path, {"dropout": 0.1})
    assert (config.dropout, config.num_layers, config.minutes) == (0.1, 3, 7)
    config = merge_config(path, {"max_updates": 5})
    assert (config.max_updates, config.minutes) == (5, None)


def test_an_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "options.toml"
    path.write_text("drop_out = 0.3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"options\.toml: drop_out: .*did you mean dropout"):
        merge_config(path, {})


# --- output files ---------------------------------------------------------------------------------


def _fail_while_writing(path: Path) -> None:
    with open_output(str(path)) as stream:
        stream.write("new" * 100_000)
        raise ZeroDivisionError


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(ZeroDivisionError):
        _fail_while_writing(path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]
    with open_output(str(path)) as stream:
        stream.write("neü")
    assert path.read_bytes() == "neü".encode()


def test_a_link_and_a_device_stay_what_they_are(tmp_path: Path) -> None:
    path, link = tmp_path / "out.txt", tmp_path / "link.txt"
    link.symlink_to(path)
    with open_output(str(link)) as stream:
        stream.write("new")
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8") == "new"
    with open_output(os.devnull) as stream:
        stream.write("new")
    assert not Path(os.devnull).is_file()


# --- commands on a tiny model ---------------------------------------------------------------------


def test_train_tells_the_plan_the_scores_and_what_is_next(home: Path, run: Run) -> None:
    out = home / "told"
    argv = ["train", home / "pairs.tsv", "--out", out, *TINY, "--max-updates", "6", "--minutes"]
    found = run(*argv[:-1], "--dev", home / "dev.tsv", "--test", home / "dev.tsv")
    assert found.status == 0
    assert "125 pairs" in found.err
    assert "6/6" in found.err
    assert "95 % interval" in found.err
    assert f"foveate translate {out}" in found.err
    assert "\x1b" not in found.err
    assert "\r" not in found.err
    assert "exact_match|refs:any" in found.out
    assert (out / "bundle.json").is_file()


def test_train_learns_from_a_file_of_options(home: Path, run: Run) -> None:
    options = home / "options.toml"
    options.write_text("hidden_size = 24\nmax_updates = 4\nseed = 3\n", encoding="utf-8")
    out = home / "from-file"
    sizes = [word for word in TINY if word not in ("--hidden-size", "16")]
    found = run(
        "train", home / "pairs.tsv", "--out", out, "--config", options, *sizes, "--seed", "5"
    )
    assert found.status == 0
    config = tomllib.loads((out / "config.toml").read_text(encoding="utf-8"))
    assert config["model"]["hidden_size"] == 24
    training = json.loads((out / "bundle.json").read_text(encoding="utf-8"))["summary"]["training"]
    assert (training["seed"], training["max_updates"]) == (5, 4)


def test_translate_writes_a_line_for_each_line(home: Path, run: Run, tmp_path: Path) -> None:
    found = run("translate", home / "attention", home / "words.txt")
    assert found.status == 0
    lines = found.out.split("\n")
    assert len(lines) == 4
    assert lines[1] == ""
    out = tmp_path / "out.txt"
    assert run("translate", home / "attention", home / "words.txt", "--out", out).out == ""
    assert out.read_text(encoding="utf-8") == found.out
    packed = tmp_path / "words.txt.gz"
    packed.write_bytes(gzip.compress((home / "words.txt").read_bytes()))
    assert run("translate", home / "attention", packed).out == found.out


def test_translate_writes_tables_and_json(home: Path, run: Run) -> None:
    model, words = home / "attention", home / "words.txt"
    beam = ["--beam-size", "3", "--length-penalty", "0"]  # with which n-best cannot change the best
    plain = run("translate", model, words, *beam).out.split("\n")
    table = run("translate", model, words, "--n-best", "2", *beam, "--format", "tsv")
    rows = [line.split("\t") for line in table.out.splitlines()]
    assert [row[0] for row in rows] == ["abc", "abc", "", "ded", "ded"]
    assert rows[0][1] == plain[0]
    assert float(rows[0][2]) >= float(rows[1][2])
    objects = run("translate", model, words, "--format", "jsonl", "--attention").out.splitlines()
    first = json.loads(objects[0])
    assert first["source"] == "abc"
    assert first["source_tokens"] == ["a", "b", "c"]
    assert first["model_id"] == read_manifest(home / "attention").id
    assert all(abs(sum(row) - 1) < 1e-4 for row in first["attention"])


def test_translate_samples_the_same_with_the_same_seed(home: Path, run: Run) -> None:
    argv = ["translate", home / "attention", home / "words.txt", "--temperature", "2", "--seed"]
    first, again, other = (run(*argv, seed).out for seed in ("1", "1", "2"))
    assert first == again
    assert first != other


def test_evaluate_prints_a_table_and_writes_json(home: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "scores.json"
    found = run("evaluate", home / "attention", home / "dev.tsv", "--json", out)
    assert found.status == 0
    assert "2 sources, 3 pairs" in found.out
    assert "95 % interval" in found.out
    scores = json.loads(out.read_text(encoding="utf-8"))
    assert (scores["pairs"], scores["sources"]) == (3, 2)
    names = ["exact_match", "token_error_rate", "character_error_rate", "bleu", "chrf"]
    of_pronunciations = ["word_error_rate", "phoneme_error_rate"]
    assert sorted(scores["metrics"]) == sorted([*names, *of_pronunciations])
    for score in scores["metrics"].values():
        assert list(score) == ["value", "low", "high", "signature"]
        assert score["low"] <= score["value"] <= score["high"]
        assert score["signature"] in found.out
    assert sum(row["sources"] for row in scores["by_source_length"]) == 2
    dash = run("evaluate", home / "attention", home / "dev.tsv", "--json", "-")
    assert json.loads(dash.out) == scores


def test_evaluate_names_how_bleu_split_words(home: Path, run: Run) -> None:
    argv = ["evaluate", home / "attention", home / "dev.tsv"]
    assert "tok:13a" in run(*argv).out
    assert "tok:none" in run(*argv, "--bleu-tokenize", "none").out


def test_attend_draws_in_the_terminal_and_to_files(home: Path, run: Run, tmp_path: Path) -> None:
    found = run("attend", home / "attention", "abc", "--target", "AE B K")
    assert found.status == 0
    assert "AE" in found.out
    assert "log-probability" in found.out
    assert "\x1b" not in found.out
    for suffix, beginning in (
        (".svg", b"<svg"),
        (".html", b"<!"),
        (".json", b"{"),
        (".png", b"\x89PNG"),
    ):
        path = tmp_path / f"look{suffix}"
        assert run("attend", home / "attention", "abc", "--out", path).status == 0
        assert path.read_bytes()[:9].lstrip().lower().startswith(beginning.lower())


def test_align_writes_a_pharaoh_line_for_each_pair(home: Path, run: Run) -> None:
    found = run("align", home / "attention", home / "dev.tsv")
    assert found.status == 0
    lines = found.out.splitlines()
    assert len(lines) == 3
    for line in lines:
        links = [tuple(map(int, link.split("-"))) for link in line.split()]
        assert [j for _, j in sorted(links, key=lambda link: link[1])] == [0, 1, 2]
        assert all(0 <= i < 3 for i, _ in links)
    table = run("align", home / "attention", home / "dev.tsv", "--format", "table").out
    rows = [line.split("\t") for line in table.splitlines()[1:]]
    linked = [(row[0], f"{int(row[1]) - 1}-{int(row[2]) - 1}") for row in rows if row[1] and row[2]]
    expected = [
        (str(number), link)
        for number, line in enumerate(found.out.splitlines(), start=1)
        for link in line.split()
    ]
    assert sorted(linked) == sorted(expected)
    assert {row[4] for row in rows if not row[2]} <= {"∅"}
    counts = run("align", home / "attention", home / "dev.tsv", "--format", "counts").out
    counted = [line.split("\t") for line in counts.splitlines()[1:]]
    assert sum(int(row[2]) for row in counted) == len(rows)
    assert [int(row[2]) for row in counted] == sorted((int(r[2]) for r in counted), reverse=True)
    mutual = run("align", home / "attention", home / "dev.tsv", "--method", "mutual").out
    for line, all_links in zip(mutual.splitlines(), lines, strict=True):
        assert set(line.split()) <= set(all_links.split())


def test_info_says_what_a_model_is(home: Path, run: Run) -> None:
    found = run("info", home / "attention")
    assert found.status == 0
    assert "attention" in found.out
    facts = json.loads(run("info", home / "attention", "--json").out)
    assert facts["source"] == {"tokens": "characters", "vocabulary": 5 + 4}
    assert facts["model"]["hidden_size"] == 16
    assert facts["id"] == load_bundle(home / "attention").id
    assert "skip_bad" not in facts["text"] | facts["model"]
    assert facts["parameters"] > 1000


# --- demo -----------------------------------------------------------------------------------------


@pytest.mark.long
def test_the_demo_compares_two_models_and_writes_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert RECIPES.keys() == list_demos().keys()
    whole = load_demo("dates")
    rows = range(20)
    small = dataclasses.replace(
        whole, train=whole.train.rows(rows), dev=whole.dev.rows(rows), test=whole.test.rows(rows)
    )
    options = {"max_updates": 3, "hidden_size": 16, "embedding_size": 8, "num_layers": 1}
    trained = train_both(small, {**options, "num_validations": 1, "threads": 1}, tmp_path)
    assert trained is not None
    assert [model.summary.updates for model in trained.values()] == [3, 3]
    evaluations = {name: evaluate(model, small.test) for name, model in trained.items()}
    show_results(small, evaluations, trained["attention"], tmp_path)
    out = capsys.readouterr().out
    assert out.count("reference   ") == 5
    assert "exact match by source length" in out
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.count("foveate-curve") >= 2
    assert (tmp_path / "traditional" / "bundle.json").is_file()


# --- mistakes -------------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[list[str], str]] = {
    "unknown command": (["trian"], 'Did you mean "train"?'),
    "unknown option": (
        ["train", "pairs.tsv", "--out", "new", "--hiden-size", "3"],
        "Did you mean --hidden-size?",
    ),
    "unknown option like no other": (["info", "attention", "--bogus"], "--bogus (see foveate info"),
    "unknown short option": (["info", "attention", "-x"], "-x"),
    "no pairs": (["train", "--out", "new"], "PAIRS is missing"),
    "no model": (["translate"], "MODEL is missing"),
    "no out": (["train", "pairs.tsv"], "--out is missing"),
    "option without value": (["train", "pairs.tsv", "--out"], "--out needs a value"),
    "too many arguments": (["info", "attention", "more"], "too many arguments: more"),
    "not a number": (["train", "pairs.tsv", "--out", "new", "--seed", "x"], "--seed"),
    "unknown choice": (["train", "pairs.tsv", "--out", "new", "--cell", "gruu"], '"gru"'),
    "out of range": (
        ["train", "pairs.tsv", "--out", "new", "--dropout", "1.5", "--num-layers", "0"],
        "--num-layers",
    ),
    "minutes and updates": (
        ["train", "pairs.tsv", "--out", "new", "--minutes", "1", "--max-updates", "2"],
        "give one of the two",
    ),
    "option twice": (["info", "attention", "--json", "--json"], "--json"),
    "options that do not go together": (
        ["train", "pairs.tsv", "--out", "new", "--input-feeding"],
        "--input-feeding",
    ),
    "no such options file": (
        ["train", "pairs.tsv", "--out", "new", "--config", "no.toml"],
        "no.toml",
    ),
    "broken options file": (
        ["train", "pairs.tsv", "--out", "new", "--config", "words.txt"],
        "words.txt",
    ),
    "unknown option in file": (
        ["train", "pairs.tsv", "--out", "new", "--config", "bad.toml"],
        "bad.toml",
    ),
    "no such pairs": (["train", "no.tsv", "--out", "new"], "no.tsv"),
    "pairs are a folder": (["train", "full", "--out", "new"], "full"),
    "empty pairs": (["train", "empty.tsv", "--out", "new"], "empty.tsv"),
    "no tab": (["train", "words.txt", "--out", "new"], "words.txt:1"),
    "bad row": (["train", "bad.tsv", "--out", "new"], "bad.tsv:2"),
    "not text": (["train", "binary.tsv", "--out", "new"], "binary.tsv"),
    "broken gzip": (["train", "broken.tsv.gz", "--out", "new"], "broken.tsv.gz"),
    "parallel files of two lengths": (
        ["train", "words.txt,pairs.tsv", "--out", "new"],
        "words.txt",
    ),
    "bad dev": (["train", "pairs.tsv", "--out", "new", "--dev", "bad.tsv"], "bad.tsv:2"),
    "no such test": (["train", "pairs.tsv", "--out", "new", "--test", "no.tsv"], "no.tsv"),
    "model folder taken": (["train", "pairs.tsv", "--out", "full"], "choose another folder"),
    "model there already": (["train", "pairs.tsv", "--out", "attention"], "choose another folder"),
    "model name is a file": (["train", "pairs.tsv", "--out", "pairs.tsv"], "is a file already"),
    "model in a file": (["train", "pairs.tsv", "--out", "pairs.tsv/new"], "pairs.tsv"),
    "model is standard output": (["train", "pairs.tsv", "--out", "-"], "'-'"),
    "nothing to resume": (["train", "pairs.tsv", "--out", "new", "--resume"], "nothing to resume"),
    "no such model": (["translate", "none", "words.txt"], "none: there is no such model"),
    "model is a file": (["translate", "words.txt", "words.txt"], "words.txt: is a file"),
    "folder is no model": (["info", "full"], "full"),
    "no manifest": (["info", "no-manifest"], "bundle.json"),
    "manifest is not JSON": (["info", "bad-manifest"], "bundle.json"),
    "newer format": (["translate", "newer", "words.txt"], "format version 99"),
    "weights damaged": (["translate", "bad-weights", "words.txt"], "weights.safetensors"),
    "weights missing": (["evaluate", "no-weights", "dev.tsv"], "weights.safetensors"),
    "vocabulary damaged": (["align", "bad-vocabulary", "dev.tsv"], "source.vocabulary.txt"),
    "config damaged": (["info", "bad-config"], "config.toml"),
    "no such text": (["translate", "attention", "no.txt"], "no.txt"),
    "text is not UTF-8": (["translate", "attention", "latin.txt"], "latin.txt:2"),
    "text is a folder": (["translate", "attention", "full"], "full"),
    "beam of nothing": (["translate", "attention", "words.txt", "--beam-size", "0"], "--beam-size"),
    "more best than beam": (
        ["translate", "attention", "words.txt", "--n-best", "4", "--beam-size", "2"],
        "4",
    ),
    "temperature of nothing": (
        ["translate", "attention", "words.txt", "--temperature", "0"],
        "temperature",
    ),
    "top-p above 1": (["translate", "attention", "words.txt", "--top-p", "1.5"], "top_p"),
    "unknown format": (["translate", "attention", "words.txt", "--format", "xml"], '"jsonl"'),
    "attention as text": (["translate", "attention", "words.txt", "--attention"], "--format jsonl"),
    "no ONNX": (["translate", "attention", "words.txt", "--backend", "onnx"], "no ONNX model"),
    "out is a folder": (["translate", "attention", "words.txt", "--out", "full"], "full"),
    "out in no folder": (["translate", "attention", "words.txt", "--out", "no/out"], "no/out"),
    "bad pairs to evaluate": (["evaluate", "attention", "bad.tsv"], "bad.tsv:2"),
    "json in no folder": (["evaluate", "attention", "dev.tsv", "--json", "no/out"], "no/out"),
    "bad pairs to align": (["align", "attention", "bad.tsv"], "bad.tsv:2"),
    "picture of no kind": (["attend", "attention", "abc", "--out", "look.gif"], ".svg"),
    "nothing to attend to": (["attend", "attention", " "], "TEXT is empty"),
    "no attention to draw": (["attend", "traditional", "abc"], "no attention"),
    "no attention to align": (["align", "traditional", "dev.tsv"], "no attention"),
    "no such demo": (["demo", "dats"], "did you mean dates"),
    "demo of no time": (["demo", "--minutes", "0"], "--minutes"),
    "demo folder taken": (["demo", "dates", "--out", "full"], "full"),
}


@pytest.fixture(scope="module")
def broken(home: Path) -> Path:
    """Everything that can be wrong with a file or a model, beside what is right."""
    (home / "bad.toml").write_text("drop_out = 0.1\n", encoding="utf-8")
    (home / "empty.tsv").write_bytes(b"")
    (home / "bad.tsv").write_bytes(b"a\tb\nno tab\nc\td\n\t\n")
    (home / "binary.tsv").write_bytes(bytes(range(256)) * 40)
    (home / "broken.tsv.gz").write_bytes(gzip.compress(b"a\tb\n" * 5000)[:-20])
    (home / "latin.txt").write_bytes("abc\nd\xe9d\n".encode("latin-1"))
    for name in ("no-manifest", "bad-manifest", "newer", "bad-weights", "no-weights"):
        shutil.copytree(home / "attention", home / name)
    for name in ("bad-vocabulary", "bad-config"):
        shutil.copytree(home / "attention", home / name)
    (home / "no-manifest" / "bundle.json").unlink()
    (home / "bad-manifest" / "bundle.json").write_text("{", encoding="utf-8")
    manifest = json.loads((home / "newer" / "bundle.json").read_text(encoding="utf-8"))
    manifest["format_version"] = 99
    (home / "newer" / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    weights = home / "bad-weights" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    (home / "no-weights" / "weights.safetensors").unlink()
    for name in ("bad-vocabulary/source.vocabulary.txt", "bad-config/config.toml"):
        (home / name).write_text("x", encoding="utf-8")
    return home


def _contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_touches_nothing(
    broken: Path, run: Run, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    argv, place = MISTAKES[mistake]
    monkeypatch.chdir(broken)
    before = _contents(broken)
    found = run(*argv)
    assert found.status == 2
    assert found.out == ""
    lines = found.err.splitlines()
    assert lines[0].startswith("foveate: error: ")
    assert place in lines[0]
    more = lines[1:]  # one for each encoding that fits, where the bytes are not UTF-8
    assert bool(more) == (mistake == "text is not UTF-8")
    assert all(line.startswith("  ") for line in more)
    assert _contents(broken) == before


def test_a_full_disk_is_one_line(home: Path, run: Run) -> None:
    found = run("translate", home / "attention", home / "words.txt", "--out", "/dev/full")
    assert found.status == 2
    assert len(found.err.splitlines()) == 1
    assert found.err.startswith("foveate: error: ")
    assert "No space left on device" in found.err


def test_a_library_that_is_missing_is_named(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [
        name for name in sys.modules if name.startswith(("foveate.t", "foveate.commands"))
    ]:
        package, _, child = name.rpartition(".")
        if package == "foveate":  # its attribute is set anew by an import; put back, too
            monkeypatch.setattr(foveate, child, getattr(foveate, child))
        monkeypatch.delitem(sys.modules, name, raising=False)
    found = run("train", home / "pairs.tsv", "--out", home / "new", "--max-updates", "2")
    assert found.status == 2
    assert "pip install 'foveate[train]'" in found.err
    found = run("translate", home / "attention", home / "words.txt")
    assert found.status == 2
    assert "pip install 'foveate[train]'" in found.err


# --- real processes -------------------------------------------------------------------------------


def _start(*argv: str | Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(Path(foveate.__file__).parents[1])}
    command = [sys.executable, "-m", "foveate", *map(str, argv)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)


@pytest.mark.long
def test_a_pipe_is_read_to_its_end_and_may_be_closed(home: Path) -> None:
    both = [_start("translate", home / "attention") for _ in range(2)]
    with both[0] as whole, both[1] as closed:
        assert closed.stdout is not None
        closed.stdout.close()
        closed.stdout = None
        assert closed.communicate(b"abc\n" * 3000, timeout=100)[1] == b""
        assert closed.returncode == 128 + signal.SIGPIPE
        out, err = whole.communicate(b"abc\nded\n", timeout=100)
        assert (whole.returncode, err, out.count(b"\n")) == (0, b"", 2)


@pytest.mark.long
def test_ctrl_c_keeps_the_best_model_and_resume_goes_on(home: Path, run: Run) -> None:
    out = home / "stopped"
    argv = ["train", home / "pairs.tsv", "--out", out, *TINY, "--dev", home / "dev.tsv"]
    log = out / "log.jsonl"
    with _start(*argv, "--max-updates", "20000") as process:
        deadline = time.monotonic() + 100
        while not log.exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=100)
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert b"--resume" in err.splitlines()[-1]
    assert run("info", out).status == 0
    refused = run(*argv, "--max-updates", "20000")
    assert refused.status == 2
    assert "add --resume" in refused.err


def test_the_command_is_declared_for_installation() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    module, function = project["project"]["scripts"]["foveate"].split(":")
    assert getattr(importlib.import_module(module), function) is main
