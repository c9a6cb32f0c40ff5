"""Sources out of a table: the column that is read, and the others that come along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foveate.cli import main
from foveate.data.source_rows import read_source_rows
from foveate.errors import DataError

RECORDS = [
    {"id": 7, "text": {"en": "cat, tame", "de": "Katze"}, "note": 'says "miau"'},
    {"id": 8, "text": {"en": "dog", "de": "Hund"}, "note": None},
    {"id": 9, "text": {"en": "pig", "de": "Schwein"}, "note": "two\nlines"},
]


def rows(place: Path, column: str, **more: object) -> list[tuple[str, dict[str, str]]]:
    found = read_source_rows(place, column, report=lambda _: None, **more)  # type: ignore[arg-type]
    return [(row.line.text, dict(row.others)) for row in found]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet"])
def test_a_column_of_objects(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(RECORDS), path)
    elif suffix == "json":
        path.write_text(json.dumps(RECORDS))
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    found = rows(path, "text.en")
    assert [text for text, _ in found] == ["cat, tame", "dog", "pig"]
    assert found[0][1] == {"id": "7", "text.de": "Katze", "note": 'says "miau"'}
    assert found[1][1]["note"] == ""
    with pytest.raises(DataError, match=r"no column 'text\.fr', did you mean text"):
        rows(path, "text.fr")


def test_a_column_of_a_csv_with_quotes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,en,note\n7,"cat, tame","says ""miau"""\n\n8,dog,"two\nlines"\n')
    assert rows(path, "en") == [
        ("cat, tame", {"id": "7", "note": 'says "miau"'}),
        ("dog", {"id": "8", "note": "two\nlines"}),
    ]


def test_a_column_of_a_tsv_by_number_with_and_without_names(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("7\tcat\tx\n\n8\tdog\ty\n9\tpig\tz\n")
    assert [text for text, _ in rows(path, "2")] == ["cat", "", "dog", "pig"]
    assert rows(path, "2,1")[0] == ("cat", {"1": "7", "3": "x"})
    path.write_text("id\tsource\ttarget\n7\tcat\tx\n8\tdog\ty\n")
    assert [text for text, _ in rows(path, "source,target")] == ["cat", "dog"]


def test_features_become_tags_as_in_training(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("walk\tV;PST\n")
    assert rows(path, "1+2") == [("walk <V><PST>", {})]
    path.write_text("walk\tPST\n")  # one row does not look like features
    assert rows(path, "1+2") == [("walk PST", {})]
    assert rows(path, "1+2", knows_tag=lambda tags: tags == "<PST>") == [("walk <PST>", {})]


def test_translate_keeps_the_other_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "words.csv", tmp_path / "out.tsv"
    path.write_text("id,word\n7,cat\n8,dog\n")
    call = ["translate", "english", str(path), "--columns", "word"]
    assert main([*call, "--format", "tsv", "--n-best", "2"]) == 0
    shown = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(row[0], row[3], row[6]) for row in shown] == [
        ("cat", "1", "7"),
        ("cat", "2", "7"),
        ("dog", "1", "8"),
        ("dog", "2", "8"),
    ]
    assert main([*call, "--format", "tsv", "--out", str(out), "--resume"]) == 0
    assert [line.split("\t")[6] for line in out.read_text().splitlines()] == ["7", "8"]
    assert main([*call, "--format", "jsonl"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["columns"] == {"id": "7"}


@pytest.mark.parametrize(
    ("name", "content", "column"),
    [
        ("a.tsv", "7\tcat\n8\tdog\n", "1"),
        ("a.txt", '{"word": "cat"}\n{"word": "dog"}\n', "word"),
        ("a.csv", "word,id\ncat,7\ndog,8\n", "word"),
    ],
)
def test_a_table_is_asked_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, column: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert main(["translate", "english", str(path)]) == 2
    assert f"{path} --columns {column}" in capsys.readouterr().err


def test_the_encoding_of_lines_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("plain\nGröße und Höhe\n".encode("cp1252"))
    assert main(["translate", "english", str(path)]) == 2
    said = capsys.readouterr().err
    assert "words.txt:2: not UTF-8" in said and "iconv -f CP1252 -t UTF-8" in said
