"""Read pairs from the formats people have: TSV, CSV, JSON lines, parquet, two parallel files.

Text is handed on exactly as it stands in the file; tokens and normalisation come later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from foveate.data.csv_rows import read_csv
from foveate.data.dictionaries import read_dictionary
from foveate.data.encodings import advise_encoding
from foveate.data.faults import Faults
from foveate.data.forms import recognise
from foveate.data.json_lines import read_json_lines, read_json_value
from foveate.data.lines import (
    STANDARD_INPUT,
    is_gzip_name,
    read_lines,
    read_numbered_lines,
    show_name,
    take_head,
)
from foveate.data.parquet import read_parquet
from foveate.data.rows import BadRow, Report, Rows
from foveate.data.separated import BARS, read_parallel, read_tsv
from foveate.data.variants import split_variants
from foveate.data.xml_units import read_xml
from foveate.errors import DataError
from foveate.records import Pair

MOST_LEFT_OUT = 0.03  # of the rows, before --skip-bad says it loudly
MOST_BYTES = 5  # rows that are not UTF-8, before the file has another encoding
_COUNT = re.compile(r"\d+(\.\d+)?([eE][-+]?\d+)?")


def read_pairs(
    where: str | Path,
    *,
    columns: str | None = None,
    skip_bad: bool = False,
    max_characters: int = 2000,
    report: Report | None = None,
) -> Iterator[Pair]:
    r"""Read pairs one by one; what the file holds says its form, and `.gz` may end its name.

    Read are TSV (source TAB target, no quoting), CSV with a header, JSON lines and arrays, parquet
    (by its suffix), TMX, XLIFF, `|||`, and pronunciation dictionaries with blanks. `-` is standard
    input. `SOURCE,TARGET` are two parallel files, unless a file of that very name exists. Blank
    rows are skipped. Of many columns the two of text are taken, where there are just two.

    Args:
        where: the file.
        columns: `SOURCE,TARGET` by name, by number from 1, or by path (`translation.en`); `1+3`
            joins two columns with a blank, and features become tags.
        skip_bad: leave bad rows out and count them, instead of raising at the end of the file.
        max_characters: a side that is longer makes its row bad.
        report: called with each note for the user (skipped rows, chosen columns).

    Raises:
        DataError: the file cannot be read, has no good pair or is none of these forms; it cannot
            be told which columns are meant; or it has bad rows: an empty or over-long side, a
            wrong number of columns, not UTF-8, a NUL character.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "pairs.tsv")
        ...     _ = path.write_text("cat\tN;SG\tKatze\n", encoding="utf-8")
        ...     pairs = list(read_pairs(path, columns="1+2,3"))
        >>> pairs[0].source, pairs[0].target
        ('cat <N><SG>', 'Katze')
    """
    name = str(where)
    note = report or _say_nothing
    rows = split_variants(_read_rows(name, note, max_characters, columns), show_name(name), note)
    faults, num_good = Faults(), 0
    for row in rows:
        if isinstance(row, Pair) and not (row.source + row.target).strip():
            continue  # a blank row is no row
        problem = row.problem if isinstance(row, BadRow) else find_fault(row, max_characters)
        if not problem:
            num_good += 1
            yield row  # type: ignore[misc]  # a bad row always has a problem
            continue
        faults.add(row.path, row.line, problem)
    _judge(name, num_good, faults, skip_bad, note)


def read_words(where: str | Path) -> tuple[str, ...]:
    r"""Read a list of words: lines, or the first column of a table, in the order of its counts.

    A count stands in the second column, or behind a blank, if every line has one.

    Raises:
        DataError: the file cannot be read, or there are no words in it.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "words.txt")
        ...     _ = path.write_text("hus 7\nost og te 9\n", encoding="utf-8")
        ...     read_words(path)
        ('ost og te', 'hus')
    """
    lines = [line for line in map(str.strip, read_lines(where)) if line]
    if not lines:
        raise DataError(f"{show_name(str(where))}: there are no words in it: one a line is needed")
    counted = [found for found in map(_split_count, lines) if found]
    if len(counted) == len(lines):
        counted.sort(key=lambda found: -found[1])  # equals stay in order
        return tuple(dict.fromkeys(word for word, _ in counted))
    return tuple(dict.fromkeys(line.partition("\t")[0].strip() for line in lines))


def _split_count(line: str) -> tuple[str, float] | None:
    """Return a word and its count; None where there is no count."""
    head, _, rest = line.partition("\t")
    word, *count_behind = head.rsplit(maxsplit=1) if head.strip() else [""]
    if count_behind and _COUNT.fullmatch(count_behind[0]):
        return word, float(count_behind[0])
    count = rest.lstrip().partition("\t")[0].strip()
    return (head.strip(), float(count)) if _COUNT.fullmatch(count) else None


def _say_nothing(_: str) -> None:
    return


def find_fault(pair: Pair, max_characters: int) -> str:
    """Say what is wrong with a pair, or return an empty string."""
    for side, text in (("source", pair.source), ("target", pair.target)):
        if not text or text.isspace():
            return f"empty {side}"
        if len(text) > max_characters:
            return (
                f"{side} has {len(text):,} characters, more than max_characters {max_characters:,}"
            )
        if "\0" in text:
            return f"NUL character in the {side}"
    return ""


def _judge(name: str, num_good: int, faults: Faults, skip_bad: bool, note: Report) -> None:
    """Raise or report what the sifting found."""
    shown = show_name(name)
    if not num_good and not faults.count:
        raise DataError(f"{shown}: no pairs: the file is empty, or has only names of columns")
    if not faults.count:
        return
    rows = f"{faults.count:,} bad row{'s' * (faults.count > 1)} of {num_good + faults.count:,}"
    advice = "; ".join(map(advise_encoding, _split_parallel(name) or [name])) * faults.has_bytes
    share = faults.count / (num_good + faults.count)
    is_encoding = faults.num_bytes >= MOST_BYTES and share > MOST_LEFT_OUT
    if num_good and skip_bad and not is_encoding:
        loud = f"WARNING: {share:.0%} of the rows are lost. " if share > MOST_LEFT_OUT else ""
        first = f"{faults.first}){advice and f'; {advice}'}"
        note(f"{loud}{shown}: left out {rows} (the first: {first}")
        return
    listing = "\n".join([f"{shown}: {rows}", *(f"  {line}" for line in faults.show())])
    if advice:
        raise DataError(f"{listing}\nNot UTF-8: {advice}")
    if not num_good:
        raise DataError(f"{listing}\nThere is no good pair in the file.")
    raise DataError(f"{listing}\nCorrect them, or leave them out with --skip-bad.")


def _read_rows(name: str, note: Report, max_characters: int, asked: str | None) -> Rows:
    if name != STANDARD_INPUT and (parallel := _split_parallel(name)):
        if asked is not None:
            raise DataError(f"{name}: two files have no columns: leave --columns out")
        return read_parallel(*parallel)
    plain_name = name[:-3] if is_gzip_name(name) else name
    if Path(plain_name).suffix.lower() == ".parquet":
        return read_parquet(name, note, asked)
    return _read_text(name, note, max_characters, asked)


def _read_text(name: str, note: Report, max_characters: int, asked: str | None) -> Rows:
    """Read a text file in the form that its first lines have."""
    head, lines = take_head(read_numbered_lines(name))
    form = recognise(name, head)
    if form == "csv":
        return read_csv(name, lines, note, max_characters, asked)
    if form == "json lines":
        return read_json_lines(name, lines, note, asked)
    if form == "json":
        return read_json_value(name, lines, note, asked)
    if form == "xml":
        return read_xml(name, lines, note, asked)
    if form == "dictionary" and asked is None:
        return read_dictionary(name, head, lines, note)
    return read_tsv(name, head, lines, note, asked, BARS if form == "bars" else "\t")


def _split_parallel(name: str) -> tuple[str, str] | None:
    """Split `SOURCE,TARGET` at the comma that makes two existing files, or at least one."""
    if "," not in name or _exists(name):
        return None
    commas = [index for index, letter in enumerate(name) if letter == ","]
    splits = [(name[:index], name[index + 1 :]) for index in commas]
    for is_enough in (all, any):  # with one of two files there, the missing one is named
        for split in splits:
            if is_enough(map(_exists, split)):
                return split
    return None


def _exists(name: str) -> bool:
    try:
        return bool(name) and Path(name).exists()
    except OSError:
        return False
