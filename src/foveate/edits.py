"""Edits from one sequence to another: how many, and which.

Knows nothing of models and files. rapidfuzz enters here only.
"""

from __future__ import annotations

from collections.abc import Sequence


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
    from rapidfuzz.distance import Levenshtein

    return [
        (
            reference[edit.src_pos] if edit.tag != "insert" else "",
            hypothesis[edit.dest_pos] if edit.tag != "delete" else "",
        )
        for edit in Levenshtein.editops(reference, hypothesis)
    ]


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
