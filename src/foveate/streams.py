"""The streams and the terminal that a process was given, made fit before a command begins.

A closed standard stream, a terminal one column wide or a number in the environment that is none
must not be a traceback. Only `cli.main` calls this: importing Foveate changes nothing.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from contextlib import suppress

LEAST_COLUMNS, MOST_COLUMNS = 40, 1000


def prepare_streams() -> None:
    """Open what is closed, write UTF-8 into files and pipes, and see to a usable width."""
    _open_closed()
    _write_utf8()
    _bound_terminal()


def drop_output() -> None:
    """Send what is still to be written nowhere, so that leaving does not fail once more."""
    with suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.close(sink)


def _open_closed() -> None:
    """Put something in the place of closed standard streams.

    Otherwise the next file that is opened has their number, and messages are written into it.
    Reading from a closed input and writing results to a closed output fail, as elsewhere;
    messages that nobody wants are dropped.
    """
    for number, (name, mode) in enumerate(
        (("stdin", os.O_WRONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))
    ):
        if getattr(sys, name) is not None:
            continue
        with suppress(OSError):
            os.fstat(number)
            continue  # it is open, only Python does not know: leave it
        opened = os.open(os.devnull, mode)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or _open_for_writing(1)
    sys.stderr = sys.stderr or _open_for_writing(2)


def _open_for_writing(number: int) -> io.TextIOWrapper:
    raw = io.FileIO(number, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8")


def _write_utf8() -> None:
    """Write UTF-8 into files and pipes; a terminal keeps its own encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _bound_terminal() -> None:
    """See that help and tables find a width that they can be laid out in."""
    for name in ("COLUMNS", "LINES"):
        value = os.environ.get(name, "")
        if value and not (value.isascii() and value.isdigit() and len(value) < 7):
            del os.environ[name]
    columns = shutil.get_terminal_size((80, 24)).columns
    bounded = min(max(columns, LEAST_COLUMNS), MOST_COLUMNS)
    if bounded != columns or os.environ.get("COLUMNS") == "0":
        os.environ["COLUMNS"] = str(bounded)
