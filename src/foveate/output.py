"""Files that a command writes: whole or not at all, and checked before the work begins.

Knows nothing of what is written.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from foveate.errors import ConfigError
from foveate.files import name_aside
from foveate.printable import make_printable

HALVES = "backslashreplace"  # half a surrogate pair is no text, but must not cost the rest


def check_file(where: str, *, read: str = "-") -> None:
    """Make sure that a file can be written at `where` before any work is done.

    Args:
        where: the file; `-` is standard output.
        read: a file, or two with a comma, that the same command reads.

    Raises:
        ConfigError: it is a folder, its folder is missing, it may not be written, or it is read.
    """
    if where == "-":
        return
    path = Path(where)
    if where == "" or path.is_dir():
        raise ConfigError(f"{where or repr(where)}: is not a file name; name a file to write to")
    if not path.parent.is_dir():
        raise ConfigError(f"{where}: the folder {path.parent} is not there; make it first")
    writable = path if path.exists() and not path.is_file() else path.parent
    if not os.access(writable, os.W_OK):
        raise ConfigError(f"{where}: no permission to write it")
    if path.is_file() and any(_is_same(path, Path(name)) for name in (read, *read.split(","))):
        raise ConfigError(f"{where}: is read by this command and would be lost: name another file")


def _is_same(one: Path, other: Path) -> bool:
    return other.is_file() and one.samefile(other)


def is_page(where: str) -> bool:
    """Return whether a file is to be a page, by its name."""
    return where.lower().endswith((".html", ".htm"))


def check_page(where: str | None) -> Path | None:
    """Return the path of a page that is to be written, where one is wanted.

    Raises:
        ConfigError: it is no name of a page, or cannot be written.
    """
    if where is None:
        return None
    if not is_page(where):
        raise ConfigError(f"{where}: a report is a page: give it a name that ends in .html")
    check_file(where)
    return Path(where)


def check_folder(
    where: str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    what: str = "a model",
    begun: str = "state",
) -> None:
    """Make sure that `where` can become a new folder, or one that can be resumed or overwritten.

    Args:
        where: the folder.
        resume: whether it is to be gone on with.
        overwrite: whether what is there may be replaced.
        what: is kept in it.
        begun: name of a folder in it where something can be resumed.

    Raises:
        ConfigError: something is there already, or cannot be made there.
    """
    path = Path(where)
    if where in ("", "-"):
        raise ConfigError(f"{where!r}: is not a folder name; {what} is a folder")
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{where}: is a file already; {what} is a folder: choose another name")
    is_used = path.is_dir() and any(path.iterdir())
    if resume and not is_used and not overwrite:
        raise ConfigError(f"{where}: nothing to resume there; leave out --resume to begin")
    if is_used and not (resume or overwrite):
        hint = "add --resume to go on, or " if (path / begun).is_dir() else ""
        hint += "--overwrite to replace it, or " if (path / "bundle.json").is_file() else ""
        raise ConfigError(f"{where}: is there already and not empty; {hint}choose another folder")
    parent = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise ConfigError(f"{where}: cannot be made in {parent}: no permission, or not a folder")


class _Terminal(io.StringIO):
    """Writes to a terminal what cannot steer it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(make_printable(text))


@contextmanager
def open_output(where: str) -> Iterator[TextIO]:
    """Open `where` for writing text; `-` is standard output.

    A regular file appears under its name only when everything was written: an error, a full disk
    or Ctrl-C leaves what was there before. A pipe or a device is written to directly.
    """
    if where == "-":
        yield _Terminal(sys.stdout) if sys.stdout.isatty() else sys.stdout
        sys.stdout.flush()
        return
    check_file(where)
    path = Path(os.path.realpath(where))
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", errors=HALVES, newline="\n") as stream:
            yield stream
        return
    beside = name_aside(path)
    try:
        with beside.open("x", encoding="utf-8", errors=HALVES, newline="\n") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
