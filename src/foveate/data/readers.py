"""Read pairs from the formats people have: TSV, CSV, JSON lines, parquet, two parallel files.

Text is handed on exactly as it stands in the file; tokens and normalisation come later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from foveate.data.csv_rows import read_csv
from foveate.data.json_lines import read_json_lines
from foveate.data.lines import STANDARD_INPUT, is_gzip_name, read_numbered_lines, show_name
from foveate.data.parquet import read_parquet
from foveate.data.rows import BadRow, Report, Rows
from foveate.data.separated import read_parallel, read_tsv
from foveate.errors import DataError
from foveate.records import Pair

_NUM_SHOWN = 10
MAX_LINE = 100_000  # characters of a line: the memory of a search grows with it
_COUNT = re.compile(r"\d+(\.\d+)?([eE][-+]?\d+)?")


def read_pairs(
    where: str | Path,
    *,
    skip_bad: bool = False,
    max_characters: int = 2000,
    report: Report | None = None,
) -> Iterator[Pair]:
    r"""Read pairs one by one; the suffix says the format, and `.gz` may follow it.

    `.csv` has a header, `.jsonl` and `.json` have one object a line, `.parquet` is parquet: their
    columns are `source` and `target`, or the first two of text. Every other name, and `-` for
    standard input, is TSV: source TAB target, no quoting; a numeric third column (a frequency) is
    not used. `SOURCE,TARGET` are two parallel files, unless a file of that very name exists.
    Blank rows are skipped.

    Args:
        where: the file.
        skip_bad: leave bad rows out and count them, instead of raising at the end of the file.
        max_characters: a side that is longer makes its row bad.
        report: called with each note for the user (skipped rows, chosen columns).

    Raises:
        DataError: the file cannot be read, or has no good pair, or has bad rows: an empty or
            over-long side, a wrong number of columns, not UTF-8, a NUL character.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "pairs.tsv")
        ...     _ = path.write_text("cat\tK AE T\n", encoding="utf-8")
        ...     [(pair.source, pair.target) for pair in read_pairs(path)]
        [('cat', 'K AE T')]
    """
    name = str(where)
    note = report or _say_nothing
    num_good, num_bad, shown = 0, 0, list[str]()
    for row in _read_rows(name, note, max_characters):
        if isinstance(row, Pair) and not (row.source + row.target).strip():
            continue  # a blank row is no row
        problem = row.problem if isinstance(row, BadRow) else find_fault(row, max_characters)
        if not problem:
            num_good += 1
            yield row  # type: ignore[misc]  # a bad row always has a problem
            continue
        num_bad += 1
        if num_bad <= _NUM_SHOWN:
            shown.append(f"{row.path}:{row.line}: {problem}")
    _judge(show_name(name), num_good, num_bad, shown, skip_bad, note)


def read_lines(where: str | Path) -> Iterator[str]:
    """Read the lines of a text file, or of standard input for `-`, without their ends.

    Raises:
        DataError: the file cannot be read, or a line is not UTF-8 or longer than `MAX_LINE`.
    """
    name = str(where)
    for line in read_numbered_lines(name):
        problem = line.problem
        if len(line.text) > MAX_LINE:
            problem = f"{len(line.text):,} characters, more than {MAX_LINE:,}: cut it into lines"
        if problem:
            raise DataError(f"{show_name(name)}:{line.number}: {problem}")
        yield line.text


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


def _judge(
    name: str, num_good: int, num_bad: int, shown: list[str], skip_bad: bool, note: Report
) -> None:
    """Raise or report what the sifting found."""
    if not num_good and not num_bad:
        raise DataError(f"{name}: no pairs, the file is empty")
    if not num_bad:
        return
    rows = f"{num_bad:,} bad row{'s' * (num_bad > 1)} of {num_good + num_bad:,}"
    more = [f"... and {num_bad - len(shown):,} more"] if num_bad > len(shown) else []
    listing = "\n  ".join([f"{name}: {rows}", *shown, *more])
    if not num_good:
        raise DataError(f"{listing}\nThere is no good pair in the file.")
    if not skip_bad:
        raise DataError(f"{listing}\nCorrect them, or leave them out with --skip-bad.")
    note(f"{name}: left out {rows} (the first: {shown[0]})")


def _read_rows(name: str, note: Report, max_characters: int) -> Rows:
    if name == STANDARD_INPUT:
        return read_tsv(name, note)
    if parallel := _split_parallel(name):
        return read_parallel(*parallel)
    plain_name = name[:-3] if is_gzip_name(name) else name
    suffix = Path(plain_name).suffix.lower()
    if suffix == ".csv":
        return read_csv(name, note, max_characters)
    return _READERS.get(suffix, read_tsv)(name, note)


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


_READERS: dict[str, Callable[[str, Report], Rows]] = {
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json_lines,
    ".parquet": read_parquet,
}
