"""All contenders by name, and how their processes are run."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from rivals.environments import InstallationError, prepare_environment
from rivals.job import Job

MODULES = (
    "foveate",
    "plain_torch",
    "joeynmt",
    "opennmt",
    "yoyodyne",
    "marian",
    "huggingface",
    "ctranslate2",
)
BENCHMARKS = Path(__file__).resolve().parents[1]
LAST_WORDS = 300  # characters of an error that the table shows


class ContenderError(Exception):
    """A contender does not install or run; the message is its last word."""


@dataclass(frozen=True)
class Contender:
    """One way to run one toolkit."""

    name: str
    module: ModuleType
    settings: dict[str, Any]

    @property
    def file(self) -> str:
        """Name of its file in this folder."""
        return self.module.__name__.rpartition(".")[2]

    @property
    def note(self) -> str:
        """What has to be known of it."""
        return str(getattr(self.module, "NOTES", {}).get(self.name, ""))

    def can(self, task: str) -> bool:
        """Say whether it can train or decode."""
        return hasattr(self.module, task)

    def engines(self) -> tuple[str, ...]:
        """What it can decode with."""
        return tuple(getattr(self.module, "ENGINES", ("",)))

    def run(self, job: Job, environments: Path, timeout: float) -> dict[str, Any]:
        """Do a job in a process of its own, and return what it measured.

        Raises:
            ContenderError: it does not install, run, or end in time.
        """
        try:
            python = prepare_environment(self.file, self.module.PINS, environments)
        except InstallationError as error:
            raise ContenderError(f"does not install: {error}") from None
        job.work.mkdir(parents=True, exist_ok=True)
        told, result = job.work.parent / "job.json", job.work.parent / "result.json"
        result.unlink(missing_ok=True)
        job.started = time.time()
        told.write_text(json.dumps(asdict(job), default=str), encoding="utf-8")
        log = job.work.parent / f"{job.task}.log"
        command = [str(python), "-m", "rivals.job", str(told), str(result)]
        status = run_process(command, self._environment(job), log, timeout)
        if not result.exists():
            raise ContenderError(last_words(log) or f"ended with {status}")
        measured: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return measured

    def _environment(self, job: Job) -> dict[str, str]:
        threads = {f"{name}_NUM_THREADS": str(job.threads) for name in ("OMP", "MKL", "OPENBLAS")}
        paths = [str(BENCHMARKS)]
        if self.module.PINS is None and "PYTHONPATH" in os.environ:
            paths.append(os.environ["PYTHONPATH"])
        return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)}


def find_contenders() -> Iterator[Contender]:
    """Yield all contenders, in the order of their files."""
    for name in MODULES:
        module = importlib.import_module(f"rivals.{name}")
        for contender, settings in module.CONTENDERS.items():
            yield Contender(contender, module, settings)


def run_process(command: list[str], environment: dict[str, str], log: Path, timeout: float) -> int:
    """Run a command, all that it prints into a log, and return its exit status.

    It is the first of a group of processes, which is ended as a whole: a toolkit may have begun
    others.

    Raises:
        ContenderError: it does not end in time.
    """
    with (
        log.open("w", encoding="utf-8") as stream,
        subprocess.Popen(
            command,
            stdout=stream,
            stderr=stream,
            env=environment,
            cwd=log.parent,
            start_new_session=True,
        ) as process,
    ):
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ContenderError(f"not done after {timeout:g} seconds") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def last_words(log: Path) -> str:
    """Return the last line of a log that is not empty: of a traceback, the error."""
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][-LAST_WORDS:] if lines else ""
