"""What can one vector hold, where does attention stand, and where does it break?

Copy, reverse and sort random strings: nothing can be learnt by heart, and it is known where a model
has to look for every letter that it writes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
from foveate.experiments.training import evaluate_model, measure_groups, to_json, train_model
from foveate.metrics import Score

if TYPE_CHECKING:
    from foveate.data.table import PairTable
    from foveate.records import Translation
    from foveate.translator import Translator

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
LONGEST = 20  # letters of a string in training
LENGTHS = (5, 10, 15, 20, 30, 40, 60, 80)  # of the test
SHORTEST = 3
TRAIN_PAIRS, DEV_PAIRS, TEST_PAIRS = 30_000, 100, 100  # of the test: of each length
DRAWN = 10  # letters of the string in the heat maps
POINTED = 50  # strings whose heat maps are compared with the right places
OPTIONS: dict[str, Any] = {
    "source_tokens": "characters",
    "target_tokens": "characters",
    "shared_vocabulary": True,
    "source_ngrams": 1,
    "hidden_size": 64,
    "embedding_size": 64,
    "batch_tokens": 1500,
    "dropout": 0.0,
    "num_validations": 4,
}
TRAINING_SIZE, EVALUATION_SIZE = 8.0, 1.0  # shares of the time


@dataclass(frozen=True)
class Rival:
    """A model that takes part.

    Attributes:
        options: that make it what it is.
        updates: that take as long as those of the others.
        has_map: whether each letter that it writes comes with one place where it looked.
    """

    options: Mapping[str, Any]
    updates: int
    has_map: bool = False


RIVALS = {
    "attention": Rival({"architecture": "attention"}, 900, has_map=True),
    "traditional": Rival({"architecture": "traditional"}, 1700),
    "Transformer": Rival({"architecture": "transformer"}, 640),
    "attention by content alone": Rival(
        {"architecture": "attention", "location_window": 0}, 1200, has_map=True
    ),
}


@dataclass(frozen=True)
class Task:
    """Something to do with a string.

    Attributes:
        write: the right output.
        places: where a model should look for each letter of it.
    """

    write: Callable[[str], str]
    places: Callable[[str], list[int]]


def order(text: str) -> list[int]:
    """Return the places of the letters of a text from a to z; equal ones from left to right.

    Example:
        >>> order("cab")
        [1, 2, 0]
    """
    return sorted(range(len(text)), key=text.__getitem__)


TASKS = {
    "copy": Task(str, lambda text: list(range(len(text)))),
    "reverse": Task(lambda text: text[::-1], lambda text: list(range(len(text)))[::-1]),
    "sort": Task(lambda text: "".join(sorted(text)), order),
}

Scores = dict[str, dict[str, dict[str, dict[str, Score]]]]  # task, model, length, metric
Shares = dict[str, dict[str, float]]  # task, model


def run(budget: Budget, report: Report) -> Findings:
    """Train every model on every task, and test it at all lengths."""
    parts = len(TASKS) * len(RIVALS)
    progress = Progress(report, parts * (TRAINING_SIZE + EVALUATION_SIZE))
    scores: Scores = {task: {} for task in TASKS}
    pointing: Shares = {task: {} for task in TASKS}
    minutes: Shares = {task: {} for task in TASKS}
    maps: dict[str, Translation] = {}
    for task in TASKS:
        for name, rival in RIVALS.items():
            translator = train_rival(task, name, budget, progress)
            minutes[task][name] = translator.summary.minutes
            tests = draw_tests(task, budget)
            label = f"{task}, {name}"
            found = evaluate_model(label, translator, tests, progress, EVALUATION_SIZE)
            scores[task][name] = measure_groups(found, lambda source: str(len(source)))
            if rival.has_map:
                pointing[task][name] = measure_pointing(task, translator, budget)
            if name == "attention":
                maps[task] = draw_map(translator, budget)
    return conclude(scores, pointing, minutes, maps, budget)


def train_rival(task: str, name: str, budget: Budget, progress: Progress) -> Translator:
    """Train one model on one task."""
    rival = RIVALS[name]
    generator = random.Random(f"{budget.seed} {task}")
    table = draw_pairs(task, budget.shrink(TRAIN_PAIRS, 50), generator)
    dev = draw_pairs(task, budget.shrink(DEV_PAIRS, 8), generator)
    options = {**OPTIONS, **rival.options, "max_updates": budget.shrink(rival.updates, 2)}
    label = f"{task}-{name.replace(' ', '-').lower()}"
    return train_model(label, table, dev, options, budget, progress, TRAINING_SIZE).translator


def draw_text(length: int, generator: random.Random) -> str:
    """Draw a random string of a length."""
    return "".join(generator.choices(ALPHABET, k=length))


def draw_pairs(task: str, count: int, generator: random.Random) -> PairTable:
    """Draw pairs of all lengths of training, each as often."""
    lengths = [generator.randint(SHORTEST, LONGEST) for _ in range(count)]
    return build_table(task, [draw_text(length, generator) for length in lengths])


def draw_tests(task: str, budget: Budget) -> PairTable:
    """Draw strings of every length of the test; they are the same for every task and model."""
    generator = random.Random(f"{budget.seed} test")
    count = budget.shrink(TEST_PAIRS, 4)
    return build_table(task, [draw_text(n, generator) for n in LENGTHS for _ in range(count)])


def build_table(task: str, sources: Sequence[str]) -> PairTable:
    """Return sources with the right outputs of a task."""
    from foveate.data.table import PairTable

    return PairTable.from_texts(sources, map(TASKS[task].write, sources))


def measure_pointing(task: str, translator: Translator, budget: Budget) -> float:
    """Return the share of letters whose largest weight stands where the letter comes from.

    Strings as long as the longest of training; the model is led through the right output, so that
    each letter has its place.
    """
    from foveate.records import Request

    generator = random.Random(f"{budget.seed} pointing")
    texts = ["".join(generator.sample(ALPHABET, LONGEST)) for _ in range(budget.shrink(POINTED, 3))]
    requests = [Request(one, beam_size=1, prefix=tuple(TASKS[task].write(one))) for one in texts]
    hits: list[bool] = []
    for text, found in zip(texts, translator.translate(requests), strict=True):
        places = TASKS[task].places(text)
        looked = np.asarray(found.attention)[: len(places)].argmax(axis=1)
        hits += (looked == places).tolist()
    return sum(hits) / len(hits)


def draw_map(translator: Translator, budget: Budget) -> Translation:
    """Translate the string whose heat map is shown."""
    generator = random.Random(f"{budget.seed} map")
    text = "".join(generator.sample(ALPHABET, DRAWN))
    return translator.translate_one(text, beam_size=1)


def conclude(
    scores: Scores,
    pointing: Shares,
    minutes: Shares,
    maps: Mapping[str, Translation],
    budget: Budget,
) -> Findings:
    """Return what the scores of the models say of the claim."""
    return Findings(
        claim=(
            "One vector holds a short string only. Attention copies and reverses every length of "
            "training, and stands on the letter that it writes."
        ),
        expected=EXPECTED,
        found=describe(scores, pointing),
        holds=all(judge(scores[task], pointing[task]["attention"]) for task in ("copy", "reverse")),
        numbers={**list_numbers(scores, pointing), "minutes": minutes},
        pictures=[*draw_curves(scores), *draw_maps(maps)],
        tables=[*list_tables(scores, pointing), list_minutes(minutes)],
        method=describe_method(budget),
    )


def judge(scores: Mapping[str, Mapping[str, Mapping[str, Score]]], pointed: float) -> bool:
    """Say whether the claim held in one task, at the longest length of training.

    Args:
        scores: by model, length and metric.
        pointed: the share of letters that attention stood on when it wrote them.
    """
    attention, traditional = (
        scores[name][str(LONGEST)]["exact_match"] for name in ("attention", "traditional")
    )
    return attention.low > traditional.high and attention.value >= 0.9 and pointed >= 0.9


def find_break(scores: Mapping[str, Mapping[str, Score]]) -> int | None:
    """Return the shortest length of which fewer than half of the strings are right."""
    broken = [n for n in LENGTHS if scores[str(n)]["exact_match"].value < 0.5]
    return broken[0] if broken else None


def describe(scores: Scores, pointing: Shares) -> str:
    """Say in plain English what came out."""
    paragraphs = []
    for task, models in scores.items():
        shares = [
            f"{name} {100 * found[str(LONGEST)]['exact_match'].value:.0f} %"
            for name, found in models.items()
        ]
        breaks = [f"{name} {find_break(found) or 'nowhere'}" for name, found in models.items()]
        looked = 100 * pointing[task]["attention"]
        paragraphs.append(
            f"{task.capitalize()}. Of strings of {LONGEST} letters these are wholly right: "
            f"{', '.join(shares)}. The first length at which more than half are wrong: "
            f"{', '.join(breaks)}. Attention stood on the letter that it wrote in {looked:.0f} % "
            "of the steps."
        )
    return "\n\n".join(paragraphs)


def list_numbers(scores: Scores, pointing: Shares) -> dict[str, Json]:
    """Return everything that was measured."""
    return {
        "longest_of_training": LONGEST,
        "by_length": {
            task: {name: to_json(found) for name, found in models.items()}
            for task, models in scores.items()
        },
        "stands_on_the_letter": {task: dict(models) for task, models in pointing.items()},
    }


def list_tables(scores: Scores, pointing: Shares) -> list[Table]:
    """Return the exact match of each task, and where attention stood, as tables."""
    header = ("letters", *RIVALS)
    tables = [
        Table(
            f"{task.capitalize()}: strings that are wholly right",
            header,
            [
                (
                    str(length),
                    *(
                        f"{100 * found[str(length)]['exact_match'].value:.0f} %"
                        for found in models.values()
                    ),
                )
                for length in LENGTHS
            ],
        )
        for task, models in scores.items()
    ]
    rows = [
        (task, *(f"{100 * share:.1f} %" for share in models.values()))
        for task, models in pointing.items()
    ]
    names = [name for name, rival in RIVALS.items() if rival.has_map]
    title = f"Steps in which attention stood on the letter that was written ({LONGEST} letters)"
    return [*tables, Table(title, ("task", *names), rows)]


def list_minutes(minutes: Shares) -> Table:
    """Return what the trainings took as a table."""
    rows = [
        (task, *(f"{spent:.1f}" for spent in models.values())) for task, models in minutes.items()
    ]
    return Table("Minutes of training", ("task", *RIVALS), rows)


def draw_curves(scores: Scores) -> list[Picture]:
    """Draw the exact match of each task by length."""
    from foveate.insight.curves import draw_length_curve

    return [
        Picture(
            task,
            f"{task.capitalize()}, by length of the string.",
            "The dashed line is the longest string of training.",
            draw_length_curve(
                {
                    name: [(str(n), 100 * found[str(n)]["exact_match"].value) for n in LENGTHS]
                    for name, found in models.items()
                },
                "strings that are wholly right, per cent",
                f"{task.capitalize()} a random string",
                xlabel="letters of the string",
                limit=(str(LONGEST), "longer than in training →"),
            ),
        )
        for task, models in scores.items()
    ]


def draw_maps(maps: Mapping[str, Translation]) -> list[Picture]:
    """Draw where attention looked in each task."""
    from foveate.insight.svg import draw_svg

    return [
        Picture(
            f"{task}-attention",
            f"Where attention looked when it was to {task}.",
            CAPTIONS[task],
            draw_svg(found, f"{task.capitalize()}: where it looked", tooltips=False),
        )
        for task, found in maps.items()
        if found.tokens
    ]


CAPTIONS = {
    "copy": "Rows are the letters written, columns those read. A copy is a diagonal.",
    "reverse": "The last letter is written first, so the diagonal is turned round.",
    "sort": "The next letter of the alphabet can stand anywhere.",
}

EXPECTED = (
    "Sutskever, Vinyals and Le (2014, arXiv 1409.3215) and Cho et al. (2014, arXiv 1409.1259) "
    "put a whole source into one vector. Cho et al. found that long sources are lost in it. A "
    "random string has no structure that could be kept in place of its letters. So one vector "
    "should hold up to some number of letters and no more.\n\n"
    "With attention (Bahdanau, Cho and Bengio 2015, arXiv 1409.0473) the decoder reads each letter "
    "where it stands. Its weights should be a diagonal for a copy, and a diagonal turned round for "
    "a reversal.\n\n"
    "Attention by content compares states. States at places that no training string had are new "
    "to it, so it may break there. Chorowski et al. (2015, arXiv 1506.07503) saw that for long "
    "speech. They let attention see where it looked the step before."
)


def describe_method(budget: Budget) -> str:
    """Say how the experiment was run."""
    updates = ", ".join(
        f"{name} {budget.shrink(rival.updates, 2):,}" for name, rival in RIVALS.items()
    )
    return (
        f"Each task has {budget.shrink(TRAIN_PAIRS, 50):,} random strings of {SHORTEST} to "
        f"{LONGEST} letters to learn from. The test has {budget.shrink(TEST_PAIRS, 4)} new strings "
        f"of each length.\n\n"
        f"All models are {OPTIONS['hidden_size']} wide and have two layers. Each had a set number "
        f"of updates that take about equally long on two cores: {updates}. The search is greedy. "
        "Attention is that of Foveate, which also sees where it looked the step before. The same "
        "without that is called attention by content alone.\n\n"
        "To see where attention stands, it is led through the right output of strings without "
        "equal letters. A step counts when the largest weight is on the letter of this step."
    )


COPY_REVERSE = Experiment(
    name="copy-reverse",
    title="Copy, reverse, sort: what one vector can hold",
    question=(
        "How long a string fits into one vector? Where does attention look when it copies, "
        "reverses or sorts? Where does it break?"
    ),
    minutes=10,
    run=run,
)
