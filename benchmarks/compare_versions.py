"""Compare two checkouts of Foveate: is the new one as fast and as small as the old one?

    python benchmarks/compare_versions.py OLD NEW --rounds 7 --json versions.json

OLD and NEW are folders of checkouts; both run in the interpreter that runs this script. OLD trains
a small model on bundled pairs, and exports it; then both train, translate and answer word by word,
in turns. A figure is the median of the rounds, a ratio the median of OLD / NEW of each round, so
that above 1 the new one is faster; of memory it is NEW / OLD. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

WORD_BY_WORD = """
import sys, time
from foveate import Translator
translator = Translator.load(sys.argv[1])
words = open(sys.argv[2], encoding="utf-8").read().split("\\n")[:300]
options = {"beam_size": int(sys.argv[3])}
for word in words[:20]:
    translator.translate_one(word, **options)
times = []
for word in words:
    begin = time.perf_counter()
    translator.translate_one(word, **options)
    times.append(time.perf_counter() - begin)
print(sorted(times)[len(times) // 2])
"""


class Run(NamedTuple):
    """What one process took: seconds, and megabytes at its peak."""

    seconds: float
    megabytes: float


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--data", default="pronunciation", help="bundled pairs to use")
    parser.add_argument("--updates", type=int, default=150, help="of a training that is timed")
    parser.add_argument("--only", nargs="*", help="names of the tasks to measure")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tasks = prepare(options.old, Path(folder), options.data, options.updates)
        chosen = {name: task for name, task in tasks.items() if name in (options.only or tasks)}
        found = {
            name: measure((options.old, options.new), task, options.rounds, Path(folder))
            for name, task in chosen.items()
        }
    print("| task | old | new | old / new | memory, new / old |\n|---|---:|---:|---:|---:|")
    for name, row in found.items():
        print(
            f"| {name} | {row['old']:.4g} s | {row['new']:.4g} s | {row['ratio']:.3f} "
            f"| {row['memory']:.3f} |"
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


def prepare(old: Path, folder: Path, data: str, updates: int) -> dict[str, list[str]]:
    """Train and export a model with the old version, and return the command of each task."""
    bundled = old / "src" / "foveate" / "data" / "bundled"
    pairs, words, word = (folder / name for name in ("pairs.tsv", "words.txt", "word.txt"))
    pairs.write_bytes(gzip.decompress((bundled / f"{data}.train.tsv.gz").read_bytes()))
    test = gzip.decompress((bundled / f"{data}.test.tsv.gz").read_bytes()).decode("utf-8")
    sources = [line.split("\t")[0] for line in test.splitlines()]
    words.write_text("\n".join(sources * 3) + "\n", encoding="utf-8")
    word.write_text(sources[0] + "\n", encoding="utf-8")
    model, exported = folder / "model", folder / "exported"
    train = ["-m", "foveate", "train", str(pairs), "--num-validations", "1", "--hidden-size", "128"]
    run(old, [*train, "--max-updates", "300", "--no-memory", "--out", str(model)])
    run(old, ["-m", "foveate", "export", str(model), str(exported)])
    tasks = {"training": [*train, "--max-updates", str(updates), "--no-memory", "--out", "NEW"]}
    for kind, bundle in (("PyTorch", model), ("ONNX", exported)):
        for search, beam in (("greedy", 1), ("beam 5", 5)):
            translate = ["-m", "foveate", "translate", str(bundle), str(words), "--beam-size"]
            tasks[f"file, {search}, {kind}"] = [*translate, str(beam), "--out", os.devnull]
            single = ["-c", WORD_BY_WORD, str(bundle), str(words), str(beam)]
            tasks[f"one word, {search}, {kind}"] = single
    tasks["start, one line, ONNX"] = ["-m", "foveate", "translate", str(exported), str(word)]
    tasks["help"] = ["-m", "foveate", "--help"]
    return tasks


def measure(
    versions: tuple[Path, Path], task: list[str], rounds: int, folder: Path
) -> dict[str, float]:
    """Run a task with both versions in turns, the first of them in turns too."""
    found: dict[Path, list[Run]] = {version: [] for version in versions}
    for number in range(rounds + 1):
        for version in versions[:: 1 if number % 2 else -1]:
            out = str(folder / f"trained-{time.monotonic_ns()}")
            one = run(version, [out if word == "NEW" else word for word in task])
            if number:  # the first fills the caches of the disk
                found[version].append(one)
    old, new = (found[version] for version in versions)
    pairs = list(zip(old, new, strict=True))
    return {
        "old": statistics.median(one.seconds for one in old),
        "new": statistics.median(one.seconds for one in new),
        "ratio": statistics.median(before.seconds / after.seconds for before, after in pairs),
        "memory": statistics.median(after.megabytes / before.megabytes for before, after in pairs),
    }


def run(version: Path, command: list[str]) -> Run:
    """Run Python with one version; the time is what it prints, if that is a number."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(version / "src"),
        "PYTHONDONTWRITEBYTECODE": "",  # a user's second start finds its modules compiled
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "foveate-bytecode"),
    }
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdout=printed,
            stderr=complaints,
            env=environment,
            cwd=version,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begin
        for stream in (printed, complaints):
            stream.seek(0)
        if process.returncode:
            sys.exit(f"{version}: {' '.join(command)[:200]}\n{complaints.read().decode()}")
        with suppress(ValueError):
            seconds = float(printed.read())
    return Run(seconds, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
