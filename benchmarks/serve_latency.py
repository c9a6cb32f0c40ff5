"""How long one word takes over HTTP, asked one after another on one connection.

    foveate serve english --port 8123 --quiet
    python benchmarks/serve_latency.py WORDS --port 8123

WORDS is a file of sources, one a line; the first 200 are asked. Says the median and the 95th
percentile, in milliseconds, for what programs ask and for what the page asks.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time
from pathlib import Path
from typing import Any

KINDS: dict[str, dict[str, Any]] = {
    "greedy": {"beam_size": 1},
    "beam 5": {},
    "beam 5, attention": {"attention": True},
    "as the page asks": {"attention": True, "choices": 8, "n_best": 3, "tree": True},
}
NUM_WORDS = 200


def main() -> None:
    """Ask the words in every way, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("words", type=Path)
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    words = options.words.read_text(encoding="utf-8").split()[:NUM_WORDS]
    connection = http.client.HTTPConnection("127.0.0.1", options.port)
    for word in words[:20]:
        ask(connection, word, {})
    print("| asked | median, ms | 95th percentile, ms |\n|---|---:|---:|")
    for kind, wishes in KINDS.items():
        times = sorted(ask(connection, word, wishes) for word in words)
        print(f"| {kind} | {times[len(times) // 2]:.1f} | {times[len(times) * 95 // 100]:.1f} |")


def ask(connection: http.client.HTTPConnection, text: str, wishes: dict[str, Any]) -> float:
    """Return how many milliseconds an answer takes."""
    begin = time.perf_counter()
    body = json.dumps({"text": text, **wishes})
    connection.request("POST", "/translate", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"{text}: the server answered with {answer.status}")
    return (time.perf_counter() - begin) * 1000


if __name__ == "__main__":
    main()
