"""How does attention come to a focus, and what do entmax and location change about it?

Three models learn the same words in the same order, and differ in one option. Between updates
their weights are measured while they write the right pronunciations of words of dev.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foveate.config import Config
from foveate.data.batching import collate
from foveate.data.bundled_data import load_demo
from foveate.data.table import PairTable
from foveate.experiments.experiment import (
    Budget,
    Experiment,
    Findings,
    Json,
    Picture,
    Progress,
    Report,
    Table,
)
from foveate.experiments.training import import_train
from foveate.files import replace_file
from foveate.insight.focus import entropies, shares_near
from foveate.insight.grids import Grid, Moment, draw_film, draw_grids
from foveate.insight.lines import draw_lines

if TYPE_CHECKING:
    from foveate.training.prepare import Prepared

UPDATES, LOOKS, STRIP = 800, 25, 4  # the last: moments of the still picture
PAIRS, MEASURED, TRANSLATED = 10_000, 200, 500  # words of train, of dev and of test
REACH = 1  # letters beside the expected one that count as near
FILMED = "orthography"
MODELS: dict[str, dict[str, Any]] = {
    "softmax": {"location_window": 0},
    "entmax": {"location_window": 0, "attention_weights": "entmax"},
    "location": {"location_window": 7},
}
OPTIONS: dict[str, Any] = {
    "hidden_size": 128,
    "embedding_size": 96,
    "batch_tokens": 600,
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


def run(budget: Budget, report: Report) -> Findings:
    """Train the three models, measure them between updates, and draw what was measured."""
    import_train()
    from foveate.experiments.looks import spread_looks

    demo, progress = load_demo("pronunciation"), Progress(report, len(MODELS))
    train = demo.train.rows(range(budget.shrink(PAIRS, least=400)))
    looks = spread_looks(budget.shrink(UPDATES, least=8), budget.shrink(LOOKS, least=4))
    prepared = {name: _prepare(name, train, demo.dev, looks[-1], budget.seed) for name in MODELS}
    sample = choose_sample(prepared["softmax"], demo.dev, budget.shrink(MEASURED, least=20))
    test = demo.test.rows(range(budget.shrink(TRANSLATED, least=20)))
    observed = {
        name: observe(name, one, looks, sample, test, budget, progress)
        for name, one in prepared.items()
    }
    return conclude(observed, sample, prepared["softmax"])


def _prepare(name: str, train: PairTable, dev: PairTable, updates: int, seed: int) -> Prepared:
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


def conclude(observed: dict[str, Observed], sample: Sample, prepared: Prepared) -> Findings:
    """Say what came out, and draw it."""
    even = sample.even_entropy
    checks = check_claims(observed, even)
    return Findings(
        claim=(
            "Attention begins spread evenly over the word and comes to a focus by learning alone. "
            "Entmax makes it sharper, and location brings it to its place sooner."
        ),
        expected=EXPECTED,
        found=_describe(observed, even, checks),
        holds=all(checks.values()),
        numbers=_list_numbers(observed, even, checks),
        pictures=draw_pictures(observed, sample),
        tables=[_tabulate(observed, even)],
        method=_describe_method(observed, sample, prepared),
    )


EXPECTED = """\
Nothing tells the model where to look. Bahdanau et al. (2015, section 3.1) train the alignment with
the rest, by the gradient of the translation loss alone; their figure 3 shows what comes out.

A softmax never gives the weight 0. Peters, Niculae and Martins (2019, section 3) replace it by
entmax, which does. They found sparse and sharp alignments without loss of quality.

From content alone the decoder has to tell equal letters apart. Chorowski et al. (2015, section
2.2) let the scores see the weights of the step before, so that attention can move on from there.
"""


def check_claims(observed: dict[str, Observed], even: float) -> dict[str, bool]:
    """Say which parts of the claim the numbers bear out.

    Args:
        observed: the models.
        even: mean entropy of weights that are spread evenly, in nats.
    """
    first = {name: one.looks[0].entropy for name, one in observed.items()}
    last = {name: one.looks[-1].entropy for name, one in observed.items()}
    return {
        "begins_even": all(value > 0.95 * even for value in first.values()),
        "comes_to_a_focus": all(value < 0.5 * even for value in last.values()),
        "entmax_is_sharper": last["entmax"] < last["softmax"],
        "location_is_sooner": (
            find_half_way(observed["location"]) < find_half_way(observed["softmax"])
        ),
    }


def find_half_way(one: Observed) -> float:
    """Return the update from which on half of the attention is near the expected letter.

    It lies between two looks, on the straight line that joins them; infinity if it is never so.
    """
    for before, after in zip(one.looks, one.looks[1:], strict=False):
        if after.near >= 0.5 > before.near:
            share = (0.5 - before.near) / (after.near - before.near)
            return before.update + share * (after.update - before.update)
    return float("inf")


def _describe(observed: dict[str, Observed], even: float, checks: dict[str, bool]) -> str:
    """Say in plain words what was measured."""
    last = {name: one.looks[-1] for name, one in observed.items()}
    ends = ", ".join(f"{look.entropy:.2f} ({name})" for name, look in last.items())
    half = ", ".join(f"{_show_half_way(one)} ({name})" for name, one in observed.items())
    wrong = ", ".join(f"{100 * one.words_wrong:.0f} % ({name})" for name, one in observed.items())
    failed = [name.replace("_", " ") for name, is_so in checks.items() if not is_so]
    doubt = f"\n\nNot borne out here: {', '.join(failed)}." if failed else ""
    return (
        f"Weights that are spread evenly have an entropy of {even:.2f} nats here. The models begin "
        f"there. They end at {ends}.\n\nHalf of the attention is at most one letter from the "
        f"expected letter from these updates on: {half}.\n\nOf the weights of entmax "
        f"{100 * last['entmax'].zeros:.0f} % are exactly 0 at the end, of the softmax "
        f"{100 * last['softmax'].zeros:.0f} %.\n\nOf the test words are wrong: {wrong}. Sharp "
        f"weights are easier to read. They do not make a better model by themselves.{doubt}"
    )


def _show_half_way(one: Observed) -> str:
    update = find_half_way(one)
    return "never" if update == float("inf") else f"{update:.0f}"


def _list_numbers(
    observed: dict[str, Observed], even: float, checks: dict[str, bool]
) -> dict[str, Json]:
    models: dict[str, Json] = {}
    for name, one in observed.items():
        half = find_half_way(one)
        looks: list[Json] = [
            {key: value for key, value in asdict(look).items() if key != "film"}
            for look in one.looks
        ]
        models[name] = {
            "words_wrong": one.words_wrong,
            "phonemes_wrong": one.phonemes_wrong,
            "half_way": None if half == float("inf") else half,
            "looks": looks,
        }
    return {"even_entropy": even, "checks": checks, "models": models}


def _tabulate(observed: dict[str, Observed], even: float) -> Table:
    rows = [
        (
            name,
            f"{last.entropy:.2f}",
            f"{np.exp(last.entropy):.1f}",
            f"{last.largest:.2f}",
            f"{100 * last.zeros:.0f} %",
            f"{100 * last.near:.0f} %",
            _show_half_way(one),
            f"{100 * one.words_wrong:.1f} %",
            f"{100 * one.phonemes_wrong:.1f} %",
        )
        for name, one in observed.items()
        for last in one.looks[-1:]
    ]
    header = (
        "model",
        f"entropy (evenly spread: {even:.2f})",
        "letters looked at, e^entropy",
        "largest weight",
        "weights 0",
        "near the expected letter",
        "half of it there from update",
        "words wrong",
        "phonemes wrong",
    )
    return Table("At the end of the training", header, rows)


def _describe_method(observed: dict[str, Observed], sample: Sample, prepared: Prepared) -> str:
    options, last = prepared.options, observed["softmax"].looks[-1]
    return (
        f"Bundled English words and their phonemes: {len(prepared.table):,} pairs to learn from, "
        f"{len(sample.pairs):,} words of dev to look at. Each model is the attention RNN "
        f"(layout gnmt, width {options.model.hidden_size}) and does {last.update:,} updates on the "
        "same batches; nothing but the weights of its attention differs. What is measured is the "
        "moving average of its weights, which a run keeps, while it writes the right phonemes.\n\n"
        "The expected letter of a phoneme is the likeliest one of a lexicon: IBM model 1 (Brown "
        "et al. 1993) with a preference for the diagonal (Dyer et al. 2013), learnt from the "
        "same pairs. It is no gold standard, and one letter beside it counts as near."
    )


def draw_pictures(observed: dict[str, Observed], sample: Sample) -> list[Picture]:
    """Draw the film, its still moments, and the curves."""
    moments = [_show_moment(number, observed, sample) for number in range(_count_looks(observed))]
    word = sample.pairs[0][0]
    said = f"Where three models look in the word {word}, from spread evenly to focused."
    chosen = [round(one) for one in np.linspace(0, len(moments) - 1, STRIP).tolist()]
    strip = [moments[number] for number in dict.fromkeys(chosen)]
    return [
        Picture(
            "focus",
            f"Attention on “{word}” while it is learnt.",
            "Rows are phonemes, columns are letters. The film plays three times; a pointer on the "
            "line of time chooses a moment.",
            draw_film(moments, said),
            is_animation=True,
        ),
        _draw_curve(
            observed,
            ("entropy", "The entropy falls from that of evenly spread weights."),
            ("nats", "Mean over all phonemes of the measured words."),
            lambda look: look.entropy,
        ),
        _draw_curve(
            observed,
            ("near", "The attention arrives at the expected letters."),
            ("per cent", "Share of the attention that is at most one letter from them."),
            lambda look: 100 * look.near,
        ),
        Picture(
            "moments",
            f"The same word at {len(strip)} moments.",
            "From top to bottom: more updates.",
            draw_grids(strip, said),
        ),
    ]


def _count_looks(observed: dict[str, Observed]) -> int:
    return min(len(one.looks) for one in observed.values())


def _show_moment(number: int, observed: dict[str, Observed], sample: Sample) -> Moment:
    """Return the grids of all models after the same update."""
    letters, phonemes = sample.tokens[0]
    looks = {name: one.looks[number] for name, one in observed.items()}
    grids = []
    for name, look in looks.items():
        weights = np.array(look.film) / 1000
        note = f"entropy {entropies(weights).mean():.2f} nats"
        grids.append(Grid(name, letters, phonemes, weights, note))
    return Moment(f"update {looks['softmax'].update:,}", grids)


def _draw_curve(
    observed: dict[str, Observed],
    named: tuple[str, str],
    told: tuple[str, str],
    value: Callable[[Look], float],
) -> Picture:
    """Draw a number over the updates, a line for each model.

    Args:
        observed: the models.
        named: name of the file, and title.
        told: unit, and caption.
        value: the number.
    """
    series = {
        name: [(look.update, value(look)) for look in one.looks] for name, one in observed.items()
    }
    last = observed["softmax"].looks[-1].update
    bounds = (0.0, 100.0) if told[0] == "per cent" else None
    svg = draw_lines(series, told[0], "update", last=last, bounds=bounds)
    return Picture(named[0], named[1], told[1], svg)


FOCUS = Experiment(
    name="focus",
    title="How attention comes to a focus",
    question=(
        "Nobody tells the model which letter belongs to which sound. How does its attention get "
        "from everywhere to the right letter? What do entmax and location change about it?"
    ),
    minutes=5,
    run=run,
)
