"""Marian, from the wheel `pymarian`: its own trainer, and its translator called from Python.

Its log has a line for every update; a line's time and labels are what is measured. Its labels are
the target tokens with end marks and without padding: over one pass they add up to exactly those.
Each of its threads works on a part of the batch.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rivals.job import Job, measure_decoding

PINS = [["pymarian==1.12.42", "numpy==2.4.6"]]
CONTENDERS: dict[str, dict[str, Any]] = {"marian": {}}
NOTES = {"marian": "1.12; encoder twice as wide (no narrower one), a decoder of two cells"}
LINE = re.compile(r"Up\. (\d+) : .*?\* ([\d,]+) @ [\d,]+ after [\d,]+ : Time ([\d.]+)s")
NEVER = -1e4  # bias of an end mark that no output may have


def train(job: Job) -> dict[str, Any]:
    """Run its trainer and read the times and labels of its log."""
    log = run_training(job, job.warmup + job.updates)
    lines = [(float(when), LINE.search(line)) for when, _, line in (x.partition(" ") for x in log)]
    updates = [(when, found) for when, found in lines if found]
    measured = [found for _, found in updates if int(found[1]) > job.warmup]
    if len(measured) < job.updates:
        raise RuntimeError(f"its log has {len(measured)} updates: {log[-1] if log else ''}")
    seconds = sum(float(found[3]) for found in measured)
    tokens = sum(int(found[2].replace(",", "")) for found in measured)
    return {
        "startup_seconds": updates[0][0] - job.started,
        "seconds": seconds,
        "updates": len(measured),
        "target_tokens": tokens,
        "parameters": count_parameters(job),
        "vocabulary": len(job.lines("target.vocabulary")) + 2,
        "target_tokens_per_second": tokens / seconds,
    }


def prepare(job: Job) -> None:
    """Train for one update, and forbid the end mark."""
    import numpy as np

    run_training(job, 1)
    path = job.work / "model.npz"
    weights = dict(np.load(path))
    weights["decoder_ff_logit_l2_b"][0, 0] = NEVER  # the end mark is the first of its vocabulary
    np.savez(path, **weights)


def decode(job: Job) -> list[dict[str, Any]]:
    """Translate with `pymarian.Translator`.

    An output is at most so many times as long as its source, and the end mark is forbidden: so the
    mean length is that of the others, but not every single one.
    """
    from pymarian import Translator

    sources = job.lines("test.source")
    factor = job.length * len(sources) / sum(len(line.split()) + 1 for line in sources)
    translator = Translator(
        models=str(job.work / "model.npz"),
        vocabs=write_vocabularies(job),
        beam_size=1,
        cpu_threads=job.threads,
        mini_batch=-(-job.decode_batch // job.threads),
        maxi_batch=1,
        max_length_factor=factor,
        quiet=True,
    )

    def translate(texts: list[str]) -> int:
        return sum(len(output.split()) for output in translator.translate(texts))

    return measure_decoding(job, translate)


def run_training(job: Job, updates: int) -> list[str]:
    """Train, and return the lines of the log, each behind the time at which it came."""
    import shutil

    shutil.rmtree(job.work, ignore_errors=True)
    job.work.mkdir(parents=True)
    options: dict[str, Any] = {
        "--model": job.work / "model.npz",
        "--train-sets": [job.data / "train.source", job.data / "train.target"],
        "--vocabs": write_vocabularies(job),
        "--type": "s2s",
        "--enc-type": "bidirectional",
        "--enc-cell": "lstm",
        "--dec-cell": "lstm",
        "--dim-emb": job.embedding,
        "--dim-rnn": job.hidden,
        "--dropout-rnn": job.dropout,
        "--label-smoothing": job.label_smoothing,
        "--optimizer": "adam",
        "--learn-rate": 3e-4,
        "--clip-norm": 1,
        "--max-length": 101,
        "--mini-batch": job.batch,
        "--cpu-threads": job.threads,
        "--disp-freq": "1u",
        "--save-freq": "1000000u",
        "--valid-freq": "1000000u",
        "--after": f"{updates}u",
        "--seed": job.seed,
        "--tempdir": job.work,
    }
    command = [sys.executable, "-u", "-m", "pymarian", "train", "--sync-sgd"]
    for name, value in options.items():
        command += [name, *map(str, value if isinstance(value, list) else [value])]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        lines = [f"{time.time()} {line.rstrip()}" for line in process.stdout]
    print("\n".join(lines))
    if process.returncode:
        raise RuntimeError(lines[-1] if lines else "it said nothing")
    return lines


def write_vocabularies(job: Job) -> list[str]:
    """Write the vocabularies with its reserved tokens and return their paths."""
    job.work.mkdir(parents=True, exist_ok=True)
    paths = []
    for side in ("source", "target"):
        path = job.work / f"{side}.txt"
        lines = ["</s>", "<unk>", *job.lines(f"{side}.vocabulary")]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        paths.append(str(path))
    return paths


def count_parameters(job: Job) -> int:
    """Count the numbers of the saved model."""
    import numpy as np

    path: Path = job.work / "model.npz"
    if not path.exists():
        return 0
    with np.load(path) as weights:
        return sum(array.size for name, array in weights.items() if not name.startswith("special:"))
