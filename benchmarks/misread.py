"""Write pairs for the correction of OCR: texts that were misread, and the texts.

    python benchmarks/misread.py DATA/multi30k_en_de/train.tsv --out ocr_train.tsv

reads the first column of a file of pairs. About six letters of a hundred go wrong: most are taken
for letters that look like them, some are lost, and some get a blank or a point beside them.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

LOOKS_LIKE = {
    "a": "o",
    "c": "e",
    "d": "cl",
    "e": "c",
    "g": "q",
    "h": "b",
    "i": "l",
    "l": "1",
    "m": "rn",
    "n": "u",
    "o": "0",
    "r": "t",
    "s": "5",
    "t": "f",
    "u": "n",
    "w": "vv",
}
SHARE = 0.06  # of the letters
DIRT = " .,'"


def main() -> None:
    """Write the file that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("pairs", type=Path, help="TSV; its first column is the text")
    parser.add_argument("--out", type=Path, required=True, help="TSV to write")
    parser.add_argument("--join", type=int, default=1, help="rows that become one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    lines = options.pairs.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t")[0].strip() for line in lines]
    texts = [" ".join(rows[at : at + options.join]) for at in range(0, len(rows), options.join)]
    generator = random.Random(options.seed)
    pairs = [f"{misread(text, generator)}\t{text}\n" for text in texts]
    options.out.write_text("".join(pairs), encoding="utf-8")


def misread(text: str, generator: random.Random) -> str:
    """Return the text with errors.

    Example:
        >>> misread("a modern house in the town", random.Random(5))
        'a modetn house iu the town'
    """
    letters = []
    for letter in text:
        chance = generator.random() / SHARE
        if chance < 0.8:
            letter = LOOKS_LIKE.get(letter, letter)
        elif chance < 0.9:
            letter = ""
        elif chance < 1:
            letter += generator.choice(DIRT)
        letters.append(letter)
    return "".join(letters).strip() or text


if __name__ == "__main__":
    main()
