"""Colours of the pictures: one ramp for weights in light and in dark, and inks for words.

Every colour has its counterpart for dark pages; a picture names both and lets
`prefers-color-scheme` choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

NUM_LEVELS = 24
LEAST_CONTRAST = 4.5
NUM_SIGNED = 15  # of numbers that may be negative; the middle one is 0
_EXPONENT = 0.7  # small weights stay visible; the legend of a picture shows the same ramp


@dataclass(frozen=True)
class Theme:
    """Colours of one appearance; `ramp` runs from weight 0 to weight 1."""

    paper: str
    ink: str
    muted: str
    line: str
    accent: str
    ramp: tuple[str, ...]
    series: tuple[str, ...]
    signed: tuple[str, ...]  # from -1 over 0 to 1


LIGHT = Theme(
    paper="#ffffff",
    ink="#1c2430",
    muted="#697586",
    line="#d5dbe3",
    accent="#d9480f",
    ramp=("#f3f6f8", "#cde3e9", "#83bccb", "#3b86ae", "#245390", "#1a2859"),
    series=("#1f5fa8", "#bd5419", "#2b7a4b", "#8a4fa0", "#8a6d00", "#4b5563"),
    signed=("#9a3f07", "#e58d4f", "#f3f6f8", "#5fa3c7", "#1a3f7a"),
)
DARK = Theme(
    paper="#14181e",
    ink="#e8ecf1",
    muted="#93a0b0",
    line="#323a46",
    accent="#ffa94d",
    ramp=("#1c222a", "#1f3b50", "#22657f", "#3a9aa3", "#93d0ae", "#f4f1b8"),
    series=("#74b3f2", "#f0985c", "#6fc48d", "#c79ada", "#d6b84c", "#aab4c2"),
    signed=("#ffbe8a", "#9c5a2c", "#1c222a", "#2c7390", "#9fe3ef"),
)


def level_of(weight: float) -> int:
    """Return the level (0 to `NUM_LEVELS` - 1) that shows a weight between 0 and 1."""
    share: float = min(max(weight, 0.0), 1.0) ** _EXPONENT
    return round((NUM_LEVELS - 1) * share)


@cache
def ramp(theme: Theme) -> tuple[str, ...]:
    """Return the `NUM_LEVELS` colours of a theme's ramp, weight 0 first."""
    return tuple(_blend(theme.ramp, level / (NUM_LEVELS - 1)) for level in range(NUM_LEVELS))


def signed_level(share: float) -> int:
    """Return the level (0 to `NUM_SIGNED` - 1) that shows a number between -1 and 1.

    Example:
        >>> signed_level(-1), signed_level(0), signed_level(5)
        (0, 7, 14)
    """
    size: float = min(abs(share), 1.0) ** _EXPONENT
    middle = NUM_SIGNED // 2
    return middle + round(middle * (size if share > 0 else -size))


@cache
def signed_ramp(theme: Theme) -> tuple[str, ...]:
    """Return the `NUM_SIGNED` colours of numbers from -1 to 1."""
    return tuple(_blend(theme.signed, level / (NUM_SIGNED - 1)) for level in range(NUM_SIGNED))


def ink_on(color: str) -> str:
    """Return white or near-black, whichever is easier to read on `color`; black where neither is.

    Reference: WCAG 2.2, success criterion 1.4.3, asks for a contrast of 4.5.

    Example:
        >>> ink_on("#ffffff"), ink_on("#1a2859")
        ('#16202e', '#ffffff')
    """
    best = max(("#16202e", "#ffffff"), key=lambda ink: _contrast(ink, color))
    return best if _contrast(best, color) >= LEAST_CONTRAST else "#000000"


def _contrast(one: str, other: str) -> float:
    low, high = sorted((relative_luminance(one), relative_luminance(other)))
    return (high + 0.05) / (low + 0.05)


def relative_luminance(color: str) -> float:
    """Return the relative luminance of `#rrggbb`, 0 for black to 1 for white.

    Reference: WCAG 2.2, definition of relative luminance.
    """
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in _channels(color))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _blend(stops: tuple[str, ...], position: float) -> str:
    place = position * (len(stops) - 1)
    first = min(int(place), len(stops) - 2)
    share = place - first
    pairs = zip(_channels(stops[first]), _channels(stops[first + 1]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
