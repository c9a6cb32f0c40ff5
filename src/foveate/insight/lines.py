"""Draw numbers over numbers as lines, as a hand-written SVG: what a training run measures.

Lines carry their names at their ends, as in `curves.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle

from foveate.insight.curves import dark_rules, format_tick, spread, write_text
from foveate.insight.labels import width_in_em
from foveate.insight.palette import LIGHT
from foveate.insight.svg import FONTS, clean

Points = Sequence[tuple[float, float]]
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 560.0, 260.0, 52.0, 40.0, 40.0
_MOST_DOTS = 40


@dataclass(frozen=True)
class _Plot:
    """What the axes cover, and where the plot ends, in pixels."""

    right: float
    last: float
    low: float
    high: float

    def x(self, value: float) -> float:
        return _LEFT + value / self.last * (self.right - _LEFT)

    def y(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)


def draw_lines(
    series: Mapping[str, Points],
    ylabel: str,
    xlabel: str,
    *,
    last: float,
    bounds: tuple[float, float] | None = None,
    colors: Sequence[int] = range(len(LIGHT.series)),
) -> str:
    """Return a chart of lines, as SVG.

    Args:
        series: name of a line -> its points, from left to right; a value that is not finite is
            left out.
        ylabel: name of the vertical axis.
        xlabel: name of the horizontal axis.
        last: where the horizontal axis ends; it begins at 0.
        bounds: of the vertical axis; values beyond are drawn at its end. None takes the values'.
        colors: which of the palette each line has.

    Example:
        >>> draw_lines({"loss": [(0, 3.2), (10, 1.1)]}, "loss", "update", last=10)[:4]
        '<svg'
    """
    kept = {
        name: [(x, y) for x, y in points if math.isfinite(y)] for name, points in series.items()
    }
    names = max((width_in_em(name) for name in kept), default=0.0) * 13
    low, high = bounds or _bound([y for points in kept.values() for _, y in points])
    plot = _Plot(_WIDTH - names - 20, max(last, 1.0), low, high)
    kinds = dict(zip(kept, cycle(colors), strict=False))
    size = f'viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" width="{_WIDTH:g}" height="{_HEIGHT:g}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="foveate-curve" role="img" {size} '
            f'font-family="{FONTS}" style="max-width:100%;height:auto" '
            f'data-x="{_LEFT:g} {plot.right:g} {plot.last:g}" '
            f'aria-label="{escape(clean(_describe(kept, ylabel, xlabel)))}">',
            f"<style>{dark_rules()}</style>",
            f'<rect class="paper" width="{_WIDTH:g}" height="{_HEIGHT:g}" fill="{LIGHT.paper}"/>',
            *_draw_axes(plot, ylabel, xlabel),
            f'<line class="line now" x1="0" x2="0" y1="{_TOP:g}" y2="{_HEIGHT - _BOTTOM:g}" '
            f'stroke="{LIGHT.muted}" stroke-dasharray="3 3" visibility="hidden"/>',
            *(part for name in kept for part in _draw_line(plot, kinds[name], kept[name])),
            *_draw_names(plot, kept, kinds),
            "</svg>",
        ]
    )


def _bound(values: Sequence[float]) -> tuple[float, float]:
    """Return round numbers around values, 0 among them."""
    low, high = min([0.0, *values]), max([0.0, *values])
    if high - low < 1e-9:
        return low, low + 1.0
    size = 10.0 ** math.floor(math.log10(high - low))
    step = next(size * part for part in (0.25, 0.5, 1, 2.5) if (high - low) <= 4 * size * part)
    return math.floor(low / step) * step, math.ceil(high / step - 1e-9) * step


def _draw_axes(plot: _Plot, ylabel: str, xlabel: str) -> Iterator[str]:
    yield write_text(14, 20, ylabel, "muted", 'font-size="12"')
    values = [plot.low + k / 4 * (plot.high - plot.low) for k in range(5)]
    for value in values:
        y = plot.y(value)
        yield (
            f'<line class="line" x1="{_LEFT:g}" y1="{y:.1f}" x2="{plot.right:.1f}" y2="{y:.1f}" '
            f'stroke="{LIGHT.line}" stroke-width="0.8"/>'
        )
        style = 'font-size="11" text-anchor="end"'
        yield write_text(_LEFT - 8, y + 4, format_tick(value, values), "muted", style)
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        style = f'font-size="11" text-anchor="{anchor}"'
        value = plot.last * share
        yield write_text(plot.x(value), _HEIGHT - 24, f"{value:,.0f}", "muted", style)
    style = 'font-size="11" text-anchor="middle"'
    yield write_text((_LEFT + plot.right) / 2, _HEIGHT - 8, xlabel, "muted", style)


def _draw_line(plot: _Plot, kind: int, points: Points) -> Iterator[str]:
    color = LIGHT.series[kind]
    path = "L".join(f"{plot.x(x):.1f} {plot.y(y):.1f}" for x, y in points)
    if len(points) > 1:
        yield (
            f'<path class="s{kind}" d="M{path}" fill="none" stroke="{color}" stroke-width="2" '
            'stroke-linejoin="round"/>'
        )
    for x, y in points if len(points) <= _MOST_DOTS else points[-1:]:
        place = f'cx="{plot.x(x):.1f}" cy="{plot.y(y):.1f}" r="3"'
        yield f'<circle class="d{kind}" {place} fill="{color}"/>'


def _draw_names(
    plot: _Plot, series: Mapping[str, Points], kinds: Mapping[str, int]
) -> Iterator[str]:
    ends = sorted(
        (plot.y(points[-1][1]), plot.x(points[-1][0]), kinds[name], name)
        for name, points in series.items()
        if points
    )
    for (_, x, kind, name), y in zip(ends, spread([end[0] for end in ends]), strict=True):
        style = 'font-size="12" font-weight="600"'
        yield write_text(x + 9, y + 4, name, f"d{kind}", style, LIGHT.series[kind])


def _describe(series: Mapping[str, Points], ylabel: str, xlabel: str) -> str:
    lines = (
        f"{name}: from {points[0][1]:.4g} to {points[-1][1]:.4g}"
        for name, points in series.items()
        if points
    )
    return f"{ylabel} by {xlabel}. {'; '.join(lines) or 'nothing was measured yet'}."
