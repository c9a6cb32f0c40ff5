"""A lexicon of the pairs: which target tokens a source token becomes, learnt before training.

    t(w | x),   p(a_i = j) ∝ t(y_i | x_j) d(i, j),   d(i, j) ∝ exp(-L |i / I - j / J|)

IBM model 1 with a preference for the diagonal: expectation-maximisation over all alignments, in
NumPy. It sees a pair as two bags of tokens, so a few iterations over a few thousand pairs find
translations, and with them alignments, that a network needs many passes for.

Reference: Brown et al. 1993, section 4.1; the diagonal is that of Dyer et al. 2013, section 2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveate.data.batching import EncodedPairs
from foveate.records import Batch
from foveate.text.vocabulary import EOS, PAD

ITERATIONS = 5
DIAGONAL = 4.0  # L
EMPTY_SHARE = 0.08  # prior probability that no source token explains a target token
MOST_LINKS = 3_000_000  # pairs of tokens: 250 MB


class Links(NamedTuple):
    """Every source token of a pair beside every target token; PAD is the empty word."""

    keys: NDArray[np.int64]  # source id times target vocabulary plus target id
    steps: NDArray[np.int64]  # number of the target token, over all pairs
    priors: NDArray[np.float64]  # d, sum to 1 for each target token


class Lexicon:
    """Translation probabilities t(w | x) of all tokens that stand in a common pair.

    Args:
        pairs: to learn from.
        source_size: entries of the source vocabulary.
        target_size: entries of the target vocabulary.
        most_links: pairs of tokens that are looked at.
    """

    def __init__(
        self,
        pairs: EncodedPairs,
        source_size: int,
        target_size: int,
        most_links: int = MOST_LINKS,
    ) -> None:
        self.source_size, self.target_size = source_size, target_size
        links = _link(pairs, target_size, most_links)
        self._keys, link_keys = np.unique(links.keys, return_inverse=True)
        key_sources = self._keys // target_size
        chances = np.full(len(self._keys), 1 / target_size)
        for _ in range(ITERATIONS):
            shares = chances[link_keys] * links.priors
            shares /= np.bincount(links.steps, shares)[links.steps]
            counts = np.bincount(link_keys, shares, len(chances))
            chances = counts / np.bincount(key_sources, counts)[key_sources]
        self._chances = chances

    def likeliest(self, num_words: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return target ids [source_size, num_words], likeliest first, and their probabilities.

        Where a token has fewer the id is PAD and its probability 0.
        """
        words = np.full((self.source_size, num_words), PAD, dtype=np.float32)
        chances = np.zeros((self.source_size, num_words), dtype=np.float32)
        sources, targets = np.divmod(self._keys, self.target_size)
        order = np.lexsort((-self._chances, sources))
        sources = sources[order]
        ranks = np.arange(len(sources)) - np.searchsorted(sources, sources)
        is_kept = (ranks < num_words) & (sources != PAD)
        place = sources[is_kept], ranks[is_kept]
        words[place] = targets[order][is_kept]
        chances[place] = self._chances[order][is_kept]
        return words, chances

    def align(self, batch: Batch) -> NDArray[np.float32]:
        """Return p(a_i = j) [B, T, S]; what a row leaves of 1 belongs to the empty word.

        Padding and end marks have rows of zeros.
        """
        real = (batch.target_mask & (batch.target_out != EOS))[:, :, None]
        real = real & batch.source_mask[:, None, :]
        lengths = [mask.sum(axis=1)[:, None] for mask in (batch.target_mask, batch.source_mask)]
        rows = (np.arange(batch.target_out.shape[1]) + 0.5) / np.maximum(lengths[0] - 1, 1)
        columns = (np.arange(batch.source.shape[1]) + 0.5) / np.maximum(lengths[1], 1)
        near = np.exp(-DIAGONAL * np.abs(rows[:, :, None] - columns[:, None, :])) * real
        near *= (1 - EMPTY_SHARE) / np.maximum(near.sum(axis=2, keepdims=True), 1e-9)
        shares = near * self._look_up(batch.source[:, None, :], batch.target_out[:, :, None])
        empty = EMPTY_SHARE * self._look_up(np.int64(PAD), batch.target_out)[:, :, None]
        total = shares.sum(axis=2, keepdims=True) + empty
        alignment: NDArray[np.float32] = (shares / np.maximum(total, 1e-12)).astype(np.float32)
        return alignment

    def _look_up(
        self, sources: NDArray[np.int64] | np.int64, targets: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        numbers = sources * self.target_size + targets
        places = np.minimum(np.searchsorted(self._keys, numbers), len(self._keys) - 1)
        return np.where(self._keys[places] == numbers, self._chances[places], 0.0)


def _spread(pairs: EncodedPairs, most_links: int) -> NDArray[np.int64]:
    """Return the rows to look at: all, or as many as are affordable from everywhere in the file."""
    num_links = (pairs.target_lengths * (1 + pairs.source_lengths)).sum()
    count = int(len(pairs) * min(1.0, most_links / max(num_links, 1)))
    return np.arange(count, dtype=np.int64) * len(pairs) // max(count, 1)


def _link(pairs: EncodedPairs, target_size: int, most_links: int) -> Links:
    """Link each target token with every source token of its pair and with the empty word."""
    parts, num_steps = [], 0
    for index in _spread(pairs, most_links):
        source, target = pairs.source(index), pairs.target(index)
        rows, columns = len(target), 1 + len(source)
        if not rows or columns == 1:
            continue
        places = (np.arange(rows) + 0.5) / rows, (np.arange(columns - 1) + 0.5) / (columns - 1)
        near = np.exp(-DIAGONAL * np.abs(places[0][:, None] - places[1]))
        priors = np.full((rows, columns), EMPTY_SHARE)
        priors[:, 1:] = (1 - EMPTY_SHARE) * near / near.sum(axis=1, keepdims=True)
        linked = np.concatenate(([PAD], source)).astype(np.int64)
        parts.append(
            Links(
                (linked * target_size + target[:, None]).ravel(),
                np.repeat(np.arange(num_steps, num_steps + rows), columns),
                priors.ravel(),
            )
        )
        num_steps += rows
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return Links(nothing, nothing, np.zeros(0))
    keys, steps, priors = map(np.concatenate, zip(*parts, strict=True))
    return Links(keys, steps, priors)
