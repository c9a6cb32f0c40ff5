"""What a model is measured on besides dev: a test set, and the same model without attention."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from foveate.config import Config
from foveate.data.table import PairTable
from foveate.evaluation import Evaluation, Watch, diagnose, evaluate
from foveate.training.report import Listener
from foveate.training.run import Trained, train


def score_test(trained: Trained, test: PairTable, watch: Watch | None = None) -> Evaluation:
    """Evaluate a new model on a test set, and keep the scores and the diagnosis with it."""
    translator = trained.translator
    evaluation = evaluate(translator, test, watch=watch)
    translator.bundle.scores["test"] = evaluation.to_dict()["metrics"]
    translator.summary.diagnosis["test"] = diagnose(evaluation, trained.table, translator)
    return evaluation


def score_traditional(
    trained: Trained,
    config: Config,
    test: PairTable | None,
    report: Listener,
    words: Collection[str] = (),
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Train a model without attention alike, and keep its scores with the one that has it.

    Args:
        trained: the model with attention.
        config: as it was asked for.
        test: pairs to evaluate on besides dev.
        report: is told what happens.
        words: of the target language, as `trained` had them.
        watch: is shown the translations of the test set.

    Returns:
        By name of a set of pairs, its metrics.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C.
    """
    alike = config.fit_to("traditional").replace(models=None, distill=None, memory=False)
    other = train(trained.table, trained.dev, alike, report=report, words=words)
    if other.was_interrupted:
        raise KeyboardInterrupt
    sets = {"dev": other.translator.bundle.scores["dev"]}
    if test is not None:
        evaluation = evaluate(other.translator, test, watch=watch)
        sets["test"] = evaluation.to_dict()["metrics"]
    trained.translator.summary.traditional = sets
    return sets
