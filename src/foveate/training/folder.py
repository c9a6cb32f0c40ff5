"""The folder of a run: who may begin or go on in it, and what a kill left there.

    model/state/        the run (training/state.py), and its lock
    model/log.jsonl     a row for each report
    model/bundle.json   and the other files of the bundle, once there is one

Does not load PyTorch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from foveate.bundle import MANIFEST, refuse_foreign
from foveate.bundle_files import tidy_up
from foveate.errors import BundleError
from foveate.files import remove

if sys.platform != "win32":  # there nothing keeps two runs apart
    import fcntl

STATE = "state"
LOG = "log.jsonl"
LOCK = "lock"
RUN = "run.json"
MEMBER = "model-"


def holds_progress(out: Path) -> bool:
    """Say whether something would be lost if a run were begun anew in `out`."""
    state = out / STATE
    if (out / MANIFEST).exists():
        return True
    names = [entry.name for entry in state.iterdir()] if state.is_dir() else []
    return any(name.isdigit() or name.startswith(MEMBER) for name in names)


def is_new_run_possible(out: Path) -> bool:
    """Say whether `out` is empty, not there, or holds a run that was killed before its first save.

    Example:
        >>> is_new_run_possible(Path("/nowhere"))
        True
    """
    names = {entry.name for entry in out.iterdir()} if out.is_dir() else set()
    return names <= {STATE, LOG} and not holds_progress(out)


def was_killed_early(out: Path) -> bool:
    """Say whether `out` holds a run that was killed before its first save, and nothing else."""
    return (out / STATE).is_dir() and is_new_run_possible(out)


def check_new_run(out: Path, overwrite: bool = False) -> None:
    """Raise a BundleError where a new run would destroy something that it may not overwrite."""
    refuse_foreign(out)
    if overwrite:
        return
    if (out / MANIFEST).exists() and not (out / STATE).is_dir():
        raise BundleError(f"{out}: holds a model already: choose another folder, or overwrite it")
    if holds_progress(out):
        raise BundleError(
            f"{out}: holds a training run: add --resume to go on with it, choose another folder "
            "or overwrite it"
        )


@contextmanager
def lock_folder(out: Path | None) -> Iterator[None]:
    """Keep other runs out of a folder until the end of the context; the kernel ends it on a kill.

    Raises:
        BundleError: another run is at work there, or nothing can be written there.
    """
    if out is None:
        yield
        return
    try:
        (out / STATE).mkdir(parents=True, exist_ok=True)
        handle = os.open(out / STATE / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise BundleError(f"{out}: cannot write there: {error.strerror}") from None
    try:
        if not _lock(handle, out / STATE / LOCK):
            raise BundleError(
                f"{out}: another run is at work there: wait for its end, or choose another folder"
            )
        try:
            yield
        finally:
            _leave_no_trace(out)
    finally:
        os.close(handle)


def _lock(handle: int, path: Path) -> bool:
    """Take a lock, unless another process has it, or has just removed the file."""
    if sys.platform != "win32":
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a disk of the network that knows no locks
            return True
    return path.exists() and os.fstat(handle).st_ino == path.stat().st_ino


def _leave_no_trace(out: Path) -> None:
    """Remove the folder of a run that failed before it had begun."""
    if {entry.name for entry in out.glob(f"{STATE}/*")} == {LOCK}:
        with suppress(OSError):
            (out / STATE / LOCK).unlink()
            (out / STATE).rmdir()
            out.rmdir()  # unless there is something else


def list_members(out: Path) -> list[Path]:
    """Return the folders of the members of an ensemble, or the student of one."""
    return sorted(out.glob(f"{STATE}/{MEMBER}*"))


def remove_leftovers(out: Path) -> None:
    """Remove what a kill left half written: `.part` in the folder, beside it, and in its state."""
    tidy_up(out)
    for left in (*out.glob(".*.part"), *out.glob(f"{STATE}/.*.part")):
        remove(left)
