"""Bundles of format 1, as values of format 2.

In format 1 every option stood in one table, the limits of decoding in the summary, and the hash of
the card among those of the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foveate.options import ModelOptions, TextOptions, find_architecture, pick_part

# What an option was before there was one; some bundles of format 1 are older than their options.
BEFORE = {
    "embedding_size": 64,
    "source_ngrams": 1,
    "ngram_rows": 2**12,
    "ngram_dropout": 0.0,
    "source_window": 1,
    "location_window": 0,
    "lexicon": False,
    "word_dropout": 0.0,
}


def restore_options(
    flat: Mapping[str, Any], is_shared: bool, origin: str
) -> tuple[TextOptions, ModelOptions]:
    """Return the options of the text and of the model.

    Raises:
        ConfigError: one is missing or out of range.
    """
    values = {**BEFORE, **flat, "shared_vocabulary": is_shared}
    kind = find_architecture(values.get("architecture"), origin)
    return pick_part(TextOptions, values, origin), pick_part(kind, values, origin)


def convert_manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest has otherwise than in format 2.

    Raises:
        ValueError: a part is missing or of the wrong type.
    """
    wanted = {"files": dict, "is_shared": bool, "summary": dict}
    for name, kind in wanted.items():
        if not isinstance(manifest.get(name), kind):
            raise ValueError(f"is damaged: {name} is missing or of the wrong type")
    summary = dict(manifest["summary"])
    ratio = summary.pop("max_length_ratio", 2.0)
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 <= ratio < 10**6:
        raise ValueError(f"is damaged: max_length_ratio {ratio!r:.20} is not a ratio")
    files = {name: wanted for name, wanted in manifest["files"].items() if name != "README.md"}
    return {
        "files": files,
        "summary": summary,
        "is_shared": manifest["is_shared"],
        "length_ratio": float(ratio),
    }
