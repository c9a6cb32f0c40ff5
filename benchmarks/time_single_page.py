"""How soon the page is there and ready, and how long a word takes in it: one file, or a server's.

    foveate export MODEL model.html --int8-weights
    python benchmarks/time_single_page.py model.html thoughtful foveate --sentence "..."
    foveate serve MODEL --port 8123 --quiet
    python benchmarks/time_single_page.py http://127.0.0.1:8123/ thoughtful foveate

Opens the page in Debian's Chromium, several times, each time in a new browser; the file without a
network. All times are counted by the page from the moment of opening: until something is painted,
until the text field is, until the page can translate, and until it has translated its first word.
Then the median of one translation by kind: at once, after some seconds in which somebody looks at
the page, and after a hundred others.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
OPENED = """async (word) => {
    const until = (isSo, next) => new Promise((done) => {
        const look = () => isSo() ? done(performance.now()) : next(look);
        look();
    });
    const field = await until(() => !document.getElementById("main").hidden, requestAnimationFrame);
    const ready = await until(() => window.foveate, (look) => setTimeout(look, 1));
    await foveate.translate(word, { beam_size: 1 });
    const answer = performance.now();
    const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN;
    return { "first paint": paint, "text field": field, ready, "first answer": answer };
}"""
TIMES = """async ([texts, options]) => {
    const times = [];
    for (const text of texts) {
        const begin = performance.now();
        await foveate.translate(text, options);
        times.push(performance.now() - begin);
    }
    return times;
}"""
PAGE = {"beam_size": 5, "n_best": 3, "attention": True, "choices": 8}
KINDS: dict[str, dict[str, object]] = {
    "greedy": {"beam_size": 1},
    "beam 5": {"beam_size": 5},
    "beam 5, attention, 8 choices, 3 best: as the page asks": PAGE,
}
PAUSE = 4  # seconds that somebody looks at the page
WARM = 100  # translations


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("page", help="a file, or the address of a server")
    parser.add_argument("words", nargs="+")
    parser.add_argument("--sentence", action="append", default=[], help="timed apart from words")
    parser.add_argument("--times", type=int, default=5, help="how often to open the page")
    told = parser.parse_args()
    is_file = "://" not in told.page
    if is_file:
        print(f"size {Path(told.page).stat().st_size / 1e6:.2f} MB")
    opened: list[dict[str, float]] = []
    with sync_playwright() as playwright:
        for number in range(told.times):
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            context = browser.new_context()
            context.set_offline(is_file)
            page = context.new_page()
            address = Path(told.page).resolve().as_uri() if is_file else told.page
            page.goto(address, wait_until="commit")
            opened.append(page.evaluate(OPENED, told.words[0]))
            if number == told.times - 1:
                for what, texts in (("word", told.words), ("sentence", told.sentence)):
                    if texts:
                        time_translations(page, what, texts)
            browser.close()
    for name in opened[0]:
        times = [one[name] for one in opened]
        print(f"{name}: {statistics.median(times):.0f} ms ({min(times):.0f} to {max(times):.0f})")
    return 0


def time_translations(page: Page, what: str, texts: list[str]) -> None:
    """Print the median time of each kind of translation, at once and later."""

    def measure(options: dict[str, object], rounds: int) -> float:
        asked: Any = [texts * rounds, options]
        return statistics.median(page.evaluate(TIMES, asked))

    rounds = max(1, 9 // len(texts))
    early = [measure(options, rounds) for options in KINDS.values()]
    page.wait_for_timeout(1000 * PAUSE)
    soon = [measure(options, rounds) for options in KINDS.values()]
    page.evaluate(TIMES, [(texts * WARM)[:WARM], PAGE])
    late = [measure(options, rounds) for options in KINDS.values()]
    for kind, *times in zip(KINDS, early, soon, late, strict=True):
        first, then, later = (f"{time:.1f} ms" for time in times)
        print(f"{what}, {kind}: {first} at once, {then} soon, {later} after {WARM} others")


if __name__ == "__main__":
    sys.exit(main())
