"""Sequence-level distillation: what a teacher writes for the training sources, to learn from.

A student that learns the outputs of an ensemble has an easier task than one that learns the data:
one target a source, without the noise (Kim & Rush 2016, section 3.2). It costs one more training,
and runs as fast as any single model.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from foveate.data.table import PairTable
from foveate.errors import BundleError
from foveate.files import replace_file
from foveate.training.report import Listener, Report
from foveate.translator import Translator

REPORT_EVERY = 500  # sources
BEAM_SIZE = 5


def write_targets(teacher: Translator, table: PairTable, report: Listener) -> PairTable:
    """Return the pairs with the teacher's targets; where it writes nothing, they stay.

    Differs: Kim & Rush leave the data out, too, and so do we; a beam of 5 as theirs.
    """
    begin = time.perf_counter()
    targets = []
    found = teacher.translate(table.sources(), beam_size=BEAM_SIZE, attention=False)
    for count, (translation, target) in enumerate(zip(found, table.targets(), strict=True), 1):
        targets.append(translation.text or target)
        if count % REPORT_EVERY == 0 or count == len(table):
            seconds = time.perf_counter() - begin
            left = seconds / count * (len(table) - count)
            report(
                Report(
                    "progress",
                    update=count,
                    total_updates=len(table),
                    seconds=round(seconds, 2),
                    seconds_left=round(left, 1),
                )
            )
    return PairTable.from_texts(table.sources(), targets)


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
