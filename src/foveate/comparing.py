"""Several models on the same pairs: which is better, by how much, and may it be chance?

Knows nothing of files or terminals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foveate.data.table import PairTable
from foveate.errors import DataError
from foveate.evaluation import Evaluation, evaluate
from foveate.judged import Disagreement, find_disagreements, judge
from foveate.metrics import choose_bleu_tokenizer, collect_statistics, name_pronunciations
from foveate.significance import Difference, compare_statistics

if TYPE_CHECKING:
    from foveate.records import Translation
    from foveate.translator import Translator

Watch = Callable[[Iterable["Translation"], int], Iterable["Translation"]]


@dataclass(frozen=True)
class Comparison:
    """Models beside each other; the first is the one that the others are compared with.

    Attributes:
        evaluations: of each model by its name.
        differences: of each other model to the first, by metric.
    """

    evaluations: dict[str, Evaluation]
    differences: dict[str, dict[str, Difference]]

    @property
    def names(self) -> list[str]:
        """The models in their order."""
        return list(self.evaluations)

    @property
    def first(self) -> Evaluation:
        """The evaluation of the model that the others are compared with."""
        return self.evaluations[self.names[0]]

    @property
    def telling(self) -> tuple[str, ...]:
        """The metrics that mean something for the data."""
        return self.first.telling

    def disagreements(self, name: str) -> list[Disagreement]:
        """Return where a model and the first one differ, first where it is the worse."""
        return find_disagreements(judge(self.first), judge(self.evaluations[name]))

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""
        return {
            "models": self.names,
            "scores": {name: one.to_dict() for name, one in self.evaluations.items()},
            "differences": {
                name: {metric: one.to_dict() for metric, one in found.items()}
                for name, found in self.differences.items()
            },
        }


def compare(
    translators: Mapping[str, Translator],
    table: PairTable,
    *,
    beam_size: int | None = None,
    bleu_tokenize: str | None = None,
    watch: Watch | None = None,
) -> Comparison:
    """Evaluate models on the same pairs, and test the differences to the first of them.

    Args:
        translators: of the models, by name; two or more.
        table: the pairs.
        beam_size: hypotheses that the searches keep.
        bleu_tokenize: how BLEU splits words; None finds it from the references.
        watch: gets the translations as they come, and how many there will be, to show progress.

    Raises:
        DataError: there are no pairs, or the models do not agree on which sources are the same.
    """
    evaluations = {
        name: evaluate(
            translator, table, beam_size=beam_size, bleu_tokenize=bleu_tokenize, watch=watch
        )
        for name, translator in translators.items()
    }
    first, *others = evaluations.values()
    for name, one in evaluations.items():
        if one.sources != first.sources:
            raise DataError(
                f"{name}: its normal form makes other sources of the pairs "
                f"({len(one.sources):,}, not {len(first.sources):,}), and rows cannot be paired: "
                "bring the pairs into one normal form first (NFC)"
            )
    tokenizer = bleu_tokenize or choose_bleu_tokenizer(first.references)
    statistics = [
        name_pronunciations(
            collect_statistics(one.outputs, one.references, bleu_tokenize=tokenizer),
            one.sources,
            one.references,
        )
        for one in (first, *others)
    ]
    differences = {
        name: compare_statistics(statistics[0], own)
        for name, own in zip(list(evaluations)[1:], statistics[1:], strict=True)
    }
    return Comparison(evaluations, differences)
