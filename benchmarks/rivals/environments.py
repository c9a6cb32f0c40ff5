"""A virtual environment for each toolkit: made once, and again when its pins change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

STAMP = "installed.txt"
Pins = list[list[str]]


class InstallationError(Exception):
    """A toolkit cannot be installed; the message is pip's last word."""


def prepare_environment(name: str, pins: Pins | None, folder: Path) -> Path:
    """Return the Python of a toolkit's environment, and make it where it is missing.

    Args:
        name: of the environment.
        pins: what each call of pip installs, flags included; None is the environment of the caller.
        folder: of all environments.

    Raises:
        InstallationError: pip failed.
    """
    if pins is None:
        return Path(sys.executable)
    home = folder / name
    python, stamp = home / "bin" / "python", home / STAMP
    wanted = "".join(" ".join(call) + "\n" for call in pins)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    shutil.rmtree(home, ignore_errors=True)
    print(f"installing {name} into {home}", flush=True)
    _run([sys.executable, "-m", "venv", str(home)])
    for call in pins:
        _run([str(python), "-m", "pip", "install", "--quiet", *call])
    stamp.write_text(wanted, encoding="utf-8")
    return python


def _run(command: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        raise InstallationError(said[-1] if said else done.stderr.strip()[-300:])
