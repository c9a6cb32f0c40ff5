"""Sampling: outputs drawn from the model's distribution, with temperature, top-k and top-p."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveate.errors import SearchError
from foveate.search.hypothesis import Hypothesis, Integers
from foveate.search.stepper import Step, Stepper
from foveate.search.walk import check_max_lengths, walk
from foveate.text.vocabulary import EOS


def sample_search(
    stepper: Stepper,
    source: NDArray[np.int64],
    source_mask: NDArray[np.bool_],
    *,
    num_samples: int = 1,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 1,
    max_lengths: ArrayLike,
    row_numbers: Sequence[int] | NDArray[np.int64] | None = None,
) -> list[list[Hypothesis]]:
    """Draw `num_samples` outputs for every source [B, S], in the order in which they are drawn.

    Tokens are drawn from p**(1/temperature), cut to the `top_k` most probable (0: all) and then
    to the fewest that together have the share `top_p` (1: all). Scores are the model's own
    log-probabilities all the same, so that they equal those of forced decoding.

    Args:
        stepper: the model.
        source: [B, S] ids, padded on the right.
        source_mask: [B, S], True where a real token stands.
        num_samples: number of outputs a source; they may be equal.
        temperature: below 1 makes likely outputs likelier, above 1 evens them out.
        top_k: how many of the best tokens may be drawn.
        top_p: the share of the probability from which tokens may be drawn.
        seed: the same seed draws the same outputs.
        max_lengths: greatest number of tokens, EOS not counted: one number, or [B].
        row_numbers: what number each source has for the random generator, by default its place
            in `source`. Give its place in the whole input, and its samples do not depend on how
            the input is cut into batches.

    Raises:
        SearchError: a number is out of range.

    Reference:
        Holtzman et al. 2020, The Curious Case of Neural Text Degeneration, section 3 (top-p).
    """
    _check(num_samples, temperature, top_k, top_p, seed)
    limits = check_max_lengths(max_lengths, len(source))
    numbers = range(len(source)) if row_numbers is None else row_numbers
    if len(numbers) != len(source):
        raise SearchError(f"{len(numbers)} row_numbers for {len(source)} sources")
    uniforms = _draw_uniforms(seed, numbers, limits, num_samples)

    def draw(step: Step, owners: Integers, length: int) -> tuple[Integers, NDArray[np.float32]]:
        ids, log_probs = (step.ids, step.log_probs) if top_k else _all_candidates(step, top_p)
        columns = _draw_columns(log_probs, uniforms[owners, length], temperature, top_p)
        rows = np.arange(len(columns))
        return ids[rows, columns], log_probs[rows, columns]

    found = walk(
        stepper,
        source,
        source_mask,
        draw,
        k=top_k or None,
        max_lengths=limits,
        copies=num_samples,
    )
    return [found[at : at + num_samples] for at in range(0, len(found), num_samples)]


def _check(num_samples: int, temperature: float, top_k: int, top_p: float, seed: int) -> None:
    problems = []
    if num_samples < 1:
        problems.append(f"num_samples must be at least 1, not {num_samples}")
    if not 0 < temperature < float("inf"):
        problems.append(f"temperature must be above 0, not {temperature} (greedy search for 0)")
    if top_k < 0:
        problems.append(f"top_k must be 0 (all) or more, not {top_k}")
    if not 0 < top_p <= 1:
        problems.append(f"top_p must be above 0 and at most 1, not {top_p}")
    if seed < 0:
        problems.append(f"seed must not be negative, not {seed}")
    if problems:
        raise SearchError("sampling: " + "; ".join(problems))


def _draw_uniforms(
    seed: int,
    numbers: Sequence[int] | NDArray[np.int64],
    limits: Integers,
    num_samples: int,
) -> NDArray[np.float64]:
    """Draw one number in [0, 1) for each step of each sample, [B * num_samples, T + 1]."""
    uniforms = np.zeros((len(limits), num_samples, int(limits.max(initial=0)) + 1))
    for index, (number, limit) in enumerate(zip(numbers, limits.tolist(), strict=True)):
        generator = np.random.default_rng((seed, int(number)))
        # step by step, so that another greatest length does not change the tokens before it
        uniforms[index, :, : limit + 1] = generator.random((limit + 1, num_samples)).T
    return uniforms.reshape(len(limits) * num_samples, uniforms.shape[2])


def _all_candidates(step: Step, top_p: float) -> tuple[Integers, NDArray[np.float32]]:
    """Return all but PAD, UNK and BOS; best first only when top-p needs it."""
    ids, log_probs = step.ids[:, EOS:], step.log_probs[:, EOS:]
    if top_p == 1:
        return ids, log_probs
    order = np.argsort(-log_probs, axis=1, kind="stable")
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(log_probs, order, axis=1)


def _draw_columns(
    log_probs: NDArray[np.float32],
    uniforms: NDArray[np.float64],
    temperature: float,
    top_p: float,
) -> Integers:
    """Draw one column a row by inverting the cumulative distribution of the tempered weights."""
    weights = log_probs.astype(np.float64)
    weights -= weights.max(axis=1, keepdims=True)
    weights = np.exp(weights / temperature)
    cumulative = weights.cumsum(axis=1)
    if top_p < 1:
        before = cumulative - weights
        weights[before >= top_p * cumulative[:, -1:]] = 0
        cumulative = weights.cumsum(axis=1)
    total = cumulative[:, -1]
    threshold = np.minimum(uniforms * total, np.nextafter(total, 0))  # rounding must not reach it
    columns: Integers = (cumulative > threshold[:, None]).argmax(axis=1)
    return columns
