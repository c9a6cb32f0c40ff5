"""The page in a real browser: it is used as a person uses it, and its numbers are Python's."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Route,
    expect,
)

from browsing import CHROMIUM, open_browser
from choices_naive import find_choices
from foveate.insight.labels import show_token
from foveate.insight.palette import DARK, LIGHT, ink_on, ramp
from foveate.page import PAGE_FILES, read_page_file
from foveate.records import Request, Translation
from foveate.translator import Translator

FOLDER = Path(__file__).parent
TEXT = "cabbed"
PATIENCE = 20_000  # milliseconds: two cores may be busy with other tests
expect.set_options(timeout=PATIENCE)
SHOWN = {"beam_size": 5, "n_best": 3}  # what a new page asks for

# Continuous integration installs Chromium; on a machine without it there is no browser to ask.
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")


MODELS = {"new": FOLDER / "golden-onnx" / "format-1", "old": FOLDER / "golden-onnx" / "format-2"}
MOST_CHARACTERS = 300  # that the server takes of a text


@dataclass(frozen=True)
class Served:
    """`foveate serve` in a process of its own, and the same models in this one."""

    address: str
    translators: dict[str, Translator]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    places = [f"{name}={folder}" for name, folder in MODELS.items()]
    limits = ["--max-characters", str(MOST_CHARACTERS)]
    command = [sys.executable, "-m", "foveate", "serve", *places, "--port", "0", "--quiet", *limits]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    translators = {name: Translator.load(folder, threads=1) for name, folder in MODELS.items()}
    assert process.stderr is not None
    said = process.stderr.readline()
    yield Served(said.split()[0], translators)
    process.terminate()
    _, rest = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, "stopped\n")


@pytest.fixture(scope="module")
def translator(served: Served) -> Translator:
    return served.translators["new"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


class Seen:
    """What went on in a page: requests to anywhere else, and errors."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.outside: list[str] = []
        self.errors: list[str] = []
        context.on("request", lambda request: self._note(request.url, address))
        context.on("console", lambda message: message.type == "error" and self._add(message.text))
        context.on("weberror", lambda error: self._add(str(error.error)))

    def _note(self, url: str, address: str) -> None:
        if not url.startswith((address, "blob:")):
            self.outside.append(url)

    def _add(self, text: str) -> None:
        if "Failed to load resource" not in text:  # the browser's own words for an error status
            self.errors.append(text)


@pytest.fixture(scope="module")
def tab(browser: Browser, served: Served) -> Iterator[tuple[Page, Seen]]:
    """One tab for all tests: a new one costs as much as a test."""
    context = browser.new_context(accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(PATIENCE)
    yield context.new_page(), Seen(context, served.address)
    context.close()


@pytest.fixture
def page(tab: tuple[Page, Seen], served: Served) -> Iterator[Page]:
    """The page as somebody sees it who comes for the first time."""
    opened, seen = tab
    seen.errors.clear()
    seen.outside.clear()
    opened.set_viewport_size({"width": 1200, "height": 900})
    opened.emulate_media(color_scheme="light", reduced_motion="no-preference")
    opened.goto(served.address)
    assert opened.evaluate("localStorage.length + sessionStorage.length") == 0
    yield opened
    opened.context.set_offline(False)
    opened.unroute_all()
    for other in opened.context.pages[1:]:
        other.close()
    opened.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
    assert not seen.errors, "the page has an error, or its policy forbids what it does"
    assert not seen.outside, "the page asked somebody else"


def type_text(page: Page, text: str, expected: str) -> None:
    page.get_by_role("textbox", name="Text", exact=True).fill(text)
    expect(page.locator(".output p.text")).to_have_text(expected)


def tokens(page: Page, kind: str, side: int = 0) -> Locator:
    host = page.locator("main") if kind == "source" else page.locator(f"[data-side='{side}']")
    return host.locator(f".tokens.{kind} .token:not(.end)")


def translate(translator: Translator, text: str = TEXT, **wishes: Any) -> Translation:
    return translator.translate_one(Request(text, **{**SHOWN, **wishes}))


def as_percent(log_prob: float) -> float:
    return 100 * math.exp(log_prob)


def read_percent(text: str) -> float:
    return float(text.removeprefix("< ").removesuffix("%"))


def check_percent(shown: str, log_prob: float) -> None:
    """Compare a probability that the page shows, rounded, with a log-probability."""
    exact = as_percent(log_prob)
    if shown.startswith("<"):
        assert exact < 0.001
    else:
        assert read_percent(shown) == pytest.approx(exact, abs=0.06 if exact > 0.09 else 0.0006)


def read_number(text: str) -> float:
    return float(text.replace("−", "-"))


def check_weights(page: Page, found: Translation, side: int = 0) -> None:
    """Compare every cell of the table beside the picture with Python's attention."""
    card = page.locator(f"[data-side='{side}'] .picture-card")
    if not card.locator(".table").evaluate("details => details.open"):
        card.locator(".table summary").click()
    expect(card.locator("table.weights tbody tr")).to_have_count(len(found.tokens))
    rows = card.locator("table.weights tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    assert [row[0] for row in rows] == [show_token(token) for token in found.tokens]
    shown = [[float(cell) for cell in row[1:]] for row in rows]
    assert found.attention is not None
    assert shown == pytest.approx(found.attention, abs=0.00051)


def check_tree(page: Page, found: Translation) -> None:
    """Compare every branch of the table beside the tree, and what its nodes say, with Python's."""
    assert found.tree is not None
    page.locator(".tree-card .table summary").click()
    branches = found.tree[1:]
    expect(page.locator(".tree-card tbody tr")).to_have_count(len(branches))
    rows = page.locator(".tree-card tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    for (prefix, state, token, so_far), node in zip(rows, branches, strict=True):
        assert prefix == (node.prefix if node.token else f"{node.prefix} (end)")
        assert state == node.state
        check_percent(token, node.log_prob)
        check_percent(so_far, node.score)
    page.get_by_role("button", name="Show all").click()
    said = page.locator(".node").evaluate_all(
        "all => all.map(one => [one.dataset.node, one.getAttribute('aria-label')])"
    )
    assert len(said) == len(found.tree)
    for place, says in said:
        node = found.tree[int(place)]
        if node.parent >= 0:
            own, so_far = re.findall(r"probability (\S+), so far (\S+)$", says)[0]
            check_percent(own, node.log_prob)
            check_percent(so_far, node.score)


def test_typing_shows_what_python_translates(page: Page, translator: Translator) -> None:
    found = translate(translator)
    type_text(page, TEXT, found.text)
    assert tokens(page, "source").all_inner_texts() == found.source_tokens
    assert tokens(page, "target").all_inner_texts() == found.tokens
    check_weights(page, found)
    rows = page.locator(".outputs tbody tr")
    for row, one in zip(rows.all(), [found, *found.alternatives], strict=True):
        cells = row.locator("td").all_inner_texts()
        assert cells[1] == one.text
        assert read_percent(cells[2]) == pytest.approx(as_percent(one.score), abs=0.06)
        assert read_number(cells[3]) == pytest.approx(one.score, abs=0.00006)
        assert read_number(cells[4]) == pytest.approx(one.rank_score, abs=0.00006)
    facts = page.inner_text(".status")
    check_percent(re.findall(r"Probability (\S+%)", facts)[0], found.score)
    assert f"{len(found.tokens)} token" in facts
    expect(page.locator("#live")).to_contain_text(found.text)


@pytest.mark.long
def test_an_answer_that_comes_late_is_dropped(page: Page, translator: Translator) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route) if "bead" in (route.request.post_data or "") else route.continue_()

    page.route("**/translate", hold)
    with page.expect_request(lambda request: "bead" in (request.post_data or "")):
        page.locator("#source").fill("bead")
    type_text(page, "cab", translate(translator, "cab").text)
    with page.expect_response(lambda answer: "bead" in (answer.request.post_data or "")) as late:
        held[0].continue_()
    assert late.value.finished() is None
    page.wait_for_timeout(50)
    expect(page.locator(".output p.text")).to_have_text(translate(translator, "cab").text)


def test_pointing_at_either_side_lights_the_other_by_weight(
    page: Page, translator: Translator
) -> None:
    found = translate(translator)
    type_text(page, TEXT, found.text)
    assert found.attention is not None
    levels = "all => all.map(one => Number(/\\bw(\\d+)/.exec(one.className)?.[1] ?? -1))"
    for kind, other, weights in (
        ("target", "source", found.attention[1]),
        ("source", "target", found.attention[:, 2]),
    ):
        at = 1 if kind == "target" else 2
        tokens(page, kind).nth(at).hover()
        expect(tokens(page, kind).nth(at)).to_have_class(re.compile(r"\bon\b"))
        lit = tokens(page, other).evaluate_all(levels)
        assert lit == [round(23 * float(weight) ** 0.7) for weight in weights]
        assert f"{weights.max():.2f}".lstrip("0") in page.inner_text(".readout")
        page.mouse.move(5, 5)
        assert set(tokens(page, other).evaluate_all(levels)) == {-1}
        tokens(page, kind).nth(at).focus()
        assert tokens(page, other).evaluate_all(levels) == lit


def test_the_heat_map_is_walked_by_keys(page: Page, translator: Translator) -> None:
    found = translate(translator)
    type_text(page, TEXT, found.text)
    assert found.attention is not None
    page.locator("[data-cell='0 0']").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    weight = f"{found.attention[1][2]:.3f}"
    assert weight in page.inner_text(".readout")
    assert weight in (page.evaluate("document.activeElement.getAttribute('aria-label')"))
    page.keyboard.press("End")
    assert (
        page.evaluate("document.activeElement.dataset.cell") == f"1 {len(found.source_tokens) - 1}"
    )
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("In place of")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.long
def test_ribbons_cross_from_one_side_to_the_other(page: Page, translator: Translator) -> None:
    found = translate(translator)
    type_text(page, TEXT, found.text)
    page.get_by_role("button", name="Ribbons").click()
    assert found.attention is not None
    expect(page.locator(".ribbon")).to_have_count(int((found.attention >= 0.03).sum()))
    page.locator(".ribbons .target").first.focus()
    page.keyboard.press("ArrowUp")
    at = page.evaluate("document.activeElement.dataset.source")
    assert int(at) == int(found.attention[0].argmax())
    heavy = int((found.attention[:, int(at)] >= 0.03).sum())
    expect(page.locator(".ribbon:not(.off)")).to_have_count(heavy)


def test_a_chosen_token_is_forced_and_undone(page: Page, translator: Translator) -> None:
    found = translate(translator)
    type_text(page, TEXT, found.text)
    choices = find_choices(translator, found, 8)[1]
    tokens(page, "target").nth(1).click()
    shown = page.locator(".choices li .number").all_inner_texts()
    expected = [as_percent(choice["log_prob"]) for choice in choices]
    assert [read_percent(text) for text in shown] == pytest.approx(expected, abs=0.06)
    place, other = next(
        (k, choice)
        for k, choice in enumerate(choices)
        if not choice["is_end"] and choice["token"] != found.tokens[1]
    )
    page.locator(".choices li button").nth(place).click()
    forced = translate(translator, prefix=other["prefix"])
    assert forced.text != found.text
    expect(page.locator(".output p.text")).to_have_text(forced.text)
    expect(page.locator(".tokens.target .forced")).to_have_count(2)
    check_weights(page, forced)
    page.keyboard.press("Control+z")
    expect(page.locator(".output p.text")).to_have_text(found.text)
    page.get_by_role("button", name="Redo").click()
    expect(page.locator(".output p.text")).to_have_text(forced.text)


@pytest.mark.long
def test_typed_text_is_forced_and_an_end_too(page: Page, translator: Translator) -> None:
    found = translate(translator)
    type_text(page, TEXT, found.text)
    tokens(page, "target").nth(2).click()
    page.get_by_role("textbox", name="Another token or text").fill("ad")
    page.keyboard.press("Enter")
    prefix = "".join(found.tokens[:2]) + "ad"
    expect(page.locator(".output p.text")).to_have_text(translate(translator, prefix=prefix).text)
    page.get_by_role("button", name="Write freely").click()
    expect(page.locator(".output p.text")).to_have_text(found.text)
    tokens(page, "target").nth(2).click()
    page.get_by_role("button", name="end here").click()
    ended = found.text[:2]
    expect(page.locator(".output p.text")).to_have_text(ended)
    scored = next(translator.score_pairs([(TEXT, ended)]))
    shown = page.locator(".outputs tbody td").nth(3).inner_text()
    assert read_number(shown) == pytest.approx(scored.score, abs=0.00006)
    tokens(page, "target").first.click()  # what was scored can be steered on
    expect(page.get_by_role("button", name="end here")).to_be_visible()


@pytest.mark.long
def test_a_dropped_branch_is_taken_up(page: Page, translator: Translator) -> None:
    found = translate(translator)
    type_text(page, TEXT, found.text)
    page.get_by_role("heading", name="Search tree").click()
    check_tree(page, translate(translator, tree=True))
    dropped = page.locator(".node.dropped").first
    dropped.focus()
    says = dropped.get_attribute("aria-label") or ""
    page.keyboard.press("Enter")
    expect(page.locator(".output p.text")).not_to_have_text(found.text)
    prefix = re.search(r"prefix=([^&]*)", page.url)
    assert prefix is not None
    assert prefix[1].endswith(says.split(",")[0])
    expect(page.locator(".output p.text")).to_have_text(
        translate(translator, prefix=prefix[1]).text
    )


@pytest.mark.long
def test_another_output_can_be_looked_at(page: Page, translator: Translator) -> None:
    found = translate(translator)
    type_text(page, TEXT, found.text)
    other = found.alternatives[0]
    page.locator(".outputs .pick").nth(1).click()
    expect(page.locator(".output p.text")).to_have_text(other.text)
    check_weights(page, other)
    tokens(page, "target").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()


@pytest.mark.long
def test_two_settings_are_compared(page: Page, translator: Translator, served: Served) -> None:
    type_text(page, TEXT, translate(translator).text)
    page.get_by_role("button", name="Compare").click()
    second = page.locator("[data-side='1']")
    older = translate(served.translators["old"])
    expect(second.locator("select").first).to_have_value("old")
    expect(second.locator(".output p.text")).to_have_text(older.text)
    check_weights(page, older, side=1)
    tokens(page, "target", side=1).first.click()
    row = find_choices(served.translators["old"], older, 8)[0]
    k, choice = next(
        (k, one)
        for k, one in enumerate(row)
        if not one["is_end"] and one["token"] != older.tokens[0]
    )
    page.locator(".choices li button").nth(k).click()
    forced = translate(served.translators["old"], prefix=choice["prefix"])
    expect(second.locator(".output p.text")).to_have_text(forced.text)
    expect(page.locator("#difference")).to_contain_text("They differ")
    expect(second.locator(".token.differs").first).to_be_visible()
    expect(page.locator("[data-side='0'] .output p.text")).to_have_text(translate(translator).text)


@pytest.mark.long
def test_a_link_brings_everything_back(page: Page, translator: Translator) -> None:
    type_text(page, TEXT, translate(translator).text)
    page.get_by_text("Settings").click()
    page.get_by_role("spinbutton", name="Beam size").fill("7")
    page.get_by_role("spinbutton", name="Outputs").fill("4")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Ribbons").click()
    tokens(page, "target").nth(1).click()
    page.locator(".choices li button:not(.written)").first.click()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".forced")).to_have_count(2)
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#news")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    facts = "[...document.querySelectorAll('.output, .outputs, .ribbons')].map(e => e.textContent)"
    expect(page.locator("[data-side='1'] .outputs")).to_be_visible()
    before = page.evaluate(facts)
    other = page.context.new_page()
    other.goto(link)
    expect(other.locator("[data-side='1'] .outputs")).to_be_visible()
    expect(other.locator(".forced")).to_have_count(2)
    assert other.evaluate(facts) == before
    assert other.locator(".outputs tbody").first.locator("tr").count() == 4
    other.goto(link.replace("beam_size=7", "beam_size=lots"))
    expect(other.locator("input[name='First side-beam_size']")).to_have_value("5")


@pytest.mark.long
def test_a_correction_is_a_pair_to_train_with(
    page: Page, translator: Translator, tmp_path: Path
) -> None:
    from foveate.data.readers import read_pairs

    type_text(page, TEXT, translate(translator).text)
    page.get_by_role("button", name="Correct", exact=True).click()
    page.get_by_role("textbox", name="Corrected output").fill("egab\tbac")
    page.get_by_role("button", name="Keep as pair").click()
    expect(page.locator(".output p.text")).to_have_text(translate(translator).text)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download TSV").click()
    saved.value.save_as(tmp_path / "pairs.tsv")
    assert [(pair.source, pair.target) for pair in read_pairs(tmp_path / "pairs.tsv")] == [
        (TEXT, "egab bac")
    ]
    page.reload()
    expect(page.get_by_role("cell", name="egab bac")).to_be_visible()
    page.get_by_role("button", name="Drop the pair").click()
    expect(page.locator("#corrections")).to_be_hidden()


@pytest.mark.long
@pytest.mark.parametrize("view", ["Heat map", "Ribbons"])
def test_pictures_are_saved(page: Page, translator: Translator, tmp_path: Path, view: str) -> None:
    from xml.etree import ElementTree

    from PIL import Image

    found = translate(translator)
    type_text(page, TEXT, found.text)
    page.get_by_role("button", name=view).click()
    for kind in ("SVG", "PNG"):
        with page.expect_download() as saved:
            page.get_by_role("button", name=f"Save {kind}").click()
        saved.value.save_as(tmp_path / kind)
    root = ElementTree.fromstring((tmp_path / "SVG").read_text())
    words = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert set(found.tokens) <= set(words)
    shapes = [element for element in root.iter() if element.tag.endswith(("rect", "path"))]
    colors = {shape.get("fill") for shape in shapes}
    assert len(colors) > 5
    image = Image.open(tmp_path / "PNG").convert("RGB")
    assert image.width == 2 * float(root.get("viewBox", "").split()[2])
    assert len(image.getcolors(maxcolors=1 << 24) or []) > 20


def test_errors_are_told_in_plain_words(page: Page, translator: Translator) -> None:
    def refuse(route: Route) -> None:
        busy = {"Retry-After": "1", "Content-Type": "application/json"}
        route.fulfill(status=503, headers=busy, body='{"error": "the queue is full"}')

    page.route("**/translate", refuse, times=1)
    page.locator("#source").fill("cab")
    expect(page.get_by_role("alert")).to_contain_text("busy")
    expect(page.locator(".output p.text")).to_have_text(translate(translator, "cab").text)
    expect(page.get_by_role("alert")).to_be_hidden()
    page.locator("#source").fill("c" * (MOST_CHARACTERS + 1))
    expect(page.get_by_role("alert")).to_contain_text("301 are more than 300")
    page.context.set_offline(True)
    page.locator("#source").fill("cabcabcab")
    expect(page.get_by_role("alert")).to_contain_text("foveate serve")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".output p.text")).to_have_text(translate(translator, "cabcabcab").text)


def test_the_interface_gives_what_python_gives(page: Page, translator: Translator) -> None:
    page.wait_for_function("window.foveate")
    wishes = {"beam_size": 4, "n_best": 2, "prefix": "e", "attention": True}
    script = "async ([text, wishes]) => foveate.translate(text, wishes)"
    answer = page.evaluate(script, [TEXT, wishes])
    found = json.loads(json.dumps(translator.translate_one(Request(TEXT, **wishes)).to_dict()))
    assert {name: answer[name] for name in found} == found
    assert page.evaluate("foveate.engine") == "http"
    info = page.evaluate("foveate.info()")
    assert [model["name"] for model in info["models"]] == ["new", "old"]


@pytest.mark.long
def test_settings_reach_the_engine(page: Page, translator: Translator) -> None:
    type_text(page, TEXT, translate(translator).text)
    page.get_by_text("Settings").click()
    page.get_by_role("textbox", name="Must hold").fill("dd")
    page.keyboard.press("Enter")
    expect(page.locator(".output p.text")).to_have_text(translate(translator, must=("dd",)).text)
    page.get_by_role("textbox", name="Must hold").fill("")
    page.keyboard.press("Tab")
    page.get_by_role("combobox", name="Method").select_option("chrf")
    expect(page.locator(".outputs caption")).to_contain_text("most like the other")
    found = translate(translator, mbr="chrf")
    shown = page.locator(".outputs tbody td").nth(4).inner_text()
    assert read_number(shown) == pytest.approx(found.rank_score, abs=0.00006)
    page.get_by_role("combobox", name="Method").select_option("sampling")
    expect(page.locator(".outputs caption")).to_contain_text("Drawn at random")
    expect(page.get_by_role("spinbutton", name="Seed")).to_be_visible()


@pytest.mark.long
def test_text_is_never_markup_and_scripts_are_shaped(page: Page, translator: Translator) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    page.locator("#source").fill(hostile)
    expect(page.locator(".tokens.source .token")).to_have_count(len(hostile))
    assert page.locator("main img").count() == 0
    type_text(page, "אבנ", translate(translator, "אבנ").text)
    expect(page.locator(".tokens.source")).to_have_attribute("dir", "rtl")
    first, last = (tokens(page, "source").nth(k).bounding_box() for k in (0, 2))
    assert first is not None and last is not None and first["x"] > last["x"]
    expect(page.locator(".readout")).to_contain_text("right to left")
    page.locator("#source").fill("न\u094dत")
    expect(tokens(page, "source").nth(1)).to_contain_text("◌\u094d")


@pytest.mark.long
def test_no_width_scrolls_sideways(page: Page, served: Served, translator: Translator) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{served.address}#text={quote('abcde' * 12)}&compare=1")
    page.reload()
    expect(page.locator("[data-side='1'] .picture-card")).to_be_visible()
    for view in ("Heat map", "Ribbons"):
        page.get_by_role("button", name=view).first.click()
        for width in (360, 800, 1400):
            page.set_viewport_size({"width": width, "height": 740})
            page.wait_for_timeout(160)  # the picture is drawn anew after a pause
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_axe_finds_nothing(page: Page, translator: Translator) -> None:
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    type_text(page, TEXT, translate(translator).text)
    page.get_by_role("button", name="Compare").click()
    for name in ("Settings", "Search tree"):
        page.get_by_text(name).first.click()
    expect(page.locator(".node").first).to_be_visible()
    page.locator(".picture-card .table summary").first.click()
    page.get_by_role("button", name="Correct", exact=True).first.click()
    page.get_by_role("button", name="Keep as pair").click()
    for theme, view in (("light", "Heat map"), ("dark", "Ribbons")):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.get_by_role("button", name=view).first.click()
        tokens(page, "target").nth(1).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        # The page's policy forbids scripts of others: axe comes in through the debugger.
        results = Axe().run(page).response["violations"]
        found = [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in results]
        assert not found, theme
        page.keyboard.press("Escape")


@pytest.mark.long
def test_the_theme_can_be_switched(page: Page) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(background)
    button = page.get_by_role("button", name="Theme")
    button.click()
    button.click()
    assert page.evaluate(background) != light
    page.reload()
    assert page.evaluate(background) != light


def test_files_are_the_ones_that_are_named() -> None:
    folder = Path(__file__).parents[1] / "src" / "foveate" / "page"
    own = {path for path in folder.rglob("*") if path.suffix in {".js", ".css", ".html", ".svg"}}
    names = {path.relative_to(folder).as_posix() for path in own}
    assert {name for name in names if not name.startswith(("engine/", "vendor/"))} == {*PAGE_FILES}
    for name in PAGE_FILES:
        text = read_page_file(name).decode()
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", text), name
        assert not re.search(r"(?<!www\.w3\.org/2000/svg\")https?://(?!www\.w3\.org)", text), name
    page = read_page_file("index.html").decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)


def test_colours_mean_the_same_as_in_the_pictures_of_python() -> None:
    style = read_page_file("page.css").decode()
    for level, (light, dark) in enumerate(zip(ramp(LIGHT), ramp(DARK), strict=True)):
        assert f".w{level} {{ fill: light-dark({light}, {dark});" in style
        assert f".n{level} {{ fill: light-dark({ink_on(light)}, {ink_on(dark)});" in style
    assert f"--accent: light-dark({LIGHT.accent}, {DARK.accent});" in style
