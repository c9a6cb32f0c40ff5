"""Train a model of a focus, and measure its attention weights between updates.

The models learn the same words in the same order, and differ in one option. They are measured while
they write the right pronunciations of words of dev.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foveate.config import Config
from foveate.data.batching import collate
from foveate.data.table import PairTable
from foveate.experiments.experiment import Budget, Progress
from foveate.files import replace_file
from foveate.insight.focus import entropies, shares_near

if TYPE_CHECKING:
    from foveate.training.prepare import Prepared

REACH = 1  # letters beside the expected one that count as near
FILMED = "orthography"
MODELS: dict[str, dict[str, Any]] = {
    "softmax": {"location_window": 0},
    "entmax": {"location_window": 0, "attention_weights": "entmax"},
    "location": {"location_window": 7},
}
OPTIONS: dict[str, Any] = {
    "hidden_size": 96,
    "embedding_size": 64,
    "batch_tokens": 400,
    "dropout": 0.05,
}


@dataclass(frozen=True)
class Look:
    """What was measured after an update: means over all phonemes of the measured words.

    Attributes:
        update: how many were done.
        entropy: of the weights, in nats.
        largest: the largest weight.
        zeros: share of the weights that are exactly 0.
        near: share of the attention that is at most `REACH` letters from the expected one.
        film: [T][S] weights of the word that is shown, in thousandths.
    """

    update: int
    entropy: float
    largest: float
    zeros: float
    near: float
    film: list[list[int]]


@dataclass(frozen=True)
class Observed:
    """One model: its looks in their order, and its errors on words of test at the end.

    Attributes:
        looks: from update 0 to the last.
        words_wrong: share of the test words that are wrong.
        phonemes_wrong: edits for each phoneme of their targets.
    """

    looks: list[Look]
    words_wrong: float
    phonemes_wrong: float

    @classmethod
    def restore(cls, values: dict[str, Any]) -> Observed:
        """Build it from what `dataclasses.asdict` made, by way of JSON."""
        return cls(**{**values, "looks": [Look(**one) for one in values["looks"]]})


@dataclass(frozen=True)
class Sample:
    """The words to look at; the first one is shown.

    Attributes:
        pairs: words and their pronunciations.
        tokens: letters and phonemes of each.
        expected: the letter at which each phoneme [T] is expected to look.
    """

    pairs: list[tuple[str, str]]
    tokens: list[tuple[list[str], list[str]]]
    expected: list[NDArray[np.int64]]

    @property
    def even_entropy(self) -> float:
        """Mean over the phonemes of log S: the entropy of weights that are spread evenly."""
        lengths = [len(source) for source, target in self.tokens for _ in target]
        return float(np.log(lengths).mean())


def prepare_model(name: str, train: PairTable, dev: PairTable, updates: int, seed: int) -> Prepared:
    """Prepare a run of one of `MODELS`."""
    from foveate.training.prepare import prepare

    options = {**OPTIONS, **MODELS[name], "memory": False}
    return prepare(train, dev, Config(max_updates=updates, seed=seed, **options))


def choose_sample(prepared: Prepared, dev: PairTable, count: int) -> Sample:
    """Take words of dev, and let a lexicon of the training pairs say where to look.

    The lexicon is IBM model 1 with a preference for the diagonal: it has no network.
    """
    from foveate.training.lexicon import Lexicon

    rows = list(zip(dev.sources(), dev.targets(), strict=True))
    filmed = [pair for pair in rows if pair[0] == FILMED]
    pairs = [*filmed, *(pair for pair in rows if pair[0] != FILMED)][:count]
    source, target, facts = prepared.source_codec, prepared.target_codec, prepared.facts
    lexicon = Lexicon(prepared.pairs, facts.source_size, facts.target_size)
    ids = [(source.encode(one), target.encode(other)) for one, other in pairs]
    chances = lexicon.align(collate([one for one, _ in ids], [other for _, other in ids]))
    return Sample(
        pairs,
        [(source.split(one), target.split(other)) for one, other in pairs],
        [own[: len(other)].argmax(axis=1) for own, (_, other) in zip(chances, ids, strict=True)],
    )


def observe(
    name: str,
    prepared: Prepared,
    looks: Sequence[int],
    sample: Sample,
    test: PairTable,
    budget: Budget,
    progress: Progress,
) -> Observed:
    """Train a model and measure it between updates, or recall what an earlier run measured."""
    from foveate.evaluation import evaluate
    from foveate.experiments.looks import look_at_pairs, train_with_looks

    kept = None if budget.folder is None else budget.folder / f"{name}.json"
    if kept is not None and kept.is_file():
        progress.finish(1, f"{name}: was there already")
        return Observed.restore(json.loads(kept.read_text(encoding="utf-8")))
    measured = []
    for update, translator in train_with_looks(prepared, looks):
        measured.append(measure(look_at_pairs(translator, sample.pairs), update, sample))
        what = f"{name}: update {update:,} of {looks[-1]:,}"
        progress.tell(update / looks[-1], 1, what)
    metrics = evaluate(translator, test, beam_size=1).metrics
    wrong = 1 - metrics["exact_match"].value, metrics["token_error_rate"].value
    observed = Observed(measured, *wrong)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        replace_file(kept, json.dumps(asdict(observed)))
    progress.finish(1, f"{name}: trained and measured")
    return observed


def measure(weights: Sequence[NDArray[np.float64]], update: int, sample: Sample) -> Look:
    """Measure the attention weights [T + 1, S] of all words of a sample.

    The row of the end mark does not count: nothing is expected of it.
    """
    rows = [one[:-1] for one in weights]
    cells = np.concatenate([row.ravel() for row in rows])
    near = [
        shares_near(row, places, REACH) for row, places in zip(rows, sample.expected, strict=True)
    ]
    return Look(
        update,
        entropy=float(np.concatenate([entropies(row) for row in rows]).mean()),
        largest=float(np.concatenate([row.max(axis=1) for row in rows]).mean()),
        zeros=float((cells == 0).mean()),
        near=float(np.concatenate(near).mean()),
        film=np.rint(1000 * rows[0]).astype(int).tolist(),
    )


def find_half_way(one: Observed) -> float:
    """Return the update from which on half of the attention is near the expected letter.

    It lies between two looks, on the straight line that joins them; infinity if it is never so.
    """
    for before, after in zip(one.looks, one.looks[1:], strict=False):
        if after.near >= 0.5 > before.near:
            share = (0.5 - before.near) / (after.near - before.near)
            return before.update + share * (after.update - before.update)
    return float("inf")
