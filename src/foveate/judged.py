"""Outputs judged one by one: how far off each is, and where two models differ.

Knows nothing of files or terminals.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from foveate.edits import count_edits, nearest_reference
from foveate.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class Judged:
    """One output beside what is right.

    Attributes:
        source: the text.
        output: what the model wrote.
        reference: the target that is nearest to it.
        edits: between the two, in the units of the evaluation: letters, or words and symbols.
        length: of the reference, in the same units.
        log_prob: of the output, in nats.
        is_seen: whether the source stands in the training pairs; None where these are not known.
    """

    source: str
    output: str
    reference: str
    edits: int
    length: int
    log_prob: float
    is_seen: bool | None = None

    @property
    def is_right(self) -> bool:
        """Whether the output is one of the targets."""
        return self.output == self.reference

    @property
    def probability(self) -> float:
        """What the model itself gives to the output."""
        return math.exp(min(self.log_prob, 0.0))


def judge(evaluation: Evaluation, seen: Collection[str] | None = None) -> list[Judged]:
    """Return every output with the reference nearest to it, in the order of the sources.

    Args:
        evaluation: of a model.
        seen: the sources of the training pairs, if they are known.
    """
    outputs = zip(
        evaluation.sources,
        evaluation.outputs,
        evaluation.references,
        evaluation.log_probs,
        strict=True,
    )
    rows = []
    for source, output, accepted, log_prob in outputs:
        cut = [evaluation.split(text) for text in accepted]
        tokens = evaluation.split(output)
        nearest = nearest_reference(tokens, cut)
        reference = output if output in accepted else accepted[cut.index(nearest)]
        is_seen = None if seen is None else source in seen
        edits = count_edits(tokens, nearest)
        rows.append(Judged(source, output, reference, edits, len(nearest), log_prob, is_seen))
    return rows


def worst_first(rows: Sequence[Judged]) -> list[Judged]:
    """Return rows with the farthest off first; of equals, the one that the model was surer of."""
    return sorted(rows, key=lambda row: (row.is_right, -row.edits, -row.log_prob))


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A source for which two models wrote different outputs."""

    one: Judged
    other: Judged

    @property
    def damage(self) -> int:
        """How many more edits the second is off than the first."""
        return self.other.edits - self.one.edits


def find_disagreements(ones: Sequence[Judged], others: Sequence[Judged]) -> list[Disagreement]:
    """Return where two models differ, first where the second is the worse.

    Example:
        >>> one = Judged("ab", "AB", "AB", 0, 2, -0.1)
        >>> other = Judged("ab", "AX", "AB", 1, 2, -0.5)
        >>> [found.damage for found in find_disagreements([one], [other])]
        [1]
    """
    return sorted(_disagree(ones, others), key=lambda found: -found.damage)


def _disagree(ones: Sequence[Judged], others: Sequence[Judged]) -> Iterator[Disagreement]:
    for one, other in zip(ones, others, strict=True):
        if one.output != other.output:
            yield Disagreement(one, other)
