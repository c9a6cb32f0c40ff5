"""Train and evaluate the models of an experiment, and tell how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveate.config import Config
from foveate.errors import MissingExtraError
from foveate.experiments.experiment import Budget, Json, Progress
from foveate.metrics import Score, measure
from foveate.records import Translation

if TYPE_CHECKING:
    from foveate.data.table import PairTable
    from foveate.evaluation import Evaluation
    from foveate.training.report import Listener, Report
    from foveate.training.run import Trained
    from foveate.translator import Translator

# In this order in every picture, so that a colour means the same model everywhere.
LABELS = {"attention": "attention", "traditional": "traditional", "transformer": "Transformer"}
METRICS = ("exact_match", "token_error_rate", "character_error_rate")


def train_model(
    name: str,
    table: PairTable,
    dev: PairTable,
    options: dict[str, Any],
    budget: Budget,
    progress: Progress,
    size: float,
) -> Trained:
    """Train a model, or take up what an earlier run has left of it.

    Args:
        name: of the model, and of its folder.
        table: pairs to learn from.
        dev: pairs that choose the best weights.
        options: those of `foveate.Config`; the seed is that of the budget.
        budget: of the experiment.
        progress: is told how far the training is.
        size: of this part of the experiment.

    Raises:
        KeyboardInterrupt: it was stopped; what was trained is kept.
        MissingExtraError: PyTorch is not installed.
    """
    train = import_train()
    config = Config(**{"seed": budget.seed, "memory": False, **options})
    out = budget.folder / name if budget.folder is not None else None
    listener = listen(name, progress, size)
    trained = train(table, dev, config, out=out, resume=is_begun(out), report=listener)
    if trained.was_interrupted:
        raise KeyboardInterrupt
    progress.finish(size, f"{name}: trained")
    return trained


def import_train() -> Callable[..., Trained]:
    """Return the function that trains.

    Raises:
        MissingExtraError: PyTorch is not installed.
    """
    try:
        from foveate.training.run import train
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("PyTorch", "train", "an experiment") from None
    return train


def is_begun(out: Path | None) -> bool:
    """Say whether an earlier run of the experiment has begun with a model."""
    return out is not None and (out / "state").is_dir()


def listen(name: str, progress: Progress, size: float) -> Listener:
    """Return what tells the progress of a training as that of an experiment."""

    def hear(report: Report) -> None:
        if report.kind in ("progress", "validation") and report.total_updates:
            what = f"{name}: update {report.update:,} of {report.total_updates:,}"
            progress.tell(report.update / report.total_updates, size, what)

    return hear


def evaluate_model(
    name: str, translator: Translator, pairs: PairTable, progress: Progress, size: float
) -> Evaluation:
    """Let a model translate pairs greedily, and tell how far it is."""
    from foveate.evaluation import evaluate

    def watch(items: Iterable[Translation], total: int) -> Iterator[Translation]:
        for number, item in enumerate(items, start=1):
            yield item
            if number % 50 == 0:
                progress.tell(number / total, size, f"{name}: {number:,} of {total:,} translated")

    found = evaluate(translator, pairs, beam_size=1, watch=watch)
    progress.finish(size, f"{name}: evaluated")
    return found


def measure_groups(
    evaluation: Evaluation, group: Callable[[str], str], names: Sequence[str] = METRICS
) -> dict[str, dict[str, Score]]:
    """Return the metrics of each group of sources, by the name of the group.

    Args:
        evaluation: of a model.
        group: gives the name of the group that a source belongs to.
        names: of the metrics.
    """
    members: dict[str, list[int]] = {}
    for place, source in enumerate(evaluation.sources):
        members.setdefault(group(source), []).append(place)
    return {
        name: measure(
            [evaluation.outputs[place] for place in places],
            [evaluation.references[place] for place in places],
            names=names,
        )
        for name, places in members.items()
    }


def to_json(scores: Mapping[str, Mapping[str, Score]]) -> Json:
    """Return the metrics of groups with their intervals as plain numbers."""
    return {
        group: {
            name: {"value": score.value, "low": score.low, "high": score.high}
            for name, score in metrics.items()
        }
        for group, metrics in scores.items()
    }
