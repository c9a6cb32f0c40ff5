"""What runs in a contender's process: read a job, do it, write what was measured.

    python -m rivals.job JOB.json RESULT.json

Needs the standard library only, so that it runs in every environment.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass
class Job:
    """What to measure. Sizes are the same for all contenders.

    Attributes:
        module: file of the contender in this folder.
        task: the function of that file to call: `train`, `prepare`, `decode`, ...
        engine: what to decode with, where a toolkit has several.
        settings: what makes this contender different from the others of its file.
        data: folder of the pre-tokenised text (see `corpus.py`).
        work: folder for whatever the contender writes.
        started: time at which the process was started, in seconds of the epoch.
        threads: processor threads.
        warmup: updates that are not measured.
        updates: updates that are measured.
        batch: sentences of a training batch.
        embedding: width of the embeddings.
        hidden: width of the decoder; each direction of the encoder has half of it.
        dropout: the same everywhere where a toolkit has dropout.
        label_smoothing: share of the probability that the target spreads.
        seed: of whatever is random.
        length: tokens that every output is forced to.
        decode_batch: sentences that are translated together.
        singles: sentences that are translated one by one.
    """

    module: str
    task: str
    engine: str
    settings: dict[str, Any]
    data: Path
    work: Path
    started: float
    threads: int
    warmup: int
    updates: int
    batch: int
    embedding: int
    hidden: int
    dropout: float
    label_smoothing: float
    seed: int
    length: int
    decode_batch: int
    singles: int

    @classmethod
    def read(cls, path: str) -> Job:
        """Read a job from JSON."""
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        job = cls(**{field.name: told[field.name] for field in fields(cls)})
        job.data, job.work = Path(job.data), Path(job.work)
        return job

    def lines(self, name: str) -> list[str]:
        """Return the lines of a file of the corpus, tokens between blanks."""
        return (self.data / name).read_text(encoding="utf-8").splitlines()

    @property
    def most_updates(self) -> int:
        """All updates, and one that is never finished."""
        return self.warmup + self.updates + 1


class Enough(BaseException):
    """Ends a toolkit's training loop from inside; not an Exception, so that nobody catches it."""


class Meter:
    """Count the sentences and tokens of the batches and time the updates between warm-up and end.

    `see` is told of every batch before its update, `update` of every update after it. Target
    tokens are what the loss is computed of: end marks included, padding and begin marks not.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.num_updates = 0
        self.parameters = 0
        self.vocabulary = 0
        self._counts = {"sentences": 0, "source_tokens": 0, "target_tokens": 0, "cells": 0}
        self._before: dict[str, int] = {}
        self._result: dict[str, Any] = {}

    def see(self, source_lengths: Iterable[int], target_lengths: Iterable[int]) -> None:
        """Add a batch: tokens of each source and each target."""
        lengths = [(int(s), int(t)) for s, t in zip(source_lengths, target_lengths, strict=True)]
        self._counts["sentences"] += len(lengths)
        self._counts["source_tokens"] += sum(s for s, _ in lengths)
        self._counts["target_tokens"] += sum(t for _, t in lengths)
        self._counts["cells"] += sum(s * t for s, t in lengths)

    def update(self) -> None:
        """Note that an update is done.

        Raises:
            Enough: it was the last that is measured.
        """
        now = time.perf_counter()
        self.num_updates += 1
        if self.num_updates == 1:
            self._result["startup_seconds"] = time.time() - self.job.started
        if self.num_updates == self.job.warmup:
            self._begin, self._before = now, dict(self._counts)
        if self.num_updates == self.job.warmup + self.job.updates:
            counted = {name: self._counts[name] - self._before[name] for name in self._counts}
            self._result |= {"seconds": now - self._begin, "updates": self.job.updates, **counted}
            raise Enough

    def watch_optimizers(self) -> None:
        """Have every PyTorch optimizer tell of its updates."""
        from torch.optim.optimizer import register_optimizer_step_post_hook

        def tell(optimizer: Any, *_: Any) -> None:
            groups = optimizer.param_groups
            self.parameters = sum(p.numel() for group in groups for p in group["params"])
            self.update()

        register_optimizer_step_post_hook(tell)

    def run(self, train: Callable[[], object]) -> dict[str, Any]:
        """Train until enough updates are done, and return what was measured.

        Raises:
            RuntimeError: the training ended before.
        """
        with contextlib.suppress(Enough):
            train()
        return self.result()

    def result(self) -> dict[str, Any]:
        """Return what was measured.

        Raises:
            RuntimeError: there were too few updates.
        """
        if "seconds" not in self._result:
            raise RuntimeError(f"training ended after {self.num_updates} updates")
        rate = self._result["target_tokens"] / self._result["seconds"]
        sizes = {"parameters": self.parameters, "vocabulary": self.vocabulary}
        return {**self._result, **sizes, "target_tokens_per_second": rate}


def measure_decoding(job: Job, translate: Callable[[list[str]], int]) -> list[dict[str, Any]]:
    """Time the test sentences in batches and one by one; a row for each.

    Args:
        job: what to measure.
        translate: takes sentences, which are sorted by length, and returns how many tokens it
            wrote, end marks not counted.
    """
    sentences = job.lines("test.source")
    singles = spread(sentences, job.singles)
    translate(sentences[: job.decode_batch])
    startup = time.time() - job.started
    translate(singles[:1])
    rows = []
    for size, some in ((job.decode_batch, sentences), (1, singles)):
        begin = time.perf_counter()
        tokens = sum(translate(some[k : k + size]) for k in range(0, len(some), size))
        seconds = time.perf_counter() - begin
        rows.append(
            {
                "batch": size,
                "sentences": len(some),
                "tokens": tokens,
                "seconds": seconds,
                "sentences_per_second": len(some) / seconds,
                "tokens_per_second": tokens / seconds,
                "startup_seconds": startup,
            }
        )
    return rows


def time_translation(job: Job, translate: Callable[[list[str]], list[str]]) -> dict[str, Any]:
    """Time all test sentences in one call and some one by one, after as much to warm up.

    Args:
        job: what to measure.
        translate: takes sentences and returns their translations, in this order.
    """
    sentences = job.lines("test.source")
    singles = spread(sentences, job.singles)
    translate(sentences)
    begin = time.perf_counter()
    outputs = translate(sentences)
    middle = time.perf_counter()
    for one in singles:
        translate([one])
    end = time.perf_counter()
    return {
        "outputs": outputs,
        "sentences_per_second": len(sentences) / (middle - begin),
        "milliseconds": 1000 * (end - middle) / max(1, len(singles)),
    }


def spread(sentences: Sequence[str], count: int) -> list[str]:
    """Return so many sentences, taken evenly from first to last."""
    count = min(count, len(sentences))
    return [sentences[k * len(sentences) // count] for k in range(count)]


def peak_memory() -> int:
    """Return the largest resident size of this process or of one that it ran, in bytes."""
    import resource

    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * max(resource.getrusage(who).ru_maxrss for who in whose)


def main() -> None:
    """Do the job that the command line names."""
    job = Job.read(sys.argv[1])
    with contextlib.suppress(ImportError):  # not every toolkit has PyTorch
        import torch

        torch.set_num_threads(job.threads)
    contender = importlib.import_module(f"rivals.{job.module}")
    result = getattr(contender, job.task)(job)
    if not isinstance(result, dict):
        result = {"rows": result}
    result["peak_memory"] = peak_memory()
    Path(sys.argv[2]).write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
