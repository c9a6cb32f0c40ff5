"""What many tests make: resolved options of a model without a run that resolves them; marks."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest

from foveate.options import ARCHITECTURES, ModelOptions, pick_part

FOUND = {
    "source_ngrams": 1,
    "ngram_rows": 16,
    "ngram_dropout": 0.0,
    "source_window": 1,
    "dropout": 0.0,
    "word_dropout": 0.0,
    "num_heads": 1,
    "lexicon": False,
    "location_window": 0,
}


def make_options(architecture: str = "attention", **told: Any) -> ModelOptions:
    """Return options of a model; what is not told is as plain as can be."""
    return pick_part(ARCHITECTURES[architecture], {**FOUND, **told})


def mark_others(names: Iterable[str], quick: Collection[str]) -> list[Any]:
    """Return parameters of a test, of which all but the quick ones are marked `long`."""
    return [pytest.param(name, marks=[pytest.mark.long] * (name not in quick)) for name in names]
