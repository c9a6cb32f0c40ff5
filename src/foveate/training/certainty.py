"""How sure one may be of a new model's outputs, fitted on its dev pairs."""

from __future__ import annotations

from typing import Any

from foveate.confidence import LEAST_SOURCES, Confidence, fit_confidence, measure_reliability
from foveate.evaluation import Evaluation
from foveate.text.matching import Matching
from foveate.translator import Translator


def fit_on(evaluation: Evaluation, translator: Translator) -> Confidence | None:
    """Fit a confidence on an evaluation, apart for what the memory recalls."""
    written, recalled = _divide(evaluation, translator)
    log_probs = [log_prob for log_prob, _ in written]
    is_right = [right for _, right in written]
    return fit_confidence(log_probs, is_right, [right for _, right in recalled])


def describe_confidence(evaluation: Evaluation, translator: Translator) -> dict[str, Any]:
    """Return how reliable a confidence is, for the diagnosis; nothing where dev is too small."""
    written, _ = _divide(evaluation, translator)
    if len(written) < LEAST_SOURCES:
        return {}
    return {"reliability": measure_reliability(*zip(*written, strict=True))}


def _divide(
    evaluation: Evaluation, translator: Translator
) -> tuple[list[tuple[float, bool]], list[tuple[float, bool]]]:
    """Return log-probability and rightness of what the model wrote, and of what was recalled."""
    memory = translator.bundle.decoding.memory
    matching = Matching(translator.source_codec, translator.target_codec)
    written: list[tuple[float, bool]] = []
    recalled: list[tuple[float, bool]] = []
    for source, output, accepted, log_prob in zip(
        evaluation.sources,
        evaluation.outputs,
        evaluation.references,
        evaluation.log_probs,
        strict=True,
    ):
        is_known = matching.source(source) in memory
        (recalled if is_known else written).append((log_prob, output in accepted))
    return written, recalled
