"""Would more pairs help? The same training, with a quarter and a half of the pairs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from foveate.config import Config
from foveate.text.matching import Matching
from foveate.training.ensemble import train_models
from foveate.training.report import Listener, Report
from foveate.training.run import Trained
from foveate.training.validation import Validation

SHARES = (0.25, 0.5)  # of the training pairs

Point = dict[str, Any]  # pairs, and a score with its interval


def learn_from_parts(
    trained: Trained, config: Config, report: Listener, words: Collection[str] = ()
) -> list[Point]:
    """Train on parts of the pairs and return dev scores by number of pairs, all of them last.

    Every part gets the time that all pairs got, and defaults of its own: the score is the one that
    so many pairs would have led to. All rows of a source are in a part or not.

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
    matching = Matching(bundle.source_codec, bundle.target_codec)
    metric = Validation.build(trained.dev, matching).metric
    points: list[Point] = []
    for share in SHARES:
        _, part = trained.table.split_off(share, config.seed)
        report(Report("note", f"learning curve: {len(part):,} of {len(trained.table):,} pairs"))
        smaller = train_models(part, trained.dev, config, report=report, words=words)
        if smaller.was_interrupted:
            raise KeyboardInterrupt
        score = smaller.translator.bundle.scores["dev"][metric]
        points.append({"pairs": len(part), "metric": metric, **score})
    score = bundle.scores["dev"][metric]
    return [*points, {"pairs": len(trained.table), "metric": metric, **score}]
