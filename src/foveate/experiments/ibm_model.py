"""IBM model 1: a word aligner that has no network, only counts.

    p(f_1 ... f_T | e_1 ... e_S) ∝ prod_j sum_i t(f_j | e_i),   i = 0 is the empty word

Expectation: every target word f_j is shared out among the words of its source, by t(f_j | e_i).
Maximisation: t(f | e) is the share of e that went to f. The words may stand in any order.

Reference: Brown et al. 1993, section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveate.insight.symmetry import Link

ITERATIONS = 10
EMPTY = ""  # the word that target words without a source word come from

Sentences = Sequence[Sequence[str]]


@dataclass(frozen=True)
class IbmModel1:
    """What words become: `chances[(e, f)]` is t(f | e).

    Example:
        >>> sources = [["das", "Haus"], ["das", "Buch"], ["ein", "Buch"]]
        >>> targets = [["the", "house"], ["the", "book"], ["a", "book"]]
        >>> model = learn_model_1(sources, targets)
        >>> sorted(model.align(["das", "Buch"], ["the", "book"]))
        [(0, 0), (1, 1)]
    """

    chances: dict[tuple[str, str], float]

    def share(self, source: Sequence[str], target: Sequence[str]) -> NDArray[np.float64]:
        """Return p(a_j = i) [T, 1 + S]: how much of each target word comes from which word.

        The first column is that of the empty word. A word that was never seen is shared evenly.
        """
        words = (EMPTY, *source)
        shares = np.array([[self.chances.get((e, f), 0.0) for e in words] for f in target])
        shares[shares.sum(axis=1) == 0] = 1.0
        result: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
        return result

    def align(self, source: Sequence[str], target: Sequence[str]) -> set[Link]:
        """Link every target word to its likeliest source word, unless that is the empty word."""
        best = self.share(source, target).argmax(axis=1).tolist()
        return {(i - 1, j) for j, i in enumerate(best) if i}


def learn_model_1(
    sources: Sentences, targets: Sentences, iterations: int = ITERATIONS
) -> IbmModel1:
    """Learn t(f | e) from pairs of sentences, by expectation-maximisation from even chances."""
    words, pair_of, word_of = _list_links(sources, targets)
    first_of, codes = np.unique([e for e, _ in words], return_inverse=True)
    chances = np.ones(len(words))
    for _ in range(iterations):
        shares = chances[pair_of]
        shares /= np.bincount(word_of, shares)[word_of]
        counts = np.bincount(pair_of, shares, len(words))
        chances = counts / np.bincount(codes, counts, len(first_of))[codes]
    return IbmModel1(dict(zip(words, chances.tolist(), strict=True)))


def _list_links(
    sources: Sentences, targets: Sentences
) -> tuple[list[tuple[str, str]], NDArray[np.int64], NDArray[np.int64]]:
    """Return all pairs of words that meet, and for each meeting its pair and its target word."""
    numbers: dict[tuple[str, str], int] = {}
    pair_of, word_of, count = [], [], 0
    for source, target in zip(sources, targets, strict=True):
        for f in target:
            for e in (EMPTY, *source):
                pair_of.append(numbers.setdefault((e, f), len(numbers)))
                word_of.append(count)
            count += 1
    return list(numbers), np.array(pair_of), np.array(word_of)
