"""Write pairs for going on with a model: names in Italian endings, and all other words of CMUdict.

    python benchmarks/italian_names.py DATA/cmudict_g2p --out FOLDER
    shuf -n 25000 --random-source=<(yes 1) words_train.tsv > WORDS.tsv
    head -n 1500 words_test.tsv > WORDS_TEST.tsv

Writes names_train.tsv (500 pairs), names_dev.tsv, names_test.tsv, words_train.tsv, words_test.tsv.
No name stands in two of them.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import defaultdict
from pathlib import Path

NAME = re.compile(
    "(INI|ELLI|ETTI|INO|UCCI|ACCI|ONI|ELLO|ETTA|OTTI|OTTO|ILLO|ANO|IANI|ANI|ETTO|ACCIO|UZZI|AZZO"
    "|OLI|ARDI|ERI)$"
)
NUM_PAIRS, NUM_DEV, NUM_WORDS = 500, 300, 3000


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path, help="folder with train.tsv, dev.tsv and test.tsv")
    parser.add_argument("--out", type=Path, default=Path(), help="folder")
    given = parser.parse_args()
    names, words = split(read(given.data / "train.tsv") + read(given.data / "dev.tsv"))
    test_names, test_words = split(read(given.data / "test.tsv"))
    by_name = defaultdict(list)
    for line in names:
        by_name[find_source(line)].append(line)
    order = sorted(by_name)
    random.Random(1).shuffle(order)
    train = [line for name in order for line in by_name[name]][:NUM_PAIRS]
    seen = set(map(find_source, train))
    rest = [name for name in order if name not in seen]
    random.Random(2).shuffle(test_words)
    parts = {
        "names_train": train,
        "names_dev": [line for name in rest[:NUM_DEV] for line in by_name[name]],
        "names_test": [line for name in rest[NUM_DEV:] for line in by_name[name]] + test_names,
        "words_train": words,
        "words_test": sorted(test_words[:NUM_WORDS]),
    }
    for name, lines in parts.items():
        (given.out / f"{name}.tsv").write_text("".join(lines), encoding="utf-8")


def read(path: Path) -> list[str]:
    """Return lines with their ends."""
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


def split(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return names of the kind, and the others."""
    names = [line for line in lines if NAME.search(find_source(line))]
    return names, [line for line in lines if not NAME.search(find_source(line))]


def find_source(line: str) -> str:
    """Return the word of a line."""
    return line.split("\t")[0]


if __name__ == "__main__":
    main()
