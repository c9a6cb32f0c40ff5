"""Pictures of attention: the door to every way to draw a translation, and to write it to a file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveate.errors import ConfigError
from foveate.files import replace_file
from foveate.insight.explained import draw_explanation
from foveate.insight.figure import (
    build_figure,
    build_scene,
    draw_figure,
    figure_to_pdf,
    figure_to_png,
)
from foveate.insight.html import draw_card, draw_html
from foveate.insight.scene import Scene, draw_scene
from foveate.insight.steps import stage_step
from foveate.insight.svg import draw_svg
from foveate.insight.terminal import draw_terminal
from foveate.records import Translation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from foveate.inside_values import Explanation

__all__ = [
    "Style",
    "draw_card",
    "draw_explanation",
    "draw_figure",
    "draw_html",
    "draw_step",
    "draw_svg",
    "draw_terminal",
    "write_picture",
    "write_scene",
]


@dataclass(frozen=True)
class Style:
    """How a picture for print looks.

    Attributes:
        light: an SVG keeps its light colours on a dark page, too. PNG and PDF always do.
        font: name of the font to write in.
    """

    light: bool = False
    font: str = ""


def write_picture(
    translations: Translation | Sequence[Translation],
    path: str | Path,
    title: str = "",
    style: Style | None = None,
) -> None:
    """Write a picture of one translation, or a page of several, by the suffix of the file.

    `.svg`, `.png` and `.pdf` show one translation; `.html` is a page to explore, `.json` the
    numbers. The file appears whole or not at all.

    Raises:
        ConfigError: the suffix is unknown, the file cannot be written, the font is not installed,
            or several translations were to go into one picture.
        ModelMismatchError: a picture is asked for, but there is no attention.
    """
    several = [translations] if isinstance(translations, Translation) else list(translations)
    path = Path(path)
    is_single = isinstance(translations, Translation)
    write_content(path, _render(several, path, title, is_single, style or Style()))


def write_scene(scene: Scene, path: str | Path, style: Style | None = None) -> None:
    """Write a picture of boxes and words as `.svg`, `.png` or `.pdf`.

    Raises:
        ConfigError: the suffix is unknown, the file cannot be written, or the font is not
            installed.
    """
    path, style = Path(path), style or Style()
    painters: dict[str, Callable[[], bytes]] = {
        ".svg": lambda: _encode(draw_scene(scene, light=style.light, font=style.font)),
        ".png": lambda: figure_to_png(build_scene(scene, style.font)),
        ".pdf": lambda: figure_to_pdf(build_scene(scene, style.font)),
    }
    write_content(path, painters[_check_suffix(path, painters)]())


def draw_step(explanation: Explanation, head: int = 1) -> Figure:
    """Return the chosen step of an explanation as a matplotlib figure.

    Raises:
        SearchError: there is no such head.
        MissingExtraError: matplotlib is not installed.
    """
    return build_scene(stage_step(explanation, explanation.look(), explanation.step, head))


def write_content(path: str | Path, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        replace_file(Path(path), content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot write the picture: {error.strerror}") from error


def write_json(value: Any, path: str | Path) -> None:
    """Write plain values as JSON; numbers that it does not have become null."""
    text = json.dumps(_finite(value), ensure_ascii=False, indent=1)
    write_content(path, (text + "\n").encode("utf-8", "backslashreplace"))


def _encode(svg: str) -> bytes:
    return (svg + "\n").encode()


def _check_suffix(path: Path, known: Iterable[str]) -> str:
    suffix = path.suffix.lower()
    if suffix not in known:
        what = f"unknown kind of picture {suffix!r}" if suffix else "no suffix"
        raise ConfigError(f"{path}: {what}: name it .svg, .png, .pdf, .html or .json")
    return suffix


def _render(
    several: list[Translation], path: Path, title: str, is_single: bool, style: Style
) -> bytes:
    suffix = path.suffix.lower()
    if suffix == ".json":
        values = [_finite(translation.to_dict()) for translation in several]
        text = json.dumps(values[0] if is_single else values, ensure_ascii=False, indent=1)
        return (text + "\n").encode("utf-8", "backslashreplace")
    if suffix == ".html":
        return draw_html(several, title or "Where it looked", browse=True).encode()
    painters: dict[str, Callable[[Translation], bytes]] = {
        ".svg": lambda one: _encode(draw_svg(one, title, light=style.light, font=style.font)),
        ".png": lambda one: figure_to_png(build_figure(one, title, style.font)),
        ".pdf": lambda one: figure_to_pdf(build_figure(one, title, style.font)),
    }
    paint = painters[_check_suffix(path, painters)]
    if len(several) != 1:
        raise ConfigError(
            f"{path}: a {suffix} picture shows one translation, not {len(several)}: "
            "write .html or .json for several"
        )
    return paint(several[0])


def _finite(value: Any) -> Any:
    """Replace numbers that JSON does not have by null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
