"""Writing files so that a reader never sees half of one: aside, synced, then renamed."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path


def write_synced(path: Path, content: bytes | str) -> None:
    """Write a file and wait until it is on the disk."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def name_aside(path: Path) -> Path:
    """Return an unused name in the same folder, so that a rename stays on one disk."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def replace_file(path: Path, content: bytes | str) -> None:
    """Put `content` at `path` in one step; what stood there stays whole until then.

    Raises:
        OSError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    aside = name_aside(path)
    try:
        write_synced(aside, content)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
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
