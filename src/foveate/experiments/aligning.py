"""Align the words of two corpora by attention and by counting, and score both beside the gold.

The gold is known without annotators: the sentences are made up with their translations, and the
notation of a date says which word is which. One model reads the source and writes the target,
another the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from foveate.data.bundled_data import load_demo
from foveate.data.table import PairTable
from foveate.experiments.dates_aligned import align_dates
from foveate.experiments.experiment import Budget, Progress
from foveate.experiments.ibm_model import learn_model_1
from foveate.experiments.invented_language import AlignedText, InventedLanguage
from foveate.experiments.training import train_model
from foveate.insight.alignment import GroupKind, hard_alignment, pool_to_words, word_groups
from foveate.insight.symmetry import (
    AlignmentScore,
    Joining,
    Link,
    join_directions,
    score_alignments,
)

SENTENCES, DATES, DEV, SCORED = 6_000, 4_000, 100, 500
WORDS: dict[str, Any] = {
    "source_tokens": "whitespace",
    "target_tokens": "whitespace",
    "shared_vocabulary": False,
    "max_updates": 500,
    "hidden_size": 96,
    "embedding_size": 96,
    "batch_tokens": 600,
    "dropout": 0.1,
    "location_window": 0,  # words change places, so where it looked says little
    "guidance": 0.0,  # nobody shows it where to look
    "lexicon": False,
}
CHARACTERS: dict[str, Any] = {
    "source_tokens": "characters",
    "target_tokens": "characters",
    "shared_vocabulary": False,
    "max_updates": 350,
    "hidden_size": 96,
    "embedding_size": 64,
    "batch_tokens": 1000,
    "dropout": 0.05,
}
AHEAD, BACK = "source to target", "target to source"
JOININGS = get_args(Joining)
RAW, SHIFTED, IBM = "attention", "attention, one step later", "IBM model 1"
DIAGONAL = "diagonal"

Alignments = list[set[Link]]
Weights = list[NDArray[np.float64]]
Scores = dict[str, dict[str, AlignmentScore]]


@dataclass(frozen=True)
class Corpus:
    """Texts to learn from and to align.

    Attributes:
        name: of its models and pictures.
        title: for people.
        texts: the first ones are scored.
        dev: further texts.
        num_scored: how many are scored.
        options: of the models.
    """

    name: str
    title: str
    texts: list[AlignedText]
    dev: list[AlignedText]
    num_scored: int
    options: dict[str, Any]

    @property
    def gold(self) -> list[AlignedText]:
        """The texts that are scored."""
        return self.texts[: self.num_scored]

    def score(self, alignments: Alignments) -> AlignmentScore:
        """Score an alignment (i source, j target) of each text that is scored."""
        rows = zip(alignments, self.gold, strict=True)
        return score_alignments((links, one.sure, one.possible) for links, one in rows)


@dataclass(frozen=True)
class Outcome:
    """What came out for a corpus: all scores, and weights of words [T, S] for the picture.

    Attributes:
        raw: while a word is written.
        shifted: one step later.
    """

    corpus: Corpus
    scores: Scores
    raw: Weights
    shifted: Weights


def draw_sentences(budget: Budget) -> Corpus:
    """Draw sentences of the made-up language."""
    language = InventedLanguage(budget.seed)
    count, dev = budget.shrink(SENTENCES, least=120), budget.shrink(DEV, least=10)
    texts = [language.draw_sentence() for _ in range(count + dev)]
    options = {**WORDS, "max_updates": budget.shrink(WORDS["max_updates"], least=4)}
    scored = budget.shrink(SCORED, least=20)
    return Corpus("sentences", "made-up sentences", texts[:count], texts[count:], scored, options)


def read_dates(budget: Budget) -> Corpus:
    """Read the bundled dates, and align them by their notation."""
    demo = load_demo("dates")
    count, dev = budget.shrink(DATES, least=120), budget.shrink(DEV, least=10)
    rows = [*_first(demo.train, count), *_first(demo.dev, dev)]
    texts = [align_dates(source, target) for source, target in rows]
    options = {**CHARACTERS, "max_updates": budget.shrink(CHARACTERS["max_updates"], least=4)}
    scored = budget.shrink(SCORED, least=20)
    return Corpus("dates", "dates", texts[:count], texts[count:], scored, options)


def _first(table: PairTable, count: int) -> list[tuple[str, str]]:
    return list(islice(zip(table.sources(), table.targets(), strict=True), count))


def align_corpus(corpus: Corpus, budget: Budget, progress: Progress) -> Outcome:
    """Train a model in each direction, count with IBM model 1, and score both."""
    ahead = _look(corpus, False, budget, progress)
    back = _look(corpus, True, budget, progress)
    scores: Scores = {
        DIAGONAL: {"": corpus.score([_link_diagonal(one) for one in corpus.gold])},
        RAW: score_directions(corpus, _link(ahead[0]), _turn(_link(back[0]))),
        SHIFTED: score_directions(corpus, _link(ahead[1]), _turn(_link(back[1]))),
        IBM: score_directions(corpus, *align_by_counting(corpus)),
    }
    return Outcome(corpus, scores, *ahead)


def _look(
    corpus: Corpus, is_back: bool, budget: Budget, progress: Progress
) -> tuple[Weights, Weights]:
    """Train a model of one direction, and return its weights of words for the scored texts.

    The first weights are those while a word is written, the others those of one step later.
    """
    from foveate.experiments.looks import look_at_pairs

    name = f"{corpus.name}-to-{'source' if is_back else 'target'}"
    pairs, dev = (_join_words(texts, is_back) for texts in (corpus.texts, corpus.dev))
    table, held = (PairTable.from_texts(*zip(*rows, strict=True)) for rows in (pairs, dev))
    options = {**corpus.options, "num_validations": 1}
    trained = train_model(name, table, held, options, budget, progress, 1)
    pairs = pairs[: corpus.num_scored]
    groups = [_group(one, corpus.options["source_tokens"]) for one in pairs]
    rows = list(zip(look_at_pairs(trained.translator, pairs), groups, strict=True))
    raw = [pool_to_words(weights[:-1], *sides) for weights, sides in rows]
    return raw, [pool_to_words(weights[1:], *sides) for weights, sides in rows]


def _join_words(texts: Sequence[AlignedText], is_back: bool) -> list[tuple[str, str]]:
    pairs = [(" ".join(one.source), " ".join(one.target)) for one in texts]
    return [(target, source) for source, target in pairs] if is_back else pairs


def _group(pair: tuple[str, str], kind: GroupKind) -> tuple[list[int], list[int]]:
    """Return the word of every token, for both sides."""
    source, target = (text.split() if kind == "whitespace" else list(text) for text in pair)
    return word_groups(source, kind), word_groups(target, kind)


def _link(weights: Weights) -> Alignments:
    """Link every written word to the one that was looked at most."""
    return [set(hard_alignment(own, "argmax")) for own in weights]


def _turn(alignments: Alignments) -> Alignments:
    return [{(i, j) for j, i in links} for links in alignments]


def align_by_counting(corpus: Corpus) -> tuple[Alignments, Alignments]:
    """Return the links of IBM model 1 in both directions."""
    sources = [one.source for one in corpus.texts]
    targets = [one.target for one in corpus.texts]
    ahead, back = learn_model_1(sources, targets), learn_model_1(targets, sources)
    return (
        [ahead.align(one.source, one.target) for one in corpus.gold],
        _turn([back.align(one.target, one.source) for one in corpus.gold]),
    )


def _link_diagonal(text: AlignedText) -> set[Link]:
    """Link every target word to the source word at the same share of its sentence."""
    source, target = len(text.source), len(text.target)
    return {(int((j + 0.5) * source / target), j) for j in range(target)}


def score_directions(
    corpus: Corpus, ahead: Alignments, back: Alignments
) -> dict[str, AlignmentScore]:
    """Score both directions, and all ways to join them."""
    scores = {AHEAD: corpus.score(ahead), BACK: corpus.score(back)}
    for how in JOININGS:
        rows = zip(ahead, back, strict=True)
        scores[how] = corpus.score([join_directions(one, other, how) for one, other in rows])
    return scores
