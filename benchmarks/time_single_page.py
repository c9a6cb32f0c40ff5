"""How soon the single page is ready, and how long a word takes in it.

    foveate export MODEL model.html --int8-weights
    python benchmarks/time_single_page.py model.html thoughtful foveate --sentence "..."

Opens the file offline in Debian's Chromium, several times, each time in a new browser. Says the
median of the times until the page can translate, and of one translation by kind.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
READY = """() => new Promise((done) => {
    const look = () => window.foveate ? done(performance.now()) : setTimeout(look, 1);
    look();
})"""
TIMES = """async ([texts, options]) => {
    const times = [];
    for (const text of texts) {
        await foveate.translate(text, options);
        const begin = performance.now();
        await foveate.translate(text, options);
        times.push(performance.now() - begin);
    }
    return times;
}"""
KINDS: dict[str, dict[str, object]] = {
    "greedy": {"beam_size": 1},
    "beam 5": {"beam_size": 5},
    "beam 5, attention, 8 choices (as the page asks)": {
        "beam_size": 5,
        "n_best": 3,
        "attention": True,
        "choices": 8,
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("page", type=Path)
    parser.add_argument("texts", nargs="+", help="words")
    parser.add_argument(
        "--sentence", action="append", default=[], help="timed apart from the words"
    )
    parser.add_argument("--times", type=int, default=5, help="how often to open the page")
    told = parser.parse_args()
    print(f"size {told.page.stat().st_size / 1e6:.2f} MB")
    ready = []
    with sync_playwright() as playwright:
        for _ in range(told.times):
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            context = browser.new_context()
            context.set_offline(True)
            page = context.new_page()
            page.goto(told.page.resolve().as_uri())
            ready.append(page.evaluate(READY))
            if len(ready) == told.times:
                for what, texts in (("word", told.texts), ("sentence", told.sentence)):
                    for kind, options in KINDS.items() if texts else ():
                        page.evaluate(TIMES, [texts, options])  # the compiler has seen it then
                        times = page.evaluate(TIMES, [texts, options])
                        print(f"{what}, {kind}: {statistics.median(times):.1f} ms")
            browser.close()
    print(
        f"ready after {statistics.median(ready):.0f} ms (from {min(ready):.0f} to {max(ready):.0f})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
