"""How good a model is on given pairs: every metric with its interval, and by source length.

Knows nothing of files or terminals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from foveate.data.table import PairTable
from foveate.errors import DataError
from foveate.insight.diagnosis import diagnose_outputs
from foveate.metrics import (
    Score,
    bin_items,
    choose_bleu_tokenizer,
    choose_telling,
    collect_statistics,
    count_shares,
    score_statistics,
)
from foveate.records import Translation
from foveate.text.matching import Matching

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
        by_row: the share of rows whose own target is the output; a source that stands in many
            rows counts as often.
        telling: the metrics that mean something for these references.
        unit: what source lengths are counted in.
    """

    num_pairs: int
    sources: list[str]
    references: list[list[str]]
    outputs: list[str]
    metrics: dict[str, Score]
    by_row: Score
    by_source_length: list[dict[str, Any]]
    telling: tuple[str, ...]
    unit: Unit

    @property
    def has_several_rows(self) -> bool:
        """Whether a source stands in several rows, so that sources and rows count differently."""
        return self.num_pairs > len(self.sources)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""
        return {
            "pairs": self.num_pairs,
            "sources": len(self.sources),
            "metrics": {name: score.to_dict() for name, score in self.metrics.items()},
            "exact_match_by_row": self.by_row.to_dict(),
            "by_source_length": self.by_source_length,
        }


def evaluate(
    translator: Translator,
    table: PairTable,
    *,
    beam_size: int | None = None,
    bleu_tokenize: str | None = None,
    watch: Watch | None = None,
) -> Evaluation:
    """Translate every distinct source and compare with all of its targets.

    What is the same source and what is right, `foveate.text.matching` says.

    Args:
        translator: of the model.
        table: the pairs.
        beam_size: hypotheses that the search keeps.
        bleu_tokenize: how BLEU splits words; None finds it from the references.
        watch: gets the translations as they come, and how many there will be, to show progress.

    Raises:
        DataError: there are no pairs.
    """
    matching = Matching(translator.source_codec, translator.target_codec)
    sources, counts = matching.group(zip(table.sources(), table.targets(), strict=True))
    if not sources:
        raise DataError("there are no pairs to evaluate on")
    stream: Iterable[Translation] = translator.translate(
        sources, beam_size=beam_size, attention=False
    )
    watched = watch(stream, len(sources)) if watch else stream
    outputs = [matching.target(found.text) for found in watched]
    rows = count_shares(matching.count_rows(outputs, counts), "exact_match_by_row")
    references = [list(targets) for targets in counts]
    unit = length_unit(translator.source_codec.kind)
    chosen = collect_statistics(
        outputs, references, bleu_tokenize=bleu_tokenize or choose_bleu_tokenizer(references)
    )
    return Evaluation(
        num_pairs=len(table),
        sources=sources,
        references=references,
        outputs=outputs,
        metrics=score_statistics(chosen),
        by_row=score_statistics({"": rows})[""],
        by_source_length=bin_items([source_length(source, unit) for source in sources], chosen),
        telling=choose_telling(
            references, chosen, asked=() if bleu_tokenize is None else ("bleu",)
        ),
        unit=unit,
    )


def diagnose(evaluation: Evaluation, training: PairTable, translator: Translator) -> dict[str, Any]:
    """Return what the model gets wrong, beside a memory of the training pairs, ready for JSON.

    Tokens are confused with each other; of subwords it is words, where these are written apart.
    """
    matching = Matching(translator.source_codec, translator.target_codec)
    texts = (text for accepted in evaluation.references for text in accepted)
    is_split = length_unit(translator.target_codec.kind) == "words"
    has_words = is_split and any(" " in text for text in texts)
    found = diagnose_outputs(
        [matching.source(source) for source in evaluation.sources],
        evaluation.outputs,
        evaluation.references,
        (
            (matching.source(source), matching.target(target))
            for source, target in zip(training.sources(), training.targets(), strict=True)
        ),
        str.split if has_words else list,
    )
    verdict = judge_baselines(evaluation, found)
    return {
        "telling": list(evaluation.telling),
        **found,
        **({"verdict": verdict} if verdict else {}),
    }


def judge_baselines(evaluation: Evaluation, found: dict[str, Any]) -> str:
    """Say that a model is worse than doing nothing, or than looking sources up; or nothing."""
    errors = evaluation.metrics["character_error_rate"].value
    unchanged = found["unchanged"].get("character_error_rate")
    if unchanged is not None and errors > unchanged["value"]:
        return (
            "worse than leaving the sources as they are: try more minutes (--minutes), copying "
            "(--copy), or single characters (--source-tokens characters --target-tokens characters)"
        )
    if evaluation.metrics["exact_match"].value < found["memory"]["value"]:
        return (
            "worse than looking sources up in the training pairs: try more minutes (--minutes), or "
            "let the model do both (--memory)"
        )
    return ""


def length_unit(kind: str) -> Unit:
    """Return what the length of a source is counted in, given its kind of tokens."""
    return "characters" if kind in ("characters", "tagged", "bytes") else "words"


def source_length(source: str, unit: Unit) -> int:
    """Return the length of a source in characters or in words."""
    return len(source) if unit == "characters" else len(source.split())
