"""What a model gets wrong, and what would have been right without one.

Pure functions on texts; knows no models and no files.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from foveate.edits import count_edits, find_edits, find_edits_in_context, nearest_reference
from foveate.metrics import References, measure
from foveate.text.memory import build_memory, count_targets

Split = Callable[[str], Sequence[str]]

WORTH_LEAVING = 0.5  # character error rate below which a source is worth something as it is
NUM_CONFUSIONS = 10
NUM_CONTEXTS = 3
NUM_WORST = 5


class Memory(NamedTuple):
    """What looking a source up in the training pairs gives."""

    outputs: list[str]
    seen_share: float


def diagnose_outputs(
    sources: Sequence[str],
    outputs: Sequence[str],
    references: References,
    training: Iterable[tuple[str, str]],
    split: Split,
) -> dict[str, Any]:
    """Return baselines, confusions and worst outputs as plain values, ready for JSON.

    The baselines are a memory of the training pairs and, where source and target are alike,
    the sources as they are.

    Args:
        sources: distinct ones.
        outputs: what the model wrote for each.
        references: the right outputs of each.
        training: source and target of every training pair.
        split: cuts a target into the units that are confused with each other.

    Example:
        >>> found = diagnose_outputs(["cat"], ["kit"], [["kat"]], [("cat", "kat")], list)
        >>> found["memory"]["value"], found["seen"], found["confusions"]
        (1.0, 1.0, [{'reference': 'a', 'output': 'i', 'count': 1}])
    """
    memory = remember(sources, training)
    score = measure(memory.outputs, references, names=["exact_match"])["exact_match"]
    unchanged = measure(sources, references, names=["exact_match", "character_error_rate"])
    is_respelled = unchanged["character_error_rate"].value < WORTH_LEAVING
    return {
        "memory": score.to_dict(),
        "seen": memory.seen_share,
        "unchanged": {n: one.to_dict() for n, one in unchanged.items()} if is_respelled else {},
        "confusions": count_confusions(outputs, references, split),
        "worst": find_worst(sources, outputs, references, split),
    }


def remember(sources: Sequence[str], training: Iterable[tuple[str, str]]) -> Memory:
    """Answer each source with its commonest training target, the first of equals.

    An unseen source is answered with nothing.

    Example:
        >>> remember(["a", "b"], [("a", "1"), ("a", "2"), ("a", "2")])
        Memory(outputs=['2', ''], seen_share=0.5)
    """
    wanted = set(sources)
    memory = build_memory(count_targets(pair for pair in training if pair[0] in wanted))
    outputs = [memory.get(text, "") for text in sources]
    return Memory(outputs, len(memory) / max(1, len(wanted)))


def count_confusions(
    outputs: Sequence[str], references: References, split: Split, most: int = NUM_CONFUSIONS
) -> list[dict[str, Any]]:
    """Count what stands in the output for what in the closest reference, commonest first.

    An empty reference is something too much in the output, an empty output something missing.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for output, accepted in zip(outputs, references, strict=True):
        tokens = split(output)
        counts.update(find_edits(tokens, nearest_reference(tokens, [split(r) for r in accepted])))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        {"reference": reference, "output": output, "count": count}
        for (reference, output), count in ranked[:most]
    ]


def find_contexts(
    outputs: Sequence[str],
    references: References,
    sources: Sequence[str],
    split: Split,
    most: int = NUM_CONFUSIONS,
) -> list[dict[str, Any]]:
    """Return the commonest confusions as `count_confusions` does, and where they happen.

    Returns:
        For each `reference`, `output` and `count`; its commonest `contexts` with `before`, `after`
        and `count`, where `#` is begin or end; and the first source, `example`.

    Example:
        >>> found = find_contexts(["K IH T"], [["K AE T"]], ["cat"], str.split)
        >>> found[0]["contexts"], found[0]["example"]
        ([{'before': 'K', 'after': 'T', 'count': 1}], 'cat')
    """
    places: defaultdict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    examples: dict[tuple[str, str], str] = {}
    for output, accepted, source in zip(outputs, references, sources, strict=True):
        tokens = split(output)
        nearest = nearest_reference(tokens, [split(text) for text in accepted])
        for edit in find_edits_in_context(tokens, nearest):
            key = edit.reference, edit.output
            places[key][edit.before, edit.after] += 1
            examples.setdefault(key, source)
    ranked = sorted(places.items(), key=lambda item: (-item[1].total(), item[0]))
    return [
        {
            "reference": reference,
            "output": output,
            "count": contexts.total(),
            "contexts": [
                {"before": before, "after": after, "count": count}
                for (before, after), count in contexts.most_common(NUM_CONTEXTS)
            ],
            "example": examples[reference, output],
        }
        for (reference, output), contexts in ranked[:most]
    ]


def find_worst(
    sources: Sequence[str],
    outputs: Sequence[str],
    references: References,
    split: Split,
    most: int = NUM_WORST,
) -> list[dict[str, Any]]:
    """Return the outputs with the most edits to their closest reference, none without any."""
    rows: list[dict[str, Any]] = []
    for source, output, accepted in zip(sources, outputs, references, strict=True):
        tokens, others = split(output), [split(text) for text in accepted]
        nearest = nearest_reference(tokens, others)
        rows.append(
            {
                "source": source,
                "output": output,
                "reference": accepted[others.index(nearest)],
                "edits": count_edits(tokens, nearest),
            }
        )
    wrong = [row for row in rows if row["edits"]]
    return sorted(wrong, key=lambda row: -row["edits"])[:most]
