"""Translation memories in XML: TMX and XLIFF, read unit by unit.

No entity is expanded and nothing is fetched (defusedxml); a unit that was read is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from foveate.data.lines import Line, show_name
from foveate.data.objects import Record, read_records
from foveate.data.rows import Report, Rows
from foveate.errors import DataError

UNITS = ("tu", "trans-unit", "segment")
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
        yield from read_records(_read_whole_units(lines), path, note, asked)
    except ValueError as error:  # what defusedxml forbids
        raise DataError(f"{path}: XML with entities of its own is not read: {error!r}") from None


def _read_whole_units(lines: Iterator[Line]) -> Iterator[Record]:
    """Yield the units, also those before a damage, which is the last record."""
    try:
        yield from _read_units(lines)
    except ParseError as error:
        problem = f"the TMX or XLIFF is damaged, or ends too early ({error}): fetch it again"
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
    """Return source and target of an XLIFF unit; nothing while it is not translated."""
    sides = {_local(one.tag): _read_text(one) for one in unit}
    values = {side: sides.get(side, "") for side in ("source", "target")}
    return values if all(text.strip() for text in values.values()) else {}


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
            problem = ParseError(f"line {line.number}: {line.problem}")
            problem.position = line.number, 0
            raise problem
        return line.text + line.end
