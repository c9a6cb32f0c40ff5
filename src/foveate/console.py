"""What a person sees: progress, tables, one-line errors.

Progress and messages go to standard error: a live bar when that is a terminal, else one plain
line a report. Results are made here as text and printed by the commands.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO, TypeVar

from foveate.counted import counted
from foveate.metric_names import FRACTIONS, METRIC_LABELS, format_metric
from foveate.printable import make_printable

if TYPE_CHECKING:
    from rich.progress import Progress

    from foveate.data.oddities import Kind
    from foveate.evaluation import Evaluation
    from foveate.metrics import Score
    from foveate.records import Translation
    from foveate.training.report import Report

Item = TypeVar("Item")

NOTHING, BLANK = "∅", "␣"
WORST_COLUMNS = ("source", "output", "reference")
KIND_LABELS: dict[Kind, str] = {
    "implausible": "implausible to a model that has not seen them",
    "shifted": "whose source goes with a neighbour's target",
    "side": "that look like the other side",
    "length": "of odd length",
    "script": "with letters of a rare script",
    "copy": "whose target equals the source",
    "header": "that name the columns",
    "invisible": "with invisible characters",
    "entity": "with entities of a web page",
    "outer": "with outer blanks",
    "numbered": "with a number behind the source",
    "variants": "with other targets for the same source",
    "repeat": "that repeat a pair",
}
RECORDED = ("variants", "repeat")  # kinds that speak against no pair
SECONDS_BETWEEN_LINES = 5.0
FEWEST_SHOWN = 10  # sources whose share of right outputs is worth a line
SECONDS_BETWEEN_LATE_LINES = 15.0


def print_error(message: str) -> None:
    """Print one line `foveate: error: ...` to standard error, and below it a list of several."""
    lines = [line for line in make_printable(message).splitlines() if line.strip()]
    plain = [" ".join(line.split()) for line in lines]
    is_list = sum(line.startswith("  ") for line in lines) > 1
    shown = "\n  ".join(plain) if is_list else "; ".join(plain)
    print(f"{_bold('foveate: error:', '31')} {shown}", file=sys.stderr, flush=True)


def say(message: str) -> None:
    """Print a message to standard error."""
    print(make_printable(message), file=sys.stderr, flush=True)


def _bold(text: str, colour: str, stream: TextIO | None = None) -> str:
    return f"\x1b[1;{colour}m{text}\x1b[0m" if has_colour(stream or sys.stderr) else text


def has_colour(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that wants colours (`NO_COLOR` is honoured)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def show(text: str) -> None:
    """Print a result: exactly into a file or pipe, in a form that is safe for a terminal."""
    print(make_printable(text) if sys.stdout.isatty() else text, flush=True)


def format_duration(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> format_duration(192.4), format_duration(12), format_duration(7380)
        ('3 min 12 s', '12 s', '2 h 3 min')
    """
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def format_report(report: Report) -> str:
    """Return a report of training as one plain line."""
    if report.kind not in ("progress", "validation"):
        return report.message
    parts = [f"{report.message or 'update'} {report.update:,}/{report.total_updates:,}"]
    if report.loss is not None:
        parts.append(f"loss {report.loss:.3f}")
    if report.target_tokens_per_second is not None:
        parts.append(f"{report.target_tokens_per_second:,.0f} tokens/s")
    parts += _format_dev(report)
    if report.seconds_left is not None:
        parts.append(f"{format_duration(report.seconds_left)} left")
    return "  ".join(parts)


def _format_dev(report: Report) -> list[str]:
    if not report.dev:
        return []
    scores = [
        f"{METRIC_LABELS.get(name, name)} {format_metric(name, value)}"
        for name, value in report.dev.items()
    ]
    return ["dev: " + ", ".join(scores) + (" (kept)" if report.is_kept else "")]


class TrainingDisplay:
    """Shows the reports of training as they come.

    Example:
        with TrainingDisplay() as display:
            train(table, dev, config, report=display)
    """

    def __init__(self, label: str = "training") -> None:
        self._label = label
        self._stream = sys.stderr
        self._bar: Progress | None = None
        self._last_line = 0.0
        self._dev = ""
        self._status = ""

    def __enter__(self) -> Self:
        if self._stream.isatty():
            self._bar = _build_bar(self._label)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, report: Report) -> None:
        """Show one report."""
        if self._bar is not None:
            self._show(self._bar, report)
        elif report.kind != "progress" or self._is_due(report):
            self._print(report)

    def _is_due(self, report: Report) -> bool:
        """Return whether enough time has gone by for another plain line of progress."""
        is_last = report.update == report.total_updates
        return is_last or time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES

    def _print(self, report: Report) -> None:
        if line := format_report(report):
            print(make_printable(line), file=self._stream, flush=True)
        if report.kind == "progress":
            self._last_line = time.monotonic()

    def _show(self, bar: Progress, report: Report) -> None:
        if report.kind not in ("progress", "validation"):
            if report.message:
                bar.console.print(make_printable(report.message), markup=False, highlight=False)
            return
        if report.dev:
            name, value = next(iter(report.dev.items()))
            self._dev = f"dev {format_metric(name, value)}"
        if not bar.task_ids:
            bar.start()
            bar.add_task(self._label, total=None, status="")
        if report.kind == "progress":
            self._status = self._describe(report)
        total = report.total_updates or None
        bar.update(bar.task_ids[0], completed=report.update, total=total, status=self._status)

    def _describe(self, report: Report) -> str:
        parts = [] if report.loss is None else [f"loss {report.loss:.2f}"]
        if report.target_tokens_per_second is not None:
            parts.append(f"{report.target_tokens_per_second:,.0f} tokens/s")
        parts += [self._dev] if self._dev else []
        if report.seconds_left is not None:
            parts.append(f"{format_duration(report.seconds_left)} left")
        return "  ".join(parts)


class LateDisplay(TrainingDisplay):
    """Shows a training only once it has taken a while, and then how far it is."""

    def __init__(self, label: str = "training", patience: float = 5.0) -> None:
        super().__init__(label)
        self._show_from = time.monotonic() + patience

    def __call__(self, report: Report) -> None:
        """Show one report, if it is time for that."""
        if report.kind in ("progress", "validation") and time.monotonic() >= self._show_from:
            super().__call__(report)

    def _is_due(self, report: Report) -> bool:
        return time.monotonic() - self._last_line >= SECONDS_BETWEEN_LATE_LINES


def _build_bar(label: str) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}", markup=False),
        console=Console(stderr=True, highlight=False),
        expand=True,
        transient=True,
    )


def watch(
    items: Iterable[Item],
    total: int | None = None,
    noun: str = "lines",
    patience: float = 0.0,
    begin: int = 0,
) -> Iterator[Item]:
    """Pass items through and count them on standard error, when it takes more than a moment.

    Args:
        items: what passes.
        total: of the items, with those that passed before.
        noun: what to call them.
        patience: seconds in which nothing is said.
        begin: items that passed before, in an earlier run.
    """
    is_live = sys.stderr.isatty() and not (sys.stdout.isatty() and total is None)
    start = last = time.monotonic()
    shown = 0
    for count, item in enumerate(items, start=begin + 1):
        yield item
        now = time.monotonic()
        if now - last >= (0.5 if is_live else 30) and now - start >= patience:
            last, shown = now, count
            of = f"/{total:,}" if total else ""
            speed = (count - begin) / (now - start)
            left = f", {_show_time((total - count) / speed)} left" if total else ""
            line = f"{count:,}{of} {noun}, {speed:,.0f} a second{left}"
            if is_live:
                print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)
            else:
                print(line, file=sys.stderr, flush=True)
    if shown and is_live:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _show_time(seconds: float) -> str:
    hours, minutes = divmod(round(seconds) // 60, 60)
    return f"{hours}:{minutes:02}:{round(seconds) % 60:02}"


def format_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1
) -> str:
    """Lay out rows below a header: the first columns to the left, numbers to the right.

    Example:
        >>> print(format_table(("metric", "value"), [("BLEU", "39.0")]))
        metric  value
        BLEU     39.0
    """
    from rich.cells import cell_len

    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(cell_len(row[column]) for row in cells) for column in range(len(header))]

    def pad(cell: str, column: int) -> str:
        blanks = " " * (widths[column] - cell_len(cell))
        return cell + blanks if column < text_columns else blanks + cell

    return "\n".join(
        "  ".join(pad(cell, column) for column, cell in enumerate(row)).rstrip() for row in cells
    )


def format_scores(scores: Mapping[str, Score], telling: Collection[str] | None = None) -> str:
    """Return scores with their intervals as a table.

    Args:
        scores: of each metric.
        telling: the metrics to show, those that mean something for the data; None is all.
    """
    rows = [
        (METRIC_LABELS.get(name, name), format_metric(name, score.value), _interval(name, score))
        for name, score in scores.items()
        if telling is None or name in telling
    ]
    return format_table(("metric", "value", "95 % interval"), rows)


def _interval(name: str, score: Score) -> str:
    """Return an interval, and nothing for one without a width: too few items say so little."""
    low, high = format_metric(name, score.low), format_metric(name, score.high)
    return f"{low} to {high}" if score.low < score.high else ""


def format_before(
    scores: Mapping[str, Any], before: Mapping[str, Any], telling: Collection[str] | None = None
) -> str:
    """Return a table of the scores of a model beside those of the one that it goes on from.

    Args:
        scores: by set of pairs and metric.
        before: the same of the old model.
        telling: the metrics to show; None is all.

    Example:
        >>> new, old = ({"dev": {"exact_match": {"value": value}}} for value in (0.6, 0.5))
        >>> print(format_before(new, old))
        pairs  metric       before     now
        dev    exact match  50.0 %  60.0 %
    """
    rows = [
        (split, METRIC_LABELS.get(name, name), *(format_metric(name, one) for one in values))
        for split, metrics in before.items()
        for name, score in metrics.items()
        if telling is None or name in telling
        for values in [(score["value"], scores[split][name]["value"])]
    ]
    return format_table(("pairs", "metric", "before", "now"), rows, text_columns=2)


def format_ensemble(scores: Mapping[str, Any] | None) -> str:
    """Return in a line what each model of an ensemble has on dev; nothing for one model.

    Example:
        >>> print(format_ensemble({"metric": "bleu", "alone": [38.7, 39.1]}))
        each model alone: BLEU 38.7, 39.1
        >>> print(format_ensemble({"metric": "bleu", "alone": [38.7, 39.1], "together": 40.2}))
        the models it learnt from: BLEU 38.7, 39.1, together 40.2
    """
    if not scores:
        return ""
    values = [format_metric(scores["metric"], value) for value in scores["alone"]]
    whose = "each model alone"
    if "together" in scores:
        values.append(f"together {format_metric(scores['metric'], scores['together'])}")
        whose = "the models it learnt from"
    return f"{whose}: {METRIC_LABELS[scores['metric']]} {', '.join(values)}"


def format_learning_curve(points: Sequence[Mapping[str, Any]]) -> str:
    """Return scores by number of pairs as a table, and what the last doubling brought.

    Example:
        >>> low = {"pairs": 500, "metric": "bleu", "value": 20.0, "low": 18.0, "high": 22.0}
        >>> high = {"pairs": 1000, "metric": "bleu", "value": 25.0, "low": 23.0, "high": 27.0}
        >>> print(format_learning_curve([low, high]))
        pairs  BLEU  95 % interval
        500    20.0   18.0 to 22.0
        1,000  25.0   23.0 to 27.0
        from 500 to 1,000 pairs: +5.0, more than the intervals leave open
    """
    metric = points[-1]["metric"]
    rows = [
        (
            f"{point['pairs']:,}",
            format_metric(metric, point["value"]),
            f"{format_metric(metric, point['low'])} to {format_metric(metric, point['high'])}",
        )
        for point in points
    ]
    half, whole = points[-2:]
    gain = (whole["value"] - half["value"]) * (100 if metric in FRACTIONS else 1)
    is_clear = whole["low"] > half["high"] or whole["high"] < half["low"]
    certainty = "more" if is_clear else "no more"
    last = (
        f"from {half['pairs']:,} to {whole['pairs']:,} pairs: {gain:+.1f}, "
        f"{certainty} than the intervals leave open"
    )
    return format_table(("pairs", METRIC_LABELS[metric], "95 % interval"), rows) + f"\n{last}"


def draw_learning_curve(points: Sequence[Mapping[str, Any]]) -> str:
    """Return scores by number of pairs as SVG, with their intervals."""
    from foveate.insight.curves import draw_length_curve

    metric = points[-1]["metric"]
    factor = 100 if metric in FRACTIONS else 1
    rows = [
        (f"{one['pairs']:,}", *(factor * one[key] for key in ("value", "low", "high")))
        for one in points
    ]
    unit = ", per cent" if metric in FRACTIONS else ""
    return draw_length_curve(
        {str(points[-1].get("set", "dev")): [(label, value) for label, value, *_ in rows]},
        f"{METRIC_LABELS[metric]}{unit}, with 95 % intervals",
        "Would more pairs help?",
        xlabel="training pairs",
        intervals={label: (low, high) for label, _, low, high in rows},
    )


def format_diagnosis(diagnosis: Mapping[str, Any] | None) -> str:
    """Return what `evaluation.diagnose` found in a few lines; nothing for an old model.

    Example:
        >>> memory = {"value": 0.5, "low": 0.25, "high": 0.75}
        >>> confusions = [{"reference": "AH", "output": "IH", "count": 7}]
        >>> found = {"memory": memory, "seen": 0.6, "confusions": confusions, "worst": []}
        >>> print(format_diagnosis(found))
        a memory of the training pairs: exact match 50.0 % (25.0 % to 75.0 %), 60.0 % seen
        commonest errors (right > written): AH > IH 7
    """
    if not diagnosis:
        return ""
    lines = [_format_memory(diagnosis["memory"], diagnosis["seen"])]
    if unchanged := diagnosis.get("unchanged"):  # not in an old model
        lines.append(f"the sources left as they are: {_format_intervals(unchanged)}")
    if reliability := diagnosis.get("reliability"):
        lines.append(format_reliability(reliability))
    if verdict := diagnosis.get("verdict"):
        lines.insert(0, verdict)
    errors = [
        f"{row['reference'] or NOTHING} > {row['output'] or NOTHING} {row['count']:,}"
        for row in diagnosis["confusions"]
    ]
    if errors:
        lines.append(f"commonest errors (right > written): {', '.join(errors)}")
    worst = [[_shorten(row[key]) for key in WORST_COLUMNS] for row in diagnosis["worst"]]
    if worst:
        lines += ["", format_table(("farthest off", "written", "right"), worst, text_columns=3)]
    return "\n".join(lines)


def format_reliability(reliability: Mapping[str, Any]) -> str:
    """Say how far the confidence of outputs may be believed.

    Example:
        >>> rows = [{"sources": 40, "said": 0.31, "right": 0.29}]
        >>> format_reliability({"expected_calibration_error": 0.02, "bins": rows})
        'confidence in an output is off by 2.0 points on average (31 % said, 29 % right in 40)'
    """
    rows = [row for row in reliability["bins"] if row["sources"] >= FEWEST_SHOWN]
    error = 100 * reliability["expected_calibration_error"]
    shown = [
        f"{100 * row['said']:.0f} % said, {100 * row['right']:.0f} % right in {row['sources']:,}"
        for row in rows[-1:]
    ]
    inside = f" ({shown[0]})" if shown else ""
    return f"confidence in an output is off by {error:.1f} points on average{inside}"


def _format_memory(memory: Mapping[str, Any], seen: float) -> str:
    if not seen:
        return "a memory of the training pairs gets nothing right: it has seen none of the sources"
    share = format_metric("exact_match", seen)
    score = _format_intervals({"exact_match": memory})
    return f"a memory of the training pairs: {score}, {share} seen"


def _format_intervals(scores: Mapping[str, Mapping[str, Any]]) -> str:
    parts = []
    for name, score in scores.items():
        value, low, high = (format_metric(name, score[key]) for key in ("value", "low", "high"))
        parts.append(f"{METRIC_LABELS[name]} {value} ({low} to {high})")
    return ", ".join(parts)


def _shorten(text: str, most: int = 36) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def format_lengths(evaluation: Evaluation) -> str:
    """Return the metrics of an evaluation by source length as a table."""
    names = list(evaluation.telling)
    header = [f"source {evaluation.unit}", "sources", *(METRIC_LABELS.get(n, n) for n in names)]
    rows = [
        [
            format_bin(row),
            f"{row['sources']:,}",
            *(format_metric(n, row[n]) if row.get(n) is not None else "" for n in names),
        ]
        for row in evaluation.by_source_length
    ]
    return format_table(header, rows)


def format_bin(row: dict[str, Any]) -> str:
    """Return a range of source lengths, both ends included.

    Example:
        >>> format_bin({"low": 1, "high": 4}), format_bin({"low": 5, "high": 5})
        ('1-4', '5')
    """
    low, high = row["low"], row["high"]
    return f"{low}" if low == high else f"{low}-{high}"


def format_evaluation(evaluation: Evaluation) -> str:
    """Return a whole evaluation as text: scores, scores by length, signatures."""
    counts = f"{counted(evaluation.num_sources, 'source')}, {counted(evaluation.num_pairs, 'pair')}"
    scores = {name: evaluation.metrics[name] for name in evaluation.telling}
    every = [*evaluation.metrics.values()]  # of JSON, too
    if evaluation.has_several_rows:
        scores["exact_match_by_row"] = evaluation.by_row
        every.append(evaluation.by_row)
    signatures = [f"  {score.signature}" for score in every]
    parts = [counts, format_scores(scores), format_lengths(evaluation)]
    if confusions := format_confusions(evaluation.find_confusions()):
        parts.append(confusions)
    return "\n\n".join([*parts, "\n".join(["signatures", *signatures])])


def format_confusions(confusions: Sequence[Mapping[str, Any]]) -> str:
    """Return the commonest errors as a table, with the tokens beside them.

    Example:
        >>> contexts = [{"before": "K", "after": "#", "count": 2}]
        >>> row = {"reference": "AE", "output": "", "count": 3, "contexts": contexts}
        >>> print(format_confusions([{**row, "example": "cat"}]))
        right  written  times  where    as in
        AE     ∅        3      K _ # 2  cat
    """
    if not confusions:
        return ""
    rows = [
        [
            _show_token(row["reference"]),
            _show_token(row["output"]),
            f"{row['count']:,}",
            ", ".join(
                f"{_show_token(one['before'])} _ {_show_token(one['after'])} {one['count']:,}"
                for one in row["contexts"]
            ),
            _shorten(row["example"]),
        ]
        for row in confusions
    ]
    return format_table(("right", "written", "times", "where", "as in"), rows, text_columns=5)


def _show_token(token: str) -> str:
    return BLANK if token == " " else _shorten(token) or NOTHING


def format_findings(
    num_pairs: int, num_odd: int, counts: Mapping[Kind, int], lines: Sequence[int]
) -> str:
    """Say in a paragraph what a check found, and on which lines to look first.

    Example:
        >>> print(format_findings(900, 2, {"copy": 1, "length": 2}, [17, 4]))
        900 pairs, 2 with a reason to look: 2 of odd length, 1 whose target equals the source.
        Look first at the lines 17, 4; most pairs with a reason may still be right.
    """
    found = {
        kind: f"{counts[kind]:,} {KIND_LABELS[kind]}" for kind in KIND_LABELS if counts.get(kind)
    }
    parts = [
        [text for kind, text in found.items() if (kind in RECORDED) == is_recorded]
        for is_recorded in (False, True)
    ]
    record = f" For the record: {', '.join(parts[1])}." if parts[1] else ""
    if not num_odd:
        return f"{counted(num_pairs, 'pair')}, none with a reason to look.{record}"
    return (
        f"{counted(num_pairs, 'pair')}, {num_odd:,} with a reason to look: "
        f"{', '.join(parts[0])}.{record}\n"
        f"Look first at the lines {', '.join(map(str, lines))}; most pairs with a reason may "
        "still be right."
    )


def format_attention(translation: Translation) -> str:
    """Return a translation and the picture of its attention weights, as wide as the terminal."""
    from foveate.insight.terminal import draw_terminal

    width = shutil.get_terminal_size((100, 24)).columns
    picture = draw_terminal(translation, color=has_colour(sys.stdout), width=width)
    return f"{picture}\n{make_printable(translation.text)}\nlog-probability {translation.score:.3f}"
