"""The page of pictures in a real browser: it shows weights under pointer and keys, offline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from browsing import CHROMIUM, open_browser
from foveate.insight.plots import write_picture
from foveate.records import Translation

# Continuous integration installs Chromium; on a machine without it there is no browser to ask.
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[tuple[Page, list[str]]]:
    weights = np.array([[0.7, 0.2, 0.1], [0.05, 0.9, 0.05]], np.float32)
    translation = Translation(["p", "<h>", "o"], ["F", "OW"], "F OW", -0.5, weights)
    write_picture(translation, tmp_path / "look.html")
    opened = browser.new_page(viewport={"width": 1000, "height": 900})
    seen: list[str] = []
    opened.on("request", lambda request: seen.append(request.url))
    opened.on("pageerror", lambda error: seen.append(str(error)))
    opened.goto((tmp_path / "look.html").as_uri())
    yield opened, seen
    opened.close()


@pytest.mark.long
def test_pointer_and_keys_show_the_weight(page: tuple[Page, list[str]]) -> None:
    opened, seen = page
    picture = opened.locator(".map svg").first
    box = picture.bounding_box()
    assert box is not None
    left, top, cell = map(float, (picture.get_attribute("data-grid") or "").split())
    scale = box["width"] / float((picture.get_attribute("viewBox") or "").split()[2])
    opened.mouse.move(box["x"] + scale * (left + 1.5 * cell), box["y"] + scale * (top + 1.5 * cell))
    shown = opened.inner_text("#readout")
    assert "OW" in shown and "<h>" in shown and "0.9" in shown
    opened.keyboard.press("Tab")
    opened.keyboard.press("Home")
    before = opened.inner_text("#readout")
    opened.keyboard.press("ArrowRight")
    assert opened.inner_text("#readout") != before
    assert len(seen) == 1, "the page asked for something else, or a script failed"


@pytest.mark.long
def test_dark_mode_is_readable(page: tuple[Page, list[str]]) -> None:
    opened, _ = page

    def lightness() -> tuple[float, float]:
        script = "n => getComputedStyle(document.body)[n].match(/\\d+/g).slice(0, 3).map(Number)"
        return tuple(sum(opened.evaluate(script, name)) for name in ("color", "backgroundColor"))

    opened.emulate_media(color_scheme="light")
    ink, paper = lightness()
    assert paper - ink > 300
    opened.emulate_media(color_scheme="dark")
    ink, paper = lightness()
    assert ink - paper > 300
