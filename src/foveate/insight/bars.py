"""Draw numbers as horizontal bars in groups, as a hand-written SVG: each bar says its number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import cycle

from foveate.insight.curves import dark_rules, write_text
from foveate.insight.labels import width_in_em
from foveate.insight.palette import LIGHT
from foveate.insight.svg import FONTS, clean

_ROW, _GROUP, _TOP, _PLOT = 22.0, 34.0, 58.0, 380.0


def draw_bars(
    groups: Mapping[str, Mapping[str, float]],
    title: str,
    unit: str,
    colors: Sequence[int] = range(len(LIGHT.series)),
) -> str:
    """Return the bars as SVG.

    Args:
        groups: name of a group -> its bars by their names, from top to bottom; a name may be empty.
        title: what the picture shows.
        unit: of the numbers, which are 0 or greater.
        colors: which of the palette each group has.

    Example:
        >>> draw_bars({"attention": {"forward": 31.5, "joined": 24.0}}, "Errors", "per cent")[:4]
        '<svg'
    """
    left = 28 + max(width_in_em(name) for bars in groups.values() for name in bars) * 13
    width = max(left + _PLOT + 70, width_in_em(title) * 16 + 40)
    height = _TOP + sum(_GROUP + _ROW * len(bars) for bars in groups.values()) + 8
    most = max(value for bars in groups.values() for value in bars.values()) or 1.0
    said = escape(clean(_say(groups, title, unit)))
    size = f'width="{width:.0f}" height="{height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="foveate-curve" role="img" {size} '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONTS}" '
        f'style="max-width:100%;height:auto" aria-label="{said}">',
        f"<style>{dark_rules()}</style>",
        f'<rect class="paper" {size} rx="10" fill="{LIGHT.paper}"/>',
        write_text(20, 32, title, "ink", 'font-size="16" font-weight="600"'),
        write_text(20, 50, unit, "muted", 'font-size="11"'),
    ]
    y = _TOP
    for (name, bars), kind in zip(groups.items(), cycle(colors), strict=False):
        parts += _draw_group(name, bars, y, left, kind, _PLOT / most)
        y += _GROUP + _ROW * len(bars)
    return "\n".join([*parts, "</svg>"])


def _draw_group(
    name: str, bars: Mapping[str, float], top: float, left: float, kind: int, scale: float
) -> Iterator[str]:
    color = LIGHT.series[kind]
    yield write_text(20, top + 24, name, f"d{kind}", 'font-size="13" font-weight="600"', color)
    for row, (label, value) in enumerate(bars.items()):
        y = top + _GROUP + row * _ROW
        yield write_text(left - 8, y + 13, label, "ink", 'font-size="12" text-anchor="end"')
        place = f'x="{left:.1f}" y="{y:.1f}" width="{value * scale:.1f}" height="{_ROW - 5:g}"'
        yield f'<rect class="d{kind}" {place} rx="2" fill="{color}"/>'
        x = left + value * scale + 7
        yield write_text(x, y + 13, f"{value:.1f}", "ink", 'font-size="12"')


def _say(groups: Mapping[str, Mapping[str, float]], title: str, unit: str) -> str:
    said = (
        f"{name}: " + ", ".join(f"{label} {value:.1f}" for label, value in bars.items())
        for name, bars in groups.items()
    )
    return f"{title}, {unit}. {'; '.join(said)}."
