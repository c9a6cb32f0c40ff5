"""Texts of its user's that a model carries: what they are, and the model without them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from foveate.bundle import Bundle

TABLES = ("confusions", "worst")  # of a diagnosis


def list_texts(bundle: Bundle) -> list[str]:
    """Return in words what a model carries of its user's texts, beside its vocabularies.

    Example:
        >>> from foveate.bundled import find_model
        >>> from foveate.bundle import load_bundle
        >>> list_texts(load_bundle(find_model("english")))[0]
        '64 sources of dev'
    """
    decoding, summary = bundle.decoding, bundle.summary
    shown = [len(rows) for table in TABLES for rows in _list_tables(summary.diagnosis, table)]
    counted = [
        (len(summary.examples), "source", "of dev"),
        (sum(shown), "error", "in the card"),
        (len(decoding.memory), "training pair", "in the memory"),
        (len(decoding.words.ranks) if decoding.words else 0, "word", "of the list"),
    ]
    return [
        f"{count:,} {noun}{'s' * (count > 1)} {place}" for count, noun, place in counted if count
    ]


def tell_texts(bundle: Bundle, no_examples: bool) -> str:
    """Return what to say to who hands a model on; nothing where it carries no texts."""
    texts = list_texts(bundle)
    advice = "" if no_examples else "; --no-examples leaves out what can be"
    return f"it carries texts of yours: {', '.join(texts)}{advice}" if texts else ""


def leave_out_texts(bundle: Bundle) -> Bundle:
    """Return the model without its user's texts: no sources of dev, no errors, no memory.

    A source of the training is then written by the model like any other. The list of words stays:
    outputs are chosen by it.
    """
    summary = replace(
        bundle.summary,
        examples=[],
        memory=None,
        diagnosis={
            split: {**found, **{name: [] for name in TABLES if name in found}}
            for split, found in bundle.summary.diagnosis.items()
        },
    )
    decoding = replace(bundle.decoding, memory={})
    return replace(bundle, summary=summary, decoding=decoding)


def _list_tables(diagnosis: dict[str, Any], name: str) -> list[Any]:
    return [found[name] for found in diagnosis.values() if found.get(name)]
