"""Foveate: sequence-to-sequence models with attention, made for CPUs.

The public names are loaded when they are first used (PEP 562), so that `import foveate` and
`foveate --help` load neither PyTorch nor matplotlib.

Example:
    >>> from foveate import Seq2Seq
    >>> model = Seq2Seq(minutes=5)
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
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
    from foveate.evaluation import evaluate
    from foveate.inside_values import Choice, Explanation, Look, TreeNode
    from foveate.metrics import get_scorer, measure
    from foveate.publish import push_to_hub
    from foveate.records import Pair, Request, Sampling, Translation
    from foveate.runs import Run
    from foveate.translator import Translator

__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "Choice",
    "Config",
    "ConfigError",
    "DataError",
    "Explanation",
    "ExportError",
    "FoveateError",
    "Look",
    "MissingExtraError",
    "ModelMismatchError",
    "Pair",
    "Request",
    "Run",
    "Sampling",
    "SearchError",
    "Seq2Seq",
    "Suspicion",
    "TrainingError",
    "Translation",
    "Translator",
    "TreeNode",
    "__version__",
    "check",
    "evaluate",
    "get_scorer",
    "measure",
    "push_to_hub",
    "read_pairs",
]

# A plain install has no scikit-learn; then `import *` and `help` do without the estimator.
if find_spec("sklearn") is None:
    __all__.remove("Seq2Seq")

_HOMES = {
    "Choice": "inside_values",
    "Config": "config",
    "Explanation": "inside_values",
    "Look": "inside_values",
    "Pair": "records",
    "Request": "records",
    "Run": "runs",
    "Sampling": "records",
    "Seq2Seq": "estimator",
    "Suspicion": "checking",
    "Translation": "records",
    "Translator": "translator",
    "TreeNode": "inside_values",
    "check": "checking",
    "evaluate": "evaluation",
    "get_scorer": "metrics",
    "measure": "metrics",
    "push_to_hub": "publish",
    "read_pairs": "data.readers",
}


def _load_drawer() -> Drawer:
    from foveate.insight import plots

    return plots


set_drawer(_load_drawer)


def __getattr__(name: str) -> Any:
    if name not in __all__ and name not in _HOMES:
        raise AttributeError(f"module 'foveate' has no attribute {name!r}")
    home = import_module(f"foveate.{_HOMES.get(name, 'errors')}")
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
