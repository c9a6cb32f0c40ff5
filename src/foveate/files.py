"""Writing files so that a reader never sees half of one, and reading those of strangers.

What is written is written aside, synced, then renamed. What is read from a folder that somebody
sent is a regular file there, no link, pipe or device, and not larger than it may be.
"""

from __future__ import annotations

import glob
import hashlib
import os
import secrets
import shutil
import stat
from pathlib import Path


def encode_text(content: bytes | str) -> bytes:
    """Return text as UTF-8; half a surrogate pair is no text, but must not cost the rest."""
    return content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")


def write_synced(path: Path, content: bytes | str) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as stream:
        stream.write(encode_text(content))
        stream.flush()
        os.fsync(stream.fileno())


def name_aside(path: Path) -> Path:
    """Return an unused name in the same folder, so that a rename stays on one disk."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def is_aside(name: str) -> bool:
    """Say whether a name is one of `name_aside`.

    Example:
        >>> is_aside(name_aside(Path("model")).name), is_aside("film.part")
        (True, False)
    """
    return name.startswith(".") and name.endswith(".part")


def replace_file(path: Path, content: bytes | str, *, is_synced: bool = True) -> None:
    """Put `content` at `path` in one step; what stood there stays whole until then.

    Args:
        path: of the file.
        content: of the file.
        is_synced: wait until it is on the disk.

    Raises:
        OSError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    aside = name_aside(path)
    try:
        if is_synced:
            write_synced(aside, content)
        else:
            aside.write_bytes(encode_text(content))
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    if is_synced:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can say so."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hash_file(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_regular(folder: Path, name: str, most: int) -> bytes:
    """Return the content of a regular file in a folder, or in a real folder there (`onnx/x`).

    Args:
        folder: may itself be reached through a link.
        name: with `/` between its parts.
        most: bytes that it may have.

    Raises:
        OSError: it is not there, no regular file, or cannot be read.
        ValueError: it is larger.
    """
    path = folder
    for part in name.split("/")[:-1]:
        path = path / part
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise OSError(None, "its folder is not a folder of the model")
    path = folder / name
    if not stat.S_ISREG(path.lstat().st_mode):  # never open a pipe: nobody may write to it
        raise OSError(None, "it is not a regular file")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > most:
            raise ValueError(f"it has {size:,} bytes, and may have {most:,}")
        return stream.readall()


def remove(path: Path) -> None:
    """Remove a file or a folder, as far as that is possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_left_overs(path: Path) -> None:
    """Remove what a killed `name_aside(path)` left beside a path."""
    if path.parent.is_dir():
        for found in path.parent.glob(f".{glob.escape(path.name)}.????????.part"):
            remove(found)
