"""A comparison of models as text, as a table of rows, and as a page. Knows no files."""

from __future__ import annotations

from collections.abc import Iterator

from foveate.comparing import Comparison
from foveate.console import format_table
from foveate.counted import counted
from foveate.insight.differences import Gain, draw_gains
from foveate.insight.rows import Cell, draw_rows
from foveate.judged import Disagreement
from foveate.metric_names import FRACTIONS, METRIC_LABELS, format_metric
from foveate.shown_outputs import write_table
from foveate.significance import LEVEL, Difference

MOST_SHOWN = 10  # rows that differ
WIDEST = 28  # characters of a cell in the terminal
LOWER_IS_BETTER = (
    *("word_error_rate", "phoneme_error_rate"),
    *("token_error_rate", "character_error_rate"),
)


def format_comparison(comparison: Comparison) -> str:
    """Return the scores of all models, what is more than chance, and the worst rows."""
    first = comparison.first
    parts = [f"{counted(len(first.sources), 'source')}, {counted(first.num_pairs, 'pair')}"]
    if len(comparison.names) == 2:
        other = comparison.names[1]
        parts += [_format_two(comparison), _format_verdict(comparison, other)]
        parts += [_format_worst(comparison, other)]
    else:
        parts += [_format_many(comparison)]
        parts += [_format_verdict(comparison, name) for name in comparison.names[1:]]
    return "\n\n".join(part for part in parts if part)


def _format_two(comparison: Comparison) -> str:
    one, other = comparison.names
    rows = []
    for metric in comparison.telling:
        found = comparison.differences[other][metric]
        rows.append(
            (
                METRIC_LABELS[metric],
                format_metric(metric, found.one),
                format_metric(metric, found.other),
                f"{_points(metric, found.value):+.1f}",
                f"{_points(metric, found.low):+.1f} to {_points(metric, found.high):+.1f}",
                format_chance(found),
            )
        )
    return format_table(("metric", one, other, "difference", "95 % interval", "p"), rows)


def _format_many(comparison: Comparison) -> str:
    """Return a row for each model; a star marks what differs from the first by more than chance."""
    rows = []
    for name, evaluation in comparison.evaluations.items():
        found = comparison.differences.get(name, {})
        cells = [
            format_metric(metric, evaluation.metrics[metric].value)
            + (" *" if metric in found and found[metric].is_significant else "  ")
            for metric in comparison.telling
        ]
        rows.append([name, *cells])
    header = ["model", *(METRIC_LABELS[metric] for metric in comparison.telling)]
    return format_table(header, rows) + "\n* differs from the first by more than chance (p < 0.05)"


def format_chance(found: Difference) -> str:
    """Return a probability for people.

    Example:
        >>> format_chance(Difference(0.5, 0.6, 0.0, 0.2, 0.0002, ""))
        '< 0.001'
    """
    return "< 0.001" if found.p_value < 0.001 else f"{found.p_value:.3f}"


def _points(metric: str, value: float) -> float:
    return 100 * value if metric in FRACTIONS else value


def _is_better(metric: str, found: Difference) -> bool:
    return (found.value > 0) != (metric in LOWER_IS_BETTER)


def _format_verdict(comparison: Comparison, name: str) -> str:
    """Say in a sentence where a model is better than the first, and where chance would do."""
    found = comparison.differences[name]
    clear = [metric for metric in comparison.telling if found[metric].is_significant]
    if not any(found[metric].value for metric in comparison.telling):
        return f"{name} and {comparison.names[0]} have the same scores."
    if not clear:
        return (
            f"{name} and {comparison.names[0]}: chance explains every difference (p >= {LEVEL:g})."
        )
    better = [METRIC_LABELS[metric] for metric in clear if _is_better(metric, found[metric])]
    worse = [METRIC_LABELS[metric] for metric in clear if not _is_better(metric, found[metric])]
    sides = [("better", better), ("worse", worse)]
    says = [f"{side} in {', '.join(metrics)}" for side, metrics in sides if metrics]
    return (
        f"Beside {comparison.names[0]}, {name} is {' and '.join(says)}: "
        f"more than chance explains (p < {LEVEL:g})."
    )


def _format_worst(comparison: Comparison, name: str) -> str:
    found = comparison.disagreements(name)
    total = len(comparison.first.sources)
    if not found:
        return f"The outputs are the same for {counted(total, 'source')}."
    header = ("source", "right", *comparison.names)
    rows = [
        [_shorten(cell) for cell in (row.one.source, _right(row), row.one.output, row.other.output)]
        for row in found[:MOST_SHOWN]
    ]
    return (
        f"They differ in {len(found):,} of {counted(total, 'output')}; first where {name} is "
        "the worse:\n" + format_table(header, rows, text_columns=4)
    )


def _right(row: Disagreement) -> str:
    """Return the reference that is nearest to either output."""
    nearest = min(row.one, row.other, key=lambda one: one.edits)
    return nearest.reference


def _shorten(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def write_comparison(comparison: Comparison, *, is_page: bool) -> str:
    """Return the rows that differ, as TSV with a header or as a page with the picture."""
    names = comparison.names
    header = ["source", "right", names[0], names[1], f"edits {names[0]}", f"edits {names[1]}"]
    if len(names) > 2:
        header = ["compared", *header[:3], "the other", *header[4:5], "edits the other"]
    header.append("which is nearer")
    rows = list(_list_rows(comparison))
    if not is_page:
        return write_table(header, rows)
    figures = [draw_gains(_gains(comparison, name), names[0], name) for name in names[1:]]
    notes = [_format_verdict(comparison, name) for name in names[1:]]
    title = f"{' and '.join(names)} on {counted(len(comparison.first.sources), 'source')}"
    return draw_rows(title, header, rows, group=header[-1], figures=figures, notes=notes)


def _list_rows(comparison: Comparison) -> Iterator[list[Cell]]:
    names = comparison.names
    for name in names[1:]:
        for row in comparison.disagreements(name):
            nearer = names[0] if row.damage > 0 else name if row.damage < 0 else "neither"
            cells = [row.one.source, _right(row), row.one.output, row.other.output]
            compared = [name] if len(names) > 2 else []
            yield [*compared, *cells, row.one.edits, row.other.edits, nearer]


def _gains(comparison: Comparison, name: str) -> list[Gain]:
    gains = []
    for metric in comparison.telling:
        found = comparison.differences[name][metric]
        sign = -1 if metric in LOWER_IS_BETTER else 1
        low, high = sorted(sign * _points(metric, end) for end in (found.low, found.high))
        value = sign * _points(metric, found.value)
        gains.append(Gain(METRIC_LABELS[metric], value, low, high, found.is_significant))
    return gains
