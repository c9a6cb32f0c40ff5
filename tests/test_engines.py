"""A model as a callable on columns: every kind of batch, pickled, in processes."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from foveate.engines import Translate
from foveate.errors import ConfigError, DataError
from foveate.translator import Translator

MODEL = str(Path(__file__).parent / "golden-onnx" / "format-2")
WORDS = ["ab", "ba", "", "abc", "cab"]


@pytest.fixture(scope="module")
def expected() -> list[str]:
    return [one.text for one in Translator.load(MODEL, threads=1).translate(WORDS)]


@pytest.fixture(scope="module")
def translate() -> Translate:
    loaded: Translate = pickle.loads(pickle.dumps(Translate(MODEL, "word", "out")))
    return loaded


def test_lists(translate: Translate, expected: list[str]) -> None:
    batch = {"id": [5, 4, 3, 2, 1], "word": WORDS}
    assert translate(batch) == {"id": [5, 4, 3, 2, 1], "word": WORDS, "out": expected}
    assert "out" not in batch
    assert len(set(expected)) > 2


def test_arrays(translate: Translate, expected: list[str]) -> None:
    found = translate({"word": np.array(WORDS), "id": np.arange(5)})
    assert isinstance(found["out"], np.ndarray)
    assert found["out"].tolist() == expected and found["id"].tolist() == [0, 1, 2, 3, 4]


def test_frames(translate: Translate, expected: list[str]) -> None:
    frame = pd.DataFrame({"id": range(5), "word": WORDS}, index=[3, 1, 4, 1, 5])
    found = translate(frame)
    assert list(found.columns) == ["id", "word", "out"] and list(found.index) == [3, 1, 4, 1, 5]
    assert found["out"].tolist() == expected
    assert list(frame.columns) == ["id", "word"]


def test_tables(translate: Translate, expected: list[str]) -> None:
    found = translate(pa.table({"id": range(5), "word": WORDS}))
    assert found.column_names == ["id", "word", "out"]
    assert found["out"].to_pylist() == expected


@pytest.mark.parametrize("nothing", [None, float("nan"), pd.NA])
def test_a_missing_text_has_a_missing_output(translate: Translate, nothing: Any) -> None:
    found = translate({"word": ["ab", nothing, "ba"]})["out"]
    assert found[1] is None and None not in (found[0], found[2])
    assert translate({"word": []})["out"] == []


def test_processes_keep_rows_and_order(translate: Translate, expected: list[str]) -> None:
    """Two workers that know nothing but what they are sent."""
    batches = [{"id": [n], "word": [word]} for n, word in enumerate(WORDS)]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        found = list(pool.map(translate, batches))
    assert [batch["id"] for batch in found] == [[n] for n in range(5)]
    assert [batch["out"] for batch in found] == [[text] for text in expected]


def test_an_exported_model_needs_no_torch() -> None:
    program = f"""
import sys
from foveate.engines import Translate
Translate({MODEL!r})({{"text": ["ab"]}})
assert not {{"torch", "pandas", "pyarrow"}} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_is_wrong_is_said(translate: Translate) -> None:
    with pytest.raises(ConfigError, match="no column 'word' in the batch: it has text"):
        translate({"text": ["a"]})
    with pytest.raises(ConfigError, match="has a column 'out' already"):
        translate({"word": ["a"], "out": ["b"]})
    with pytest.raises(DataError, match="column 'word', row 1 of the batch: 7 is no text"):
        translate({"word": ["a", 7]})
    with pytest.raises(ConfigError, match="a batch is a dict of columns"):
        translate(["a"])
    with pytest.raises(ConfigError, match="another column than 'text'"):
        Translate(MODEL, "text", "text")
    with pytest.raises(TypeError, match="did you mean beam_size"):
        Translate(MODEL, beam_sise=3)  # type: ignore[call-arg]


def test_another_model_in_its_place_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "model"
    place.symlink_to(MODEL)
    away = Translate(place)
    state = dict(vars(away), _load=(MODEL, "0" * 64, *away._load[2:]))
    vars(away).update(state)
    with pytest.raises(ConfigError, match="and was 000000000000 where the work was begun"):
        away({"text": ["a"]})
