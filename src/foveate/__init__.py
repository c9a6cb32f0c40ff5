"""Foveate: sequence-to-sequence models with attention, made for CPUs.

The public names are loaded when they are first used (PEP 562), so that `import foveate` and
`foveate --help` load neither PyTorch nor matplotlib.

Example:
    >>> from foveate import Seq2Seq
    >>> model = Seq2Seq(minutes=5)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from foveate.drawing import Drawer, set_drawer

if TYPE_CHECKING:
    from foveate.checking import Suspicion, check
    from foveate.config import Config
    from foveate.data.readers import read_pairs
    from foveate.errors import (
        BundleError,
        ConfigError,
        DataError,
        ExportError,
        FoveateError,
        MissingExtraError,
        ModelMismatchError,
        SearchError,
        TrainingError,
    )
    from foveate.estimator import Seq2Seq
    from foveate.records import Pair, Request, Sampling, Translation
    from foveate.translator import Translator

__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "Config",
    "ConfigError",
    "DataError",
    "ExportError",
    "FoveateError",
    "MissingExtraError",
    "ModelMismatchError",
    "Pair",
    "Request",
    "Sampling",
    "SearchError",
    "Seq2Seq",
    "Suspicion",
    "TrainingError",
    "Translation",
    "Translator",
    "__version__",
    "check",
    "read_pairs",
]

_HOMES = {
    "Config": "config",
    "Pair": "records",
    "Request": "records",
    "Sampling": "records",
    "Seq2Seq": "estimator",
    "Suspicion": "checking",
    "Translation": "records",
    "Translator": "translator",
    "check": "checking",
    "read_pairs": "data.readers",
}


def _load_drawer() -> Drawer:
    from foveate.insight import plots

    return plots


set_drawer(_load_drawer)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'foveate' has no attribute {name!r}")
    home = import_module(f"foveate.{_HOMES.get(name, 'errors')}")
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
