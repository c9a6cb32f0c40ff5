"""A command that dies at any moment, or finds a full disk, goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kill_points
from kill_points import STAGES

KILL_POINTS = Path(__file__).with_name("kill_points.py")
QUICK = ("zero", "cut", "torn")


def read_rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_training_that_is_disturbed_ends_like_a_quiet_one(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Power that fails as a run begins and in its middle, and a last write that is torn."""
    modes = [word for mode in QUICK for word in ("--mode", mode)]
    status = kill_points.main(["--stages", "--scenario", "train", *modes])
    rows = read_rows(capfd.readouterr().out)
    assert [row["mode"] for row in rows] == list(QUICK)
    assert [row for row in rows if row["wrong"]] == []
    assert status == 0


@pytest.mark.long
def test_a_disturbed_command_ends_like_a_quiet_one() -> None:
    """One disturbance of every stage; `make slow` takes all."""
    call = [sys.executable, KILL_POINTS, "--stages"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        call, capture_output=True, text=True, timeout=100, check=False, env=environment
    )
    rows = read_rows(ended.stdout)
    assert len(rows) == len(STAGES), ended.stderr
    assert [row for row in rows if row["wrong"]] == []
    assert ended.returncode == 0


def test_a_loss_is_found(tmp_path: Path) -> None:
    """The harness itself: what was not synced is gone after a power cut."""
    program = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(KILL_POINTS.parent)!r})
import kill_points

folder = Path({str(tmp_path)!r}) / "work"
folder.mkdir()
child = os.fork()
if child == 0:
    watcher = kill_points.Watcher(folder, sys.argv[1], 7)
    watcher.install()
    for name in ("synced", "written"):
        with (folder / name).open("w") as stream:  # events 1, 3
            stream.write(name)
            stream.flush()
            if name == "synced":
                os.fsync(stream.fileno())  # 2
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)  # 4
    os.rename(folder / "synced", folder / "renamed")  # 5
    (folder / "late").write_text("late")  # 6
    (folder / "never").mkdir()  # 7
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
print(sorted((path.name, path.read_text()) for path in folder.iterdir()))
"""
    run = [sys.executable, "-c", program]
    cut = subprocess.run([*run, "cut"], capture_output=True, text=True, check=True).stdout
    assert cut == "[('synced', 'synced'), ('written', '')]\n"
    (tmp_path / "work").rename(tmp_path / "before")
    zero = subprocess.run([*run, "zero"], capture_output=True, text=True, check=True).stdout
    assert zero == "[('late', ''), ('renamed', 'synced'), ('written', '')]\n"
