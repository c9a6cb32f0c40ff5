"""Which encoding a text that is not UTF-8 has, and the one call that converts it."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import islice, pairwise

from foveate.data.lines import STANDARD_INPUT, is_gzip_name, open_bytes
from foveate.errors import DataError

LOOKED_AT = 2**20  # bytes
MOST_LINES = 300  # that are judged
SHOWN = 30
ENOUGH = 20  # bytes beyond ASCII: fewer tell little, and several encodings are named
MOST_NAMED = 3
# What `iconv` calls them, and Python. Other encodings hardly occur in files of pairs.
NAMES = {
    "cp1252": "CP1252",
    "cp1250": "CP1250",
    "cp1251": "CP1251",
    "koi8_r": "KOI8-R",
    "cp1253": "CP1253",
    "cp1254": "CP1254",
    "cp1255": "CP1255",
    "cp1256": "CP1256",
    "cp1257": "CP1257",
    "cp932": "CP932",
    "euc_jp": "EUC-JP",
    "gb18030": "GB18030",
    "big5": "BIG5",
    "cp949": "CP949",
    "cp874": "CP874",
    "mac_roman": "MACINTOSH",
    "cp437": "CP437",
}
WESTERN = frozenset("¿¡«»„“”‚‘’–—…°§€£©®·\xa0½¼¾²")  # that are no letters
_KANA = re.compile("[\u3040-\u30ff]")
_WIDE = re.compile("[\u3000-\u9fff\uac00-\ud7af]")


def find_encoding(lines: Sequence[bytes]) -> tuple[str, str]:
    """Return what fits lines that are not UTF-8 best, and one of them as it reads; or nothing.

    Example:
        >>> find_encoding(["mañana será otro día".encode("cp1252")])
        ('cp1252', 'mañana será otro día')
    """
    from charset_normalizer import from_bytes

    words = [word for line in lines for word in line.split() if not word.isascii()]
    found = [
        encoding
        for match in from_bytes(b" ".join(words), cp_isolation=list(NAMES))
        for encoding in (match.encoding, *match.could_be_from_charset)
        if encoding in NAMES
    ]
    read = {encoding: _decode(lines, encoding) for encoding in dict.fromkeys([*found, "cp1252"])}
    fitting = [encoding for encoding, text in read.items() if text]
    if not fitting:
        return "", ""
    best = next((one for one in fitting if _is_japanese(read[one])), None)
    if best is None:  # Western Europe is likelier than what has most of its letters, too
        western = b"\n".join(lines).decode("cp1252", "replace")
        best = "cp1252" if _is_western(western) else fitting[0]
    shown = next(line for line in read[best].split("\n") if not line.isascii())
    return best, shown[:SHOWN].replace("\t", " ")


def list_encodings(lines: Sequence[bytes]) -> list[tuple[str, str]]:
    """Return the encodings that may fit, likeliest first, each with the first bad line in it.

    One is returned where there are enough letters to be sure, else up to three.

    Example:
        >>> list_encodings(["żółw".encode("cp1250")])[0]
        ('cp1250', 'żółw')
    """
    best = find_encoding(lines)
    bad = [line for line in lines if not line.isascii()]
    if sum(byte > 127 for line in bad for byte in line) >= ENOUGH or not best[0]:
        return [best] if best[0] else []
    read = {_decode(bad, encoding): encoding for encoding in reversed(NAMES)}  # one for each text
    order = list(NAMES)
    fitting = sorted(
        (_oddness(text, bad), order.index(encoding), encoding, text)
        for text, encoding in read.items()
        if text
    )
    named, seen = list[tuple[str, str]](), Counter[str]()
    for _, _, encoding, text in fitting:
        script = _find_script(text)
        seen[script] += 1
        if seen[script] == 1 or script == "LATIN":  # one each: people know their own at once
            named.append((encoding, text.split("\n")[0][:SHOWN].replace("\t", " ")))
    return named[:MOST_NAMED]


def _find_script(text: str) -> str:
    letter = next((one for one in text if one.isalpha() and not one.isascii()), "")
    return unicodedata.name(letter, "").partition(" ")[0] if letter else ""


def _oddness(text: str, lines: Sequence[bytes]) -> int:
    """Count what hardly occurs in text: odd signs, two scripts in a word, capitals inside."""
    odd = sum(not _is_usual(character) for character in text)
    eaten = sum(map(_count_letters, lines)) - _count_letters(text.encode())
    words = re.findall(r"[^\W\d_]+", text)
    for word in words:
        latin = [unicodedata.name(letter, "").startswith("LATIN") for letter in word]
        odd += sum(one != other for one, other in pairwise(latin))
        odd += sum(a.islower() and b.isupper() for a, b in pairwise(word))
        odd += word.isupper() and not word.isascii() and len(word) > 1
        odd += all(latin) and 2 * sum(not letter.isascii() for letter in word) > len(word)
    return odd + max(eaten, 0)


def _count_letters(line: bytes) -> int:
    return sum(chr(byte).isalpha() for byte in line if byte < 128)


def _is_usual(character: str) -> bool:
    if "\uff61" <= character <= "\uff9f":  # half as wide as other kana
        return False
    is_letter = character.isalpha() or unicodedata.category(character)[0] == "M"
    return character.isascii() or is_letter or character in WESTERN or bool(_WIDE.match(character))


def _decode(lines: Sequence[bytes], encoding: str) -> str:
    try:
        return b"\n".join(lines).decode(encoding)
    except UnicodeDecodeError:
        return ""


def _is_western(text: str) -> bool:
    """Tell whether most letters of the words have no marks, and nothing odd stands beside them."""
    words = [word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii()]
    num_marked = sum(not letter.isascii() for word in words for letter in word)
    others = {letter for letter in text if not (letter.isascii() or letter.isalpha())}
    return others <= WESTERN and 2 * num_marked <= sum(map(len, words))


def _is_japanese(text: str) -> bool:
    return len(_KANA.findall(text)) * 5 > len(_WIDE.findall(text)) > 0


def advise_encoding(name: str) -> str:
    """Say how to convert a file in which lines are not UTF-8."""
    if name == STANDARD_INPUT:
        return "convert it with iconv -f ENCODING -t UTF-8 before"
    bad, num_good = _sift(name)
    found = list_encodings(bad[:MOST_LINES])
    named = " or ".join(f"{NAMES[encoding]} ({shown!r})" for encoding, shown in found)
    if num_good > len(bad) or not found:
        reads = f"; {found[0][1]!r} as {NAMES[found[0][0]]}" if len(found) == 1 else ""
        reads = f"; the first may be {named}" if len(found) > 1 else reads
        return f"some lines have another encoding than the rest{reads}: correct these lines"
    encoding = NAMES[found[0][0]]
    unpack = f"zcat {shlex.quote(name)} | " if is_gzip_name(name) else ""
    source = "" if unpack else f" {shlex.quote(name)}"
    target = shlex.quote(f"utf8-{_base(name)}")
    call = f"{unpack}iconv -f {encoding} -t UTF-8{source} > {target}"
    if len(found) == 1:
        return f"it reads as {named}: {call}"
    return f"it may read as {named}: take the one that is right, for example {call}"


def _base(name: str) -> str:
    base = re.split(r"[/\\]", name)[-1]
    return base[:-3] if is_gzip_name(base) else base


def _sift(name: str) -> tuple[list[bytes], int]:
    """Return the first lines that are not UTF-8, and how many are that with other letters."""
    bad, num_good, room = list[bytes](), 0, LOOKED_AT
    try:
        with open_bytes(name) as stream:
            for line in islice(stream, LOOKED_AT):
                room -= len(line)
                if room < 0:
                    break
                try:
                    num_good += not line.decode("utf-8").isascii()
                except UnicodeDecodeError:
                    bad.append(line.rstrip(b"\r\n"))
    except DataError:
        return [], 0
    return bad, num_good
