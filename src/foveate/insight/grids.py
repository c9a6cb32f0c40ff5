"""Draw several small heat maps side by side, still or as a film, as a hand-written SVG.

Rows are target and columns source. Cells of one colour are one path, so a film of thirty moments
stays below a hundred kilobytes. A film has no script: keyframes of the style show one moment after
the other. Who asks for less motion sees the last moment; a pointer on the line of time chooses
one.

Reference: Bahdanau, Cho, Bengio 2015, figure 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from foveate.insight.labels import SLANT, show_tokens, width_in_em
from foveate.insight.palette import DARK, LIGHT, level_of, ramp
from foveate.insight.svg import FONTS, clean, weight_rules
from foveate.insight.symmetry import Link

_CELL, _FONT, _MARGIN, _GAP, _LEGEND = 22.0, 12.0, 16.0, 26.0, 34.0
_SECONDS, _HOLD, _ROUNDS = 0.45, 6, 3  # of one moment; moments that the last one stays; showings
_MARKS = (("sure", ""), ("possible", ' stroke-dasharray="3 3"'))


@dataclass(frozen=True)
class Grid:
    """One heat map: a title with a line of text below it, labels, and weights [T, S].

    Cells that a gold standard links have an outline, those that it only allows a dashed one.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[str]
    weights: NDArray[np.float64]
    note: str = ""
    sure: frozenset[Link] = frozenset()
    possible: frozenset[Link] = frozenset()


@dataclass(frozen=True)
class Moment:
    """What a film shows at a time: as many grids as at every other time, of the same sizes."""

    label: str
    grids: Sequence[Grid]


@dataclass(frozen=True)
class _Place:
    """The corner of a grid's first cell, and how much room the whole grid takes."""

    left: float
    top: float
    right: float
    bottom: float


def draw_grids(moments: Sequence[Moment], description: str) -> str:
    """Return a still picture: a row of grids for each moment, its label at the left.

    Args:
        moments: from top to bottom; an empty label takes no room.
        description: the picture in words, for those who do not see it.

    Example:
        >>> grid = Grid("softmax", ["a", "b"], ["A"], np.array([[0.9, 0.1]]))
        >>> draw_grids([Moment("update 10", [grid])], "Where it looked.")[:4]
        '<svg'
    """
    parts, top, width = [], _MARGIN, 0.0
    for moment in moments:
        if moment.label:
            parts.append(_text(_MARGIN, top + 14, moment.label, "ink", 'font-weight="600"', 14))
            top += 28
        places = _place(moment.grids, top)
        for grid, place in zip(moment.grids, places, strict=True):
            parts += [*_draw_frame(grid, place), _draw_cells(grid, place)]
            parts += [_draw_gaps(grid, place), *_draw_marks(grid, place)]
        top = max(place.bottom for place in places) + _GAP
        width = max(width, places[-1].right)
    has_marks = any(grid.sure or grid.possible for moment in moments for grid in moment.grids)
    width = max(width + _MARGIN, 470.0 if has_marks else 230.0)
    parts += _draw_legend(top, has_marks)
    return "\n".join([*_open(width, top + _LEGEND, description), *parts, "</svg>"])


def draw_film(moments: Sequence[Moment], description: str) -> str:
    """Return a picture that moves: one moment after the other, a few times, then the last one.

    Args:
        moments: in their order.
        description: the film in words.

    Example:
        >>> grids = [Grid("a", ["x"], ["y"], np.array([[one]])) for one in (0.1, 0.9)]
        >>> film = draw_film([Moment("0", grids[:1]), Moment("9", grids[1:])], "It learns.")
        >>> film.count("@keyframes"), "prefers-reduced-motion" in film, "<script" in film
        (2, True, False)
    """
    places = _place(moments[0].grids, _MARGIN)
    width = max(places[-1].right + _MARGIN, 420.0)
    bottom = max(place.bottom for place in places)
    frames: list[str] = []
    for number, moment in enumerate(moments):
        last = " last" if number == len(moments) - 1 else ""
        frames.append(f'<g class="frame f{number}{last}">')
        for grid, place in zip(moment.grids, places, strict=True):
            frames += [_draw_cells(grid, place), _draw_note(grid, place)]
        frames += _draw_now(number, len(moments), moment.label, bottom + _GAP, width)
        frames.append("</g>")
    still = [
        part
        for grid, place in zip(moments[0].grids, places, strict=True)
        for part in _draw_frame(grid, place, has_note=False)
    ]
    gaps = [_draw_gaps(*one) for one in zip(moments[0].grids, places, strict=True)]
    time = _draw_time(len(moments), bottom + _GAP, width)
    top = bottom + _GAP + 44
    opening = _open(width, top + _LEGEND, description, _film_rules(len(moments)))
    return "\n".join([*opening, *still, *time, *frames, *gaps, *_draw_legend(top, False), "</svg>"])


def _place(grids: Sequence[Grid], top: float) -> list[_Place]:
    """Put grids side by side, all with their first row at the same height."""
    places, x = [], _MARGIN
    first = top + 40 + max(_header(grid) for grid in grids)
    for grid in grids:
        left = x + _widest(grid.rows) + 10
        cells = left + _CELL * len(grid.columns)
        words = x + max(width_in_em(grid.title) * 14, width_in_em(grid.note) * _FONT) + 4
        right = max(cells + (_widest(grid.columns[-1:]) * SLANT if _slants(grid) else 0), words)
        places.append(_Place(left, first, right, first + _CELL * len(grid.rows)))
        x = right + _GAP
    return places


def _widest(labels: Sequence[str]) -> float:
    return max((width_in_em(label) for label in show_tokens(labels)), default=0.0) * _FONT


def _slants(grid: Grid) -> bool:
    return _widest(grid.columns) > _CELL - 2


def _header(grid: Grid) -> float:
    """Return how much room the labels of the columns take."""
    return _widest(grid.columns) * SLANT + _FONT if _slants(grid) else _FONT + 4


def _draw_frame(grid: Grid, place: _Place, *, has_note: bool = True) -> Iterator[str]:
    """Draw the title, the labels and the empty grid."""
    x = place.left - _widest(grid.rows) - 10
    top = place.top - _header(grid) - 40
    yield _text(x, top + 14, grid.title, "ink", 'font-weight="600"', 14)
    if has_note:
        yield _draw_note(grid, place)
    for number, label in enumerate(show_tokens(grid.columns)):
        middle = place.left + (number + 0.5) * _CELL
        style = 'text-anchor="middle"'
        if _slants(grid):
            middle += 3
            style = f'transform="rotate(-45 {_n(middle)} {_n(place.top - 6)})"'
        yield _text(middle, place.top - 6, label, "ink", style)
    for number, label in enumerate(show_tokens(grid.rows)):
        y = place.top + (number + 0.5) * _CELL + 4
        yield _text(place.left - 8, y, label, "ink", 'text-anchor="end"')
    cells = [(i, j) for j in range(len(grid.rows)) for i in range(len(grid.columns))]
    yield _draw_squares({0: cells}, place)


def _draw_note(grid: Grid, place: _Place) -> str:
    x, top = place.left - _widest(grid.rows) - 10, place.top - _header(grid) - 40
    return _text(x, top + 31, grid.note, "muted", "")


def _draw_cells(grid: Grid, place: _Place) -> str:
    """Draw the cells that are not of the lowest level."""
    levels: dict[int, list[Link]] = {}
    for j, row in enumerate(np.asarray(grid.weights).tolist()):
        for i, weight in enumerate(row):
            levels.setdefault(level_of(weight), []).append((i, j))
    return _draw_squares({level: levels[level] for level in sorted(levels) if level}, place)


def _draw_squares(levels: Mapping[int, Sequence[Link]], place: _Place) -> str:
    """Draw cells, those of a level as one path, in a system where a cell is one wide."""
    corner = f"translate({_n(place.left)} {_n(place.top)}) scale({_CELL:g})"
    paths = [
        f'<path class="w{level}" fill="{ramp(LIGHT)[level]}" d="{_join_cells(cells)}"/>'
        for level, cells in levels.items()
    ]
    return f'<g transform="{corner}">{"".join(paths)}</g>'


def _join_cells(cells: Sequence[Link]) -> str:
    """Return a path around cells, which are sorted by row; neighbours in a row are one box."""
    boxes: list[list[int]] = []  # column, row, width
    for i, j in cells:
        if boxes and boxes[-1][1] == j and sum(boxes[-1][::2]) == i:
            boxes[-1][2] += 1
        else:
            boxes.append([i, j, 1])
    return "".join(f"M{i} {j}h{width}v1h-{width}z" for i, j, width in boxes)


def _draw_gaps(grid: Grid, place: _Place) -> str:
    """Draw thin lines between the cells, in the colour of the paper."""
    height, width = _CELL * len(grid.rows), _CELL * len(grid.columns)
    lines = [
        f"M{_n(place.left + _CELL * i)} {_n(place.top)}v{_n(height)}"
        for i in range(len(grid.columns) + 1)
    ]
    lines += [
        f"M{_n(place.left)} {_n(place.top + _CELL * j)}h{_n(width)}"
        for j in range(len(grid.rows) + 1)
    ]
    style = f'fill="none" stroke="{LIGHT.paper}" stroke-width="1"'
    return f'<path class="gap" {style} d="{"".join(lines)}"/>'


def _draw_marks(grid: Grid, place: _Place) -> Iterator[str]:
    for (_, dash), links in zip(_MARKS, (grid.sure, grid.possible), strict=True):
        for i, j in sorted(links):
            yield _draw_mark(place.left + i * _CELL, place.top + j * _CELL, dash)


def _draw_mark(x: float, y: float, dash: str) -> str:
    return (
        f'<rect class="mark" x="{_n(x + 0.5)}" y="{_n(y + 0.5)}" width="{_CELL - 2:g}" '
        f'height="{_CELL - 2:g}" fill="none" stroke="{LIGHT.accent}" stroke-width="2"{dash}/>'
    )


def _draw_time(count: int, y: float, width: float) -> Iterator[str]:
    """Draw the line of time, with a zone for each moment that a pointer can choose."""
    left, right = _MARGIN + 6, width - _MARGIN - 6
    yield (
        f'<line class="line" x1="{_n(left)}" x2="{_n(right)}" y1="{_n(y)}" y2="{_n(y)}" '
        f'stroke="{LIGHT.line}" stroke-width="2"/>'
    )
    step = (right - left) / max(count - 1, 1)
    for number in range(count):
        x = left + number * step
        yield (
            f'<rect class="zone z{number}" x="{_n(x - step / 2)}" y="{_n(y - 14)}" '
            f'width="{_n(step)}" height="44" fill="transparent"/>'
        )


def _draw_now(number: int, count: int, label: str, y: float, width: float) -> Iterator[str]:
    left, right = _MARGIN + 6, width - _MARGIN - 6
    share = number / max(count - 1, 1)
    x = left + share * (right - left)
    anchor = "start" if share < 0.15 else "end" if share > 0.85 else "middle"
    style = f'text-anchor="{anchor}" pointer-events="none"'
    yield f'<circle class="now" cx="{_n(x)}" cy="{_n(y)}" r="5" fill="{LIGHT.accent}"/>'
    yield _text(x, y + 22, label, "ink", style)


def _film_rules(count: int) -> str:
    """Return the style that shows one frame at a time, and the last one for the longest."""
    total = count - 1 + _HOLD
    pace = f"{total * _SECONDS:.1f}s step-end {_ROUNDS}"
    rules = [
        ".film .frame{visibility:hidden;pointer-events:none}.film .last{visibility:visible}",
        ".film:focus .frame{animation-play-state:paused}",
        ".film .zone:hover~.frame{animation:none!important;visibility:hidden}",
    ]
    for number in range(count):
        start = 100 * number / total
        end = 100 * (number + (_HOLD if number == count - 1 else 1)) / total
        rules += [
            f"@keyframes film{number}{{0%{{visibility:hidden}}{start:.2f}%{{visibility:visible}}"
            f"{end:.2f}%{{visibility:hidden}}}}",
            f".film .f{number}{{animation:film{number} {pace}}}",
            f".film .z{number}:hover~.f{number}{{visibility:visible}}",
        ]
    rules.append("@media (prefers-reduced-motion:reduce){.film .frame{animation:none!important}}")
    return "".join(rules)


def _draw_legend(top: float, has_marks: bool) -> Iterator[str]:
    yield _text(_MARGIN, top + 10, "weight 0", "muted", "", 11)
    colors = ramp(LIGHT)
    for level, color in enumerate(colors):
        place = f'x="{_n(_MARGIN + 52 + 4 * level)}" y="{_n(top)}" width="4.2" height="12"'
        yield f'<rect class="w{level}" {place} fill="{color}"/>'
    x = _MARGIN + 56 + 4 * len(colors)
    yield _text(x, top + 10, "1", "muted", "", 11)
    if not has_marks:
        return
    for (name, dash), start in zip(_MARKS, (x + 26, x + 130), strict=True):
        yield _draw_mark(start, top - 5, dash)
        yield _text(start + 28, top + 10, f"{name} link", "muted", "", 11)


def _open(width: float, height: float, description: str, rules: str = "") -> Iterator[str]:
    size = f'width="{_n(width)}" height="{_n(height)}"'
    kind = 'class="foveate film" tabindex="0"' if rules else 'class="foveate"'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" {kind} role="img" '
        f'viewBox="0 0 {_n(width)} {_n(height)}" {size} font-family="{FONTS}" '
        f'style="max-width:100%;height:auto" aria-label="{escape(clean(description))}">'
    )
    dark = (
        f".foveate .mark{{stroke:{DARK.accent}}}.foveate .now{{fill:{DARK.accent}}}"
        f".foveate .gap{{stroke:{DARK.paper}}}"
    )
    yield f"<style>{weight_rules()}@media (prefers-color-scheme:dark){{{dark}}}{rules}</style>"
    yield f'<rect class="paper" {size} rx="10" fill="{LIGHT.paper}"/>'


def _text(x: float, y: float, text: str, kind: str, style: str, size: float = _FONT) -> str:
    color = LIGHT.muted if kind == "muted" else LIGHT.ink
    place = f'x="{_n(x)}" y="{_n(y)}" font-size="{size:g}"'
    return f'<text class="{kind}" {place} fill="{color}" {style}>{escape(clean(text))}</text>'


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
