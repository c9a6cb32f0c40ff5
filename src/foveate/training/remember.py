"""Whether a model should carry a memory of its training pairs, decided by what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from foveate.data.table import PairTable
from foveate.evaluation import Evaluation
from foveate.options import SUBWORD_KINDS
from foveate.text.codec import Codec
from foveate.text.matching import Matching
from foveate.text.memory import (
    Memory,
    build_memory,
    count_repeated,
    count_targets,
    leave_one_out,
)
from foveate.training.parting import WHOLE_BYTES

Pairs = Callable[[], Iterable[tuple[str, str]]]

LEAST_EVIDENCE = 20  # sources or pairs, below which nothing is concluded


def choose_memory(
    table: PairTable,
    source_codec: Codec,
    target_codec: Codec,
    is_wanted: bool | None,
    evaluation: Evaluation | None,
) -> Memory:
    """Build the memory that helps, or an empty one.

    It helps when it is right at least as often as the model: on the dev sources that it knows or,
    when dev has none of them, on the training pairs, each recalled from the others.

    Args:
        table: the training pairs.
        source_codec: of the sources.
        target_codec: of the targets.
        is_wanted: True and False are obeyed; None asks the dev set and the pairs. There is none of
            a large table then: it would be as large as that.
        evaluation: of the model without memory on the dev set; None when there was no time.
    """
    is_large = table.size_in_bytes > WHOLE_BYTES
    is_open = is_wanted is None
    if is_wanted is False or (is_open and (is_large or not _can_help(target_codec, evaluation))):
        return {}

    matching = Matching(source_codec, target_codec)

    def pairs() -> Iterator[tuple[str, str]]:
        sources = map(matching.source, table.sources())
        targets = (target_codec.join(target_codec.split(target)) for target in table.targets())
        return zip(sources, targets, strict=True)

    if is_wanted or evaluation is None or is_as_good(pairs, matching, evaluation):
        return build_memory(count_targets(pairs()))
    return {}


def keep_memory(
    before: Memory,
    memory: Memory,
    source_codec: Codec,
    target_codec: Codec,
    evaluation: Evaluation | None,
) -> Memory:
    """Add a new memory to that of the model before, which is dropped where dev speaks against it.

    Args:
        before: of the old model.
        memory: of the new pairs; where both have a source, it counts.
        source_codec: of the sources.
        target_codec: of the targets.
        evaluation: of the new model without memory on dev; None when there was no time.
    """
    if before and evaluation is not None:
        known = compare_on_known(before, Matching(source_codec, target_codec), evaluation)
        if sum(recalled for recalled, _ in known) < sum(written for _, written in known):
            return memory
    return {**before, **memory}


def _can_help(target_codec: Codec, evaluation: Evaluation | None) -> bool:
    return evaluation is not None and target_codec.kind not in SUBWORD_KINDS


def is_as_good(pairs: Pairs, matching: Matching, evaluation: Evaluation) -> bool:
    """Say whether a memory of the pairs is right at least as often as the model."""
    wanted = set(map(matching.source, evaluation.sources))
    memory = build_memory(count_targets(pair for pair in pairs() if pair[0] in wanted))
    known = compare_on_known(memory, matching, evaluation)
    if len(known) >= LEAST_EVIDENCE:
        return sum(recalled for recalled, _ in known) >= sum(written for _, written in known)
    num_right, num_repeated = leave_one_out(count_repeated(pairs))
    exact_match = evaluation.metrics["exact_match"].value
    return num_repeated >= LEAST_EVIDENCE and num_right >= exact_match * num_repeated


def compare_on_known(
    memory: Memory, matching: Matching, evaluation: Evaluation
) -> list[tuple[bool, bool]]:
    """For every dev source in the memory, say whether memory and model are right."""
    rows = zip(evaluation.sources, evaluation.references, evaluation.outputs, strict=True)
    return [
        (matching.target(memory[key]) in references, output in references)
        for source, references, output in rows
        if (key := matching.source(source)) in memory
    ]
