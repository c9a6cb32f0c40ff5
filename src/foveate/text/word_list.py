"""A list of words of the target language, by which the outputs of a search are ranked anew.

A model that has learnt from few pairs knows how one spelling turns into another, but not which
words there are; lists of these are easy to come by. Knows texts and scores, no tokens, no models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foveate.records import Translation


@dataclass(frozen=True)
class WordList:
    """Words, and what an output gains that is made of them.

    Attributes:
        words: as they are written in targets.
        bonus: is added to the log-probability of every token of such an output, in nats.

    Example:
        >>> words = WordList(frozenset({"new", "house"}), bonus=0.5)
        >>> "house" in words, "new house" in words, "hoose" in words
        (True, True, False)
    """

    words: frozenset[str]
    bonus: float

    def __contains__(self, text: object) -> bool:
        """Say whether a text is in the list, or all of its words are."""
        if not isinstance(text, str) or text in self.words:
            return text in self.words
        parts = text.split()
        return bool(parts) and all(part in self.words for part in parts)

    def rank(self, found: Sequence[Translation], length_penalty: float) -> list[Translation]:
        """Put the outputs for one source in order, the best first.

        They are ranked as in beam search, by log-probability divided by length (with the end
        mark) to the power of the penalty, but for the bonus; equals stay in order.
        """

        def rank(one: Translation) -> float:
            length = len(one.tokens) + 1
            score = one.score + (self.bonus * length if one.text in self else 0.0)
            divisor: float = length**length_penalty
            return score / divisor

        return sorted(found, key=rank, reverse=True)
