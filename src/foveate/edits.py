"""Edits from one sequence to another: how many, and which.

Knows nothing of models and files. rapidfuzz enters here only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EDGE = "#"  # begin and end of a text


def count_edits(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the fewest insertions, deletions and replacements between two sequences.

    Example:
        >>> count_edits("kitten", "sitting")
        3
    """
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(one, other)


def find_edits(hypothesis: Sequence[str], reference: Sequence[str]) -> list[tuple[str, str]]:
    """Return the fewest edits between two texts, as tokens of the reference and of the hypothesis.

    The token is empty where one side has nothing.

    Example:
        >>> find_edits(["K", "IH", "T"], ["K", "AE", "T", "S"])
        [('AE', 'IH'), ('S', '')]
    """
    edits = find_edits_in_context(hypothesis, reference)
    return [(edit.reference, edit.output) for edit in edits]


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit, and the tokens of the reference beside it: `#` for begin and end.

    Attributes:
        reference: the token that is right; empty where the output has one too much.
        output: the token that was written; empty where one is missing.
        before: what stands before it in the reference.
        after: what stands behind it.
    """

    reference: str
    output: str
    before: str
    after: str


def find_edits_in_context(hypothesis: Sequence[str], reference: Sequence[str]) -> list[Edit]:
    """Return the fewest edits between two texts, each with what stands beside it.

    Example:
        >>> find_edits_in_context(["K", "IH", "T"], ["K", "AE", "T"])
        [Edit(reference='AE', output='IH', before='K', after='T')]
    """
    from rapidfuzz.distance import Levenshtein

    framed = [EDGE, *reference, EDGE]
    found = []
    for edit in Levenshtein.editops(reference, hypothesis):
        right = reference[edit.src_pos] if edit.tag != "insert" else ""
        wrong = hypothesis[edit.dest_pos] if edit.tag != "delete" else ""
        after = edit.src_pos + (1 if edit.tag == "insert" else 2)
        found.append(Edit(right, wrong, framed[edit.src_pos], framed[after]))
    return found


def nearest_reference(
    hypothesis: Sequence[str], references: Sequence[Sequence[str]]
) -> Sequence[str]:
    """Return the reference with the fewest edits, the longest one of several.

    Example:
        >>> nearest_reference("cart", ["dog", "cat", "carts"])
        'carts'
    """
    return min(references, key=lambda other: (count_edits(hypothesis, other), -len(other)))


def measure_likeness(pairs: Sequence[tuple[str, str]]) -> float:
    """Return how much of a source its target keeps: the mean of 1 - edits / longer length.

    1 is everything. OCR errors and old spelling leave most of it, a translation about 0.3.

    Example:
        >>> measure_likeness([("dagr", "dagar"), ("hus", "hus")])
        0.9
    """
    shares = [1 - count_edits(*pair) / max(1, *map(len, pair)) for pair in pairs]
    return sum(shares) / max(1, len(shares))
