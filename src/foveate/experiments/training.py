"""Train and evaluate the models of an experiment, and tell how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveate.config import Config
from foveate.errors import MissingExtraError
from foveate.experiments.experiment import Budget, Progress
from foveate.records import Translation

if TYPE_CHECKING:
    from foveate.data.table import PairTable
    from foveate.evaluation import Watch
    from foveate.training.report import Listener, Report
    from foveate.training.run import Trained

ARCHITECTURES = ("traditional", "attention", "transformer")
LABELS = {
    "traditional": "one vector",
    "attention": "attention",
    "transformer": "Transformer",
}


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


def watch(name: str, progress: Progress, size: float) -> Watch:
    """Return what tells the progress of an evaluation as that of an experiment."""

    def pass_on(items: Iterable[Translation], total: int) -> Iterator[Translation]:
        for number, item in enumerate(items, start=1):
            yield item
            if number % 50 == 0:
                progress.tell(number / total, size, f"{name}: {number:,} of {total:,} translated")
        progress.finish(size, f"{name}: evaluated")

    return pass_on
