"""Which word of a written-out date belongs to which word of its translation: the notation says so.

    Monday, January 7, 1935, 5:54 PM   →   1935. január 7., hétfő 17:54

A year belongs to the year, a month to the month, and so on. AM and PM have no word of their own in
Hungarian: they may be linked to the time, which they change.
"""

from __future__ import annotations

import re

from foveate.experiments.invented_language import AlignedText, Words, put_together

BETWEEN = "; "  # dates
WEEKDAYS = ["hétfő", "kedd", "szerda", "csütörtök", "péntek", "szombat", "vasárnap"]


def align_dates(source: str, target: str) -> AlignedText:
    """Return the words of an English text of dates and of its Hungarian translation, linked.

    Example:
        >>> text = align_dates("Monday, May 7, 1935", "1935. május 7., hétfő")
        >>> sorted((text.source[i], text.target[j]) for i, j in text.sure)
        [('1935', '1935.'), ('7,', '7.,'), ('May', 'május'), ('Monday,', 'hétfő')]
    """
    parts = [
        _align_date(tuple(one.split()), tuple(other.split()))
        for one, other in zip(_cut(source), _cut(target), strict=True)
    ]
    return put_together(parts, range(len(parts)))


def _cut(text: str) -> list[str]:
    """Cut a text into dates, each with the mark that ends it."""
    return text.replace(BETWEEN, f";{BETWEEN}").split(BETWEEN)


def _align_date(source: Words, target: Words) -> AlignedText:
    kinds = [find_kind(word) for word in source], [find_kind(word) for word in target]
    met = [(i, j) for i in range(len(source)) for j in range(len(target))]
    sure = {(i, j) for i, j in met if kinds[0][i] == kinds[1][j]}
    possible = {(i, j) for i, j in met if (kinds[0][i], kinds[1][j]) == ("half", "time")}
    return AlignedText(source, target, frozenset(sure), frozenset(possible))


def find_kind(word: str) -> str:
    """Say what a word of a date is.

    Example:
        >>> [find_kind(word) for word in "Monday, Jan 7, 1935, 5:54 AM".split()]
        ['weekday', 'month', 'day', 'year', 'time', 'half']
    """
    bare = word.strip(",.;")
    if ":" in bare:
        return "time"
    if bare in ("AM", "PM"):
        return "half"
    if re.fullmatch(r"\d+", bare):
        return "year" if len(bare) == 4 else "day"
    return "weekday" if bare.endswith("day") or bare in WEEKDAYS else "month"
