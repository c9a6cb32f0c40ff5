"""Train a model by its parts, and look at its attention weights between two updates.

The parts are those of every run: `prepare`, `build_trainer`, `Trainer.update`. Here the number of
updates is told, and nothing is chosen by dev.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from foveate.data.batching import collate
from foveate.search.workers import granted_threads
from foveate.torch_loading import threads_here
from foveate.training.build import build_trainer
from foveate.training.defaults import choose_learning_rate
from foveate.training.prepare import Prepared
from foveate.training.selection import Selector
from foveate.translator import Translator

Pairs = Sequence[tuple[str, str]]
ROWS_TOGETHER = 64


def train_with_looks(prepared: Prepared, looks: Sequence[int]) -> Iterator[tuple[int, Translator]]:
    """Train, and yield the model after every update of `looks`; 0 is before the first.

    What is yielded is the moving average of the weights, which a run keeps, too. It is only valid
    until the next one is asked for.
    """
    training = prepared.options.training
    assert training.max_updates is not None
    trainer = build_trainer(prepared)
    trainer.total_updates = training.max_updates
    trainer.peak = choose_learning_rate(prepared.options, prepared.facts, trainer.total_updates)
    selector = Selector(prepared, trainer)
    for look in looks:
        with threads_here(training.threads or granted_threads()):
            while trainer.counters.update < look:
                trainer.update()
        yield look, selector.build_translator(trainer.average)


def spread_looks(updates: int, count: int) -> list[int]:
    """Return at most so many numbers of updates from 0 to the last: close together at first.

    Example:
        >>> spread_looks(400, 5)
        [0, 25, 100, 225, 400]
    """
    shares = np.linspace(0, 1, count) ** 2
    return sorted({round(updates * share) for share in shares.tolist()})


def look_at_pairs(translator: Translator, pairs: Pairs) -> list[NDArray[np.float64]]:
    """Return where a model looks while it writes given targets: [T + 1, S] weights of each pair.

    The last row is that of the end mark: the model has then read its whole target.
    """
    source, target = translator.source_codec, translator.target_codec
    rows = [(source.encode(one), target.encode(other)) for one, other in pairs]
    found: list[NDArray[np.float64]] = []
    for start in range(0, len(rows), ROWS_TOGETHER):
        found += _look_at_rows(translator, rows[start : start + ROWS_TOGETHER])
    return found


def _look_at_rows(
    translator: Translator, rows: Sequence[tuple[list[int], list[int]]]
) -> Iterator[NDArray[np.float64]]:
    batch = collate([source for source, _ in rows], [target for _, target in rows])
    stepper, looks = translator.stepper, []
    state = stepper.start(batch.source, batch.source_mask, attention=True)
    for tokens in batch.target_in.T:
        step = stepper.step(state, tokens, 1)
        assert step.attention is not None, "only a model with attention can be looked at"
        looks.append(step.attention)
        state = step.state
    weights = np.stack(looks, axis=1).astype(np.float64)  # B T+1 S
    for own, (source, target) in zip(weights, rows, strict=True):
        yield own[: len(target) + 1, : len(source)]
