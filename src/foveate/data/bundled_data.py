"""Real pairs that travel with the package, so that everything can be tried at once.

`scripts/make_demo_data.py` made the files in `bundled/`; the licence of each lies beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from foveate.data.readers import read_pairs
from foveate.data.table import PairTable
from foveate.errors import ConfigError, did_you_mean

FOLDER = Path(__file__).parent / "bundled"
SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Demo:
    """One bundled data set.

    Attributes:
        title: what the task is, in a few words.
        description: what the pairs look like and what is hard about them.
        credit: where they come from and under which licence.
    """

    name: str
    title: str
    description: str
    credit: str
    train: PairTable
    dev: PairTable
    test: PairTable


@dataclass(frozen=True)
class _Notes:
    title: str
    description: str
    credit: str


_NOTES = {
    "pronunciation": _Notes(
        title="English spelling to pronunciation",
        description=(
            "English words and names of 3 to 16 letters, and their phonemes in ARPAbet without "
            "stress (loudspeaker: L AW D S P IY K ER). Letters and sounds go in the same order, "
            "so attention is a diagonal with steps where letters are silent or doubled."
        ),
        credit="from the CMU Pronouncing Dictionary, (C) Carnegie Mellon University, BSD-2-Clause",
    ),
    "dates": _Notes(
        title="English dates to Hungarian dates",
        description=(
            "One to three written-out dates, 11 to some 110 characters. Weekday, month, day, year "
            "and a twelve-hour clock become year, month, day, weekday and a twenty-four-hour "
            "clock, so attention has to cross, and long inputs overflow a single vector."
        ),
        credit="written by Babel from Unicode CLDR, (C) Unicode, Inc., Unicode-3.0",
    ),
}


def list_demos() -> dict[str, str]:
    """List the bundled data sets: name and title.

    Example:
        >>> list_demos()["dates"]
        'English dates to Hungarian dates'
    """
    return {name: notes.title for name, notes in _NOTES.items()}


def demo_file(name: str, split: str) -> Path:
    """Return the path of one split, a gzipped TSV that every command reads.

    Raises:
        ConfigError: there is no such data set or split.

    Example:
        >>> demo_file("dates", "test").name
        'dates.test.tsv.gz'
    """
    for word, known, what in ((name, list(_NOTES), "data set"), (split, list(SPLITS), "split")):
        if word not in known:
            raise ConfigError(
                f"{word}: no such bundled {what}{did_you_mean(word, known)} "
                f"(there are: {', '.join(known)})"
            )
    return FOLDER / f"{name}.{split}.tsv.gz"


def load_demo(name: str) -> Demo:
    """Read a bundled data set.

    Raises:
        ConfigError: there is no data set of that name.

    Example:
        >>> len(load_demo("pronunciation").test)
        1000
    """
    train, dev, test = (
        PairTable.from_pairs(read_pairs(demo_file(name, split))) for split in SPLITS
    )
    notes = _NOTES[name]
    return Demo(name, notes.title, notes.description, notes.credit, train, dev, test)
