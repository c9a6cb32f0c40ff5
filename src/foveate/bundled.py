"""Models that travel with the package, and what a place that names a model stands for.

`scripts/make_english.py` made the model `english`; its licence lies beside it.
"""

from __future__ import annotations

from pathlib import Path

from foveate.bundle_files import MANIFEST
from foveate.errors import BundleError, did_you_mean

FOLDER = Path(__file__).parent / "models_bundled"
MOST_NAMED = 5  # models of the user that an error names


def list_bundled() -> list[str]:
    """Return the names of the models that travel with the package.

    Example:
        >>> list_bundled()
        ['english']
    """
    return _list_models(FOLDER)


def find_model(place: str | Path) -> Path:
    """Return the folder of a model: the one at `place`, or the bundled model of that name.

    A folder that is there wins. `hf://USER/NAME` is fetched from the Hugging Face hub.

    Raises:
        BundleError: there is neither; the message says which models there are.

    Example:
        >>> find_model("english").name
        'english'
    """
    path = Path(place)
    if path.is_dir():
        return path
    if str(place) in list_bundled():
        return FOLDER / path
    if str(place).startswith("hf:/"):
        from foveate.hub import fetch_model

        return fetch_model(str(place))
    if path.exists():
        raise BundleError(f"{path}: is a file; a model is a folder with a {MANIFEST}")
    raise BundleError(f"{path}: there is no such model{_describe_others(path)}")


def _describe_others(path: Path) -> str:
    """Say which model may have been meant, and which there are."""
    near = [str(path.parent / name) for name in _list_models(path.parent)]
    known = [*near, *list_bundled()]
    listed = [*near[:MOST_NAMED], *["..."] * (len(near) > MOST_NAMED)]
    comes = f"{', '.join(list_bundled())} (comes with Foveate)"
    return f"{did_you_mean(str(path), known)} (there are: {', '.join([*listed, comes])})"


def _list_models(folder: Path) -> list[str]:
    """Return the names of the models in a folder that can be read; of another place, none."""
    try:
        return sorted(found.parent.name for found in folder.glob(f"*/{MANIFEST}"))
    except OSError:
        return []
