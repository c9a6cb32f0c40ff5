"""Measure how long the sentences of the documentation are.

    python scripts/measure_prose.py README.md docs/training.md

prints for each page the number of sentences, the median and the greatest length in words, and every
sentence that is longer than 35 words. Without arguments it takes all pages for users. Code, tables,
headings, formulas and the addresses of links do not count.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
MOST_WORDS = 35  # of any sentence
MEDIAN_WORDS = 17  # the median of a page stays below it
FENCED = re.compile(r"^[ ]*(```|:::).*?^[ ]*\1[ ]*$", re.DOTALL | re.MULTILINE)
FORMULA = re.compile(r"\$\$.*?\$\$", re.DOTALL)
NO_PROSE = re.compile(r"^(\||#|!\[|<|\[[\w-]+\]:).*$", re.MULTILINE)
NEW_BLOCK = re.compile(r"\n\s*\n|\n\s*(?=[-*] |\d+\. )")
SENTENCE_END = re.compile(r"(?<=[.!?])[)*\"]*\s+")


def list_pages() -> list[Path]:
    """Return the pages for users: not the decisions, the change log and the measurements."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
    found = sorted((ROOT / "docs").rglob("*.md"))
    return pages + [page for page in found if not {"decisions", "_build"} & set(page.parts)]


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a page in Markdown.

    Examples:
        >>> split_sentences("# Title\\n\\nOne `a b`. Two\\n[words](x.md)!\\n\\n- An item\\n")
        ['One CODE.', 'Two words!', 'An item']
    """
    text = FORMULA.sub("FORMULA", FENCED.sub("\n\n", text))
    text = re.sub(r"`[^`]+`", "CODE", re.sub(r"\$[^$\n]+\$", "FORMULA", text))
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", NO_PROSE.sub("\n", text))
    text = text.replace("et al.", "et al")
    blocks = (re.sub(r"^([-*]|\d+\.) ", "", block.strip()) for block in NEW_BLOCK.split(text))
    sentences = (" ".join(s.split()) for block in blocks for s in SENTENCE_END.split(block))
    return [sentence for sentence in sentences if re.search(r"\w", sentence)]


def count_words(sentence: str) -> int:
    """Return how many words a sentence has; code and a formula are one word each."""
    return sum(bool(re.search(r"\w", word)) for word in sentence.split())


def find_long(text: str) -> list[str]:
    """Return the sentences of a page that are too long."""
    return [s for s in split_sentences(text) if count_words(s) > MOST_WORDS]


def measure(text: str) -> tuple[int, float, int]:
    """Return the number of sentences, and the median and the greatest of their lengths."""
    lengths = [count_words(sentence) for sentence in split_sentences(text)]
    return len(lengths), median(lengths or [0]), max(lengths, default=0)


def main(pages: Iterable[str]) -> None:
    """Print a line for each page, and its long sentences."""
    for page in map(Path, pages):
        text = page.read_text(encoding="utf-8")
        number, middle, most = measure(text)
        print(f"{page}: {number} sentences, median {middle:g}, longest {most}")
        for sentence in find_long(text):
            print(f"    {count_words(sentence)}: {sentence}")


if __name__ == "__main__":
    main(sys.argv[1:] or map(str, list_pages()))
