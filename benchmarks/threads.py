"""Measure many threads over one translator: single words by one thread and by several, in turns.

    python benchmarks/threads.py MODEL [MODEL ...] --test WORDS.tsv --threads 8 --rounds 7

The first column of WORDS is translated, one word a call. Every round measures each model with one
thread and with all of them, so that what else the machine does hits both; medians are printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from foveate.translator import Translator


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--words", type=int, default=400, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--beam-size", type=int, default=1)
    options = parser.parse_args()
    lines = options.test.read_text(encoding="utf-8").splitlines()
    words = list(dict.fromkeys(line.split("\t")[0] for line in lines))[: options.words]
    translators = {model: Translator.load(model) for model in options.models}
    speeds: dict[tuple[Path, int], list[float]] = {}
    for _ in range(options.rounds + 1):  # the first one warms up
        for model, translator in translators.items():
            for threads in (1, options.threads):
                speed = measure(translator, words, threads, options.beam_size)
                speeds.setdefault((model, threads), []).append(speed)
    for model in translators:
        one, many = (statistics.median(speeds[model, n][1:]) for n in (1, options.threads))
        print(
            f"{model}: one thread {one:,.0f} words/s, {options.threads} threads {many:,.0f} "
            f"({many / one:.2f} times)"
        )


def measure(translator: Translator, words: Sequence[str], threads: int, beam_size: int) -> float:
    """Return words a second."""

    def translate(word: str) -> None:
        translator.translate_one(word, beam_size=beam_size)

    with ThreadPoolExecutor(threads) as pool:
        begin = time.perf_counter()
        list(pool.map(translate, words))
        return len(words) / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
