"""Let OpenNMT-py train for some minutes: as many updates as its own speed has room for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rivals.contenders import find_contenders
from rivals.job import Job

CHECKPOINTS = 12


def build_job(
    options: argparse.Namespace, facts: dict[str, Any], data: Path, settings: dict[str, Any]
) -> Job:
    """Describe a training of OpenNMT-py by the options of a command line and its own settings."""
    return Job(
        module="opennmt",
        task="train",
        engine="",
        settings={"keep_checkpoint": -1, **settings},
        data=data,
        work=options.out / "opennmt" / "model",
        started=0.0,
        threads=options.threads,
        warmup=20,
        updates=200,
        batch=options.batch,
        embedding=options.embedding,
        hidden=options.hidden,
        dropout=0.1,
        label_smoothing=0.1,
        seed=options.seed,
        length=int(facts["output_length"]),
        decode_batch=96,
        singles=0,
    )


def learn(
    job: Job, minutes: float, environments: Path, halvings: int = 0
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train, and return every model saved on the way and the speed that was measured before.

    Args:
        job: of `build_job`; told the number of updates here.
        minutes: of the training.
        environments: folder of the toolkits' environments.
        halvings: how often the learning rate is halved in the second half.

    Returns:
        For each saved model `updates`, `seconds` since the process began, `outputs` for the test
        sources, and `path`; and the speed.
    """
    timeout = 60 * minutes * 3 + 3600
    speed = run(job, environments, timeout)
    job.task = "learn"
    job.updates = round(60 * minutes * speed["updates"] / speed["seconds"])
    print(f"OpenNMT-py: {job.updates:,} updates, {speed['parameters']:,} parameters", flush=True)
    job.settings |= {"save_checkpoint_steps": max(1, job.updates // CHECKPOINTS)}
    if halvings:
        half = job.updates // 2
        job.settings |= {"start_decay_steps": half, "decay_steps": max(1, half // halvings)}
    return run(job, environments, timeout)["checkpoints"], speed


def run(job: Job, environments: Path, timeout: float = 3600) -> dict[str, Any]:
    """Do a job in its toolkit's environment."""
    contender = next(one for one in find_contenders() if one.file == job.module)
    return contender.run(job, environments, timeout)
