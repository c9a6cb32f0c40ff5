"""Draw by how much one model is better than another: a dot and its interval for each metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from foveate.insight.labels import width_in_em
from foveate.insight.palette import DARK, LIGHT
from foveate.insight.svg import FONTS, clean

_ROW, _TOP, _PLOT = 34.0, 62.0, 420.0
_GREY = 5  # the series of what chance may explain


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better the second model is by one metric, in points; below 0 it is worse."""

    metric: str
    value: float
    low: float
    high: float
    is_significant: bool


def draw_gains(gains: Sequence[Gain], one: str, other: str) -> str:
    """Return the picture as SVG: right of the line the second model is better.

    Args:
        gains: one for each metric.
        one: name of the first model.
        other: name of the second.

    Example:
        >>> draw_gains([Gain("BLEU", 1.5, 0.4, 2.6, True)], "a", "b").startswith("<svg")
        True
    """
    left = 32 + max(width_in_em(gain.metric) for gain in gains) * 13
    most = max(abs(end) for gain in gains for end in (gain.low, gain.high)) or 1.0
    width, height = left + _PLOT + 92, _TOP + _ROW * len(gains) + 18
    middle = left + _PLOT / 2
    scale = _PLOT / 2 / most
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    says = escape(clean(_describe(gains, one, other)))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="foveate-gains" role="img" {size} '
        f'font-family="{FONTS}" style="max-width:100%;height:auto" aria-label="{says}">',
        f"<style>{_dark_rules()}</style>",
        f'<rect class="paper" width="100%" height="100%" rx="10" fill="{LIGHT.paper}"/>',
        _text(middle - 12, 30, f"← {one} is better", "muted", "end"),
        _text(middle + 12, 30, f"{other} is better →", "muted", "start"),
        f'<line class="axis" x1="{middle:.1f}" x2="{middle:.1f}" y1="{_TOP - 18:.1f}" '
        f'y2="{height - 12:.1f}" stroke="{LIGHT.muted}" stroke-dasharray="3 3"/>',
    ]
    for row, gain in enumerate(gains):
        parts += _draw_row(gain, _TOP + _ROW * row + 6, left, middle, scale)
    return "\n".join([*parts, "</svg>"])


def _draw_row(gain: Gain, y: float, left: float, middle: float, scale: float) -> Iterator[str]:
    kind = (0 if gain.value > 0 else 1) if gain.is_significant else _GREY
    color = LIGHT.series[kind]
    low, at, high = (middle + end * scale for end in (gain.low, gain.value, gain.high))
    yield _text(left - 14, y + 4.5, gain.metric, "ink", "end")
    yield (
        f'<line class="g{kind}" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}" '
        f'stroke="{color}" stroke-width="3" stroke-linecap="round"/>'
    )
    yield f'<circle class="f{kind}" cx="{at:.1f}" cy="{y:.1f}" r="6" fill="{color}"/>'
    yield _text(left + _PLOT + 14, y + 4.5, f"{gain.value:+.1f}", "ink", "start")


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> str:
    color = LIGHT.ink if kind == "ink" else LIGHT.muted
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" font-size="13" text-anchor="{anchor}" '
        f'fill="{color}">{escape(clean(text))}</text>'
    )


def _describe(gains: Sequence[Gain], one: str, other: str) -> str:
    rows = (f"{g.metric} {g.value:+.1f} ({g.low:+.1f} to {g.high:+.1f})" for g in gains)
    return f"How much better {other} is than {one}, in points: " + "; ".join(rows)


def _dark_rules() -> str:
    rules = [
        f".foveate-gains .paper{{fill:{DARK.paper}}}.foveate-gains .ink{{fill:{DARK.ink}}}"
        f".foveate-gains .muted{{fill:{DARK.muted}}}.foveate-gains .axis{{stroke:{DARK.muted}}}"
    ]
    for kind in (0, 1, _GREY):
        color = DARK.series[kind]
        rules.append(
            f".foveate-gains .g{kind}{{stroke:{color}}}.foveate-gains .f{kind}{{fill:{color}}}"
        )
    return f"@media (prefers-color-scheme:dark){{{''.join(rules)}}}"
