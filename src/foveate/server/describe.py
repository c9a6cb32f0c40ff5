"""What a server says about its models: to the page, and to LibreTranslate's clients."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import foveate
from foveate.errors import did_you_mean
from foveate.formats import describe_bundle
from foveate.server.limits import Limits
from foveate.server.schemas import TooMuchError
from foveate.translator import Translator

MOST_EXAMPLES = 5


def describe_server(translators: Mapping[str, Translator], limits: Limits) -> dict[str, Any]:
    """Return the answer of /info."""
    models = [describe_model(name, translator) for name, translator in translators.items()]
    return {
        "version": foveate.__version__,
        "models": models,
        "limits": dataclasses.asdict(limits),
    }


def describe_model(name: str, translator: Translator) -> dict[str, Any]:
    """Return what /info says of one model."""
    facts = describe_bundle(translator.bundle)
    source, target = split_name(name)
    return {
        "name": name,
        "id": facts["id"],
        "architecture": facts["architecture"],
        "has_attention": translator.has_attention,
        "source": facts["source"],
        "target": facts["target"],
        "languages": {"source": source, "target": target},
        "scores": facts["scores"],
        "longest_source": translator.max_source,
        "examples": translator.summary.examples[:MOST_EXAMPLES],
    }


def list_languages(names: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the models in the form of LibreTranslate's languages.

    Example:
        >>> list_languages({"de-en": 0, "de-fr": 0})
        [{'code': 'de', 'name': 'de', 'targets': ['en', 'fr']}]
    """
    targets: dict[str, list[str]] = {}
    for name in names:
        source, target = split_name(name)
        targets.setdefault(source, []).append(target)
    return [{"code": code, "name": code, "targets": found} for code, found in targets.items()]


def split_name(name: str) -> tuple[str, str]:
    """Return the languages that the name of a model says; one name stands for both.

    Example:
        >>> split_name("de-en"), split_name("english")
        (('de', 'en'), ('english', 'english'))
    """
    source, dash, target = name.partition("-")
    return (source, target) if dash and source and target else (name, name)


def find_model(names: Mapping[str, Any], wanted: str | None) -> str:
    """Return the name of the model that is wanted, the first if none is.

    Raises:
        TooMuchError: there is no such model.
    """
    if wanted is None:
        return next(iter(names))
    if wanted not in names:
        hint = did_you_mean(wanted, names)
        raise TooMuchError(f"model: there is no {wanted!r:.60}{hint}; there are {', '.join(names)}")
    return wanted


def find_model_for(names: Mapping[str, Any], source: str | None, target: str | None) -> str:
    """Return the model for LibreTranslate's two languages; "auto" and none are any.

    Raises:
        TooMuchError: there is no model for them.
    """
    free = (None, "", "auto")
    for name in names:
        has = split_name(name)
        if source in (*free, has[0], name) and target in (*free, has[1], name):
            return name
    raise TooMuchError(
        f"source, target: no model reads {source!r:.40} and writes {target!r:.40}; "
        f"there are {', '.join(names)} (GET /languages)"
    )
