"""`foveate check`: the suspicious pairs of a file as a table, the worst first."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from foveate.checking import check_table, count_kinds
from foveate.console import TrainingDisplay, format_findings, say, watch
from foveate.data.readers import read_pairs
from foveate.data.table import PairTable
from foveate.formats import SUSPICION_HEADER, format_suspicion
from foveate.output import check_file, open_output

if TYPE_CHECKING:
    from foveate.checking import Suspicion
    from foveate.config import Config
    from foveate.records import Pair


def run_check(
    where: str, out: str, config: Config, *, folds: int, rules_only: bool, every: bool
) -> int:
    """Check a file and return the exit status; arguments are the flags of the command.

    Raises:
        ConfigError: the output cannot be written, or there are too few folds.
        DataError: the pairs cannot be read, or are too few.
        MissingExtraError: PyTorch is not installed.
    """
    check_file(out)
    lines = array("q")
    table = PairTable.from_pairs(
        _note_lines(
            read_pairs(
                where, skip_bad=config.skip_bad, max_characters=config.max_characters, report=say
            ),
            lines,
        )
    )
    found = check_table(
        table,
        None if rules_only else config,
        folds=folds,
        lines=np.array(lines),
        display=TrainingDisplay,
        watch=lambda items, total: watch(items, total, "pairs judged"),
    )
    kept = [one for one in found if every or one.reasons]
    with open_output(out) as stream:
        rows = (format_suspicion(rank, lines[one.row], one) for rank, one in _number(kept))
        stream.writelines(chain([SUSPICION_HEADER], rows))
    counts = count_kinds(kept)
    num_odd = sum(bool(one.reasons) for one in kept)
    say(format_findings(len(table), num_odd, counts, [lines[one.row] for one in kept[:5]]))
    return 0


def _number(found: list[Suspicion]) -> Iterator[tuple[int, Suspicion]]:
    return enumerate(found, start=1)


def _note_lines(pairs: Iterator[Pair], lines: array[int]) -> Iterator[Pair]:
    for pair in pairs:
        lines.append(pair.line)
        yield pair
