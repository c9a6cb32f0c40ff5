"""Two processes of torchrun train what one process trains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from foveate.cli import main
from foveate.search.workers import count_cores, granted_threads
from foveate.training.ranks import Ranks

SMALL = ["--hidden-size", "16", "--no-memory"]
TOGETHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Words of different lengths, and one batch in an epoch that is a single pair."""
    rows = [
        f"{a}{b * n}{c}\t{c}{b}{a}" for a in "abcde" for b in "fgh" for c in "ijk" for n in (1, 3)
    ]
    path = tmp_path_factory.mktemp("torchrun") / "pairs.tsv"
    path.write_text("\n".join([*rows, "x" * 60 + "\t" + "y" * 60]) + "\n", encoding="utf-8")
    return path


def train_together(pairs: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run `foveate train` in two processes."""
    command = [*TOGETHER, "-m", "foveate", "train", str(pairs), "--out", str(out), *SMALL, *more]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def read_weights(out: Path) -> dict[str, NDArray[np.float32]]:
    return load_file(out / "weights.safetensors")


def test_the_shares_of_a_batch_are_the_batch() -> None:
    first, second = Ranks(), Ranks()
    first.size = second.size = 2
    second.rank = 1
    for length in range(4):
        rows = np.arange(length, dtype=np.int64)
        shares = [*first.share(rows), *second.share(rows)]
        assert sorted(shares) == rows.tolist()


def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert granted_threads() == max(1, count_cores() // 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    assert granted_threads() == 1


@pytest.mark.long
def test_two_processes_end_with_the_weights_of_one(pairs: Path, tmp_path: Path) -> None:
    told = ["--max-updates", "12", "--num-validations", "2", "--dropout", "0"]
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert main(["train", str(pairs), "--out", str(alone), "--threads", "1", *SMALL, *told]) == 0
    run = train_together(pairs, together, *told)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("the model is in") == 1
    expected, found = read_weights(alone), read_weights(together)
    assert expected.keys() == found.keys()
    for name, weights in expected.items():
        np.testing.assert_allclose(found[name], weights, atol=1e-4, err_msg=name)
    assert sorted(file.name for file in together.iterdir()) == sorted(
        file.name for file in alone.iterdir()
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_that_are_killed_go_on_bit_for_bit(pairs: Path, tmp_path: Path) -> None:
    told = ["--max-updates", "400", "--num-validations", "20"]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert train_together(pairs, straight, *told).returncode == 0
    command = [*TOGETHER, "-m", "foveate", "train", str(pairs), "--out", str(killed), *SMALL, *told]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not (killed / "log.jsonl").exists():
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        time.sleep(1)
    for line in subprocess.run(["pgrep", "-f", str(killed)], capture_output=True).stdout.split():
        os.kill(int(line), signal.SIGKILL)  # torchrun begins sessions of its own
    assert not (killed / "bundle.json").exists(), "it was over before it was killed"
    again = train_together(pairs, killed, *told, "--resume")
    assert again.returncode == 0, again.stderr
    expected, found = read_weights(straight), read_weights(killed)
    for name, weights in expected.items():
        np.testing.assert_array_equal(found[name], weights, err_msg=name)


def test_what_they_do_not_do_together_is_said(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    out = tmp_path / "out"
    assert main(["train", str(pairs), "--out", str(out), "--models", "2"]) == 2
    assert "--models: does not go with torchrun" in capsys.readouterr().err
    assert not out.exists()
