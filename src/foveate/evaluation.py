"""How good a model is on given pairs: every metric with its interval, and by source length.

Knows nothing of files or terminals.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from foveate.data.table import PairTable, group_references
from foveate.errors import DataError
from foveate.insight.diagnosis import diagnose_outputs
from foveate.metrics import Score, by_length, measure
from foveate.records import Translation

if TYPE_CHECKING:
    from foveate.translator import Translator

Unit = Literal["characters", "words"]
Watch = Callable[[Iterable[Translation], int], Iterable[Translation]]


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model on given pairs.

    Attributes:
        sources: the distinct sources.
        references: for each source, its targets.
        outputs: for each source, what the model wrote.
        unit: what source lengths are counted in.
    """

    num_pairs: int
    sources: list[str]
    references: list[list[str]]
    outputs: list[str]
    metrics: dict[str, Score]
    by_source_length: list[dict[str, Any]]
    unit: Unit

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""
        return {
            "pairs": self.num_pairs,
            "sources": len(self.sources),
            "metrics": {name: score.to_dict() for name, score in self.metrics.items()},
            "by_source_length": self.by_source_length,
        }


def evaluate(
    translator: Translator,
    table: PairTable,
    *,
    beam_size: int | None = None,
    bleu_tokenize: str = "13a",
    watch: Watch | None = None,
) -> Evaluation:
    """Translate every distinct source and compare with all of its targets, both in NFC.

    `watch` gets the translations as they come, and how many there will be, to show progress.

    Raises:
        DataError: there are no pairs.
    """
    sources, references = group_references(table)
    if not sources:
        raise DataError("there are no pairs to evaluate on")
    stream: Iterable[Translation] = translator.translate(
        sources, beam_size=beam_size, attention=False
    )
    outputs = [_compose(found.text) for found in (watch(stream, len(sources)) if watch else stream)]
    kind = translator.target_codec.kind
    references = [[_tidy(target, kind) for target in targets] for targets in references]
    unit = length_unit(translator.source_codec.kind)
    lengths = [source_length(source, unit) for source in sources]
    return Evaluation(
        num_pairs=len(table),
        sources=sources,
        references=references,
        outputs=outputs,
        metrics=measure(outputs, references, bleu_tokenize=bleu_tokenize),
        by_source_length=by_length(lengths, outputs, references, bleu_tokenize=bleu_tokenize),
        unit=unit,
    )


def diagnose(evaluation: Evaluation, training: PairTable, translator: Translator) -> dict[str, Any]:
    """Return what the model gets wrong, beside a memory of the training pairs, ready for JSON.

    Tokens are confused with each other; of subwords it is words, where these are written apart.
    """
    kind = translator.target_codec.kind
    targets = (_tidy(target, kind) for target in training.targets())
    texts = [text for accepted in evaluation.references for text in accepted]
    has_words = length_unit(kind) == "words" and any(" " in text for text in texts)
    return diagnose_outputs(
        evaluation.sources,
        evaluation.outputs,
        evaluation.references,
        zip(training.sources(), targets, strict=True),
        str.split if has_words else list,
    )


def _tidy(target: str, kind: str) -> str:
    """Return a target as it is compared: how wide the blanks between symbols are means nothing."""
    return _compose(" ".join(target.split()) if kind == "whitespace" else target)


def _compose(text: str) -> str:
    """Return text in NFC: spellings that Unicode holds to be the same must not count as errors."""
    return unicodedata.normalize("NFC", text)


def length_unit(kind: str) -> Unit:
    """Return what the length of a source is counted in, given its kind of tokens."""
    return "characters" if kind in ("characters", "tagged", "bytes") else "words"


def source_length(source: str, unit: Unit) -> int:
    """Return the length of a source in characters or in words."""
    return len(source) if unit == "characters" else len(source.split())


def is_right(output: str, references: Sequence[str]) -> bool:
    """Return whether an output equals one of its references."""
    return output in references
