"""How sure may one be of an output? A probability that is right as often as it says.

The probability that a model gives to its output is no such number: with smoothed labels it is too
low, after long training too high. Two numbers and a bias, fitted on the dev pairs, mend that.
Knows no models and no files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_SOURCES = 50  # fewer say too little
NUM_FOLDS = 5
NUM_BINS = 10
SLIGHTEST = 1e-6  # a probability is at most 1 less this
RIDGE = 1e-2
MOST_TURNS = 50
MOST_SCORE = 500.0  # a number that exp can take
LARGEST = 1e6  # a fitted number

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Confidence:
    """From the log-probability of an output to the probability that it is right.

    log c / (1 - c) = bias + likely * log p - unlikely * log(1 - p)

    Attributes:
        bias: see above.
        likely: see above; not below 0, so a likelier output is never less certain.
        unlikely: see above; not below 0.
        recalled: the same for what is recalled from the memory, whatever the model gives to it.

    Reference:
        Kull, Silva Filho & Flach 2017, Beta calibration, equation 5.

    Example:
        >>> confidence = Confidence(0.0, 1.0, 1.0)  # believes the model
        >>> round(confidence.of(-0.35667494), 4)
        0.7
    """

    bias: float
    likely: float
    unlikely: float
    recalled: float | None = None

    def of(self, log_prob: float) -> float:
        """Return the probability that an output is right."""
        log_prob = min(log_prob, -SLIGHTEST)
        unlikely = math.log(-math.expm1(log_prob))
        score = self.bias + self.likely * log_prob - self.unlikely * unlikely
        return 1 / (1 + math.exp(-max(-MOST_SCORE, min(score, MOST_SCORE))))

    def to_dict(self) -> dict[str, float | None]:
        """Return plain numbers, ready for JSON."""
        return asdict(self)


def read_confidence(values: Any) -> Confidence | None:
    """Return a confidence from plain values.

    Raises:
        ValueError: they are not the numbers of one.

    Example:
        >>> read_confidence({"bias": 0, "likely": 1, "unlikely": 1, "recalled": None}).likely
        1.0
    """
    if values is None:
        return None
    if not isinstance(values, Mapping) or not values.keys() <= {*Confidence.__slots__}:
        raise ValueError("confidence is not a table of its numbers")
    numbers = {name: values.get(name) for name in Confidence.__slots__}
    for name, number in numbers.items():
        if number is None and name == "recalled":
            continue
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"confidence: {name} is not a number")
        least, most = (0.0, 1.0) if name == "recalled" else (-LARGEST, LARGEST)
        if not max(least, 0.0 if name.endswith("likely") else least) <= number <= most:
            raise ValueError(f"confidence: {name} {number!r:.20} is out of its range")
    return Confidence(*(None if one is None else float(one) for one in numbers.values()))  # type: ignore[arg-type]


def fit_confidence(
    log_probs: Sequence[float], is_right: Sequence[bool], recalled: Sequence[bool] = ()
) -> Confidence | None:
    """Fit a confidence on the outputs of dev sources; None where they are too few.

    Args:
        log_probs: of each output that the model wrote.
        is_right: whether each is right.
        recalled: whether each output is right that came from the memory instead.
    """
    if len(log_probs) < LEAST_SOURCES:
        return None
    bias, likely, unlikely = _fit(np.array(log_probs), np.array(is_right, np.float64))
    share = (sum(recalled) + 1) / (len(recalled) + 2) if recalled else None
    return Confidence(bias, likely, unlikely, share)


def measure_reliability(log_probs: Sequence[float], is_right: Sequence[bool]) -> dict[str, Any]:
    """Return how far what is said is from what is right, on outputs that were not fitted on.

    Every fifth of the outputs is judged by numbers that were fitted on the others.

    Returns:
        `expected_calibration_error`, and `bins`: for each tenth of certainty in which there are
        outputs the number of `sources`, the mean that is `said`, and the share that is `right`.

    Reference:
        Naeini, Cooper & Hauskrecht 2015 (the error); Guo et al. 2017, section 2.
    """
    found, right = np.array(log_probs, np.float64), np.array(is_right, np.float64)
    said = np.empty(len(found))
    for fold in range(NUM_FOLDS):
        is_held_out = np.arange(len(found)) % NUM_FOLDS == fold
        weights = _fit(found[~is_held_out], right[~is_held_out])
        said[is_held_out] = _judge(found[is_held_out], weights)
    return describe_reliability(said, right)


def describe_reliability(said: Floats, right: Floats) -> dict[str, Any]:
    """Return the calibration error of probabilities, and what they say by tenths.

    Example:
        >>> found = describe_reliability(np.array([0.9, 0.9, 0.2]), np.array([1.0, 0.0, 0.0]))
        >>> round(found["expected_calibration_error"], 4), len(found["bins"])
        (0.3333, 2)
    """
    places = np.minimum((said * NUM_BINS).astype(int), NUM_BINS - 1)
    bins, error = [], 0.0
    for place in np.unique(places).tolist():
        own = places == place
        row = {"said": float(said[own].mean()), "right": float(right[own].mean())}
        error += float(own.mean()) * abs(row["said"] - row["right"])
        bins.append({"sources": int(own.sum()), **row})
    return {"expected_calibration_error": error, "bins": bins}


def _columns(log_probs: Floats) -> Floats:
    likely = np.minimum(log_probs, -SLIGHTEST)
    return np.stack([np.ones(len(likely)), likely, -np.log(-np.expm1(likely))], axis=1)


def _judge(log_probs: Floats, weights: Sequence[float]) -> Floats:
    scores = _columns(log_probs) @ np.asarray(weights)
    judged: Floats = 1 / (1 + np.exp(-np.clip(scores, -MOST_SCORE, MOST_SCORE)))
    return judged


def _fit(log_probs: Floats, right: Floats) -> list[float]:
    """Return bias and weights; a weight below 0 is left out.

    All right, or all wrong, is not taken for certainty: the targets are those of Platt 1999.
    """
    columns = _columns(log_probs)
    num_right = right.sum()
    targets = np.where(
        right > 0, (num_right + 1) / (num_right + 2), 1 / (len(right) - num_right + 2)
    )
    kept = [0, 1, 2]
    while True:
        found = _regress(columns[:, kept], targets)
        negative = [place for place, value in zip(kept, found, strict=True) if place and value < 0]
        if not negative:
            break
        kept.remove(min(negative, key=lambda place: found[kept.index(place)]))
    weights = [0.0, 0.0, 0.0]
    for place, value in zip(kept, found, strict=True):
        weights[place] = float(value)
    return weights


def _regress(columns: Floats, targets: Floats) -> Floats:
    """Fit a logistic regression by Newton's method, with a small ridge."""
    weights = np.zeros(columns.shape[1])
    ridge = RIDGE * np.eye(len(weights))
    for _ in range(MOST_TURNS):
        judged = 1 / (1 + np.exp(-np.clip(columns @ weights, -MOST_SCORE, MOST_SCORE)))
        slope = columns.T @ (judged - targets) + RIDGE * weights
        curvature = (columns * (judged * (1 - judged))[:, None]).T @ columns + ridge
        step = np.linalg.solve(curvature, slope)
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return weights
