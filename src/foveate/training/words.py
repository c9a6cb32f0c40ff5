"""How much a list of words of the target language counts, decided on the dev pairs."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from itertools import product

import numpy as np

from foveate.data.table import PairTable
from foveate.metrics import chrf, exact_match
from foveate.options import SUBWORD_KINDS
from foveate.text.matching import Matching
from foveate.text.word_list import WordList
from foveate.translator import Translator
from foveate.wishes import DEFAULT_BEAM_SIZE, DEFAULT_LENGTH_PENALTY

BONUSES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0, 3.0)  # nats a token
RARITIES = (0.0, 0.3, 0.5, 0.7)  # weights of the logarithm of a word's rank


def fit_words(translator: Translator, dev: PairTable, words: Collection[str]) -> WordList | None:
    """Choose how much a list of words counts, or None where it is of no use.

    Of the weights that have the most dev outputs right (of sentences: the best chrF), the
    smallest, first of the ranks, then of the list. Sources that the model recalls from its memory
    do not count: no list decides them.

    Args:
        translator: of a model without a list; it may have a memory.
        dev: the pairs to choose on.
        words: one to a text, written like the targets; a sequence may have the commonest first.
    """
    codec = translator.target_codec
    is_ordered = isinstance(words, Sequence)
    listed = WordList.from_words(
        (
            text
            for word in (words if is_ordered else sorted(words))
            if (text := codec.join(codec.split(word)))
        ),
        bonus=0.0,
    )
    memory, matching = translator.bundle.decoding.memory, Matching(translator.source_codec, codec)
    grouped = matching.group_references(zip(dev.sources(), dev.targets(), strict=True))
    asked = [
        (source, targets)
        for source, targets in zip(*grouped, strict=True)
        if matching.source(source) not in memory
    ]
    if not asked:
        return None
    sources, references = zip(*asked, strict=True)
    found = list(translator.translate(sources, n_best=DEFAULT_BEAM_SIZE, attention=False))
    measure = chrf if codec.kind in SUBWORD_KINDS else exact_match
    choices = [[one, *one.alternatives] for one in found]
    accepted = [texts for some, texts in zip(choices, references, strict=True) for _ in some]
    every = [one for some in choices for one in some]
    texts = [matching.target(one.text) for one in every]
    statistics = measure(texts, accepted)  # of each, once for all weights
    places = {id(one): place for place, one in enumerate(every)}

    def score(candidate: WordList) -> float:
        firsts = (candidate.rank(some, DEFAULT_LENGTH_PENALTY)[0] for some in choices)
        return statistics.value(np.array([places[id(one)] for one in firsts]))

    best, least = None, score(listed)
    for rarity, bonus in product(RARITIES if is_ordered else RARITIES[:1], BONUSES):
        candidate = dataclasses.replace(listed, bonus=bonus, rarity=rarity)
        value = score(candidate)
        if value > least:
            best, least = candidate, value
    return best
