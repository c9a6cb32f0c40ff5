"""Draw a metric by source length, one line a model, as a hand-written SVG.

Lines carry their names at their ends, so nobody has to look colours up in a legend. Points of
earlier lines are larger, so that lines that lie on each other are still seen as rings.

Reference: Bahdanau, Cho, Bengio 2015, figure 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from foveate.insight.labels import width_in_em
from foveate.insight.palette import DARK, LIGHT
from foveate.insight.svg import FONTS, clean

_HEIGHT, _PLOT_WIDTH, _BOTTOM = 340.0, 460.0, 52.0
_NAME_DISTANCE = 17.0
_COLORS = len(LIGHT.series)


@dataclass(frozen=True)
class _Frame:
    """Where things stand, in pixels, and what the vertical axis covers."""

    labels: list[str]
    ticks: list[float]
    left: float
    top: float
    width: float

    def x(self, label: str) -> float:
        step = _PLOT_WIDTH / max(len(self.labels), 1)
        return self.left + (self.labels.index(label) + 0.5) * step

    def y(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        bottom = _HEIGHT - _BOTTOM
        return bottom - (value - low) / (high - low) * (bottom - self.top)


def draw_length_curve(
    series: Mapping[str, Sequence[tuple[str, float]]],
    ylabel: str,
    title: str,
    *,
    xlabel: str = "source length",
    limit: tuple[str, str] | None = None,
    intervals: Mapping[str, tuple[float, float]] | None = None,
) -> str:
    """Return a line chart of a metric by bin of source length, as SVG.

    Args:
        series: name of a model -> its (label of the bin, value); bins stand in the order in
            which they first appear, and a value that is not finite leaves a gap.
        ylabel: name of the metric, above the vertical axis.
        title: what the chart shows.
        xlabel: name of the horizontal axis.
        limit: a bin, and what begins behind it, such as lengths that training did not have.
        intervals: label -> (low, high), drawn as bars behind the first line.

    Example:
        >>> svg = draw_length_curve({"attention": [("1-5", 0.9), ("6-10", 0.8)]}, "exact", "Test")
        >>> svg.startswith("<svg")
        True
    """
    intervals = intervals or {}
    frame = _frame(series, title, [end for ends in intervals.values() for end in ends])
    body = [
        *_draw_axes(frame, ylabel, xlabel, title),
        *(_draw_limit(frame, ylabel, *limit) if limit else ()),
        *(_draw_interval(frame, label, *ends) for label, ends in intervals.items()),
        *(
            part
            for k, name in enumerate(series)
            for part in _draw_line(frame, k, name, series[name], _radius(k, len(series)))
        ),
        *_draw_names(frame, series),
    ]
    size = f'viewBox="0 0 {frame.width:g} {_HEIGHT:g}" width="{frame.width:g}" height="{_HEIGHT:g}"'
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="foveate-curve" role="img" {size} '
        f'font-family="{FONTS}" style="max-width:100%;height:auto" '
        f'aria-label="{escape(clean(_describe(series, ylabel, title, xlabel)))}">'
    )
    paper = f'<rect class="paper" {size.split(" ", 4)[-1]} rx="10" fill="{LIGHT.paper}"/>'
    return "\n".join([opening, f"<style>{dark_rules()}</style>", paper, *body, "</svg>"])


def _frame(
    series: Mapping[str, Sequence[tuple[str, float]]], title: str, ends: Sequence[float]
) -> _Frame:
    labels = list(dict.fromkeys(label for points in series.values() for label, _ in points))
    values = [v for points in series.values() for _, v in points if math.isfinite(v)]
    values += ends
    ticks = _ticks(min([0.0, *values]), max([0.0, *values]))
    left = 30.0 + max(width_in_em(format_tick(tick, ticks)) for tick in ticks) * 11
    names = max((width_in_em(name) for name in series), default=0.0) * 13
    width = max(left + _PLOT_WIDTH + names + 24, 40 + width_in_em(title) * 16)
    return _Frame(labels, ticks, left, 78.0 if title else 50.0, round(width, 1))


def _ticks(low: float, high: float) -> list[float]:
    """Return three to seven round numbers that cover the range."""
    if high - low < 1e-9:
        high = low + 1.0
    size = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if high - low <= 5 * size * factor)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def format_tick(tick: float, ticks: Sequence[float]) -> str:
    """Return a tick of an axis with as many decimals as all of them need.

    Example:
        >>> format_tick(1.25, [0.0, 1.25, 2.5]), format_tick(50, [0, 25, 50])
        ('1.25', '50')
    """
    step = ticks[1] - ticks[0]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    while round(step, decimals) != round(step, 12):
        decimals += 1
    return f"{tick:.{decimals}f}"


def _draw_axes(frame: _Frame, ylabel: str, xlabel: str, title: str) -> Iterator[str]:
    if title:
        yield write_text(20, 34, title, "ink", 'font-size="16" font-weight="600"')
    yield write_text(20, frame.top - 16, ylabel, "muted", 'font-size="11"')
    right = frame.x(frame.labels[-1]) + 4 if frame.labels else frame.left + _PLOT_WIDTH
    for tick in frame.ticks:
        y = frame.y(tick)
        yield (
            f'<line class="line" x1="{frame.left:g}" y1="{y:.1f}" x2="{right:g}" y2="{y:.1f}" '
            f'stroke="{LIGHT.line}" stroke-width="{1.4 if tick == 0 else 0.8}"/>'
        )
        shown = format_tick(tick, frame.ticks)
        yield write_text(frame.left - 8, y + 4, shown, "muted", 'font-size="11" text-anchor="end"')
    style = 'font-size="11" text-anchor="middle"'
    for label in frame.labels:
        yield write_text(frame.x(label), _HEIGHT - _BOTTOM + 18, label, "muted", style)
    yield write_text(frame.left + _PLOT_WIDTH / 2, _HEIGHT - 14, xlabel, "muted", style)


def _draw_limit(frame: _Frame, ylabel: str, label: str, says: str) -> Iterator[str]:
    """Draw an upright line behind a bin, and write above the plot what begins there."""
    x = frame.x(label) + _PLOT_WIDTH / len(frame.labels) / 2
    yield (
        f'<line class="limit" x1="{x:.1f}" y1="{frame.top - 24:g}" x2="{x:.1f}" '
        f'y2="{_HEIGHT - _BOTTOM:g}" stroke="{LIGHT.muted}" stroke-dasharray="3 4"/>'
    )
    behind = 34 + width_in_em(ylabel) * 11  # the name of the metric stands in the same row
    yield write_text(max(x + 6, behind), frame.top - 16, says, "muted", 'font-size="11"')


def _radius(k: int, count: int) -> float:
    """Return the radius of the points of line k: the first line has the largest."""
    return 3.2 + min(1.3, 4.0 / count) * (count - 1 - k)


def _draw_line(
    frame: _Frame, k: int, name: str, points: Sequence[tuple[str, float]], radius: float
) -> Iterator[str]:
    color, kind = LIGHT.series[k % _COLORS], k % _COLORS
    dash = "" if k < _COLORS else ' stroke-dasharray="5 4"'
    path, pen = "", "M"
    for label, value in points:
        if math.isfinite(value):
            path += f"{pen}{frame.x(label):.1f} {frame.y(value):.1f}"
        pen = "L" if math.isfinite(value) else "M"
    if path:
        yield (
            f'<path class="s{kind}" d="{path}" fill="none" stroke="{color}" stroke-width="2.2" '
            f'stroke-linejoin="round" stroke-linecap="round"{dash}/>'
        )
    for label, value in points:
        if math.isfinite(value):
            says = escape(clean(f"{name}, {label}: {value:.4g}"))
            yield (
                f'<circle class="d{kind}" cx="{frame.x(label):.1f}" cy="{frame.y(value):.1f}" '
                f'r="{radius:.1f}" fill="{color}" stroke="{LIGHT.paper}" stroke-width="0.8">'
                f"<title>{says}</title></circle>"
            )


def _draw_interval(frame: _Frame, label: str, low: float, high: float) -> str:
    x = frame.x(label)
    return (
        f'<line class="s0" x1="{x:.1f}" x2="{x:.1f}" y1="{frame.y(low):.1f}" '
        f'y2="{frame.y(high):.1f}" stroke="{LIGHT.series[0]}" stroke-width="9" '
        f'stroke-opacity="0.22" stroke-linecap="round"/>'
    )


def _draw_names(frame: _Frame, series: Mapping[str, Sequence[tuple[str, float]]]) -> Iterator[str]:
    """Write every name at the right, as high as the end of its line, apart from each other."""
    ends = []
    for k, (name, points) in enumerate(series.items()):
        finite = [(label, value) for label, value in points if math.isfinite(value)]
        if finite:
            ends.append((frame.y(finite[-1][1]), k % _COLORS, name))
    ends.sort()
    places = _keep_above(_HEIGHT - _BOTTOM, spread([end[0] for end in ends]))
    for (_, kind, name), y in zip(ends, places, strict=True):
        x, style = frame.x(frame.labels[-1]) + 11, 'font-size="13" font-weight="600"'
        yield write_text(x, y + 4.5, name, f"d{kind}", style, LIGHT.series[kind])


def spread(places: Sequence[float]) -> list[float]:
    """Move sorted places apart by at least one line, each as little as a single pass can."""
    groups: list[tuple[float, int]] = []  # centre and number of names
    for place in places:
        centre, count = place, 1
        while groups and centre - groups[-1][0] < _NAME_DISTANCE * (count + groups[-1][1]) / 2:
            before, number = groups.pop()
            centre = (before * number + centre * count) / (number + count)
            count += number
        groups.append((centre, count))
    return [
        centre + (k - (count - 1) / 2) * _NAME_DISTANCE
        for centre, count in groups
        for k in range(count)
    ]


def _keep_above(bottom: float, places: Sequence[float]) -> list[float]:
    """Move sorted places up where they would stand among the labels of the axis."""
    kept: list[float] = []
    for place in reversed(places):
        kept.insert(0, min(place, kept[0] - _NAME_DISTANCE if kept else bottom))
    return kept


def _describe(
    series: Mapping[str, Sequence[tuple[str, float]]], ylabel: str, title: str, xlabel: str
) -> str:
    lines = (
        f"{name}: " + ", ".join(f"{label} {value:.3g}" for label, value in points)
        for name, points in series.items()
    )
    return f"{title}. {ylabel} by {xlabel}. " + "; ".join(lines)


def dark_rules() -> str:
    """Return the style of a chart on a dark page."""
    rules = [
        f".foveate-curve .paper{{fill:{DARK.paper}}}.foveate-curve .ink{{fill:{DARK.ink}}}",
        f".foveate-curve .muted{{fill:{DARK.muted}}}.foveate-curve .line{{stroke:{DARK.line}}}",
        f".foveate-curve .limit{{stroke:{DARK.muted}}}.foveate-curve circle{{stroke:{DARK.paper}}}",
    ]
    for k, color in enumerate(DARK.series):
        rules.append(f".foveate-curve .s{k}{{stroke:{color}}}.foveate-curve .d{k}{{fill:{color}}}")
    return f"@media (prefers-color-scheme:dark){{{''.join(rules)}}}"


def write_text(x: float, y: float, text: str, kind: str, style: str, color: str = "") -> str:
    """Return a text as a part of a chart."""
    fill = color or {"ink": LIGHT.ink, "muted": LIGHT.muted}[kind]
    place = f'x="{x:.1f}" y="{y:.1f}"'
    return f'<text class="{kind}" {place} fill="{fill}" {style}>{escape(clean(text))}</text>'
