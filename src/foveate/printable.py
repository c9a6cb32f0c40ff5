"""Text that cannot steer a terminal, whoever wrote it: tokens, names and summaries of others.

Knows no streams; `console` and `output` say what is made printable and when.
"""

from __future__ import annotations

import re

# Control characters but line feed and tab, line separators, halves of surrogate pairs, and what
# changes the direction of text: an escape sequence or an override can make a text look like
# another, or do harm to the terminal.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def make_printable(text: str) -> str:
    r"""Return text in which every character that could steer a terminal is U+FFFD.

    Example:
        >>> make_printable("a\x1b[2Jb\u202ec")
        'a�[2Jb�c'
    """
    return text if text.isascii() and text.isprintable() else _STEERING.sub("\ufffd", text)
