"""Insight: alignments against naive loops, pictures read back by parsers that are not ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.errors import ConfigError, ModelMismatchError
from foveate.insight import labels
from foveate.insight.alignment import (
    format_pharaoh,
    hard_alignment,
    merge_to_words,
    word_groups,
)
from foveate.insight.curves import draw_length_curve
from foveate.insight.html import draw_html
from foveate.insight.labels import (
    is_right_to_left,
    join_shown,
    shorten,
    show_token,
    show_tokens,
    split_clusters,
    width_in_em,
    word_spans,
)
from foveate.insight.palette import DARK, LIGHT, NUM_LEVELS, Theme, ink_on, level_of, ramp
from foveate.insight.plots import draw_figure, draw_svg, write_picture
from foveate.insight.svg import clean
from foveate.insight.terminal import cell_width, draw_terminal
from foveate.records import Translation

SVG = "{http://www.w3.org/2000/svg}"
HARD_TOKENS = [
    *("❤️", "👩‍👩‍👧", "🇮🇱", " ", "\u0301", "\u200d", "<b>&\"'", "\u202eabc", "\x00", "\ud800", ""),
    *("$x$", "_", "a b", "\t", "\n", "﷽", "<0x41>", "e\u0301", "]]>", "\ufffe", "▁", "▁dog", "\\"),
    *(
        "ירושלים",
        "المدرسة",
        "हिन्दी",
        "我喜欢",
        "Donaudampfschifffahrtskapitän",
        "</script>",
        "\x1b[31m",
    ),
]
hard_tokens = st.lists(st.sampled_from(HARD_TOKENS) | st.text(max_size=8), min_size=1, max_size=7)


def make(source: list[str], target: list[str], seed: int = 3) -> Translation:
    generator = np.random.default_rng(seed)
    shape = (len(target), len(source))
    weights = generator.dirichlet(np.full(shape[1], 0.3), shape[0]).astype(np.float32)
    return Translation(source, target, join_shown(target), -1.5, weights)


def numbered(S: int, T: int) -> Translation:
    return make([f"s{j}" for j in range(S)], [f"t{i}" for i in range(T)])


TRADITIONAL = Translation(["a", "b"], ["c"], "c", -0.5, None)
EMPTY = Translation([], [], "", 0.0, None)


# Alignments


@given(st.integers(1, 7), st.integers(1, 5), st.integers(0, 999), st.floats(0.01, 1))
def test_alignments_are_those_of_naive_loops(S: int, T: int, seed: int, threshold: float) -> None:
    weights = np.random.default_rng(seed).random((T, S))
    best_source = [max(range(S), key=lambda i: weights[j, i]) for j in range(T)]
    best_target = [max(range(T), key=lambda j: weights[j, i]) for i in range(S)]
    cells = [(i, j) for i in range(S) for j in range(T)]
    argmax = [(i, j) for i, j in cells if best_source[j] == i]
    assert hard_alignment(weights) == argmax
    assert hard_alignment(weights, "mutual") == [(i, j) for i, j in argmax if best_target[i] == j]
    above = [(i, j) for i, j in cells if weights[j, i] >= threshold]
    assert hard_alignment(weights, threshold) == above


def test_alignment_of_nothing_is_empty() -> None:
    assert hard_alignment(np.zeros((0, 3))) == hard_alignment(np.zeros((2, 0)), "mutual") == []


def test_equal_weights_go_to_the_first_source() -> None:
    assert hard_alignment([[0.5, 0.5]]) == [(0, 0)]


def test_unknown_method_says_which_are_known() -> None:
    with pytest.raises(ConfigError, match="did you mean mutual"):
        hard_alignment([[1.0]], "mutal")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="above 0"):
        hard_alignment([[1.0]], 0.0)
    with pytest.raises(ConfigError, match="did you mean unigram"):
        word_groups(["a"], "unigrams")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"\[T, S\]"):
        hard_alignment([0.5, 0.5])


@given(st.text("ab .", max_size=20))
def test_characters_and_bytes_fall_into_the_words_of_split(text: str) -> None:
    groups = word_groups(list(text), "characters")
    words: dict[int, str] = {}
    for character, group in zip(text, groups, strict=True):
        words[group] = words.get(group, "") + character
    words.pop(-1, None)
    assert list(words) == list(range(len(words)))
    assert list(words.values()) == text.split()
    assert word_groups([f"<0x{ord(c):02X}>" for c in text], "bytes") == groups


@given(st.text("ab ", max_size=20))
def test_pieces_fall_into_the_words_of_split(text: str) -> None:
    marked = "▁" + text.replace(" ", "▁")
    pieces = re.findall("▁[^▁]?|[^▁]", marked)  # a mark only ever begins a piece
    assert "".join(pieces) == marked
    words: dict[int, str] = {}
    for piece, group in zip(pieces, word_groups(pieces, "bpe"), strict=True):
        words[group] = words.get(group, "") + piece.replace("▁", "")
    words.pop(-1, None)
    assert list(words.values()) == text.split()


def test_a_mark_that_is_a_piece_of_its_own_begins_the_next_word() -> None:
    assert word_groups(["▁", "東京", "▁", "▁x", "▁"], "unigram") == [0, 0, -1, 1, -1]
    assert word_groups(["x", "y"], "whitespace") == [0, 1]


def test_links_of_pieces_become_links_of_words() -> None:
    source, target = ["▁play", "ing", "▁chess"], list("a b")
    links = hard_alignment([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    merged = merge_to_words(links, word_groups(source, "bpe"), word_groups(target, "characters"))
    assert format_pharaoh(merged) == "0-0 1-1"


# Labels


def test_tokens_are_shown_as_what_they_are() -> None:
    shown = [show_token(token) for token in (" ", "\t", "", "\u0301", "<0x20>", "<0xD7>", "▁")]
    assert shown == ["␣", "⇥", "∅", "◌\u0301", "␣", "D7", "␣"]
    assert show_token("\u200d") == "U+200D"
    assert show_token("क\u200dष") == "क\u200dष"
    assert show_token("a\u202eb\ud800") == "aU+202EbU+D800"


def test_parts_of_hangul_are_shown_as_letters_and_headings_as_syllables() -> None:
    parts = list(unicodedata.normalize("NFD", "닭왕"))
    assert [show_token(part) for part in parts] == list("ㄷㅏㄺㅇㅘㅇ")
    assert join_shown(parts) == "닭왕"
    page = (Path(labels.__file__).parents[1] / "page" / "js" / "text.js").read_text(
        encoding="utf-8"
    )
    found = re.findall(r"\[(0x11[0-9a-f]{2}), \"(\w+)\"\]", page)
    theirs = {chr(int(begin, 16) + n): one for begin, row in found for n, one in enumerate(row)}
    assert len(theirs) == 19 + 21 + 27
    assert {part: show_token(part) for part in theirs} == theirs


@given(st.text(max_size=6))
def test_labels_have_no_character_that_xml_or_a_terminal_would_obey(token: str) -> None:
    label = show_token(token)
    assert label
    assert (
        ElementTree.fromstring(f"<a>{label.translate({38: '+', 60: '+', 62: '+'})}</a>") is not None
    )
    hidden = [c for c in label if unicodedata.category(c) in {"Cc", "Cs", "Cf", "Zl", "Zp", "Zs"}]
    assert set(hidden) <= {"\u200c", "\u200d"}


def test_pieces_lose_their_mark_and_show_their_word() -> None:
    pieces = ["▁play", "ing", ".", "▁do", "n", "'", "t", "!", "▁"]
    assert show_tokens(pieces) == ["play", "ing", ".", "do", "n", "'", "t", "!", "␣"]
    assert show_tokens(pieces, hyphens=True)[1:4] == ["-ing", ".", "do"]
    assert word_spans(pieces) == [(0, 1), (3, 6)]
    assert show_tokens(["▁", "a"]) == ["␣", "a"]


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["▁a", "▁do", "g"], "a dog"),
        (list("a b"), "a b"),
        (["F", "OW1"], "F OW1"),
        ([f"<0x{byte:02X}>" for byte in "é!".encode()], "é!"),
        ([], ""),
    ],
)
def test_tokens_join_into_a_heading(tokens: list[str], text: str) -> None:
    assert join_shown(tokens) == text


@given(st.text(max_size=30))
def test_clusters_are_a_partition(text: str) -> None:
    assert "".join(split_clusters(text)) == text


def test_clusters_keep_together_what_a_reader_takes_for_one() -> None:
    text = ["e\u0301", "👩‍👩‍👧", "🇮🇱", "🇩🇪", "👍🏽", "हि", "漢"]
    assert split_clusters("".join(text)) == text


def test_long_labels_are_cut_between_clusters() -> None:
    assert shorten("Donaudampfschifffahrtskapitäne", 22.0) == "Donaudampfschifffahrtskapitäne"
    cut = shorten("e\u0301" * 100, 10.0)
    assert cut.endswith("e\u0301…")
    assert 8.0 < width_in_em(cut) <= 10.0


def test_scripts_written_right_to_left_are_known() -> None:
    assert is_right_to_left(["ירושלים", "!"]) and is_right_to_left(["المدرسة"])
    assert not is_right_to_left(["abc", "ש"]) and not is_right_to_left(["123"])


# Colours


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_ramp_is_monotone_in_lightness_and_numbers_on_it_are_legible(theme: Theme) -> None:
    def luminance(color: str) -> float:
        channels = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return float(linear @ [0.2126, 0.7152, 0.0722])

    def contrast(one: str, other: str) -> float:
        light, dark = sorted([luminance(one), luminance(other)], reverse=True)
        return (light + 0.05) / (dark + 0.05)

    colors = ramp(theme)
    steps = np.diff([luminance(color) for color in colors])
    assert len(colors) == NUM_LEVELS
    assert (steps < 0).all() if theme is LIGHT else (steps > 0).all()
    assert min(contrast(color, ink_on(color)) for color in colors) >= 4.5
    words = [contrast(theme.paper, theme.ink), contrast(theme.paper, theme.muted)]
    assert min(words) >= 4.5
    assert min(contrast(theme.paper, color) for color in theme.series) >= 4.5


def test_levels_rise_from_zero_to_one() -> None:
    levels = [level_of(k / 500) for k in range(501)]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0, NUM_LEVELS - 1) == (level_of(-1.0), level_of(2.0))


# SVG


def cells_of(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [rect for rect in root.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]


def test_svg_has_rows_for_target_and_columns_for_source() -> None:
    translation = numbered(S=5, T=3)
    assert translation.attention is not None
    cells = cells_of(ElementTree.fromstring(draw_svg(translation)))
    places = [(float(cell.attrib["y"]), float(cell.attrib["x"])) for cell in cells]
    ys, xs = sorted({y for y, _ in places}), sorted({x for _, x in places})
    assert (len(ys), len(xs)) == (3, 5)
    for cell, (y, x) in zip(cells, places, strict=True):
        i, j = ys.index(y), xs.index(x)
        title = cell.find(f"{SVG}title")
        assert title is not None
        assert title.text == f"t{i} ← s{j}  {translation.attention[i, j]:.3f}"
        level = level_of(float(translation.attention[i, j]))
        assert cell.attrib["class"] == f"w{level}"
        assert cell.attrib["fill"] == ramp(LIGHT)[level]


def test_svg_labels_stand_at_their_rows_and_columns() -> None:
    root = ElementTree.fromstring(draw_svg(numbered(S=5, T=3)))
    left, top, cell = map(float, root.attrib["data-grid"].split())
    for kind, axis, start, letter in (("column", "x", left, "s"), ("row", "y", top, "t")):
        labels = [text for text in root.iter(f"{SVG}text") if kind in text.attrib["class"].split()]
        for k, label in enumerate(labels):
            assert label.text == f"{letter}{k}"
            assert start + k * cell < float(label.attrib[axis]) < start + (k + 1) * cell


@settings(max_examples=40)
@given(hard_tokens, hard_tokens, st.text(max_size=9))
def test_svg_is_well_formed_whatever_the_tokens(
    source: list[str], target: list[str], title: str
) -> None:
    root = ElementTree.fromstring(draw_svg(make(source, target), title).encode())
    assert len(cells_of(root)) == len(source) * len(target)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for rect in root.iter(f"{SVG}rect"):
        right = float(rect.get("x", "0")) + float(rect.attrib["width"])
        bottom = float(rect.get("y", "0")) + float(rect.attrib["height"])
        assert right <= width and bottom <= height


def test_svg_describes_itself_and_asks_for_nothing_outside() -> None:
    svg = draw_svg(
        Translation(["dog"], ["Hund"], "Hund", -0.1, np.ones((1, 1), np.float32)), "A <b>"
    )
    root = ElementTree.fromstring(svg)
    assert "Hund looked most at dog (1.00)" in root.attrib["aria-label"]
    assert "A <b>" in [text.text for text in root.iter(f"{SVG}text")]
    assert "prefers-color-scheme:dark" in svg
    assert not re.search(r"href|url\(|<script|@import", svg)


def test_long_words_and_long_sentences_fit() -> None:
    word = "Donaudampfschifffahrtskapitäne"
    for translation in (make([word] * 3, [word] * 2), numbered(S=40, T=41), numbered(S=97, T=3)):
        root = ElementTree.fromstring(draw_svg(translation))
        assert len(cells_of(root)) == len(translation.source_tokens) * len(translation.tokens)
        if word in translation.tokens:
            shown = [text.text for text in root.iter(f"{SVG}text") if text.text == word]
            assert len(shown) == 5


def test_a_source_written_right_to_left_keeps_reading_order_and_says_so() -> None:
    texts = [
        text.text
        for text in ElementTree.fromstring(draw_svg(make(list("שלום"), ["a"]))).iter(f"{SVG}text")
    ]
    assert [text for text in texts if text in set("שלום")] == list("שלום")
    assert any("right to left" in (text or "") for text in texts)


def test_words_of_several_pieces_are_joined_by_a_line() -> None:
    root = ElementTree.fromstring(draw_svg(make(["▁play", "ing", "▁a"], ["x"])))
    left, _, cell = map(float, root.attrib["data-grid"].split())
    (line,) = root.iter(f"{SVG}line")
    assert (
        left < float(line.attrib["x1"]) < left + cell < float(line.attrib["x2"]) < left + 2 * cell
    )


def test_weights_that_are_not_numbers_are_drawn_as_zero() -> None:
    weights = np.array([[np.nan, 0.5], [np.inf, -1.0]], np.float32)
    root = ElementTree.fromstring(
        draw_svg(Translation(["a", "b"], ["c", "d"], "c d", -1.0, weights))
    )
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert titles == ["c ← a  0.000", "c ← b  0.500", "d ← a  1.000", "d ← b  0.000"]


@pytest.mark.parametrize("draw", [draw_svg, draw_figure, draw_terminal])
def test_without_attention_there_is_a_clear_message(draw: Callable[[Translation], object]) -> None:
    with pytest.raises(ModelMismatchError, match="--architecture attention"):
        draw(TRADITIONAL)
    with pytest.raises(ValueError, match=r"\(3, 5\)"):
        draw(replace(numbered(S=5, T=3), attention=np.ones((5, 3), np.float32)))


def test_an_empty_translation_is_drawn_as_nothing() -> None:
    assert "Nothing to show" in "".join(ElementTree.fromstring(draw_svg(EMPTY, "T")).itertext())
    assert "Nothing to show" in draw_terminal(EMPTY)
    assert draw_figure(EMPTY).get_figwidth() > 1


# Figures


def test_figure_has_the_weights_and_the_labels() -> None:
    translation = numbered(S=5, T=3)
    assert translation.attention is not None
    axes = translation.plot().axes[0]
    (mesh,) = axes.collections
    levels = np.asarray(mesh.get_array()).reshape(3, 5)
    expected = [[level_of(float(weight)) for weight in row] for row in translation.attention]
    assert levels.tolist() == expected
    assert axes.get_ylim() == (3, 0)  # the first target is on top
    places = {text.get_text(): text.get_position() for text in axes.texts}
    assert [places[f"s{j}"][0] for j in range(5)] == [j + 0.5 for j in range(5)]
    assert [places[f"t{i}"][1] for i in range(3)] == [i + 0.5 for i in range(3)]


def test_figure_draws_any_token_without_a_warning_or_mathematics() -> None:
    # Warnings are errors in this test run: a glyph that matplotlib misses or a lonely $ would fail.
    with pytest.warns(UserWarning, match="no font that matplotlib knows has"):
        figure = draw_figure(make(HARD_TOKENS, ["$\\frac{$", "\U00013000\u0378"]), "$title")
    figure.savefig(BytesIO(), format="png")
    assert "$\\frac{$" in [text.get_text() for text in figure.axes[0].texts]


def test_insight_loads_matplotlib_late_and_leaves_pyplot_alone() -> None:
    code = (
        "import sys, numpy, foveate.insight.plots, foveate.insight.curves;"
        "from foveate.records import Translation;"
        "print({'matplotlib', 'rich', 'torch', 'pandas'} & set(sys.modules));"
        "Translation(['a'], ['b'], 'b', 0.0, numpy.ones((1, 1))).plot();"
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["set()", "True False"]


# Terminal


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_terminal_shades_follow_the_weights() -> None:
    weights = np.array([[0.04, 0.96, 0.0], [0.3, 0.1, 0.6]], np.float32)
    drawn = draw_terminal(Translation(list("abc"), ["X", "YY"], "X YY", -1.0, weights), color=False)
    assert drawn.splitlines()[:3] == [
        "   a b c",
        " X · ██·   0.96 b",
        "YY ▒▒░░▓▓  0.60 c",
    ]


def test_colour_changes_no_character() -> None:
    translation = make(["the", "quick", "fox", "jumps"], ["le", "renard"])
    colored, bare = (draw_terminal(translation, color=color) for color in (True, False))
    assert "\x1b" in colored and "\x1b" not in bare
    assert [line.rstrip() for line in plain(colored).splitlines()] == bare.splitlines()


@settings(max_examples=40)
@given(hard_tokens, hard_tokens, st.integers(24, 120))
def test_terminal_lines_are_never_wider_than_asked(
    source: list[str], target: list[str], width: int
) -> None:
    drawn = plain(draw_terminal(make(source, target), width=width))
    assert max(cell_width(line) for line in drawn.splitlines()) <= width


@pytest.mark.parametrize("width", [24, 50, 100])
def test_every_column_is_drawn_once_in_panels(width: int) -> None:
    translation = numbered(S=43, T=2)
    drawn = draw_terminal(translation, color=False, width=width)
    rows = [line for line in drawn.splitlines() if re.match(r"t0 ", line)]
    blocks = "".join(re.sub(r"  0\.\d\d s\d+$", "", row)[3:] for row in rows)
    assert translation.attention is not None
    assert blocks.count("·") == int((translation.attention[0] < 0.05).sum())


def test_terminal_columns_of_wide_letters_stand_over_their_cells() -> None:
    drawn = draw_terminal(make(list("我e喜"), ["x"]), color=False).splitlines()
    assert drawn[0] == "  我 e  喜"
    assert cell_width(drawn[0][: drawn[0].index("喜")]) == 2 + 3 + 3


def test_terminal_protects_columns_from_reordering() -> None:
    head = draw_terminal(make(list("של"), ["x"]), color=False).splitlines()[0]
    assert head.strip().split(" ") == ["\u200eש\u200e", "\u200eל\u200e"]


# HTML


class Page(HTMLParser):
    """Collect what a browser would see: elements, text by element, scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    @property
    def data(self) -> list[dict[str, Any]]:
        parsed: list[dict[str, Any]] = json.loads(self.texts["script"][0])
        return parsed


def test_page_holds_every_translation_and_its_weights() -> None:
    translations = [numbered(S=5, T=3), TRADITIONAL, EMPTY, numbered(S=2, T=7)]
    page = Page(draw_html(translations, "Where it looked"))
    assert page.open == []
    maps = [attributes["data-map"] for _, attributes in page.elements if "data-map" in attributes]
    assert maps == ["0", "3"]
    for number in (0, 3):
        assert page.data[number]["source"] == translations[number].source_tokens
        assert page.data[number]["target"] == translations[number].tokens
        attention = translations[number].attention
        assert attention is not None
        np.testing.assert_allclose(page.data[number]["weights"], attention, atol=1e-4)
    assert page.texts["p"].count("No attention weights: there is nothing to look at.") == 2
    assert page.texts["title"] == page.texts["h1"] == ["Where it looked"]


def test_page_asks_for_nothing_outside() -> None:
    page = draw_html([numbered(S=5, T=3)], "T")
    urls = {
        value
        for _, attributes in Page(page).elements
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "action", "data"}
    }
    assert urls == {"data:,"}
    assert "url(" not in page and "@import" not in page and "default-src 'none'" in page
    assert set(re.findall(r"https?://[^\s\"'<>]+", page)) == {"http://www.w3.org/2000/svg"}


@settings(max_examples=40)
@given(hard_tokens, hard_tokens, st.text(max_size=12) | st.just("</title><script>x</script>"))
def test_page_escapes_everything_that_users_give(
    source: list[str], target: list[str], text: str
) -> None:
    usual = Page(draw_html([make(["a"] * len(source), ["b"] * len(target))], "T"))
    translation = replace(make(source, target), text=text)
    page = Page(draw_html([translation], text))
    assert page.open == []
    assert len(page.texts["script"]) == 2
    count = sum(tag == "script" for tag, _ in page.elements)
    assert count == sum(tag == "script" for tag, _ in usual.elements) == 2
    assert page.data[0]["target"] == show_tokens(target, hyphens=True)
    assert page.texts.get("title", [""]) == [clean(text)] or not clean(text)


def test_page_has_a_readout_and_a_map_for_the_keyboard() -> None:
    page = Page(draw_html([numbered(S=5, T=3)], "T"))
    attributes = {tag: values for tag, values in page.elements if tag in {"footer", "div"}}
    assert attributes["footer"]["aria-live"] == "polite"
    assert attributes["div"]["tabindex"] == "0"
    assert attributes["div"]["aria-describedby"] == attributes["footer"]["id"]
    for key in ("ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"):
        assert key in page.texts["script"][1]


def test_page_lists_alternatives_with_their_scores() -> None:
    translation = numbered(S=2, T=3)
    other = replace(translation, text="<i>", score=-9.0)
    translation = replace(translation, alternatives=[other])
    page = Page(draw_html([translation], "T"))
    assert [text for text in page.texts["td"] if text.strip()] == [
        *("1", translation.text, "-1.50", "22.3%"),
        *("2", "<i>", "-9.00", "< 0.1%"),
    ]


# Files


@pytest.mark.parametrize("suffix", [".svg", ".png", ".html", ".json", ".SVG"])
def test_pictures_are_written_by_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    write_picture(numbered(S=5, T=3), path, "A title")
    content = path.read_bytes()
    starts = {".svg": b"<svg", ".png": b"\x89PNG", ".html": b"<!DOCTYPE html>", ".json": b"{"}
    assert content.startswith(starts[suffix.lower()])
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_numbers_survive_the_way_through_json(tmp_path: Path) -> None:
    translation = replace(make(["\ud800", "é"], ["x"]), score=float("-inf"))
    write_picture([translation, TRADITIONAL], tmp_path / "t.json")
    first, second = json.loads((tmp_path / "t.json").read_text("utf-8"))
    assert translation.attention is not None
    assert first == {**translation.to_dict(), "score": None}
    assert second["attention"] is None


def test_what_cannot_be_written_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    translation = numbered(S=5, T=3)
    with pytest.raises(ConfigError, match=r"\.gif.*\.svg, \.png, \.pdf, \.html or \.json"):
        write_picture(translation, tmp_path / "a.gif")
    with pytest.raises(ConfigError, match="no suffix"):
        write_picture(translation, tmp_path / "a")
    with pytest.raises(ConfigError, match="one translation, not 2"):
        write_picture([translation, translation], tmp_path / "a.svg")
    with pytest.raises(ConfigError, match="cannot write"):
        write_picture(translation, tmp_path / "missing" / "a.svg")
    with pytest.raises(ModelMismatchError):
        write_picture(TRADITIONAL, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


# Curves


def test_curve_puts_values_where_its_axis_says() -> None:
    points = [("1-5", 0.0), ("6-10", 20.0), ("11+", 10.0)]
    root = ElementTree.fromstring(draw_length_curve({"attention": points}, "BLEU", "Title"))
    circles = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in root.iter(f"{SVG}circle")]
    texts = {text.text: text.attrib for text in root.iter(f"{SVG}text")}
    assert [x for x, _ in circles] == [float(texts[label]["x"]) for label, _ in points]
    heights = [float(texts[tick]["y"]) - 4 for tick in ("0", "20", "10")]
    np.testing.assert_allclose([y for _, y in circles], heights, atol=0.11)
    assert float(texts["attention"]["x"]) > max(x for x, _ in circles)
    assert {"BLEU", "Title", "source length"} <= set(texts)


def test_names_at_the_ends_do_not_touch() -> None:
    series = {f"model {k}": [("1", 0.5 + k / 1000), ("2", 0.6)] for k in range(7)}
    root = ElementTree.fromstring(draw_length_curve(series, "exact match", ""))
    ys = sorted(float(t.attrib["y"]) for t in root.iter(f"{SVG}text") if t.text in series)
    assert len(ys) == 7
    assert min(np.diff(ys)) > 13


def test_lines_that_lie_on_each_other_are_seen_and_named_above_the_axis() -> None:
    series = {name: [("1", 5.0), ("2", 0.0)] for name in ("first", "second", "third")}
    root = ElementTree.fromstring(draw_length_curve(series, "exact match", ""))
    radii = [float(circle.attrib["r"]) for circle in root.iter(f"{SVG}circle")]
    assert radii[0] > radii[2] > radii[4] > 3  # what is drawn later leaves a ring of the earlier
    heights = {text.text: float(text.attrib["y"]) for text in root.iter(f"{SVG}text")}
    assert max(heights[name] for name in series) < heights["2"] - 10


def test_a_value_that_is_missing_leaves_a_gap() -> None:
    values = [1.0, 2.0, float("nan"), 3.0]
    series = {"a": [(str(k), value) for k, value in enumerate(values)]}
    root = ElementTree.fromstring(draw_length_curve(series, "y", "t"))
    (path,) = root.iter(f"{SVG}path")
    assert (path.attrib["d"].count("M"), path.attrib["d"].count("L")) == (2, 1)
    assert len(list(root.iter(f"{SVG}circle"))) == 3


names = st.text(max_size=6)
values = st.floats(-1e3, 1e3) | st.just(float("nan"))


@settings(max_examples=50)
@given(st.dictionaries(names, st.lists(st.tuples(names, values), max_size=4), max_size=4), names)
def test_curve_is_well_formed_and_inside_its_paper(
    series: dict[str, list[tuple[str, float]]], title: str
) -> None:
    root = ElementTree.fromstring(draw_length_curve(series, title, title).encode())
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for circle in root.iter(f"{SVG}circle"):
        assert 0 < float(circle.attrib["cx"]) < width
        assert 40 < float(circle.attrib["cy"]) <= height - 50
