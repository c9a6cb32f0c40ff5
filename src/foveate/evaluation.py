"""How good a model is on given pairs: every metric with its interval, and by source length.

Knows nothing of files or terminals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from foveate.data.table import PairTable
from foveate.errors import DataError
from foveate.insight.diagnosis import diagnose_outputs, find_contexts
from foveate.metrics import (
    Score,
    bin_items,
    choose_bleu_tokenizer,
    choose_telling,
    collect_statistics,
    count_shares,
    name_pronunciations,
    score_statistics,
    sum_clusters,
)
from foveate.records import Translation
from foveate.text.matching import Matching

if TYPE_CHECKING:
    from foveate.translator import Translator

Unit = Literal["characters", "words"]
Split = Callable[[str], Sequence[str]]
Watch = Callable[[Iterable[Translation], int], Iterable[Translation]]


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model on given pairs.

    Attributes:
        sources: the distinct sources.
        references: for each source, its targets.
        outputs: for each source, what the model wrote.
        log_probs: of each output, in nats.
        by_row: the share of rows whose own target is the output; a source that stands in many
            rows counts as often.
        telling: the metrics that mean something for these references.
        unit: what source lengths are counted in.
    """

    num_pairs: int
    sources: list[str]
    references: list[list[str]]
    outputs: list[str]
    log_probs: list[float]
    metrics: dict[str, Score]
    by_row: Score
    by_source_length: list[dict[str, Any]]
    telling: tuple[str, ...]
    unit: Unit
    split: Split

    @property
    def num_sources(self) -> int:
        """How many different sources there are."""
        return len(set(self.sources))

    @property
    def has_several_rows(self) -> bool:
        """Whether a source stands in several rows, so that sources and rows count differently."""
        return self.num_pairs > len(self.sources)

    def find_confusions(self) -> list[dict[str, Any]]:
        """Return what is commonly written for what, and where (`insight.diagnosis`)."""
        return find_contexts(self.outputs, self.references, self.sources, self.split)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""
        return {
            "pairs": self.num_pairs,
            "sources": self.num_sources,
            "metrics": {name: score.to_dict() for name, score in self.metrics.items()},
            "exact_match_by_row": self.by_row.to_dict(),
            "by_source_length": self.by_source_length,
            "confusions": self.find_confusions(),
        }


def evaluate(
    translator: Translator,
    pairs: PairTable | Iterable[tuple[str, str]],
    *,
    beam_size: int | None = None,
    bleu_tokenize: str | None = None,
    by_row: bool = False,
    watch: Watch | None = None,
) -> Evaluation:
    """Translate every distinct source and compare with all of its targets.

    What is the same source and what is right, `foveate.text.matching` says.

    Args:
        translator: of the model.
        pairs: a table of them, or sources and targets two by two.
        beam_size: hypotheses that the search keeps.
        bleu_tokenize: how BLEU splits words; None finds it from the references.
        by_row: every row of the table is an item, with its own target as the only right one; so
            running words count as often as they stand there. Rows of one source are no more
            independent than one: intervals are about sources.
        watch: gets the translations as they come, and how many there will be, to show progress.

    Raises:
        DataError: there are no pairs.

    Example:
        found = evaluate(Translator.load("model"), [("thoughtful", "TH AO T F AH L")])
        found.metrics["exact_match"].value
    """
    table = pairs if isinstance(pairs, PairTable) else PairTable.from_texts(*_unzip(pairs))
    matching = Matching(translator.source_codec, translator.target_codec)
    sources, counts = matching.group(zip(table.sources(), table.targets(), strict=True))
    if not sources:
        raise DataError("there are no pairs to evaluate on")
    stream: Iterable[Translation] = translator.translate(
        sources, beam_size=beam_size, attention=False
    )
    outputs, log_probs = [], []
    for found in watch(stream, len(sources)) if watch else stream:
        outputs.append(matching.target(found.text))
        log_probs.append(found.score)
    rows = count_shares(matching.count_rows(outputs, counts), "exact_match_by_row")
    references = [list(targets) for targets in counts]
    source_places: Sequence[int] = range(len(sources))
    if by_row:
        places = [place for place, own in enumerate(counts) for _ in range(sum(own.values()))]
        references = [[text] for own in counts for text, n in own.items() for _ in range(n)]
        sources = [sources[place] for place in places]
        outputs = [outputs[place] for place in places]
        log_probs = [log_probs[place] for place in places]
        source_places = places
    unit = length_unit(translator.source_codec.kind)
    chosen = collect_statistics(
        outputs, references, bleu_tokenize=bleu_tokenize or choose_bleu_tokenizer(references)
    )
    chosen = name_pronunciations(chosen, sources, references)
    summed = {name: sum_clusters(one, source_places) for name, one in chosen.items()}
    return Evaluation(
        num_pairs=len(table),
        sources=sources,
        references=references,
        outputs=outputs,
        log_probs=log_probs,
        metrics=score_statistics(summed),
        by_row=score_statistics({"": rows})[""],
        by_source_length=bin_items([source_length(source, unit) for source in sources], chosen),
        telling=choose_telling(
            references, chosen, asked=() if bleu_tokenize is None else ("bleu",)
        ),
        unit=unit,
        split=choose_split(translator.target_codec.kind, references),
    )


def choose_split(kind: str, references: Iterable[Iterable[str]]) -> Split:
    """Return what cuts a target into the units that are counted: words or symbols, or letters.

    Args:
        kind: of the target's tokens.
        references: the right outputs of each source.
    """
    is_split = length_unit(kind) == "words"
    has_words = is_split and any(" " in text for accepted in references for text in accepted)
    return str.split if has_words else list


def _unzip(pairs: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    rows = list(pairs)
    return [source for source, _ in rows], [target for _, target in rows]


def diagnose(evaluation: Evaluation, training: PairTable, translator: Translator) -> dict[str, Any]:
    """Return what the model gets wrong, beside a memory of the training pairs, ready for JSON.

    Tokens are confused with each other; of subwords it is words, where these are written apart.
    """
    matching = Matching(translator.source_codec, translator.target_codec)
    found = diagnose_outputs(
        [matching.source(source) for source in evaluation.sources],
        evaluation.outputs,
        evaluation.references,
        (
            (matching.source(source), matching.target(target))
            for source, target in zip(training.sources(), training.targets(), strict=True)
        ),
        evaluation.split,
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
