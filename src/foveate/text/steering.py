"""What is wanted of a text, as what is wanted of its tokens: a prefix, texts in it and not in it.

The search knows ids alone. Here a text becomes the sequences of ids that spell it, of which there
are several where tokens are longer than a character. Knows no models and no search.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property, lru_cache

from foveate.errors import SearchError, did_you_mean
from foveate.options import SUBWORD_KINDS
from foveate.text.codec import UNKNOWN_MARK, Codec
from foveate.text.sampling import BLANK_MARK
from foveate.text.vocabulary import EOS

Ids = tuple[int, ...]
Places = tuple[dict[int, int], ...]  # what may be written at a place, and where it leads to
MOST_WAYS = 32  # segmentations of one text that are handed to the search
MOST_OVERHANGS = 8  # tokens that begin before a text, or end after it, at each of its characters
Index = dict[str, list[tuple[int, str]]]  # first character -> ids and texts of tokens


class Steering:
    """Turns texts into demands on the tokens of one codec.

    With tokens between blanks (`whitespace`) a text that must or must not be there is one of
    whole tokens; with all others it may begin and end anywhere. A prefix may always end inside
    a token, and inside what Unicode holds to be one character: "e" is a prefix of "é".

    Example:
        >>> from foveate.text.tokenizers import CharacterTokenizer
        >>> from foveate.text.vocabulary import Vocabulary
        >>> steering = Steering(Codec(CharacterTokenizer(), Vocabulary("abeé")))
        >>> steering.begin("ab"), steering.begin("ae")
        (((4, 5), ()), ((4,), ({6: 1, 7: 1},)))
        >>> steering.demand("ba")
        ((5, 4),)
    """

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self._texts = _token_texts(codec)
        self._ids = {text: index for index, text in self._texts.items()}
        self._longest = max(map(len, self._ids), default=0)
        self.begin = lru_cache(maxsize=256)(self._begin)
        self.demand = lru_cache(maxsize=256)(self._demand)

    # --- a prefix -----------------------------------------------------------------------------

    def _begin(self, prefix: str | tuple[str, ...]) -> tuple[Ids, Places]:
        """Return the ids that are certain, and a lattice of those that may come after them.

        Raises:
            SearchError: no tokens of the model spell the prefix.
        """
        if not isinstance(prefix, str):
            return tuple(self._find_ids(prefix, f"prefix {list(prefix)!r}")), ()
        tidy = self._tidy(prefix)
        wanted = self._decompose(tidy)
        if not wanted:
            return (), ()
        if self.codec.kind == "bytes" or self._ends_whole(tidy):
            return tuple(self._encode(tidy, "prefix")), ()
        places = _build_places(wanted, *self._contributions)
        if not places[0]:
            raise SearchError(f"prefix {prefix!r}: {self._say_unknown(wanted)}")
        return _split_places(places)

    def _ends_whole(self, tidy: str) -> bool:
        """Say whether a prefix says itself that its last token ends there."""
        return self.codec.kind == "whitespace" and tidy.endswith(" ")

    def spell_prefix(self, tokens: Sequence[str]) -> str:
        """Return a prefix that some tokens spell; between blanks it ends with a whole token.

        Half a character of bytes is left out.
        """
        text = self.codec.join(tokens)
        if self.codec.kind == "whitespace" and text:
            return f"{text} "
        return text.rstrip(UNKNOWN_MARK) if self.codec.kind == "bytes" else text

    def _tidy(self, text: str) -> str:
        """Return a text in the form in which outputs have it."""
        text = self.codec.normalize(text)
        if self.codec.kind != "whitespace":
            return text
        return " ".join(text.split()) + " " * (text.strip() != "" and text[-1:].isspace())

    def _decompose(self, text: str) -> str:
        """Take characters apart, so that half of one is a prefix of it."""
        if self.codec.normalization == "none" or self.codec.kind == "bytes" or text.isascii():
            return text
        return unicodedata.normalize("NFD", text)

    @cached_property
    def _contributions(self) -> tuple[Index, Index]:
        """What each token adds to a text, as its first token and as a later one."""
        texts = {index: self._decompose(text) for index, text in self._texts.items()}
        if self.codec.kind == "whitespace":
            return _index(texts), _index({index: f" {text}" for index, text in texts.items()})
        if self.codec.kind in SUBWORD_KINDS:
            return _index({i: text.removeprefix(" ") for i, text in texts.items()}), _index(texts)
        return _index(texts), _index(texts)

    # --- texts that must or must not be there ---------------------------------------------------

    def _demand(self, text: str) -> tuple[Ids, ...]:
        """Return the sequences of ids that put a text into an output, the likeliest first.

        Raises:
            SearchError: no tokens of the model spell it.
        """
        wanted = self._tidy(text).strip() if self.codec.kind == "whitespace" else self._tidy(text)
        if self.codec.kind in ("whitespace", "bytes"):
            return (tuple(self._encode(wanted, "must")),)
        ways = [*self._spell_usual(wanted), *self._find_inside(wanted), *self._spell(wanted)]
        if not ways:
            raise SearchError(f"must {text!r}: {self._say_unknown(wanted)}")
        return tuple(dict.fromkeys(ways))[:MOST_WAYS]

    def forbid(self, text: str) -> tuple[Ids, ...]:
        """Return sequences of ids that put a text into an output; `find` finds all others.

        What the model cannot write need not be forbidden.
        """
        try:
            return self.demand(text)
        except SearchError:
            return ()

    def find(self, ids: Sequence[int], text: str) -> Ids | None:
        """Return the part of an output's ids that holds a text, or None."""
        if self.codec.kind in ("whitespace", "bytes"):
            return next((way for way in self.forbid(text) if _stands_in(way, ids)), None)
        texts = [self._texts.get(index, "") for index in ids]
        joined, wanted = "".join(texts), self._tidy(text)
        skipped = int(self.codec.kind in SUBWORD_KINDS and joined.startswith(" "))
        begin = joined.find(wanted, skipped)
        if begin < 0:
            return None
        ends = [sum(map(len, texts[: place + 1])) for place in range(len(texts))]
        first = next(place for place, end in enumerate(ends) if end > begin)
        last = next(place for place, end in enumerate(ends) if end >= begin + len(wanted))
        return tuple(ids[first : last + 1])

    def is_met(
        self,
        output: str,
        prefix: str | tuple[str, ...],
        must: Sequence[str],
        must_not: Sequence[str],
    ) -> bool:
        """Say whether an output, given as a text, is what was asked for."""
        text = self._tidy(output)
        return (
            self._begins_with(text, prefix)
            and all(self._has(text, wanted) for wanted in must)
            and not any(self._has(text, unwanted) for unwanted in must_not)
        )

    def _begins_with(self, text: str, prefix: str | tuple[str, ...]) -> bool:
        if not isinstance(prefix, str):
            return self.codec.split(text)[: len(prefix)] == list(prefix)
        tidy = self._tidy(prefix)
        whole = f"{text} " if self._ends_whole(tidy) else text
        return self._decompose(whole).startswith(self._decompose(tidy))

    def _has(self, text: str, wanted: str) -> bool:
        wanted = self._tidy(wanted)
        if self.codec.kind == "whitespace":
            return f" {wanted.strip()} " in f" {text.strip()} "
        return wanted in text

    def _encode(self, text: str, what: str) -> list[int]:
        return self._find_ids(self.codec.tokenizer.split(text), f"{what} {text!r}")

    def _find_ids(self, tokens: Sequence[str], what: str) -> list[int]:
        known = self._entries
        unknown = [token for token in tokens if token not in known]
        if unknown:
            hint = did_you_mean(unknown[0], known)
            raise SearchError(f"{what}: the model has no token {unknown[0]!r}{hint}")
        return [known[token] for token in tokens]

    @cached_property
    def _entries(self) -> dict[str, int]:
        entries = enumerate(self.codec.vocabulary.entries)
        return {entry: index for index, entry in entries if index > EOS}

    def _spell_usual(self, text: str) -> list[Ids]:
        """Return how the tokenizer spells a text."""
        ids = self.codec.vocabulary.ids(self.codec.tokenizer.split(text))
        return [tuple(ids)] if all(index > EOS for index in ids) else []

    def _spell(self, text: str) -> list[Ids]:
        """Return ways to write a text with two tokens or more, the fewest and shortest first.

        The first token may begin before it, and the last may end after it.
        """
        ways = []
        tails = self._find_overhangs(text, is_head=False)
        for cut, heads in self._find_overhangs(text, is_head=True).items():
            middles = _find_ways(text[cut:], self._ids)
            ways += [
                (len(middle), before + after, (head, *middle, tail))
                for left, ends in tails.items()
                if len(text) - left >= cut
                for middle in middles[len(text) - left - cut]
                for before, head in heads
                for after, tail in ends
            ]
        return [way for _, _, way in sorted(ways)]

    def _find_overhangs(self, text: str, *, is_head: bool) -> dict[int, list[tuple[int, int]]]:
        """Return the tokens that end with the first n characters of a text, or begin with the last.

        For each n there are a few, those with the fewest other characters first.
        """
        overhangs: dict[int, list[tuple[int, int]]] = {}
        for size in range(1, min(len(text), self._longest + 1)):
            part = text[:size] if is_head else text[-size:]
            found = sorted(
                (len(token) - size, index)
                for token, index in self._ids.items()
                if (token.endswith(part) if is_head else token.startswith(part))
            )
            if found:
                overhangs[size] = found[:MOST_OVERHANGS]
        return overhangs

    def _find_inside(self, text: str) -> list[Ids]:
        """Return the tokens that have a text inside, the shortest first."""
        found = [(len(token), index) for token, index in self._ids.items() if text in token]
        return [(index,) for _, index in sorted(found)]

    def _say_unknown(self, text: str) -> str:
        known = {letter for token in self._texts.values() for letter in self._decompose(token)}
        unknown = [letter for letter in self._decompose(text) if letter not in known]
        if unknown:
            return f"the model cannot write {unknown[0]!r}: no target had it in training"
        return "no tokens of the model spell it"


def _token_texts(codec: Codec) -> dict[int, str]:
    """Return what each token but the reserved ones writes."""
    entries = enumerate(codec.vocabulary.entries)
    if codec.kind in SUBWORD_KINDS:
        return {i: entry.replace(BLANK_MARK, " ") for i, entry in entries if i > EOS}
    return {i: entry for i, entry in entries if i > EOS}


def _index(texts: dict[int, str]) -> Index:
    index: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for number, text in texts.items():
        index[text[:1]].append((number, text))
    return dict(index)


def _build_places(wanted: str, first: Index, later: Index) -> list[dict[int, int]]:
    """Return what may be written at each place: the start, and after n characters at n + 1."""
    end = len(wanted) + 1
    places: list[dict[int, int]] = [{} for _ in range(end)]
    for place in range(end - 1, -1, -1):
        written = max(0, place - 1)
        index, rest = (later if place else first), wanted[written:]
        for number, text in index.get(rest[0], ()):
            if rest.startswith(text) or text.startswith(rest):
                target = min(written + len(text) + 1, end)
                if target == end or places[target]:  # not into a dead end
                    places[place][number] = target
    if places[1:2] != [{}]:
        places[0].update({number: 1 for number, _ in first.get("", ())})  # a blank mark alone
    return places


def _split_places(places: list[dict[int, int]]) -> tuple[Ids, Places]:
    """Return the tokens before there is a choice, and the places from there on."""
    ids: list[int] = []
    place, end = 0, len(places)
    while place < end and len(places[place]) == 1:
        [(number, place)] = places[place].items()
        ids.append(number)
    reached = {place}
    for here in range(place, end):
        if here in reached:
            reached.update(places[here].values())
    new = {old: number for number, old in enumerate(sorted(reached))}
    begins = tuple(
        {number: new[to] for number, to in places[old].items()} for old in sorted(reached - {end})
    )
    return tuple(ids), begins


def _find_ways(text: str, ids: dict[str, int]) -> list[list[Ids]]:
    """Return the ways to make each beginning of a text of tokens, those of the fewest first."""
    longest = max(map(len, ids), default=0)
    ways: list[list[Ids]] = [[()]]
    for end in range(1, len(text) + 1):
        found = [
            (*way, ids[text[begin:end]])
            for begin in range(max(0, end - longest), end)
            if text[begin:end] in ids
            for way in ways[begin]
        ]
        ways.append(sorted(found, key=len)[:MOST_WAYS])
    return ways


def _stands_in(part: Ids, ids: Sequence[int]) -> bool:
    size = len(part)
    return any(tuple(ids[at : at + size]) == part for at in range(len(ids) - size + 1))
