"""What a worker computes: one request as a value, and several of them in one batch.

Knows no HTTP and no queue. The translator sorts a batch by length, and cuts one that is too large.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from foveate.outputs import Partial
from foveate.records import Request, Translation
from foveate.translator import Translator

Answer = list[Translation]
Outcome = Answer | Exception


@dataclass(frozen=True, kw_only=True)
class Work:
    """All that one HTTP request wants of a model. Equal works have equal answers.

    Attributes:
        model: name of the model.
        requests: what to translate.
        pairs: instead of that, sources and targets to score.
        choices: how many of the likeliest tokens to return for each place of a pair's target.
        emit: is given each token of the only request as it is written.
    """

    model: str
    requests: tuple[Request, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    choices: int = 0
    emit: Callable[[Partial], None] | None = None

    @property
    def kind(self) -> Hashable:
        """What other work may stand in its batch; None: no other.

        What is drawn depends on its place among the texts, so it stays by itself.
        """
        if self.emit or any(request.sampling for request in self.requests):
            return None
        return (self.model, bool(self.pairs), self.choices)

    def measure(self, translator: Translator) -> tuple[int, int]:
        """Return how many hypotheses it has, and source tokens times hypotheses."""
        texts = [request.source for request in self.requests] or [one for one, _ in self.pairs]
        widths = [
            request.n_best if request.sampling else max(request.beam_size, request.n_best)
            for request in self.requests
        ] or [1] * len(texts)
        lengths = [len(ids) for ids in translator.source_codec.encode_many(texts)]
        kept = [max(1, min(length, translator.max_source)) for length in lengths]
        return sum(widths), sum(a * b for a, b in zip(kept, widths, strict=True))


def compute(translator: Translator, works: Sequence[Work]) -> list[Outcome]:
    """Return the answer to each work, or what went wrong with it, and with no other."""
    try:
        return list(_compute_together(translator, works))
    except Exception as error:
        if len(works) == 1:
            return [error]
    return [outcome for work in works for outcome in compute(translator, [work])]


def _compute_together(translator: Translator, works: Sequence[Work]) -> list[Answer]:
    if works[0].emit:
        return [[_stream(translator, works[0].requests[0], works[0].emit)]]
    if works[0].pairs:
        pairs = [pair for work in works for pair in work.pairs]
        found = list(translator.score_pairs(pairs, choices=works[0].choices))
    else:
        found = translator.translate_batch([one for work in works for one in work.requests])
    parts, place = [], 0
    for work in works:
        size = len(work.pairs) or len(work.requests)
        parts.append(found[place : place + size])
        place += size
    return parts


def _stream(
    translator: Translator, request: Request, emit: Callable[[Partial], None]
) -> Translation:
    parts = translator.stream(request)
    while isinstance(part := next(parts), Partial):
        emit(part)
    return part
