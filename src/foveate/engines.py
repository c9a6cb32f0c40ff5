"""A model as a callable on columns, for engines that spread work over many machines.

Knows none of the engines: each hands over a batch of columns, and gets it back with one more.
PyTorch is loaded only for a model that was not exported.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Unpack

import numpy as np

from foveate.backends import Backend
from foveate.bundle import read_manifest
from foveate.bundled import find_model
from foveate.errors import ConfigError, DataError, did_you_mean
from foveate.translator import Translator
from foveate.wishes import Wishes

MOST_MODELS = 4  # that one worker keeps
_loading = Lock()


class Translate:
    """Translate a column of a batch into a further column.

    A batch is a dict of lists or of NumPy arrays, a pandas DataFrame or a pyarrow Table. The answer
    is of the same kind, with all rows in their order and all columns. A missing text (None, NaN)
    has a missing output. The object is small and can be pickled: every worker loads the model once,
    at its first batch.

    Args:
        model: a model's folder, which every worker can read; or the name of a bundled model.
        column: where the sources stand.
        output: where the outputs go.
        backend: what computes; `auto` is ONNX Runtime for an exported model, else PyTorch.
        threads: processor threads of a worker. Engines run a worker for each core, so 1.
        max_source: most tokens of a source, see `Translator`.
        trust_code: code of somebody's own that the model names may be imported.
        wishes: the fields of `foveate.Request`, such as `beam_size`. Samples are drawn by the
            number of a row in its batch.

    Raises:
        BundleError: there is no model.
        ConfigError: `output` is `column`.
        SearchError: what is wanted makes no sense.

    Example:
        >>> translate = Translate("english")
        >>> translate({"word": ["a"]})
        Traceback (most recent call last):
        foveate.errors.ConfigError: there is no column 'text' in the batch: it has word
    """

    def __init__(
        self,
        model: str | Path,
        column: str = "text",
        output: str = "translation",
        *,
        backend: Backend = "auto",
        threads: int = 1,
        max_source: int | None = None,
        trust_code: bool = False,
        **wishes: Unpack[Wishes],
    ) -> None:
        if column == output:
            raise ConfigError(f"output: must be another column than {column!r}")
        unknown = [name for name in wishes if name not in Wishes.__annotations__]
        if unknown:
            hint = did_you_mean(unknown[0], Wishes.__annotations__)
            raise TypeError(f"Translate has no argument {unknown[0]!r}{hint}")
        place = find_model(str(model))
        self.column, self.output, self.wishes = column, output, wishes
        self._id = read_manifest(place).id
        self._load = (str(place.resolve()), self._id, backend, threads, max_source, trust_code)

    def __call__(self, batch: Any) -> Any:
        """Return the batch with the column of outputs.

        Raises:
            ConfigError: there is no column of sources, or there is one of that name for outputs.
            DataError: a source is no text.
        """
        self._check_columns(batch)
        values = _to_list(batch, self.column)
        texts = [_to_text(value, row, self.column) for row, value in enumerate(values)]
        given = [text or "" for text in texts]
        with _loading:
            translator = _load(*self._load)
        wishes: Wishes = {"attention": False, **self.wishes}
        found = translator.translate(given, **wishes)
        outputs = [
            None if text is None else one.text for text, one in zip(texts, found, strict=True)
        ]
        return _add_column(batch, self.output, outputs, batch_column=self.column)

    def describe(self) -> dict[str, Any]:
        """Return what decides the outputs, as plain values: model, columns and wishes."""
        wishes = {name: str(value) for name, value in sorted(self.wishes.items())}
        return {"model": self._id, "column": self.column, "output": self.output, **wishes}

    def __repr__(self) -> str:
        return f"Translate({self._load[0]!r}, column={self.column!r}, output={self.output!r})"

    def _check_columns(self, batch: Any) -> None:
        names = _names(batch)
        if self.column not in names:
            shown = ", ".join(names)
            raise ConfigError(f"there is no column {self.column!r} in the batch: it has {shown}")
        if self.output in names:
            raise ConfigError(
                f"the batch has a column {self.output!r} already: give another name as output"
            )


@lru_cache(maxsize=MOST_MODELS)
def _load(
    place: str,
    model_id: str,
    backend: Backend,
    threads: int,
    max_source: int | None,
    trust_code: bool,
) -> Translator:
    """Load a model once in this process.

    Raises:
        ConfigError: it is not the model that the callable was made with.
    """
    translator = Translator.load(
        place, backend=backend, threads=threads, max_source=max_source, trust_code=trust_code
    )
    if translator.bundle.id != model_id:
        raise ConfigError(
            f"{place}: is model {translator.bundle.id[:12]} here, and was {model_id[:12]} where "
            "the work was begun: give all workers the same model"
        )
    return translator


def _is_a(batch: Any, library: str, kind: str) -> bool:
    """Tell whether a batch is of a library's kind; one that is not loaded has made no batch."""
    module = sys.modules.get(library)
    return module is not None and isinstance(batch, vars(module)[kind])


def _names(batch: Any) -> list[str]:
    if _is_a(batch, "pyarrow", "Table"):
        return list(batch.column_names)
    if _is_a(batch, "pandas", "DataFrame"):
        return [str(name) for name in batch.columns]
    if isinstance(batch, Mapping):
        return list(batch)
    raise ConfigError(
        f"a batch is a dict of columns, a pandas DataFrame or a pyarrow Table, not {type(batch)}"
    )


def _to_list(batch: Any, column: str) -> list[Any]:
    if _is_a(batch, "pyarrow", "Table"):
        return list(batch.column(column).to_pylist())
    return list(batch[column])


def _to_text(value: Any, row: int, column: str) -> str | None:
    pandas = sys.modules.get("pandas")
    is_missing = value is None or (pandas is not None and value is vars(pandas).get("NA"))
    if is_missing or (isinstance(value, float) and math.isnan(value)):
        return None
    if not isinstance(value, str):
        raise DataError(f"column {column!r}, row {row} of the batch: {value!r:.60} is no text")
    return str(value)


def _add_column(batch: Any, name: str, values: list[str | None], *, batch_column: str) -> Any:
    if _is_a(batch, "pyarrow", "Table"):
        import pyarrow

        return batch.append_column(name, pyarrow.array(values, pyarrow.string()))
    if _is_a(batch, "pandas", "DataFrame"):
        import pandas

        return batch.assign(**{name: pandas.Series(values, batch.index, dtype=object)})
    is_array = isinstance(batch[batch_column], np.ndarray)
    return {**batch, name: np.array(values, dtype=object) if is_array else values}
