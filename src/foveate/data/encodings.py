"""Which encoding a text that is not UTF-8 has, and the one call that converts it."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from itertools import islice

from foveate.data.lines import STANDARD_INPUT, is_gzip_name, open_bytes
from foveate.data.plausibility import judge_texts
from foveate.errors import DataError

LOOKED_AT = 2**20  # bytes
MOST_LINES = 60  # that are judged
SHOWN = 30
MOST_NAMED = 4
SURE = 7.0  # nats: what is a thousand times less likely is not named
# How common they are for pairs, as a log-probability; what is equal counts for the first.
PRIORS = {
    "cp1252": 0.0,
    "cp1250": -0.5,
    "iso8859_2": -1.5,
    "cp1251": -0.5,
    "koi8_r": -1.5,
    "koi8_u": -2.0,
    "cp866": -2.0,
    "iso8859_5": -2.5,
    "mac_cyrillic": -3.0,
    "cp1253": -0.5,
    "cp1254": -0.5,
    "cp1255": -0.5,
    "cp1256": -0.5,
    "cp1257": -0.5,
    "gb18030": -0.5,
    "cp932": -0.5,
    "euc_jp": -1.0,
    "big5": -0.5,
    "cp949": -0.5,
    "cp874": -0.5,
    "mac_roman": -2.0,
    "cp850": -2.0,
    "cp437": -2.5,
    "cp852": -2.5,
}
# What `iconv` calls them, where Python has another name.
NAMES = {
    "iso8859_2": "ISO-8859-2",
    "iso8859_5": "ISO-8859-5",
    "koi8_r": "KOI8-R",
    "koi8_u": "KOI8-U",
    "euc_jp": "EUC-JP",
    "mac_roman": "MACINTOSH",
    "mac_cyrillic": "MAC-CYRILLIC",
}


def list_encodings(lines: Sequence[bytes]) -> list[tuple[str, str]]:
    """Return the encodings that may fit, likeliest first, each with a bad line as it reads in it.

    One is returned where the others are far less likely, else up to four.

    Example:
        >>> list_encodings(["ich höre die Größe".encode("cp1252")])
        [('cp1252', 'ich höre die Größe')]
    """
    bad = [line for line in lines if not line.isascii()]
    sides = [_keep_marked(side) for line in bad[:MOST_LINES] for side in line.split(b"\t")]
    found = dict[str, tuple[float, str]]()  # one encoding for each way to read it
    for encoding, prior in PRIORS.items():
        text = _decode(bad, encoding)
        if text:
            score = prior + judge_texts([side.decode(encoding, "replace") for side in sides])
            if score > found.get(text, (-math.inf, ""))[0]:
                found[text] = score, encoding
    ranked = sorted(((score, name, text) for text, (score, name) in found.items()), reverse=True)
    named = [(name, show_line(text)) for score, name, text in ranked if score > ranked[0][0] - SURE]
    return named[:MOST_NAMED]


def _keep_marked(side: bytes) -> bytes:
    """Return the words that are not ASCII."""
    return b" ".join(word for word in side.split() if not word.isascii())


def show_line(text: str) -> str:
    r"""Return what stands around the first letter beyond ASCII.

    Example:
        >>> show_line("plain\n" + "x" * 40 + "äußern")[-6:]
        'äußern'
    """
    line = next((one for one in text.split("\n") if not one.isascii()), "").replace("\t", " ")
    place = next((n for n, letter in enumerate(line) if not letter.isascii()), 0)
    begin = max(0, min(place - SHOWN // 3, len(line) - SHOWN))
    return ("…" if begin else "") + line[begin : begin + SHOWN].strip()


def _decode(lines: Sequence[bytes], encoding: str) -> str:
    try:
        return b"\n".join(lines).decode(encoding)
    except UnicodeDecodeError:
        return ""


def advise_encoding(name: str) -> str:
    """Say how to convert a file in which lines are not UTF-8."""
    if name == STANDARD_INPUT:
        return "convert it with iconv -f ENCODING -t UTF-8 before"
    bad, num_good = _sift(name)
    found = list_encodings(bad)
    if num_good > len(bad) or not found:
        reads = "" if not found else f"; they may be {name_encoding(found[0][0])} ({found[0][1]!r})"
        return f"some lines have another encoding than the rest{reads}: correct these lines"
    encoding = name_encoding(found[0][0])
    unpack = f"zcat {shlex.quote(name)} | " if is_gzip_name(name) else ""
    source = "" if unpack else f" {shlex.quote(name)}"
    target = shlex.quote(f"utf8-{_base(name)}")
    call = f"{unpack}iconv -f {encoding} -t UTF-8{source} > {target}"
    if len(found) == 1:
        return f"it reads as {encoding} ({found[0][1]!r}): {call}"
    listed = "".join(f"\n  {name_encoding(one)}: {shown!r}" for one, shown in found)
    return f"several encodings fit; take the one that reads right:{listed}\nThe first is: {call}"


def name_encoding(encoding: str) -> str:
    """Return what `iconv` calls an encoding.

    Example:
        >>> name_encoding("cp1250"), name_encoding("koi8_r")
        ('CP1250', 'KOI8-R')
    """
    return NAMES.get(encoding, encoding.upper())


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
