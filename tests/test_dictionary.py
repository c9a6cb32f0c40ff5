"""Dictionaries for speech engines, read back by readers that are not ours or are written anew."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from foveate.cli import main
from foveate.data.readers import read_pairs
from foveate.dictionary import PLS_NAMESPACE, Dictionary, DictionaryForm
from foveate.records import Translation

XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def said(*pronunciations: str, tokens: list[str] | None = None) -> Translation:
    """Return a translation whose n best are given."""
    first, *others = pronunciations
    more = [Translation([], other.split(), other, -1.0) for other in others]
    return Translation([], tokens or first.split(), first, -0.5, alternatives=more)


def write(form: DictionaryForm, rows: list[tuple[str, Translation]], kind: str, **more: str) -> str:
    phonemes = {token for _, found in rows for token in found.tokens}
    dictionary = Dictionary(form, kind, phonemes, **more)
    entries = [entry for word, found in rows for entry in dictionary.add(word, found)]
    return "".join([dictionary.begin(), *entries, dictionary.end()])


def read_scheme(text: str) -> list[object]:
    """Return S-expressions as nested lists, by the rules of Scheme."""
    stack: list[list[object]] = [[]]
    for quoted, mark in re.findall(r'"((?:[^"\\]|\\.)*)"|([()]|[^\s()"]+)', text):
        if mark == "(":
            stack.append([])
        elif mark == ")":
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(mark or re.sub(r"\\(.)", r"\1", quoted))
    return stack[0]


def test_a_lexicon_is_read_by_our_own_reader_of_dictionaries(tmp_path: Path) -> None:
    rows = [("cat", said("K AE T")), ("record", said("R EH K ER D", "R IH K AO R D"))]
    file = tmp_path / "lexicon.txt"
    file.write_text(write("lexicon", rows, "whitespace"), encoding="utf-8")
    pairs = [(pair.source, pair.target) for pair in read_pairs(str(file))]
    assert pairs == [("cat", "K AE T"), ("record", "R EH K ER D"), ("record", "R IH K AO R D")]


def test_festival_reads_words_and_phonemes_with_marks_of_its_language() -> None:
    rows = [('say "a\\b"', said("s ei: @")), ("it's", said("i t' s_("))]
    text = write("festival", rows, "whitespace")
    assert read_scheme(text) == [
        ['say "a\\b"', "nil", ["s", "ei:", "@"]],
        ["it's", "nil", ["i", "t'", "s_("]],
    ]


def test_a_pls_is_xml_that_names_its_alphabet_and_language() -> None:
    rows = [("R&D", said("aɹən<", tokens=["a", "ɹ", "ə", "n", "<"])), ("at", said("æt"))]
    root = ElementTree.fromstring(write("pls", rows, "characters", language="en-GB"))
    assert root.tag == f"{{{PLS_NAMESPACE}}}lexicon"
    assert root.attrib == {"version": "1.0", "alphabet": "x-foveate", XML_LANGUAGE: "en-GB"}
    words = [item.text for item in root.iter(f"{{{PLS_NAMESPACE}}}grapheme")]
    assert words == ["R&D", "at"]
    (first, *_) = root.iter(f"{{{PLS_NAMESPACE}}}phoneme")
    assert first.text == "a ɹ ə n <"


def test_phonemes_of_the_ipa_stand_side_by_side() -> None:
    root = ElementTree.fromstring(write("pls", [("church", said("tʃ ɜː tʃ"))], "whitespace"))
    assert root.attrib["alphabet"] == "ipa"
    assert [item.text for item in root.iter(f"{{{PLS_NAMESPACE}}}phoneme")] == ["tʃɜːtʃ"]


def test_what_has_no_entry_is_counted_by_its_reason() -> None:
    dictionary = Dictionary("lexicon", "whitespace")
    words = ["cat", "cat", "two cats", "", "dog"]
    outputs = ["K AE T", "K AE T", "T UW", "N", ""]
    found = [dictionary.add(word, said(text)) for word, text in zip(words, outputs, strict=True)]
    assert found == [["cat\tK AE T\n"], [], [], [], []]
    assert dictionary.left_out == {
        "words that stood before": 1,
        "words with a blank": 1,
        "empty lines": 1,
        "words without an output": 1,
    }


@pytest.mark.parametrize("form", ["lexicon", "festival", "pls"])
def test_the_command_writes_a_dictionary(
    form: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words, out = tmp_path / "words.txt", tmp_path / "dictionary"
    words.write_text("knight\nphone\nknight\n", encoding="utf-8")
    assert main(["translate", "english", str(words), "--format", form, "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert text.count("knight") == 1
    assert re.search(r"N AY T\b", text)
    assert "words that stood before (1)" in capfd.readouterr().err


def test_parts_and_dictionaries_do_not_go_together(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", "english", "w", "-o", "o", "--format", "pls", "--resume"]) == 2
    assert "--resume" in capfd.readouterr().err
