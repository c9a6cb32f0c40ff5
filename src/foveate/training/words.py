"""How much a list of words of the target language counts, decided on the dev pairs."""

from __future__ import annotations

from collections.abc import Collection

from foveate.data.table import PairTable, group_references
from foveate.metrics import chrf, exact_match
from foveate.text.word_list import WordList
from foveate.training.defaults import SUBWORDS
from foveate.translator import DEFAULT_BEAM_SIZE, DEFAULT_LENGTH_PENALTY, Translator

BONUSES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0)  # nats a token


def fit_words(translator: Translator, dev: PairTable, words: Collection[str]) -> WordList | None:
    """Choose the bonus of a list of words, or None where the list is of no use.

    Of the bonuses that have the most dev outputs right (of sentences: the best chrF), the
    smallest. Sources that the model recalls from its memory do not count: no list decides them.

    Args:
        translator: of a model without a list; it may have a memory.
        dev: the pairs to choose on.
        words: one to a text, written like the targets.
    """
    codec = translator.target_codec
    listed = frozenset(text for word in words if (text := codec.join(codec.split(word))))
    memory, normalize = translator.bundle.memory, translator.source_codec.normalize
    asked = [
        (source, [codec.join(codec.split(target)) for target in targets])
        for source, targets in zip(*group_references(dev), strict=True)
        if normalize(source) not in memory
    ]
    if not asked:
        return None
    sources, references = zip(*asked, strict=True)
    found = list(translator.translate(sources, n_best=DEFAULT_BEAM_SIZE, attention=False))
    measure = chrf if codec.kind in SUBWORDS else exact_match

    def score(outputs: list[str]) -> float:
        return measure(outputs, references).value()

    best, least = None, score([one.text for one in found])
    for bonus in BONUSES:
        candidate = WordList(listed, bonus)
        value = score(
            [
                candidate.rank([one, *one.alternatives], DEFAULT_LENGTH_PENALTY)[0].text
                for one in found
            ]
        )
        if value > least:
            best, least = candidate, value
    return best
