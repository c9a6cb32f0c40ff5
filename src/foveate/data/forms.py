"""Which form a text file has, by its first lines; what is no form of pairs is named.

The suffix is only asked where the content says nothing.
"""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from foveate.data.dictionaries import is_dictionary
from foveate.data.headers import LANGUAGES, WORDS
from foveate.data.json_lines import parse
from foveate.data.lines import STANDARD_INPUT, Line, is_gzip_name, show_name
from foveate.data.separated import BARS
from foveate.errors import DataError

Form = Literal["tsv", "csv", "json lines", "json", "xml", "dictionary", "bars"]

MOST_OF = 0.9  # of the lines that have to be so
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_OPENS_JSON = re.compile(r'\s*(\{\s*("|\}|$)|\[\s*([{\["]|$))')
_ROOT = re.compile(r"<(?![?!])([\w.:-]+)")
# Beginnings of files that are no pairs, and the way out.
STRANGERS = (
    (re.compile(r"version https://git-lfs"), "it points at a file in Git LFS: run git lfs pull"),
    (re.compile(r"\s*<(!doctype )?html", re.I), "it is a web page: download the file itself"),
    (re.compile(r"\{\\rtf"), "it is a text of an office program (RTF): save it as plain text"),
    (re.compile(r"%PDF-"), "it is a PDF: copy its text into a table and save that as TSV"),
)
_GETTEXT = re.compile(r'msgid(_plural)? "')
_SUBTITLES = re.compile(r"(\d\d:)?\d\d:\d\d[.,]\d{3} --> ")
SEPARATORS = (" => ", " -> ", " → ", " = ", " :: ", "|", ";", " : ", " - ", " – ", "  ", ", ", ",")


def recognise(name: str, head: Sequence[Line]) -> Form:
    """Return the form of a file by its first lines.

    Raises:
        DataError: it is something else, and the message says what to do.
    """
    texts = [line.text for line in head if line.text.strip()]
    first = texts[0] if texts else ""
    _refuse_stranger(name, texts)
    if first.lstrip().startswith("<") and (form := _recognise_xml(name, texts)):
        return form
    if form := _recognise_json(name, first, texts):
        return form
    if first.lower().startswith("sep=") and len(first) == 5:
        return "csv"
    if _share(texts, "\t") > 0.5 and _suffix(name) != ".csv":
        return "tsv"
    if _suffix(name) == ".csv":
        return "csv"
    if _share(texts, BARS) >= MOST_OF:
        return "bars"
    if is_dictionary(texts):
        return "dictionary"
    if _is_csv(texts):
        return "csv"
    if len(texts) >= 3 and _share(texts, "\t") == 0:
        _name_way_out(name, texts)
    return "tsv"


def _suffix(name: str) -> str:
    return Path(name[:-3] if is_gzip_name(name) else name).suffix.lower()


def _share(texts: Sequence[str], part: str) -> float:
    return sum(part in text for text in texts) / max(1, len(texts))


def _refuse_stranger(name: str, texts: Sequence[str]) -> None:
    first = texts[0] if texts else ""
    for pattern, advice in STRANGERS:
        if pattern.match(first):
            raise DataError(f"{show_name(name)}: these are no pairs: {advice}")
    if any(map(_GETTEXT.match, texts)) and _share(texts, "\t") < 0.5:
        raise DataError(
            f"{show_name(name)}: it is a gettext catalogue (PO): po2tmx of the Translate Toolkit "
            "makes a TMX of it, which is read"
        )
    if any(map(_SUBTITLES.match, texts)):
        raise DataError(
            f"{show_name(name)}: these are subtitles of one language: align them with those of the "
            "other first, into a line for each pair with a TAB between its sides"
        )


def _recognise_xml(name: str, texts: Sequence[str]) -> Form | None:
    root = next((match[1] for text in texts[:50] if (match := _ROOT.search(text))), "")
    if root.lower() in ("tmx", "xliff"):
        return "xml"
    if texts[0].lstrip().startswith("<?xml"):
        raise DataError(
            f"{show_name(name)}: it is XML with the root {root!r}, of which only TMX and XLIFF are "
            "read: save the pairs as TSV, source TAB target"
        )
    return None


def _recognise_json(name: str, first: str, texts: Sequence[str]) -> Form | None:
    is_named = _suffix(name) in JSON_SUFFIXES
    if not _OPENS_JSON.match(first):
        return "json lines" if is_named else None
    found = parse(first)
    if isinstance(found, str):  # the value goes on after the line, or it is broken
        is_begun = first.strip() in ("{", "[", "[{", "[[") or first.rstrip()[-1:] in "[{,"
        is_json = is_named or _share(texts, "\t") == 0
        return "json" if is_begun else "json lines" if is_json else None
    is_array = isinstance(found.value, list)
    if len(texts) == 1 and (is_array or len(found.value) != 2 or _holds_more(found.value)):
        return "json"
    return "json lines"


def _holds_more(value: dict[str, object]) -> bool:
    return any(isinstance(one, dict | list) for one in value.values())


def _is_csv(texts: Sequence[str]) -> bool:
    """Tell whether lines have a header and as many fields, separated by a comma or semicolon."""
    for delimiter in ",;|":
        with suppress(csv.Error):
            rows = list(csv.reader(texts, delimiter=delimiter, strict=True))
            count = len(rows[0]) if rows else 0
            is_even = sum(len(row) == count for row in rows) >= 0.95 * len(rows)
            if count > 1 and is_even and _are_names(texts[0], rows[0]):
                return True
    return False


def _are_names(line: str, fields: Sequence[str]) -> bool:
    plain = [field.strip().lower() for field in fields]
    known = sum(name in WORDS or name in LANGUAGES for name in plain)
    is_quoted = line.startswith('"') and line.endswith('"')
    return known >= 2 or (is_quoted and all(len(name.split()) < 4 for name in plain))


def _name_way_out(name: str, texts: Sequence[str]) -> None:
    """Raise a DataError that says how lines without a TAB become pairs, if that can be seen."""
    shown, new = _quote(name), "pairs.tsv"
    for separator in SEPARATORS:
        pattern = " {2,}" if separator == "  " else re.escape(separator)
        if sum(len(re.findall(pattern, text)) == 1 for text in texts) >= 0.95 * len(texts):
            sed = "   *" if separator == "  " else re.sub(r"([\\/.*\[\]^$])", r"\\\1", separator)
            what = "two or more blanks" if separator == "  " else repr(separator)
            raise DataError(
                f"{show_name(name)}: no line has a TAB, and nearly every one has {what} between "
                f"two texts: sed 's/{sed}/\\t/' {shown} > {new}"
            )
    if beside := _find_other_side(name, len(texts)):
        raise DataError(
            f"{show_name(name)}: no line has a TAB; {Path(beside).name} stands beside it: two "
            f"files are one argument: {name},{beside}"
        )
    if all(len(text.split()) == 2 for text in texts):
        raise DataError(
            f"{show_name(name)}: no line has a TAB, and every one has two words: "
            f"sed 's/  */\\t/' {shown} > {new}"
        )


def _quote(name: str) -> str:
    return "" if name == STANDARD_INPUT else shlex.quote(name)


def _find_other_side(name: str, num_lines: int) -> str:
    """Return a file with the same name but another suffix that can be the other side."""
    path = Path(name)
    with suppress(OSError, ValueError):
        beside = [
            one
            for one in sorted(path.parent.glob("*"))
            if one.stem == path.stem and one.name != path.name and one.is_file()
        ]
        if path.suffix and len(beside) == 1:
            return str(beside[0])
    return ""
