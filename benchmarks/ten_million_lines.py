"""Translate millions of short lines: does the memory stay what it was?

    python benchmarks/ten_million_lines.py --lines 10000000 --resume

The lines are words of one to three letters, drawn by chance; one in a thousand has a letter that
the model has not seen. The model is the tiny one of the tests, unless another is named. The command
line runs in a process of its own. Prints a row of JSON every few seconds: the lines that are
written, and MiB of memory. `own` is what only that process has; `mapped` are pages of files.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

MODEL = Path(__file__).parents[1] / "tests" / "golden-onnx" / "format-2"
LETTERS = "abcde"
AT_ONCE = 100_000  # lines that are made


def main() -> None:
    """Make the lines, translate them, and print what it takes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--model", default=str(MODEL))
    parser.add_argument("--resume", action="store_true", help="write in parts, as --resume does")
    parser.add_argument("--seconds", type=float, default=60, help="between two rows")
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="flags of translate")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "lines.txt"), Path(folder, "out.txt")
        write_lines(source, given.lines)
        command = [sys.executable, "-m", "foveate", "translate", given.model, str(source)]
        command += ["--out", str(out), *["--resume"] * given.resume, *given.more]
        begin = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            for memory in watch_memory(process, given.seconds):
                seconds = round(time.perf_counter() - begin, 1)
                print(json.dumps({"seconds": seconds, **read_state(out), **memory}), flush=True)
        written = count_lines(out) if out.exists() else 0
        print(json.dumps({"status": process.returncode, "written": written}), flush=True)


def watch_memory(process: subprocess.Popen[bytes], seconds: float) -> Iterator[dict[str, int]]:
    """Yield the memory of a process in MiB until it ends."""
    while True:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            yield measure_memory(process.pid)
        else:
            return


def measure_memory(process: int) -> dict[str, int]:
    """Return the memory of a process in MiB, by what it is."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return {
        name: int(values[key].split()[0]) // 1024
        for name, key in (("own", "RssAnon"), ("mapped", "RssFile"), ("most_in_all", "VmHWM"))
    }


def read_state(out: Path) -> dict[str, int]:
    """Return how many lines are written for certain, where the work is done in parts."""
    state = out.with_name(f"{out.name}.part") / "state.json"
    return {"lines": json.loads(state.read_text())["lines"]} if state.exists() else {}


def count_lines(path: Path) -> int:
    """Return the number of lines of a file."""
    with path.open("rb") as stream:
        return sum(1 for _ in stream)


def write_lines(path: Path, count: int) -> None:
    """Write the lines."""
    chance = random.Random(1)
    words = [a + b + c for a in LETTERS for b in ["", *LETTERS] for c in ["", *LETTERS]]
    with path.open("w", encoding="utf-8") as stream:
        for done in range(0, count, AT_ONCE):
            drawn = chance.choices(words, k=min(AT_ONCE, count - done))
            for place in range(0, len(drawn), 1000):
                drawn[place] += chr(chance.randrange(0x4E00, 0x9FFF))
            stream.writelines(f"{word}\n" for word in drawn)


if __name__ == "__main__":
    main()
