"""Drawing tokens from the model's distribution, with temperature, top-k and top-p."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveate.records import Sampling
from foveate.search.hypothesis import Integers

LEAST = -1e300  # in place of -inf, from which nothing can be subtracted


def draw_uniforms(seed: int, number: int, max_length: int, num_samples: int) -> NDArray[np.float64]:
    """Draw one number in [0, 1) for each step of each sample of a source, [n, T + 1].

    Args:
        seed: the same seed draws the same numbers.
        number: place of the source in the whole input.
        max_length: T; the first numbers do not depend on it.
        num_samples: n.
    """
    generator = np.random.default_rng((seed, number))
    # step by step, so that another greatest length does not change the tokens before it
    return generator.random((max_length + 1, num_samples)).T


def draw_columns(
    log_probs: NDArray[np.float32], uniforms: NDArray[np.float64], sampling: Sampling
) -> Integers:
    """Draw one column a row by inverting the cumulative distribution of the tempered weights.

    Args:
        log_probs: [R, k], best first if there is a top-p; -inf for what may not be drawn. Where
            nothing may, column 0 is.
        uniforms: [R] numbers in [0, 1).
        sampling: top-k is not looked at: it is for the caller to leave out columns.

    Reference:
        Holtzman et al. 2020, The Curious Case of Neural Text Degeneration, section 3 (top-p).
    """
    weights = log_probs.astype(np.float64)
    weights -= np.maximum(weights.max(axis=1, keepdims=True), LEAST)
    weights = np.exp(weights / sampling.temperature)
    cumulative = weights.cumsum(axis=1)
    if sampling.top_p < 1:
        before = cumulative - weights
        weights[before >= sampling.top_p * cumulative[:, -1:]] = 0
        cumulative = weights.cumsum(axis=1)
    total = cumulative[:, -1]
    threshold = np.minimum(uniforms * total, np.nextafter(total, 0))  # rounding must not reach it
    columns: Integers = (cumulative > threshold[:, None]).argmax(axis=1)
    return columns


def list_settings(samplings: Sequence[Sampling | None]) -> tuple[list[Sampling], Integers]:
    """Return the settings that differ in more than the seed, and the number of each; -1: none."""
    numbers: dict[tuple[float, int, float], int] = {}
    settings: list[Sampling] = []
    places = np.full(len(samplings), -1, np.int64)
    for index, sampling in enumerate(samplings):
        if sampling is None:
            continue
        key = (sampling.temperature, sampling.top_k, sampling.top_p)
        if key not in numbers:
            numbers[key] = len(settings)
            settings.append(sampling)
        places[index] = numbers[key]
    return settings, places
