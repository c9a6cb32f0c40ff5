"""Many pairs: in files that are mapped, read by blocks, trained in parts; all as with few."""

from __future__ import annotations

import hashlib
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.config import Config
from foveate.data.batching import encode_table
from foveate.data.column import Column, ColumnWriter
from foveate.data.plain import read_table
from foveate.data.readers import read_pairs
from foveate.data.table import PairTable, hash_tables
from foveate.errors import ConfigError, DataError
from foveate.text.codec import normalize_text
from foveate.text.detection import _count_symbols, build_codecs
from foveate.training.parting import WHOLE_BYTES, choose_part, count_parts, take_part
from foveate.training.prepare import prepare
from foveate.training.recorder import Recorder
from foveate.training.report import be_silent
from foveate.training.run import run_prepared
from test_resuming import stop_when
from test_training import TINY, assert_same_weights, make_table

texts = st.lists(st.text(st.characters(codec="utf-8"), max_size=9), max_size=30)


def write_column(rows: list[str], most_bytes: int) -> Column:
    writer = ColumnWriter(most_bytes)
    for row in rows:
        writer.add(row.encode())
    return writer.finish()


@settings(max_examples=15)
@given(texts, st.lists(st.integers(0, 29), max_size=40))
def test_a_column_in_a_file_is_that_in_the_memory(rows: list[str], wanted: list[int]) -> None:
    raw = [row.encode() for row in rows]
    wanted = [index for index in wanted if index < len(rows)]
    for most_bytes in (0, 7, 1000):
        column = write_column(rows, most_bytes)
        assert list(column) == raw == [column.raw(index) for index in range(len(rows))]
        assert b"\n".join(column.joined()) == b"\n".join(raw)
        taken = column.take(np.array(wanted, dtype=np.int64))
        assert list(taken) == [raw[index] for index in wanted]
        assert list(pickle.loads(pickle.dumps(column))) == raw


def hold_out_slowly(rows: list[str], count: int, seed: int) -> set[str]:
    """Choose sources one by one, as the rule says: in the order of their hashes, as they fit."""
    forms = [normalize_text(row, "NFC") for row in rows]
    held, num_rows = set[str](), 0
    order = sorted(
        dict.fromkeys(forms),
        key=lambda form: hashlib.blake2b(
            form.encode(), digest_size=8, key=str(seed).encode()
        ).digest(),
    )
    for form in order:
        if num_rows + forms.count(form) <= count:
            held.add(form)
            num_rows += forms.count(form)
    return held or {min(order, key=forms.count)}


@given(
    st.lists(st.sampled_from("abcdefghijé") | st.just("e\N{COMBINING ACUTE ACCENT}"), min_size=3)
)
def test_pairs_are_held_out_as_the_rule_says(rows: list[str]) -> None:
    table = PairTable.from_texts(rows, rows)
    for count, seed in ((1, 1), (2, 7), (len(rows) // 2, 3)):
        if len({normalize_text(row, "NFC") for row in rows}) < 2:
            with pytest.raises(DataError, match="not two different sources"):
                table.split_off(count, seed)
            continue
        rest, held = table.split_off(count, seed)
        expected = hold_out_slowly(rows, count, seed)
        assert {normalize_text(row, "NFC") for row in held.sources()} == expected
        assert [row for row in rows if normalize_text(row, "NFC") not in expected] == list(
            rest.sources()
        )


def test_many_sources_are_held_out_by_the_first_hashes_alone() -> None:
    rows = [str(number) for number in range(3000)]
    _, held = PairTable.from_texts(rows, rows).split_off(20, 1)
    assert set(held.sources()) == hold_out_slowly(rows, 20, 1)


def test_tables_are_hashed_text_by_text() -> None:
    table = make_table(30)
    expected = hashlib.sha256()
    for text in (*table.sources(), "", *table.targets(), ""):
        expected.update(text.encode() + b"\n")
    assert hash_tables(table, None) == expected.hexdigest()


PLAIN = "".join(f"wörd{number}\tW {number % 7}\n" for number in range(2000))
UNUSUAL = {
    "plain": PLAIN,
    "no last line end": PLAIN[:-1],
    "swapped columns": "".join(f"W {n % 7}\tword{n}\n" for n in range(2000)),
    "a header": f"source\ttarget\n{PLAIN}",
    "a blank row": f"{PLAIN}\n{PLAIN}",
    "an empty side": f"{PLAIN}word\t\n",
    "a blank side": f"{PLAIN} \N{NO-BREAK SPACE}\tW\n",
    "three columns": f"{PLAIN}one\ttwo\tthree\n",
    "three columns everywhere": "".join(f"a{n}\tb{n}\tc{n}\n" for n in range(2000)),
    "a long side": f"{PLAIN}{'x' * 50}\tW\n",
    "Windows": PLAIN.replace("\n", "\r\n"),
    "a NUL": f"{PLAIN}wo\0rd\tW\n",
    "variants": PLAIN + PLAIN.replace("\t", "(2)\t"),
    "variants at once": "a\tA\na(2)\tB\n" + PLAIN,
    "bars": PLAIN.replace("\t", " ||| "),
    "rows that separate": f"{PLAIN}<eos>\t<eos>\n{PLAIN}",
    "nothing": "",
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_a_file_read_by_blocks_has_the_pairs_of_the_readers(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_bytes(UNUSUAL[kind].encode())
    notes: tuple[list[str], list[str]] = ([], [])
    found = []
    for read in (
        lambda: PairTable.from_pairs(read_pairs(path, max_characters=40, report=notes[0].append)),
        lambda: read_table(path, max_characters=40, report=notes[1].append, large=-1),
    ):
        try:
            table = read()
            found.append([(table.source(row), table.target(row)) for row in range(len(table))])
        except DataError as error:
            found.append(str(error))
    assert found[0] == found[1]
    assert notes[0] == notes[1]


def test_bytes_that_are_no_text_are_left_to_the_readers(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_bytes(PLAIN.encode() + b"w\xffrd\tW\n")
    with pytest.raises(DataError, match="not UTF-8"):
        read_table(path, large=0)


@pytest.mark.parametrize("target", ["W IY", "a\nb", "ﬁ e\N{COMBINING ACUTE ACCENT}"])
def test_tokens_counted_at_once_are_those_of_the_rows(target: str) -> None:
    sources, targets = ["ab", "b\n", "é"] * 9, [target, "W", "IY W W"] * 9
    for kinds in (("characters", "whitespace"), ("whitespace", "characters")):
        config = Config(source_tokens=kinds[0], target_tokens=kinds[1], shared_vocabulary=False)
        codecs = build_codecs(lambda: iter(sources), lambda: iter(targets), 27, config)
        for codec, side in zip(codecs, (sources, targets), strict=True):
            tokens = [token for text in side for token in codec.split(text)]
            expected = sorted(set(tokens), key=lambda token: (-tokens.count(token), token))
            assert list(codec.vocabulary.entries[4:]) == expected


SYMBOLS = ["A", "B", " ", "\n", "\t", "\x1c", "\x85", "é", "ABCDEFGH", "ABCDEFGHI"]


@given(st.lists(st.sampled_from(SYMBOLS)).map("".join))
def test_symbols_counted_as_numbers_are_those_of_split(text: str) -> None:
    assert _count_symbols(text) == Counter(text.split())


def test_parts_hold_every_pair_once_in_another_order_in_every_pass() -> None:
    table = make_table(50)
    parts = [take_part(table, number, 7) for number in range(7)]
    assert sorted(text for part in parts for text in part.sources()) == sorted(table.sources())
    passes = [[choose_part(7 * n + place, 7, seed=1) for place in range(7)] for n in range(3)]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert passes[0] != passes[1] != passes[2]
    assert count_parts(table) == 1 and count_parts(table, whole_bytes=0) == 1
    assert WHOLE_BYTES > 10**8  # smaller tables are trained as they always were


@pytest.mark.long
def test_training_in_parts_resumes_to_the_same_weights(tmp_path: Path) -> None:
    prepared = replace(prepare(make_table(90), None, TINY), num_parts=4)
    codecs = prepared.source_codec, prepared.target_codec
    for epoch in range(5):
        part = take_part(prepared.table, choose_part(epoch, 4, 1), 4)
        expected, found = encode_table(part, *codecs), prepared.encode_epoch(epoch)
        assert (found.source_ids == expected.source_ids).all() and len(found) == len(part)
    for name in ("whole", "halves"):
        (tmp_path / name / "state").mkdir(parents=True)
        Recorder(tmp_path / name).begin(prepared)
    whole = run_prepared(prepared, Recorder(tmp_path / "whole"))
    stop = stop_when(lambda report: report.kind == "progress" and report.update == 13)
    run_prepared(prepared, Recorder(tmp_path / "halves", stop))
    run_prepared(prepared, Recorder(tmp_path / "halves", be_silent))
    assert_same_weights(tmp_path / "whole", tmp_path / "halves")
    assert 1 < whole.summary.epochs < 2  # passes over all pairs, not over a part


def test_what_would_be_as_large_as_the_pairs_is_refused() -> None:
    from foveate.training.ensemble import _refuse_large

    prepared = replace(prepare(make_table(), None, TINY), num_parts=2)
    with pytest.raises(ConfigError, match="54 pairs are too many"):
        _refuse_large(TINY.replace(models=2, distill=True), prepared)
    _refuse_large(TINY.replace(models=2), prepared)
