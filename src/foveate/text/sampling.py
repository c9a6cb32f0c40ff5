"""Cut subwords in random other ways, so that a model sees every word in many forms.

Why not sentencepiece's own sampling: its generator is salted in every process, so that a run
could be neither repeated nor resumed. This one is a pure function of its arguments everywhere.
"""

from __future__ import annotations

import math
import random
import re
from bisect import bisect
from collections.abc import Callable, Mapping
from functools import partial
from itertools import accumulate, pairwise

from foveate.options import SubwordKind

Lattice = list[tuple[list[str], list[float]]]

BLANK_MARK = "\N{LOWER ONE EIGHTH BLOCK}"  # "▁": the blank inside subwords
UNKNOWN_PENALTY = 10.0  # an unknown character is that much worse than the worst piece
NEVER = -math.inf  # rank of a pair that is no piece
_WORD = re.compile(f"{BLANK_MARK}[^{BLANK_MARK}]*")


def sample_texts(
    texts: list[str], scores: Mapping[str, float], kind: SubwordKind, strength: float, seed: int
) -> list[list[str]]:
    """Cut each word of each text at random: unigram sampling or BPE-dropout.

    `strength` is the probability to drop a merge (bpe). Unigram draws a segmentation with
    probability p^alpha, where strength 0.1, the usual dropout, is alpha 0.2, as usual there, and
    strength 1 is alpha 0 (any segmentation alike).

    Args:
        texts: the texts.
        scores: log-probability of each piece (unigram), or minus the rank of its merge (bpe).
        kind: unigram or bpe.
        strength: above 0, up to 1.
        seed: seed of the random choices.

    Reference: Kudo 2018 (1804.10959), section 3.1; Provilkov et al. 2020 (1910.13267), section 3.
    """
    draw = random.Random(seed).random
    cut = (
        partial(drop_merges, scores=scores, dropout=strength, draw=draw)
        if kind == "bpe"
        else _unigram_cutter(scores, (1 - strength) / (45 * strength), draw)
    )
    return [
        [piece for word in split_words(text) for piece in _merge_unknown(cut(word), scores)]
        for text in texts
    ]


def split_words(text: str) -> list[str]:
    """Cut a text before every blank, written as "▁"; no piece crosses these borders.

    Example:
        >>> split_words("a  dog")
        ['▁a', '▁', '▁dog']
    """
    return _WORD.findall(BLANK_MARK + text.replace(" ", BLANK_MARK)) if text else []


def drop_merges(
    word: str, scores: Mapping[str, float], dropout: float, draw: Callable[[], float]
) -> list[str]:
    """Merge the characters of a word pair by pair, best merge first, each dropped at random.

    Example:
        >>> drop_merges("aab", {"ab": -0.0, "aa": -1.0}, 0.0, random.random)
        ['a', 'ab']
    """
    pieces = list(word)
    ranks = [scores.get(left + right, NEVER) for left, right in pairwise(pieces)]
    while True:
        best = max(ranks, default=NEVER)
        if best == NEVER:
            return pieces
        place = ranks.index(best)
        if draw() < dropout:
            survivor = _next_best(ranks, place, dropout, draw)
            if survivor is None:
                return pieces
            place = survivor
        pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
        del ranks[place]
        for left in range(max(0, place - 1), min(place + 1, len(ranks))):
            ranks[left] = scores.get(pieces[left] + pieces[left + 1], NEVER)


def _next_best(
    ranks: list[float], dropped: int, dropout: float, draw: Callable[[], float]
) -> int | None:
    """Return the best merge but the dropped one that survives, None when none does."""
    others = (place for place, rank in enumerate(ranks) if rank > NEVER and place != dropped)
    for place in sorted(others, key=lambda place: -ranks[place]):
        if draw() >= dropout:
            return place
    return None


def build_lattice(
    word: str, log_weights: Mapping[str, float], longest: int, unknown: float
) -> Lattice:
    """Sum the weights of all ways to each place of a word (forward filtering).

    Args:
        word: a word, which need not be made of known characters.
        log_weights: alpha times the log-probability of each piece.
        longest: length of the longest piece.
        unknown: the same of a character that is no piece.

    Returns:
        For each place the pieces that end there, and the cumulated probabilities of all but the
        last of them.
    """
    totals = [0.0]  # log of the summed weights of all ways to a place
    lattice: Lattice = [([], [])]
    find = log_weights.get
    for end in range(1, len(word) + 1):
        spans = [word[start:end] for start in range(max(0, end - longest), end)]
        pieces = [span for span in spans if span in log_weights]
        if spans[-1] not in log_weights:  # a character that is no piece
            pieces.append(spans[-1])
        logs = [totals[end - len(piece)] + find(piece, unknown) for piece in pieces]
        highest = max(logs)
        weights = [math.exp(value - highest) for value in logs]
        total = sum(weights)
        totals.append(highest + math.log(total))
        lattice.append((pieces, [weight / total for weight in accumulate(weights[:-1])]))
    return lattice


def draw_path(lattice: Lattice, draw: Callable[[], float]) -> list[str]:
    """Draw one way through a lattice, from its end to its begin (backward sampling)."""
    path = []
    end = len(lattice) - 1
    while end > 0:
        pieces, cumulated = lattice[end]
        piece = pieces[bisect(cumulated, draw())] if cumulated else pieces[0]
        path.append(piece)
        end -= len(piece)
    path.reverse()
    return path


def _unigram_cutter(
    scores: Mapping[str, float], alpha: float, draw: Callable[[], float]
) -> Callable[[str], list[str]]:
    log_weights = {piece: alpha * score for piece, score in scores.items()}
    longest = max(map(len, scores), default=1)
    unknown = alpha * (min(scores.values(), default=0.0) - UNKNOWN_PENALTY)
    lattices: dict[str, Lattice] = {}

    def cut(word: str) -> list[str]:
        lattice = lattices.get(word)
        if lattice is None:
            lattice = lattices[word] = build_lattice(word, log_weights, longest, unknown)
        return draw_path(lattice, draw)

    return cut


def _merge_unknown(pieces: list[str], scores: Mapping[str, float]) -> list[str]:
    """Join neighbours that are no pieces to one unknown token, as sentencepiece does."""
    if all(map(scores.__contains__, pieces)):
        return pieces
    merged: list[str] = []
    was_known = True
    for piece in pieces:
        is_known = piece in scores
        if is_known or was_known:
            merged.append(piece)
        else:
            merged[-1] += piece
        was_known = is_known
    return merged
