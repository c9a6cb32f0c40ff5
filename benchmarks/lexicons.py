"""Write words and their pronunciations in several languages, from packages on PyPI.

    pip download --no-deps gruut-lang-sw==2.0.1 gruut-lang-nl==2.0.2
    python benchmarks/lexicons.py gruut_lang_sw-2.0.1.tar.gz gruut_lang_nl-2.0.2.tar.gz

Writes sw_train.tsv, sw_dev.tsv, sw_test.tsv, and the same of nl: 3,600, 450 and 450 words, drawn at
random, as many as in the shared task of SIGMORPHON 2020. Each has its first pronunciation, phones
with blanks between. gruut (MIT) has them from Wiktionary and other lexicons, and some from a model.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tarfile
import tempfile
import unicodedata
from pathlib import Path

SHARES = {"train": 3600, "dev": 450, "test": 450}
SHORTEST = 2  # characters

Pair = tuple[str, str]


def main() -> None:
    """Write the files that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("packages", type=Path, nargs="+", help="gruut-lang-*, as downloaded")
    parser.add_argument("--out", type=Path, default=Path(), help="folder")
    options = parser.parse_args()
    for package in options.packages:
        language = package.name.split("-")[0].rsplit("_", 1)[-1]
        pairs = read_lexicon(package)
        random.Random(1).shuffle(pairs)
        begin = 0
        for part, size in SHARES.items():
            write(options.out / f"{language}_{part}.tsv", pairs[begin : begin + size])
            begin += size
        print(f"{language}: {begin:,} of {len(pairs):,} words")


def read_lexicon(package: Path) -> list[Pair]:
    """Return every word of letters and marks with its first pronunciation, in order."""
    with tarfile.open(package) as archive, tempfile.TemporaryDirectory() as folder:
        names = [name for name in archive.getnames() if name.endswith("/lexicon.db")]
        name = min(names, key=len)  # the longer one is another program's pronunciations
        archive.extract(name, folder, filter="data")
        connection = sqlite3.connect(Path(folder) / name)
        rows = connection.execute(
            "SELECT word, phonemes FROM word_phonemes WHERE pron_order = 0 ORDER BY word"
        ).fetchall()
        connection.close()
    pronunciations = {word: phones for word, phones in rows if is_word(word) and phones.strip()}
    return sorted(pronunciations.items())


def is_word(text: str) -> bool:
    """Say whether a text is long enough, and all letters and marks."""
    return len(text) >= SHORTEST and all(unicodedata.category(one)[0] in "LM" for one in text)


def write(path: Path, pairs: list[Pair]) -> None:
    """Write pairs as TSV."""
    path.write_text("".join(f"{word}\t{phones}\n" for word, phones in pairs), encoding="utf-8")


if __name__ == "__main__":
    main()
