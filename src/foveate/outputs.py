"""From the hypotheses of a search to the outputs of a request: one for each text, in order.

Every output has the score by which it stands where it stands (`rank_score`), and one that was cut
off stands below all that the model ended. Knows no models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from foveate.ranking import place_key
from foveate.records import Request, Translation
from foveate.text.codec import Codec
from foveate.text.word_list import NO_WORDS, WordList


def order_outputs(
    found: Sequence[Translation], request: Request, words: WordList | None = None
) -> Translation:
    """Return the best output for a request, with the others as its alternatives.

    Samples stay in the order in which they were drawn. All others are merged by text and ranked:
    by their probability, by what a list of words gives to them, or by their likeness to all.

    Args:
        found: outputs, each with the rank score that its own probability and length give.
        request: what is wanted.
        words: ranks the outputs instead.
    """
    if len(found) == 1 and words is None and request.mbr is None:
        return found[0]
    if request.mbr is not None:
        ranked = _rank_by_likeness(found, request)
    elif request.sampling is not None:
        ranked = _weigh(found, request.length_penalty, NO_WORDS)
        ranked.sort(key=lambda one: not one.is_finished)
    else:
        merged = merge_texts(found)
        ranked = _weigh(merged, request.length_penalty, words or NO_WORDS)
        ranked.sort(key=lambda one: place_key(one.rank_score, one.is_finished))
    return join_outputs(ranked, request.n_best)


def _weigh(found: Sequence[Translation], penalty: float, words: WordList) -> list[Translation]:
    ranks = [words.weigh(one, penalty) for one in found]
    return [
        one if one.rank_score == rank else replace(one, rank_score=rank)
        for one, rank in zip(found, ranks, strict=True)
    ]


def merge_texts(found: Sequence[Translation]) -> list[Translation]:
    """Make one output of all that have the same text, with their probability together.

    It has the tokens of the likeliest. What was cut off and has the text of one that was not is
    left out.
    """
    merged: dict[str, list[Translation]] = {}
    for one in sorted(found, key=lambda one: place_key(one.score, one.is_finished)):
        merged.setdefault(one.text, []).append(one)
    return [_merge(group) for group in merged.values()]


def _merge(group: Sequence[Translation]) -> Translation:
    best = group[0]
    scores = [one.score for one in group if one.is_finished == best.is_finished]
    if len(scores) == 1:
        return best
    return replace(best, score=float(np.logaddexp.reduce(scores)))


def _rank_by_likeness(found: Sequence[Translation], request: Request) -> list[Translation]:
    """Put first what is most like all others, each by its probability (samples: by their number).

    What was cut off has no say while there are others.
    """
    from foveate.search.risk import order_by_risk, temper
    from foveate.text.likeness import MEASURES

    assert request.mbr is not None
    voters = [one for one in found if one.is_finished] or list(found)
    weights = temper([0.0 if request.sampling else one.score for one in voters])
    merged = merge_texts(found)
    texts = [one.text for one in merged]
    shares = np.zeros(len(texts))
    np.add.at(shares, [texts.index(one.text) for one in voters], weights)
    measure = MEASURES[request.mbr]
    likeness = np.array([[measure(text, other) for other in texts] for text in texts])
    order, expected = order_by_risk(likeness, shares)
    ranked = [
        replace(merged[place], rank_score=value)
        for place, value in zip(order.tolist(), expected.tolist(), strict=True)
    ]
    return sorted(ranked, key=lambda one: not one.is_finished)


def join_outputs(ranked: Sequence[Translation], n_best: int) -> Translation:
    """Return the first output with those after it as its alternatives.

    What stands below for another reason than its score, having been cut off, has no higher score
    than those above it.
    """
    kept = list(ranked[:n_best])
    for place in range(1, len(kept)):
        if not kept[place].is_finished:
            least = min(kept[place].rank_score, kept[place - 1].rank_score)
            kept[place] = replace(kept[place], rank_score=least)
    return replace(kept[0], alternatives=kept[1:]) if len(kept) > 1 else kept[0]


def put_first(best: Translation, others: Translation, n_best: int) -> Translation:
    """Put an output before others for a reason of its own; its rank score is no lower then."""
    rest = [one for one in (others, *others.alternatives) if one.text != best.text]
    rest = [replace(one, alternatives=[]) for one in rest]
    highest = max([best.rank_score, *(one.rank_score for one in rest)])
    return join_outputs([replace(best, rank_score=highest), *rest], n_best)


@dataclass(frozen=True, slots=True)
class Partial:
    """A token of a translation that is being written.

    Attributes:
        token: the token.
        text: the output up to and with it.
        log_prob: its log-probability, in nats.
        attention: [S] attention weights; None when they were not wanted or there are none.
    """

    token: str
    text: str
    log_prob: float
    attention: NDArray[np.float32] | None


def replay(whole: Translation, codec: Codec) -> Iterator[Partial | Translation]:
    """Yield a translation that is there as if it were being written."""
    looks = whole.attention
    for place, (token, log_prob) in enumerate(zip(whole.tokens, whole.token_scores, strict=True)):
        row = None if looks is None else looks[place]
        yield Partial(token, codec.join(whole.tokens[: place + 1]), log_prob, row)
    yield whole
