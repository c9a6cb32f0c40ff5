"""Where a model comes from: when it was trained, with what, on which machine, from which files."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from foveate.bundle import package_version
from foveate.search.workers import count_cores

BLOCK = 2**20  # bytes


def describe_origin(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return date, versions and machine, beside what the user told of data, licence and language.

    Example:
        >>> describe_origin({"language": "de"})["language"]
        'de'
    """
    return {
        **told,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "versions": {
            "foveate": package_version(),
            "pytorch": version("torch"),
            "python": platform.python_version(),
        },
        "machine": f"{platform.system()} {platform.machine()}, {count_cores()} cores",
    }


def describe_data(where: str, part: str) -> list[dict[str, Any]]:
    """Return name, size and sha256 of the files of a set of pairs; nothing of standard input.

    Args:
        where: the file, or SOURCE,TARGET.
        part: which set it is: train, dev or test.
    """
    places = [where] if Path(where).is_file() else where.split(",")
    return [_describe_file(Path(place), part) for place in places if Path(place).is_file()]


def _describe_file(path: Path, part: str) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(BLOCK), b""):
            digest.update(block)
    return {
        "set": part,
        "name": path.name,
        "bytes": path.stat().st_size,
        "sha256": digest.hexdigest(),
    }
