"""What is done to a source before it is read: blanks around it and what nobody can see are dropped,
and its letters are read in the case that the sources of the training have.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable

from foveate.options import LetterCase
from foveate.text.codec import Codec

BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def known_letters(codec: Codec) -> Container[str] | None:
    """Return the characters of which a codec's tokens are made; None where every byte is known."""
    if codec.kind == "bytes":
        return None
    return frozenset("".join(codec.vocabulary.entries))


def find_case(texts: Iterable[str]) -> LetterCase:
    """Return the case that all letters of these texts have, and `keep` where there are both.

    What never had an upper-case letter cannot have learnt one: to read it in lower case loses
    nothing.

    Example:
        >>> find_case(["cat", "x2"]), find_case(["CAT"]), find_case(["Cat"]), find_case(["猫"])
        ('lower', 'upper', 'keep', 'keep')
    """
    may_be_lower = may_be_upper = True
    for text in texts:
        may_be_lower = may_be_lower and text == text.lower()
        may_be_upper = may_be_upper and text == text.upper()
        if not (may_be_lower or may_be_upper):
            break
    if may_be_lower == may_be_upper:  # both, or letters without case
        return "keep"
    return "lower" if may_be_lower else "upper"


def fold_case(text: str, case: LetterCase) -> str:
    """Return a text in a case; `keep` and `auto` leave it alone."""
    if case == "lower":
        return text.lower()
    return text.upper() if case == "upper" else text


def clean_source(text: str, known: Container[str] | None, case: LetterCase = "keep") -> str:
    r"""Return a source without outer blanks, and without format characters that are not known.

    Format characters (a byte-order mark, zero-width spaces and joiners, marks of direction) come
    in by copying from pages and tables. Where the training pairs had them, they stay.
    At last the letters are brought into the case of the training sources.

    Example:
        >>> clean_source("\ufeff a\u200bb ", frozenset("ab"))
        'ab'
    """
    if text.isascii():  # has no format characters
        return fold_case(text.strip(), case)
    kept = (letter for letter in text if not _is_dropped(letter, known))
    return fold_case("".join(kept).strip(), case)


def _is_dropped(letter: str, known: Container[str] | None) -> bool:
    if known is None:
        return letter == BYTE_ORDER_MARK
    return letter not in known and unicodedata.category(letter) == "Cf"
