"""`foveate demo`: what attention is good for, seen on bundled real pairs in a few minutes.

Trains the attention model and the traditional encoder-decoder alike, compares them by source
length, and draws where the attention model looked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveate.commands.arguments import check_positive
from foveate.config import Config, build_config
from foveate.console import (
    TrainingDisplay,
    format_attention,
    format_bin,
    format_table,
    say,
    watch,
)
from foveate.evaluation import Evaluation, evaluate
from foveate.files import replace_file
from foveate.metric_names import METRIC_LABELS, format_metric
from foveate.output import check_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foveate.data.bundled_data import Demo
    from foveate.records import Translation
    from foveate.training.run import Trained
    from foveate.translator import Translator

NUM_EXAMPLES = 5

# A set number of updates and not minutes: the same models on every machine, busy or not.
RECIPES: dict[str, dict[str, Any]] = {
    "pronunciation": {
        "max_updates": 1000,
        "hidden_size": 144,
        "embedding_size": 128,
        "batch_tokens": 800,
        "dropout": 0.05,
    },
    "dates": {
        "max_updates": 900,
        "hidden_size": 96,
        "embedding_size": 64,
        "batch_tokens": 1600,
        "dropout": 0.05,
    },
}


def run_demo(name: str, out: str | None, minutes: float | None = None) -> int:
    """Run the demo and return the exit status; `minutes` are for the two models together.

    Raises:
        ConfigError: there is no such demo, the folder is taken, or the time is not positive.
    """
    from foveate.data.bundled_data import load_demo

    check_positive(minutes=minutes)
    demo = load_demo(name)
    folder = Path(out) if out is not None else _unused_folder(name)
    check_folder(str(folder))
    say(f"{demo.title}: {demo.description}\nData {demo.credit}.")
    options = RECIPES[name] if minutes is None else {"minutes": minutes / 2}
    # What the two networks have learnt is compared, so neither may look pairs up.
    trained = train_both(demo, {**options, "num_validations": 4, "memory": False}, folder)
    if trained is None:
        say(f"stopped; what was trained is in {folder}")
        return 130
    say("\nevaluating both on the test set")
    evaluations = {
        architecture: evaluate(translator, demo.test, beam_size=1, watch=watch)
        for architecture, translator in trained.items()
    }
    show_results(demo, evaluations, trained["attention"], folder)
    say(f"\nto watch and steer both: foveate serve {folder}/attention {folder}/traditional")
    return 0


def _unused_folder(name: str) -> Path:
    stem = f"foveate-demo-{name}"
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 10_000))
    return next(Path(candidate) for candidate in names if not Path(candidate).exists())


def train_both(demo: Demo, options: dict[str, Any], folder: Path) -> dict[str, Translator] | None:
    """Train both models alike: the same sizes, batches and number of updates.

    A measured speed is never quite the same twice, so that minutes for the attention model are
    its number of updates for the other one. None when stopped.
    """
    say("\nattention")
    attention = _train(demo, build_config(options), folder)
    if attention is None:
        return None
    updates = int(attention.summary.updates)
    say(f"\ntraditional: the same, {updates:,} updates")
    config = Config.from_record(attention.options.to_dict()).fit_to("traditional")
    # Each has the learning rate that suits it.
    config = config.replace(minutes=None, max_updates=updates, learning_rate=None)
    traditional = _train(demo, config, folder)
    if traditional is None:
        return None
    return {"traditional": traditional.translator, "attention": attention.translator}


def _train(demo: Demo, config: Config, folder: Path) -> Trained | None:
    """Train one model; None when it was stopped."""
    from foveate.training.run import train

    architecture = config.architecture
    with TrainingDisplay(architecture) as display:
        trained = train(demo.train, demo.dev, config, out=folder / architecture, report=display)
    return None if trained.was_interrupted else trained


def show_results(
    demo: Demo, evaluations: dict[str, Evaluation], translator: Translator, folder: Path
) -> None:
    """Print the comparison, some translations and a heat map, and write the page."""
    print(f"\n{demo.title}: {len(demo.test):,} test pairs that neither model has seen\n")
    print(compare_scores(evaluations))
    print("\nexact match by source length\n")
    print(compare_lengths(evaluations))
    chosen = choose_examples(evaluations["attention"].sources)
    print("\ntranslations, from short to long (* = right)\n")
    print(list_examples(evaluations, chosen) + "\n")
    sources = [evaluations["attention"].sources[index] for index in chosen]
    translations = list(translator.translate(sources, beam_size=1))
    print(format_attention(translations[len(chosen) // 2]))
    page = folder / "index.html"
    replace_file(page, draw_page(demo, evaluations, translations))
    print(f"\nthe page with the pictures: {page}")
    print(f"try your own:               foveate attend {folder / 'attention'} TEXT")


def compare_scores(evaluations: dict[str, Evaluation]) -> str:
    """Return a table with a row for each metric and a column for each model."""
    first = next(iter(evaluations.values()))
    names = ("exact_match", "token_error_rate", "character_error_rate")
    rows = [
        [
            METRIC_LABELS[name],
            *(
                f"{format_metric(name, score.value)} "
                f"({format_metric(name, score.low)} to {format_metric(name, score.high)})"
                for score in (found.metrics[name] for found in evaluations.values())
            ),
        ]
        for name in names
        if name in first.metrics
    ]
    return format_table(["", *evaluations], rows)


def compare_lengths(evaluations: dict[str, Evaluation]) -> str:
    """Return a table with the exact match of each model for each range of source lengths."""
    columns = [found.by_source_length for found in evaluations.values()]
    unit = next(iter(evaluations.values())).unit
    rows = [
        [
            format_bin(bins[0]),
            str(bins[0]["sources"]),
            *(format_metric("exact_match", one["exact_match"]) for one in bins),
        ]
        for bins in zip(*columns, strict=True)
    ]
    return format_table([unit, "sources", *evaluations], rows)


def choose_examples(sources: Sequence[str]) -> list[int]:
    """Return the numbers of sources spread evenly over all lengths, shortest first.

    Example:
        >>> choose_examples(["ccc", "a", "bb", "eeeee", "dddd"])
        [1, 2, 0, 4, 3]
    """
    order = sorted(range(len(sources)), key=lambda index: (len(sources[index]), index))
    count = min(NUM_EXAMPLES, len(order))
    return [order[(2 * place + 1) * len(order) // (2 * count)] for place in range(count)]


def list_examples(evaluations: dict[str, Evaluation], chosen: Sequence[int]) -> str:
    """Return chosen sources with their references and what each model made of them."""
    blocks = []
    for index in chosen:
        first = next(iter(evaluations.values()))
        references = first.references[index]
        rows = [("source", first.sources[index]), ("reference", " | ".join(references))]
        for architecture, found in evaluations.items():
            mark = "*" if found.outputs[index] in references else " "
            rows.append((architecture, f"{found.outputs[index]} {mark}"))
        blocks.append("\n".join(f"{label:<12}{text}".rstrip() for label, text in rows))
    return "\n\n".join(blocks)


def draw_page(
    demo: Demo, evaluations: dict[str, Evaluation], translations: Sequence[Translation]
) -> str:
    """Return a page with the curves over source length and the heat maps of some translations."""
    from foveate.insight.curves import draw_length_curve
    from foveate.insight.html import draw_html

    unit = evaluations["attention"].unit
    figures = [
        draw_length_curve(
            {
                architecture: [(format_bin(row), 100 * row[name]) for row in found.by_source_length]
                for architecture, found in evaluations.items()
            },
            f"{METRIC_LABELS[name]}, per cent",
            f"{demo.title}: with and without attention",
            xlabel=f"source length in {unit}",
        )
        for name in ("exact_match", "character_error_rate")
    ]
    return draw_html(translations, f"{demo.title}: where attention looked", figures=figures)
