"""Draw translations as one web page to explore: hover or walk with the arrow keys.

The page is a single file that asks the network for nothing; its policy forbids it to.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from foveate.insight.labels import (
    join_shown,
    show_tokens,
    weights_of,
)
from foveate.insight.svg import clean, draw_svg
from foveate.records import Translation

FEW = 10  # texts of a list in which nobody needs to search
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def draw_html(
    translations: Sequence[Translation],
    title: str,
    *,
    figures: Sequence[str] = (),
    captions: Sequence[str] = (),
    browse: bool = False,
) -> str:
    """Return a self-contained page with the attention of every translation, to explore.

    A fixed line at the foot shows source token, target token and weight of the cell under
    the pointer or chosen with the arrow keys. A translation without attention is shown as text.

    Args:
        translations: what to show, in this order.
        title: heading of the page.
        figures: SVG pictures of our own (such as `draw_length_curve` gives) to put on top;
            they are not escaped.
        captions: what each of the translations is a picture of; none where that is clear.
        browse: list several translations at the side, and show one at a time.
    """
    shown = escape(clean(title))
    captions = captions or [""] * len(translations)
    sections = [
        _draw_section(k, translation, caption)
        for k, (translation, caption) in enumerate(zip(translations, captions, strict=True))
    ]
    is_list = browse and len(translations) > 1
    charts = [f'<figure class="card">{figure}</figure>' for figure in figures]
    data = json.dumps([_data(translation) for translation in translations], ensure_ascii=True)
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">',
            f"<title>{shown}</title>\n<style>{_asset('page.css')}</style>\n</head>\n<body>",
            f"<main{' class=browse' * is_list}>\n<h1>{shown}</h1>",
            *charts,
            *(_draw_list(translations, captions) if is_list else ()),
            *sections,
            f"</main>\n{_READOUT}",
            f'<script type="application/json" id="data">{make_script_safe(data)}</script>',
            f"<script>{_asset('page.js')}</script>\n</body>\n</html>\n",
        ]
    )


def draw_card(translation: Translation) -> str:
    """Return a translation as a piece of HTML for a notebook: texts, scores, picture.

    Example:
        >>> "F OW" in draw_card(Translation(["p", "h", "o"], ["F", "OW"], "F OW", -0.5))
        True
    """
    source = escape(join_shown(translation.source_tokens)) or "(empty)"
    text = escape(clean(translation.text)) or "(empty)"
    probability = _percent(_probability(translation))
    picture = draw_svg(translation) if _has_attention(translation) else ""
    unfinished = "" if translation.is_finished else ", cut off before its end"
    return "\n".join(
        [
            '<div class="foveate-translation">',
            f'<p dir="auto">{source}</p><p dir="auto"><strong>{text}</strong></p>',
            f"<p>log-probability {translation.score:.3f}, "
            f"probability {probability}{unfinished}</p>",
            picture,
            *_draw_alternatives(translation),
            "</div>",
        ]
    )


_READOUT = """<footer id="readout" role="status" aria-live="polite">
<span class="hint">Point at a cell, or press Tab and walk with the arrow keys.</span>
<span class="cell" hidden>
<span class="end"><span class="side">target</span> <bdi class="target"></bdi></span>
<span class="arrow">looked at</span>
<span><span class="side">source</span> <bdi class="source"></bdi></span>
<span class="amount"><span class="meter"><span></span></span> <span class="weight"></span></span>
</span>
</footer>"""


def _asset(name: str) -> str:
    return (files("foveate.insight") / name).read_text(encoding="utf-8")


def _data(translation: Translation) -> dict[str, list[str] | list[list[float]]]:
    if not _has_attention(translation):
        return {"source": [], "target": [], "weights": []}
    return {
        "source": show_tokens(translation.source_tokens, hyphens=True),
        "target": show_tokens(translation.tokens, hyphens=True),
        "weights": [[round(w, 4) for w in row] for row in weights_of(translation).tolist()],
    }


def _has_attention(translation: Translation) -> bool:
    is_empty = not translation.tokens or not translation.source_tokens
    return translation.attention is not None and not is_empty


def make_script_safe(data: str) -> str:
    """Return JSON in which nothing can end the script that holds it."""
    return data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _draw_list(translations: Sequence[Translation], captions: Sequence[str]) -> Iterator[str]:
    """Yield the list of what is on the page, to choose from; it works without the script, too."""
    yield '<nav class="card" id="texts" aria-label="Texts">'
    if len(translations) > FEW:
        yield '<input type="search" placeholder="Find" aria-label="Find in the list">'
    yield '<p class="source-text"><kbd>n</kbd> next, <kbd>p</kbd> previous</p><ol>'
    for k, (translation, caption) in enumerate(zip(translations, captions, strict=True)):
        name = caption or f"{join_shown(translation.source_tokens)} → {translation.text}"
        yield f'<li><a href="#s{k}" dir="auto">{escape(clean(name))}</a></li>'
    yield "</ol></nav>"


def _draw_section(k: int, translation: Translation, caption: str) -> str:
    source = escape(join_shown(translation.source_tokens)) or "(empty)"
    text = escape(clean(translation.text)) or "(empty)"
    parts = [
        f'<section class="card" id="s{k}" aria-labelledby="h{k}">',
        *([f'<p class="caption">{escape(clean(caption))}</p>'] if caption else []),
        f'<p class="source-text" dir="auto">{source}</p>',
        f'<h2 id="h{k}" dir="auto">{text}</h2>',
        _draw_map(k, translation),
        *_draw_alternatives(translation),
        "</section>",
    ]
    return "\n".join(parts)


def _draw_map(k: int, translation: Translation) -> str:
    if not _has_attention(translation):
        return '<p class="none">No attention weights: there is nothing to look at.</p>'
    return (
        f'<div class="map" data-map="{k}" tabindex="0" role="application" '
        'aria-roledescription="heat map" aria-describedby="readout" '
        f'aria-label="Attention weights: arrow keys move from cell to cell">'
        f"{draw_svg(translation, tooltips=False)}</div>"
    )


def _draw_alternatives(translation: Translation) -> Iterator[str]:
    if not translation.alternatives:
        return
    yield '<table>\n<caption>Alternatives</caption>\n<thead><tr><th scope="col">#</th>'
    yield '<th scope="col">translation</th><th scope="col">log-probability</th>'
    yield '<th scope="col">probability</th></tr></thead>\n<tbody>'
    for rank, other in enumerate([translation, *translation.alternatives], start=1):
        probability = _probability(other)
        yield (
            f'<tr><td class="number">{rank}</td><td dir="auto">{escape(clean(other.text))}</td>'
            f'<td class="number">{other.score:.2f}</td>'
            f'<td class="number">{_percent(probability)}</td></tr>'
        )
    yield "</tbody>\n</table>"


def _probability(translation: Translation) -> float:
    return math.exp(min(translation.score, 0.0)) if math.isfinite(translation.score) else 0.0


def _percent(probability: float) -> str:
    return f"{probability:.1%}" if probability >= 0.001 else "&lt; 0.1%"
