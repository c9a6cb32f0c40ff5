"""Sequence-level distillation: what a teacher makes of the training targets, to learn from.

A student that learns what an ensemble finds likely has an easier task than one that learns the
data: targets without what nobody could know. It costs one more training, and runs as fast as any
single model.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from foveate.data.table import PairTable
from foveate.edits import count_edits
from foveate.errors import BundleError
from foveate.files import replace_file
from foveate.training.report import Listener, Report
from foveate.translator import Translator

CHUNK = 2000  # sources between two reports
BEAM_SIZE = 5


def write_targets(teacher: Translator, table: PairTable, report: Listener) -> PairTable:
    """Return the pairs with targets that the teacher finds likely.

    A target that the teacher writes itself, greedily, stays. Any other becomes the one of the
    teacher's five best outputs that has the fewest edits from it, which is often the target again.

    Reference: Kim & Rush 2016, section 3.3 (sequence-level interpolation).

    Differs: the likeness is counted in edits, theirs is BLEU of the sentence.
    """
    begin = time.perf_counter()
    sources, targets = list(table.sources()), list(table.targets())
    for start in range(0, len(table), CHUNK):
        end = min(start + CHUNK, len(table))
        targets[start:end] = _soften(teacher, sources[start:end], targets[start:end])
        seconds = time.perf_counter() - begin
        report(
            Report(
                "progress",
                update=end,
                total_updates=len(table),
                seconds=round(seconds, 2),
                seconds_left=round(seconds / end * (len(table) - end), 1),
            )
        )
    return PairTable.from_texts(sources, targets)


def _soften(teacher: Translator, sources: list[str], targets: list[str]) -> list[str]:
    codec = teacher.target_codec
    tokens = [codec.split(target) for target in targets]
    greedy = teacher.translate(sources, beam_size=1, attention=False)
    doubtful = [row for row, one in enumerate(greedy) if one.tokens != tokens[row]]
    found = teacher.translate(
        [sources[row] for row in doubtful],
        beam_size=BEAM_SIZE,
        n_best=BEAM_SIZE,
        attention=False,
    )
    softened = list(targets)
    for row, best in zip(doubtful, found, strict=True):
        written = [one for one in (best, *best.alternatives) if one.text]
        if written:
            nearest = min(written, key=lambda one: count_edits(one.tokens, tokens[row]))
            softened[row] = nearest.text
    return softened


def save_targets(table: PairTable, path: Path) -> None:
    """Keep the targets of a table, so that a run that is resumed has the same.

    Raises:
        BundleError: they cannot be written.
    """
    try:
        replace_file(path, json.dumps(list(table.targets()), ensure_ascii=False))
    except OSError as error:
        raise BundleError(f"{path}: cannot write there: {error.strerror}") from None


def load_targets(table: PairTable, path: Path) -> PairTable:
    """Return the pairs with the targets of `save_targets`.

    Raises:
        BundleError: the file is damaged, or of other pairs.
    """
    try:
        targets = json.loads(path.read_text(encoding="utf-8"))
        if len(targets) != len(table):
            raise ValueError(f"{len(targets):,} targets for {len(table):,} pairs")
        return PairTable.from_texts(table.sources(), targets)
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot go on from it: {error}; remove the file") from None
