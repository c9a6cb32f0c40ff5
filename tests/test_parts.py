"""A file translated in parts: killed at any moment, the same bytes; bad lines by themselves."""

from __future__ import annotations

import gzip
import io
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import foveate
import foveate.translator
from foveate.cli import main
from foveate.records import Translation
from foveate.translator import Translator
from kill_points import call

MODEL = str(Path(__file__).parent / "golden-onnx" / "format-2")
SAMPLED = ["--format", "tsv", "--sample", "--seed", "3", "--beam-size", "1", "--max-length", "4"]
DRAWN = ["translate", MODEL, "INPUT", "--out", "OUT", "--threads", "1", *SAMPLED]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make parts of seven lines, so that a test has several."""
    monkeypatch.setattr(foveate.translator, "WINDOW", 7)


@pytest.fixture
def room(tmp_path: Path, small_parts: None) -> Path:
    """Return a folder with an input of 40 lines, two of them bad."""
    letters = random.Random(1)
    lines = ["".join(letters.choices("abcd", k=letters.randint(1, 6))).encode() for _ in range(40)]
    lines[12], lines[30] = b"a\xffb", b"ab" * 60_000
    (tmp_path / "in.txt").write_bytes(b"\n".join(lines) + b"\n")
    (tmp_path / "work").mkdir()
    return tmp_path


def fill_in(argv: list[str], room: Path) -> list[str]:
    places = {"INPUT": str(room / "in.txt"), "OUT": str(room / "work" / "out.txt")}
    return [places.get(part, part) for part in argv]


def take_stock(room: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (room / "work").iterdir() if path.is_file()}


def clear(room: Path) -> None:
    for path in sorted((room / "work").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def kill_at(room: Path, mode: str, points: list[int], expected: dict[str, bytes]) -> None:
    """Kill a command at each of some points, go on, and compare."""
    argv = fill_in([*DRAWN, "--resume"], room)
    for point in points:
        clear(room)
        status = call(argv, room / "work", mode, point).status
        assert status == -signal.SIGKILL
        ended = call(argv, room / "work")
        assert ended.status == 0, ended.said
        assert take_stock(room) == expected, (mode, point)
        assert list((room / "work").glob("*.part")) == []


def run_quietly(room: Path) -> tuple[int, dict[str, bytes]]:
    quiet = call(fill_in([*DRAWN, "--resume"], room), room / "work")
    assert quiet.status == 0, quiet.said
    return len(quiet.events), take_stock(room)


@pytest.mark.parametrize(
    ("mode", "every"), [pytest.param("kill", 16, marks=pytest.mark.long), ("cut", 25)]
)
def test_killed_and_gone_on_gives_the_same_bytes(room: Path, mode: str, every: int) -> None:
    num_events, expected = run_quietly(room)
    assert num_events > 30
    kill_at(room, mode, [1, *range(4, num_events, every), num_events], expected)


@pytest.mark.slow
def test_killed_fifty_times(room: Path) -> None:
    num_events, expected = run_quietly(room)
    chance = random.Random(2)
    for mode, count in (("kill", 24), ("cut", 13), ("zero", 13)):
        kill_at(room, mode, chance.sample(range(1, num_events + 1), count), expected)


def test_parts_are_what_one_command_writes(room: Path) -> None:
    """Also what is drawn; without the bad lines, which that command refuses."""
    lines = (room / "in.txt").read_bytes().split(b"\n")
    lines[12] = lines[30] = b""
    (room / "in.txt").write_bytes(b"\n".join(lines))
    assert main(fill_in(DRAWN, room)) == 0
    expected = take_stock(room)
    assert main(fill_in([*DRAWN, "--resume"], room)) == 0
    assert take_stock(room) == expected


def test_a_bad_line_takes_no_other_with_it(
    room: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = fill_in(["translate", MODEL, "INPUT", "--out", "OUT", "--resume"], room)
    assert main(argv) == 0
    whole = take_stock(room)
    outputs = whole["out.txt"].decode().split("\n")
    assert len(outputs) == 41 and outputs[12] == outputs[30] == ""
    assert whole["out.txt.errors.tsv"].decode().splitlines() == [
        "line\treason",
        "13\tnot UTF-8 (byte 0xff at position 2)",
        "31\t120,000 characters, more than 100,000: cut it into lines",
    ]
    assert "no output for 2 lines" in capsys.readouterr().err

    translate_all = Translator._answer

    def fail_at_the_third(self: Translator, texts: Any, *rest: Any) -> list[Translation]:
        if third in texts:
            raise RuntimeError("no more\nmemory")
        return translate_all(self, texts, *rest)

    third = (room / "in.txt").read_bytes().split(b"\n")[2].decode()
    monkeypatch.setattr(Translator, "_answer", fail_at_the_third)
    assert main(argv) == 0
    failed = take_stock(room)
    assert "\n3\tno more memory\n" in failed["out.txt.errors.tsv"].decode()
    lines = (room / "in.txt").read_bytes().split(b"\n")[:-1]
    kept = [row for row, line in enumerate(lines) if line.decode("latin-1") != third]
    after = failed["out.txt"].decode().split("\n")
    assert after[2] == "" and [after[row] for row in kept] == [outputs[row] for row in kept]


def stop_half_way(room: Path) -> None:
    argv = fill_in([*DRAWN, "--resume"], room)
    assert call(argv, room / "work", "kill", 25).status == -signal.SIGKILL


def test_another_command_is_refused(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stop_half_way(room)
    before = (room / "work" / "out.txt.part" / "state.json").read_bytes()
    argv = fill_in([*DRAWN, "--resume"], room)

    def refuse(argv: list[str], said: str) -> None:
        assert main(argv) == 2
        assert said in capsys.readouterr().err
        assert (room / "work" / "out.txt.part" / "state.json").read_bytes() == before

    refuse([*argv, "--must-not", "a"], "--must-not [], now it is ['a']")
    refuse([*argv, "--top-k", "2"], "sampling {")
    other = str(Path(MODEL).with_name("format-1"))
    refuse([other if part == MODEL else part for part in argv], "was begun with model")
    lines = (room / "in.txt").read_bytes()
    (room / "in.txt").write_bytes(lines + b"a\n")
    refuse(argv, f"bytes of the input {len(lines)}, now it is {len(lines) + 2}")
    (room / "in.txt").write_bytes(bytes([lines[0] ^ 1]) + lines[1:])
    refuse(argv, "another input: its first")
    (room / "in.txt").write_bytes(lines)
    assert main(argv) == 0


def test_a_pipe_can_be_read_again(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    argv = fill_in(["-" if part == "INPUT" else part for part in [*DRAWN, "--resume"]], room)
    content = (room / "in.txt").read_bytes()

    class Broken(io.BytesIO):
        """Fails after a while."""

        def readinto(self, buffer: Any) -> int:
            if self.tell() > 60:
                raise OSError("gone")
            return super().readinto(memoryview(buffer)[:30])

    for raw, status in ((Broken(content), 2), (io.BytesIO(content), 0)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(raw)))
        assert main(argv) == status
    found = take_stock(room)
    (room / "in.txt.gz").write_bytes(gzip.compress(content))
    compressed = [
        f"{part}.gz" if part.endswith("in.txt") else part for part in fill_in(DRAWN, room)
    ]
    assert main([*compressed, "--resume"]) == 0
    assert take_stock(room) == found


def test_resume_needs_a_file(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", MODEL, str(room / "in.txt"), "--resume"]) == 2
    assert "--resume: needs a file to write to" in capsys.readouterr().err


def talk(process: subprocess.Popen[str], lines: list[str]) -> Iterator[str]:
    assert process.stdin is not None and process.stdout is not None
    for line in lines:
        process.stdin.write(line + "\n")
        process.stdin.flush()
        yield process.stdout.readline()


def test_a_pipe_is_answered_as_it_comes() -> None:
    """The next line is written only after the answer to the one before."""
    environment = {**os.environ, "PYTHONPATH": str(Path(foveate.__file__).parents[1])}
    argv = [sys.executable, "-m", "foveate", "translate", MODEL, "--unbuffered"]
    options = ["--sample", "--seed", "5", "--max-length", "9"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*argv, *options], stdin=pipe, stdout=pipe, text=True, env=environment
    ) as process:
        answers = list(talk(process, ["ab", "ab", "abc"]))
        process.stdin.close()  # type: ignore[union-attr]
        assert process.wait(30) == 0
    drawn = foveate.Sampling(seed=5)
    loaded = Translator.load(MODEL, threads=1)
    expected = loaded.translate(["ab", "ab", "abc"], sampling=drawn, max_length=9)
    assert answers == [one.text + "\n" for one in expected]
