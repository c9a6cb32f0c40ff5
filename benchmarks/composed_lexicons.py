"""Write words of Hangul, Vietnamese, Hindi, Greek and Spanish with their phones, from packages.

    pip install --no-deps --target packages wordfreq==3.1.1 msgpack==1.2.4 espeakng-loader==0.2.4 \
        ko-pron==1.3
    python benchmarks/composed_lexicons.py packages

Writes LANGUAGE_train.tsv, and the same of dev and test: 3,600, 450 and 450 words, drawn at random.
The words are those of wordfreq (Apache-2.0; the lists have licences of their own). Their
phones are made by rules: by ko-pron for Hangul, and by espeak-ng (GPL) for the others. So a good
model has nearly all right; what counts is the distance between two models. With `--reversed` the
phones are the source.
"""

from __future__ import annotations

import argparse
import ctypes
import gzip
import importlib
import random
import sys
import unicodedata
from pathlib import Path
from typing import Any

from lexicons import SHARES, is_word, write

SCRIPTS = {"ko": "HANGUL", "vi": "LATIN", "hi": "DEVANAGARI", "el": "GREEK", "es": "LATIN"}
PHONES_AS_IPA = ord("_") << 8 | 2  # espeak-ng's bits: IPA, with "_" between phones
UTF8, RETRIEVAL = 1, 2  # of espeak-ng
JOINED = frozenset("ːʰ")  # part of the phone before them, as marks are

Pair = tuple[str, str]


def main() -> None:
    """Write the files that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("packages", type=Path, help="folder that they were installed in")
    parser.add_argument("--out", type=Path, default=Path(), help="folder")
    parser.add_argument("--reversed", action="store_true", help="phones first")
    options = parser.parse_args()
    sys.path.insert(0, str(options.packages))
    for language, script in SCRIPTS.items():
        speak = speak_hangul if language == "ko" else Speaker(language)
        words = [one for one in read_words(options.packages, language) if is_of(one, script)]
        pairs = [(word, phones) for word in dict.fromkeys(words) if (phones := speak(word))]
        pairs.sort()
        random.Random(1).shuffle(pairs)
        if options.reversed:
            pairs = [(phones, word) for word, phones in pairs]
        begin = 0
        for part, size in SHARES.items():
            write(options.out / f"{language}_{part}.tsv", pairs[begin : begin + size])
            begin += size
        print(f"{language}: {begin:,} of {len(pairs):,} words")


def read_words(packages: Path, language: str) -> list[str]:
    """Return the words of a list, the commonest first, in NFC."""
    msgpack = importlib.import_module("msgpack")
    path = packages / "wordfreq" / "data" / f"small_{language}.msgpack.gz"
    _, *levels = msgpack.unpackb(gzip.decompress(path.read_bytes()), raw=False)
    return [unicodedata.normalize("NFC", word) for words in levels for word in words]


def is_of(word: str, script: str) -> bool:
    """Say whether a word is long enough, and all letters and marks of one script."""
    return is_word(word) and all(unicodedata.name(one, "").split()[0] == script for one in word)


def speak_hangul(word: str) -> str:
    """Return the phones of a Korean word; empty where ko-pron fails or is not sure."""
    try:
        found = importlib.import_module("ko_pron").romanise(word, "ipa") or ""
    except (IndexError, KeyError):
        return ""
    phones: list[str] = []
    for letter in found.split("]")[0].strip("[] "):
        is_part = unicodedata.category(letter) in ("Mn", "Lm") or letter in JOINED
        if phones and (is_part or phones[-1].endswith("\N{COMBINING DOUBLE INVERTED BREVE}")):
            phones[-1] += letter
        else:
            phones.append(letter)
    return "" if "(" in found else " ".join(phones)


class Speaker:
    """Asks espeak-ng's library for the phones of one language."""

    def __init__(self, language: str) -> None:
        loader = importlib.import_module("espeakng_loader")
        self._library: Any = ctypes.CDLL(loader.get_library_path())
        self._library.espeak_Initialize(RETRIEVAL, 0, loader.get_data_path().encode(), 0)
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._library.espeak_SetVoiceByName(language.encode())

    def __call__(self, word: str) -> str:
        """Return the phones of a word; empty where it is of another language."""
        text = ctypes.pointer(ctypes.cast(ctypes.c_char_p(word.encode()), ctypes.c_void_p))
        found = self._library.espeak_TextToPhonemes(text, UTF8, PHONES_AS_IPA).decode()
        phones = found.replace(" ", "_").split("_")
        return "" if "(" in found else " ".join(phone for phone in phones if phone)


if __name__ == "__main__":
    main()
