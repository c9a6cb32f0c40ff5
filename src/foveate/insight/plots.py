"""Pictures of attention: the door to every way to draw a translation, and to write it to a file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from foveate.errors import ConfigError
from foveate.files import replace_file
from foveate.insight.figure import draw_figure, figure_to_png
from foveate.insight.html import draw_card, draw_html
from foveate.insight.svg import draw_svg
from foveate.insight.terminal import draw_terminal
from foveate.records import Translation

__all__ = ["draw_card", "draw_figure", "draw_html", "draw_svg", "draw_terminal", "write_picture"]


def write_picture(
    translations: Translation | Sequence[Translation], path: str | Path, title: str = ""
) -> None:
    """Write a picture of one translation, or a page of several, by the suffix of the file.

    `.svg` and `.png` show one translation; `.html` is a page to explore, `.json` the numbers.
    The file appears whole or not at all.

    Raises:
        ConfigError: the suffix is unknown, the file cannot be written, or several
            translations were to go into one picture.
        ModelMismatchError: a picture is asked for, but there is no attention.
    """
    several = [translations] if isinstance(translations, Translation) else list(translations)
    path = Path(path)
    content = _render(several, path, title, isinstance(translations, Translation))
    try:
        replace_file(path, content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot write the picture: {error.strerror}") from error


def _render(several: list[Translation], path: Path, title: str, is_single: bool) -> bytes:
    suffix = path.suffix.lower()
    if suffix == ".json":
        values = [_finite(translation.to_dict()) for translation in several]
        text = json.dumps(values[0] if is_single else values, ensure_ascii=False, indent=1)
        return (text + "\n").encode("utf-8", "backslashreplace")
    if suffix == ".html":
        return draw_html(several, title or "Where it looked").encode()
    painters: dict[str, Callable[[Translation], bytes]] = {
        ".svg": lambda translation: (draw_svg(translation, title) + "\n").encode(),
        ".png": lambda translation: figure_to_png(draw_figure(translation, title)),
    }
    if suffix not in painters:
        what = f"unknown kind of picture {suffix!r}" if suffix else "no suffix"
        raise ConfigError(f"{path}: {what}: name it .svg, .png, .html or .json")
    if len(several) != 1:
        raise ConfigError(
            f"{path}: a {suffix} picture shows one translation, not {len(several)}: "
            "write .html or .json for several"
        )
    return painters[suffix](several[0])


def _finite(value: Any) -> Any:
    """Replace numbers that JSON does not have by null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
