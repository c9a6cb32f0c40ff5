"""Which columns of a file are source and target: by what was asked for, by name, or by content.

One rule for all forms. Columns of text make the pair when there are just two of them. Numbers,
ids and what is the same in all rows are left out, and this is told. Where there are several ways,
nothing is guessed: the columns are listed, each with an example and with what it looks like.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from foveate.data.rows import Report
from foveate.errors import DataError, did_you_mean

Kind = Literal[
    "text",
    "label",
    "word",
    "list",
    "features",
    "number",
    "row",
    "id",
    "constant",
    "attribution",
    "empty",
    "object",
]

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NUMBERS = re.compile(rf"{NUMBER.pattern}( {NUMBER.pattern})*|\d+-\d+( \d+-\d+)*", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][A-Za-z]{2,4})?")
_COUNTS = re.compile(
    r"(unnamed(: ?\d+)?|index|idx|id|u?uid|guid|row|line|nr|no|#|identifier|"
    r"\w+[ _-](id|idx|index|identifier)|(pair|row|line|sentence|token|word|doc)id)?"
)
_CODE = re.compile(r"(?=.*\d)[\w.:/#-]{1,64}")
_ATTRIBUTION = re.compile(r"CC[- ]?BY|https?://|www\.|©|attribution|licen[sc]e", re.I)
_FEATURE = r"[A-Z0-9][\w.{}/+\-=()*:]*"
_FEATURES = re.compile(rf"{_FEATURE}([;|,] ?{_FEATURE})*")
_SEPARATOR = re.compile(r"[;|] ?|,(?![^(]*\))")
_TRUE_SHARE = 0.95  # of the values that have to be so
FEW = 20  # different values of a label, at most
VERY_FEW = 6  # of words in lower case, which may be the text itself
ENOUGH = 5  # rows without which nothing is said to be always the same
LONGEST_EXAMPLE = 30
NAMED = (("source", "target"), ("src", "tgt"), ("src", "trg"), ("source_text", "target_text"))
LOOKS: dict[Kind, str] = {
    "text": "text",
    "label": "one of a few words",
    "word": "one of a few words",
    "list": "lists of texts",
    "features": "features",
    "number": "numbers",
    "row": "numbers of rows",
    "id": "ids",
    "constant": "always the same",
    "attribution": "attribution",
    "empty": "empty",
    "object": "objects",
}


class Column(NamedTuple):
    """A column: its name, or its number as a text, what it looks like, and an example."""

    name: str
    kind: Kind
    example: str
    is_language: bool = False  # its values look like codes of languages
    is_typed: bool = False  # its values are no texts but numbers

    @property
    def is_tag(self) -> bool:
        """Whether it becomes a tag where it is joined with text."""
        is_code = self.kind == "word" and self.is_language
        return self.kind in ("features", "label", "constant") or is_code

    def show(self) -> str:
        """Return the column for a list of them."""
        example = f", for example {self.example!r}" if self.example else ""
        name = f"column {self.name}" if self.name.isdigit() else self.name.strip() or "(no name)"
        return f"{name}: {LOOKS[self.kind]}{example}"


@dataclass(frozen=True)
class Choice:
    """The columns of both sides, by their numbers from 0.

    Attributes:
        source: columns that are joined to the source.
        target: the same of the target.
        tagged: those of them whose features become tags.
    """

    source: tuple[int, ...]
    target: tuple[int, ...]
    tagged: frozenset[int] = frozenset()

    @property
    def is_plain(self) -> bool:
        """Whether each side is one column as it stands."""
        return len(self.source) == len(self.target) == 1 and not self.tagged

    def join_sides(self, values: Sequence[str]) -> tuple[str, str]:
        """Return source and target; `values` are those of all columns."""
        return self.join(values, self.source), self.join(values, self.target)

    def join(self, values: Sequence[str], side: Sequence[int]) -> str:
        """Return the text of a side; `values` are those of all columns."""
        parts = (make_tags(values[n]) if n in self.tagged else values[n] for n in side)
        return " ".join(part for part in parts if part)


def make_tags(features: str) -> str:
    """Return features as tags, which are one token each.

    Example:
        >>> make_tags("V;IND;PRS"), make_tags("Case=Nom|Number=Sing"), make_tags("PLAIN")
        ('<V><IND><PRS>', '<Case=Nom><Number=Sing>', '<PLAIN>')
    """
    parts = (re.sub(r"[<>\s]+", "_", part.strip()) for part in _SEPARATOR.split(features))
    return "".join(f"<{part}>" for part in parts if part)


def choose_columns(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    place: str,
    note: Report,
    *,
    asked: str | None = None,
    has_names: bool = True,
) -> Choice:
    """Return the columns of source and target.

    Args:
        names: of the columns; their numbers, where they have none.
        rows: the values of some rows: texts, numbers, None, lists, objects.
        place: how a message begins.
        note: is told which columns were taken without their names saying so, and which left out.
        asked: `SOURCE,TARGET`, by name or number, several of a side joined by `+`.
        has_names: the names are those of the file.

    Raises:
        DataError: it cannot be told which columns are meant, or there is none of that name.
    """
    columns = [
        describe_column(name, [row[n] for row in rows if n < len(row)], has_names)
        for n, name in enumerate(names)
    ]
    if asked is not None:
        source, target = parse_columns(asked, names, place)
        return _build(source, target, columns)
    plain = [name.strip().lower() for name in names]
    for pair in NAMED:
        if has_names and set(pair) <= set(plain):
            return Choice((plain.index(pair[0]),), (plain.index(pair[1]),))
    if len(names) < 2 or (not any(map(len, rows)) and len(names) > 2):
        listed = ", ".join(map(repr, names)) or "none"
        raise DataError(f"{place}: needs the columns source and target; its columns are: {listed}")
    taken = _take_only_way(columns, has_names)
    if taken is None:
        raise DataError(_list_columns(columns, place))
    if has_names or len(columns) > 2:
        note(_tell(columns, taken, place, has_names))
    return Choice((taken[0],), (taken[1],))


def choose_source(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    place: str,
    asked: str,
    has_names: bool = True,
    knows_tag: Callable[[str], bool] | None = None,
) -> Choice:
    """Return the columns of the source alone; arguments are those of `choose_columns`.

    Args:
        names: see there.
        rows: see there.
        place: see there.
        asked: the source; of `SOURCE,TARGET` the first side.
        has_names: see there.
        knows_tag: tells which tags were seen in training; a column that has these becomes tags.

    Raises:
        DataError: there is no such column.
    """
    source = _find_columns(asked, names)
    if source is None:
        sides = [_find_columns(side, names) for side, _ in split_in_two(asked, ",")]
        source = next((side for side in sides if side is not None), None)
    if source is None:
        raise _report_missing(asked, _missing(asked, names), names, place)
    own = {n: [row[n] for row in rows if n < len(row) and row[n]] for n in source}
    columns = {n: describe_column(names[n], own[n], has_names) for n in source}
    tagged = frozenset(
        n
        for n in source
        if len(source) > 1 and (columns[n].is_tag or _are_known_tags(own[n], knows_tag))
    )
    return Choice(source, (), tagged)


def _are_known_tags(values: Sequence[Any], knows_tag: Callable[[str], bool] | None) -> bool:
    texts = [str(value) for value in values]
    return bool(texts) and knows_tag is not None and all(knows_tag(make_tags(t)) for t in texts)


def _take_only_way(columns: Sequence[Column], has_names: bool) -> tuple[int, int] | None:
    """Return the two columns that alone can be meant; None when there is no such pair."""
    if len(columns) == 2:
        return (
            None if any(_is_no_side(column, columns, has_names) for column in columns) else (0, 1)
        )
    texts = [n for n, one in enumerate(columns) if one.kind in ("text", "label", "word", "list")]
    if len(texts) != 2 or any(column.kind == "features" for column in columns):
        return None
    return texts[0], texts[1]


def _is_no_side(column: Column, columns: Sequence[Column], has_names: bool) -> bool:
    """Tell whether one of two columns counts the rows, or is made of numbers beside numbers."""
    if not has_names:
        return column.kind == "row" or all(one.kind in ("number", "row") for one in columns)
    is_number = column.kind in ("number", "row")
    is_called_so = not column.name.strip() or (is_number and is_count(column.name))
    return is_called_so or column.is_typed or column.kind in ("id", "object")


def _build(source: Sequence[int], target: Sequence[int], columns: Sequence[Column]) -> Choice:
    """Return a choice in which features beside text are tags."""
    joined = [n for side in (source, target) if len(side) > 1 for n in side]
    tagged = frozenset(n for n in joined if columns[n].is_tag)
    return Choice(tuple(source), tuple(target), tagged)


def _tell(columns: Sequence[Column], taken: tuple[int, int], place: str, has_names: bool) -> str:
    source, target = (columns[n].name for n in taken)
    shown = f"{source!r} and {target!r}" if has_names else f"{source} and {target}"
    rest = [column for n, column in enumerate(columns) if n not in taken]
    left_out = "; ".join(column.show() for column in rest[:FEW])
    more = f"; left out: {left_out}" if rest else ""
    return f"{place}: columns {shown} are taken as source and target{more}"


def _list_columns(columns: Sequence[Column], place: str) -> str:
    """Return the error that lists the columns and says what to type."""
    lines = [f"  {column.show()}" for column in columns[: 2 * FEW]]
    head = f"{place}: which columns are source and target? There are {len(columns)}:"
    return "\n".join([head, *lines, f"Say it with --columns SOURCE,TARGET{_suggest(columns)}"])


def _suggest(columns: Sequence[Column]) -> str:
    texts = [column.name for column in columns if column.kind in ("text", "list")]
    features = [column.name for column in columns if column.kind == "features"]
    if len(texts) < 2:
        texts = [c.name for c in columns if c.kind in ("text", "label", "word", "list")]
    if len(columns) == 2 and not any(map(is_count, (column.name for column in columns))):
        texts = [column.name for column in columns]
    if len(texts) < 2:
        return ""
    pair = _quote(f"{texts[0]},{texts[1]}")
    if features:
        with_tags = _quote(f"{texts[0]}+{features[0]},{texts[1]}")
        return (
            f": --columns {with_tags} makes tags of the features beside the source, "
            f"--columns {pair} leaves them out"
        )
    return f", for example --columns {pair}"


def _quote(columns: str) -> str:
    return columns if re.fullmatch(r"[\w.,+-]+", columns) else f'"{columns}"'


def describe_column(name: str, values: Sequence[Any], has_name: bool = True) -> Column:
    """Say what a column looks like.

    Example:
        >>> describe_column("n", ["1", "2.5"]).kind, describe_column("a", ["V;PST", "N;PL"]).kind
        ('number', 'features')
    """
    present = [value for value in values if value is not None and value != "" and value != []]
    shown = next((_show_value(value) for value in present), "")
    example = shown if len(shown) <= LONGEST_EXAMPLE else f"{shown[: LONGEST_EXAMPLE - 1]}…"
    is_language = _are([str(value) for value in present], _LANGUAGE.fullmatch)
    is_typed = not any(isinstance(value, str | list | dict) for value in present)
    kind = _find_kind(name if has_name else None, present)
    return Column(name, kind, example, is_language, bool(present) and is_typed)


def _find_kind(name: str | None, values: Sequence[Any]) -> Kind:
    if not values:
        return "empty"
    if any(isinstance(value, dict | list) for value in values):
        is_list = all(isinstance(one, list) and _are_texts(one) for one in values)
        if len(values) >= ENOUGH and all(one == values[0] for one in values):
            return "constant"
        return "list" if is_list else "object"
    texts = [str(value).strip() for value in values]
    counts = Counter(texts)
    if not any(isinstance(value, str) for value in values) or _are(texts, _NUMBERS.fullmatch):
        return "row" if _count_up(texts) else "number"
    if name is not None and is_count(name) and _are(texts, _CODE.fullmatch):
        return "id"
    if len(counts) == 1 and len(texts) >= ENOUGH:
        return "constant"
    if _are(texts, _ATTRIBUTION.search):
        return "attribution"
    num_parted = sum(";" in text or "|" in text for text in texts)
    if _are(texts, _FEATURES.fullmatch) and 2 * num_parted >= len(texts):
        return "features"
    if len(texts) >= ENOUGH and len(counts) == len(texts) and _are(texts, _CODE.fullmatch):
        return "id"
    is_label = len(counts) <= FEW and len(texts) >= 2 * len(counts) and len(texts) >= 2 * ENOUGH
    if not is_label or any(" " in text for text in counts):
        return "text"
    if all(text.isupper() for text in counts):
        return "label"
    is_word = len(counts) <= VERY_FEW and len(texts) >= ENOUGH * len(counts)
    return "word" if is_word else "text"


def _count_up(texts: Sequence[str]) -> bool:
    """Tell whether numbers count the rows: 0, 1, 2, 3, 4."""
    if len(texts) < ENOUGH or not _are(texts, re.compile(r"\d{1,18}", re.ASCII).fullmatch):
        return False
    numbers = [int(text) if text.isdigit() else -1 for text in texts]
    return sum(b - a == 1 for a, b in pairwise(numbers)) >= _TRUE_SHARE * (len(numbers) - 1)


def _are(texts: Sequence[str], is_so: Callable[[str], Any]) -> bool:
    return sum(is_so(text) is not None for text in texts) >= _TRUE_SHARE * len(texts)


def _are_texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _are_objects(values: Sequence[Any]) -> bool:
    return all(isinstance(value, dict) for value in values)


def _show_value(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def is_count(name: str) -> bool:
    """Tell whether a column or key is called like a number of rows, or not at all.

    Example:
        >>> [is_count(name) for name in ("", "id", "table_id", "Unnamed: 0", "idea", "english")]
        [True, True, True, True, False, False]
    """
    return _COUNTS.fullmatch(name.strip().lower()) is not None


# --- what somebody asked for ----------------------------------------------------------------------


def parse_columns(
    asked: str, names: Sequence[str], place: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the numbers, from 0, of the columns of both sides.

    Example:
        >>> parse_columns("1+3,2", ["1", "2", "3"], "a.tsv")
        ((0, 2), (1,))
        >>> parse_columns("de,translation.en", ["translation.en", "de"], "a.jsonl")
        ((1,), (0,))

    Raises:
        DataError: it does not name two sides, or there is no such column.
    """
    find = partial(_find_columns, names=names)
    for source, target in split_in_two(asked, ","):
        found = find(source), find(target)
        if found[0] is not None and found[1] is not None:
            return found[0], found[1]
    sides = next(split_in_two(asked, ","), None)
    if sides is None:
        raise DataError(f"--columns {asked}: needs two sides, SOURCE,TARGET")
    missing = next(part for side in sides if find(side) is None for part in [_missing(side, names)])
    raise _report_missing(asked, missing, names, place)


def _report_missing(asked: str, missing: str, names: Sequence[str], place: str) -> DataError:
    listed = ", ".join(names[: 2 * FEW])
    return DataError(
        f"{place}: there is no column {missing!r}{did_you_mean(missing, names)} "
        f"(--columns {asked}); its columns are: {listed}"
    )


def split_in_two(text: str, separator: str) -> Iterator[tuple[str, str]]:
    """Yield every way to split a text at one of its separators into two that are not empty."""
    for place, letter in enumerate(text):
        if letter == separator and text[:place].strip() and text[place + 1 :].strip():
            yield text[:place], text[place + 1 :]


def _find_columns(side: str, names: Sequence[str]) -> tuple[int, ...] | None:
    whole = _find_column(side, names)
    if whole is not None:
        return (whole,)
    for first, rest in split_in_two(side, "+"):
        one, others = _find_column(first, names), _find_columns(rest, names)
        if one is not None and others is not None:
            return (one, *others)
    return None


def _find_column(name: str, names: Sequence[str]) -> int | None:
    name = name.strip()
    for form in (str, str.strip, lambda one: one.strip().lower()):
        formed = [form(one) for one in names]
        if form(name) in formed:
            return formed.index(form(name))
    is_number = name.isascii() and name.isdigit() and 0 < int(name) <= len(names)
    return int(name) - 1 if is_number else None


def _missing(side: str, names: Sequence[str]) -> str:
    return next((part for part in side.split("+") if _find_column(part, names) is None), side)


# --- records --------------------------------------------------------------------------------------


def flatten(record: dict[str, Any], begin: str = "", depth: int = 5) -> dict[str, Any]:
    """Return an object as columns: what stands in an object within it has a path for a name.

    Objects in a list are numbered from 1: `messages.1.content`.

    Example:
        >>> flatten({"id": 7, "translation": {"en": "cat", "de": "Katze"}})
        {'id': 7, 'translation.en': 'cat', 'translation.de': 'Katze'}
    """
    columns: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, list) and 0 < len(value) <= FEW and _are_objects(value):
            value = {str(n): one for n, one in enumerate(value, start=1)}
        if isinstance(value, dict) and value and depth:
            columns |= flatten(value, f"{begin}{name}.", depth - 1)
        else:
            columns[f"{begin}{name}"] = value
    return columns
