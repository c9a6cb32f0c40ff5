"""The page that people look at: its files, and nothing that serves or packs them.

`index.html` asks for `page/page.css`, `page/icon.svg` and `page/js/app.js` beside it. A server
gives it at `/`, and the other files under `/page/`.
"""

from __future__ import annotations

from importlib.resources import files

from foveate.errors import ConfigError

PAGE_FILES: tuple[str, ...] = (
    "index.html",
    "page.css",
    "icon.svg",
    "js/app.js",
    "js/asking.js",
    "js/choices.js",
    "js/compare.js",
    "js/corrections.js",
    "js/dom.js",
    "js/engine_http.js",
    "js/heatmap.js",
    "js/outputs.js",
    "js/page.js",
    "js/permalink.js",
    "js/pictures.js",
    "js/pointing.js",
    "js/ribbons.js",
    "js/settings.js",
    "js/side.js",
    "js/state.js",
    "js/tables.js",
    "js/text.js",
    "js/theme.js",
    "js/tokens.js",
    "js/tree.js",
)


def read_page_file(name: str) -> bytes:
    """Return a file of the page; a name that is not in `PAGE_FILES` is never opened.

    Raises:
        ConfigError: the page has no such file.

    Example:
        >>> read_page_file("index.html").startswith(b"<!doctype html>")
        True
    """
    if name not in PAGE_FILES:
        raise ConfigError(f"the page has no file {name!r}: its files are foveate.page.PAGE_FILES")
    return files("foveate.page").joinpath(*name.split("/")).read_bytes()
