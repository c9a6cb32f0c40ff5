"""The streams, the terminal and the environment that a process is given, whatever they are."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import foveate
from foveate.bundle import load_bundle, save_bundle
from foveate.cli import _is_out_of_memory, main
from foveate.commands.other_names import OURS, find_ours
from foveate.commands.remarks import MOST_KEPT, Remarks
from foveate.flags import build_flags
from foveate.output import open_output
from foveate.printable import make_printable
from foveate.records import Translation
from foveate.search.workers import granted_threads
from foveate.translator import Translator
from made import mark_others

EXPORTED = str(Path(__file__).parent / "golden-onnx" / "format-2")
GOLDEN = str(Path(__file__).parent / "golden" / "format-1")
LONG = pytest.mark.long
NASTY = "a\x1b[31mb\u202ec\x9bd\u2066e"


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(foveate.__file__).parents[1]), **variables}


def shell(call: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m foveate {call}"],
        capture_output=True,
        text=True,
        env=environment(**variables),
        input="ab\n",
        timeout=60,
        check=False,
    )


# --- closed streams -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "status", "says"),
    [
        ("check - --rules-only <&-", 2, "standard input: cannot read it"),
        pytest.param(f"info {GOLDEN} >&-", 2, "standard input or output is closed", marks=LONG),
        ("--help >&-", 2, "standard input or output is closed"),
        (f"info {GOLDEN} 2>&-", 0, ""),
        pytest.param("info nowhere 2>&-", 2, "", marks=LONG),
        ("check - --rules-only <&- >&- 2>&-", 2, ""),
        pytest.param(f"info {GOLDEN} <&-", 0, "", marks=LONG),
    ],
)
def test_closed_streams_are_no_traceback(call: str, status: int, says: str) -> None:
    found = shell(call)
    assert found.returncode == status
    assert "Traceback" not in found.stderr and "Exception" not in found.stderr
    assert found.stderr.count("\n") == bool(says)
    assert says in found.stderr


def test_a_file_never_gets_what_was_for_a_closed_stream(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("a\tb\n" * 3 + "c\u200b\td\n", encoding="utf-8")
    found = shell(f"check {pairs} --rules-only --out {out} >&- 2>&-")
    assert found.returncode == 0
    lines = out.read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["rank", "1"]


# --- width, threads -------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", mark_others(["0", "1", "²", "9" * 20], ["1", "9" * 20]))
def test_help_is_laid_out_in_any_width(columns: str) -> None:
    found = shell("translate --help", COLUMNS=columns, LINES=columns)
    assert (found.returncode, found.stderr) == (0, "")
    assert "--beam-size" in found.stdout


@pytest.mark.parametrize("threads", ["²", "0", "99999999999999999999", "many"])
def test_a_number_of_threads_that_is_none_is_left_alone(
    threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert 1 <= granted_threads() <= (os.cpu_count() or 1)


# --- numbers and names of options -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["demo", "--minutes", "inf"], "--minutes: must be a number above 0"),
        (["demo", "--minutes", "nan"], "--minutes: must be a number above 0"),
        (["translate", GOLDEN, "--temperature", "nan"], "--temperature"),
        (["translate", GOLDEN, "--top-p", "inf"], "--top-p"),
        (["translate", GOLDEN, "--length-penalty", "inf"], "--length-penalty"),
        *[
            (["translate", GOLDEN, flag, "9" * 20], f"{flag}: must be at most")
            for flag in (
                "--threads",
                "--seed",
                "--beam-size",
                "--n-best",
                "--max-length",
                "--top-k",
            )
        ],
        (["evaluate", GOLDEN, "x.tsv", "--beam-size", "9" * 20], "--beam-size: must be at most"),
        (["check", "x.tsv", "--folds", "9" * 20], "--folds: must be at most"),
    ],
)
def test_numbers_beyond_all_use_are_refused(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["train", "a.tsv", "-o", "m", "--lr", "0.1"], "here it is --learning-rate X"),
        (
            ["train", "a.tsv", "-o", "m", "--epochs=10"],
            "here it is --max-updates N, or --minutes X",
        ),
        (["train", "a.tsv", "-o", "m", "--batch_size", "64"], "here it is --batch-tokens N"),
        (
            ["train", "a.tsv", "-o", "m", "--init", "old"],
            "--from MODEL, to go on from a trained model",
        ),
        (["translate", "model", "--beam", "4"], "here it is --beam-size K"),
    ],
)
def test_names_of_other_toolkits_lead_to_ours(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    assert says in capsys.readouterr().err


def test_other_names_are_not_ours_and_lead_to_flags_that_exist() -> None:
    known = {name.replace("_", "-") for name in vars(build_flags()())}
    known |= {"out", "dev", "resume", "beam-size", "n-best", "length-penalty", "max-length"}
    known |= {"top-k", "top-p", "from"}
    assert not known & OURS.keys()
    for name in OURS:
        flags = [word for word in find_ours(f"--{name}").split() if word.startswith("--")]
        assert {flag.strip("-,;") for flag in flags} <= known


@pytest.mark.parametrize("command", [["train"], ["check"], ["evaluate", "m"], ["align", "m"]])
def test_two_files_are_one_argument(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(tmp_path / name) for name in ("a.en", "a.de")]
    for name in files:
        Path(name).write_text("x\n", encoding="utf-8")
    assert (
        main([*command, *files, "--out", str(tmp_path / "m")][: 4 if len(command) > 1 else 5]) == 2
    )
    assert f"two files are one argument: {files[0]},{files[1]}" in capsys.readouterr().err
    assert main([*command, files[0], "no.de"]) == 2
    assert "one argument" not in capsys.readouterr().err


def test_the_out_of_memory_of_pytorch_is_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    assert _is_out_of_memory(caught.value)
    assert not _is_out_of_memory(RuntimeError("shapes cannot be multiplied"))


# --- what reaches a terminal ----------------------------------------------------------------------


@given(st.text())
def test_printable_text_has_nothing_that_steers(text: str) -> None:
    shown = make_printable(text)
    assert len(shown) == len(text)
    for one, other in zip(text, shown, strict=True):
        assert other == one or (other == "\ufffd" and not (one.isprintable() or one in "\n\t"))
    assert make_printable(shown) == shown


def test_letters_that_need_joiners_stay() -> None:
    text = "नमस्ते\u200d \u200cمی‌خواهم é 👩\u200d👩"
    assert make_printable(text) == text
    assert make_printable(NASTY) == "a\ufffd[31mb\ufffdc\ufffdd\ufffde"


def build_nasty_model(folder: Path) -> str:
    bundle = load_bundle(EXPORTED)
    bundle.summary.plan = bundle.summary.extra["note"] = NASTY
    entries = bundle.target_codec.vocabulary.entries
    tokens = [token + "\x1b]0;x\x07\u202e" for token in entries[4:]]
    bundle.target_codec.vocabulary = type(bundle.target_codec.vocabulary)(tokens)
    save_bundle(bundle, folder)
    return str(folder)


def run_in_terminal(*calls: list[str]) -> str:
    """Run commands whose output and messages go to a terminal, and return what it got."""
    master, slave = pty.openpty()
    code = f"from foveate.cli import main\nfor argv in {calls!r}: main(argv)"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
        env=environment(NO_COLOR="1", COLUMNS="100"),
    )
    os.close(slave)
    parts = []
    while True:
        try:
            part = os.read(master, 65_536)
        except OSError:  # so ends a terminal
            break
        if not part:
            break
        parts.append(part)
    os.close(master)
    assert process.wait() == 0
    return b"".join(parts).decode()


def test_what_others_wrote_cannot_steer_a_terminal(tmp_path: Path) -> None:
    model = build_nasty_model(tmp_path / "model")
    (tmp_path / "in.txt").write_text("ab\n", encoding="utf-8")
    (tmp_path / "in.tsv").write_text(f"ab\t{NASTY}\n", encoding="utf-8")
    got = run_in_terminal(
        ["info", model],
        ["info", model, "--json"],
        ["translate", model, str(tmp_path / "in.txt"), "--format", "tsv"],
        ["attend", model, "ab"],
        ["evaluate", model, str(tmp_path / "in.tsv")],
        ["info", str(tmp_path / NASTY)],
    )
    for there in ("log-probability", '"summary"', "ab\t", "95 % interval", "foveate: error: "):
        assert there in got
    for steering in ("\x1b[3", "\x1b]", "\x07", "\u202e", "\x9b", "\u2066"):
        assert steering not in got
    assert "\x1b" not in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


def test_what_goes_into_a_pipe_stays_exact(tmp_path: Path) -> None:
    model = build_nasty_model(tmp_path / "model")
    found = shell(f"translate {model} -")
    assert "\x1b]0;x\x07\u202e" in found.stdout


def test_half_a_surrogate_pair_does_not_cost_the_output(tmp_path: Path) -> None:
    with open_output(str(tmp_path / "out.txt")) as stream:
        stream.write("a\ud800\nb\n")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "a\\ud800\nb\n"


def test_a_model_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    """ONNX Runtime would keep a number of the user there, and reports for its makers."""
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = shell(f"translate {EXPORTED} --threads 1", **places)
    assert done.returncode == 0 and done.stdout.strip()
    assert list(tmp_path.iterdir()) == []


def test_ever_new_unknown_letters_do_not_fill_the_memory(
    capsys: pytest.CaptureFixture[str],
) -> None:
    remarks = Remarks(Translator.load(EXPORTED, threads=1))
    letters = [chr(0x4E00 + number) for number in range(MOST_KEPT + 500)]
    told = (Translation([one], [], "", 0.0, unknown=(0,)) for one in [*letters, letters[0]])
    assert sum(1 for _ in remarks.watch(told)) == MOST_KEPT + 501
    remarks.tell()
    assert f"{MOST_KEPT + 501:,} of {MOST_KEPT + 501:,} lines have" in capsys.readouterr().err
    assert len(remarks._unknown) == MOST_KEPT and remarks._unknown[letters[0]] == 2
