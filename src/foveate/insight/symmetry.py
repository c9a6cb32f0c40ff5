"""Join the word alignments of two directions, and score an alignment beside a gold standard.

An alignment is a set of links (i source, j target). A model that reads the source and writes the
target links every target word once; its reverse links every source word once. Knows no models.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Literal

Link = tuple[int, int]
Links = Set[Link]
Joining = Literal["intersection", "grow-diag-final-and", "union"]
_NEAR = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]


def join_directions(forward: Links, backward: Links, how: Joining) -> set[Link]:
    """Join the links of two directions, both given as (i source, j target).

    `intersection` keeps what both have, `union` what one has. `grow-diag-final-and` begins with
    the intersection and adds neighbours of its links from the union, diagonal ones too, while one
    of their words has no link yet; then it adds the links whose words both have none.

    Example:
        >>> sorted(join_directions({(0, 0), (1, 1)}, {(0, 0), (1, 2)}, "grow-diag-final-and"))
        [(0, 0), (1, 1), (1, 2)]

    Reference: Och & Ney 2003, section 3.2; Koehn, Och & Marcu 2003, section 3.1.
    """
    if how == "intersection":
        return set(forward & backward)
    if how == "union":
        return set(forward | backward)
    joined = _grow(set(forward & backward), forward | backward)
    for link in (*sorted(forward), *sorted(backward)):
        if _count_free(link, joined) == 2:
            joined.add(link)
    return joined


def _grow(joined: set[Link], union: Links) -> set[Link]:
    """Add neighbours from the union until none has a word without a link."""
    waiting = sorted(joined)
    while waiting:
        i, j = waiting.pop(0)
        for down, right in _NEAR:
            link = i + down, j + right
            if link in union and link not in joined and _count_free(link, joined):
                joined.add(link)
                waiting.append(link)
    return joined


def _count_free(link: Link, joined: Links) -> int:
    """Return how many of the two words of a link have no link yet."""
    has_source = any(i == link[0] for i, _ in joined)
    has_target = any(j == link[1] for _, j in joined)
    return 2 - has_source - has_target


@dataclass(frozen=True)
class AlignmentScore:
    """How well links match a gold standard: three numbers between 0 and 1.

    Attributes:
        precision: share of the links that the gold standard at least allows.
        recall: share of its sure links that were found.
        error_rate: the alignment error rate; 0 is perfect.
    """

    precision: float
    recall: float
    error_rate: float


def score_alignments(rows: Iterable[tuple[Links, Links, Links]]) -> AlignmentScore:
    """Score the alignments A of many pairs against sure links S and possible links P.

        precision = |A ∩ P| / |A|,   recall = |A ∩ S| / |S|,
        AER = 1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|)

    Every sure link is possible, too. No links at all have the precision 1 and the recall 0.

    Args:
        rows: for each pair its links, the sure links and the possible links.

    Example:
        >>> score_alignments([({(0, 0), (1, 1), (2, 1)}, {(0, 0), (1, 2)}, {(1, 1)})])
        AlignmentScore(precision=0.6666666666666666, recall=0.5, error_rate=0.4)

    Reference: Och & Ney 2003, section 5.1.
    """
    num_links = num_sure = found_sure = found_possible = 0
    for links, sure, possible in rows:
        num_links += len(links)
        num_sure += len(sure)
        found_sure += len(links & sure)
        found_possible += len(links & (possible | sure))
    precision = found_possible / num_links if num_links else 1.0
    recall = found_sure / num_sure if num_sure else 1.0
    total = num_links + num_sure
    error_rate = 1 - (found_sure + found_possible) / total if total else 0.0
    return AlignmentScore(precision, recall, error_rate)
