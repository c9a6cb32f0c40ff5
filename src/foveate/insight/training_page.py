"""Draw a training run as one web page to watch: curves, outputs, and attention as it forms.

The page is a single file that asks the network for nothing; its policy forbids it to. While the run
lasts it reads itself again. Everything is there without the script too, as the last moment has it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from importlib.resources import files
from typing import Any, Literal, TypeVar

import numpy as np

from foveate.insight.labels import show_tokens
from foveate.insight.lines import draw_lines
from foveate.insight.palette import LIGHT, level_of, ramp
from foveate.insight.svg import clean, draw_svg
from foveate.records import Translation

Item = TypeVar("Item")
Status = Literal["running", "done", "stopped"]
MOST_POINTS = 200  # of the curve of the loss
MOST_MOMENTS = 60
NUM_DRAWN = 3  # examples whose attention is shown
_STATUS = {"running": "training", "done": "done", "stopped": "stopped"}


@dataclass(frozen=True)
class Example:
    """A dev pair to watch: its source, all right targets, and the tokens of source and target."""

    source: str
    references: list[str]
    source_tokens: list[str]
    tokens: list[str]


@dataclass(frozen=True)
class Moment:
    """What the model does with the examples after an update.

    Attributes:
        update: how many were done.
        outputs: one for each example; none where they were not translated.
        attention: of the first examples, [T][S] weights in per cent while they write their
            targets; none where the model has none.
    """

    update: int
    outputs: list[str] = field(default_factory=list)
    attention: list[list[list[int]]] = field(default_factory=list)


@dataclass
class Watched:
    """What is known of a run."""

    title: str
    status: Status = "running"
    message: str = ""
    plan: str = ""
    has_attention: bool = True
    update: int = 0
    total_updates: int = 0
    epoch: float = 0.0
    seconds: float = 0.0
    seconds_left: float | None = None
    tokens_per_second: float | None = None
    written: float = 0.0  # seconds since 1970
    losses: list[tuple[int, float]] = field(default_factory=list)
    validations: list[tuple[int, dict[str, float], bool]] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)


def draw_training_page(run: Watched) -> str:
    """Return a self-contained page that shows a training run.

    Example:
        >>> draw_training_page(Watched("Training")).startswith("<!DOCTYPE html>")
        True
    """
    script, style = _asset("training_page.js"), _asset("page.css") + _asset("training_page.css")
    policy = f"default-src 'none'; script-src '{_hash(script)}'; style-src 'unsafe-inline'; "
    title = escape(clean(run.title))
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}img-src data:">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">',
            f"<title>{title}: {_STATUS[run.status]}</title>\n<style>{style}</style>\n</head>",
            f'<body class="training">\n<main>\n<h1>{title}</h1>',
            *_draw_state(run),
            *_draw_curves(run),
            *_draw_examples(run),
            *_draw_scores(run),
            f'</main>\n<script type="application/json" id="data">{_data(run)}</script>',
            f"<script>{script}</script>\n</body>\n</html>\n",
        ]
    )


def _asset(name: str) -> str:
    return (files("foveate.insight") / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _data(run: Watched) -> str:
    values = {
        "status": run.status,
        "written": run.written,
        "total": run.total_updates,
        "moments": [asdict(moment) for moment in thin(run.moments, MOST_MOMENTS)],
        "references": [example.references for example in run.examples],
        "tokens": [show_tokens(one.tokens, hyphens=True) for one in run.examples[:NUM_DRAWN]],
        "source": [
            show_tokens(one.source_tokens, hyphens=True) for one in run.examples[:NUM_DRAWN]
        ],
        "levels": [level_of(percent / 100) for percent in range(101)],
        "ramp": ramp(LIGHT),
    }
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def thin(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most so many items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(k * (len(items) - 1) / (most - 1))] for k in range(most)]


def _draw_state(run: Watched) -> Iterator[str]:
    yield f'<section class="card state {run.status}" aria-label="State of the run">'
    share = run.update / max(run.total_updates, 1)
    yield (
        f'<p class="status"><strong>{_STATUS[run.status]}</strong> '
        f'<span id="message">{escape(clean(run.message))}</span></p>'
    )
    yield f'<progress max="1" value="{share:.4f}" aria-label="updates done"></progress>\n<dl>'
    for name, value in _facts(run):
        yield f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>"
    yield "</dl>"
    if run.plan:
        yield f'<p class="plan">{escape(clean(run.plan))}</p>'
    if run.status == "running":
        yield (
            '<p class="follow"><label><input type="checkbox" id="follow" checked> '
            'Read this page again every few seconds</label> <span id="stale" role="status"></span>'
            "</p><noscript><p>Reload the page to see how the run goes on.</p></noscript>"
        )
    yield "</section>"


def _facts(run: Watched) -> Iterator[tuple[str, str]]:
    yield "update", f"{run.update:,} of {run.total_updates:,}"
    yield "passes over the pairs", f"{run.epoch:.1f}"
    if run.losses:
        yield "loss", f"{run.losses[-1][1]:.3f}"
    if run.tokens_per_second is not None:
        yield "target tokens a second", f"{run.tokens_per_second:,.0f}"
    yield "time", _duration(run.seconds)
    if run.status == "running" and run.seconds_left is not None:
        yield "time left, about", _duration(run.seconds_left)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _draw_curves(run: Watched) -> Iterator[str]:
    last = max(run.total_updates, run.update)
    losses = thin(run.losses, MOST_POINTS)
    loss = {"loss": losses} if losses else {}
    names = list(run.validations[0][1]) if run.validations else []
    dev = {
        label_metric(name): [
            (update, scale_metric(name, scores[name])) for update, scores, _ in run.validations
        ]
        for name in names
    }
    yield '<div class="curves">'
    yield _draw_figure("loss", "Loss", draw_lines(loss, "nats a target token", "update", last=last))
    yield _tabulate(
        "loss-table", ("update", "loss"), [(f"{at:,}", f"{one:.3f}") for at, one in losses]
    )
    yield "</figure>"
    chart = draw_lines(dev, "per cent, or points", "update", last=last, bounds=(0, 100))
    yield _draw_figure("dev", "Dev set", chart)
    rows = [
        (
            f"{update:,}",
            *(f"{scale_metric(name, scores[name]):.1f}" for name in names),
            "kept" if is_kept else "",
        )
        for update, scores, is_kept in run.validations
    ]
    yield _tabulate("dev-table", ("update", *map(label_metric, names), "weights"), rows)
    yield "</figure>\n</div>"


def _draw_figure(name: str, caption: str, chart: str) -> str:
    return (
        f'<figure class="card" id="{name}"><figcaption><h2>{caption}</h2></figcaption>\n'
        f'<div class="wide">{chart}</div>'
    )


def _tabulate(name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f'<th scope="col">{title}</th>' for title in header)
    body = "\n".join(
        "<tr>" + "".join(f'<td class="number">{cell}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return (
        f'<details id="{name}"><summary>Table</summary>\n<div class="wide"><table><thead><tr>'
        f"{titles}</tr></thead>\n<tbody>{body}</tbody></table></div></details>"
    )


def label_metric(name: str) -> str:
    """Return what a metric is called where people read."""
    return {"bleu": "BLEU", "chrf": "chrF"}.get(name, name.replace("_", " "))


def scale_metric(name: str, value: float) -> float:
    """Return a score in per cent, or in the points that the metric has."""
    return value if name in ("bleu", "chrf") else 100 * value


def _draw_examples(run: Watched) -> Iterator[str]:
    if not run.examples:
        return
    yield '<section class="card" aria-labelledby="examples">\n<h2 id="examples">Examples</h2>'
    yield (
        "<p>Dev pairs, which the model does not learn from. Move the slider to see them after "
        "earlier updates.</p>"
    )
    last = max(min(len(run.moments), MOST_MOMENTS) - 1, 0)
    yield (
        '<div class="moments"><button type="button" id="play">Play</button>'
        f'<input type="range" id="moment" min="0" max="{last}" value="{last}" '
        'aria-label="moment of the run"> <output id="when" for="moment"></output></div>'
    )
    yield (
        '<div class="wide"><table class="outputs"><thead><tr><th scope="col">source</th>'
        '<th scope="col">what the model writes</th><th scope="col">right</th>'
        '<th scope="col">target</th></tr></thead>\n<tbody>'
    )
    outputs = next((one.outputs for one in reversed(run.moments) if one.outputs), [])
    for k, example in enumerate(run.examples):
        output = outputs[k] if k < len(outputs) else ""
        is_right = "✓" if output in example.references else ""
        cells = (example.source, output, is_right, " / ".join(example.references))
        yield "<tr>" + "".join(f'<td dir="auto">{_show(cell)}</td>' for cell in cells) + "</tr>"
    yield "</tbody></table></div>"
    yield from _draw_attention(run)
    yield "</section>"


def _show(text: str) -> str:
    return escape(clean(text))


def _draw_attention(run: Watched) -> Iterator[str]:
    yield '<h2 class="looks">Where it looks</h2>'
    drawn = next((one.attention for one in reversed(run.moments) if one.attention), [])
    if not run.has_attention:
        yield (
            '<p class="none">This model has no attention: a traditional encoder-decoder reads the '
            "source into one vector. There is nothing to look at.</p>"
        )
    elif not drawn:
        yield '<p class="none">Nothing was looked at yet.</p>'
    else:
        yield (
            "<p>Rows are the right target, columns the source. Before the first update the model "
            "looks everywhere alike; then it finds out where to look.</p>"
        )
        yield '<div class="maps">'
        for k, (example, percents) in enumerate(zip(run.examples, drawn, strict=False)):
            yield _draw_map(k, example, percents)
        yield "</div>"


def _draw_map(k: int, example: Example, percents: list[list[int]]) -> str:
    weights = (np.array(percents) / 100).astype(np.float32)
    shown = Translation(example.source_tokens, example.tokens, "", 0.0, weights)
    columns, rows = (
        [escape(label) for label in show_tokens(tokens, hyphens=True)]
        for tokens in (example.source_tokens, example.tokens)
    )
    head = "".join(f'<th scope="col">{label}</th>' for label in columns)
    body = "\n".join(
        f'<tr><th scope="row">{label}</th>'
        + "".join(f'<td class="number">{percent}</td>' for percent in row)
        + "</tr>"
        for label, row in zip(rows, percents, strict=True)
    )
    return (
        f'<figure data-map="{k}"><div class="wide">{draw_svg(shown, tooltips=False)}</div>\n'
        f'<details id="map-{k}"><summary>Table, in per cent</summary><div class="wide"><table>'
        f"<thead><tr><td></td>{head}</tr></thead>\n<tbody>{body}</tbody></table></div></details>"
        "</figure>"
    )


def _draw_scores(run: Watched) -> Iterator[str]:
    """Show the scores of the finished model on the whole dev set."""
    if not run.scores:
        return
    yield '<section class="card" aria-labelledby="scores"><h2 id="scores">The model, on dev</h2>'
    yield '<div class="wide"><table class="scores"><thead><tr><th scope="col">metric</th>'
    yield '<th scope="col">value</th><th scope="col">95 % interval</th></tr></thead>\n<tbody>'
    for name, score in run.scores.items():
        value, low, high = (
            f"{scale_metric(name, score[part]):.1f}" for part in ("value", "low", "high")
        )
        yield (
            f'<tr><th scope="row">{label_metric(name)}</th><td class="number">{value}</td>'
            f'<td class="number">{low} to {high}</td></tr>'
        )
    yield "</tbody></table></div></section>"
