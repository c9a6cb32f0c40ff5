"""How good the average is on the dev set, by the metric that matters for the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foveate.data.table import PairTable
from foveate.metrics import Statistics, collect_statistics, estimate_difference_error
from foveate.options import SUBWORD_KINDS
from foveate.text.matching import Matching
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

    The best score of a run is in part the luckiest one, the more so the smaller the sample. So it
    is not the best average that is kept, but the last one that cannot be told from it
    (docs/decisions/0032).
    """

    sources: list[str]
    references: list[list[str]]
    metric: str

    @classmethod
    def build(
        cls, dev: PairTable, matching: Matching, most_sources: int = MOST_SOURCES
    ) -> Validation:
        """Take up to `most_sources` sources, evenly spread."""
        pairs = zip(dev.sources(), dev.targets(), strict=True)
        sources, references = matching.group_references(pairs)
        size = min(len(sources), most_sources)
        rows = [number * len(sources) // size for number in range(size)]
        references = [references[row] for row in rows]
        metric = "exact_match"
        if matching.target_codec.kind in SUBWORD_KINDS:
            has_blanks = any(" " in text for texts in references for text in texts)
            metric = "bleu" if has_blanks else "chrf"
        return cls([sources[row] for row in rows], references, metric)

    def translate(self, translator: Translator) -> list[str]:
        """Return the greedy outputs for the sources, in the form in which they are compared."""
        matching = Matching(translator.source_codec, translator.target_codec)
        found = translator.translate(self.sources, beam_size=1, attention=False)
        return [matching.target(one.text) for one in found]

    def measure(self, outputs: Sequence[str]) -> dict[str, float]:
        """Return the metrics of outputs; the first is the one to select by."""
        names = dict.fromkeys((self.metric, "character_error_rate", "chrf", "exact_match"))
        return {name: self._count(name, outputs).value() for name in names}

    def is_better(self, new: dict[str, float], best: dict[str, float]) -> bool:
        """Say whether new scores beat the best ones (none at first)."""
        return not best or self._rank(new) > self._rank(best)

    def is_as_good(self, new: Sequence[str], best: Sequence[str]) -> bool:
        """Say whether outputs are at most one standard error behind the best ones."""
        ours, theirs = self._count(self.metric, new), self._count(self.metric, best)
        return theirs.value() - ours.value() <= estimate_difference_error(theirs, ours)

    def _count(self, metric: str, outputs: Sequence[str]) -> Statistics:
        return collect_statistics(outputs, self.references, names=[metric])[metric]

    def _rank(self, scores: dict[str, float]) -> tuple[float, float]:
        return scores[self.metric], -scores["character_error_rate"]
