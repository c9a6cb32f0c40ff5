"""Does quality fall as the source grows, and does attention stop the fall?

The data are the bundled dates, English to Hungarian. They come one by one, so that any number of
them can be joined to a source that is as long as one likes.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
from foveate.experiments.training import (
    LABELS,
    evaluate_model,
    measure_groups,
    to_json,
    train_model,
)
from foveate.metrics import Score

if TYPE_CHECKING:
    from foveate.data.table import PairTable

JOINT = "; "
LONGEST_DATE = 14  # characters, with what joins it to the next: only the short ones are taken
MOST_DATES = 4  # of a source in training
BIN_SIZE = LONGEST_DATE  # characters of a bin: one more date each
NUM_BINS = 8
NUM_TRAINED = 4  # bins that lie within the lengths of training
TRAIN_PAIRS, DEV_PAIRS, TEST_PAIRS = 12_000, 200, 100  # of the test: in each bin
OPTIONS: dict[str, Any] = {
    "source_tokens": "characters",
    "target_tokens": "characters",
    "source_ngrams": 1,
    "hidden_size": 96,
    "embedding_size": 64,
    "batch_tokens": 2000,
    "dropout": 0.05,
    "num_validations": 4,
}
# A set number of updates and not minutes, so that a seed gives the same models everywhere. They
# take about the same time.
UPDATES = {"attention": 1400, "traditional": 3000, "transformer": 1350}
TRAINING_SIZE, EVALUATION_SIZE = 10.0, 1.0  # shares of the time

Dates = list[tuple[str, str]]
Scores = dict[str, dict[str, dict[str, Score]]]  # model, bin, metric


def run(budget: Budget, report: Report) -> Findings:
    """Train three models in equal minutes, and compare them by source length."""
    from foveate.data.bundled_data import load_demo

    demo = load_demo("dates")
    generator = random.Random(budget.seed)
    table = draw_pairs(split_dates(demo.train), budget.shrink(TRAIN_PAIRS, 50), generator)
    dev = draw_pairs(split_dates(demo.dev), budget.shrink(DEV_PAIRS, 8), generator)
    tests = draw_by_length(split_dates(demo.test), budget.shrink(TEST_PAIRS, 4), generator)
    progress = Progress(report, len(LABELS) * (TRAINING_SIZE + EVALUATION_SIZE))
    scores: Scores = {}
    minutes: dict[str, float] = {}
    for name in LABELS:
        options = {**OPTIONS, "architecture": name, "max_updates": budget.shrink(UPDATES[name], 2)}
        trained = train_model(name, table, dev, options, budget, progress, TRAINING_SIZE)
        minutes[name] = trained.summary.minutes
        found = evaluate_model(name, trained.translator, tests, progress, EVALUATION_SIZE)
        by_length = measure_groups(found, name_bin)
        scores[name] = {label: by_length[label] for label in list_bins()}
    return conclude(scores, minutes, budget)


def split_dates(table: PairTable) -> Dates:
    """Return the single dates of a table that are short, each once."""
    pairs: dict[str, str] = {}
    for source, target in zip(table.sources(), table.targets(), strict=True):
        pairs |= zip(source.split(JOINT), target.split(JOINT), strict=True)
    most = LONGEST_DATE - len(JOINT)
    return [(source, target) for source, target in pairs.items() if len(source) <= most]


def join_dates(dates: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return one pair made of several.

    Example:
        >>> join_dates([("May 1", "május 1."), ("May 2", "május 2.")])
        ('May 1; May 2', 'május 1.; május 2.')
    """
    return JOINT.join(source for source, _ in dates), JOINT.join(target for _, target in dates)


def draw_pairs(dates: Dates, count: int, generator: random.Random) -> PairTable:
    """Draw pairs of one to four dates, each number as often."""
    from foveate.data.table import PairTable

    pairs = [join_dates(generator.sample(dates, 1 + k % MOST_DATES)) for k in range(count)]
    return PairTable.from_texts(*zip(*pairs, strict=True))


def draw_by_length(dates: Dates, count: int, generator: random.Random) -> PairTable:
    """Draw distinct pairs of so many dates that every bin of source lengths has as many."""
    from foveate.data.table import PairTable

    bins: dict[str, dict[str, str]] = {label: {} for label in list_bins()}
    while any(len(pairs) < count for pairs in bins.values()):
        source, target = join_dates(generator.sample(dates, generator.randint(1, NUM_BINS)))
        label = name_bin(source)
        if label in bins and len(bins[label]) < count:
            bins[label][source] = target
    pairs = [pair for one in bins.values() for pair in one.items()]
    return PairTable.from_texts(*zip(*pairs, strict=True))


def name_bin(source: str) -> str:
    """Return the name of the bin of a source, by its length.

    Example:
        >>> name_bin("May 11, 2085"), name_bin(30 * "x")
        ('1-14', '29-42')
    """
    first = (len(source) - 1) // BIN_SIZE * BIN_SIZE
    return f"{first + 1}-{first + BIN_SIZE}"


def list_bins() -> list[str]:
    """Return the names of all bins, from short to long."""
    return [name_bin("x" * BIN_SIZE * (k + 1)) for k in range(NUM_BINS)]


def conclude(scores: Scores, minutes: Mapping[str, float], budget: Budget) -> Findings:
    """Return what the scores of the models say of the claim."""
    short, long, beyond = (list_bins()[k] for k in (0, NUM_TRAINED - 1, NUM_TRAINED))
    errors = {
        name: {label: found["character_error_rate"].value for label, found in bins.items()}
        for name, bins in scores.items()
    }
    return Findings(
        claim=(
            "Within the lengths of training, one vector loses long sources, and attention does not."
        ),
        expected=EXPECTED,
        found=describe(scores, short, long, beyond),
        holds=judge(errors["traditional"], errors["attention"], short, long),
        numbers=list_numbers(scores, minutes),
        pictures=draw_pictures(scores),
        tables=list_tables(scores, minutes),
        method=describe_method(budget),
    )


def judge(
    traditional: Mapping[str, float], attention: Mapping[str, float], short: str, long: str
) -> bool:
    """Say whether one vector gets worse from short to long, and attention keeps its distance.

    Args:
        traditional: its character error rate, by bin.
        attention: the same.
        short: the bin of the shortest sources.
        long: the bin of the longest sources of training.

    Example:
        >>> judge({"1": 0.1, "9": 0.4}, {"1": 0.0, "9": 0.0}, "1", "9")
        True
        >>> judge({"1": 0.4, "9": 0.4}, {"1": 0.3, "9": 0.3}, "1", "9")
        False
    """
    is_worse = traditional[long] > traditional[short]
    before, after = (traditional[one] - attention[one] for one in (short, long))
    return is_worse and after > max(before, 0.0)


def describe(scores: Scores, short: str, long: str, beyond: str) -> str:
    """Say in plain English what came out."""
    last = list_bins()[-1]
    lines = [
        f"{LABELS[name]}: {percent(bins[short])} of the sources of {short} characters are right, "
        f"{percent(bins[long])} of those of {long} characters."
        for name, bins in scores.items()
    ]
    outside = ", ".join(
        f"{LABELS[name]} {percent(bins[beyond])} and {percent(bins[last])}"
        for name, bins in scores.items()
    )
    return (
        "\n\n".join(line[0].upper() + line[1:] for line in lines)
        + "\n\nLonger sources than those of training are another question. Of sources of "
        + f"{beyond} and of {last} characters these are right: {outside}."
    )


def percent(scores: Mapping[str, Score], name: str = "exact_match") -> str:
    """Return a share as people read it."""
    return f"{100 * scores[name].value:.0f} %"


def list_numbers(scores: Scores, minutes: Mapping[str, float]) -> dict[str, Json]:
    """Return everything that was measured."""
    return {
        "minutes": dict(minutes),
        "longest_bin_of_training": list_bins()[NUM_TRAINED - 1],
        "by_source_length": {name: to_json(bins) for name, bins in scores.items()},
    }


def list_tables(scores: Scores, minutes: Mapping[str, float]) -> list[Table]:
    """Return the scores, and what the trainings took, as tables."""
    header = ("source characters", *(LABELS[name] for name in scores))
    tables = [
        Table(
            title,
            header,
            [
                (label, *(f"{100 * scores[name][label][metric].value:.1f} %" for name in scores))
                for label in list_bins()
            ],
        )
        for metric, title in (
            ("exact_match", "Sources that are wholly right"),
            ("character_error_rate", "Character error rate"),
        )
    ]
    times = [(LABELS[name], f"{minutes[name]:.1f}") for name in scores]
    return [*tables, Table("Minutes of training", ("model", "minutes"), times)]


def draw_pictures(scores: Scores) -> list[Picture]:
    """Draw both metrics by source length."""
    from foveate.insight.curves import draw_length_curve

    limit = list_bins()[NUM_TRAINED - 1]
    return [
        Picture(
            name,
            title,
            caption,
            draw_length_curve(
                {
                    LABELS[model]: [(b, 100 * found[metric].value) for b, found in bins.items()]
                    for model, bins in scores.items()
                },
                ylabel,
                title.rstrip("."),
                xlabel="source length in characters",
                limit=(limit, "longer than in training →"),
            ),
        )
        for metric, name, ylabel, title, caption in PICTURES
    ]


PICTURES = (
    (
        "exact_match",
        "exact-match",
        "sources that are wholly right, per cent",
        "Outputs without a mistake, by source length.",
        "A long output has more places for a mistake, so this figure falls for every model that "
        "makes mistakes. The next picture counts mistakes for each character.",
    ),
    (
        "character_error_rate",
        "character-error-rate",
        "character error rate, per cent",
        "Mistakes for each hundred characters, by source length.",
        "A flat line means that the length does not matter.",
    ),
)

EXPECTED = (
    "A vector of fixed size must hold five words or fifty. Cho et al. (2014, On the Properties of "
    "Neural Machine Translation, arXiv 1409.1259) measured that the quality of the traditional "
    "model falls quickly as sentences grow.\n\n"
    "Bahdanau, Cho and Bengio (2015, arXiv 1409.0473, figure 2) compared it with attention. "
    "The model with attention, trained on sentences of up to 50 words, showed no fall even at 50 "
    "words and more. With sentences of up to 30 words its BLEU was 21.50; the traditional model "
    "had 17.82 with sentences of up to 50.\n\n"
    "The Transformer (Vaswani et al. 2017, arXiv 1706.03762) attends too, so it should not fall. "
    "None of these papers promises anything for inputs that are longer than all of training."
)


def describe_method(budget: Budget) -> str:
    """Say how the experiment was run."""
    updates = ", ".join(
        f"{LABELS[name]} {budget.shrink(number, 2):,}" for name, number in UPDATES.items()
    )
    return (
        "The data are dates in English and Hungarian, which travel with Foveate. They were written "
        "by Babel from Unicode CLDR. Month, day and year become year, month and day, so the order "
        "changes. Only short dates are taken, so that each one more makes a source longer by about "
        f"{LONGEST_DATE} characters.\n\n"
        f"The models learn from {budget.shrink(TRAIN_PAIRS, 50):,} pairs of one to {MOST_DATES} "
        f"dates. The test has {budget.shrink(TEST_PAIRS, 4)} sources in each range of lengths, of "
        f"one to {NUM_BINS} other dates. The data were drawn apart, so that a date of the test "
        "stands in training by chance only.\n\n"
        f"All models are {OPTIONS['hidden_size']} wide and have two layers. Each had a set number "
        f"of updates that take equally long on two cores: {updates}. The search is greedy."
    )


LENGTH = Experiment(
    name="length",
    title="Long inputs: one vector, or attention",
    question=(
        "A traditional encoder-decoder squeezes the whole source into one vector. "
        "Does its quality fall as the source grows? Does attention stop the fall?"
    ),
    minutes=9,
    run=run,
)
