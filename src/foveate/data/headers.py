"""Whether the first row of a table names its columns. Knows no files."""

from __future__ import annotations

from collections.abc import Sequence

from foveate.data.columns import NUMBER

_WORDS = """source target src tgt trg input output word words wordform pronunciation pron ipa
    phonemes phoneme phones transcription grapheme graphemes lemma form inflected features feats
    tags msd text translation sentence question answer query prompt response before after class id
    index sentence_id token_id native roman romanized romanised romanization latin original
    corrected normalized normalised wrong right incorrect correct modern old key value score count
    frequency
    english german french spanish italian portuguese dutch russian hindi chinese japanese arabic
    turkish greek polish czech danish swedish finnish hungarian hebrew korean bengali
    tamil"""
_LANGUAGES = """en de fr es it pt nl ru hi zh ja ar tr el pl cs da sv fi hu he ko bn ta te fa uk ro
    bg hr sr sl sk et lv lt no nb nn is ga cy eu ca gl sq mk mt sw zu xh vi th id ms tl ka hy az kk
    uz mn ne ur pa gu mr si km lo my am yo ig ha"""
WORDS, LANGUAGES = frozenset(_WORDS.split()), frozenset(_LANGUAGES.split())
LONGEST_NAME = 60


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
    is_beside_numbers = any(
        all(_is_number(row[n]) for row in rest) and not _is_number(field)
        for n, field in enumerate(first)
    )
    return is_beside_numbers and len(first) > 2 and len(rest) > 2


def is_header_of_csv(first: Sequence[str]) -> bool:
    """Tell whether the first row of a CSV can be its header: it must not look like a pair.

    Example:
        >>> is_header_of_csv(["", "english"]), is_header_of_csv(["0", "1"])
        (True, True)
        >>> is_header_of_csv(["I see.", "Ich sehe."]), is_header_of_csv(["12", "twelve"])
        (False, False)
    """
    numbers = [field.strip() for field in first if _is_number(field)]
    if numbers:  # a table without names that was written with numbers for them
        return numbers in ([str(n) for n in range(len(numbers))], first) and numbers[0] == "0"
    ends = {field.strip()[-1:] for field in first}
    return not ends & set(".?!。") and max(map(len, first)) <= LONGEST_NAME


def _is_number(field: str) -> bool:
    return NUMBER.fullmatch(field.strip()) is not None
