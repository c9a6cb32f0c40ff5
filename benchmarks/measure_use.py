"""Measure a trained model in use: start-up, speed in batches and one by one, memory on a long file.

    python benchmarks/measure_use.py MODEL TEST.tsv --threads 2 --lines 1000000 --json use.json

The first column of TEST is translated. Speeds are medians of `--rounds`; the start-up is that of
the command `foveate translate MODEL -` with one line, and of `foveate --help`. With `--lines` the
sources are repeated to a file of so many lines, which the command translates greedily while its
resident memory is read from /proc four times a second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from foveate.translator import Translator

FOVEATE = [sys.executable, "-m", "foveate"]


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--singles", type=int, default=300, help="sources, one by one")
    parser.add_argument("--lines", type=int, default=0, help="of a long file")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    lines = options.test.read_text(encoding="utf-8").splitlines()
    sources = list(dict.fromkeys(line.split("\t")[0] for line in lines))
    facts = {
        "megabytes on disk": megabytes(options.model),
        **measure_startup(options.model, sources[0], options.rounds),
        **measure_speed(options.model, sources, options),
    }
    if options.lines:
        facts |= measure_memory(options.model, sources, options)
    for name, value in facts.items():
        print(f"{name}: {value:,.4g}" if abs(value) < 1000 else f"{name}: {value:,.0f}")
    if options.json:
        options.json.write_text(json.dumps(facts, indent=2), encoding="utf-8")


def megabytes(model: Path) -> float:
    """Return the size of a bundle, without the state of its training."""
    files = (path for path in model.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if "state" not in path.parts) / 1e6


def measure_startup(model: Path, source: str, rounds: int) -> dict[str, float]:
    """Time whole commands from the shell, in turns."""
    commands = {
        "seconds of import foveate": [sys.executable, "-c", "import foveate"],
        "seconds of foveate --help": [*FOVEATE, "--help"],
        "seconds to the first translation": [*FOVEATE, "translate", str(model), "-"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            begin = time.perf_counter()
            subprocess.run(command, input=source.encode(), capture_output=True, check=True)
            seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times) for name, times in seconds.items()}


def measure_speed(model: Path, sources: list[str], options: Any) -> dict[str, float]:
    """Translate all sources, greedily and with a beam of 5, and some one by one."""
    translator = Translator.load(model, threads=options.threads)
    facts = {}
    for name, beam_size in (("greedy", 1), ("beam 5", 5)):
        times = []
        list(translator.translate(sources[:100], beam_size=beam_size, attention=False))
        for _ in range(options.rounds):
            begin = time.perf_counter()
            list(translator.translate(sources, beam_size=beam_size, attention=False))
            times.append(time.perf_counter() - begin)
        facts[f"sources a second, {name}"] = len(sources) / statistics.median(times)
        times = []
        for source in sources[: options.singles]:
            begin = time.perf_counter()
            translator.translate_one(source, beam_size=beam_size, attention=False)
            times.append(1000 * (time.perf_counter() - begin))
        facts[f"milliseconds for one source, {name}"] = statistics.median(times)
    return facts


def measure_memory(model: Path, sources: list[str], options: Any) -> dict[str, float]:
    """Translate a long file, and compare the memory of its first tenth with that of all."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "long.txt", Path(folder) / "out.txt"
        with path.open("w", encoding="utf-8") as stream:
            for number in range(options.lines):
                stream.write(sources[number % len(sources)] + "\n")
        told = ["--beam-size", "1", "--threads", str(options.threads), "--out", str(out)]
        begin = time.perf_counter()
        command = [*FOVEATE, "translate", str(model), str(path), *told]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        seen = []
        while process.poll() is None:
            seen.append(resident_megabytes(process.pid))
            time.sleep(0.25)
        seconds = time.perf_counter() - begin
        if process.returncode:
            raise SystemExit(f"foveate translate ended with {process.returncode}")
    seen = [value for value in seen if value]
    return {
        "lines of the long file": options.lines,
        "lines a second": options.lines / seconds,
        "megabytes, most in the first tenth": max(seen[: max(1, len(seen) // 10)]),
        "megabytes, most": max(seen),
    }


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process; 0 when it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return sum(float(line.split()[1]) / 1e3 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
