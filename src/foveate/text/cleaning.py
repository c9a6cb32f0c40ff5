"""What is dropped from a source before it is read: blanks around it, and what nobody can see."""

from __future__ import annotations

import unicodedata
from collections.abc import Container

from foveate.text.codec import Codec

BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def known_letters(codec: Codec) -> Container[str] | None:
    """Return the characters of which a codec's tokens are made; None where every byte is known."""
    if codec.kind == "bytes":
        return None
    return frozenset("".join(codec.vocabulary.entries))


def clean_source(text: str, known: Container[str] | None) -> str:
    r"""Return a source without outer blanks, and without format characters that are not known.

    Format characters (a byte-order mark, zero-width spaces and joiners, marks of direction) come
    in by copying from pages and tables. Where the training pairs had them, they stay.

    Example:
        >>> clean_source("\ufeff a\u200bb ", frozenset("ab"))
        'ab'
    """
    if text.isascii():  # has no format characters
        return text.strip()
    kept = (letter for letter in text if not _is_dropped(letter, known))
    return "".join(kept).strip()


def _is_dropped(letter: str, known: Container[str] | None) -> bool:
    if known is None:
        return letter == BYTE_ORDER_MARK
    return letter not in known and unicodedata.category(letter) == "Cf"
