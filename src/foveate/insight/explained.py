"""Attention step by step as one web page: choose a step, a layer and a head, and see the numbers.

The page is a single file that asks the network for nothing; its policy forbids it to. A notebook
gets the same page in a frame of its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.inside_values import Choice, Explanation, Look
from foveate.insight.html import POLICY, make_script_safe
from foveate.insight.labels import join_shown, reading_note, show_tokens
from foveate.insight.palette import DARK, LIGHT, ink_on, ramp
from foveate.insight.steps import END, MOST_CHOICES, MOST_NUMBERS, label_positions, name_look
from foveate.insight.svg import clean, draw_svg
from foveate.records import Translation

FRAME_HEIGHT = 760  # pixels, of a page in a notebook


def draw_explained(translations: Sequence[Translation], title: str, step: int = 0) -> str:
    """Return a self-contained page with every step of some translations, taken apart.

    Args:
        translations: with explanations, in this order; those without one are left out.
        title: heading of the page.
        step: which the page shows first, from 0.
    """
    shown = [one for one in translations if one.explanation is not None]
    data = [{**_pack(one.explain(), clean(one.text)), "step": step} for one in shown]
    static = [draw_svg(one, tooltips=False) for one in shown]
    notes = [note for note in dict.fromkeys(map(reading_note, shown)) if note]
    return "\n".join(_write_page(data, title, static, notes))


def draw_explanation(explanation: Explanation) -> str:
    """Return what attention computed as a piece of HTML for a notebook: the page in a frame.

    Where a notebook does not let a frame run, the table of the chosen step is there without it.
    """
    data = [_pack(explanation, join_shown([token for token in explanation.tokens if token]))]
    page = "\n".join(_write_page(data, "", [], []))
    return "\n".join(
        [
            '<div class="foveate-explanation">',
            f'<iframe sandbox="allow-scripts" title="Attention, step by step" width="100%" '
            f'height="{FRAME_HEIGHT}" style="border:0" srcdoc="{escape(page)}"></iframe>',
            "<details><summary>The numbers of this step as a table</summary>",
            *_tabulate(explanation),
            "</details></div>",
        ]
    )


def _write_page(
    data: list[dict[str, Any]], title: str, static: Sequence[str], notes: Sequence[str]
) -> Iterator[str]:
    packed = make_script_safe(json.dumps(data, ensure_ascii=True, allow_nan=False))
    shown = escape(clean(title))
    style = _asset("page.css") + _asset("explained.css") + _color_rules()
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
    yield f"<title>{shown}</title>\n<style>{style}</style>\n</head>\n<body>"
    yield f"<main>\n<h1>{shown}</h1>" if title else '<main class="framed">'
    yield _BODY
    yield "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    yield f"<noscript><p>The steps need JavaScript.</p>{''.join(static)}</noscript>\n</main>"
    yield f'<script type="application/json" id="data">{packed}</script>'
    yield f"<script>{_asset('explained.js')}</script>\n</body>\n</html>\n"


_BODY = """<div id="app" hidden>
<nav class="card" aria-label="Texts"><ol id="list"></ol></nav>
<section class="card" aria-labelledby="output">
<p class="source-text" id="source" dir="auto"></p><h2 id="output" dir="auto"></h2>
<div class="choose"><label>attention <select id="look"></select></label>
<label>head <select id="head"></select></label></div>
<p class="keys"><kbd>←</kbd> <kbd>→</kbd> step, <kbd>↑</kbd> <kbd>↓</kbd> layer,
<kbd>h</kbd> head<span id="between">, <kbd>n</kbd> <kbd>p</kbd> text</span>; or click on a row of
the map.</p>
<div class="wide"><table id="map"><thead></thead><tbody></tbody></table></div>
</section>
<section class="card" aria-labelledby="step">
<h2 id="step" aria-live="polite"></h2>
<div class="wide"><table id="numbers"><thead></thead><tbody></tbody><tfoot></tfoot></table></div>
<div id="likely"></div>
</section>
</div>"""


def _color_rules() -> str:
    """Return the colours of the cells of a map, which are those of all heat maps."""
    light, dark = (
        "".join(
            f"#map .w{level}{{background:{color};color:{ink_on(color)}}}"
            for level, color in enumerate(ramp(theme))
        )
        for theme in (LIGHT, DARK)
    )
    return f"{light}@media (prefers-color-scheme:dark){{{dark}}}"


def _asset(name: str) -> str:
    return (files("foveate.insight") / name).read_text(encoding="utf-8")


def _pack(explanation: Explanation, text: str) -> dict[str, Any]:
    return {
        "source": join_shown(explanation.source_tokens),
        "text": text,
        "step": explanation.step,
        "look": explanation.shown,
        "equations": {one.name: [one.formula, one.reference] for one in explanation.equations},
        "choices": [_pack_choices(row) for row in explanation.choices],
        "looks": [_pack_look(explanation, look) for look in explanation.looks],
    }


def _pack_choices(choices: Sequence[Choice]) -> list[tuple[str, float]]:
    return [
        (END if one.is_end else show_tokens([one.token])[0], _round(math.exp(one.log_prob)))
        for one in choices[:MOST_CHOICES]
    ]


def _pack_look(explanation: Explanation, look: Look) -> dict[str, Any]:
    rows, columns = label_positions(explanation, look)
    model = f", model {look.model}" if explanation.looks[-1].model > 1 else ""
    widths = np.split(np.arange(look.values.shape[1]), look.num_heads)
    return {
        "name": name_look(look) + model,
        "kind": look.kind,
        "rows": rows,
        "columns": columns,
        "heads": [
            {
                "scores": _pack_numbers(look.scores[head]),
                "weights": _pack_numbers(look.weights[head]),
                "values": _pack_numbers(look.values[:, part[:MOST_NUMBERS]]),
                "context": _pack_numbers(look.context[:, part[:MOST_NUMBERS]]),
                "size": len(part),
            }
            for head, part in enumerate(widths)
        ],
    }


def _pack_numbers(values: NDArray[np.float32]) -> list[Any]:
    """Return nested lists with four digits; what is not finite becomes None."""
    return [
        [_round(value) if math.isfinite(value) else None for value in row]
        for row in values.tolist()
    ]


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def _tabulate(explanation: Explanation) -> Iterator[str]:
    """Yield the numbers of the chosen step, heads side by side."""
    heads = range(len(explanation.weights))
    titles = [f"{name}{f' {head + 1}' * (len(heads) > 1)}" for head in heads for name in "eα"]
    head = "".join(f"<th>{title}</th>" for title in ("position", *titles))
    token = explanation.tokens[explanation.step] or END
    yield f"<p>Step {explanation.step + 1} writes {escape(show_tokens([token])[0])}.</p>"
    yield f"<table><thead><tr>{head}</tr></thead><tbody>"
    for place, label in enumerate(show_tokens(explanation.source_tokens, hyphens=True)):
        numbers = "".join(
            f"<td>{explanation.scores[one, place]:.3f}</td>"
            f"<td>{explanation.weights[one, place]:.3f}</td>"
            for one in heads
        )
        yield f"<tr><td>{escape(clean(label))}</td>{numbers}</tr>"
    yield "</tbody></table>"
