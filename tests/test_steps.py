"""Attention step by step and head by head: pictures, pages and lines, and what print needs."""

from __future__ import annotations

import io
import json
import os
import re
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from fontTools.ttLib import TTFont
from playwright.sync_api import expect

from browsing import open_browser
from foveate.cli import main
from foveate.errors import ConfigError, SearchError
from foveate.inside_values import Choice, Equation, Explanation, Look
from foveate.insight.explained import draw_explained
from foveate.insight.figure import build_scene, draw_figure, figure_to_pdf
from foveate.insight.html import draw_html
from foveate.insight.palette import DARK, LIGHT, level_of
from foveate.insight.plots import Style, write_picture, write_scene
from foveate.insight.scene import Box, Scene, Words, color_of, draw_scene
from foveate.insight.steps import format_steps, label_positions, stage_step, take_head
from foveate.insight.svg import draw_svg
from foveate.insight.views import list_views, stage_grid
from foveate.records import Translation
from test_insight import Page

S, T, N, D = 5, 3, 2, 7
SVG = "{http://www.w3.org/2000/svg}"
GOLDEN = str(Path(__file__).parent / "golden" / "format-1")


def draw(*shape: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def make_look(kind: Any, layer: int, rows: int, columns: int, heads: int = N) -> Look:
    scores = draw(heads, rows, columns, seed=layer)
    if kind == "decoder":
        scores = np.where(np.tri(rows, columns, dtype=bool), scores, -np.inf).astype(np.float32)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = powers / powers.sum(axis=-1, keepdims=True)
    values = draw(columns, heads * D, seed=layer + 9)
    context = np.concatenate(
        [weights[n] @ values[:, n * D : (n + 1) * D] for n in range(heads)], axis=1
    )
    queries = draw(rows, heads * 3, seed=layer + 20)
    return Look(
        kind, layer, queries, draw(columns, heads * 3), values, scores, weights, context,
        is_split=True,
    )  # fmt: skip


def make(source: list[str] | None = None) -> Translation:
    """Return a translation of three tokens with what two layers of a Transformer may have done."""
    source = source or [f"s{j}" for j in range(S)]
    size = len(source)
    looks = [make_look("encoder", 1, size, size), make_look("encoder", 2, size, size)]
    for layer in (1, 2):
        looks += [make_look("decoder", layer, T + 1, T + 1), make_look("cross", layer, T + 1, size)]
    tokens = ["t0", "<t1>", "t2"]
    choices = [[Choice(token, -0.1, "", not token)] for token in [*tokens, ""]]
    equations = (Equation("scores", "e = Q Kᵀ / √D", "Vaswani et al. 2017, equation 1"),)
    explanation = Explanation(source, [*tokens, ""], looks, 3, equations, choices)
    attention = looks[3].weights.mean(axis=0)[:T]
    return Translation(source, tokens, "t0 <t1> t2", -0.5, attention, explanation=explanation)


# Steps


def test_a_step_has_the_numbers_of_its_head() -> None:
    explanation = make().explain()
    look = explanation.look()
    for head in (1, 2):
        part = slice((head - 1) * D, head * D)
        found = take_head(explanation, look, 2, head)
        expected = look.weights[head - 1, 2][:, None] * look.values[:, part]
        np.testing.assert_allclose(found.weighted, expected, rtol=1e-6)
        np.testing.assert_allclose(found.context, expected.sum(axis=0), atol=1e-5)
        np.testing.assert_array_equal(found.query, look.queries[2, (head - 1) * 3 : head * 3])
    for step, head, message in ((2, 3, "no head 3: layer 1 has 2"), (4, 1, "no step 5.*has 4")):
        with pytest.raises(SearchError, match=message):
            take_head(explanation, look, step, head)


def test_self_attention_is_labelled_by_what_it_sees() -> None:
    explanation = make().explain()
    assert label_positions(explanation, explanation.look("encoder"))[1][0] == "s0"
    rows, columns = label_positions(explanation, explanation.look("decoder"))
    assert rows == ["t0", "<t1>", "t2", "(end)"]
    assert columns == ["(begin)", "t0", "<t1>", "t2"]


def texts_of(svg: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_picture_of_a_step_says_scores_weights_and_tokens() -> None:
    explanation = make().explain()
    look = explanation.look()
    svg = draw_scene(stage_step(explanation, look, 1, 2))
    shown = texts_of(svg)
    assert "Step 2 of 4: writes <t1> (attention to the source, layer 1, head 2 of 2)" in shown
    assert {f"{score:.2f}" for score in look.scores[1, 1]} <= set(shown)
    assert {"s0", "s4", "e = Q Kᵀ / √D", "likeliest tokens", "0.90"} <= set(shown)
    boxes = {title.text for title in ElementTree.fromstring(svg).iter(f"{SVG}title")}
    assert {f"{weight:.4f}" for weight in look.weights[1, 1]} <= boxes
    strips = [
        box
        for box in ElementTree.fromstring(svg).iter(f"{SVG}rect")
        if "v" in box.get("class", "")[:1]
    ]
    assert len(strips) == (S + 1) * D
    root = ElementTree.fromstring(svg)
    for rect in root.iter(f"{SVG}rect"):
        assert float(rect.get("x", 0)) + float(rect.attrib["width"]) <= float(root.attrib["width"])


def test_a_step_is_drawn_as_a_figure() -> None:
    step = make().explain(2)
    shown = [text.get_text() for text in step.plot(head=2).axes[0].texts]
    assert any(text.startswith("Step 3 of 4: writes t2") for text in shown)
    assert {f"{score:.2f}" for score in step.scores[1]} <= set(shown)
    with pytest.raises(SearchError, match="no head 3"):
        step.plot(head=3)


def test_what_may_not_be_seen_has_no_score() -> None:
    explanation = make().explain()
    shown = texts_of(draw_scene(stage_step(explanation, explanation.look("decoder"), 0)))
    assert shown.count("not seen") == T
    lines = format_steps(explanation, explanation.look("decoder"), [0], [1])
    assert lines.count("not seen") == T


def test_lines_have_the_numbers() -> None:
    explanation = make().explain()
    look = explanation.look()
    lines = format_steps(explanation, look, [0, 3], [1, 2]).splitlines()
    titles = [line for line in lines if line.startswith("Step")]
    assert [title[:9] for title in titles] == ["Step 1 of", "Step 1 of", "Step 4 of", "Step 4 of"]
    rows = [line.split() for line in lines if re.match(r"  s\d", line)]
    assert len(rows) == 4 * S
    expected = [look.scores[head, step, j] for step in (0, 3) for head in (0, 1) for j in range(S)]
    np.testing.assert_allclose([float(row[2]) for row in rows], expected, atol=6e-4)
    keys = np.linalg.norm(look.keys[:, :3], axis=1)
    np.testing.assert_allclose([float(row[1]) for row in rows[:S]], keys, atol=6e-4)
    assert "Vaswani" in lines[-1]


def test_the_page_of_steps_has_all_numbers_and_asks_for_nothing() -> None:
    translation = make()
    page = draw_explained([translation, make(["<script>", "b"])], "A <title>", 2)
    parsed = Page(page)
    first, second = parsed.data
    assert first["step"] == 2 and second["source"] == "<script> b"
    for look, packed in zip(translation.explain().looks, first["looks"], strict=True):
        for head, numbers in enumerate(packed["heads"]):
            np.testing.assert_allclose(numbers["weights"], look.weights[head], rtol=1e-3, atol=1e-9)
            scores = np.array(numbers["scores"], np.float64)  # None becomes NaN
            assert (np.isnan(scores) == np.isinf(look.scores[head])).all()
            assert np.shape(numbers["context"]) == (look.context.shape[0], D)
    assert "default-src 'none'" in page and "url(" not in page
    assert set(re.findall(r"https?://[^\s\"'<>]+", page)) <= {"http://www.w3.org/2000/svg"}


def test_an_explanation_shows_itself_in_a_frame_with_a_table_beside() -> None:
    explanation = make().explain(1)
    piece = Page(explanation._repr_html_())
    frame = dict(piece.elements)["iframe"]
    assert frame["sandbox"] == "allow-scripts"  # no more: no origin, no network
    inner = Page(frame["srcdoc"] or "")
    assert inner.data[0]["step"] == 1
    assert f"{explanation.scores[0, 0]:.3f}" in piece.texts["td"]


# Views


def test_views_are_layers_and_heads() -> None:
    translation = make()
    cross = [look for look in translation.explain().looks if look.kind == "cross"]
    views = list_views(translation, "cross", "all", "all")
    assert len(views) == 4
    for place, view in enumerate(views):
        layer, head = divmod(place, 2)
        assert f"layer {layer + 1}, head {head + 1}" in view.title
        np.testing.assert_array_equal(view.translation.attention, cross[layer].weights[head, :T])
    [mean] = list_views(translation, layer=2)
    np.testing.assert_allclose(
        mean.translation.attention, cross[1].weights.mean(axis=0)[:T], rtol=1e-6
    )
    [usual] = list_views(translation)
    np.testing.assert_array_equal(usual.translation.attention, translation.attention)
    for wrong in ({"layer": 3}, {"head": 3}):
        with pytest.raises(SearchError, match=r"there is no (layer|head) 3"):
            list_views(translation, **wrong)


def test_views_of_self_attention_have_their_own_rows_and_columns() -> None:
    translation = make()
    [around] = list_views(translation, "encoder", 1, 1)
    assert around.translation.tokens == around.translation.source_tokens
    [back] = list_views(translation, "decoder", 1, 1)
    assert back.translation.source_tokens == ["(begin)", "t0", "<t1>"]
    assert np.shape(back.translation.attention) == (T, T)
    assert "s0" in texts_of(draw_svg(around.translation))


def test_a_grid_has_every_cell_of_every_view() -> None:
    views = list_views(make(), "cross", "all", "all")
    svg = draw_scene(stage_grid(views, 2))
    boxes = [
        box
        for box in ElementTree.fromstring(svg).iter(f"{SVG}rect")
        if box.find(f"{SVG}title") is not None
    ]
    assert len(boxes) == 4 * T * S
    weights = np.concatenate([np.ravel(view.translation.attention) for view in views])
    assert [box.attrib["class"] for box in boxes] == [
        f"w{level_of(one)}" for one in weights.tolist()
    ]
    assert len({(box.attrib["x"], box.attrib["y"]) for box in boxes}) == len(boxes)


# For print


def list_fonts(pdf: bytes) -> list[TTFont]:
    """Return the TrueType fonts that are in a PDF."""
    streams = re.findall(rb"/Length1 \d+[^>]*>>\s*stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    return [TTFont(io.BytesIO(zlib.decompress(stream))) for stream in streams]


@pytest.mark.long
def test_a_pdf_has_its_fonts_as_truetype() -> None:
    translation = make([*"שלום", "ab"])
    figure = draw_figure(translation)
    pdf = figure_to_pdf(figure)
    assert pdf.startswith(b"%PDF") and b"/Type3" not in pdf
    assert b"/CIDFontType2" in pdf
    fonts = list_fonts(pdf)
    assert len(fonts) >= 2 and all(len(font["glyf"].keys()) > 1 for font in fonts)
    assert pdf == figure_to_pdf(figure)


def test_a_font_is_taken_as_far_as_it_goes() -> None:
    figure = draw_figure(make(), font="DejaVu Serif")
    families = {tuple(text.get_fontfamily()) for text in figure.axes[0].texts}
    assert all(family[0] == "DejaVu Serif" and len(family) > 1 for family in families)
    with pytest.raises(
        ConfigError, match="no font is called 'DejaVu Serf', did you mean DejaVu Serif"
    ):
        draw_figure(make(), font="DejaVu Serf")
    svg = draw_svg(make(), font="Times New Roman", light=True)
    assert ElementTree.fromstring(svg).attrib["font-family"].startswith("'Times New Roman',")
    quoted = draw_svg(make(), font="a'\"<b>")
    assert ElementTree.fromstring(quoted).attrib["font-family"].startswith("'ab',")


def test_a_light_picture_has_nothing_of_the_dark_one() -> None:
    scene = stage_step(make().explain(), make().explain().look(), 0)
    for dark, light in (
        (draw_svg(make()), draw_svg(make(), light=True)),
        (draw_scene(scene), draw_scene(scene, light=True)),
    ):
        assert DARK.paper in dark and DARK.paper not in light
        assert "prefers-color-scheme" in dark and "<style>" not in light


def test_a_scene_is_alike_as_svg_and_as_a_figure() -> None:
    scene = Scene(200, 100, "a", [Box(10, 20, 30, 40, "w5"), Words(50, 60, "$x<", size=9)])
    root = ElementTree.fromstring(draw_scene(scene))
    box = [rect.attrib for rect in root.iter(f"{SVG}rect")][1]
    assert (box["x"], box["fill"]) == ("10.00", color_of("w5", LIGHT))
    figure = build_scene(scene)
    [axes] = figure.axes
    [text] = axes.texts
    assert (text.get_text(), text.get_position()) == ("$x<", (50, 60))
    paths = axes.collections[0].get_paths()
    assert paths[0].get_extents().bounds == (10, 20, 30, 40)
    assert (figure.get_figwidth(), figure.get_figheight()) == (200 / 96, 100 / 96)


def test_a_missing_glyph_is_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"no font that matplotlib knows has .*\(U\+0378\)"):
        make(["\u0378"] * S).plot()


# Files and the command


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_scenes_are_written_by_suffix(tmp_path: Path, suffix: str) -> None:
    scene = Scene(99, 50, "", [Box(1, 2, 3, 4, "bar"), Words(9, 9, "a")])
    write_scene(scene, tmp_path / f"step{suffix}", Style(True, "DejaVu Serif"))
    write_picture(make(), tmp_path / f"map{suffix}", "T", Style(True))
    for path in tmp_path.iterdir():
        begin = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF"}[suffix]
        assert path.read_bytes().startswith(begin)
    with pytest.raises(ConfigError, match=r"\.gif"):
        write_scene(scene, tmp_path / "x.gif")


def run(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    status = main(["attend", *map(str, argv), "--threads", "1"])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def test_the_command_shows_steps(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, _ = run(capsys, GOLDEN, "abc", "--steps")
    assert status == 0 and [line[:6] for line in out.splitlines()].count("Step 4") == 1
    _, only, _ = run(capsys, GOLDEN, "abc", "--step", 2)
    assert only.splitlines()[0] in out and only.count("Step ") == 1
    page = tmp_path / "steps.html"
    status, _, err = run(capsys, GOLDEN, "abc", "cab", "--step", 2, "--out", page)
    assert status == 0 and "drawn to" in err
    assert [one["step"] for one in Page(page.read_text("utf-8")).data] == [1, 1]
    values = tmp_path / "steps.json"
    assert run(capsys, GOLDEN, "abc", "--steps", "--out", values)[0] == 0
    explanation = json.loads(values.read_text("utf-8"))["explanation"]
    assert np.shape(explanation["looks"][0]["scores"]) == (1, 4, 3)
    assert run(capsys, GOLDEN, "abc", "--step", 1, "--out", tmp_path / "step.pdf")[0] == 0


def test_the_command_shows_layers_and_heads(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, out, _ = run(capsys, GOLDEN, "abc", "--layer", "all", "--head", "all")
    assert status == 0 and out.startswith("attention to the source, layer 1\n")
    for name in ("a.svg", "a.html", "a.json"):
        assert run(capsys, GOLDEN, "abc", "--head", 1, "--out", tmp_path / name)[0] == 0
    [view] = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert view["title"] == "attention to the source, layer 1"


def test_the_command_shows_several_texts_on_a_page(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words, page = tmp_path / "words.txt", tmp_path / "look.html"
    words.write_text("cab\n\nbca\n")
    status, _, _ = run(capsys, GOLDEN, "abc", "--file", words, "--out", page)
    parsed = Page(page.read_text("utf-8"))
    assert status == 0 and len(parsed.data) == 3
    links = [one["href"] for tag, one in parsed.elements if tag == "a"]
    sections = [one["id"] for tag, one in parsed.elements if tag == "section"]
    assert links == [f"#{name}" for name in sections] == ["#s0", "#s1", "#s2"]
    _, out, _ = run(capsys, GOLDEN, "abc", "cab")
    assert out.count("log-probability") == 2


def test_a_long_list_can_be_searched_and_one_text_has_none() -> None:
    assert "<nav" not in draw_html([make()], "T", browse=True)
    assert "<nav" not in draw_html([make()] * 3, "T")
    assert 'type="search"' in draw_html([make()] * 11, "T", browse=True)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ((), "TEXT is missing"),
        (("--file", os.devnull), "it has no line with a text"),
        (("abc", " "), "TEXT is empty"),
        (("abc", "cab", "--target", "x"), "--target is for one TEXT, not 2"),
        (("abc", "--layer", "0"), "--layer: must be a number from 1 or all, not '0'"),
        (("abc", "--layer", "2"), "no layer 2 of cross attention"),
        (("abc", "--head", "2"), "no head 2"),
        (("abc", "--kind", "encoder"), "only a Transformer has"),
        (("abc", "--step", "0"), "--step: must be at least 1"),
        (("abc", "--step", "9"), "there is no step 9: this output has 4"),
        (("abc", "--steps", "--out", "x.svg"), "add --step N"),
        (("abc", "cab", "--out", "x.pdf"), "shows one translation, not 2"),
        (("abc", "cab", "--head", "1", "--out", "x.pdf"), "shows one TEXT"),
        (("abc", "--out", "x.pdf", "--font", "No Such"), "no font is called 'No Such'"),
    ],
)
def test_what_the_command_cannot_show_is_said(
    argv: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, GOLDEN, *argv)
    assert status == 2 and message in err
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_a_browser_moves_through_steps_layers_heads_and_texts(tmp_path: Path) -> None:
    """One browser for both pages; axe has nothing to complain of, in light and in dark."""
    steps, maps = tmp_path / "steps.html", tmp_path / "maps.html"
    texts = [make(), make(list("abcde"))]
    steps.write_text(draw_explained(texts, "Steps"), encoding="utf-8")
    maps.write_text(draw_html(texts, "Maps", browse=True), encoding="utf-8")
    with open_browser() as browser:
        page = browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(steps.as_uri())
        step, score = page.locator("#step"), page.locator("#numbers .score .value").first
        expect(step).to_have_text("Step 1 of 4: writes t0")
        look = texts[0].explain().look()
        expect(score).to_have_text(f"{look.scores[0, 0, 0]:.2f}")
        page.keyboard.press("ArrowRight")
        expect(step).to_have_text("Step 2 of 4: writes <t1>")
        page.keyboard.press("h")
        expect(score).to_have_text(f"{look.scores[1, 1, 0]:.2f}")
        page.locator("#map tbody tr").nth(3).click()
        expect(step).to_have_text("Step 4 of 4: writes (end)")
        page.locator("#look").select_option(label="self-attention of the encoder, layer 2")
        expect(step).to_have_text("Step 4 of 5: reads s3")
        page.keyboard.press("n")
        expect(page.locator("#source")).to_have_text("abcde")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert Axe().run(page).violations_count == 0
        maps.with_name("notebook.html").write_text(
            make().explain(2)._repr_html_(), encoding="utf-8"
        )
        page.goto(maps.with_name("notebook.html").as_uri())
        framed = page.frame_locator("iframe").locator("#step")
        expect(framed).to_have_text("Step 3 of 4: writes t2")
        page.goto(maps.as_uri())
        expect(page.locator("section:visible")).to_have_count(1)
        page.keyboard.press("n")
        expect(page.locator("section:visible .source-text")).to_have_text("abcde")
    assert not problems
