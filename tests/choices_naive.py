"""The choices of an output once more, token by token and in the plainest way."""

from __future__ import annotations

from typing import Any

import numpy as np

from foveate.records import Translation
from foveate.text.vocabulary import BOS, EOS
from foveate.translator import Translator


def find_choices(translator: Translator, found: Translation, k: int) -> list[list[dict[str, Any]]]:
    """Return the k likeliest tokens at each place of an output, and what was written there."""
    source = "".join(found.source_tokens)
    names = translator.target_codec.vocabulary.entries
    written = [names.index(token) for token in found.tokens]
    rows = []
    for place, token in enumerate([*written, EOS]):
        before = written[:place]
        log_probs = log_probs_after(translator, source, before)
        best = [int(i) for i in np.argsort(-log_probs, kind="stable") if i >= EOS][:k]
        best += [] if token in best else [token]
        rows.append([make_choice(translator, before, i, float(log_probs[i])) for i in best])
    return rows


def log_probs_after(translator: Translator, source: str, ids: list[int]) -> np.ndarray:
    """Return the log-probabilities [V] of the token after `ids`, one step at a time."""
    source_ids = np.array([translator.source_codec.encode_many([source])[0]])
    state = translator.stepper.start(source_ids, np.ones_like(source_ids, bool), attention=False)
    for token in [BOS, *ids]:
        step = translator.stepper.step(state, np.array([token]), None)
        state = step.state
    return step.log_probs[0]


def make_choice(
    translator: Translator, before: list[int], token: int, log_prob: float
) -> dict[str, Any]:
    """Return a choice as JSON has it."""
    is_end = token == EOS
    return {
        "token": "" if is_end else translator.target_codec.vocabulary.entries[token],
        "log_prob": log_prob,
        "prefix": join(translator, before if is_end else [*before, token]),
        "is_end": is_end,
    }


def join(translator: Translator, ids: list[int]) -> str:
    """Return the prefix that forces `ids`: its last token is whole."""
    codec = translator.target_codec
    text = codec.decode(ids)
    return text + " " if ids and codec.kind == "whitespace" else text
