"""What is odd about pairs without any model: repeats, copies, lengths, scripts, sides.

Every rule compares a pair with the rest of its own file: what many pairs have is no oddity.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveate.data.headers import names_sides
from foveate.data.table import PairTable

Kind = Literal[
    "header",
    "invisible",
    "entity",
    "numbered",
    "outer",
    "repeat",
    "variants",
    "copy",
    "length",
    "script",
    "side",
    "implausible",
    "shifted",
]

RARE_SHARE = 0.02  # of the pairs: a copy or a script that more of them have is the custom
FAR = 5.0  # robust standard deviations of the log length ratio
LEAST_SPREAD = 0.1  # of it: where all ratios are equal, a letter more is nothing yet
MOST_POINTS = 3.0
PRIOR = 5.0  # pairs of letters that the frequency of the second one alone is worth (m)
ENTITY = re.compile(
    r"&(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos|nbsp|[aouAOU]uml|szlig);"
)
NUMBERED = re.compile(r"[^\s()]+\(\d{1,2}\)")
JOINERS = "\u200c\u200d\u200e\u200f"
CERTAIN = 3.0  # nats: odds of 20 to 1, beside one wrong pair expected in the file


class Oddity(NamedTuple):
    """One thing that is odd about a pair; `row` counts from 0.

    `points` say how far beyond its limit it is: 1 at the limit, 3 at most; 0 is no fault.
    """

    row: int
    kind: Kind
    reason: str
    points: float = 1.0


def find_oddities(table: PairTable, lines: NDArray[np.int64] | None = None) -> list[Oddity]:
    """Apply every rule to every pair.

    Args:
        table: the pairs.
        lines: what to call each row in a reason (default: its number, from 1).

    Example:
        >>> table = PairTable.from_texts(["cat", "dog", "cat"], ["K AE T", "D AO G", "K AE T"])
        >>> find_oddities(table)
        [Oddity(row=2, kind='repeat', reason='the same pair as 1', points=0.0)]
    """
    names = np.arange(1, len(table) + 1) if lines is None else lines
    return [
        *find_left_overs(table),
        *find_repeats(table, names),
        *find_variants(table),
        *find_copies(table),
        *find_odd_lengths(table),
        *find_rare_scripts(table),
        *find_wrong_sides(table),
    ]


def find_left_overs(table: PairTable) -> Iterator[Oddity]:
    """Find what is no text of a pair: names of columns, and left-overs of pages and tables."""
    for row, pair in enumerate(_pairs(table)):
        if names_sides(*pair):
            yield Oddity(row, "header", "names the columns, and is no pair")
        for side, text in zip(("source", "target"), pair, strict=True):
            if found := find_invisible(text):
                yield Oddity(row, "invisible", f"U+{ord(found):04X}, invisible, in the {side}")
            if entity := ENTITY.search(text):
                yield Oddity(row, "entity", f"{entity[0]} in the {side}")
            if text != text.strip():
                yield Oddity(row, "outer", f"blanks around the {side}")
        if NUMBERED.fullmatch(pair[0]):
            yield Oddity(row, "numbered", "a number in brackets behind the source, as of a variant")


def find_invisible(text: str) -> str:
    r"""Return the first character that nobody can see and that no script needs; or nothing.

    Joiners belong into Arabic and Indic words, between letters of no case.

    Example:
        >>> find_invisible("a\u200bb"), find_invisible("a b")
        ('\u200b', '')
    """
    if text.isascii():
        return next((letter for letter in text if letter < " " and not letter.isspace()), "")
    needs_joiners = any(letter.isalpha() and letter.lower() == letter.upper() for letter in text)
    for letter in text:
        is_hidden = unicodedata.category(letter) in ("Cf", "Cc", "Co", "Cn")
        if is_hidden and not letter.isspace() and not (needs_joiners and letter in JOINERS):
            return letter
    return ""


def find_repeats(table: PairTable, lines: NDArray[np.int64]) -> Iterator[Oddity]:
    """Find pairs that stood there before."""
    first: dict[tuple[str, str], int] = {}
    for row, pair in enumerate(_pairs(table)):
        earlier = first.setdefault(pair, row)
        if earlier != row:
            yield Oddity(row, "repeat", f"the same pair as {lines[earlier]}", 0.0)


def find_variants(table: PairTable) -> Iterator[Oddity]:
    """Find sources with several targets: errors in some files, variants in a lexicon."""
    targets: defaultdict[str, set[str]] = defaultdict(set)
    for source, target in _pairs(table):
        targets[source].add(target)
    for row, source in enumerate(table.sources()):
        others = len(targets[source]) - 1
        if others:
            yield Oddity(row, "variants", f"{others} other target{'s' * (others > 1)}", 0.0)


def find_copies(table: PairTable) -> Iterator[Oddity]:
    """Find pairs whose sides are equal, where that is rare."""
    rows = [row for row, (source, target) in enumerate(_pairs(table)) if source == target]
    if _is_rare(len(rows), table):
        yield from (Oddity(row, "copy", "target equals source") for row in rows)


def find_odd_lengths(table: PairTable) -> Iterator[Oddity]:
    r"""Find lengths that do not go together.

    z = (r - median(r)) / (1.4826 MAD(r)) with r = ln((\|target\| + 1) / (\|source\| + 1)), in
    characters.

    Reference: Hampel 1974 (the median absolute deviation as a robust scale).
    """
    ratios = np.array([math.log((len(t) + 1) / (len(s) + 1)) for s, t in _pairs(table)])
    if not len(ratios):
        return
    away = ratios - np.median(ratios)
    scores = away / max(1.4826 * float(np.median(np.abs(away))), LEAST_SPREAD)
    for row in np.flatnonzero(np.abs(scores) > FAR).tolist():
        points = min(float(abs(scores[row])) / FAR, MOST_POINTS)
        what = "long" if scores[row] > 0 else "short"
        yield Oddity(row, "length", f"target {what} for its source (z {scores[row]:+.1f})", points)


def find_rare_scripts(table: PairTable) -> Iterator[Oddity]:
    """Find letters of a script that is rare on their side."""
    sides: tuple[tuple[str, Callable[[], Iterable[str]]], ...] = (
        ("source", table.sources),
        ("target", table.targets),
    )
    for side, texts in sides:
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for row, text in enumerate(texts()):
            for script in {name for name in map(find_script, set(text)) if name}:
                rows[script].append(row)
        for script, found in sorted(rows.items()):
            if _is_rare(len(found), table):
                reason = f"{script.capitalize()} letters in the {side}"
                yield from (Oddity(row, "script", reason) for row in found)


@lru_cache(maxsize=4096)
def find_script(letter: str) -> str:
    """Return the script that a letter's Unicode name begins with; nothing for other characters.

    Example:
        >>> find_script("a"), find_script("ж"), find_script("7")
        ('LATIN', 'CYRILLIC', '')
    """
    return unicodedata.name(letter, "").partition(" ")[0] if letter.isalpha() else ""


def find_wrong_sides(table: PairTable) -> Iterator[Oddity]:
    """Find sources that are written like targets, and targets that are written like sources.

    The odds that a text is of the other side, by letter pairs, have to make up for one wrong
    pair in the whole file: sum_i ln p(c_i | c_{i-1}; other) / p(c_i | c_{i-1}; own) > ln N + 3.
    """
    models = _LetterPairs(table.sources()), _LetterPairs(table.targets())
    threshold = math.log(max(len(table), 1)) + CERTAIN
    for row, texts in enumerate(_pairs(table)):
        for own, (side, other) in enumerate((("source", "target"), ("target", "source"))):
            text = texts[own]
            odds = models[1 - own].log_prob(text) - models[own].log_prob(text, is_counted=True)
            if odds > threshold:
                points = min(odds / threshold, MOST_POINTS)
                yield Oddity(row, "side", f"{side} looks like a {other}", points)


class _LetterPairs:
    """How probable a letter b is after a letter a, on one side.

    p(b | a) = (c(ab) + m p(b)) / (c(a) + m),  p(b) = (c(b) + 1) / (sum_b c(b) + V + 1)

    A letter that the side does not have costs about the logarithm of the size of the side.

    Reference: MacKay & Peto 1995, the hierarchical Dirichlet language model.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.pairs: Counter[str] = Counter()
        for text in texts:
            self.pairs.update(_letter_pairs(text))
        self.firsts: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        for pair, count in self.pairs.items():
            self.firsts[pair[0]] += count
            self.seconds[pair[1]] += count
        self.total = self.pairs.total()
        self._log_probs: dict[tuple[str, int], float] = {}

    def log_prob(self, text: str, *, is_counted: bool = False) -> float:
        """Return the log-probability of a text, in nats.

        A text that was counted must not vouch for itself: each of its pairs counts one less.
        """
        taken_out = int(is_counted)
        return sum(self._of_pair(pair, taken_out) for pair in _letter_pairs(text))

    def _of_pair(self, pair: str, taken_out: int) -> float:
        key = pair, taken_out
        if key not in self._log_probs:
            letter = (self.seconds[pair[1]] - taken_out + 1) / (
                self.total - taken_out + len(self.seconds) + 1
            )
            count, total = self.pairs[pair] - taken_out, self.firsts[pair[0]] - taken_out
            self._log_probs[key] = math.log((count + PRIOR * letter) / (total + PRIOR))
        return self._log_probs[key]


def _letter_pairs(text: str) -> list[str]:
    marked = f"\n{text}\n"
    return [marked[place : place + 2] for place in range(len(marked) - 1)]


def _pairs(table: PairTable) -> Iterator[tuple[str, str]]:
    return zip(table.sources(), table.targets(), strict=True)


def _is_rare(count: int, table: PairTable) -> bool:
    return count <= RARE_SHARE * len(table)
