"""Make tokens visible: blanks, controls, combining marks, subword pieces; and measure them.

A picture shows what a token is, not what a terminal or browser would make of it: a blank is
`␣`, a combining mark sits on a dotted circle, a direction override is its code point.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveate.errors import ModelMismatchError
from foveate.insight.alignment import WORD_MARK, word_groups
from foveate.records import Translation

LONGEST_LABEL = 22.0  # em, in every drawing: a word of thirty characters is whole
SLANT = 0.7071  # cosine and sine of the 45 degrees of long column labels
LEAST_NUMBER = 0.05  # weights below it have no number in their cell
# Up to so many rows and columns, a cell has so many pixels in a page, and points in a figure.
_CELLS = (
    (10, 38.0, 28.0),
    (16, 32.0, 24.0),
    (24, 26.0, 20.0),
    (44, 20.0, 15.0),
    (64, 16.0, 12.0),
    (math.inf, 12.0, 9.0),
)

_VISIBLE = {" ": "␣", "\t": "⇥", "\n": "↵", "\r": "␍", "\xa0": "⍽", "\u3000": "␣"}
# The parts of a syllable of Hangul, as the letters that fonts draw alone.
_HANGUL_PARTS = map(chr, (*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3)))
_VISIBLE |= {
    part: unicodedata.lookup(f"HANGUL LETTER {unicodedata.name(part).split(maxsplit=2)[2]}")
    for part in _HANGUL_PARTS
}
_JOINERS = {"\u200c", "\u200d"}  # they shape their neighbours: only visible when alone
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_NARROW, _BROAD = set("iljtfrI.,:;!'|()[]{}-·`\"1/"), set("mwMWQOGDNHUC@%&")


def weights_of(translation: Translation) -> NDArray[np.float64]:
    """Return the attention weights [T, S], finite and between 0 and 1.

    Raises:
        ModelMismatchError: the translation has no attention.
    """
    shape = (len(translation.tokens), len(translation.source_tokens))
    if 0 in shape:
        return np.zeros(shape)
    if translation.attention is None:
        raise ModelMismatchError(
            "there is no attention to draw: either the model is a traditional encoder-decoder "
            "(train one with --architecture attention), or it was told to leave attention out"
        )
    weights = np.asarray(translation.attention, dtype=np.float64)
    if weights.shape != shape:
        raise ValueError(f"attention is {weights.shape}, but tokens and source tokens are {shape}")
    return np.clip(np.nan_to_num(weights), 0.0, 1.0)


def cell_sizes(length: int) -> tuple[float, float]:
    """Return the size of a cell in pixels and in points, for so many rows or columns.

    Example:
        >>> cell_sizes(7), cell_sizes(500)
        ((38.0, 28.0), (12.0, 9.0))
    """
    return next((pixels, points) for longest, pixels, points in _CELLS if length <= longest)


def show_weight(weight: float) -> str:
    """Return a weight as the number in its cell.

    Example:
        >>> show_weight(0.254), show_weight(1.0)
        ('.25', '1')
    """
    return f"{weight:.2f}".removeprefix("0").removesuffix(".00")


def uses_pieces(tokens: Sequence[str]) -> bool:
    """Tell whether the tokens are subword pieces, where `▁` begins a word."""
    return any(len(token) > 1 and token.startswith(WORD_MARK) for token in tokens)


def show_tokens(tokens: Sequence[str], *, hyphens: bool = False) -> list[str]:
    """Return one visible label a token; with `hyphens`, pieces inside a word begin with `-`.

    Example:
        >>> show_tokens(["▁play", "ing", "▁a", "."], hyphens=True)
        ['play', '-ing', 'a', '.']
    """
    if not uses_pieces(tokens):
        return [show_token(token) for token in tokens]
    labels = [show_token(token.removeprefix(WORD_MARK) or " ") for token in tokens]
    if hyphens:
        inside = {k for first, last in word_spans(tokens) for k in range(first + 1, last + 1)}
        labels = [f"-{label}" if k in inside else label for k, label in enumerate(labels)]
    return labels


def show_token(token: str) -> str:
    r"""Return a token as visible characters that are safe in XML and in a terminal.

    Example:
        >>> show_token(" "), show_token("<0x41>"), show_token("a\u202eb")
        ('␣', 'A', 'aU+202Eb')
    """
    if byte := _BYTE.fullmatch(token):
        value = int(byte[1], 16)
        token = chr(value) if 0x20 <= value < 0x7F else byte[1].upper()
    token = unicodedata.normalize("NFC", token)  # so what is left of parts stands alone
    is_lone_joiner = all(character in _JOINERS for character in token)
    shown = "".join(_show_character(character, is_lone_joiner) for character in token)
    if shown and unicodedata.category(shown[0]).startswith("M"):
        return _name(shown[0]) if shown == "\ufe0f" else f"◌{shown}"
    return shown or "∅"


def _show_character(character: str, is_lone_joiner: bool) -> str:
    if character in _VISIBLE:
        return _VISIBLE[character]
    if character == WORD_MARK:
        return "␣"
    category = unicodedata.category(character)
    is_hidden = (
        category in {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"} or ord(character) % 0x10000 > 0xFFFD
    )
    if is_hidden and (character not in _JOINERS or is_lone_joiner):
        return _name(character)
    return character


def _name(character: str) -> str:
    return f"U+{ord(character):04X}"


def word_spans(tokens: Sequence[str]) -> list[tuple[int, int]]:
    """Return first and last index of every word of several pieces, punctuation left out.

    Example:
        >>> word_spans(["▁play", "ing", ".", "▁on"])
        [(0, 1)]
    """
    if not uses_pieces(tokens):
        return []
    words: dict[int, list[int]] = {}
    for k, group in enumerate(word_groups(tokens, "unigram")):
        if group >= 0 and any(character.isalnum() for character in tokens[k]):
            words.setdefault(group, []).append(k)
    return [(places[0], places[-1]) for places in words.values() if len(places) > 1]


def join_shown(tokens: Sequence[str]) -> str:
    """Return tokens as one line of text to read (a heading, not an exact inverse).

    Example:
        >>> join_shown(["▁a", "▁do", "g"]), join_shown(list("a b")), join_shown(["F", "OW1"])
        ('a dog', 'a b', 'F OW1')
    """
    if uses_pieces(tokens):
        text = "".join(tokens).replace(WORD_MARK, " ")
    elif tokens and all(_BYTE.fullmatch(token) for token in tokens):
        text = bytes(int(token[3:5], 16) for token in tokens).decode("utf-8", "replace")
    else:
        text = ("" if all(len(token) <= 1 for token in tokens) else " ").join(tokens)
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(c if c == " " else _show_character(c, False) for c in text)


def is_right_to_left(tokens: Sequence[str]) -> bool:
    """Tell whether most letters of the tokens belong to a script written right to left."""
    directions = [unicodedata.bidirectional(character) for token in tokens for character in token]
    right_to_left = sum(direction in {"R", "AL"} for direction in directions)
    return right_to_left > directions.count("L")


def reading_note(translation: Translation) -> str:
    """Return a note about the order of the columns when the source is written right to left.

    Columns always stand in reading order, first token at the left, as in the array and in
    JSON: so a monotone alignment is a falling diagonal in every script.
    """
    if not is_right_to_left(translation.source_tokens):
        return ""
    return "Source is written right to left; columns are in reading order, first token at the left."


def split_clusters(text: str) -> list[str]:
    """Split text into what a reader takes for one character (marks and joiners stay attached).

    Differs: a short approximation of Unicode UAX 29, enough for labels.
    """
    clusters: list[str] = []
    for character in text:
        if clusters and _continues(clusters[-1], character):
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters


def _continues(cluster: str, character: str) -> bool:
    if cluster[-1] == "\u200d" or character in _JOINERS or "🏻" <= character <= "🏿":
        return True
    if "🇦" <= character <= "🇿":
        return len(cluster) == 1 and "🇦" <= cluster <= "🇿"
    return unicodedata.category(character).startswith("M")


def shorten(text: str, max_width: float) -> str:
    """Cut text so that its estimated width is at most `max_width` em, with an ellipsis."""
    if width_in_em(text) <= max_width:
        return text
    kept, room = "", max_width - 1.0
    for cluster in split_clusters(text):
        room -= width_in_em(cluster)
        if room < 0:
            break
        kept += cluster
    return kept + "…"


def width_in_em(text: str) -> float:
    """Estimate the width of text in a proportional sans-serif font, in em, rather too wide."""
    return sum(_cluster_width(cluster) for cluster in split_clusters(text))


def _cluster_width(cluster: str) -> float:
    first = cluster[0]
    if first == "\ufdfd":  # one code point, a whole sentence
        return 9.0
    if unicodedata.east_asian_width(first) in "WF" or ord(first) > 0x1F000:
        return 1.25 if ord(first) > 0x1F000 else 1.0
    if first in _NARROW:
        return 0.36
    if first in _BROAD:
        return 0.82
    if ord(first) > 0x900:
        return 0.78
    return 0.66 if first.isupper() else 0.57
