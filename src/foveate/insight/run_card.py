"""A training run as a piece of HTML for a notebook: what it is, how it went, how good it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from foveate.insight.lines import draw_lines
from foveate.insight.svg import clean
from foveate.insight.training_page import label_metric, scale_metric, thin

MOST_POINTS = 200
LEFT = 'style="text-align:left;font-weight:normal"'  # notebooks put numbers at the right


@dataclass(frozen=True)
class RunCard:
    """What is shown of a run.

    Attributes:
        title: the heading.
        facts: names and values.
        losses: updates done, and nats a target token.
        validations: updates done, and the scores on dev.
        scores: of the finished model on dev, with intervals.
    """

    title: str
    facts: Sequence[tuple[str, Any]] = ()
    losses: Sequence[tuple[int, float]] = ()
    validations: Sequence[tuple[int, Mapping[str, float]]] = ()
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def draw_run_card(card: RunCard, further: Sequence[str] = ()) -> str:
    """Return a run as a piece of HTML; `further` pieces follow, and are not escaped.

    Example:
        >>> "<b>" in draw_run_card(RunCard("<b>", [("pairs", 7)]))
        False
    """
    parts = [
        '<div style="display:flex;flex-wrap:wrap;gap:32px;align-items:flex-start">',
        *_tabulate("What it is", [(name, _format(value)) for name, value in card.facts]),
        *_draw_scores(card.scores),
        '</div><div style="display:flex;flex-wrap:wrap;gap:16px">',
        *_draw_curves(card),
        "</div>",
        *further,
    ]
    head = f"<p><strong>{escape(clean(card.title))}</strong></p>"
    return "\n".join(['<div class="foveate-run">', head, *parts, "</div>"])


def _format(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _tabulate(title: str, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield f'<table style="font-size:inherit"><caption {LEFT}>{title}</caption><tbody>'
        for name, value in rows:
            yield (
                f"<tr><th {LEFT}>{escape(clean(name))}</th>"
                f"<td {LEFT}>{escape(clean(value))}</td></tr>"
            )
        yield "</tbody></table>"


def _draw_scores(scores: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    rows = []
    for name, score in scores.items():
        value, low, high = (scale_metric(name, score[part]) for part in ("value", "low", "high"))
        rows.append((label_metric(name), f"{value:.1f} ({low:.1f} to {high:.1f})"))
    yield from _tabulate("On dev, with 95 % intervals", rows)


def _draw_curves(card: RunCard) -> Iterator[str]:
    ends = [update for update, _ in (*card.losses, *card.validations)]
    if not ends:
        return
    last = float(max(ends))
    if card.losses:
        losses = {"loss": thin(card.losses, MOST_POINTS)}
        yield draw_lines(losses, "loss, nats a target token", "update", last=last)
    if card.validations:
        dev = {
            label_metric(name): [
                (update, scale_metric(name, scores[name])) for update, scores in card.validations
            ]
            for name in card.validations[0][1]
        }
        label = "dev, per cent or points"
        yield draw_lines(dev, label, "update", last=last, bounds=(0, 100))
