"""Write lists of words, one a line, the commonest first, from a package on PyPI.

    pip download --no-deps wordfreq==3.1.1
    pip install msgpack
    python benchmarks/word_lists.py wordfreq-3.1.1-py3-none-any.whl small_is large_sv

Writes small_is.txt (42,304 words of Icelandic) and large_sv.txt (340,815 of Swedish). wordfreq
counted them in texts of today, of many kinds (CC BY-SA 4.0).
"""

from __future__ import annotations

import argparse
import gzip
import zipfile
from pathlib import Path


def main() -> None:
    """Write the lists that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("wheel", type=Path, help="the package wordfreq, as downloaded")
    parser.add_argument("lists", nargs="+", help="size and language, such as small_is")
    parser.add_argument("--out", type=Path, default=Path(), help="folder")
    options = parser.parse_args()
    for name in options.lists:
        words = read_words(options.wheel, name)
        (options.out / f"{name}.txt").write_text("\n".join([*words, ""]), encoding="utf-8")
        print(f"{name}: {len(words):,} words")


def read_words(wheel: Path, name: str) -> list[str]:
    """Return the words of a list: it is a header, and then the words of each frequency."""
    import msgpack

    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read(f"wordfreq/data/{name}.msgpack.gz")
    return [word for group in msgpack.unpackb(gzip.decompress(packed))[1:] for word in group]


if __name__ == "__main__":
    main()
