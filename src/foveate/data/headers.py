"""Whether the first row of a table names its columns. Knows no files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

from foveate.data.columns import NUMBER
from foveate.edits import measure_likeness

_WORDS = """source target src tgt trg input output word words wordform pronunciation pron ipa
    phonemes phoneme phones transcription grapheme graphemes lemma form inflected
    features feats tags msd
    text translation sentence question answer query prompt response before after class id index
    sentence_id token_id orig norm normal split path client_id lang language domain topic
    reference references hypothesis surface gloss root stem spelling script name title native
    roman romanized romanised romanization latin original corrected normalized normalised wrong
    right incorrect correct modern old key value score count frequency english german french
    spanish italian portuguese dutch russian hindi chinese japanese arabic turkish greek polish
    czech danish swedish finnish hungarian hebrew korean bengali tamil"""
_LANGUAGES = """en de fr es it pt nl ru hi zh ja ar tr el pl cs da sv fi hu he ko bn ta te fa uk ro
    bg hr sr sl sk et lv lt no nb nn is ga cy eu ca gl sq mk mt sw zu xh vi th id ms tl ka hy az kk
    uz mn ne ur pa gu mr si km lo my am yo ig ha"""
WORDS, LANGUAGES = frozenset(_WORDS.split()), frozenset(_LANGUAGES.split())
LONGEST_NAME = 60
ALIKE = 0.5  # how like each other two sides of a pair are that is respelled
_NAME = re.compile(r"[^\W\d][\w .:-]{0,30}")


def names_sides(source: str, target: str) -> bool:
    """Tell whether a pair is none, but names what its sides are.

    Example:
        >>> names_sides("word", "pronunciation"), names_sides("en", "de"), names_sides("a", "b")
        (True, True, False)
    """
    sides = {source.strip().lower(), target.strip().lower()}
    return len(sides) == 2 and (sides <= WORDS or sides <= LANGUAGES)


def is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first of these rows of a table without quotes names the columns.

    It does when all its fields are names that columns have, or when it has words where all other
    rows have numbers.
    """
    first, rest = rows[0], rows[1:]
    plain = [field.strip().lower() for field in first]
    if len(set(plain)) < len(plain) or not all(plain[1:]):
        return False
    if {"source", "target"} <= set(plain) or names_sides(plain[0], plain[-1]):
        return True
    if all(name in WORDS or name in LANGUAGES for name in plain) and len(plain) > 2:
        return True
    if len(first) < 3 or len(rest) < 3:
        return False
    num_known = sum(name in WORDS or name in LANGUAGES for name in plain)
    if num_known >= 2 and all(map(_NAME.fullmatch, plain[1:])) and _stand_alone(first, rest):
        return True
    is_beside = (_is_number, _has_digit)
    return any(
        all(is_so(row[n]) for row in rest) and not is_so(field)
        for is_so in is_beside
        for n, field in enumerate(first)
    )


def _stand_alone(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Tell whether no field stands in its column once more."""
    return not any(field == row[n] for n, field in enumerate(first) for row in rest)


def _has_digit(field: str) -> bool:
    return " " not in field and any(letter.isdigit() for letter in field)


def is_header_of_csv(first: Sequence[str], rest: Sequence[Sequence[str]] = ()) -> bool:
    """Tell whether the first row of a CSV can be its header: it must not look like a pair.

    Args:
        first: its fields.
        rest: those of the rows behind it, which say what a pair looks like.

    Example:
        >>> is_header_of_csv(["", "english"]), is_header_of_csv(["0", "1"])
        (True, True)
        >>> is_header_of_csv(["I see.", "Ich sehe."]), is_header_of_csv(["12", "twelve"])
        (False, False)
        >>> is_header_of_csv(["walk", "walked"], [["jump", "jumped"], ["fold", "folded"]])
        False
    """
    plain = [field.strip().lower() for field in first]
    if not all(name in WORDS or name in LANGUAGES for name in plain) and _is_pair(first, rest):
        return False
    numbers = [field.strip() for field in first if _is_number(field)]
    if numbers:  # a table without names that was written with numbers for them
        return numbers in ([str(n) for n in range(len(numbers))], first) and numbers[0] == "0"
    ends = {field.strip()[-1:] for field in first}
    return not ends & set(".?!。") and max(map(len, first)) <= LONGEST_NAME


def _is_pair(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Tell whether two fields are such a pair as the rows behind them."""
    if any(letter in field for field in first for letter in "/[]=;"):
        return True
    if len(first) != 2 or len(rest) < 2 or any("_" in field for field in first):
        return False
    symbols = first[1].split()
    if len(symbols) > 1 and {one for row in rest for one in row[1].split()}.issuperset(symbols):
        return True
    usual = median(measure_likeness([(row[0], row[1])]) for row in rest)
    return min(measure_likeness([(first[0], first[1])]), usual) >= ALIKE


def _is_number(field: str) -> bool:
    return NUMBER.fullmatch(field.strip()) is not None
