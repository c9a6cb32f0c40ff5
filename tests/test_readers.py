"""Readers: every format reads back what was written; every bad input gives a named error."""

import contextlib
import csv
import gzip
import io
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.data.lines import read_lines
from foveate.data.readers import read_pairs, read_words
from foveate.errors import DataError, FoveateError

CORPUS = Path(__file__).parent / "corpus" / "pairs"  # small files that were once read wrongly
PAIRS = [("cat", "K AE T"), ('"quoted', "a, b"), ("Straße", "שלום"), ("x y", "語")]


def read(where: str | Path, **options: object) -> list[tuple[str, str]]:
    return [(pair.source, pair.target) for pair in read_pairs(where, **options)]  # type: ignore[arg-type]


def fail(where: str | Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read(where, **options)
    return str(caught.value)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def write_parquet(path: Path, columns: dict[str, list[object]]) -> Path:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)
    return path


def as_tsv(pairs: list[tuple[str, str]]) -> str:
    return "".join(f"{source}\t{target}\n" for source, target in pairs)


def as_csv(pairs: list[tuple[str, str]], header: str = "source,target") -> str:
    rows = [",".join('"' + side.replace('"', '""') + '"' for side in pair) for pair in pairs]
    return "\n".join([header, *rows, ""])


def as_json_lines(pairs: list[tuple[str, str]]) -> str:
    return "".join(json.dumps({"id": 7, "target": t, "source": s}) + "\n" for s, t in pairs)


# --- good files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", as_tsv(PAIRS)),
        ("a.TXT", as_tsv(PAIRS)),
        ("a.dat", as_tsv(PAIRS)),
        ("noend", as_tsv(PAIRS).removesuffix("\n")),
        ("crlf.tsv", as_tsv(PAIRS).replace("\n", "\r\n")),
        ("bom.tsv", "\ufeff" + as_tsv(PAIRS)),
        ("bom_crlf_noend.tsv", "\ufeff" + as_tsv(PAIRS).replace("\n", "\r\n").rstrip("\r\n")),
        ("a.csv", as_csv(PAIRS)),
        ("bom.csv", "\ufeff" + as_csv(PAIRS).replace("\n", "\r\n")),
        ("first_two.csv", as_csv(PAIRS, "word,sound")),
        ("blank.csv", as_csv(PAIRS).replace("\n", "\n\n")),
        ("semicolon.csv", as_csv(PAIRS).replace('","', '";"').replace("source,", "source;")),
        ("a.jsonl", as_json_lines(PAIRS)),
        ("bom.json", "\ufeff" + as_json_lines(PAIRS).replace("\n", "\r\n")),
    ],
)
def test_text_formats_read_the_same_pairs(
    tmp_path: Path, name: str, text: str, suffix: str
) -> None:
    assert read(write(tmp_path, name + suffix, text)) == PAIRS


def test_pair_knows_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'source,target\n"two\nlines",x\nb,y\n')
    pairs = list(read_pairs(str(path)))
    assert [(pair.source, pair.path, pair.line) for pair in pairs] == [
        ("two\nlines", str(path), 2),
        ("b", str(path), 4),
    ]


def test_csv_columns_are_found_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "id,Target, source\n1,b,a\n")
    assert read(path) == [("a", "b")]


def test_first_two_csv_columns_are_reported(tmp_path: Path) -> None:
    notes: list[str] = []
    path = write(tmp_path, "a.csv", "word,sound,more\na,b,\n")
    assert read(path, report=notes.append) == [("a", "b")]
    assert "'word' and 'sound'" in notes[0]


@pytest.mark.parametrize(
    "text",
    [
        ",english,german\n0,a b,x\n1,c,y\n",
        "Unnamed: 0,english,german\n0,a b,x\n1,c,y\n",
        "pair_id,english,german\ns1,a b,x\ns2,c,y\n",
        "english,count,german\na b,17,x\nc,2.5,y\n",
    ],
)
def test_numbers_of_rows_are_no_source(tmp_path: Path, text: str) -> None:
    notes: list[str] = []
    assert read(write(tmp_path, "a.csv", text), report=notes.append) == [("a b", "x"), ("c", "y")]
    assert "columns 'english' and 'german'" in notes[0]


def test_two_columns_are_taken_unless_one_counts_rows(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a.csv", "number,word\n12,twelve\n")) == [("12", "twelve")]
    assert "id: numbers" in fail(write(tmp_path, "b.csv", "id,word\n12,twelve\n"))
    counted = "".join(f"{n}\tsentence {n * n}\n" for n in range(7))
    assert "numbers of rows" in fail(write(tmp_path, "c.tsv", counted))
    assert read(write(tmp_path, "c.tsv", counted), columns="1,2")[3] == ("3", "sentence 9")


def test_more_than_two_columns_of_text_beside_numbers_are_listed(tmp_path: Path) -> None:
    text = "sentence_id,class,before,after\n0,PLAIN,was,was\n"
    message = fail(write(tmp_path, "a.csv", text))
    assert "which columns are source and target?" in message
    for line in ("sentence_id: numbers, for example '0'", "before: text, for example 'was'"):
        assert f"\n  {line}" in message
    assert "--columns SOURCE,TARGET" in message


@pytest.mark.parametrize(
    "records",
    [
        [{"en": "a", "de": "b"}, {"de": "d", "en": "c"}],
        [{"n": 7, "en": "a", "de": "b"}, {"en": "c", "de": "d"}],
        [{"translation": {"en": "a", "de": "b"}}, {"translation": {"en": "c", "de": "d"}}],
    ],
)
def test_the_only_two_texts_of_json_objects_are_taken(
    tmp_path: Path, records: list[dict[str, object]]
) -> None:
    notes: list[str] = []
    text = "\n" + "".join(json.dumps(record) + "\n" for record in records)
    path = write(tmp_path, "a.jsonl", text)
    assert read(path, report=notes.append) == [("a", "b"), ("c", "d")]
    assert "a.jsonl:2: columns " in notes[0] and "are taken as source and target" in notes[0]
    path.write_text(text + '{"en": 3}\n')
    assert "a.jsonl:4: no key" in fail(path) or "a.jsonl:4: en is not a string" in fail(path)


def test_json_keys_that_could_be_either_are_not_guessed(tmp_path: Path) -> None:
    for record in (
        {"a": "x", "b": "y", "c": {"d": "z", "e": "w"}},
        {"table_id": "1-0", "question": "x"},
        {"count": "17", "question": "x", "more": "y", "even_more": "z"},
    ):
        assert "which columns are source and target?" in fail(
            write(tmp_path, "a.jsonl", json.dumps(record))
        )


@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz"])
def test_parquet(tmp_path: Path, name: str) -> None:
    columns: dict[str, list[object]] = {
        "n": [1, 2, 3, 4],
        "target": [target for _, target in PAIRS],
        "source": [source for source, _ in PAIRS],
    }
    plain = write_parquet(tmp_path / "plain.parquet", columns)
    assert read(write(tmp_path, name, plain.read_bytes())) == PAIRS


def test_parquet_of_pandas_categories(tmp_path: Path) -> None:
    import pandas

    frame = pandas.DataFrame({"word": ["a", "b", "a"], "sound": ["x", "y", "z"]})
    frame["word"] = frame["word"].astype("category")
    path = tmp_path / "a.parquet"
    frame.to_parquet(path)
    assert read(path) == [("a", "x"), ("b", "y"), ("a", "z")]


def test_parallel_files(tmp_path: Path) -> None:
    source = write(tmp_path, "a,b.en", "\ufeff" + "".join(s + "\r\n" for s, _ in PAIRS))
    target = write(tmp_path, "a.de.gz", "\n".join(t for _, t in PAIRS))
    assert read(f"{source},{target}") == PAIRS


def test_existing_path_with_a_comma_wins(tmp_path: Path) -> None:
    write(tmp_path, "a", "no\tno\n")
    write(tmp_path, "b.tsv", "no\tno\n")
    both = write(tmp_path, "a,b.tsv", "yes\tyes\n")
    assert read(both) == [("yes", "yes")]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(as_tsv(PAIRS).encode())))
    assert read("-") == PAIRS
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\tb\n\xff\n")))
    assert "standard input:2: not UTF-8" in fail("-")


def test_lone_carriage_return_and_other_separators_are_text(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", "a\rb\tc\u2028d\x0ce\n")
    assert read(path) == [("a\rb", "c\u2028d\x0ce")]
    assert list(read_lines(path)) == ["a\rb\tc\u2028d\x0ce"]


def test_numeric_third_column_is_left_out_with_a_note(tmp_path: Path) -> None:
    notes: list[str] = []
    path = write(tmp_path, "a.tsv", "a\tb\t1\nc\td\t2.5e3\n")
    assert read(path, report=notes.append) == [("a", "b"), ("c", "d")]
    assert len(notes) == 1
    assert "left out: column 3: numbers" in notes[0]


def test_a_third_column_that_is_not_numeric_is_asked_about(tmp_path: Path) -> None:
    message = fail(write(tmp_path, "a.tsv", "a\tb\t1\nc\td\tx\ne\tf\n"))
    assert "which columns are source and target? There are 3" in message
    message = fail(write(tmp_path, "b.tsv", "a\tb\t1\nc\td\t2\ne\tf\n"))
    assert "b.tsv:3: 2 columns instead of 3" in message


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\n\r")).filter(
    lambda text: text.strip() != "" and not text.startswith("\ufeff")
)


@settings(max_examples=30)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=7))
def test_every_text_round_trips(pairs: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        assert read(write(root, "a.tsv", as_tsv(pairs))) == pairs
        assert read(write(root, "a.csv", as_csv(pairs))) == pairs
        assert read(write(root, "a.jsonl", as_json_lines(pairs))) == pairs
        source = write(root, "s", "\n".join(source for source, _ in pairs))
        target = write(root, "t", "\n".join(target for _, target in pairs))
        assert read(f"{source},{target}") == pairs


# --- bad files ------------------------------------------------------------------------------------


def test_missing_file_names_a_close_one(tmp_path: Path) -> None:
    write(tmp_path, "train.tsv", "a\tb\n")
    message = fail(tmp_path / "trian.tsv")
    assert f"{tmp_path / 'trian.tsv'}: no such file, did you mean train.tsv?" == message
    assert "no such file" in fail(tmp_path / "nowhere" / "x,y.tsv")


def test_directory(tmp_path: Path) -> None:
    assert fail(tmp_path) == f"{tmp_path}: it is a directory: give a file in it"


@contextlib.contextmanager
def ordinary_user() -> Iterator[None]:
    """Drop the rights of root, who may read everything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_no_permission() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = write(Path(folder), "a.tsv", "a\tb\n")
        path.chmod(0)
        with ordinary_user():
            assert fail(path) == f"{path}: no permission to read it"


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.parquet", "a.tsv.gz"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    assert fail(path) == f"{path}: no pairs: the file is empty, or has only names of columns"


def test_csv_with_a_header_only(tmp_path: Path) -> None:
    assert "no pairs" in fail(write(tmp_path, "a.csv", "source,target\n"))


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (gzip.compress(b"a\tb\n", mtime=0), "gzip-compressed: let its name end in .gz"),
        (b"PK\x03\x04\x14\x00", "zip archive or an office document"),
        (b"\x28\xb5\x2f\xfd\x04", "zstd"),
        ("a\tb\n".encode("utf-16"), "UTF-16"),
        (random.Random(3).randbytes(997), "a binary file"),
        ("abcd\tefgh\n".encode("utf-16-le"), "iconv -f UTF-16LE -t UTF-8"),
    ],
    # Parallel test processes compare the names of the tests: no bytes in them.
    ids=["gzip", "zip", "zstd", "utf-16", "random", "utf-16-le"],
)
def test_binary_file_is_one_error(tmp_path: Path, head: bytes, what: str) -> None:
    for name in ("a.tsv", "a.csv", "a.jsonl"):
        message = fail(write(tmp_path, name, head), skip_bad=True)
        assert what in message
        assert "\n" not in message


def test_parquet_named_tsv(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.tsv", {"source": ["a"], "target": ["b"]})
    assert "let its name end in .parquet" in fail(path)


def test_truncated_gzip(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv.gz", "".join(f"{n * n}\t{n**7}\n" for n in range(1, 997)))
    path.write_bytes(path.read_bytes()[:-101])
    assert "a.tsv.gz: the gzip data ends too early" in fail(path, skip_bad=True)


def test_damaged_gzip(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv.gz", as_tsv(PAIRS) * 101)
    raw = bytearray(path.read_bytes())
    raw[-7] ^= 0xFF  # the checksum
    path.write_bytes(raw)
    assert "a.tsv.gz: the gzip data is damaged" in fail(path)


def test_plain_file_named_gz(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.gz"
    path.write_text("a\tb\n")
    assert "a.tsv.gz: not a gzip file" in fail(path)
    parquet = tmp_path / "a.parquet.gz"
    parquet.write_text("a\tb\n")
    assert "a.parquet.gz: not a gzip file" in fail(parquet)


BAD_ROWS = [
    ("a.tsv", b"\tx", "empty source"),
    ("a.tsv", b"x\t \xc2\xa0", "empty target"),
    ("a.tsv", b"x", "one column: no TAB"),
    ("a.tsv", b"x\ty\tz", "3 columns instead of 2"),
    ("a.tsv", b"x\ty\tz\tw", "4 columns instead of 2"),
    ("a.tsv", b"x\tcaf\xe9", "not UTF-8 (byte 0xe9 at position 6)"),
    ("a.tsv", b"x\ty\0", "NUL character in the target"),
    ("a.tsv", b"x" * 24 + b"\ty", "source has 24 characters, more than max_characters 23"),
    ("a.csv", b"x", "1 column, but 2 in the header"),
    ("a.csv", b"x,y,z", "3 columns, but 2 in the header"),
    ("a.csv", b"x,", "empty target"),
    ("a.csv", b"x,\xff", "not UTF-8 (byte 0xff"),
    ("a.csv", b'x,"y"z', "bad quotes"),
    ("a.csv", b"x,y\0", "NUL character in the target"),
    ("a.jsonl", b'{"source": "x", "target": ', "broken JSON: Expecting value at character 27"),
    ("a.jsonl", b'["x", "y"]', "not a JSON object, but an array"),
    ("a.jsonl", b"null", "not a JSON object, but null"),
    ("a.jsonl", b"[" * 100_000, "broken JSON"),
    ("a.jsonl", b"1" * 5_000, "broken JSON"),
    ("a.jsonl", b'{"source": "x", "targte": "y"}', "no key 'target', did you mean targte?"),
    ("a.jsonl", b"{}", "no key 'source'; its keys are: none"),
    ("a.jsonl", b'{"source": "x", "target": 7}', "target is not a string, but a number"),
    ("a.jsonl", b'{"source": ["x"], "target": "y"}', "source is not a string, but an array"),
    ("a.jsonl", b'{"source": "x", "target": ""}', "empty target"),
    ("a.jsonl", b'{"source": "\\ud800", "target": "y"}', "half a surrogate pair"),
    ("a.jsonl", b'{"source": "\xff", "target": "y"}', "not UTF-8"),
]
GOOD_ROW = {
    "a.tsv": b"good\tone\n",
    "a.csv": b"good,one\n",
    "a.jsonl": b'{"source": "good", "target": "one"}\n',
}


@pytest.mark.parametrize(("name", "row", "what"), BAD_ROWS)
def test_bad_row_is_named_or_skipped(tmp_path: Path, name: str, row: bytes, what: str) -> None:
    head = b"source,target\n" if name == "a.csv" else b""
    good = GOOD_ROW[name]
    path = write(tmp_path, name, head + good + good + row + b"\n" + good)
    line = 4 if head else 3
    message = fail(path, max_characters=23)
    assert f"{path}: 1 bad row of 4\n  {path}:{line}: " in message
    assert what in message
    # Rows with the language's own letters are not to be dropped, but converted.
    assert ("letters" in what or "not UTF-8" in what) != ("--skip-bad" in message)
    notes: list[str] = []
    assert (
        read(path, max_characters=23, skip_bad=True, report=notes.append) == [("good", "one")] * 3
    )
    assert len(notes) == 1
    assert f"left out 1 bad row of 4 (the first: {path}:{line}: " in notes[0]


def test_unclosed_csv_quote(tmp_path: Path) -> None:
    message = fail(write(tmp_path, "a.csv", 'source,target\na,b\nc,"d\ne,f\n'))
    assert "a.csv:3: bad quotes" in message
    rest = "x,y\n" * 50_011  # longer than the field limit of the csv library
    message = fail(write(tmp_path, "b.csv", 'source,target\na,b\nc,"d\n' + rest))
    assert "b.csv:3: bad quotes" in message


@pytest.mark.parametrize("is_quote_late", [False, True])
def test_one_stray_csv_quote_is_one_bad_row(tmp_path: Path, is_quote_late: bool) -> None:
    rows = [(f"s{number}", f"t{number}") for number in range(20_011)]
    lines = [f"{source},{target}" for source, target in rows]
    lines[7] = f'"{lines[7]}'
    if is_quote_late:
        lines[9_001] = '"one, two",x'  # the next quote is a good one
        rows[9_001] = ("one, two", "x")
    path = write(tmp_path, "a.csv", "\n".join(["source,target", *lines, ""]))
    found = list(read_pairs(path, skip_bad=True))
    assert [(pair.source, pair.target) for pair in found] == rows[:7] + rows[8:]
    assert [pair.line for pair in found] == [n + 2 for n in range(20_011) if n != 7]
    message = fail(path)
    assert f"{path}: 1 bad row of 20,011\n  {path}:9: bad quotes: a double quote is not" in message


def test_every_stray_csv_quote_is_reported(tmp_path: Path) -> None:
    bad = ['"a,b', 'c,"d', '"e"f,g', 'h,"i', '"j,k"']
    lines = [line for row in bad for line in (row, "x,y")]
    path = write(tmp_path, "a.csv", "\n".join(["source,target", *lines]))
    message = fail(path)
    assert "5 bad rows of 10" in message
    lines = message.splitlines()[1:-1]
    assert [line.split(":")[1] for line in lines] == ["2", "6", "10"]
    assert "also in the lines 4, 8" in lines[0]
    assert read(path, skip_bad=True) == [("x", "y")] * 5


def test_quotes_that_swallow_a_row_of_few_characters_do_not_swallow_long_ones(
    tmp_path: Path,
) -> None:
    lines = ['"a,b', *["x,y"] * 101, 'c",d', "e,f"]
    path = write(tmp_path, "a.csv", "\n".join(["source,target", *lines]))
    assert len(read(path, max_characters=10_000)) == 2  # it may be a text of many lines
    assert read(path, max_characters=211, skip_bad=True) == [("x", "y")] * 101 + [
        ('c"', "d"),
        ("e", "f"),
    ]


def test_line_ends_within_csv_quotes_stay(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'source,target\r\n"a\r\nb\rc\nd",x\r\ne,"f"\r\n')
    assert read(path) == [("a\r\nb\rc\nd", "x"), ("e", "f")]


@given(st.text(st.sampled_from('ab",\n'), max_size=40))
def test_a_good_csv_is_read_as_the_csv_library_does(body: str) -> None:
    try:
        rows = [row for row in csv.reader(io.StringIO(body, newline=""), strict=True) if row]
    except csv.Error:
        rows = [["broken"]]
    is_good = all(len(row) == 2 and all(side.strip() for side in row) for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), "a.csv", "source,target\n" + body)
        if is_good and rows:
            assert read(path) == [tuple(row) for row in rows]
        else:
            with contextlib.suppress(DataError):
                read(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "\n x\ty\n\n \t\u00a0\n\n\nz\tw\n\n"),
        ("a.csv", "source,target\n\n x,y\n,\n  \nz,w\n , ,,\n"),
        ("a.csv", "source;target\r\n x;y\r\n;\r\nz;w\r\n;\r\n"),
        ("a.jsonl", '\n{"source": " x", "target": "y"}\n\n{"source": "z", "target": "w"}\n'),
        ("a.jsonl", '{"source":" x","target":"y"}\n{"source":"","target":""}\n'),
    ],
)
def test_blank_rows_are_skipped_in_every_format(tmp_path: Path, name: str, content: str) -> None:
    assert (
        read(write(tmp_path, name, content))
        == [(" x", "y"), ("z", "w")][: content.count("y") + content.count("w")]
    )


def test_blank_rows_of_two_files_and_of_parquet_are_skipped(tmp_path: Path) -> None:
    source, target = write(tmp_path, "s", "a\n\nb\n\n"), write(tmp_path, "t", "x\n \ny\n\n")
    assert read(f"{source},{target}") == [("a", "x"), ("b", "y")]
    columns: dict[str, list[object]] = {"source": ["a", None, "b"], "target": ["x", None, "y"]}
    assert read(write_parquet(tmp_path / "a.parquet", columns)) == [("a", "x"), ("b", "y")]


def test_separator_line_of_excel(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "sep=;\r\nsource;target\r\na,b;c\r\n")
    assert [(pair.source, pair.target, pair.line) for pair in read_pairs(path)] == [("a,b", "c", 3)]


def test_equal_problems_are_one_line_with_their_number(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", "a\tb\n" + "bad\n" * 1013)
    message = fail(path)
    assert "1,013 bad rows of 1,014" in message
    assert len(message.splitlines()) == 3
    assert "a.tsv:2: one column" in message
    assert "(1,013 rows: also in the lines 3, 4, 5, 6, 7 and 1,007 more)" in message


def test_only_bad_rows_is_an_error_even_with_skip_bad(tmp_path: Path) -> None:
    message = fail(write(tmp_path, "a.tsv", "a b\nc d\n"), skip_bad=True)
    assert "2 bad rows of 2" in message
    assert "no good pair" in message


def test_default_limit_of_characters(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a.tsv", "x" * 2000 + "\ty\n")) == [("x" * 2000, "y")]
    assert "2,001 characters" in fail(write(tmp_path, "b.tsv", "x" * 2001 + "\ty\n"))


def test_endless_line_does_not_stop_the_file(tmp_path: Path) -> None:
    long = b"x" * (40 * 2**20)
    path = write(tmp_path, "a.tsv", b"a\tb\n" + long + b"\nc\td\n")
    assert read(path, skip_bad=True) == [("a", "b"), ("c", "d")]
    assert "a.tsv:2: longer than" in fail(path)


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("only", "its columns are: 'only'"),
        ("id,source,translation", "its columns are: 'id', 'source', 'translation'"),
    ],
)
def test_csv_without_the_columns(tmp_path: Path, header: str, what: str) -> None:
    message = fail(write(tmp_path, "a.csv", header + "\na\n"))
    assert "a.csv:1: needs the columns source and target" in message
    assert what in message


def test_csv_with_a_bad_header(tmp_path: Path) -> None:
    assert "a.csv:1: bad header: not UTF-8" in fail(write(tmp_path, "a.csv", b"so\xff,b\na,b\n"))


@pytest.mark.parametrize("indent", [None, 1])
def test_a_json_array_is_read(tmp_path: Path, indent: int | None) -> None:
    rows = [{"source": "a", "target": ["b", "c"]}, {"source": "d", "target": "e"}]
    for value in (rows, {"version": 1, "data": rows}):
        path = write(tmp_path, "a.json", json.dumps(value, indent=indent))
        assert read(path) == [("a", "b"), ("a", "c"), ("d", "e")]


def test_parquet_that_is_not_parquet(tmp_path: Path) -> None:
    for content in (b"a\tb\n", b"PAR1" + b"x" * 101 + b"PAR1"):
        message = fail(write(tmp_path, "a.parquet", content))
        assert "a.parquet: not a readable parquet file" in message
        assert "\n" not in message


def test_damaged_parquet_body(tmp_path: Path) -> None:
    words: list[object] = [f"{n**5}" for n in range(997)]
    path = write_parquet(tmp_path / "a.parquet", {"source": words, "target": words})
    raw = bytearray(path.read_bytes())
    raw[40:1500] = bytes(1460)
    path.write_bytes(raw)
    assert "a.parquet: not a readable parquet file" in fail(path)


def test_parquet_columns(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"source": [1], "target": ["b"]})
    assert "column 'source' is int64, not text" in fail(path)
    path = write_parquet(tmp_path / "b.parquet", {"source": ["a"]})
    assert "needs the columns source and target" in fail(path)


def test_parquet_numbers_beside_texts_are_no_side(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {"id": [7, 8], "en": ["a", "c"], "de": ["b", "d"]}
    assert read(write_parquet(tmp_path / "a.parquet", columns)) == [("a", "b"), ("c", "d")]


def test_parquet_lists_of_targets_are_several_pairs(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {"source": ["a", "b"], "target": [["x", "y"], ["z"]]}
    path = write_parquet(tmp_path / "a.parquet", columns)
    assert read(path) == [("a", "x"), ("a", "y"), ("b", "z")]
    path = write_parquet(tmp_path / "b.parquet", {"source": [["a"]], "target": ["x"]})
    assert "column 'source' is list<element: string>, not text" in fail(path)


def test_damaged_parquet_column_name(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"source": ["a"], "target": ["b"]})
    path.write_bytes(path.read_bytes().replace(b"source", b"s\xffurce"))
    assert "a.parquet: not a readable parquet file" in fail(path)


def test_parquet_is_unpacked_within_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = write_parquet(tmp_path / "plain.parquet", {"source": ["a"], "target": ["b"]})
    path = write(tmp_path, "a.parquet.gz", plain.read_bytes())
    size = plain.stat().st_size
    monkeypatch.setattr("foveate.data.parquet.MAX_UNPACKED_BYTES", size)
    assert read(path) == [("a", "b")]
    monkeypatch.setattr("foveate.data.parquet.MAX_UNPACKED_BYTES", size - 1)
    assert f"more than {size - 1:,} bytes when unpacked" in fail(path)


def test_parquet_bad_values(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    raw = pyarrow.array([b"a", b"\xff", b"c"]).view(pyarrow.string())
    table = pyarrow.table({"source": raw, "target": ["x", "y", None]})
    path = tmp_path / "a.parquet"
    parquet.write_table(table, path)
    message = fail(path)
    assert "a.parquet:2: source is not UTF-8" in message
    assert "a.parquet:3: target is missing" in message
    assert read(path, skip_bad=True) == [("a", "x")]


def test_parallel_files_of_different_length(tmp_path: Path) -> None:
    source = write(tmp_path, "s", "a\n" * 5)
    target = write(tmp_path, "t", "b\n" * 3)
    message = fail(f"{source},{target}", skip_bad=True)
    assert f"{source} has 5 lines and {target} has 3" in message
    message = fail(f"{target},{source}")
    assert f"{target} has 3 lines and {source} has 5" in message


def test_parallel_bad_rows(tmp_path: Path) -> None:
    source = write(tmp_path, "s", b"a\n\nc\nd\n")
    target = write(tmp_path, "t", b"a\nb\n\xff\nd\n")
    message = fail(f"{source},{target}")
    assert f"{source},{target}:2: empty source" in message
    assert f"{source},{target}:3: target: not UTF-8" in message
    assert read(f"{source},{target}", skip_bad=True) == [("a", "a"), ("d", "d")]


def test_parallel_missing_file(tmp_path: Path) -> None:
    source = write(tmp_path, "s.en", "a\n")
    assert "s.fr: no such file" in fail(f"{source},{tmp_path / 's.fr'}")
    assert "two files are needed" in fail(f"{source},")


@settings(max_examples=30)
@given(st.binary(max_size=199), st.sampled_from([".tsv", ".csv", ".jsonl", ".parquet", ".tsv.gz"]))
def test_any_bytes_give_pairs_or_a_named_error(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        path.write_bytes(content)
        problem = str(path)
        pairs = []
        try:
            pairs = read(path)
        except FoveateError as error:
            problem = str(error)
    assert problem.startswith(str(path))
    assert all(source.strip() and target.strip() for source, target in pairs)


# --- lines ----------------------------------------------------------------------------------------


def test_read_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt.gz", "\ufeffone\r\n\r\n three\tx \nlast")
    assert list(read_lines(path)) == ["one", "", " three\tx ", "last"]
    assert list(read_lines(write(tmp_path, "empty", b""))) == []


def test_read_lines_names_the_bad_line(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", b"good\nbad \xe9t\xe9\n")
    lines = read_lines(path)
    assert next(lines) == "good"
    with pytest.raises(DataError, match=r"a\.txt:2: not UTF-8 \(byte 0xe9 at position 5\)"):
        next(lines)
    with pytest.raises(DataError, match="no such file"):
        list(read_lines(tmp_path / "none.txt"))


def test_read_lines_bounds_a_line(tmp_path: Path) -> None:
    longest = "é" * 100_000
    assert list(read_lines(write(tmp_path, "a.txt", f"a\n{longest}\n"))) == ["a", longest]
    with pytest.raises(DataError, match=r"b\.txt:2: 100,001 characters, more than 100,000"):
        list(read_lines(write(tmp_path, "b.txt", f"a\n{longest}x\n")))


def test_counts_of_words_are_read_in_linear_time(tmp_path: Path) -> None:
    blanks = " " * 49_997
    path = write(tmp_path, "words.txt", f"a{blanks}b{blanks}c\n")
    begin = time.perf_counter()
    assert read_words(path) == (f"a{blanks}b{blanks}c",)
    assert time.perf_counter() - begin < 1  # the expression that did this took minutes


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_corpus_of_finds_is_read_or_refused_in_one_error(path: Path) -> None:
    for options in ({}, {"skip_bad": True}):
        message, pairs = str(path), list[tuple[str, str]]()
        try:
            pairs = read(path, **options)
        except FoveateError as error:
            message = str(error)
        assert message.startswith(str(path))
        assert all(source.strip() and target.strip() for source, target in pairs)
