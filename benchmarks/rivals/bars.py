"""Draw a bar for each contender as an SVG, in the colours of Foveate's other pictures."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from foveate.insight.labels import width_in_em
from foveate.insight.palette import DARK, LIGHT
from foveate.insight.svg import FONTS, clean

_BAR, _GAP, _TOP, _PLOT = 20.0, 8.0, 62.0, 420.0


def draw_bars(
    values: Mapping[str, float], label: str, title: str, base: str, digits: int = 0
) -> str:
    """Return a bar chart, longest bar first.

    Args:
        values: name of a contender to its figure.
        label: what the figure is.
        title: what the chart shows.
        base: how the names begin that stand out: ours are `foveate-...`.
        digits: decimals of the figures.
    """
    ours = base.partition("-")[0]
    ordered = sorted(values.items(), key=lambda item: -item[1])
    left = 28 + 12 * max(width_in_em(name) for name in values)
    width = left + _PLOT + 90
    height = _TOP + len(ordered) * (_BAR + _GAP) + 16
    spoken = "; ".join(f"{name} {value:,.{digits}f}" for name, value in ordered)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="foveate-bars" role="img" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        f'font-family="{FONTS}" style="max-width:100%;height:auto" '
        f'aria-label="{escape(clean(f"{title}, {label}: {spoken}"))}">',
        f"<style>{_dark_rules()}</style>",
        f'<rect class="paper" width="{width:.0f}" height="{height:.0f}" rx="10" '
        f'fill="{LIGHT.paper}"/>',
        _text(20, 30, title, "ink", 'font-size="16" font-weight="600"'),
        _text(20, 50, label, "muted", 'font-size="11"'),
    ]
    for row, (name, value) in enumerate(ordered):
        y = _TOP + row * (_BAR + _GAP)
        kind = "ours" if name.startswith(ours) else "theirs"
        color = LIGHT.accent if kind == "ours" else LIGHT.series[0]
        length = _PLOT * value / max(ordered[0][1], 1e-9)
        style = 'font-size="12" text-anchor="end"'
        parts += [
            _text(left - 8, y + 14.5, name, "ink", style),
            f'<rect class="{kind}" x="{left:.1f}" y="{y:.1f}" width="{length:.1f}" '
            f'height="{_BAR:g}" rx="3" fill="{color}"/>',
            _text(left + length + 6, y + 14.5, f"{value:,.{digits}f}", "muted", 'font-size="12"'),
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _dark_rules() -> str:
    colors = {"paper": DARK.paper, "ink": DARK.ink, "muted": DARK.muted}
    colors |= {"ours": DARK.accent, "theirs": DARK.series[0]}
    rules = "".join(f".foveate-bars .{kind}{{fill:{color}}}" for kind, color in colors.items())
    return f"@media (prefers-color-scheme:dark){{{rules}}}"


def _text(x: float, y: float, text: str, kind: str, style: str) -> str:
    color = {"ink": LIGHT.ink, "muted": LIGHT.muted}[kind]
    place = f'x="{x:.1f}" y="{y:.1f}"'
    return f'<text class="{kind}" {place} fill="{color}" {style}>{escape(clean(text))}</text>'
