"""How long one text takes over HTTP, asked one after another on one connection.

    foveate serve english --port 8123 --quiet
    python benchmarks/serve_latency.py WORDS --port 8123
    foveate serve MODEL --port 8123 --quiet
    python benchmarks/serve_latency.py SENTENCES --port 8123 --tokens 15

The file has sources, one a line; the first 200 are asked, or the first 200 that the model reads as
so many tokens. Says the median and the 95th percentile, in milliseconds, for what programs ask and
for what the page asks.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time
from pathlib import Path
from typing import Any

PAGE: dict[str, Any] = {"attention": True, "choices": 8, "n_best": 3}
KINDS: dict[str, dict[str, Any]] = {
    "greedy": {"beam_size": 1},
    "beam 5": {},
    "beam 5, attention": {"attention": True},
    "beam 5, attention, 8 choices, 3 best: as the page asks": PAGE,
    "the same with the tree: as the page asks when it is open": {**PAGE, "tree": True},
}
NUM_TEXTS, MOST_TRIED = 200, 5000


def main() -> None:
    """Ask the texts in every way, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("texts", type=Path)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--tokens", type=int, help="ask texts of so many source tokens only")
    options = parser.parse_args()
    lines = [line for line in options.texts.read_text(encoding="utf-8").split("\n") if line.strip()]
    connection = http.client.HTTPConnection("127.0.0.1", options.port)
    texts = lines[:NUM_TEXTS]
    if options.tokens is not None:
        texts = choose(connection, lines[:MOST_TRIED], options.tokens)
        print(f"{len(texts)} texts of {options.tokens} tokens")
    for text in texts[:20]:
        ask(connection, text, {})
    print("| asked | median, ms | 95th percentile, ms |\n|---|---:|---:|")
    for kind, wishes in KINDS.items():
        times = sorted(ask(connection, text, wishes)[0] for text in texts)
        print(f"| {kind} | {times[len(times) // 2]:.1f} | {times[len(times) * 95 // 100]:.1f} |")


def choose(connection: http.client.HTTPConnection, texts: list[str], size: int) -> list[str]:
    """Return the first texts that the model reads as so many tokens."""
    chosen = []
    for text in texts:
        _, found = ask(connection, text, {"beam_size": 1})
        if len(found["source_tokens"]) == size:
            chosen.append(text)
        if len(chosen) == NUM_TEXTS:
            break
    if not chosen:
        raise SystemExit(f"no text has {size} tokens")
    return chosen


def ask(
    connection: http.client.HTTPConnection, text: str, wishes: dict[str, Any]
) -> tuple[float, dict[str, Any]]:
    """Return how many milliseconds an answer takes, and the answer."""
    begin = time.perf_counter()
    body = json.dumps({"text": text, **wishes})
    connection.request("POST", "/translate", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{text}: the server answered with {answer.status}")
    return (time.perf_counter() - begin) * 1000, json.loads(data)


if __name__ == "__main__":
    main()
