"""How much slower the README's Python example is beside busy programs than alone.

    python benchmarks/busy.py --busy 2 --runs 3

Both are timed in turns, each in a process of its own, as a user would start it. The number of
threads is what Foveate takes by itself. A busy program is a Python loop.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOOP = "while True: pass"


def read_example() -> str:
    """Return the first Python block of the README, without the line that saves the model."""
    block = re.search(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.S | re.M)
    assert block is not None
    return "\n".join(line for line in block[1].splitlines() if ".save(" not in line)


def time_example(example: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", example], check=True, env=environment, cwd=ROOT)
    return time.perf_counter() - begin


def time_beside(example: str, num_busy: int) -> float:
    busy = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(num_busy)]
    try:
        return time_example(example)
    finally:
        for program in busy:
            program.kill()
            program.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--busy", type=int, default=2, help="programs beside it")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    example = read_example()
    time_example(example)  # fills the caches of the disk
    alone, beside = [], []
    for _ in range(arguments.runs):
        alone.append(time_example(example))
        beside.append(time_beside(example, arguments.busy))
        print(
            f"alone {alone[-1]:.1f} s, beside {arguments.busy} busy {beside[-1]:.1f} s", flush=True
        )
    ratio = statistics.median(beside) / statistics.median(alone)
    cores = os.cpu_count()
    print(f"{cores} cores: {ratio:.2f} times as long, by the medians of {arguments.runs} runs")


if __name__ == "__main__":
    main()
