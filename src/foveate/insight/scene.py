"""A picture as a list of boxes and words, drawn as SVG here and by matplotlib in `figure.py`.

Every shape has a role, and a role has a colour on light and on dark pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from foveate.insight.palette import DARK, LIGHT, Theme, ink_on, ramp, signed_ramp
from foveate.insight.svg import clean, open_svg

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels from the upper left corner; `says` is what a pointer is told."""

    x: float
    y: float
    width: float
    height: float
    role: str
    says: str = ""


@dataclass(frozen=True)
class Words:
    """A line of text; `y` is its base line, `turn` degrees against the clock."""

    x: float
    y: float
    text: str
    role: str = "ink"
    size: float = 12.0
    anchor: Anchor = "start"
    is_bold: bool = False
    turn: float = 0.0


@dataclass
class Scene:
    """A picture: its size in pixels, what it shows in words, and its shapes."""

    width: float
    height: float
    description: str = ""
    shapes: list[Box | Words] = field(default_factory=list)


def color_of(role: str, theme: Theme) -> str:
    """Return the colour of a role: `w3` and `v3` are levels of weights and of signed numbers.

    Example:
        >>> color_of("ink", LIGHT), color_of("w0", LIGHT) == LIGHT.ramp[0]
        ('#1c2430', True)
    """
    plain = {
        "ink": theme.ink,
        "muted": theme.muted,
        "rule": theme.line,
        "bar": theme.series[0],
        "minus": theme.series[1],
    }
    if role in plain:
        return plain[role]
    kind, level = role[0], int(role[1:])
    if kind == "v":
        return signed_ramp(theme)[level]
    return ramp(theme)[level] if kind == "w" else ink_on(ramp(theme)[level])


def draw_scene(scene: Scene, *, light: bool = False, font: str = "") -> str:
    """Return a picture as SVG; it follows a dark page unless it is to stay light.

    Example:
        >>> scene = Scene(40, 20, "two", [Box(0, 0, 5, 5, "w3"), Words(9, 9, "<2>")])
        >>> "&lt;2&gt;" in draw_scene(scene), "prefers" in draw_scene(scene, light=True)
        (True, False)
    """
    style = "" if light else _dark_rules(scene)
    opening = open_svg((scene.width, scene.height), clean(scene.description), style, font)
    return "\n".join([*opening, *map(_draw_shape, scene.shapes), "</svg>"])


def _dark_rules(scene: Scene) -> str:
    roles = dict.fromkeys(shape.role for shape in scene.shapes)
    rules = "".join(f".foveate .{role}{{fill:{color_of(role, DARK)}}}" for role in roles)
    paper = f".foveate .paper{{fill:{DARK.paper}}}"
    return f"@media (prefers-color-scheme:dark){{{paper}{rules}}}"


def _draw_shape(shape: Box | Words) -> str:
    fill = f'class="{shape.role}" fill="{color_of(shape.role, LIGHT)}"'
    if isinstance(shape, Words):
        return "".join(_draw_words(shape, fill))
    place = f'x="{shape.x:.2f}" y="{shape.y:.2f}"'
    size = f'width="{max(shape.width, 0):.2f}" height="{max(shape.height, 0):.2f}"'
    if not shape.says:
        return f"<rect {place} {size} {fill}/>"
    return f"<rect {place} {size} {fill}><title>{escape(clean(shape.says))}</title></rect>"


def _draw_words(words: Words, fill: str) -> Iterator[str]:
    yield f'<text x="{words.x:.2f}" y="{words.y:.2f}" {fill} font-size="{words.size:g}"'
    if words.anchor != "start":
        yield f' text-anchor="{words.anchor}"'
    if words.is_bold:
        yield ' font-weight="600"'
    if words.turn:
        yield f' transform="rotate({-words.turn:g} {words.x:.2f} {words.y:.2f})"'
    yield f">{escape(clean(words.text))}</text>"
