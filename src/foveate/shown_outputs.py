"""The outputs of an evaluation as a table of rows or as a page. Knows no files."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from foveate.counted import counted
from foveate.evaluation import Evaluation
from foveate.formats import format_cell
from foveate.insight.rows import Cell, draw_rows
from foveate.judged import Judged, judge, worst_first
from foveate.metric_names import METRIC_LABELS, format_metric

HEADER = ("source", "output", "right", "verdict", "edits", "length", "log-probability")


def write_outputs(evaluation: Evaluation, seen: Collection[str] | None, *, is_page: bool) -> str:
    """Return every output beside what is right, the farthest off first, as TSV or as a page.

    Args:
        evaluation: of a model.
        seen: the sources of the training pairs, if they are known.
        is_page: write HTML.
    """
    header = HEADER if seen is None else (*HEADER, "seen")
    rows = [_list_cells(row) for row in worst_first(judge(evaluation, seen))]
    if not is_page:
        return write_table(header, rows)
    scores = ", ".join(
        f"{METRIC_LABELS[name]} {format_metric(name, evaluation.metrics[name].value)}"
        for name in evaluation.telling
    )
    title = f"{counted(len(rows), 'output')}, the farthest off first"
    return draw_rows(title, header, rows, group="verdict", notes=[scores])


def write_table(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return rows below a header as TSV."""
    lines: list[Sequence[Cell]] = [header, *rows]
    return "".join("\t".join(format_cell(str(cell)) for cell in row) + "\n" for row in lines)


def _list_cells(row: Judged) -> list[Cell]:
    verdict = "right" if row.is_right else "wrong"
    cells: list[Cell] = [row.source, row.output, row.reference, verdict, row.edits, row.length]
    cells.append(round(row.log_prob, 4))
    if row.is_seen is not None:
        cells.append("seen" if row.is_seen else "unseen")
    return cells
