"""Models on the Hugging Face hub, fetched by name.

Only files of a model are fetched, each no larger than a model may have it; code never is. The
folder is then checked like that of any stranger.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foveate.bundle_files import CARD, MANIFEST, MEBI, size_limit
from foveate.errors import BundleError, ConfigError, MissingExtraError

NAME = re.compile(r"hf:/{1,2}([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
MOST_CARD = 4 * MEBI


def fetch_model(name: str) -> Path:
    """Return the folder of a model of the hub, fetched where it is not here already.

    It lies in the cache of the hub's library, in a folder of its commit.

    Args:
        name: `hf://USER/NAME`, or `hf://USER/NAME@REVISION`.

    Raises:
        ConfigError: the name is not of that form.
        MissingExtraError: huggingface-hub is not installed.
        BundleError: the hub has no such model, cannot be reached, or what is there is no model.
    """
    repository, revision = parse_name(name)
    hub = import_hub()
    with tell_of_hub(name):
        found = hub.HfApi().model_info(repository, revision=revision, files_metadata=True)
        sizes = {file.rfilename: file.size or 0 for file in found.siblings or []}
        _check_sizes(name, sizes)
        folder = _cache(hub) / repository / str(found.sha)
        if not (folder / MANIFEST).is_file():
            _download(hub, repository, str(found.sha), folder, list(filter(is_of_model, sizes)))
    return folder


def parse_name(name: str) -> tuple[str, str | None]:
    """Return repository and revision.

    Raises:
        ConfigError: the name is not of the form of one.

    Example:
        >>> parse_name("hf://somebody/ipa@v2")
        ('somebody/ipa', 'v2')
    """
    found = NAME.fullmatch(name)
    if found is None or ".." in name:
        raise ConfigError(
            f"{name}: a model on the hub is hf://USER/NAME or hf://USER/NAME@REVISION"
        )
    return found[1], found[2]


def import_hub() -> Any:
    """Return the hub's library.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import huggingface_hub
    except ModuleNotFoundError:
        raise MissingExtraError("huggingface-hub", "hub", "a model on the hub") from None
    return huggingface_hub


def _cache(hub: Any) -> Path:
    return Path(hub.constants.HF_HOME) / "foveate"


def _download(hub: Any, repository: str, commit: str, folder: Path, names: list[str]) -> None:
    """Fetch files of a model; the manifest last, so that a folder which has one is whole."""
    names.sort(key=lambda name: name == MANIFEST)
    for name in names:
        hub.hf_hub_download(repository, name, revision=commit, local_dir=folder)


def is_of_model(name: str) -> bool:
    """Return whether a file of that name belongs to a model."""
    return name in (MANIFEST, CARD) or size_limit(name) is not None


def _check_sizes(name: str, sizes: dict[str, int]) -> None:
    if MANIFEST not in sizes:
        raise BundleError(f"{name}: is no Foveate model: it has no {MANIFEST}")
    for file, size in sizes.items():
        most = MOST_CARD if file == CARD else size_limit(file)
        if most is not None and size > most:
            raise BundleError(f"{name}: {file} has {size:,} bytes; a model has {most:,} at most")


@contextmanager
def tell_of_hub(name: str) -> Iterator[None]:
    """Turn what the hub's library raises into one line."""
    import huggingface_hub.errors as errors

    try:
        yield
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError):
        raise BundleError(
            f"{name}: the hub has no such model, or it is private: hf auth login"
        ) from None
    except (errors.HTTPError, errors.HFValidationError, OSError) as error:  # type: ignore[attr-defined]
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise BundleError(f"{name}: the hub does not answer as it should: {reason}") from None
