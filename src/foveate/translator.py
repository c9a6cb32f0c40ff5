"""`Translator`: texts in, `Translation`s out, in order, with constant memory.

It puts codec, stepper and search together. Which backend steps is decided in `load` alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from foveate.bundle import Bundle, Summary, load_bundle, save_bundle
from foveate.data.batching import collate_sources
from foveate.errors import MissingExtraError, ModelMismatchError, SearchError
from foveate.onnx_backend import build_onnx_stepper
from foveate.records import Translation
from foveate.search import (
    Hypothesis,
    Stepper,
    beam_search,
    forced_search,
    greedy_search,
    join_steppers,
    run_all,
    sample_search,
)
from foveate.text.codec import Codec
from foveate.text.vocabulary import UNK
from foveate.text.word_list import WordList

if TYPE_CHECKING:
    from foveate.torch_backend import TorchStepper

Backend = Literal["auto", "torch", "onnx"]
Item = TypeVar("Item")
WINDOW = 2000  # texts that are sorted by length together
BATCH_TOKENS = 2000  # larger batches fall out of the processor's caches
DEFAULT_BEAM_SIZE = 5
DEFAULT_LENGTH_PENALTY = 1.0  # with smoothed labels every token costs, also a right one


@dataclass(frozen=True)
class Sampling:
    """How to draw outputs instead of searching for the best."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 1


class Translator:
    """A trained model, ready to use.

    Args:
        bundle: the model as values.
        stepper: what steps it.

    Attributes:
        num_unknown: source tokens so far that were not in the vocabulary, and were read as unknown.
    """

    def __init__(self, bundle: Bundle, stepper: Stepper) -> None:
        self.bundle = bundle
        self.stepper = stepper
        self.num_unknown = 0

    @classmethod
    def load(cls, path: str | Path, *, backend: Backend = "auto", threads: int = 0) -> Translator:
        """Load a bundle.

        Args:
            path: the model's folder.
            backend: what computes; `auto` is ONNX Runtime for an exported model, else PyTorch.
            threads: processor threads; 0 means as many as there are cores.

        Raises:
            BundleError: the bundle is missing or damaged.
            ModelMismatchError: the bundle does not hold what the backend needs.
            MissingExtraError: what computes is not installed.
        """
        return cls.from_bundle(
            load_bundle(path), backend=backend, threads=threads, origin=str(path)
        )

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle,
        *,
        backend: Backend = "auto",
        threads: int = 0,
        origin: str = "model",
    ) -> Translator:
        """Make a translator from a bundle in memory; arguments and errors are those of `load`."""
        if backend == "onnx" and not bundle.graphs:
            raise ModelMismatchError(
                f"{origin}: holds no ONNX model: make one with foveate export, "
                "or use --backend torch"
            )
        if backend == "torch" and not bundle.weights:
            raise ModelMismatchError(
                f"{origin}: is an exported model, without weights for PyTorch: "
                "use --backend onnx, or the model that it was exported from"
            )
        if bundle.graphs and backend != "torch":
            return cls(bundle, build_onnx_stepper(bundle.graphs, threads=threads, origin=origin))
        members = build_torch_members(bundle, threads=threads, origin=origin)
        return cls(bundle, join_steppers(members))

    def save(self, path: str | Path) -> None:
        """Write the model as a bundle.

        Raises:
            BundleError: the path is taken or cannot be written.
        """
        save_bundle(self.bundle, path)

    @property
    def source_codec(self) -> Codec:
        """Text to ids of the source side."""
        return self.bundle.source_codec

    @property
    def target_codec(self) -> Codec:
        """Text to ids of the target side."""
        return self.bundle.target_codec

    @property
    def summary(self) -> Summary:
        """What training did."""
        return self.bundle.summary

    @property
    def has_attention(self) -> bool:
        """Say whether there is something to look at."""
        return self.bundle.model.architecture != "traditional"

    def translate(
        self,
        texts: Iterable[str],
        *,
        beam_size: int | None = None,
        n_best: int = 1,
        length_penalty: float | None = None,
        attention: bool = True,
        max_length: int | None = None,
        batch_tokens: int = BATCH_TOKENS,
        sampling: Sampling | None = None,
    ) -> Iterator[Translation]:
        """Translate texts one by one, in their order, holding only a window of them.

        Args:
            texts: sources; an empty one has an empty translation.
            beam_size: hypotheses kept a source; 1 is greedy, None means 5.
            n_best: how many hypotheses to return; all but the best are `alternatives`.
            length_penalty: scores are divided by length to this power when ranked; None means 1.
            attention: whether to return attention weights.
            max_length: most tokens of an output; None asks the training data.
            batch_tokens: source tokens times beam, padding included, of one batch.
            sampling: draw `n_best` outputs instead of searching.

        Raises:
            SearchError: numbers that make no sense, such as n_best above beam_size.
        """
        beam_size = beam_size or max(DEFAULT_BEAM_SIZE, n_best)
        if n_best > beam_size:
            raise SearchError(f"n_best {n_best} needs a beam_size of at least {n_best}")
        if length_penalty is None:
            length_penalty = DEFAULT_LENGTH_PENALTY
        num_rows = n_best if sampling else beam_size
        words = None if sampling else self.bundle.decoding.words
        num_found = beam_size if words else n_best

        def search(
            source: NDArray[np.int64], mask: NDArray[np.bool_], numbers: Sequence[int]
        ) -> list[list[Hypothesis]]:
            lengths = mask.sum(axis=1)
            limits = (
                self._limit(lengths) if max_length is None else np.full_like(lengths, max_length)
            )
            if sampling:
                return sample_search(
                    self.stepper,
                    source,
                    mask,
                    num_samples=n_best,
                    temperature=sampling.temperature,
                    top_k=sampling.top_k,
                    top_p=sampling.top_p,
                    seed=sampling.seed,
                    max_lengths=limits,
                    row_numbers=numbers,
                )
            if beam_size == 1:
                return [
                    [best] for best in greedy_search(self.stepper, source, mask, max_lengths=limits)
                ]
            return beam_search(
                self.stepper,
                source,
                mask,
                beam_size=beam_size,
                n_best=num_found,
                length_penalty=length_penalty,
                max_lengths=limits,
            )

        self._show_attention(attention)
        start = 0
        for window in _windows(texts):
            results = self._run_window(window, start, batch_tokens // num_rows, search)
            if words:
                results = [_rank(found, words, length_penalty, n_best) for found in results]
            if not sampling:
                self._recall(window, results, n_best)
            yield from results
            start += len(window)

    def translate_one(self, text: str, **options: Any) -> Translation:
        """Translate one text; the options are those of `translate`."""
        return next(iter(self.translate([text], **options)))

    def score_pairs(self, pairs: Iterable[tuple[str, str]]) -> Iterator[Translation]:
        """Score given targets: `score` is their log-probability, `attention` where they look.

        Raises:
            ModelMismatchError: a source or target has no tokens.
        """
        self._show_attention(True)
        for window in _windows(pairs):
            yield from self._score_window(window)

    def _score_window(self, pairs: Sequence[tuple[str, str]]) -> list[Translation]:
        targets = self.target_codec.encode_many(target for _, target in pairs)
        if not all(targets):
            raise ModelMismatchError("a target is empty: there is nothing to score")

        def search(
            source: NDArray[np.int64], mask: NDArray[np.bool_], numbers: Sequence[int]
        ) -> list[list[Hypothesis]]:
            given = [targets[number] for number in numbers]
            return [[one] for one in forced_search(self.stepper, source, mask, given)]

        results = self._run_window([source for source, _ in pairs], 0, BATCH_TOKENS, search)
        for (_, target), result in zip(pairs, results, strict=True):
            result.tokens = self.target_codec.split(target)
            result.text = target
        return results

    def _recall(self, texts: Sequence[str], results: list[Translation], n_best: int) -> None:
        """Put what a source became in training before what the model would write.

        The recalled target has the model's score and the model's attention for it.
        """
        memory, normalize = self.bundle.decoding.memory, self.source_codec.normalize
        if not memory:
            return
        recalled = {
            row: target
            for row, text in enumerate(texts)
            if (target := memory.get(normalize(text))) not in (None, results[row].text)
        }
        num_unknown = self.num_unknown
        scored = self._score_window([(texts[row], target) for row, target in recalled.items()])
        self.num_unknown = num_unknown  # they were counted when they were translated
        for row, best in zip(recalled, scored, strict=True):
            others = [results[row], *results[row].alternatives]
            results[row].alternatives = []
            best.alternatives = [other for other in others if other.text != best.text]
            del best.alternatives[n_best - 1 :]
            results[row] = best

    def _show_attention(self, wanted: bool) -> None:
        if hasattr(self.stepper, "with_attention"):
            self.stepper.with_attention = wanted

    def _limit(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        ratio = self.bundle.decoding.length_ratio
        limits: NDArray[np.int64] = np.ceil(lengths * ratio).astype(np.int64) + 10
        return limits

    def _run_window(
        self,
        texts: Sequence[str],
        start: int,
        batch_tokens: int,
        search: Callable[..., list[list[Hypothesis]]],
    ) -> list[Translation]:
        codec = self.source_codec
        encoded = codec.encode_many(texts)
        self.num_unknown += sum(ids.count(UNK) for ids in encoded)
        results = [
            Translation(
                [], [], "", 0.0, np.zeros((0, 0), np.float32) if self.has_attention else None
            )
            for _ in texts
        ]

        def run(rows: Sequence[int]) -> None:
            source, mask = collate_sources([encoded[row] for row in rows])
            found = search(source, mask, [start + row for row in rows])
            for row, hypotheses in zip(rows, found, strict=True):
                results[row] = self._describe(codec.split(texts[row]), hypotheses)

        workers = getattr(self.stepper, "workers", 1)
        run_all(self.stepper, run, _batches([len(ids) for ids in encoded], batch_tokens, workers))
        return results

    def _describe(self, source_tokens: list[str], hypotheses: list[Hypothesis]) -> Translation:
        translations = [
            Translation(
                source_tokens,
                self.target_codec.tokens(hypothesis.ids),
                self.target_codec.decode(hypothesis.ids),
                hypothesis.score,
                hypothesis.attention,
            )
            for hypothesis in hypotheses
        ]
        translations[0].alternatives = translations[1:]
        return translations[0]


def _rank(found: Translation, words: WordList, length_penalty: float, n_best: int) -> Translation:
    """Return the outputs for one source in the order of a list of words, at most `n_best`."""
    hypotheses = [found, *found.alternatives]
    found.alternatives = []
    best, *others = words.rank(hypotheses, length_penalty)
    best.alternatives = others[: n_best - 1]
    return best


def _windows(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while window := list(islice(iterator, WINDOW)):
        yield window


def _batches(lengths: Sequence[int], batch_tokens: int, least: int) -> Iterator[list[int]]:
    """Cut the rows that are not empty into batches of similar length, longest first.

    There are at least `least` batches, if there are so many rows.
    """
    order = sorted((row for row, length in enumerate(lengths) if length), key=lambda r: -lengths[r])
    most = math.ceil(len(order) / least)
    start = 0
    while start < len(order):
        size = max(1, min(most, batch_tokens // lengths[order[start]]))
        yield order[start : start + size]
        start += size


def build_torch_members(bundle: Bundle, *, threads: int = 0, origin: str) -> list[TorchStepper]:
    """Build the PyTorch steppers of a bundle: one, or each of an ensemble.

    Raises:
        MissingExtraError: PyTorch is not installed.
        BundleError: the weights are not those of the configuration and vocabularies.
    """
    try:
        from foveate.torch_backend import build_torch_stepper
    except ImportError:
        purpose = f"{origin}: a model that was not exported (foveate export)"
        raise MissingExtraError("PyTorch", "train", purpose) from None
    return [
        build_torch_stepper(
            bundle.model,
            (len(bundle.source_codec.vocabulary), len(bundle.target_codec.vocabulary)),
            bundle.is_shared,
            weights,
            target_ids=bundle.target_ids,
            threads=threads,
            origin=origin,
        )
        for weights in bundle.members
    ]
