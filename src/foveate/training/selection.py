"""Which weights of a run are kept: the last ones that dev cannot tell from the best."""

from __future__ import annotations

import copy
from collections.abc import Callable

from foveate.bundle import Summary
from foveate.errors import SearchError, TrainingError
from foveate.models.seq2seq import Seq2SeqModel
from foveate.text.matching import Matching
from foveate.torch_backend import TorchStepper
from foveate.training.prepare import Prepared
from foveate.training.trainer import Trainer, load_tensors
from foveate.training.validation import MOST_SOURCES, Validation
from foveate.translator import Translator

TIMED_SOURCES = 64


class Selector:
    """Validate the average of a trainer, and let it keep the weights to be kept.

    Attributes:
        validation: a sample of dev, and the metric to select by.
        outputs: for its sources, at the last validation.
    """

    def __init__(self, prepared: Prepared, trainer: Trainer) -> None:
        self.prepared, self.trainer = prepared, trainer
        self.validation = build_validation(prepared)
        self.outputs: list[str] = []

    def take_sources(self, count: int) -> None:
        """Validate on so many sources of dev from now on."""
        if count != len(self.validation.sources):
            self.validation = build_validation(self.prepared, count)

    def time_source(self, clock: Callable[[], float]) -> float:
        """Time greedy search for a dev source, held to the length of a real target."""
        some = self.validation.sources[:TIMED_SOURCES]
        limit = round(self.prepared.facts.target_length) + 1
        begin = clock()
        translator = self.build_translator(self.trainer.average)
        for _ in translator.translate(some, beam_size=1, attention=False, max_length=limit):
            pass
        return (clock() - begin) / len(some)

    def validate(self) -> tuple[dict[str, float], bool]:
        """Return the scores of the average, and whether its weights are kept.

        Raises:
            TrainingError: its weights are not numbers.
        """
        counters = self.trainer.counters
        self.outputs = outputs = self._translate()
        scores = self.validation.measure(outputs)
        is_top = self.validation.is_better(scores, counters.top_scores)
        if is_top:
            counters.top_scores, counters.top_outputs = scores, outputs
        is_kept = is_top or self.validation.is_as_good(outputs, counters.top_outputs)
        if is_kept:
            counters.best_update, counters.best_scores = counters.update, scores
            self.trainer.keep_best()
        counters.stale = 0 if is_top else counters.stale + 1
        return scores, is_kept

    def choose_last(self) -> str:
        """Keep the last weights after all, where the whole of dev finds them as good.

        The best of twenty scores of a sample is in part the luckiest one; most of the other
        sources had no part in choosing it.

        Returns:
            What was decided, for people; nothing where everything stays as it is.
        """
        counters = self.trainer.counters
        whole = build_validation(self.prepared, len(self.prepared.dev))
        num_sources = len(whole.sources)
        if counters.best_update == counters.update or num_sources == len(self.validation.sources):
            return ""
        kept = copy.deepcopy(self.trainer.average)
        load_tensors(kept, self.trainer.best)
        models = self.trainer.average, kept
        last, best = (whole.translate(self.build_translator(model)) for model in models)
        if not whole.is_as_good(last, best):
            return ""
        before, counters.best_update = counters.best_update, counters.update
        counters.best_scores = whole.measure(last)
        self.trainer.keep_best()
        return (
            f"the last weights are kept: on all dev sources ({num_sources:,}) they are as "
            f"good as those of update {before:,}"
        )

    def _translate(self) -> list[str]:
        problem = "its weights are not numbers"
        try:
            if self.trainer.is_finite:
                return self.validation.translate(self.build_translator(self.trainer.average))
        except SearchError as error:
            problem = str(error)
        raise TrainingError(
            f"the model of update {self.trainer.counters.update:,} cannot be used: {problem}: "
            f"train again with a learning_rate below {self.trainer.peak}"
        )

    def build_translator(self, model: Seq2SeqModel) -> Translator:
        """Return a translator of a model with weights of its own."""
        bundle = self.prepared.to_bundle({}, Summary())
        threads = self.prepared.options.training.threads
        return Translator(bundle, TorchStepper(model), threads=threads)


def build_validation(prepared: Prepared, most_sources: int | None = None) -> Validation:
    """Take so many sources of dev, evenly spread, and the metric to select by."""
    most = MOST_SOURCES if most_sources is None else most_sources
    matching = Matching(prepared.source_codec, prepared.target_codec)
    return Validation.build(prepared.dev, matching, most)
