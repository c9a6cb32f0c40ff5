"""How does attention come to a focus, and what do entmax and location change about it?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from foveate.data.bundled_data import load_demo
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
from foveate.experiments.focusing import (
    MODELS,
    Look,
    Observed,
    Sample,
    choose_sample,
    find_half_way,
    observe,
    prepare_model,
)
from foveate.experiments.training import import_train
from foveate.insight.focus import entropies
from foveate.insight.grids import Grid, Moment, draw_film, draw_grids
from foveate.insight.lines import draw_lines

if TYPE_CHECKING:
    from foveate.training.prepare import Prepared

UPDATES, LOOKS, STRIP = 800, 25, 4  # the last: moments of the still picture
PAIRS, MEASURED, TRANSLATED = 10_000, 200, 500  # words of train, of dev and of test
COLORS = (0, 3, 4)  # of the palette: softmax is the attention of the other experiments


def run(budget: Budget, report: Report) -> Findings:
    """Train the three models, measure them between updates, and draw what was measured."""
    import_train()
    from foveate.experiments.looks import spread_looks

    demo, progress = load_demo("pronunciation"), Progress(report, len(MODELS))
    train = demo.train.rows(range(budget.shrink(PAIRS, least=400)))
    looks = spread_looks(budget.shrink(UPDATES, least=6), budget.shrink(LOOKS, least=4))
    prepared = {
        name: prepare_model(name, train, demo.dev, looks[-1], budget.seed) for name in MODELS
    }
    sample = choose_sample(prepared["softmax"], demo.dev, budget.shrink(MEASURED, least=20))
    test = demo.test.rows(range(budget.shrink(TRANSLATED, least=20)))
    observed = {
        name: observe(name, one, looks, sample, test, budget, progress)
        for name, one in prepared.items()
    }
    return conclude(observed, sample, prepared["softmax"])


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
        f"expected letter from these updates on: {half}.\n\nAt the end, "
        f"{100 * last['entmax'].zeros:.0f} % of the weights of entmax are exactly 0, and "
        f"{100 * last['softmax'].zeros:.0f} % of the weights of the softmax.\n\nTest words that "
        f"are wrong: {wrong}. Sharp "
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
    """Put the models side by side, and what was measured at the end below each other."""
    last = [one.looks[-1] for one in observed.values()]
    models = list(observed.values())
    rows = [
        (f"entropy in nats (spread evenly: {even:.2f})", *(f"{one.entropy:.2f}" for one in last)),
        ("letters looked at, e^entropy", *(f"{np.exp(one.entropy):.1f}" for one in last)),
        ("largest weight", *(f"{one.largest:.2f}" for one in last)),
        ("weights that are 0", *(f"{100 * one.zeros:.0f} %" for one in last)),
        ("attention near the expected letter", *(f"{100 * one.near:.0f} %" for one in last)),
        ("half of it there from update", *(_show_half_way(one) for one in models)),
        ("test words wrong", *(f"{100 * one.words_wrong:.1f} %" for one in models)),
        ("their phonemes wrong", *(f"{100 * one.phonemes_wrong:.1f} %" for one in models)),
    ]
    return Table("At the end of the training", ("", *observed), rows)


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
            "Rows are phonemes, columns are letters. It plays three times; a pointer on the line "
            "of time chooses a moment.",
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
    svg = draw_lines(series, told[0], "update", last=last, bounds=bounds, colors=COLORS)
    return Picture(named[0], named[1], told[1], svg)


FOCUS = Experiment(
    name="focus",
    title="How attention comes to a focus",
    question=(
        "Nobody tells the model which letter belongs to which sound. How does its attention get "
        "from everywhere to the right letter? What do entmax and location change about it?"
    ),
    minutes=2,
    run=run,
)
