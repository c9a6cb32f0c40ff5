"""Draw attention weights as a hand-written SVG: rows target, columns source.

The picture needs no library and no script, carries its own paper, follows a light or dark
page by itself, and says every weight in words (`<title>`) to a pointer or a screen reader.

Reference: Bahdanau, Cho, Bengio 2015, figure 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape

import numpy as np
from numpy.typing import NDArray

from foveate.insight.labels import (
    LEAST_NUMBER,
    LONGEST_LABEL,
    SLANT,
    cell_sizes,
    reading_note,
    shorten,
    show_tokens,
    show_weight,
    weights_of,
    width_in_em,
    word_spans,
)
from foveate.insight.palette import DARK, LIGHT, NUM_LEVELS, ink_on, level_of, ramp
from foveate.records import Translation

FONTS = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','Helvetica Neue',Arial,sans-serif"
_MARGIN = 20.0
_LEGEND_WIDTH = 180.0


@dataclass(frozen=True)
class _Layout:
    """Where things stand, in pixels; `left` and `top` are the corner of the grid."""

    columns: list[str]
    rows: list[str]
    cell: float
    font: float
    is_slanted: bool
    left: float
    top: float
    width: float
    height: float


def draw_svg(
    translation: Translation,
    title: str = "",
    *,
    tooltips: bool = True,
    light: bool = False,
    font: str = "",
) -> str:
    """Return a picture of the attention weights of a translation, as SVG.

    Columns are in reading order also when the source is written right to left (a note says
    so); a thin line joins the subword pieces of one word; blanks are drawn as `␣`.

    Args:
        translation: what to draw; it must have attention.
        title: a line of text above the picture.
        tooltips: name the tokens and the weight of every cell in a `<title>`.
        light: keep the light colours on a dark page, too, as print wants it.
        font: name of the font to write in, where the reader's machine has it.

    Raises:
        ModelMismatchError: the translation has no attention.
    """
    weights = weights_of(translation)
    if weights.size == 0:
        return _draw_nothing(title, light, font)
    layout = _lay_out(translation, title, bool(reading_note(translation)))
    parts = [
        *open_svg(
            (layout.width, layout.height),
            _describe(layout, weights),
            "" if light else weight_rules(),
            font,
            _grid_attribute(layout),
        ),
        *_draw_title(title),
        *_draw_column_labels(layout),
        *_draw_row_labels(layout),
        *_draw_words(layout, translation),
        *_draw_cells(layout, weights, tooltips),
        *_draw_legend(layout, reading_note(translation)),
        "</svg>",
    ]
    return "\n".join(parts)


def _lay_out(translation: Translation, title: str, has_note: bool) -> _Layout:
    columns, rows = (
        [shorten(label, LONGEST_LABEL) for label in show_tokens(tokens)]
        for tokens in (translation.source_tokens, translation.tokens)
    )
    cell, _ = cell_sizes(max(len(columns), len(rows)))
    font = min(max(cell * 0.56, 9.0), 13.0)
    widths = [width_in_em(label) * font for label in columns]
    is_slanted = max(widths) > cell - 3
    gap = 12.0
    row_space = max(max(width_in_em(label) for label in rows) * font, 44.0)
    left = _MARGIN + row_space + gap
    header = max(widths) * SLANT + font if is_slanted else font + 2
    top = _MARGIN + (34.0 if title else 0.0) + max(header, 2 * font) + gap
    right = left + cell * len(columns)
    if is_slanted:
        ends = (left + (j + 0.5) * cell + width * SLANT for j, width in enumerate(widths))
        right = max(right, *ends) + font * 0.5
    if title:
        right = max(right, _MARGIN + width_in_em(title) * 16)
    right = max(right, left + _LEGEND_WIDTH)
    if has_note:
        right = max(right, _MARGIN + 430.0)
    height = top + cell * len(rows) + 50.0 + (18.0 if has_note else 0.0)
    return _Layout(columns, rows, cell, font, is_slanted, left, top, right + _MARGIN, height)


def open_svg(
    size: tuple[float, float],
    description: str,
    style: str,
    font: str = "",
    attribute: str = "",
) -> Iterator[str]:
    """Yield the beginning of a picture: its size, its fonts, its style, and its paper."""
    width, height = size
    own = "'" + "".join(c for c in font if c.isalnum() or c in " -_.") + "'," if font else ""
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="foveate" role="img" '
        f'viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" height="{_n(height)}" '
        f'font-family="{own}{FONTS}" style="max-width:100%;height:auto"{attribute} '
        f'aria-label="{escape(description)}">'
    )
    if style:
        yield f"<style>{style}</style>"
    area = f'width="{_n(width)}" height="{_n(height)}"'
    yield f'<rect class="paper" {area} rx="10" fill="{LIGHT.paper}"/>'


def _grid_attribute(layout: _Layout) -> str:
    numbers = (layout.left, layout.top, layout.cell)
    return f' data-grid="{" ".join(_n(number) for number in numbers)}"'


@cache
def weight_rules() -> str:
    """Return the style of weights, inks and lines on a dark page."""
    rules = [
        f".foveate .paper{{fill:{DARK.paper}}}",
        f".foveate .ink{{fill:{DARK.ink}}}",
        f".foveate .muted{{fill:{DARK.muted}}}",
        f".foveate .line{{stroke:{DARK.line}}}",
        f".foveate .word{{stroke:{DARK.muted}}}",
    ]
    for level, color in enumerate(ramp(DARK)):
        rules.append(
            f".foveate .w{level}{{fill:{color}}}.foveate .n{level}{{fill:{ink_on(color)}}}"
        )
    return f"@media (prefers-color-scheme:dark){{{''.join(rules)}}}"


def _draw_title(title: str) -> Iterator[str]:
    if title:
        text = escape(clean(title))
        yield _text(_MARGIN, _MARGIN + 15, text, "ink", 'font-size="16" font-weight="600"')


def _draw_column_labels(layout: _Layout) -> Iterator[str]:
    base = layout.top - 8
    for j, label in enumerate(layout.columns):
        x = layout.left + (j + 0.5) * layout.cell
        style = f'font-size="{_n(layout.font)}"'
        if layout.is_slanted:
            x += layout.font * 0.25
            style += f' transform="rotate(-45 {_n(x)} {_n(base)})"'
        else:
            style += ' text-anchor="middle"'
        yield _text(x, base, escape(label), "ink column", style)


def _draw_row_labels(layout: _Layout) -> Iterator[str]:
    style = f'font-size="{_n(layout.font)}" text-anchor="end"'
    for i, label in enumerate(layout.rows):
        y = layout.top + (i + 0.5) * layout.cell + layout.font * 0.35
        yield _text(layout.left - 12, y, escape(label), "ink row", style)
    style = 'font-size="10" text-anchor="end"'
    yield _text(layout.left - 12, layout.top - 20, "source →", "muted", style)
    yield _text(layout.left - 12, layout.top - 7, "target ↓", "muted", style)


def _draw_words(layout: _Layout, translation: Translation) -> Iterator[str]:
    """Draw a thin line along the pieces of every word that has several."""
    inset = layout.cell * 0.2
    for first, last in word_spans(translation.source_tokens):
        start, end = (layout.left + layout.cell * k for k in (first, last + 1))
        y = layout.top - 3.5
        yield _line(start + inset, y, end - inset, y)
    for first, last in word_spans(translation.tokens):
        start, end = (layout.top + layout.cell * k for k in (first, last + 1))
        x = layout.left - 5
        yield _line(x, start + inset, x, end - inset)


def _draw_cells(layout: _Layout, weights: NDArray[np.float64], tooltips: bool) -> Iterator[str]:
    yield '<g class="cells">'
    gap = 2.0 if layout.cell >= 26 else 1.0
    side = f'width="{_n(layout.cell - gap)}" height="{_n(layout.cell - gap)}"'
    corner = f'rx="{_n(layout.cell * 0.1)}"'
    colors = ramp(LIGHT)
    for i, row in enumerate(weights.tolist()):
        y = layout.top + i * layout.cell + gap / 2
        for j, weight in enumerate(row):
            x = layout.left + j * layout.cell + gap / 2
            level = level_of(weight)
            place = f'x="{_n(x)}" y="{_n(y)}" {side} {corner}'
            fill = f'class="w{level}" fill="{colors[level]}"'
            if tooltips:
                says = escape(f"{layout.rows[i]} ← {layout.columns[j]}  {weight:.3f}")
                yield f"<rect {place} {fill}><title>{says}</title></rect>"
            else:
                yield f"<rect {place} {fill}/>"
            if layout.cell >= 26 and weight >= LEAST_NUMBER:
                yield _number(x + (layout.cell - gap) / 2, y + (layout.cell - gap) / 2, weight)
    yield "</g>"


def _number(x: float, y: float, weight: float) -> str:
    level = level_of(weight)
    fill = ink_on(ramp(LIGHT)[level])
    text = show_weight(weight)
    return (
        f'<text class="n{level}" x="{_n(x)}" y="{_n(y + 3.5)}" fill="{fill}" font-size="10" '
        f'text-anchor="middle" pointer-events="none" aria-hidden="true">{text}</text>'
    )


def _draw_legend(layout: _Layout, note: str) -> Iterator[str]:
    x = layout.left
    y = layout.top + layout.cell * len(layout.rows) + 20
    yield _text(x, y + 9, "0", "muted", 'font-size="10"')
    step, crisp = 4.0, 'shape-rendering="crispEdges"'
    for k in range(NUM_LEVELS):
        level = level_of(k / (NUM_LEVELS - 1))
        place = f'x="{_n(x + 11 + k * step)}" y="{_n(y)}" width="{_n(step)}" height="10"'
        yield f'<rect {place} {crisp} class="w{level}" fill="{ramp(LIGHT)[level]}"/>'
    end = x + 16 + NUM_LEVELS * step
    yield _text(end, y + 9, "1  weight", "muted", 'font-size="10"')
    if note:
        yield _text(_MARGIN, y + 30, note, "muted", 'font-size="10"')


def _draw_nothing(title: str, light: bool, font: str) -> str:
    message = "Nothing to show: the source or the translation is empty."
    width = max(400.0, 2 * _MARGIN + width_in_em(title) * 16)
    style = "" if light else weight_rules()
    body = [*open_svg((width, 96.0), message, style, font), *_draw_title(title)]
    return "\n".join([*body, _text(_MARGIN, 66, message, "muted", 'font-size="13"'), "</svg>"])


def _describe(layout: _Layout, weights: NDArray[np.float64]) -> str:
    best: Sequence[int] = weights.argmax(axis=1).tolist()
    looked = "; ".join(
        f"{label} looked most at {layout.columns[j]} ({weights[i, j]:.2f})"
        for i, (label, j) in enumerate(zip(layout.rows, best, strict=True))
    )
    return f"Attention weights, rows target, columns source. {looked}."


def clean(text: str) -> str:
    """Return text without characters that XML forbids."""
    return "".join(
        c if c.isprintable() or c in " \u200c\u200d" else " "
        for c in text
        if not "\ud800" <= c <= "\udfff"
    )


def _text(x: float, y: float, escaped: str, kind: str, style: str) -> str:
    color = LIGHT.muted if kind == "muted" else LIGHT.ink
    return f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}" fill="{color}" {style}>{escaped}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line class="word" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" '
        f'stroke="{LIGHT.muted}" stroke-width="1.2" stroke-linecap="round"/>'
    )


def _n(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
