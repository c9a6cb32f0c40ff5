"""What is done about what a check found: a page to go through the pairs by key, and a cleaned file.

Knows no models.
"""

from __future__ import annotations

import html
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from foveate.checking import Suspicion
from foveate.data.oddities import JOINERS, NUMBERED, find_invisible

CLEANED = ("header", "invisible", "entity", "numbered", "outer")


def clean_pair(one: Suspicion) -> tuple[str, str] | None:
    """Return the pair without left-overs of pages and tables; None for names of columns.

    Example:
        >>> from foveate.checking import check
        >>> clean_pair(check([" R&amp;B(2)"], ["\u200bx"], minutes=0)[0])
        ('R&B', 'x')
    """
    if "header" in one.kinds:
        return None
    if not set(one.kinds) & set(CLEANED):
        return one.source, one.target
    source, target = (clean_text(text) for text in (one.source, one.target))
    return (source.rpartition("(")[0] if NUMBERED.fullmatch(source) else source), target


def clean_text(text: str) -> str:
    """Return a text without entities, invisible characters and outer blanks."""
    text = html.unescape(text)
    if find_invisible(text):
        text = "".join(letter for letter in text if not _is_dropped(letter))
    return text.strip()


def _is_dropped(letter: str) -> bool:
    is_format = unicodedata.category(letter) in ("Cf", "Cc") and not letter.isspace()
    return is_format and letter not in JOINERS


def draw_review(
    judged: Sequence[Suspicion], kept: Sequence[Suspicion], lines: Sequence[int], name: str
) -> str:
    """Return the page: all pairs, of which some are shown one after another.

    Args:
        judged: all pairs of the file.
        kept: those to go through, in their order.
        lines: of all pairs in the file, by row.
        name: of the file.
    """
    rows = [
        {
            "row": one.row,
            "line": lines[one.row],
            "suspicion": round(one.suspicion, 2),
            "reasons": list(one.reasons),
            "source": one.source,
            "target": one.target,
            "expected": one.expected,
            "clean": clean_pair(one),
        }
        for one in kept
    ]
    pairs = [[one.source, one.target] for one in sorted(judged, key=lambda one: one.row)]
    data = json.dumps({"name": name, "pairs": pairs, "rows": rows}, ensure_ascii=False)
    page = Path(__file__).with_name("review.html").read_text(encoding="utf-8")
    return page.replace("DATA", data.replace("<", "\\u003c"))
