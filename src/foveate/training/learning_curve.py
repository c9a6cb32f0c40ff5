"""Would more pairs help? The same training, with an eighth, a quarter and a half of the pairs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from foveate.config import Config
from foveate.counted import counted
from foveate.data.table import PairTable
from foveate.evaluation import evaluate
from foveate.text.matching import Matching
from foveate.training.ensemble import train_models
from foveate.training.report import Listener, Report, be_silent
from foveate.training.run import Trained
from foveate.training.side_by_side import run_side_by_side
from foveate.training.validation import Validation

SHARES = (0.125, 0.25, 0.5)  # of the training pairs
LEAST_PAIRS = 16  # of a part that is worth a training

Point = dict[str, Any]  # pairs, a score with its interval, and what it was measured on


def learn_from_parts(
    trained: Trained,
    config: Config,
    report: Listener,
    words: Collection[str] = (),
    test: PairTable | None = None,
) -> list[Point]:
    """Train on parts of the pairs and return scores by number of pairs, all of them last.

    Every part gets the time that all pairs got, also where that was found from their number, and
    defaults of its own: the score is the one that so many pairs would have led to. All rows of a
    source are in a part or not.

    Args:
        trained: the model of all pairs, with its scores.
        config: as it was asked for, before anything was found from the data.
        report: is told what happens.
        words: of the target language, as `trained` had them.
        test: pairs to score on, on which `trained` has been scored; None is dev.

    Raises:
        DataError: a part is too small to learn from.
        KeyboardInterrupt: stopped by Ctrl-C.
    """
    bundle = trained.translator.bundle
    if config.max_updates is None:
        config = config.replace(minutes=trained.options.training.minutes)
    parts = [trained.table.split_off(share, config.seed)[1] for share in SHARES]
    parts = [part for part in parts if len(part) >= LEAST_PAIRS] or parts[-1:]
    matching = Matching(bundle.source_codec, bundle.target_codec)
    name = "dev" if test is None else "test"
    known = {"metric": Validation.build(trained.dev, matching).metric, "set": name}
    tasks = [_Part(part, trained.dev, config, report, words, test) for part in parts]
    points: list[Point] = []
    for part, scores in zip(parts, _train_parts(tasks, len(trained.table)), strict=True):
        points.append({"pairs": len(part), **known, **scores[known["metric"]]})
    score = bundle.scores[name][known["metric"]]
    return [*points, {"pairs": len(trained.table), **known, **score}]


@dataclass(frozen=True)
class _Part:
    """What a part of the pairs is trained with, and scored on."""

    table: PairTable
    dev: PairTable
    config: Config
    report: Listener
    words: Collection[str]
    test: PairTable | None


def _train_parts(tasks: list[_Part], num_pairs: int) -> Iterator[dict[str, Any]]:
    """Yield the scores of each part."""
    report, jobs = tasks[0].report, tasks[0].config.jobs
    told = tasks if jobs == 1 else [replace(task, report=be_silent) for task in tasks]
    scores = run_side_by_side(_train_part, told, jobs)
    for task in tasks:
        report(
            Report("note", f"learning curve: {len(task.table):,} of {counted(num_pairs, 'pair')}")
        )
        yield next(scores)


def _train_part(part: _Part) -> dict[str, Any]:
    smaller = train_models(part.table, part.dev, part.config, report=part.report, words=part.words)
    if smaller.was_interrupted:
        raise KeyboardInterrupt
    scores: dict[str, Any] = smaller.translator.bundle.scores["dev"]
    if part.test is not None:
        scores = evaluate(smaller.translator, part.test).to_dict()["metrics"]
    return scores
