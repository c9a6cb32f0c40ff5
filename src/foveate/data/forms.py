"""Which form a text file has, by its first lines; what is no form of pairs is named.

The suffix is only asked where the content says nothing.
"""

from __future__ import annotations

import csv
import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from foveate.data.dictionaries import is_dictionary
from foveate.data.headers import LANGUAGES, WORDS
from foveate.data.json_lines import parse
from foveate.data.lines import STANDARD_INPUT, Line, is_gzip_name, show_name
from foveate.data.separated import BARS
from foveate.data.xml_units import ROOTS
from foveate.errors import DataError

Form = Literal["tsv", "csv", "json lines", "json", "xml", "dictionary", "bars"]

MOST_OF = 0.9  # of the lines that have to be so
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_OPENS_JSON = re.compile(r'\s*(\{\s*("|\}|$)|\[\s*([{\["]|$))')
_ROOT = re.compile(r"<(?![?!])([\w.:-]+)")
# Beginnings of files that are no pairs, and the way out.
STRANGERS = (
    (re.compile(r"version https://git-lfs"), "it points at a file in Git LFS: run git lfs pull"),
    (
        re.compile(r"\s*<(!doctype )?(html|head|body|table|div)\b", re.I),
        "it is a web page: download the file itself",
    ),
    (re.compile(r"\{\\rtf"), "it is a text of an office program (RTF): save it as plain text"),
    (re.compile(r"%PDF-"), "it is a PDF: copy its text into a table and save that as TSV"),
    (
        re.compile(r"S .*"),
        "it is a text with corrections (M2): apply them, and write a line for each sentence with "
        "a TAB between what was there and what is right",
    ),
    (
        re.compile(r'\s*\("[^"]+" \S+ \('),
        "it is a lexicon of Festival: sed -E "
        """'s/^\\("([^"]*)" [^ ]+ /\\1\\t/; s/ [0-9]\\)//g; s/[()]//g' FILE > pairs.tsv""",
    ),
    (
        re.compile(r"- \S+: "),
        "it is YAML: yq -o=json . FILE > pairs.json makes JSON of it, which is read",
    ),
    (
        re.compile(r"\|.*\|\s*"),
        "it is a table of Markdown: sed -E "
        r"'/^[| :-]*$/d; s/^\| *//; s/ *\| *$//; s/ *\| */\t/g' FILE > pairs.tsv",
    ),
)
# Of some of them, the second line has to be so, too.
_SECOND = {
    "S ": re.compile(r"A \d+ \d+\|\|\||S "),
    "- ": re.compile(r"  \S+: "),
    "|": re.compile(r"\|[ |:-]+\|\s*"),
}
_GETTEXT = re.compile(r'msgid(_plural)? "')
_SUBTITLES = re.compile(r"(\d\d:)?\d\d:\d\d[.,]\d{3} --> ")
SEPARATORS = (
    *("|||", " => ", " -> ", " → ", "->", "=>", "→", " = ", " :: ", "\\t", "|", ";", " : ", " - "),
    *(" – ", "  ", ": ", ", ", ",", "=", ":"),
)
FIELDS = "|;\\,:^~"  # that may separate more than two


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
        _name_way_out(name, texts, _stand_in_twos(head))
    return "tsv"


def _suffix(name: str) -> str:
    return Path(name[:-3] if is_gzip_name(name) else name).suffix.lower()


def _share(texts: Sequence[str], part: str) -> float:
    return sum(part in text for text in texts) / max(1, len(texts))


def _refuse_stranger(name: str, texts: Sequence[str]) -> None:
    first = texts[0] if texts else ""
    second = _SECOND.get(first[:2], _SECOND.get(first[:1], re.compile("")))
    for pattern, advice in STRANGERS:
        if pattern.match(first) and second.match("".join(texts[1:2])):
            advice = advice.replace("FILE", _quote(name) or "FILE")
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
    if root.rpartition(":")[2].lower() in ROOTS:
        return "xml"
    if texts[0].lstrip().startswith("<?xml"):
        raise DataError(
            f"{show_name(name)}: it is XML with the root {root!r}; read are TMX, XLIFF, lexicons "
            "(PLS) and translations of Qt: save the pairs as TSV, source TAB target"
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


def _stand_in_twos(head: Sequence[Line]) -> bool:
    """Tell whether every third line is blank, and no other."""
    return len(head) > 8 and all(
        bool(line.text.strip()) != (n % 3 == 2) for n, line in enumerate(head)
    )


def _name_way_out(name: str, texts: Sequence[str], are_in_twos: bool) -> None:
    """Raise a DataError that says how lines without a TAB become pairs, if that can be seen."""
    shown, new = _quote(name), "pairs.tsv"
    if advice := _find_separator(texts):
        what, call = advice
        raise DataError(
            f"{show_name(name)}: no line has a TAB, and nearly every one has {what}: "
            f"{call.replace('FILE', shown).rstrip()} > {new}"
        )
    if beside := _find_other_side(name, len(texts)):
        raise DataError(
            f"{show_name(name)}: no line has a TAB; {Path(beside).name} stands beside it: two "
            f"files are one argument: {name},{beside}"
        )
    if all(len(text.split()) == 2 for text in texts):
        raise DataError(
            f"{show_name(name)}: no line has a TAB, and every one has two words: "
            f"sed -E 's/ +/\\t/' {shown} > {new}"
        )
    if are_in_twos or _alternate(texts):
        raise DataError(
            f"{show_name(name)}: no line has a TAB, and lines stand in twos: "
            f"sed '/^ *$/d' {shown} | paste - - > {new}"
        )


def _find_separator(texts: Sequence[str]) -> tuple[str, str] | None:
    """Return what stands between the fields of nearly all lines, and the call that makes TABs."""
    for separator in SEPARATORS:
        pattern = " {2,}" if separator == "  " else re.escape(separator)
        if sum(len(re.findall(pattern, text)) == 1 for text in texts) >= 0.95 * len(texts):
            is_blank = separator == "  "
            sed = " {2,}" if is_blank else f" *{_escape(separator.strip())} *"
            what = "two or more blanks" if is_blank else repr(separator)
            return f"{what} between two texts", f"sed -E 's/{sed}/\\t/' FILE"
    for separator in FIELDS:
        counts = Counter(text.count(separator) for text in texts)
        (count, num_lines), *_ = counts.most_common(1)
        if count > 1 and num_lines >= 0.95 * len(texts):
            escaped = "\\\\" if separator == "\\" else separator
            return f"{count + 1} fields between {separator!r}", f"tr '{escaped}' '\\t' < FILE"
    return None


def _escape(text: str) -> str:
    """Return a text as an expression of `sed -E` that finds it."""
    return re.sub(r"([/.*+?()^$|{}\[\]\\])", r"\\\1", text)


def _alternate(texts: Sequence[str]) -> bool:
    """Tell whether odd and even lines are written in different scripts."""
    if len(texts) % 2 or len(texts) < 6:
        return False
    odd, even = (Counter(map(_find_script, texts[n::2])).most_common(1)[0] for n in (0, 1))
    return odd[0] != even[0] and min(odd[1], even[1]) >= 0.95 * len(texts) / 2


def _find_script(text: str) -> str:
    letters = (unicodedata.name(one, "").partition(" ")[0] for one in text if one.isalpha())
    found = Counter(letters).most_common(1)
    return found[0][0] if found else ""


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
