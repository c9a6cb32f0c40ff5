"""Pronunciation dictionaries with blanks between word and phonemes.

CMUdict has comments, and variants such as ACERO(2); Kaldi and MFA have probabilities behind the
word: `abandons 0.99 AH0 B AE1 N D AH0 N Z`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from foveate.counted import counted
from foveate.data.columns import NUMBER
from foveate.data.lines import Line, show_name
from foveate.data.rows import BadRow, Report, Rows
from foveate.records import Pair

VARIANT = re.compile(r"(.*\S)\((\d{1,3})\)")
MOST_SYMBOLS = 300
LEAST_WORDS = 0.3  # different ones of all rows: a word may have several pronunciations
MEAN_LENGTH = 3.2  # letters of a phoneme; words of a sentence have more
_OUTPUT = re.compile(r"\[[^\[\]]*\]")  # of Julius and HTK: what is written for the word
_MARK = re.compile(r"<[^<>]+>|\[[^\[\]]+\]|!SIL|SIL")  # no word, but noise or silence
_STRANGE = re.compile(r"[|;=\\()\[\]{}]")  # in the first field of other forms
_COMMENT = re.compile(r";;;|##|#(\s|$)")


def is_comment(text: str) -> bool:
    """Tell whether a line of a dictionary is a comment.

    Example:
        >>> [is_comment(text) for text in (";;; by hand", "# by hand", "#HASH  HH AE1 SH")]
        [True, True, False]
    """
    return _COMMENT.match(text) is not None


def is_dictionary(texts: Sequence[str]) -> bool:
    """Tell whether lines are words, each with symbols of a small set behind a blank.

    The symbols are short and seen again and again, the words differ and are no symbols.
    """
    rows = [text.split() for text in texts if text.strip() and not is_comment(text)]
    full = [_drop_output(row) for row in rows if len(row) > 1]
    full = [row for row in full if len(row) > 1 and not _is_mark(row)]
    rows = [row for row in rows if not _is_mark(row)]
    if sum(_STRANGE.search(VARIANT.sub(r"\1", row[0])[1:]) is not None for row in full) > 1:
        return False
    if len(full) < 3 or len(full) < 0.95 * len(rows):
        return False
    words = {VARIANT.sub(r"\1", row[0]).lower() for row in full}
    num_different = len({row[0] for row in full})
    symbols = Counter(symbol for row in full for symbol in row[1:] if not NUMBER.fullmatch(symbol))
    if not symbols or len(symbols) > MOST_SYMBOLS:
        return False
    total = symbols.total()
    mean_length = sum(len(symbol) * count for symbol, count in symbols.items()) / total
    is_small_set = total >= 3 * len(symbols) or len(full) < 20
    word_length = sum(len(row[0]) for row in full) / len(full)
    num_both = sum(symbol.lower() in words and len(symbol) > 1 for symbol in symbols)
    return (
        mean_length <= MEAN_LENGTH
        and word_length > 1.4 * mean_length
        and is_small_set
        and num_different >= LEAST_WORDS * len(full)
        and num_both <= 0.1 * len(symbols)
        and total >= 2 * len(full)
    )


def read_dictionary(name: str, head: Sequence[Line], lines: Iterator[Line], note: Report) -> Rows:
    """Read a dictionary; `word(2)` is one more target of `word`."""
    path = show_name(name)
    num_weights = count_weights([line.text for line in head])
    left_out = (
        f", {counted(num_weights, 'number')} behind every word left out" if num_weights else ""
    )
    note(f"{path}: read as a pronunciation dictionary: a word, a blank, phonemes{left_out}")
    is_cmudict = any(line.text.startswith(";;;") for line in head)
    num_marks = 0
    for line in lines:
        if not line.text.strip() or is_comment(line.text):
            continue
        if "not UTF-8" in line.problem and is_cmudict:  # which has a few words in Latin-1
            note(f"{path}:{line.number}: not UTF-8, read as Latin-1, as CMUdict has it")
            raw = line.text.encode("utf-8", "surrogateescape")
            line = Line(line.number, raw.decode("latin-1"), "")
        word, *rest = _drop_output(line.text.partition(" #")[0].split())
        if _is_mark([word, *rest]):
            num_marks += 1
            continue
        symbols = rest[num_weights:]
        if line.problem or not symbols:
            yield BadRow(path, line.number, line.problem or "a word without phonemes")
        else:
            yield Pair(VARIANT.sub(r"\1", word), " ".join(symbols), path, line.number)
    if num_marks:
        note(f"{path}: {num_marks} rows for noise and silence are left out, such as <UNK> and !SIL")


def _drop_output(row: list[str]) -> list[str]:
    """Leave out what Julius and HTK write for a word: `walk [walk] w ao k`."""
    return [row[0], *row[2:]] if len(row) > 2 and _OUTPUT.fullmatch(row[1]) else row


def _is_mark(row: Sequence[str]) -> bool:
    """Tell whether a row stands for noise or silence: `<UNK> SPN`."""
    return len(row) == 2 and _MARK.fullmatch(row[0]) is not None


def count_weights(texts: Sequence[str]) -> int:
    """Return how many probabilities stand between word and phonemes in all lines.

    Example:
        >>> count_weights(["a 0.99 AH0", "b 1.0 B IY1"]), count_weights(["zwei t s v aI"])
        (1, 0)
    """
    rows = [text.split() for text in texts if text.strip() and not is_comment(text)]
    rows = [_drop_output(row)[1:] for row in rows if not _is_mark(row)]
    count = 0
    while rows and all(len(row) > count + 1 and NUMBER.fullmatch(row[count]) for row in rows):
        if not any("." in row[count] for row in rows):
            break  # a symbol may be a digit
        count += 1
    return count
