"""Results as text: translations, alignments, facts about a model. Knows no files, no terminal."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from foveate.records import Translation

if TYPE_CHECKING:
    from foveate.bundle import Bundle
    from foveate.checking import Suspicion
    from foveate.insight.correspondence import Link

OutputFormat = Literal["text", "tsv", "jsonl"]
SUSPICION_HEADER = "rank\tline\tsuspicion\treasons\tsource\ttarget\texpected\n"


def format_translation(
    source: str,
    translation: Translation,
    form: OutputFormat,
    others: Sequence[tuple[str, str]] = (),
    model_id: str = "",
) -> list[str]:
    r"""Return the lines for one source: a line for each of the n best, one for all in JSON.

    A row of a table has source, output, score, rank, probability and confidence. The score is the
    one that the outputs are in order of; the probability is that of the model; the confidence is
    empty where the model has none. Behind them stand the other columns of a table that was read.
    JSON names the model by its id, where it is told.

    Example:
        >>> found = Translation(["a", "b"], ["B"], "B", score=-1.0, rank_score=-0.5)
        >>> format_translation("ab", found, "tsv")
        ['ab\tB\t-0.5000\t1\t0.3679\t\n']
    """
    if form == "jsonl":
        row = {"source": source, **translation.to_dict()}
        row |= {"columns": dict(others)} if others else {}
        row |= {"model_id": model_id} if model_id else {}
        return [format_json(_without_nothing(row)) + "\n"]
    found = [translation, *translation.alternatives]
    if form == "text":
        return [_one_line(other.text) + "\n" for other in found]
    return [
        "\t".join(
            [
                format_cell(source),
                format_cell(other.text),
                f"{other.rank_score:.4f}",
                str(rank),
                f"{math.exp(min(other.score, 0.0)):.4g}",
                "" if other.confidence is None else f"{other.confidence:.3f}",
                *(format_cell(text) for _, text in others),
            ]
        )
        + "\n"
        for rank, other in enumerate(found, start=1)
    ]


def _without_nothing(row: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if value is not None}
    kept["alternatives"] = [_without_nothing(other) for other in row["alternatives"]]
    return kept


def _one_line(text: str) -> str:
    return text.replace("\r\n", " ").replace("\n", " ").replace("\r", " ")


def format_cell(text: str) -> str:
    """Return a text that fits into a cell of a table: without TABs and ends of lines."""
    return _one_line(text).replace("\t", " ")


def format_suspicion(rank: int, line: int, found: Suspicion) -> str:
    """Return a row of the table that `SUSPICION_HEADER` begins."""
    reasons = "; ".join(found.reasons)
    texts = (reasons, found.source, found.target, found.expected)
    cells = [str(rank), str(line), f"{found.suspicion:.2f}", *map(format_cell, texts)]
    return "\t".join(cells) + "\n"


def format_json(value: Any, indent: int | None = None) -> str:
    """Return JSON in which numbers that are not finite are null."""
    write = partial(json.dumps, ensure_ascii=False, indent=indent, allow_nan=False)
    try:
        return write(value)
    except ValueError:  # rare, and looking for such numbers takes longer than to write
        return write(_finite(value))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def format_alignment(
    translation: Translation,
    method: Literal["argmax", "mutual"],
    word_kinds: tuple[Any, Any] | None = None,
) -> str:
    """Return the alignment of one pair as a Pharaoh line.

    Given the kinds of the source and target tokens, words are counted instead of tokens.
    """
    from foveate.insight.alignment import (
        format_pharaoh,
        hard_alignment,
        merge_to_words,
        word_groups,
    )

    if translation.attention is None or not translation.tokens:
        return ""
    links = hard_alignment(translation.attention, method)
    if word_kinds is not None:
        source_kind, target_kind = word_kinds
        links = merge_to_words(
            links,
            word_groups(translation.source_tokens, source_kind),
            word_groups(translation.tokens, target_kind),
        )
    return format_pharaoh(links)


LINK_HEADER = "pair\tsource place\ttarget place\tsource\ttarget\tweight\n"
COUNT_HEADER = "source\ttarget\tcount\tshare of the source\n"


def format_links(
    translations: Iterable[Translation],
    method: Literal["argmax", "mutual"],
    word_kinds: tuple[Any, Any] | None = None,
) -> Iterator[str]:
    """Yield a row for every link of aligned pairs, below a header; places count from 1."""
    yield LINK_HEADER
    for number, translation in enumerate(translations, start=1):
        for link in _links(translation, method, word_kinds):
            places = ("" if one is None else str(one + 1) for one in (link.source, link.target))
            symbols = (format_cell(link.source_symbol), format_cell(link.target_symbol))
            yield "\t".join([str(number), *places, *symbols, f"{link.weight:.3f}"]) + "\n"


def format_counts(
    translations: Iterable[Translation],
    method: Literal["argmax", "mutual"],
    word_kinds: tuple[Any, Any] | None = None,
) -> Iterator[str]:
    """Yield how often each two symbols correspond, commonest first, below a header."""
    from foveate.insight.correspondence import count_links

    counted = count_links(
        link for translation in translations for link in _links(translation, method, word_kinds)
    )
    yield COUNT_HEADER
    for source, target, count, share in counted:
        yield f"{format_cell(source)}\t{format_cell(target)}\t{count}\t{share:.3f}\n"


def _links(
    translation: Translation,
    method: Literal["argmax", "mutual"],
    word_kinds: tuple[Any, Any] | None,
) -> list[Link]:
    from foveate.insight.alignment import word_groups
    from foveate.insight.correspondence import list_links

    if translation.attention is None or not translation.tokens:
        return []
    tokens = translation.source_tokens, translation.tokens
    groups = None
    if word_kinds is not None:
        groups = word_groups(tokens[0], word_kinds[0]), word_groups(tokens[1], word_kinds[1])
    return list_links(tokens, translation.attention, method, groups)


def describe_bundle(bundle: Bundle) -> dict[str, Any]:
    """Return what there is to know about a model: tokens, training, scores, every option."""
    codecs = (bundle.source_codec, bundle.target_codec)
    source, target = (
        {"tokens": codec.kind, "vocabulary": len(codec.vocabulary)} for codec in codecs
    )
    return {
        "id": bundle.id,
        "architecture": bundle.model.architecture,
        "parameters": _count_parameters(bundle),
        "runs_on": "ONNX Runtime" if bundle.graphs else "PyTorch",
        "source": source,
        "target": target,
        "summary": bundle.summary.to_dict(),
        "scores": bundle.scores,
        "text": dataclasses.asdict(bundle.text),
        "model": dataclasses.asdict(bundle.model),
    }


def _count_parameters(bundle: Bundle) -> int:
    counted = sum(array.size for array in bundle.weights.values())
    return counted or bundle.summary.parameters  # an exported model has no weights


def format_facts(facts: dict[str, Any], indent: str = "") -> str:
    """Return nested facts as aligned lines; tables are left to JSON.

    Example:
        >>> print(format_facts({"pairs": 12000, "source": {"tokens": "characters"}}))
        pairs  12,000
        source
          tokens  characters
    """
    plain = {name: value for name, value in facts.items() if not _is_left_out(value)}
    width = max(
        (len(name) for name, value in plain.items() if not isinstance(value, dict)), default=0
    )
    return "\n".join(_format_fact(name, value, width, indent) for name, value in plain.items())


def _is_left_out(value: Any) -> bool:
    is_table = isinstance(value, list) and any(isinstance(row, dict) for row in value)
    return is_table or value in (None, {}, [])


def _format_fact(name: str, value: Any, width: int, indent: str) -> str:
    if isinstance(value, dict):
        return f"{indent}{name}\n{format_facts(value, indent + '  ')}"
    return f"{indent}{name:{width}}  {_format_value(value)}"


def _format_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(_format_value(item) for item in value)
    return str(value)
