"""Write pairs for inflection, a German noun with tags and its form, from a package on PyPI.

    pip download --no-deps german-nouns==1.2.5
    python benchmarks/german_nouns.py german_nouns-1.2.5-py3-none-any.whl --sizes 1000 10000

Writes nouns_1000.tsv, nouns_10000.tsv and nouns_dev.tsv, whose 1,000 forms are of 300 nouns that
stand in neither of the others. The words are from Wiktionary (CC BY-SA 4.0).
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import zipfile
from pathlib import Path

CASES = {"nominativ": "NOM", "genitiv": "GEN", "dativ": "DAT", "akkusativ": "ACC"}
NUMBERS = {"singular": "SG", "plural": "PL"}
LONGEST = 20  # letters
DEV_NOUNS, DEV_PAIRS = 300, 1000

Pair = tuple[str, str]


def main() -> None:
    """Write the files that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("wheel", type=Path, help="the package german-nouns, as downloaded")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10000], help="pairs")
    parser.add_argument("--out", type=Path, default=Path(), help="folder")
    options = parser.parse_args()
    forms = read_forms(options.wheel)
    nouns = sorted(forms)
    random.Random(1).shuffle(nouns)
    dev = [pair for noun in nouns[:DEV_NOUNS] for pair in forms[noun]]
    rest = [pair for noun in nouns[DEV_NOUNS:] for pair in forms[noun]]
    random.Random(2).shuffle(dev)
    random.Random(3).shuffle(rest)
    write(options.out / "nouns_dev.tsv", dev[:DEV_PAIRS])
    for size in options.sizes:
        write(options.out / f"nouns_{size}.tsv", rest[:size])


def read_forms(wheel: Path) -> dict[str, list[Pair]]:
    """Return the pairs of every noun: the first form of each case and number that it has."""
    forms: dict[str, list[Pair]] = {}
    with zipfile.ZipFile(wheel) as archive, archive.open("german_nouns/nouns.csv") as file:
        for row in csv.DictReader(io.TextIOWrapper(file, "utf-8")):
            noun = row["lemma"]
            if not noun.isalpha() or len(noun) > LONGEST or noun in forms:
                continue
            pairs = []
            for case, case_tag in CASES.items():
                for number, number_tag in NUMBERS.items():
                    form = (row[f"{case} {number}"] or row[f"{case} {number} 1"]).strip()
                    if form.isalpha():
                        pairs.append((f"{noun} <N><{case_tag}><{number_tag}>", form))
            if pairs:
                forms[noun] = pairs
    return forms


def write(path: Path, pairs: list[Pair]) -> None:
    """Write pairs as TSV."""
    path.write_text("".join(f"{one}\t{other}\n" for one, other in pairs), encoding="utf-8")


if __name__ == "__main__":
    main()
