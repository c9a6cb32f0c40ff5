"""Files as they are in the field: each row of this table is what somebody once brought.

The contents are made up here, in the form that such files have. `check --rules-only` reads
each: a status of 0 with so many pairs, or 2 with a message that says what to type.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from foveate.cli import main
from foveate.data.encodings import list_encodings
from foveate.data.readers import read_pairs
from foveate.errors import DataError
from foveate.text.cleaning import clean_source, find_case

SENTENCES = [
    (f"The {animal} sees a {thing}.", f"Das {tier} sieht ein {ding}.")
    for animal, tier in (("sheep", "Schaf"), ("horse", "Pferd"), ("pig", "Schwein"))
    for thing, ding in (("wheel", "Rad"), ("book", "Buch"), ("boat", "Boot"), ("knife", "Messer"))
]
SOUNDS = {"b": "B", "d": "D", "l": "L", "m": "M", "t": "T", "a": "AA1", "e": "EH0", "i": "IY1"}
LEXICON = [
    (word, " ".join(SOUNDS[letter] for letter in word))
    for word in ("balde", "dalim", "metal", "dilema", "tamila", "lamed", "bildat", "mitale")
]
FORMS = [("cantar", "canto", "V;IND;PRS;1;SG"), ("cantar", "cantas", "V;IND;PRS;2;SG")]
FORMS += [(s.replace("c", "l"), t.replace("c", "l"), tags) for s, t, tags in FORMS]


def rows(*columns: object, separator: str = "\t") -> str:
    return separator.join(map(str, columns)) + "\n"


def tmx(units: list[tuple[str, str]]) -> str:
    body = "".join(
        f'<tu><tuv xml:lang="en"><seg>{s}</seg></tuv><tuv xml:lang="de"><seg>{t}</seg></tuv></tu>\n'
        for s, t in units
    )
    return f'<?xml version="1.0"?>\n<tmx version="1.4"><header/><body>\n{body}</body></tmx>\n'


def xliff(units: list[tuple[str, str]]) -> str:
    body = "".join(
        f'<unit id="u{n}"><segment><source>{s}</source><target>{t}</target></segment></unit>\n'
        for n, (s, t) in enumerate(units)
    )
    return (
        '<?xml version="1.0"?>\n<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" '
        f'version="2.0"><file id="f">\n{body}</file></xliff>\n'
    )


# Where each input that was once read wrongly has its tests; the numbers are those of a list of
# such inputs, and forms stand below.
ROWS = {
    1: {"test_cases.py": ["index.csv", "many.csv", "id.csv", "leipzig.txt", "r.tsv", "voice.tsv"]},
    2: {"test_cases.py": ["unimorph", "tatoeba.tsv", "anki.txt", "mfa.dict", "norm.tsv"]},
    3: {"test_cases.py": ["cmu", "cmu.dict", "cmu07", "kaldi.txt", "julius.htkdic"]},
    4: {"test_cases.py": ["memory.tmx", "named.xml", "csv.txt", "excel.csv", "array.json"]},
    6: {"test_cases.py": ["lines.jsonl", "nested.txt", "pandas.json", "chat.jsonl"]},
    7: {"test_readers.py": ["test_parquet_lists_of_targets_are_several_pairs"]},
    8: {
        "test_cases.py": [
            "test_dev_equal_to_training_is_told_with_a_true_interval",
            "test_what_is_held_out_is_counted_in_sources",
        ]
    },
    9: {"test_cases.py": ["test_words_have_no_bleu"]},
    10: {"test_cases.py": ["test_other_pairs_do_not_resume_a_run"]},
    11: {
        "test_cases.py": ["blank.csv"],
        "test_readers.py": ["test_blank_rows_are_skipped_in_every_format"],
    },
    12: {
        "test_translator.py": ["test_the_command_asks_about_a_file_of_pairs"],
        "test_cases.py": ["test_input_unlike_training_is_told"],
    },
    14: {"test_cases.py": ["test_words_that_were_never_seen_are_copied"]},
    17: {"test_cases.py": ["test_the_rows_of_n_best_are_sorted_by_what_is_shown"]},
    19: {"test_cases.py": ["test_a_picture_with_boxes_says_so"]},
    20: {"test_cases.py": ["test_a_line_far_longer_than_in_training_is_cut"]},
    21: {"test_cases.py": ["test_worse_than_the_sources_as_they_are_is_told"]},
    23: {"test_cases.py": ["test_right_by_source_and_by_row_have_their_names"]},
    24: {"test_cases.py": ["test_calls_of_other_toolkits_lead_to_ours"]},
}


def test_every_row_has_its_tests() -> None:
    forms = {form.name for form in [*THIRTY, *MORE, *KINDS]}
    for row, places in ROWS.items():
        for name, tests in places.items():
            text = (Path(__file__).parent / name).read_text(encoding="utf-8")
            for test in tests:
                assert test in forms or f"\ndef {test}(" in text, (row, test)


@dataclass(frozen=True)
class Form:
    """A file, how many pairs it has (None: it is refused), and what is said about it."""

    name: str
    content: str | bytes
    pairs: int | None
    said: str = ""
    what: str = ""


S, L = SENTENCES, LEXICON
THIRTY = [
    Form("plain.tsv", "".join(rows(*p) for p in L), 8, what="source TAB target"),
    Form("named.tsv", "word\tpron\n" + "".join(rows(*p) for p in L), 8, "names the columns"),
    Form("counts.tsv", "".join(rows(s, t, 7) for s, t in L), 8, "left out: column 3: numbers"),
    Form("tatoeba.tsv", "".join(rows(n, s, n + 9, t) for n, (s, t) in enumerate(S)), 12, "2 and 4"),
    Form("anki.txt", "".join(rows(s, t, f"CC-BY {n}") for n, (s, t) in enumerate(S)), 12, "CC-BY"),
    Form("mfa.dict", "".join(rows(s, 0.9, 0.1, t) for s, t in L), 8, "columns 1 and 4"),
    Form("unimorph", "".join(rows(*one) for one in FORMS), None, "--columns 1+3,2"),
    Form("ipa.txt", "".join(rows(s, f"/{s}/, /{s}a/") for s, _ in L), 16, "two targets"),
    Form("norm.tsv", "".join(
        rows(k, s, t) + "<eos>\t<eos>\n" for s, t in L * 2 for k in ("A", "B")), 32,
          what="class, word, spoken"),
    Form("moses.txt", "".join(rows(s, t, separator=" ||| ") for s, t in S), 12),
    Form("cmu", ";;; by hand\n" + "".join(f"{s.upper()}  {t}\n" for s, t in L), 8, "dictionary"),
    Form("cmu.dict", "# by hand\nbalde(2) B AA0 L D\n" + "".join(f"{s} {t}\n" for s, t in L), 9),
    Form("lexiconp.txt", "".join(f"{s} 0.5 {t}\n" for s, t in L), 8, "1 number behind every word"),
    Form("names.csv", "source,target\n" + "".join(rows(*p, separator=",") for p in L), 8),
    Form("index.csv", ",en,de\n" + "".join(f"{n},{s},{t}\n" for n, (s, t) in enumerate(S)), 12),
    Form("excel.csv", "sep=;\nen;de\n" + "".join(f"{s};{t}\n" for s, t in S), 12),
    Form("csv.txt", "src,tgt\n" + "".join(f"{s},{t}\n" for s, t in S), 12),
    Form("many.csv", "id,a,b,c\n" + "".join(f"{n},{s},{t},{s}!\n" for n, (s, t) in enumerate(S)),
         None, "--columns a,b"),
    Form("headless.csv", "".join(f"{s},{t}\n" for s, t in S), 12, "names no columns"),
    Form("speech.csv", "".join(f"LJ{n}|{s}|{t}\n" for n, (s, t) in enumerate(S)), 12, "2 and 3"),
    Form("lines.jsonl", "".join(json.dumps({"en": s, "de": t}) + "\n" for s, t in S), 12, "'en'"),
    Form("nested.txt", "".join(json.dumps({"t": {"en": s, "de": t}}) + "\n" for s, t in S), 12),
    Form("array.json", json.dumps([{"q": s, "a": t, "n": 1} for s, t in S]), 12, "'q' and 'a'"),
    Form("pretty.json", json.dumps({"data": [{"q": s, "a": t} for s, t in S]}, indent=1), 12),
    Form("mapping.json", json.dumps({s: [t, "x"] for s, t in S}), 24, "keys are sources"),
    Form("memory.tmx", tmx(S), 12, "'en' and 'de'"),
    Form("named.xml", xliff(S), 12),
    Form("latin1.tsv", "".join(rows(s, t + " äußern") for s, t in S).encode("cp1252"), None,
         "iconv -f CP1252 -t UTF-8"),
    Form("equals.txt", "".join(f"{s} = {t}\n" for s, t in S), None,
         r"sed -E 's/ *= */\t/'"),
    Form("lfs.tsv", "version https://git-lfs.github.com/spec/v1\noid x\n", None, "git lfs pull"),
]  # fmt: skip
MORE = [
    Form("ud.tsv", "".join(rows(s, f"Case={t[0]}|Number=Sing", t) for s, t in L), None, "1+2,3"),
    Form("tabs.csv", "id\tsource\ttarget\n" + "".join(rows("x1", s, t) for s, t in L), 8),
    Form("uuid.jsonl", "".join(
        json.dumps({"pair_id": f"p{n}", "x": s, "y": t, "lang": "de"}) + "\n"
        for n, (s, t) in enumerate(S)), 12, "left out: pair_id: ids"),
    Form("cut.tmx", tmx(S)[:-60], None, "ends too early"),
    Form("page.tsv", "<!DOCTYPE html>\n<html></html>\n", None, "web page"),
    Form("de.po", 'msgid "cat"\nmsgstr "Katze"\n' * 4, None, "gettext"),
    Form("polish.tsv", "".join(rows(s, "żółw idzie ścieżką") for s, _ in S).encode("cp1250"), None,
         "CP1250"),
    Form("russian.tsv", "".join(rows(s, "я иду") for s, _ in S).encode("cp1251"), None, "CP1251"),
    Form("bars.txt", "".join(f"{s} ||| {t} ||| 1-1\n" for s, t in S), 12, "left out: column 3"),
    Form("blank.csv", "source,target\na,b\n\n,\nc,d\n", 2),
    Form("ndjson", "".join(json.dumps([s, t]) + "\n" for s, t in S), 12, "'1' and '2'"),
]  # fmt: skip


P = [(s, "".join(filter(str.isalpha, t.lower()))) for s, t in L]  # words
KINDS = [
    # Columns: numbers of rows, ids, labels, names of columns of several kinds.
    Form("r.tsv", "orig\tnorm\n" + "".join(rows(n, s, t) for n, (s, t) in enumerate(P, 1)), 8,
         "'orig' and 'norm'"),
    Form("r.csv", '"orig";"norm"\n' + "".join(
        f'"{n}";"{s}";"{t}"\n' for n, (s, t) in enumerate(P, 1)), 8, "'orig' and 'norm'"),
    Form("id.csv", "id,sentence\n" + "".join(f"{n},{s}\n" for n, (s, _) in enumerate(S)), None,
         "id: numbers of rows"),
    Form("leipzig.txt", "".join(rows(n, s) for n, (s, _) in enumerate(S)), None, "--columns 1,2"),
    Form("links.tsv", "".join(rows(1276 + n * n, 77 * n) for n in range(9)), None, "numbers"),
    Form("voice.tsv", "path\tsentence\ttranslation\tclient_id\n" + "".join(
        rows(f"a_{n}.mp3", s, t, f"{n:064x}") for n, (s, t) in enumerate(S)), 12, "'sentence'"),
    Form("split.tsv", "split\ten\tde\n" + "".join(
        rows("dev" if n % 3 else "train", s, t) for n, (s, t) in enumerate(S)), None,
         "split: one of a few words"),
    Form("codes.tsv", "".join(rows("eng", s, "deu", t) for s, t in S), 12, "2 and 4"),
    Form("opus.tsv", "".join(
        rows(f"en/{n}.xml", f"de/{n}.xml", s, t) for n, (s, t) in enumerate(S)), 12, "3 and 4"),
    Form("scores.txt", "".join(f"{s} ||| {t} ||| 0.5 0.{n} ||| 0-0 1-1\n"
                               for n, (s, t) in enumerate(S)), 12, "1 and 2"),
    Form("anki2.txt", "#separator:tab\n#html:false\n" + "".join(rows(*p) for p in S), 12,
         "2 lines of comment"),
    Form("plain.csv", "".join(f"{s},{s}ed\n" for s, _ in L), 8, "names no columns"),
    # Dictionaries.
    Form("kaldi.txt", "<eps> SIL\n!SIL SIL\n<UNK> SPN\n" + "".join(f"{s} {t}\n" for s, t in L), 8,
         "3 rows for noise"),
    Form("cmu07", ";;; by hand\n\"CLOSE-QUOTE  K L OW1 Z\n" + "".join(
        f"{s.upper()}  {t}\n{s.upper()}(1)  {t} S\n" for s, t in L), 17, "dictionary"),
    Form("julius.htkdic", "".join(f"{s} [{s}] {t.lower()}\n" for s, t in L), 8, "dictionary"),
    Form("lexp.txt", "".join(f"{s} 0.9 0.12 1.1 0.98 {t}\n" for s, t in L), 8, "4 numbers"),
    Form("brackets.txt", "".join(rows(s, f"[{s}a]") for s, _ in L), 8, "brackets around"),
    Form("ipa.csv", "".join(f'{s},"/{s}/, /{s}a/"\n' for s, _ in L), 16, "two targets"),
    Form("ipa.json", json.dumps({"sw": [{f"{s}{n}": f"/{s}/" for s, _ in L for n in "ab"}]}), 16,
         "keys are sources"),
    Form("festival.scm", "".join(f'("{s}" n ((({t}) 1)))\n' for s, t in L), None, "Festival"),
    Form("barred.txt", "".join(f"{s}|{t}\n" for s, t in L), None, r"sed -E 's/ *\| */\t/'"),
    Form("celex.cd", "".join(f"{n}\\{s}\\{t}\n" for n, (s, t) in enumerate(L)), None, "tr '"),
    # Objects.
    Form("lists.json", json.dumps({"en": [s for s, _ in S], "de": [t for _, t in S]}), 12, "'de'"),
    Form("pandas.json", json.dumps({"en": {str(n): s for n, (s, _) in enumerate(S)},
                                    "de": {str(n): t for n, (_, t) in enumerate(S)}}), 12, "'de'"),
    Form("named.json", json.dumps({f"s{n}": {"en": s, "de": t} for n, (s, t) in enumerate(S)}), 12,
         "'en' and 'de'"),
    Form("behind.json", "".join(json.dumps({"en": s, "de": t}, indent=1) + "\n" for s, t in S), 12),
    Form("chat.jsonl", "".join(json.dumps({"messages": [
        {"role": "user", "content": s}, {"role": "assistant", "content": t}]}) + "\n"
        for s, t in S), 12, "'messages.1.content'"),
    Form("label.jsonl", "".join(json.dumps({"text": s, "label": n % 2}) + "\n"
                                for n, (s, _) in enumerate(S)), None, "label: numbers"),
    Form("lists.jsonl", "".join(json.dumps({"w": s, "p": [t, t + " S"], "c": ["n"]}) + "\n"
                                for s, t in L), 16, "left out: c: always the same"),
    # XML.
    Form("regions.tmx", "".join(
        part if n % 2 else part.replace('"en"', '"en-GB"').replace('"de"', '"DE"')
        for n, part in enumerate(tmx(S).splitlines(keepends=True))), 12, "without their regions"),
    Form("pls.xml", '<?xml version="1.0"?>\n<lexicon version="1.0">\n' + "".join(
        f"<lexeme><grapheme>{s}</grapheme><phoneme>{t}</phoneme></lexeme>\n" for s, t in L)
        + "</lexicon>", 8),
    Form("de.ts", '<?xml version="1.0"?>\n<!DOCTYPE TS>\n<TS version="2.1"><context>\n' + "".join(
        f"<message><source>{s}</source><translation>{t}</translation></message>\n"
        for s, t in S) + "</context></TS>", 12),
    Form("latin1.tmx", tmx([(s, "Größe und Höhe") for s, _ in S]).encode("cp1252"), None,
         "iconv -f CP1252"),
    # Texts of other kinds.
    Form("wide.tsv", "".join(rows(*p) for p in S).encode("utf-16"), None,
         "iconv -f UTF-16 -t UTF-8"),
    Form("wide2.tsv", "".join(rows(*p) for p in S).encode("utf-16-le"), None, "UTF-16LE"),
    Form("old.xls", b"\xd0\xcf\x11\xe0" + bytes(99), None, "older office program"),
    Form("table.md", "| en | de |\n|---|---|\n" + "".join(f"| {s} | {t} |\n" for s, t in S), None,
         "Markdown"),
    Form("a.m2", "".join(f"S {s}\nA 1 2|||R|||x|||REQUIRED|||-NONE-|||0\n\n" for s, _ in S), None,
         "corrections"),
    Form("a.yml", "".join(f"- source: {s}\n  target: {t}\n" for s, t in P), None, "yq "),
    Form("map.yml", "".join(f"{s}: {t}\n" for s, t in P), None, r"sed -E 's/ *: */\t/'"),
    Form("a.properties", "".join(f"{s}={t}\n" for s, t in P), None, r"sed -E 's/ *= */\t/'"),
    Form("twos.txt", "".join(f"{s}\n{t}\n\n" for s, t in S), None, "paste - -"),
    Form("bare.txt", "".join(f"{s}|||{t}\n" for s, t in P), None, r"\|\|\|"),
]  # fmt: skip


def run(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main([*map(str, argv)])
    return (status, *capsys.readouterr())


def write(folder: Path, form: Form) -> Path:
    path = folder / form.name
    raw = form.content.encode() if isinstance(form.content, str) else form.content
    path.write_bytes(raw)
    return path


def test_there_are_thirty_forms() -> None:
    assert len({form.name for form in THIRTY}) == 30


def render(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the table of docs/forms.md: each form, its first line, what `check` says."""
    lines = ["| file | a line of it | what is said |", "|---|---|---|"]
    for form in THIRTY:
        path = write(folder, form)
        _, _, err = run(capsys, "check", path, "--rules-only")
        said = [line for line in err.replace(f"{folder}/", "").splitlines() if "Look" not in line]
        raw = path.read_bytes().decode("utf-8", "replace").splitlines()
        cells = (form.name, _shorten(raw[min(2, len(raw) - 1)], 60), " ".join(map(str.strip, said)))
        shown = [cell.replace("|", "\\|").replace("\t", "⇥") for cell in cells]
        code = "``" if "`" in shown[1] else "`"
        lines.append(f"| `{shown[0]}` | {code}{shown[1]}{code} | {shown[2]} |")
    return "\n".join(lines).replace("foveate: error: ", "**refused:** ") + "\n"


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


@pytest.mark.long
def test_the_page_of_forms_shows_what_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With FOVEATE_WRITE_DOCS=1 the table is written anew."""
    page = Path(__file__).parent.parent / "docs" / "forms.md"
    table = render(tmp_path, capsys)
    head, _, _ = page.read_text(encoding="utf-8").partition("| file |")
    if os.environ.get("FOVEATE_WRITE_DOCS"):
        page.write_text(head + table, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == head + table


@pytest.mark.parametrize("form", [*THIRTY, *MORE, *KINDS], ids=lambda form: form.name)
def test_form(form: Form, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "check", write(tmp_path, form), "--rules-only")
    if form.name == "norm.tsv":  # the class of a word could be meant: it is asked about
        assert status == 2 and "--columns 2,3" in err
        status, _, err = run(
            capsys, "check", tmp_path / form.name, "--rules-only", "--columns", "2,3"
        )
        assert f"{form.pairs:,} pairs" in err
        return
    assert status == (2 if form.pairs is None else 0), err
    if form.pairs is not None:
        assert f"\n{form.pairs:,} pairs, " in "\n" + err
    assert form.said in err
    assert "cut -f1,2" not in err
    if b"\xe4" in write(tmp_path, form).read_bytes() and form.pairs is None:
        assert "--skip-bad" not in err


def test_what_is_read_is_what_stands_there(tmp_path: Path) -> None:
    for form in THIRTY:
        if form.pairs is None or form.name == "norm.tsv":
            continue
        pairs = [(pair.source, pair.target) for pair in read_pairs(write(tmp_path, form))]
        known = {*S, *L, *((s.upper(), t) for s, t in L), *((s, "x") for s, _ in S)}
        known |= {(s, s) for s, _ in L} | {(s, f"{s}a") for s, _ in L} | {("balde", "B AA0 L D")}
        assert set(pairs) <= known, form.name
        assert len(pairs) == form.pairs


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("1+3,2", ("cantar <V><IND><PRS><1><SG>", "canto")),
        ("2,1", ("canto", "cantar")),
        ("3+1,2", ("<V><IND><PRS><1><SG> cantar", "canto")),
    ],
)
def test_columns_are_taken_as_asked(tmp_path: Path, asked: str, first: tuple[str, str]) -> None:
    path = write(tmp_path, next(form for form in THIRTY if form.name == "unimorph"))
    pair = next(read_pairs(path, columns=asked))
    assert (pair.source, pair.target) == first


def test_columns_by_name_and_path_in_every_form(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    records = [{"n": n, "t": {"en": s, "de": t}} for n, (s, t) in enumerate(S)]
    parquet.write_table(pyarrow.Table.from_pylist(records), tmp_path / "a.parquet")
    (tmp_path / "a.json").write_text(json.dumps(records))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    (tmp_path / "a.csv").write_text("n,t.en,t.de\n" + "".join(f"1,{s},{t}\n" for s, t in S))
    (tmp_path / "a.tsv").write_text("n\tt.en\tt.de\n" + "".join(rows(1, s, t) for s, t in S))
    (tmp_path / "a.tmx").write_text(tmx(S).replace('"en"', '"t.en"').replace('"de"', '"t.de"'))
    for suffix in ("parquet", "json", "jsonl", "csv", "tsv", "tmx"):
        pairs = read_pairs(tmp_path / f"a.{suffix}", columns="t.de,t.en")
        assert [(pair.target, pair.source) for pair in pairs] == S, suffix
        with pytest.raises(DataError, match=r"no column 't\.fr'"):
            list(read_pairs(tmp_path / f"a.{suffix}", columns="t.en,t.fr"))


def test_entities_of_an_xml_file_are_not_expanded(tmp_path: Path) -> None:
    lol = '<!DOCTYPE tmx [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>'
    path = tmp_path / "a.tmx"
    path.write_text(tmx([("x", "&b;")]).replace("\n<tmx", f"\n{lol}\n<tmx"))
    with pytest.raises(DataError, match="entities of its own"):
        list(read_pairs(path))


def test_a_plain_doctype_of_a_tmx_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    path.write_text(tmx(S).replace("\n<tmx", '\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx'))
    assert len(list(read_pairs(path))) == 12


def test_codes_within_a_segment_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    path.write_text(tmx([('<bpt i="1">{b}</bpt>A <hi>cat</hi><ept i="1"/>.', "Eine Katze.")]))
    assert [(p.source, p.target) for p in read_pairs(path)] == [("A cat.", "Eine Katze.")]


SENTENCES_OF = {  # one encoding fits a few sentences
    "cp1252": ("Ich äußere mich über Wärme", "mañana será otro día"),
    "cp1250": ("žluťoučký kůň úpěl", "zażółć gęślą jaźń"),
    "cp1251": ("Она читает книгу", "Где вокзал?"),
    "koi8_r": ("Она читает книгу", "Где вокзал?"),
    "cp866": ("Она читает книгу", "Где вокзал?"),
    "cp1253": ("Το τρένο άργησε πάλι", "Άνοιξε το παράθυρο"),
    "cp1254": ("Pencereyi açın, güneş doğdu", "yağmur yağıyor"),
    "cp1257": ("kavējās šodien lūdzu", "žąsis skrenda į pietus"),
    "cp1255": ("הרכבת שוב איחרה", "פתח את החלון"),
    "cp1256": ("تأخر القطار مرة أخرى", "افتح النافذة"),
    "cp874": ("รถไฟมาสายอีกแล้ว", "กรุณาเปิดหน้าต่าง"),
    "cp932": ("私は学校へ行く。", "窓を開けてください"),
    "euc_jp": ("私は学校へ行くのです。", "窓を開けてください"),
    "gb18030": ("他每天晚上回家。", "我的哥哥会拉小提琴。"),
    "big5": ("他每天晚上回家。", "我的哥哥會拉小提琴。"),
    "cp949": ("창문을 열어 주세요", "기차가 또 늦었다"),
    "mac_roman": ("Ich äußere mich über Wärme", "Größe und Höhe"),
    "cp850": ("Ich äußere mich über Wärme", "Größe und Höhe"),
}
WORDS_OF = {  # several fit a word; the right one is among those that are named
    "cp1252": ("größe", "mañana", "æble"),
    "cp1250": ("żółw\tzolw", "šílený kůň", "mačka", "őrült"),
    "cp1251": ("да", "книга", "Київ"),
    "koi8_r": ("мир\tmir", "поезд"),
    "cp866": ("мир", "кошка"),
    "cp1253": ("καλημέρα", "γάτα"),
    "cp1254": ("şeker ağaç", "İstanbul"),
    "cp1255": ("שלום",),
    "cp1256": ("كتاب",),
    "cp1257": ("žąsis", "ēka"),
    "cp874": ("แมว", "สวัสดี"),
    "cp932": ("学校へ", "猫"),
    "euc_jp": ("東京都", "ねこ"),
    "gb18030": ("你好", "猫"),
    "big5": ("貓", "你好"),
    "cp949": ("학교", "고양이"),
    "cp437": ("mañana", "über"),
    "mac_roman": ("größe", "garçon"),
}


@pytest.mark.parametrize("encoding", SENTENCES_OF)
def test_the_encoding_of_sentences_is_named_first(encoding: str) -> None:
    texts = SENTENCES_OF[encoding]
    name, shown = list_encodings([text.encode(encoding) for text in texts])[0]
    assert b"".join(text.encode(encoding) for text in texts).decode(name) == "".join(texts)
    assert shown in texts[0]


@pytest.mark.parametrize("encoding", WORDS_OF)
def test_the_encoding_of_a_word_is_among_those_that_are_named(encoding: str) -> None:
    for text in WORDS_OF[encoding]:
        found = list_encodings([b"plain", text.encode(encoding)])
        assert text.replace("\t", " ") in [shown for _, shown in found] and len(found) <= 4


def test_the_letter_in_question_is_shown() -> None:
    line = "The sheep sees a wheel, and a book behind it\tDas Schaf hört auf".encode("cp1252")
    ((name, shown),) = list_encodings([line] * 5)
    assert name == "cp1252" and "hört" in shown


def test_several_encodings_are_listed_with_a_line_each(tmp_path: Path) -> None:
    (tmp_path / "few.tsv").write_bytes("mačka\tmacka\nkot\tkot\n".encode("cp1250"))
    with pytest.raises(DataError, match="several encodings fit") as caught:
        list(read_pairs(tmp_path / "few.tsv"))
    said = str(caught.value)
    assert "\n  CP1250: 'mačka macka'" in said and "\n  CP1252: 'maèka macka'" in said
    assert "iconv -f " in said.splitlines()[-1]


def test_skip_bad_does_not_drop_a_whole_language(tmp_path: Path) -> None:
    form = next(form for form in THIRTY if form.name == "latin1.tsv")
    with pytest.raises(DataError, match="iconv"):
        list(read_pairs(write(tmp_path, form), skip_bad=True))


def test_skip_bad_that_drops_much_says_so_loudly(tmp_path: Path) -> None:
    notes: list[str] = []
    (tmp_path / "a.tsv").write_text("a\tb\n" * 9 + "c\n")
    assert len(list(read_pairs(tmp_path / "a.tsv", skip_bad=True, report=notes.append))) == 9
    assert notes[0].startswith("WARNING: 10% of the rows are lost.")


def test_a_flag_is_called_by_its_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path, THIRTY[0])
    _, _, err = run(capsys, "train", path, "--out", tmp_path / "m", "--minutes", "0")
    assert "--minutes: " in err
    _, _, err = run(capsys, "train", path, "--out", tmp_path / "m", "--lr", "1")
    assert "--learning-rate" in err


def test_check_lists_left_overs_only_and_cleans_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, page, clean = (tmp_path / name for name in ("a.tsv", "page.html", "clean.tsv"))
    odd = ["R&amp;B\tx\n", "a\u200bb\ty\n", " c\tz\n", "read(2)\tw\n", "source\ttarget\n"]
    path.write_text("".join(rows(*pair) for pair in L) + "".join(odd) + rows(*L[0]))
    status, out, err = run(capsys, "check", path, "--rules-only")
    assert status == 0
    assert sorted(line.split("\t")[1] for line in out.splitlines()[1:]) == [
        "10",
        "11",
        "12",
        "13",
        "9",
    ]
    for what in ("&amp; in the source", "U+200B", "blanks around", "names the columns"):
        assert what in out
    assert "For the record: 1 that repeat a pair" in err
    status, _, _ = run(capsys, "check", path, "--rules-only", "--out", page, "--clean", clean)
    assert status == 0
    cleaned = [*L, ("R&B", "x"), ("ab", "y"), ("c", "z"), ("read", "w"), L[0]]
    assert clean.read_text().splitlines() == ["\t".join(pair) for pair in cleaned]
    text = page.read_text()
    data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    assert len(data["rows"]) == 5 and len(data["pairs"]) == 14
    assert "http" not in text.replace("https://", "")


def test_the_case_of_the_training_is_found_and_read() -> None:
    assert find_case(source for source, _ in L) == "lower"
    assert find_case(source.upper() for source, _ in L) == "upper"
    assert find_case(source for source, _ in S) == "keep"
    assert clean_source(" HELLO\u200b", frozenset("helo"), "lower") == "hello"


def test_input_unlike_training_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the model that comes along, which knows lower case alone."""
    path = tmp_path / "words.txt"
    path.write_text(
        "\ufeffhello\nHello\n hello\nhello \nhel\u200blo\n   \nпривет\nмир\ncaf\u00e9\n"
    )
    status, out, err = run(capsys, "translate", "english", path)
    assert status == 0
    assert out.splitlines()[:6] == ["HH AH L OW"] * 5 + [""]
    assert "1 of 9 lines were read in lower case" in err
    assert "3 of 9 lines have source tokens that were not seen in training" in err
    assert "'р' in 2" in err and "(in lines): Cyrillic in 2:" in err and "'é' in 1" in err


@pytest.mark.parametrize("name", ["barred.txt", "celex.cd", "table.md", "festival.scm", "map.yml"])
def test_the_call_that_is_named_makes_pairs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = write(tmp_path, next(form for form in KINDS if form.name == name))
    _, _, err = run(capsys, "check", path, "--rules-only")
    call = err[err.index("sed ") if "sed " in err else err.index("tr ") :].strip()
    subprocess.run(["/bin/sh", "-c", call], cwd=tmp_path, check=True)
    columns = "2,3" if name == "celex.cd" else None
    found = [(p.source, p.target) for p in read_pairs(tmp_path / "pairs.tsv", columns=columns)]
    assert set(found) <= {*S, *L, *P} and len(found) >= 8


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("train", "a.en", "a.de"), "two files are one argument: a.en,a.de"),
        (("train", "a.en", "a.de", "--out", "m"), "two files are one argument: a.en,a.de"),
        (("train", "a.en", "--lr", "0.1"), "--learning-rate X"),
        (("train", "a.en", "--epochs", "10"), "--max-updates N, or --minutes X"),
        (("train", "a.en", "--init", "old"), "--init; here it is "),
        (("train", "--train-src", "a.en"), "SOURCE,TARGET as one argument"),
        (("score", "m", "a.en"), "evaluate MODEL PAIRS"),
        (("predict", "m", "a.en"), "foveate translate MODEL FILE"),
        (("preprocess", "a.en"), "prepares the pairs by itself"),
        (("evaluate", "m", "--references", "a.de"), "foveate.measure"),
    ],
)
def test_calls_of_other_toolkits_lead_to_ours(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    call: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.en", "a.de"):
        (tmp_path / name).write_text("x\n")
    status, _, err = run(capsys, *call)
    assert status == 2 and said in err


def test_standard_input_has_any_form(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for content, count in ((tmx(S), 12), (json.dumps([{"a": s, "b": t} for s, t in S]), 12)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
        status, _, err = run(capsys, "check", "-", "--rules-only")
        assert status == 0 and f"{count} pairs" in err


@pytest.mark.slow
def test_words_that_were_never_seen_are_copied(tmp_path: Path) -> None:
    from foveate.config import Config
    from foveate.data.table import PairTable
    from foveate.training.run import train
    from foveate.translator import Translator

    def name(seed: int) -> str:
        return "".join(("Ka", "Mo", "Ri", "Tu", "Be", "So")[seed // 6**n % 6] for n in range(4))

    frames = (
        ("{} sees {}", "{} sieht {}"),
        ("where is {}", "wo ist {}"),
        ("call {}", "rufe {} an"),
    )
    rows = [
        tuple(
            side.format(*(name(7 * n + 5), name(11 * n + 3))[: side.count("{}")]) for side in frame
        )
        for n in range(150)
        for frame in frames
    ]
    table = PairTable.from_texts(*zip(*rows, strict=True))
    told = {"source_tokens": "whitespace", "target_tokens": "whitespace", "hidden_size": 48}
    config = Config(copy=True, max_updates=300, threads=1, seed=1, **told)
    train(table, None, config).translator.save(tmp_path / "model")
    translator = Translator.load(tmp_path / "model", threads=1)
    for source, target in frames[1:]:
        found = translator.translate_one(source.format("Zoltana"))
        assert found.text == target.format("Zoltana")
        assert found.unknown == (len(found.source_tokens) - 1,)
        assert found.source_tokens[-1] == "Zoltana"


def quick(capsys: pytest.CaptureFixture[str], path: Path, *more: str) -> tuple[str, Path]:
    """Train for a few updates; return what is said, and the model."""
    model = path.with_suffix(".model")
    small = ("--hidden-size", "16", "--threads", "1", "--seed", "1")
    updates = () if "--max-updates" in more else ("--max-updates", "2")
    status, out, err = run(capsys, "train", path, "--out", model, *small, *updates, *more)
    assert status == 0, err
    return out + err, model


def test_dev_equal_to_training_is_told_with_a_true_interval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "five.tsv"
    path.write_text("".join(rows(*pair) for pair in L[:5]))
    said, _ = quick(capsys, path)
    assert "dev: the 5 training pairs themselves" in said
    line = next(line for line in said.splitlines() if line.startswith("exact match"))
    # Wilson: 0 of 5
    assert line.split() == ["exact", "match", "0.0", "%", "0.0", "%", "to", "43.4", "%"]


def test_what_is_held_out_is_counted_in_sources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sources.tsv"
    path.write_text("".join(rows(s, f"{t} {n}") for n in range(5) for s, t in L[:4]))
    said, _ = quick(capsys, path)
    assert "dev: 5 pairs held out of the training pairs, of 1 source that no other" in said
    line = next(line for line in said.splitlines() if line.startswith("exact match"))
    # Wilson: 0 of 1
    assert line.split() == ["exact", "match", "0.0", "%", "0.0", "%", "to", "79.3", "%"]


@pytest.mark.long
def test_words_have_no_bleu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("".join(rows(s, t.replace(" ", "").lower()) for s, t in L))
    said, model = quick(capsys, path)
    status, out, _ = run(capsys, "evaluate", model, path, "--threads", "1")
    assert status == 0
    for text in (said, out):
        shown = {line.split("  ")[0] for line in text.splitlines()}
        assert {"exact match", "character error rate"} <= shown
        assert not {"BLEU", "token error rate"} & shown
    phonemes = tmp_path / "phonemes.tsv"
    phonemes.write_text("".join(rows(*pair) for pair in L))
    status, out, _ = run(capsys, "evaluate", model, phonemes, "--threads", "1")
    assert status == 0 and "\nphoneme error rate  " in out and "\nword error rate  " in out
    assert "token error rate  " not in out and "character error rate  " not in out


@pytest.mark.long
def test_other_pairs_do_not_resume_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, other = tmp_path / "part1.tsv", tmp_path / "part2.tsv"
    path.write_text("".join(rows(*pair) for pair in L))
    other.write_text("".join(rows(s + "m", t + " M") for s, t in L))
    _, model = quick(capsys, path)
    told = ("--out", model, "--hidden-size", "16", "--threads", "1", "--seed", "1", "--resume")
    status, _, err = run(capsys, "train", other, *told, "--max-updates", "9")
    assert status == 2 and "begun with other pairs" in err
    status, _, err = run(capsys, "train", path, *told, "--max-updates", "4")
    assert status == 0 and "update 4/4" in err


def test_the_rows_of_n_best_are_sorted_by_what_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("".join(rows(*pair) for pair in L))
    _, model = quick(capsys, path, "--max-updates", "20", "--num-validations", "1")
    path.write_text("balde\n")
    more = ("--n-best", "4", "--format", "tsv", "--threads", "1")
    status, out, _ = run(capsys, "translate", model, path, *more)
    found = [line.split("\t") for line in out.splitlines()]
    assert status == 0 and [row[3] for row in found] == ["1", "2", "3", "4"]
    assert all(len(row) == 6 and row[0] == "balde" for row in found)
    scores = [float(row[2]) for row in found]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.long
def test_a_picture_with_boxes_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.tsv"
    sumerian = str.maketrans("abdeilmt", "".join(chr(0xE0100 + n) for n in range(8)))
    path.write_text("".join(rows(s.translate(sumerian), t) for s, t in L), encoding="utf-8")
    _, model = quick(capsys, path)
    word = "balde".translate(sumerian)
    status, _, err = run(capsys, "attend", model, word, "--out", tmp_path / "x.png")
    assert status == 0 and "no font that matplotlib knows has" in err and ".svg" in err
    status, _, err = run(capsys, "attend", model, word, "--out", tmp_path / "x.svg")
    assert status == 0 and "no font" not in err


def test_a_line_far_longer_than_in_training_is_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("".join(rows(*pair) for pair in L))
    _, model = quick(capsys, path)
    path.write_text("balde" * 300 + "\n")
    status, _, err = run(capsys, "translate", model, path, "--threads", "1")
    assert status == 0 and "line 1: cut to " in err and "--max-source N" in err


def test_worse_than_the_sources_as_they_are_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "same.tsv"
    path.write_text("".join(rows(s * 2, s * 2 + "a") for s, _ in L))
    said, _ = quick(capsys, path)
    assert "worse than leaving the sources as they are: try " in said and "--copy" in said


@pytest.mark.long
def test_right_by_source_and_by_row_have_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two.tsv"
    path.write_text("".join(rows(s, t) for s, t in L))
    _, model = quick(capsys, path)
    path.write_text("balde\n")
    _, out, _ = run(capsys, "translate", model, path, "--threads", "1")
    path.write_text(rows("balde", out.rstrip("\n")) * 3 + rows("balde", "other"))
    status, out, _ = run(capsys, "evaluate", model, path, "--threads", "1")
    assert status == 0 and "1 source, 4 pairs" in out
    shown = {line[:20].rstrip(): line[20:].split()[0] for line in out.splitlines() if "%" in line}
    assert (shown["exact match"], shown["exact match by row"]) == ("100.0", "75.0")
    status, out, _ = run(capsys, "evaluate", model, path, "--threads", "1", "--by-row")
    assert status == 0 and "1 source, 4 pairs" in out
    line = next(line for line in out.splitlines() if line.startswith("exact match "))
    # Wilson with the effective number of one source with four rows: 1
    assert line.split() == ["exact", "match", "75.0", "%", "11.8", "%", "to", "98.5", "%"]
    assert "exact_match|refs:1|interval:wilson-kish|" in out


@pytest.mark.parametrize("cut", [0.5, 0.9])
def test_files_that_end_too_early(tmp_path: Path, cut: float) -> None:
    for name, text in (
        ("a.tmx", tmx(S)),
        ("a.xliff", xliff(S)),
        ("a.json", json.dumps([{"a": s, "b": t} for s, t in S])),
    ):
        path, notes = tmp_path / name, list[str]()
        path.write_text(text[: int(len(text) * cut)])
        with pytest.raises(DataError, match=r"ends too early|broken JSON"):
            list(read_pairs(path))
        if name != "a.json":  # its units before the cut can be had
            kept = [
                (p.source, p.target) for p in read_pairs(path, skip_bad=True, report=notes.append)
            ]
            assert 0 < len(kept) < len(S) and kept == S[: len(kept)]
            assert any("ends too early" in note for note in notes)
