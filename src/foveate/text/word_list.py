"""A list of words of the target language, by which the outputs of a search are ranked anew.

A model that has learnt from few pairs knows how one spelling turns into another, but not which
words there are, and which are common; lists of these are easy to come by. Knows texts and scores,
no tokens, no models.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from foveate.ranking import place_key, rank_score
from foveate.records import Translation


@dataclass(frozen=True)
class WordList:
    """Words, and what an output gains that is made of them.

    An output y of n tokens (end mark included), all of whose words w stand in the list, gains
    b n - r sum_w log rank(w): the rarer its words, the less. With ranks by frequency that is a
    weight r on the logarithm of Zipf's law, P(w) ~ 1 / rank(w).

    Attributes:
        ranks: the place of each word, from 1; words are written as in targets.
        bonus: b, nats a token.
        rarity: r; 0, when the list is in no order.

    Reference: Brill & Moore 2000, section 2 (the noisy channel of spelling).

    Example:
        >>> words = WordList.from_words(["house", "new"], bonus=0.5)
        >>> "house" in words, "new house" in words, "hoose" in words
        (True, True, False)
    """

    ranks: dict[str, int]
    bonus: float
    rarity: float = 0.0

    @classmethod
    def from_words(cls, words: Iterable[str], bonus: float, rarity: float = 0.0) -> WordList:
        """Make a list of words in their order; a word that comes twice has its first place."""
        distinct = dict.fromkeys(words)
        return cls({word: place for place, word in enumerate(distinct, 1)}, bonus, rarity)

    def __contains__(self, text: object) -> bool:
        """Say whether a text is in the list, or all of its words are."""
        return isinstance(text, str) and self._find_ranks(text) is not None

    def rank(self, found: Sequence[Translation], length_penalty: float) -> list[Translation]:
        """Put the outputs for one source in order, the best first; equals stay in order."""
        return sorted(
            found, key=lambda one: place_key(self.weigh(one, length_penalty), one.is_finished)
        )

    def weigh(self, one: Translation, length_penalty: float) -> float:
        """Return what an output is ranked by: as in beam search, but for what it gains."""
        length = len(one.tokens) + one.is_finished
        gained = one.score + self._gain(one.text, length)
        return rank_score(gained, length, length_penalty)

    def _gain(self, text: str, length: int) -> float:
        ranks = self._find_ranks(text) if self.ranks else None
        if ranks is None:
            return 0.0
        return self.bonus * length - self.rarity * math.log(math.prod(ranks))

    def _find_ranks(self, text: str) -> list[int] | None:
        """Return the ranks of a text, or of all of its words; None when one is not listed."""
        if text in self.ranks:
            return [self.ranks[text]]
        found = [self.ranks.get(part) for part in text.split()]
        return [rank for rank in found if rank is not None] if found and all(found) else None


NO_WORDS = WordList({}, 0.0)
