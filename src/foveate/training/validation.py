"""How good the average is on the dev set, by the metric that matters for the data."""

from __future__ import annotations

from dataclasses import dataclass

from foveate.data.table import PairTable, group_references
from foveate.metrics import bleu, character_error_rate, chrf, exact_match
from foveate.text.codec import Codec
from foveate.translator import Translator

MOST_SOURCES = 500  # translated at each validation; the final score uses all of them
LEAST_SOURCES = 50
LEAST_VALIDATIONS = 4


def share_out(
    seconds: float, per_source: float, num_validations: int, num_sources: int
) -> tuple[int, int]:
    """Return how many validations of how many sources fit in so many seconds.

    Validations become fewer first, then smaller; neither falls below what can still choose.

    Example:
        >>> share_out(60, 0.01, num_validations=20, num_sources=500)
        (12, 500)
        >>> share_out(6, 0.01, num_validations=20, num_sources=500)
        (4, 150)
    """
    affordable = seconds / (per_source * num_sources)
    count = min(num_validations, max(LEAST_VALIDATIONS, int(affordable)))
    if affordable >= LEAST_VALIDATIONS:
        return count, num_sources
    fitting = int(seconds / (per_source * count))
    return count, min(num_sources, max(LEAST_SOURCES, fitting))


@dataclass(frozen=True)
class Validation:
    """A sample of the dev set and the metric to select by.

    Words and symbols are selected by exact match, ties by character error rate; sentences by
    BLEU when they have blanks, else by chrF (Popovic 2015).
    """

    sources: list[str]
    references: list[list[str]]
    metric: str

    @classmethod
    def build(
        cls, dev: PairTable, target_codec: Codec, most_sources: int = MOST_SOURCES
    ) -> Validation:
        """Take up to `most_sources` sources, evenly spread."""
        sources, references = group_references(dev)
        step = max(1, -(-len(sources) // most_sources))
        references = [
            [target_codec.join(target_codec.split(text)) for text in texts]
            for texts in references[::step]
        ]
        metric = "exact_match"
        if target_codec.kind in ("unigram", "bpe"):
            has_blanks = any(" " in text for texts in references for text in texts)
            metric = "bleu" if has_blanks else "chrf"
        return cls(sources[::step], references, metric)

    def measure(self, translator: Translator) -> dict[str, float]:
        """Translate greedily and return the metrics; the first is the one to select by."""
        outputs = [
            one.text for one in translator.translate(self.sources, beam_size=1, attention=False)
        ]
        scores = {"character_error_rate": character_error_rate(outputs, self.references).value()}
        if self.metric == "bleu":
            scores["bleu"] = bleu(outputs, self.references).value()
        scores["chrf"] = chrf(outputs, self.references).value()
        scores["exact_match"] = exact_match(outputs, self.references).value()
        return {self.metric: scores.pop(self.metric), **scores}

    def is_better(self, new: dict[str, float], old: dict[str, float]) -> bool:
        """Say whether new scores beat old ones (none at first)."""
        return not old or self._rank(new) > self._rank(old)

    def _rank(self, scores: dict[str, float]) -> tuple[float, float]:
        return scores[self.metric], -scores["character_error_rate"]
