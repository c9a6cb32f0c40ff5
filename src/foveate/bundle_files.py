"""The files of a bundle on disk: written so that a model is old or new, and read with suspicion.

Files are known by name, hash and bytes; what is in them is none of this file's business.

How a model replaces another in a folder that stays (it may hold the run's `state/` too):

1. the new files are written to `.saving.xxxxxxxx/` in the folder, and synced;
2. the new `bundle.json` is renamed into place: from here on the model is the new one, whose other
   files are found by their hashes, here or there;
3. they are moved to their names, and what is left of the old model is removed. A card that
   somebody has edited stays.

A save that was killed before 2 leaves the old model, after it the new one; the next save tidies up.
A folder that is not there yet is written aside, `.name.xxxxxxxx.part`, and renamed as a whole.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from foveate.errors import BundleError
from foveate.files import (
    name_aside,
    read_regular,
    remove,
    remove_left_overs,
    sync_folder,
    write_synced,
)

MANIFEST = "bundle.json"
CARD = "README.md"
SAVING = ".saving."
RUN_PARTS = ("state", "log.jsonl")  # of the training that made a model, in its folder
GRAPH = re.compile(r"onnx/((?:\d{1,2}\.)?(?:start|step))\.onnx")
KIBI, MEBI, GIBI = 2**10, 2**20, 2**30
MOST_MANIFEST = 64 * MEBI

# Every file that may compute, and the bytes that it may have. Nothing else of a folder is read.
KNOWN: dict[str, int] = {
    "config.toml": 64 * KIBI,
    "runtime.json": MEBI,
    "weights.safetensors": 8 * GIBI,
    "memory.json": GIBI,
    "words.json": 256 * MEBI,
    **{f"{side}.vocabulary.txt": 64 * MEBI for side in ("source", "target", "shared")},
    **{f"{side}.sentencepiece.model": 64 * MEBI for side in ("source", "target", "shared")},
}
MOST_GRAPH = 2 * GIBI


def size_limit(name: str) -> int | None:
    """Return how many bytes a file of a bundle may have; None when a bundle has no such file."""
    return MOST_GRAPH if GRAPH.fullmatch(name) else KNOWN.get(name)


def digest(data: bytes) -> str:
    """Return the sha256 of some bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def identify(version: int, hashes: Mapping[str, str]) -> str:
    """Return the id of a model: the sha256 of its format and of a line for each file of it.

    The lines are those of `sha256sum`, in the order of the names.
    """
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    return digest(f"foveate {version}\n{lines}".encode())


def read_checked(folder: Path, name: str, wanted: str) -> bytes:
    """Return a file whose hash is right, where a save may have been killed while it moved it.

    Raises:
        BundleError: it is missing, damaged, too large, or no regular file.
    """
    data = _read(folder, name)
    if data is not None and digest(data) == wanted:
        return data
    for place in _saving_folders(folder):
        staged = _read(place, name)
        if staged is not None and digest(staged) == wanted:
            return staged
    if data is None:
        raise BundleError(f"{folder / name}: is missing from the model: copy the whole folder")
    raise BundleError(
        f"{folder / name}: is damaged (its sha256 is not the one in {MANIFEST}): "
        "copy or train it again"
    )


def _read(folder: Path, name: str) -> bytes | None:
    try:
        return read_regular(folder, name, size_limit(name) or 0)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BundleError(f"{folder / name}: cannot read it: {error.strerror}") from None
    except ValueError as error:
        raise BundleError(f"{folder / name}: {error}") from None


def _saving_folders(folder: Path) -> Iterator[Path]:
    for place in sorted(folder.glob(f"{SAVING}????????")):
        if place.is_dir() and not place.is_symlink():
            yield place


def write_model(
    path: Path, files: Mapping[str, bytes], manifest: bytes, card: bytes, keep_card: bool = True
) -> None:
    """Write a model to `path`, where there is none, or put it in the place of the one there.

    Args:
        path: folder of the model.
        files: by name.
        manifest: written last.
        card: of the model.
        keep_card: one that somebody has edited stays.

    Raises:
        OSError: it cannot be written; the model that was there is there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_left_overs(path)
    if path.exists():
        _replace_model(path, files, manifest, None if keep_card and is_card_edited(path) else card)
        return
    aside = name_aside(path)
    try:
        _write_all(aside, {**files, CARD: card, MANIFEST: manifest})
        aside.rename(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    sync_folder(path.parent)


def _write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, data in files.items():
        place = folder / name
        if place.parent != folder:
            place.parent.mkdir(exist_ok=True)
        write_synced(place, data)
    for inner in {(folder / name).parent for name in files}:
        sync_folder(inner)


def _replace_model(
    path: Path, files: Mapping[str, bytes], manifest: bytes, card: bytes | None
) -> None:
    tidy(path, _read_hashes(path))
    kept = {} if card is None else {CARD: card}
    saving = path / f"{SAVING}{secrets.token_hex(4)}"
    is_written = False
    try:
        _write_all(saving, {**files, **kept, MANIFEST: manifest})
        is_written = True
        sync_folder(path)
        (saving / MANIFEST).replace(path / MANIFEST)
    finally:
        if not is_written or (saving / MANIFEST).exists():  # else the new model counts
            shutil.rmtree(saving, ignore_errors=True)
    sync_folder(path)
    tidy(path, _read_hashes(path))


def tidy(path: Path, hashes: Mapping[str, str]) -> None:
    """Move what a save has still to move, and remove what it or the model before left.

    Args:
        path: folder of a model.
        hashes: of its files, by name; nothing is removed where there are none.
    """
    for saving in _saving_folders(path):
        for name, wanted in hashes.items():
            if _has(saving, name, wanted):
                (path / name).parent.mkdir(exist_ok=True)
                (saving / name).replace(path / name)
    folders = {(path / name).parent for name in hashes if (path / name).parent.is_dir()}
    for folder in folders:
        sync_folder(folder)
    for saving in _saving_folders(path):
        shutil.rmtree(saving, ignore_errors=True)
    if hashes:
        graphs = [f"onnx/{place.name}" for place in path.glob("onnx/*.onnx")]
        for name in {*KNOWN, *filter(GRAPH.fullmatch, graphs)} - hashes.keys():
            (path / name).unlink(missing_ok=True)
        with suppress(OSError):  # it is not there, or somebody's own files are in it
            (path / "onnx").rmdir()


def tidy_up(path: Path) -> None:
    """Finish what a killed save of a model left to do, in the folder and beside it."""
    remove_left_overs(path)
    if path.is_dir():
        tidy(path, _read_hashes(path))


@contextmanager
def make_room(path: Path, identity: str, overwrite: bool) -> Iterator[None]:
    """Let a model be saved at `path` in the context, where no other one is, or that may go.

    What belongs to the other one beside its files, the state and the log of its training, is set
    aside first and removed when the new model is there. It comes back where that fails.

    Args:
        path: folder of the model.
        identity: of the model that is to be saved.
        overwrite: another model may go.

    Raises:
        BundleError: there is another model, and it may not go.
    """
    before, parts = find_id(path), [path / name for name in RUN_PARTS]
    kept = [part for part in parts if part.exists()]
    if (before and before == identity) or not (before or kept):
        yield
        return
    if not overwrite:
        what = "another model" if before else "a training run"
        raise BundleError(
            f"{path}: holds {what} already: choose another folder, or say overwrite=True"
        )
    for part in parts:
        remove_left_overs(part)
    moved = [(part, name_aside(part)) for part in kept]
    for place, aside in moved:
        place.rename(aside)
    try:
        yield
    except BaseException:
        for place, aside in moved:
            aside.rename(place)
        raise
    for _, aside in moved:
        remove(aside)


def find_id(path: Path) -> str:
    """Return the id of the model in a folder; where there is none, nothing."""
    try:
        manifest = json.loads(read_regular(path, MANIFEST, MOST_MANIFEST))
        return str(manifest.get("id") or "of an older format")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, AttributeError, RecursionError):
        return "damaged"


def _has(folder: Path, name: str, wanted: str) -> bool:
    path = folder / name
    return path.is_file() and digest(path.read_bytes()) == wanted


def is_card_edited(path: Path) -> bool:
    """Tell whether somebody has written into the card of the model that is there."""
    hashes = _read_hashes(path)
    return CARD in hashes and (path / CARD).is_file() and not _has(path, CARD, hashes[CARD])


def _read_hashes(path: Path) -> dict[str, str]:
    """Return the files of the model in a folder, the card among them; none when there is none."""
    try:
        manifest = json.loads(read_regular(path, MANIFEST, MOST_MANIFEST))
        named = {**manifest["files"], CARD: manifest.get("card", "")}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return {
        name: wanted
        for name, wanted in named.items()
        if isinstance(wanted, str) and (name == CARD or size_limit(name) is not None)
    }
