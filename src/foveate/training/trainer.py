"""One update: a class that owns model, average, optimizer and counters, and knows no files.

Everything random in it is a function of the seed and the counters, so a run that was killed and
goes on ends with the same weights, bit for bit, as one that was not. Knows ids, not text.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import foveate.torch_loading  # noqa: F401  # isort: skip  # before torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foveate.data.batching import EncodedPairs, collate, plan_batches
from foveate.errors import TrainingError
from foveate.models.dropout import seeded_dropout
from foveate.models.regularizers import GuidedAlignment
from foveate.models.seq2seq import Seq2SeqModel, SoftTensors, TensorBatch
from foveate.options import TrainingOptions
from foveate.records import Batch, SoftTargets
from foveate.training.lexicon import Lexicon
from foveate.training.optimizer import Optimizer, learning_rate_factor, update_average
from foveate.training.ranks import Ranks
from foveate.training.schedule import GUIDED_SHARE, Counters, Pace

Rows = Sequence[NDArray[np.int64]]  # of each batch
Encode = Callable[[int], EncodedPairs]  # the pairs of an epoch as ids
CALIBRATION_BATCHES = 16


class Trainer:
    """Train a model on encoded pairs, one update at a time.

    Args:
        model: new, on its device.
        options: of the run.
        encode: gives the encoded pairs of an epoch; a pure function of its number.
        lexicon: knows alignments to guide the attention to.
        soft_targets: of every step of the pairs that `encode` gives, learnt instead of them.
        ranks: the processes that train together.

    Attributes:
        average: the moving average of the model, which is validated and kept.
        best: weights of the best average so far, by parameter name.
        counters: where the run is.
    """

    def __init__(
        self,
        model: Seq2SeqModel,
        options: TrainingOptions,
        encode: Encode,
        lexicon: Lexicon | None = None,
        soft_targets: SoftTargets | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.model = model
        self.options = options
        self.peak = 0.0  # learning rate, which the schedule chooses
        self.encode = encode
        self.lexicon = lexicon
        self.soft_targets = soft_targets
        self.ranks = ranks or Ranks()
        self.average = copy.deepcopy(model).eval()
        self._averaged: tuple[list[Tensor], list[Tensor]] = (
            list(self.average.parameters()),
            list(model.parameters()),
        )
        self.best: dict[str, Tensor] = {}
        self.optimizer = Optimizer(model, options)
        self.counters = Counters()
        self.total_updates = 0
        self.loss_sum = 0.0  # of the target tokens since the last `take_loss`
        self.num_tokens = 0
        self._device = model.output_bias.device
        self._epoch_length = 0
        self._batches = self._iterate()

    def measure_pace(self, clock: Callable[[], float]) -> Pace:
        """Return how long updates take, by timing a few on copies."""
        parts = self.options, self.encode, self.lexicon, self.soft_targets, self.ranks
        trial = Trainer(copy.deepcopy(self.model), *parts)
        trial.total_updates = 10**6
        trial.update()  # the first pays for allocations
        begin = clock()
        pairs = self.encode(0)
        plan = self._plan_epoch(pairs, 0)
        per_epoch = clock() - begin
        picked = [
            plan[len(plan) * index // CALIBRATION_BATCHES] for index in range(CALIBRATION_BATCHES)
        ]
        guided = plain = trial._time_updates(pairs, picked, clock)
        if trial.is_guided:
            trial.total_updates = 1  # so the first half is over
            plain = trial._time_updates(pairs, picked, clock)
        shared = per_epoch / len(plan)
        return Pace(guided + shared, plain + shared)

    def _time_updates(
        self, pairs: EncodedPairs, batches: Rows, clock: Callable[[], float]
    ) -> float:
        """Do an update on each batch and return the seconds that one took."""
        begin = clock()
        for rows in batches:
            self.update_on(self._collate(pairs, rows))
        return (clock() - begin) / len(batches)

    def update(self) -> None:
        """Do the next update.

        Raises:
            TrainingError: the loss is not a number.
        """
        self.update_on(next(self._batches))

    def update_on(self, batch: Batch | None) -> None:
        """Do one update on a batch, or our share of one: gradients, clipping, AdamW, average."""
        counters, options = self.counters, self.options
        factor = learning_rate_factor(counters.update, self.total_updates, options.warmup)
        self.model.train()
        own = 0 if batch is None else int(batch.target_mask.sum())
        tokens = int(self.ranks.sum(own))
        value = self.ranks.sum(0.0 if batch is None else self._backward(batch, own / tokens))
        self.ranks.add_gradients(self.model.parameters())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is not a number at update {counters.update + 1}: train again with a "
                f"learning_rate below {self.peak}"
            )
        self.optimizer.step(self.peak * factor)
        update_average(*self._averaged, counters.update, options.average_decay)
        counters.update += 1
        self.loss_sum += value * tokens
        self.num_tokens += tokens

    def _backward(self, batch: Batch, share: float) -> float:
        """Compute the gradients of a share of the loss, and return that share."""
        smoothing, guides = self.options.label_smoothing, self._guide(batch)
        with seeded_dropout(self.options.seed, self.counters.update, *self.ranks.entropy):
            tensors = to_tensors(batch, self._device)
            loss = self.model.loss(tensors, label_smoothing=smoothing, regularizers=guides)
        (loss if share == 1 else loss * share).backward()  # type: ignore[no-untyped-call]
        return loss.item() * share

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last update."""
        return self.optimizer.learning_rate

    @property
    def epoch(self) -> float:
        """Passes over the data so far, with a fraction."""
        if not self._epoch_length:  # gone on from a state, and no update done since
            epoch = self.counters.epoch
            self._epoch_length = len(self._plan_epoch(self.encode(epoch), epoch))
        return self.counters.epoch + self.counters.batch / max(1, self._epoch_length)

    @property
    def num_parameters(self) -> int:
        """How many numbers the model has."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def is_finite(self) -> bool:
        """Say whether all weights of the average are numbers."""
        return all(bool(tensor.isfinite().all()) for tensor in self._averaged[0])

    def take_loss(self) -> tuple[float, int]:
        """Return the mean loss since the last call, and the number of target tokens."""
        result = (self.loss_sum / max(1, self.num_tokens), self.num_tokens)
        self.loss_sum, self.num_tokens = 0.0, 0
        return result

    def keep_best(self) -> None:
        """Remember the average: the best so far, or as good."""
        self.best = {name: value.clone() for name, value in named_tensors(self.average).items()}

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that the next update depends on, besides the counters."""
        groups = {
            "model": named_tensors(self.model),
            "average": named_tensors(self.average),
            "best": self.best,
            "optimizer": self.optimizer.tensors(),
        }
        return {f"{group}/{name}": t for group, part in groups.items() for name, t in part.items()}

    def restore(self, counters: Counters, tensors: dict[str, Tensor]) -> None:
        """Go on from a saved state."""
        parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for name, tensor in tensors.items():
            group, rest = name.split("/", 1)
            parts[group][rest] = tensor.to(self._device)
        load_tensors(self.model, parts["model"])
        load_tensors(self.average, parts["average"])
        self.best = parts["best"]
        self.optimizer.restore(parts["optimizer"])
        self.counters = counters
        self._epoch_length = 0
        self._batches = self._iterate()

    def _iterate(self) -> Iterator[Batch | None]:
        while True:
            pairs = self.encode(self.counters.epoch)
            plan = self._plan_epoch(pairs, self.counters.epoch)
            self._epoch_length = len(plan)
            while self.counters.batch < len(plan):
                self.counters.batch += 1
                yield self._collate(pairs, plan[self.counters.batch - 1])
            self.counters.epoch += 1
            self.counters.batch = 0

    def _guide(self, batch: Batch) -> list[GuidedAlignment]:
        """Return an alignment for the attention, and its weight."""
        if self.lexicon is None or not self.is_guided:
            return []
        alignment = torch.from_numpy(self.lexicon.align(batch)).to(self._device)
        return [GuidedAlignment(self.options.guidance * self._guided_share, alignment)]

    @property
    def is_guided(self) -> bool:
        """Say whether an alignment guides the attention in the next update."""
        is_wanted = self.lexicon is not None and self.options.guidance > 0
        return is_wanted and self._guided_share > 0

    @property
    def _guided_share(self) -> float:
        """What is left of the guidance, which falls to nothing by mid-run."""
        return 1 - self.counters.update / (GUIDED_SHARE * max(1, self.total_updates))

    def _plan_epoch(self, pairs: EncodedPairs, epoch: int) -> list[NDArray[np.int64]]:
        seed, budget = self.options.seed, self.options.batch_tokens
        return plan_batches(pairs.source_lengths, pairs.target_lengths, budget, seed, epoch)

    def _collate(self, pairs: EncodedPairs, rows: NDArray[np.int64]) -> Batch | None:
        rows = self.ranks.share(rows)
        if not len(rows):
            return None
        batch = collate([pairs.source(row) for row in rows], [pairs.target(row) for row in rows])
        if self.soft_targets is None:
            return batch
        return dataclasses.replace(batch, soft_targets=self.soft_targets.take(pairs.steps(rows)))


def to_tensors(batch: Batch, device: torch.device) -> TensorBatch:
    """Put the arrays of a batch on a device."""

    def put(array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(device)

    soft = batch.soft_targets
    return TensorBatch(
        put(batch.source),
        put(batch.source_mask),
        put(batch.target_in),
        put(batch.target_out),
        put(batch.target_mask),
        None if soft is None else SoftTensors(put(soft.ids), put(soft.probabilities)),
    )


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters of a module by name, shared ones once."""
    return {name: parameter.detach() for name, parameter in module.named_parameters()}


@torch.no_grad()
def load_tensors(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy tensors into the parameters of the same names."""
    for name, parameter in module.named_parameters():
        parameter.copy_(tensors[name])
