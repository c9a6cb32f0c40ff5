"""How alike two texts are, from 0 to 1: by their n-grams of characters, or by edits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from foveate.edits import count_edits
from foveate.records import Likeness

LONGEST = 6  # characters of an n-gram
BETA = 2.0  # how many times as much what is missing counts as what is too much


def chrf_likeness(text: str, reference: str) -> float:
    """Return the chrF of one text: the F-score of its n-grams of up to six characters.

    Reference: Popovic 2015, chrF, section 2; blanks do not count.

    Example:
        >>> chrf_likeness("abc", "abc"), chrf_likeness("abc", "xyz")
        (1.0, 0.0)
    """
    ours, theirs = "".join(text.split()), "".join(reference.split())
    if not ours or not theirs:
        return float(ours == theirs)
    scores = []
    for size in range(1, LONGEST + 1):
        mine, other = _count_grams(ours, size), _count_grams(theirs, size)
        if mine and other:
            scores.append(((mine & other).total(), mine.total(), other.total()))
    precision = sum(shared / total for shared, total, _ in scores) / len(scores)
    recall = sum(shared / total for shared, _, total in scores) / len(scores)
    total = BETA**2 * precision + recall
    return (1 + BETA**2) * precision * recall / total if total else 0.0


def _count_grams(text: str, size: int) -> Counter[str]:
    return Counter(text[at : at + size] for at in range(len(text) - size + 1))


def edit_likeness(text: str, reference: str) -> float:
    """Return 1 - edits / length of the longer text, in characters.

    Example:
        >>> edit_likeness("abcd", "abce")
        0.75
    """
    longest = max(len(text), len(reference))
    return 1 - count_edits(text, reference) / longest if longest else 1.0


MEASURES: Mapping[Likeness, Callable[[str, str], float]] = {
    "chrf": chrf_likeness,
    "edits": edit_likeness,
}
