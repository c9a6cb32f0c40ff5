"""Translation memories in XML: TMX, XLIFF, files of Qt; lexicons (PLS). Read unit by unit.

No entity is expanded and nothing is fetched (defusedxml); a unit that was read is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from foveate.data.lines import Line, show_name
from foveate.data.objects import LOOKED_AT, Record, read_records
from foveate.data.rows import Report, Rows
from foveate.errors import DataError

ROOTS = ("tmx", "xliff", "lexicon", "ts")
SIDES = ("source", "target")
# What a unit is called, and what its sides are called where they are no languages.
UNITS = {
    "tu": SIDES,
    "trans-unit": SIDES,
    "segment": SIDES,
    "lexeme": ("grapheme", "phoneme"),
    "message": ("source", "translation"),
}
CODES = ("bpt", "ept", "ph", "it", "ut", "x", "bx", "ex", "sc", "ec", "cp")  # no text, but codes
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def read_xml(name: str, lines: Iterator[Line], note: Report, asked: str | None = None) -> Rows:
    """Read the units of a TMX, whose columns are its languages, or of an XLIFF file.

    The line of a pair is the number of its unit, from 1. A unit without a target is left out.

    Raises:
        DataError: it is damaged, or has entities of its own.
    """
    path = show_name(name)
    try:
        units = read_units(lines)
        head = list(islice(units, LOOKED_AT))
        if _has_regions(head):
            note(f"{path}: languages are taken without their regions: en for en-GB")
            head, units = [*map(_drop_region, head)], map(_drop_region, units)
        yield from read_records(chain(head, units), path, note, asked)
    except ValueError as error:  # what defusedxml forbids
        raise DataError(f"{path}: XML with entities of its own is not read: {error!r}") from None


def _has_regions(units: Sequence[Record]) -> bool:
    """Tell whether one language has several names: en in some units, en-GB in others."""
    names = {name for unit in units for name in unit.values}
    short = {name: _drop_region_of(name) for name in names}
    is_mixed = len(set(short.values())) < len(names)
    return is_mixed and all(
        len({short[name] for name in unit.values}) == len(unit.values) for unit in units
    )


def _drop_region(unit: Record) -> Record:
    return unit._replace(values={_drop_region_of(n): text for n, text in unit.values.items()})


def _drop_region_of(language: str) -> str:
    return re.split("[-_]", language)[0].lower()


def read_units(lines: Iterator[Line]) -> Iterator[Record]:
    """Yield the units of XML, also those before a damage, which is the last record."""
    try:
        yield from _read_units(lines)
    except ParseError as error:
        problem = f"the XML is damaged, or ends too early ({error}): fetch it again"
        problem = str(error) if "not UTF-8" in str(error) else problem
        yield Record(error.position[0], {}, problem)


def _read_units(lines: Iterator[Line]) -> Iterator[Record]:
    from defusedxml.ElementTree import iterparse

    number, root = 0, None
    for event, element in iterparse(_Stream(lines), events=("start", "end"), forbid_dtd=False):
        root = element if root is None else root
        if event == "start" or _local(element.tag) not in UNITS:
            continue
        number += 1
        values = _read_languages(element) or _read_sides(element)
        element.clear()
        if len(values) > 1:
            yield Record(number, values)
        if number % 100 == 0:
            _forget(root)


def _forget(root: Element) -> None:
    """Drop the units that were read, and keep the elements that are open."""
    for parent in root.iter():
        for child in list(parent)[:-1]:
            parent.remove(child)


def _read_languages(unit: Element) -> dict[str, Any]:
    """Return the segments of a TMX unit by their languages."""
    values: dict[str, Any] = {}
    for variant in unit:
        if _local(variant.tag) == "tuv":
            language = variant.get(LANGUAGE) or variant.get("lang") or ""
            segment = next((one for one in variant if _local(one.tag) == "seg"), None)
            text = "" if segment is None else _read_text(segment)
            values[language] = [*values[language], text] if language in values else [text]
    return {one: texts if len(texts) > 1 else texts[0] for one, texts in values.items()}


def _read_sides(unit: Element) -> dict[str, Any]:
    """Return source and target of a unit; nothing while it is not translated."""
    names = UNITS[_local(unit.tag)]
    sides: dict[str, list[str]] = {}
    for one in unit:
        sides.setdefault(_local(one.tag), []).append(_read_text(one))
    sources, targets = (sides.get(name, [""]) for name in names)
    texts = [text for text in targets if text.strip()]
    if not texts or not sources[0].strip():
        return {}
    return {"source": sources[0], "target": texts if len(texts) > 1 else texts[0]}


def _read_text(element: Element) -> str:
    """Return the text of a segment without the codes in it."""
    parts = [element.text or ""]
    for child in element:
        if _local(child.tag) not in CODES:
            parts.append(_read_text(child))
        parts.append(child.tail or "")
    return "".join(parts)


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]


class _Stream:
    """Lets a parser read lines as a file."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines

    def read(self, size: int = -1) -> str:
        """Return the next line; nothing at the end."""
        line = next(self._lines, None)
        if line is None:
            return ""
        if line.problem:
            problem = ParseError(line.problem)
            problem.position = line.number, 0
            raise problem
        return line.text + line.end
