"""The bundled data sets are whole, clean, licensed, and what the script makes."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from foveate.data.bundled_data import FOLDER, SPLITS, demo_file, list_demos, load_demo
from foveate.data.table import PairTable
from foveate.errors import ConfigError

SIZES = {"train": 10_000, "dev": 500, "test": 1_000}
SCRIPT = Path(__file__).parents[1] / "scripts" / "make_demo_data.py"
HUNGARIAN_MONTHS = [
    "jan",
    "febr",
    "márc",
    "ápr",
    "máj",
    "jún",
    "júl",
    "aug",
    "szept",
    "okt",
    "nov",
    "dec",
]
HUNGARIAN_WEEKDAYS = ["hétfő", "kedd", "szerda", "csütörtök", "péntek", "szombat", "vasárnap"]


def tables(name: str) -> dict[str, PairTable]:
    demo = load_demo(name)
    return {"train": demo.train, "dev": demo.dev, "test": demo.test}


@pytest.mark.parametrize("name", list_demos())
def test_sizes_and_no_source_in_two_splits(name: str) -> None:
    splits = tables(name)
    assert {split: len(table) for split, table in splits.items()} == SIZES
    sources = [source for table in splits.values() for source in table.sources()]
    assert len(set(sources)) == sum(SIZES.values())


@pytest.mark.parametrize("name", list_demos())
@pytest.mark.parametrize("split", SPLITS)
def test_tables_are_the_files(name: str, split: str) -> None:
    table = tables(name)[split]
    lines = gzip.decompress(demo_file(name, split).read_bytes()).decode("utf-8").splitlines()
    rows = zip(table.sources(), table.targets(), strict=True)
    assert [f"{source}\t{target}" for source, target in rows] == lines


def test_pronunciations_are_words_and_phonemes_without_stress() -> None:
    phonemes = set()
    for table in tables("pronunciation").values():
        assert all(re.fullmatch("[a-z]{3,16}", source) for source in table.sources())
        phonemes |= {phoneme for target in table.targets() for phoneme in target.split(" ")}
    assert len(phonemes) == 39
    assert all(re.fullmatch("[A-Z]{1,2}", phoneme) for phoneme in phonemes)


@pytest.mark.parametrize(("name", "low", "high"), [("pronunciation", 5, 12), ("dates", 20, 80)])
def test_test_sets_have_short_and_long_sources(name: str, low: int, high: int) -> None:
    lengths = [len(source) for source in load_demo(name).test.sources()]
    assert sum(length <= low for length in lengths) >= 100
    assert sum(length >= high for length in lengths) >= 30


def read_english(text: str) -> datetime:
    """Read a date with the standard library, which knows nothing of CLDR."""
    weekday, rest = text.split(", ", 1) if re.match(r"\w+day,", text) else ("", text)
    day = "%B %d, %Y" if re.match(r"[A-Z][a-z]{3,} |May ", rest) else "%b %d, %Y"
    moment = datetime.strptime(rest, f"{day}, %I:%M %p" if rest.endswith("M") else day)
    assert weekday in ("", moment.strftime("%A"))
    return moment


def read_hungarian(text: str) -> datetime:
    """Read a date by the pattern of the language."""
    match = re.fullmatch(r"(\d{4})\. (\w+)\.? (\d{1,2})\.(?:, (\w+))?(?: (\d{1,2}):(\d\d))?", text)
    assert match is not None, text
    year, month, day, weekday, hour, minute = match.groups()
    (number,) = [i for i, stem in enumerate(HUNGARIAN_MONTHS, 1) if month.startswith(stem)]
    moment = datetime(int(year), number, int(day), int(hour or 0), int(minute or 0))
    assert weekday in (None, HUNGARIAN_WEEKDAYS[moment.weekday()])
    return moment


def test_dates_mean_the_same_on_both_sides() -> None:
    table = load_demo("dates").test
    for source, target in zip(table.sources(), table.targets(), strict=True):
        english = [read_english(text) for text in source.split("; ")]
        assert english == [read_hungarian(text) for text in target.split("; ")]


def test_licences_are_there_and_named() -> None:
    for name, holder in (("pronunciation", "Carnegie Mellon University"), ("dates", "Unicode")):
        assert holder in (FOLDER / f"{name}.LICENSE.txt").read_text(encoding="utf-8")
        assert holder in load_demo(name).credit


def test_all_of_it_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 400_000


@pytest.mark.long
def test_the_script_makes_the_same_data(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SCRIPT, "--out", tmp_path], check=True, capture_output=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert made.keys() == kept.keys()
    for name, content in made.items():
        if name.endswith(".gz"):  # another zlib may pack the same text differently
            assert gzip.decompress(content) == gzip.decompress(kept[name])
        else:
            assert content == kept[name]


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("date", "test", "date: no such bundled data set, did you mean dates"),
        ("dates", "tset", "tset: no such bundled split, did you mean test"),
    ],
)
def test_unknown_names_say_what_there_is(name: str, split: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        demo_file(name, split)
