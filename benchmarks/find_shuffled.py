"""Shuffle the targets of one pair in a hundred, let `foveate check` rank the pairs, and count how
many of the spoilt ones come first.

    python benchmarks/find_shuffled.py lexicon.tsv --minutes 10 --json shuffled.json

Prints, for the first 1 %, 2 % and 5 % of the ranking, which share of the spoilt pairs is in it.
The pairs are taken to be right before; those that are not count against the ranking.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

SHARES = (0.01, 0.02, 0.05)


def main() -> None:
    """Run the benchmark that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("pairs", type=Path, help="source TAB target")
    parser.add_argument("--share", type=float, default=0.01, help="of the pairs, to spoil")
    parser.add_argument("--seed", type=int, default=1, help="of the shuffling and the check")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options, told = parser.parse_known_args()
    lines = options.pairs.read_text(encoding="utf-8").splitlines()
    pairs = [tuple(line.split("\t")[:2]) for line in lines]
    spoilt, rows = shuffle_some(pairs, options.share, options.seed)
    ranking = check(spoilt, ["--seed", str(options.seed), *told])
    found = {share: count_found(ranking, rows, share) for share in SHARES}
    print(f"{len(pairs):,} pairs, {len(rows):,} of them spoilt")
    for share, part in found.items():
        print(f"in the first {100 * share:.0f} % of the ranking: {100 * part:.1f} % of the spoilt")
    if options.json is not None:
        result = {"pairs": len(pairs), "spoilt": len(rows), "seed": options.seed, "told": told}
        result["found"] = {str(share): part for share, part in found.items()}
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def shuffle_some(
    pairs: list[tuple[str, ...]], share: float, seed: int
) -> tuple[list[tuple[str, ...]], set[int]]:
    """Let some pairs, chosen at random, exchange their targets; return the rows that changed."""
    generator = random.Random(seed)
    chosen = generator.sample(range(len(pairs)), max(2, round(share * len(pairs))))
    spoilt = list(pairs)
    for row, other in zip(chosen, chosen[1:] + chosen[:1], strict=True):  # nobody keeps its own
        spoilt[row] = (pairs[row][0], pairs[other][1])
    return spoilt, {row for row in chosen if spoilt[row] != pairs[row]}


def check(pairs: list[tuple[str, ...]], told: list[str]) -> list[int]:
    """Return the rows of the pairs, counted from 0, in the order of their suspicion."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "pairs.tsv"), Path(folder, "suspicious.tsv")
        path.write_text("".join(f"{s}\t{t}\n" for s, t in pairs), encoding="utf-8")
        command = [sys.executable, "-m", "foveate", "check", str(path), "--out", str(out), "--all"]
        subprocess.run([*command, *told], check=True)
        with out.open(encoding="utf-8", newline="") as stream:
            table = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            return [int(row["line"]) - 1 for row in table]


def count_found(ranking: list[int], rows: set[int], share: float) -> float:
    """Return which share of `rows` is in the first `share` of the ranking."""
    first = set(ranking[: round(share * len(ranking))])
    return len(first & rows) / len(rows)


if __name__ == "__main__":
    main()
