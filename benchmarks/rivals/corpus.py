"""The text that all contenders get: the same pairs, cut into the same tokens.

A folder has `train`, `dev` and `test`, each as `.source` and `.target` with blanks between tokens,
and `source.vocabulary` and `target.vocabulary`, one token a line, the most frequent first; they are
the same where both sides share their subwords. Test is sorted by the length of the source.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import sentencepiece

KINDS = ("bpe", "characters", "whitespace")
DEV = 64  # pairs, of the training pairs: some toolkits ask for a dev set
BLANK = "\u2581"

Pairs = list[tuple[list[str], list[str]]]


def make_corpus(
    train: Path,
    test: Path,
    out: Path,
    kinds: tuple[str, str],
    *,
    size: int,
    sentences: int,
    join: int = 1,
    longest: int = 100,
) -> dict[str, int | float]:
    """Cut the pairs of two TSV files into tokens and return facts about them.

    Args:
        train: pairs to train on, source TAB target.
        test: pairs to translate.
        out: folder to write to.
        kinds: tokens of source and target, of `KINDS`; with bpe on both sides they are learnt
            together.
        size: number of subwords.
        sentences: the first so many of the test pairs are used.
        join: so many pairs, one after the other, become one long pair.
        longest: tokens of a side; longer pairs are left out for everybody.
    """
    out.mkdir(parents=True, exist_ok=True)
    texts = _join(read_pairs(train), join)
    source, target = build_splitters(texts, kinds, size)
    parts = {
        "train": _cut(texts, source, target, longest),
        "test": _cut(_join(read_pairs(test)[:sentences], join), source, target, longest),
    }
    parts["test"].sort(key=lambda pair: len(pair[0]))
    parts["dev"] = parts["train"][:DEV]
    for name, pairs in parts.items():
        _write(out / f"{name}.source", (" ".join(pair[0]) for pair in pairs))
        _write(out / f"{name}.target", (" ".join(pair[1]) for pair in pairs))
    sides = [[token for pair in parts["train"] for token in pair[side]] for side in (0, 1)]
    if kinds == ("bpe", "bpe"):
        sides = [sides[0] + sides[1]] * 2
    vocabularies = [[token for token, _ in Counter(side).most_common()] for side in sides]
    _write(out / "source.vocabulary", vocabularies[0])
    _write(out / "target.vocabulary", vocabularies[1])
    facts = {
        "train_pairs": len(parts["train"]),
        "test_pairs": len(parts["test"]),
        "source_vocabulary": len(vocabularies[0]),
        "target_vocabulary": len(vocabularies[1]),
        "source_length": _mean(parts["train"], 0),
        "target_length": _mean(parts["train"], 1),
        "output_length": max(1, round(_mean(parts["test"], 1))),
    }
    _write(out / "facts.json", [json.dumps(facts)])
    return facts


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Read source TAB target, one pair a line; further columns are left out."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [(row[0].strip(), row[1].strip()) for row in rows if len(row) > 1]


def build_splitters(
    texts: list[tuple[str, str]], kinds: tuple[str, str], size: int
) -> list[Callable[[str], list[str]]]:
    """Return what cuts a source and what cuts a target."""
    simple = {"whitespace": str.split, "characters": lambda text: list(text.replace(" ", BLANK))}
    learnt = [
        text for pair in texts for text, kind in zip(pair, kinds, strict=True) if kind == "bpe"
    ]
    split = learn_bpe(learnt, size) if learnt else None
    return [simple.get(kind, split) for kind in kinds]


def learn_bpe(texts: Iterable[str], size: int) -> Callable[[str], list[str]]:
    """Learn subwords by byte-pair encoding and return what cuts a text into them."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        model_type="bpe",
        vocab_size=size,
        character_coverage=1.0,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return lambda text: processor.encode(text, out_type=str)


def _join(texts: list[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    groups = (texts[start : start + count] for start in range(0, len(texts), count))
    return [
        (" ".join(left), " ".join(right)) for left, right in (zip(*g, strict=True) for g in groups)
    ]


def _cut(
    texts: list[tuple[str, str]],
    source: Callable[[str], list[str]],
    target: Callable[[str], list[str]],
    longest: int,
) -> Pairs:
    pairs = [(source(left), target(right)) for left, right in texts]
    return [pair for pair in pairs if all(1 <= len(side) <= longest for side in pair)]


def _mean(pairs: Pairs, side: int) -> float:
    return sum(len(pair[side]) for pair in pairs) / max(1, len(pairs))


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
