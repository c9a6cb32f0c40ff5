"""What corresponds to what in aligned pairs: every link with its weight, and counts of them all.

Knows nothing of models and files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveate.insight.alignment import Method, hard_alignment

GAP = "∅"  # what stands for nothing, as on the other side of a silent letter


@dataclass(frozen=True, slots=True)
class Link:
    """One link between a source symbol and a target symbol.

    Attributes:
        source: its place, from 0; None where nothing corresponds to the target.
        target: its place, from 0; None where nothing corresponds to the source.
        source_symbol: the token or word there.
        target_symbol: the token or word there.
        weight: the attention weight; the greatest of several between two words; 0 at a gap.
    """

    source: int | None
    target: int | None
    source_symbol: str
    target_symbol: str
    weight: float


Groups = tuple[Sequence[int], Sequence[int]]


def list_links(
    tokens: tuple[Sequence[str], Sequence[str]],
    attention: NDArray[np.float32],
    method: Method,
    groups: Groups | None = None,
) -> list[Link]:
    """Return every link of a pair, and every symbol without one, in the order of the source.

    Args:
        tokens: of source and target.
        attention: [T, S] weights.
        method: see `hard_alignment`.
        groups: for every token of both sides the word it belongs to, to link words.

    Example:
        >>> import numpy as np
        >>> weights = np.array([[0.9, 0.1, 0.0], [0.2, 0.0, 0.8]])
        >>> [(one.source_symbol, one.target_symbol) for one in
        ...  list_links((["k", "n", "t"], ["N", "T"]), weights, "argmax")]
        [('k', 'N'), ('n', '∅'), ('t', 'T')]
    """
    weights: dict[tuple[int, int], float] = {}
    sides = groups or (range(len(tokens[0])), range(len(tokens[1])))
    for source, target in hard_alignment(attention, method):
        place = sides[0][source], sides[1][target]
        if min(place) >= 0:
            weight = float(attention[target, source])
            weights[place] = max(weight, weights.get(place, 0.0))
    sources, targets = (_join(side, own) for side, own in zip(tokens, sides, strict=True))
    return list(_order(weights, sources, targets))


def _join(tokens: Sequence[str], groups: Sequence[int]) -> list[str]:
    """Return the symbol of each group."""
    symbols = [""] * (max(groups, default=-1) + 1)
    for token, group in zip(tokens, groups, strict=True):
        if group >= 0:
            symbols[group] += token
    return symbols


def _order(
    weights: dict[tuple[int, int], float], sources: Sequence[str], targets: Sequence[str]
) -> Iterator[Link]:
    linked = {target for _, target in weights}
    for place, symbol in enumerate(sources):
        own = sorted(target for source, target in weights if source == place)
        for target in own:
            yield Link(place, target, symbol, targets[target], weights[place, target])
        if not own:
            yield Link(place, None, symbol, GAP, 0.0)
    for place, symbol in enumerate(targets):
        if place not in linked:
            yield Link(None, place, GAP, symbol, 0.0)


def count_links(links: Iterable[Link]) -> list[tuple[str, str, int, float]]:
    """Return source symbol, target symbol, count and share of the source symbol, commonest first.

    Example:
        >>> link = Link(0, 0, "c", "K", 0.9)
        >>> count_links([link, link, Link(1, 0, "c", "S", 0.8)])[0]
        ('c', 'K', 2, 0.6666666666666666)
    """
    counts = Counter((link.source_symbol, link.target_symbol) for link in links)
    totals: Counter[str] = Counter()
    for (source, _), count in counts.items():
        totals[source] += count
    return [
        (source, target, count, count / totals[source])
        for (source, target), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
