"""What many tests make: resolved options of a model without a run that resolves them."""

from __future__ import annotations

from typing import Any

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
