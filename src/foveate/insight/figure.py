"""Draw attention weights with matplotlib: rows target, columns source.

matplotlib enters Foveate here and nowhere else, inside functions, and without pyplot and its
global state. A user's style sheet changes nothing: every colour and size is said.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foveate.errors import ConfigError, MissingExtraError, did_you_mean
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
)
from foveate.insight.palette import LIGHT, NUM_LEVELS, ink_on, level_of, ramp
from foveate.insight.scene import Box, Scene, Words, color_of
from foveate.records import Translation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontEntry

PIXELS = 96.0  # to the inch
_BASE_FONT = "DejaVu Sans"  # comes with matplotlib


@dataclass(frozen=True)
class _Plan:
    """Labels, and sizes in points (72 to the inch)."""

    columns: list[str]
    rows: list[str]
    title: str
    note: str
    cell: float
    font: float

    @property
    def widths(self) -> list[float]:
        return [width_in_em(label) * self.font for label in self.columns]

    @property
    def is_slanted(self) -> bool:
        return max(self.widths, default=0.0) > self.cell - 3

    @property
    def left(self) -> float:
        return 22 + max([34.0, *(width_in_em(label) * self.font for label in self.rows)])

    @property
    def above(self) -> float:
        header = max(self.widths) * SLANT + self.font if self.is_slanted else self.font * 2
        return 16 + header + (24 if self.title else 0)

    @property
    def below(self) -> float:
        return 46.0 if self.note else 32.0

    @property
    def grid(self) -> tuple[float, float]:
        return self.cell * max(len(self.columns), 1), self.cell * max(len(self.rows), 1)

    @property
    def size(self) -> tuple[float, float]:
        width, height = self.grid
        if self.is_slanted:
            ends = (self.cell * (j + 0.5) + w * SLANT for j, w in enumerate(self.widths))
            width = max(width, *ends)
        least = (350.0 if self.note else 0.0, 36 + width_in_em(self.title) * 13)
        return max(self.left + max(width, 120.0) + 16, *least), self.above + height + self.below


def draw_figure(translation: Translation, title: str = "", *, font: str = "") -> Figure:
    """Return the attention weights as a matplotlib figure, rows target, columns source.

    Labels use the fonts that are installed; a character that none of them has becomes `□`, and a
    warning says so. Pieces inside a word begin with `-`. Columns are in reading order in every
    script.

    Args:
        translation: what to draw; it must have attention.
        title: a line of text above the picture.
        font: name of an installed font to write in, as far as it has the characters.

    Raises:
        ModelMismatchError: the translation has no attention.
        MissingExtraError: matplotlib is not installed.
        ConfigError: the font is not installed.
    """
    figure = build_figure(translation, title, font)
    if boxes := describe_boxes([*translation.source_tokens, *translation.tokens]):
        warnings.warn(boxes, UserWarning, stacklevel=3)  # 3: who called `plot`
    return figure


def build_figure(translation: Translation, title: str = "", font: str = "") -> Figure:
    """Return what `draw_figure` returns, without a warning."""
    picture = _load_picture_class()
    weights = weights_of(translation)
    plan = _plan(translation, title)
    width, height = plan.size
    figure = picture(figsize=(width / 72, height / 72), facecolor=LIGHT.paper)
    grid_width, grid_height = plan.grid
    corner, extent = (
        (plan.left / width, plan.below / height),
        (grid_width / width, grid_height / height),
    )
    axes = figure.add_axes((*corner, *extent))
    _draw_weights(axes, weights, plan.cell)
    _draw_labels(axes, plan)
    _draw_scale(figure.add_axes((corner[0], (plan.below - 18) / height, 72 / width, 7 / height)))
    _write(figure, 16 / width, 1 - 24 / height, title, size=13, weight="bold")
    _write(figure, 16 / width, 12 / height, plan.note, size=7.5, color=LIGHT.muted)
    _prefer_font(figure, font)
    return figure


def build_scene(scene: Scene, font: str = "") -> Figure:
    """Return a picture of boxes and words as a matplotlib figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ConfigError: the font is not installed.
    """
    size = (scene.width / PIXELS, scene.height / PIXELS)
    figure = _load_picture_class()(figsize=size, facecolor=LIGHT.paper)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, scene.width), ylim=(scene.height, 0))
    axes.set_axis_off()
    _draw_boxes(axes, [shape for shape in scene.shapes if isinstance(shape, Box)])
    for words in scene.shapes:
        if isinstance(words, Words):
            _write(
                axes,
                words.x,
                words.y,
                words.text,
                size=words.size * 72 / PIXELS,
                color=color_of(words.role, LIGHT),
                ha={"start": "left", "middle": "center", "end": "right"}[words.anchor],
                va="baseline",
                weight="bold" if words.is_bold else "normal",
                rotation=words.turn,
                rotation_mode="anchor",
            )
    _prefer_font(figure, font)
    return figure


def _draw_boxes(axes: Axes, boxes: Sequence[Box]) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    patches = [Rectangle((box.x, box.y), box.width, box.height) for box in boxes]
    colors = [color_of(box.role, LIGHT) for box in boxes]
    axes.add_collection(PatchCollection(patches, facecolors=colors, edgecolors="none"))


def _prefer_font(figure: Figure, font: str) -> None:
    """Write everything in a font; what it does not have stays in the fonts that were found."""
    if not font:
        return
    from matplotlib.text import Text

    known = {entry.name for entry in _fonts()}
    if font not in known:
        raise ConfigError(
            f"no font is called {font!r}{did_you_mean(font, known)}: name one that is installed"
        )
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_fontfamily([font, *text.get_fontfamily()])


def _load_picture_class() -> type[Figure]:
    try:
        return _picture_class()
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot", "drawing a figure") from error


@cache
def _picture_class() -> type[Figure]:
    """Return a figure that shows itself in a notebook, also without `%matplotlib inline`."""
    from matplotlib.figure import Figure

    class Picture(Figure):
        def _repr_png_(self) -> bytes:
            return figure_to_png(self)

        def __reduce__(self) -> tuple[Any, ...]:  # a class of a function has no name to find it by
            return _build_picture, (), self.__getstate__()

    return Picture


def _build_picture() -> Figure:
    return _picture_class()()


def figure_to_png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=200, facecolor=figure.get_facecolor())
    return buffer.getvalue()


def figure_to_pdf(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PDF file for print: its fonts are in it, as TrueType.

    Two files of one figure are the same, so no time stands in them.
    """
    from matplotlib import rc_context

    buffer = BytesIO()
    with rc_context({"pdf.fonttype": 42}):
        figure.savefig(buffer, format="pdf", metadata={"CreationDate": None})
    return buffer.getvalue()


def _plan(translation: Translation, title: str) -> _Plan:
    columns, rows = (
        [shorten(label, LONGEST_LABEL) for label in show_tokens(tokens, hyphens=True)]
        for tokens in (translation.source_tokens, translation.tokens)
    )
    _, cell = cell_sizes(max(len(columns), len(rows)))
    font = min(max(cell * 0.55, 7.0), 10.5)
    return _Plan(columns, rows, title, reading_note(translation), cell, font)


def _draw_weights(axes: Axes, weights: NDArray[np.float64], cell: float) -> None:
    T, S = weights.shape
    levels = np.array([[level_of(weight) for weight in row] for row in weights.tolist()])
    if weights.size:
        edge = 1.4 if cell >= 20 else 0.8
        mesh = axes.pcolormesh(levels, cmap=_color_map(), vmin=0, vmax=NUM_LEVELS - 1)
        mesh.set(edgecolor=LIGHT.paper, linewidth=edge)
    axes.set(xlim=(0, max(S, 1)), ylim=(max(T, 1), 0), facecolor=LIGHT.paper)
    axes.set_axis_off()
    if cell < 20:
        return
    for (i, j), weight in np.ndenumerate(weights):
        if weight >= LEAST_NUMBER:
            text = show_weight(weight)
            ink = ink_on(ramp(LIGHT)[levels[i, j]])
            _write(axes, j + 0.5, i + 0.52, text, size=7.5, color=ink, ha="center", va="center")


def _draw_labels(axes: Axes, plan: _Plan) -> None:
    gap = 7 / plan.cell  # axes count in cells
    for j, label in enumerate(plan.columns):
        turn: dict[str, Any] = {"ha": "center", "va": "baseline"}
        if plan.is_slanted:
            turn = {"ha": "left", "va": "baseline", "rotation": 45, "rotation_mode": "anchor"}
        _write(axes, j + 0.5 + 0.15 * plan.is_slanted, -gap, label, size=plan.font, **turn)
    for i, label in enumerate(plan.rows):
        _write(axes, -gap, i + 0.5, label, size=plan.font, ha="right", va="center_baseline")
    faint = {"color": LIGHT.muted, "size": 7.5, "ha": "right", "va": "baseline"}
    _write(axes, -gap, -gap - 10 / plan.cell, "source →", **faint)
    _write(axes, -gap, -gap, "target ↓", **faint)


def _draw_scale(axes: Axes) -> None:
    levels = [[level_of(k / (NUM_LEVELS - 1)) for k in range(NUM_LEVELS)]]
    axes.imshow(levels, cmap=_color_map(), vmin=0, vmax=NUM_LEVELS - 1, aspect="auto")
    axes.set_axis_off()
    faint = {"color": LIGHT.muted, "size": 7.5, "va": "center"}
    _write(axes, -1.5, 0, "0", ha="right", **faint)
    _write(axes, NUM_LEVELS + 0.5, 0, "1  weight", ha="left", **faint)


def _color_map() -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap(list(ramp(LIGHT)))


def _write(where: Figure | Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Write plain text (a `$` is a `$`) in a font that has its characters."""
    text, fonts = _choose_fonts(text)
    style = {"color": LIGHT.ink, **style}
    where.text(x, y, text, family=fonts, parse_math=False, usetex=False, **style)


def _choose_fonts(text: str) -> tuple[str, list[str]]:
    """Return the text with `□` for what no font has, and the fonts to write it with."""
    shown, families = "", [_BASE_FONT]
    for character in text:
        family = _family_of(character)
        shown += character if family else "□"
        if family and family not in families:
            families.insert(0, family)  # a script's own font first: it shapes best
    return shown, families


def describe_boxes(tokens: Sequence[str]) -> str:
    """Say which letters become `□` because no installed font has them, and what to do; or nothing.

    Example:
        >>> describe_boxes(["a", "b"])
        ''
    """
    boxes = [one for one in dict.fromkeys("".join(show_tokens(tokens))) if not _family_of(one)]
    if not boxes:
        return ""
    from matplotlib import get_cachedir

    scripts = dict.fromkeys(
        unicodedata.name(one, f"U+{ord(one):04X}").split()[0].capitalize() for one in boxes
    )
    return (
        f"no font that matplotlib knows has {', '.join(map(repr, boxes[:5]))} "
        f"({', '.join(scripts)}): □ stands for them; draw to .svg or .html, "
        "or install a font of this script and remove matplotlib's list of fonts in "
        f"{get_cachedir()}"
    )


@lru_cache(maxsize=4096)
def _family_of(character: str) -> str | None:
    """Return the first font family that has the character, plain sans-serif ones first."""
    return next((font.name for font in _fonts() if _has(font.fname, character)), None)


@lru_cache(maxsize=1)
def _fonts() -> list[FontEntry]:
    from matplotlib.font_manager import fontManager

    plain = [
        font
        for font in fontManager.ttflist
        if font.style == "normal"
        and font.stretch == "normal"
        and font.weight in (400, "normal", "regular")
        and not any(word in font.name for word in ("Last Resort", "Color Emoji", "Mono"))
    ]
    return sorted(
        plain, key=lambda font: (font.name != _BASE_FONT, "Sans" not in font.name, font.name)
    )


@lru_cache(maxsize=1024)
def _code_points(path: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):  # a broken font is no font
        return frozenset()


def _has(path: str, character: str) -> bool:
    return ord(character) in _code_points(path)
