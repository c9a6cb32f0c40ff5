"""A small language made up with its translation, so that every word's origin is known.

English-like sentences become sentences of an invented language. The translation does what makes
alignment hard: the adjective comes after its noun and the verb last, some words become two and
some two become one, some have synonyms, articles have no translation, and particles mark subject
and object. Words are as unequal as in a real text: the r-th commonest of a class has a share
proportional to 1 / r.

A translation of a word, or of a part of an expression, is a sure link. An article and a particle
have a possible link to the noun that they belong to.

Reference: Och & Ney 2003, section 5.1, for sure and possible links; Zipf 1949 for the shares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from foveate.insight.symmetry import Link

Words = tuple[str, ...]

NOUNS = (
    "house man dog king river tree child road book ship queen horse bread stone friend garden "
    "|train station| letter |ice cream| bird door winter song |post office| farmer bridge "
    "island lamp doctor village mirror |night watch| forest teacher coin kettle sailor "
    "|wood cutter| ladder"
)
VERBS = (
    "saw found loved made took |looked at| sold |gave up| heard built carried |took care of| "
    "painted forgot burned |thought of| followed opened mended |set free| counted lost praised"
)
ADJECTIVES = (
    "old red small good young white tall cold happy dark heavy quiet proud green broken gentle"
)
ADVERBS = "today quickly |at last| often slowly yesterday gladly |by chance|"
PREPOSITIONS = "in near behind with under beside"
CONJUNCTIONS = "and but while"
NUM_NAMES = 2_000
CONSONANTS, VOWELS = "ptkmnslrvzbdgh", "aeiou"

SUBJECT, OBJECT, NEVER = "wa", "no", "nai"
LIGHT_VERB = "suru"  # second half of several verbs
TWO_WORDS = 0.15  # share of nouns and verbs that become two words
SYNONYMS = 0.25  # share of words that have a second translation
RARER = 0.35  # how often the second one is chosen
LEFT_OUT = 0.1  # share of the adjectives that are not translated


@dataclass(frozen=True)
class AlignedText:
    """Words of both sides, and the links (i source, j target) between them."""

    source: Words
    target: Words
    sure: frozenset[Link] = frozenset()
    possible: frozenset[Link] = frozenset()


def put_together(parts: Sequence[AlignedText], order: Sequence[int]) -> AlignedText:
    """Put parts into one text: as they stand in the source, in another order in the target.

    Example:
        >>> red, car = word_pair(("red",), ("rouge",)), word_pair(("car",), ("auto",))
        >>> both = put_together([red, car], order=[1, 0])
        >>> both.source, both.target, sorted(both.sure)
        (('red', 'car'), ('auto', 'rouge'), [(0, 1), (1, 0)])
    """
    columns = _count_before([part.source for part in parts], range(len(parts)))
    rows = _count_before([part.target for part in parts], order)
    moved = [
        (_move(part.sure, *corner), _move(part.possible, *corner))
        for part, *corner in zip(parts, columns, rows, strict=True)
    ]
    return AlignedText(
        tuple(word for part in parts for word in part.source),
        tuple(word for place in order for word in parts[place].target),
        frozenset().union(*(sure for sure, _ in moved)),
        frozenset().union(*(possible for _, possible in moved)),
    )


def _count_before(texts: Sequence[Words], order: Sequence[int]) -> list[int]:
    """Return how many words stand before each text when they stand in an order."""
    counts, total = [0] * len(texts), 0
    for place in order:
        counts[place] = total
        total += len(texts[place])
    return counts


def _move(links: frozenset[Link], right: int, down: int) -> frozenset[Link]:
    return frozenset((i + right, j + down) for i, j in links)


def word_pair(source: Words, target: Words) -> AlignedText:
    """Return an expression and its translation, every word linked with every word."""
    links = frozenset((i, j) for i in range(len(source)) for j in range(len(target)))
    return AlignedText(source, target, links)


@dataclass
class Entry:
    """One expression of the dictionary, and its translations, the usual one first."""

    source: Words
    targets: list[Words] = field(default_factory=list)


class InventedLanguage:
    """A dictionary that is made up, and sentences that are drawn from it.

    Args:
        seed: of the dictionary and of the sentences.

    Example:
        >>> text = InventedLanguage(seed=1).draw_sentence()
        >>> text.source[-1], text.target[-1]
        ('.', '.')
    """

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._taken = {SUBJECT, OBJECT, NEVER, LIGHT_VERB}
        self._names = [Entry((self._invent(2).title(),), []) for _ in range(NUM_NAMES)]
        for name in self._names:
            name.targets = [(self._invent(3),)]
        self._nouns = [self._translate(words, self._second_noun) for words in _cut(NOUNS)]
        self._verbs = [self._translate(words, lambda: LIGHT_VERB) for words in _cut(VERBS)]
        self._adjectives = [self._translate(words) for words in _cut(ADJECTIVES)]
        self._adverbs = [self._translate(words) for words in _cut(ADVERBS)]
        self._prepositions = [self._translate(words) for words in _cut(PREPOSITIONS)]
        self._conjunctions = [self._translate(words) for words in _cut(CONJUNCTIONS)]

    def draw_sentence(self) -> AlignedText:
        """Draw one or two clauses and a full stop."""
        clauses = [self._draw_clause()]
        if self._random.random() < 0.3:
            clauses += [self._draw(self._conjunctions), self._draw_clause()]
        parts = [*clauses, word_pair((".",), (".",))]
        return put_together(parts, range(len(parts)))

    def _draw_clause(self) -> AlignedText:
        """Draw subject, never, verb, object, place and adverb.

        In the target the adverb goes first and the verb last. Particles tell subject from object,
        so that these and the place stand in any order.
        """
        nothing = AlignedText((), ())
        random = self._random.random
        parts = [
            self._draw_noun_phrase(SUBJECT),
            word_pair(("never",), (NEVER,)) if random() < 0.15 else nothing,
            self._draw(self._verbs),
            self._draw_noun_phrase(OBJECT),
            self._draw_place() if random() < 0.35 else nothing,
            self._draw(self._adverbs) if random() < 0.3 else nothing,
        ]
        phrases = [int(place) for place in self._random.permutation([0, 3, 4])]
        return put_together(parts, order=[5, *phrases, 2, 1])

    def _draw_place(self) -> AlignedText:
        """Draw a preposition and its noun; the invented language has it behind the noun."""
        return put_together([self._draw(self._prepositions), self._draw_noun_phrase()], [1, 0])

    def _draw_noun_phrase(self, particle: str = "") -> AlignedText:
        """Draw a name, or an article, adjectives and a noun; adjectives go behind the noun."""
        before: list[AlignedText] = []
        article: Words = ()
        if self._random.random() < 0.3:
            head = self._draw(self._names)
        else:
            count = self._random.choice(3, p=[0.5, 0.35, 0.15])
            before = [self._draw_adjective() for _ in range(count)]
            article = ("the" if self._random.random() < 0.7 else "a",)
            head = self._draw(self._nouns)
        order = [len(before), *range(len(before))]
        phrase = put_together([*before, head], order)
        place = len(article) + sum(len(part.source) for part in before)
        return _add_small_words(phrase, article, particle, place, len(head.target))

    def _draw_adjective(self) -> AlignedText:
        adjective = self._draw(self._adjectives)
        is_left_out = self._random.random() < LEFT_OUT
        return AlignedText(adjective.source, ()) if is_left_out else adjective

    def _draw(self, entries: Sequence[Entry]) -> AlignedText:
        """Draw an entry of a class by its rank, and one of its translations."""
        upto = _add_up_shares(len(entries))
        entry = entries[int(np.searchsorted(upto, self._random.random() * upto[-1]))]
        is_rarer = len(entry.targets) > 1 and self._random.random() < RARER
        return word_pair(entry.source, entry.targets[is_rarer])

    def _translate(self, source: Words, second: Callable[[], str] | None = None) -> Entry:
        """Make up one or two translations of an expression."""
        target: Words = (self._invent(2),)
        if second is not None and len(source) == 1 and self._random.random() < TWO_WORDS:
            target = (*target, second())
        has_synonym = self._random.random() < SYNONYMS
        return Entry(source, [target, (self._invent(2),)] if has_synonym else [target])

    def _second_noun(self) -> str:
        return self._invent(1)

    def _invent(self, num_syllables: int) -> str:
        """Return a word that there was not yet."""
        while True:
            drawn = self._random.integers(0, (len(CONSONANTS), len(VOWELS)), (num_syllables, 2))
            word = "".join(CONSONANTS[i] + VOWELS[j] for i, j in drawn.tolist())
            if word not in self._taken:
                self._taken.add(word)
                return word


@cache
def _add_up_shares(count: int) -> NDArray[np.float64]:
    """Return the shares 1 / r of the ranks r = 1 ... count, each with those before it."""
    return np.cumsum(1 / np.arange(1, count + 1))


def _add_small_words(
    phrase: AlignedText, article: Words, particle: str, noun: int, num_heads: int
) -> AlignedText:
    """Put an article before a phrase, a particle behind it, and link both to the noun.

    Args:
        phrase: adjectives and noun.
        article: one word or none.
        particle: a word of the target, or "".
        noun: place of the noun's first word in the source, the article counted.
        num_heads: words of the noun in the target, where it stands first.
    """
    parts = [AlignedText(article, ()), phrase, AlignedText((), (particle,) if particle else ())]
    whole = put_together(parts, range(3))
    possible = {(0, j) for j in range(num_heads)} if article else set()
    if particle:
        last = len(whole.target) - 1
        possible |= {(i, last) for i in range(noun, len(whole.source))}
    return AlignedText(whole.source, whole.target, whole.sure, frozenset(possible))


def _cut(expressions: str) -> list[Words]:
    """Cut a list of words, in which expressions of several words stand between bars."""
    found: list[Words] = []
    for place, part in enumerate(expressions.split("|")):
        words = part.split()
        is_expression = bool(place % 2)
        found += [tuple(words)] if is_expression else [(word,) for word in words]
    return found
