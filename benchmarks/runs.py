"""Train and evaluate by the command line, and leave alone what is there already."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def train(model: Path, *arguments: str) -> None:
    """Train a model, or go on with its run."""
    bundle = model / "bundle.json"
    if bundle.exists() and not json.loads(bundle.read_text())["summary"].get("was_interrupted"):
        return
    resume = ["--resume"] if (model / "state").exists() else []
    run("train", *arguments, "--out", str(model), *resume)


def evaluate(model: Path, pairs: str, result: Path, *arguments: str) -> None:
    """Score a model and leave the scores in a JSON file."""
    run("evaluate", str(model), pairs, "--json", str(result), *arguments)


def run(*arguments: str) -> None:
    """Run a foveate command, and stop with it when it fails."""
    print("foveate", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "foveate", *arguments], check=True)
