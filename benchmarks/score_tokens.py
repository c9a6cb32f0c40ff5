"""Word accuracy over running text: every row of the test pairs counts, repeated ones each time.

    python benchmarks/score_tokens.py model data/train.tsv data/test.tsv --n-best 3

`foveate evaluate` counts every distinct source once; papers on text normalisation count tokens.
Prints the accuracy on all rows, on those whose source is in the training pairs, and on the others,
with a lookup of the training pairs (and a copy of what is not there) beside it. N-best accuracy
says whether any of the N best outputs is right.
"""

from __future__ import annotations

import argparse
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from foveate.translator import Translator

Pairs = list[tuple[str, str]]


def main() -> None:
    """Score what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("model")
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--n-best", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    train, test = read(options.train), read(options.test)
    translator = Translator.load(options.model, threads=options.threads)
    distinct = list(dict.fromkeys(source for source, _ in test))
    found = translator.translate(distinct, n_best=options.n_best, attention=False)
    outputs = {
        source: [compose(one.text) for one in (best, *best.alternatives)]
        for source, best in zip(distinct, found, strict=True)
    }
    lookup = learn_lookup(train)
    rivals: dict[str, Callable[[str], list[str]]] = {
        "model": lambda source: outputs[source][:1],
        "lookup else copy": lambda source: [lookup.get(source, source)],
    }
    if options.n_best > 1:
        rivals[f"model, {options.n_best}-best"] = outputs.__getitem__
    known = {source for source, _ in train}
    parts = {
        "all": test,
        "seen": [pair for pair in test if pair[0] in known],
        "unseen": [pair for pair in test if pair[0] not in known],
    }
    print("| accuracy, % | " + " | ".join(f"{n} ({len(p):,})" for n, p in parts.items()) + " |")
    print("|---|" + "---:|" * len(parts))
    for name, answer in rivals.items():
        shares = (accuracy(answer, part) for part in parts.values())
        print(f"| {name} | " + " | ".join(f"{100 * share:.2f}" for share in shares) + " |")


def read(path: Path) -> Pairs:
    """Read source TAB target, one pair a line, in NFC."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [(compose(row[0]), compose(row[1])) for row in rows if len(row) > 1]


def compose(text: str) -> str:
    """Return text in NFC, in which outputs are compared."""
    return unicodedata.normalize("NFC", text)


def learn_lookup(train: Pairs) -> dict[str, str]:
    """Return the commonest target of every source."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for source, target in train:
        counts[source][target] += 1
    return {source: found.most_common(1)[0][0] for source, found in counts.items()}


def accuracy(answer: Callable[[str], Iterable[str]], pairs: Pairs) -> float:
    """Return the share of pairs whose target is among the answers to their source."""
    return sum(target in answer(source) for source, target in pairs) / max(1, len(pairs))


if __name__ == "__main__":
    main()
