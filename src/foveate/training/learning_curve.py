"""Would more pairs help? The same training, with a quarter and a half of the pairs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from foveate.config import Config
from foveate.counted import counted
from foveate.data.table import PairTable
from foveate.text.matching import Matching
from foveate.training.ensemble import train_models
from foveate.training.report import Listener, Report, be_silent
from foveate.training.run import Trained
from foveate.training.side_by_side import run_side_by_side
from foveate.training.validation import Validation

SHARES = (0.25, 0.5)  # of the training pairs

Point = dict[str, Any]  # pairs, and a score with its interval


def learn_from_parts(
    trained: Trained, config: Config, report: Listener, words: Collection[str] = ()
) -> list[Point]:
    """Train on parts of the pairs and return dev scores by number of pairs, all of them last.

    Every part gets the time that all pairs got, also where that was found from their number, and
    defaults of its own: the score is the one that so many pairs would have led to. All rows of a
    source are in a part or not.

    Args:
        trained: the model of all pairs, with its dev scores.
        config: as it was asked for, before anything was found from the data.
        report: is told what happens.
        words: of the target language, as `trained` had them.

    Raises:
        DataError: a part is too small to learn from.
        KeyboardInterrupt: stopped by Ctrl-C.
    """
    bundle = trained.translator.bundle
    if config.max_updates is None:
        config = config.replace(minutes=trained.options.training.minutes)
    parts = [trained.table.split_off(share, config.seed)[1] for share in SHARES]
    matching = Matching(bundle.source_codec, bundle.target_codec)
    metric = Validation.build(trained.dev, matching).metric
    points: list[Point] = []
    for part, scores in zip(
        parts, _train_parts(parts, trained, config, report, words), strict=True
    ):
        points.append({"pairs": len(part), "metric": metric, **scores[metric]})
    score = bundle.scores["dev"][metric]
    return [*points, {"pairs": len(trained.table), "metric": metric, **score}]


@dataclass(frozen=True)
class _Part:
    """What a part of the pairs is trained with."""

    table: PairTable
    dev: PairTable
    config: Config
    report: Listener
    words: Collection[str]


def _train_parts(
    parts: list[PairTable],
    trained: Trained,
    config: Config,
    report: Listener,
    words: Collection[str],
) -> Iterator[dict[str, Any]]:
    """Yield the dev scores of each part."""
    told = report if config.jobs == 1 else be_silent
    tasks = [_Part(part, trained.dev, config, told, words) for part in parts]
    scores = run_side_by_side(_train_part, tasks, config.jobs)
    for part in parts:
        report(
            Report(
                "note", f"learning curve: {len(part):,} of {counted(len(trained.table), 'pair')}"
            )
        )
        yield next(scores)


def _train_part(part: _Part) -> dict[str, Any]:
    smaller = train_models(part.table, part.dev, part.config, report=part.report, words=part.words)
    if smaller.was_interrupted:
        raise KeyboardInterrupt
    scores: dict[str, Any] = smaller.translator.bundle.scores["dev"]
    return scores
