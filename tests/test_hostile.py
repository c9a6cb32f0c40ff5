"""Files of strangers: a sample of what `make fuzz` tries, and all that was found by it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import sentencepiece

from foveate.errors import BundleError
from foveate.text.tokenizers import SentencepieceTokenizer, learn_sentencepiece
from foveate.text.vocabulary import RESERVED, Vocabulary
from foveate.wire import WireError, read_message, read_number, skip_repeated
from fuzz import try_kept

HERE = Path(__file__).parent
TEXTS = [f"{a}{b} {b}{a}" for a in "abcd" for b in "abcd"]


@pytest.mark.long
def test_models_that_went_wrong_once_are_refused_or_work() -> None:
    kept = list((HERE / "corpus" / "bundles").glob("*.json"))
    call = [sys.executable, HERE / "hostile_bundles.py", "--corpus"]
    ended = subprocess.run(call, capture_output=True, text=True, timeout=110, check=False)
    results = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(results) == len(kept) > 5, ended.stderr
    assert [result for result in results if result["wrong"]] == []


@pytest.mark.parametrize(
    "path", sorted((HERE / "corpus" / "calls").glob("*.json")), ids=lambda path: path.stem
)
def test_calls_that_went_wrong_once_end_in_one_line(path: Path, tmp_path: Path) -> None:
    assert try_kept(path, tmp_path)["wrong"] == ""


def test_half_of_a_character_is_no_token() -> None:
    text = "".join(f"{token}\n" for token in (*RESERVED, "a", "\\ud800"))
    with pytest.raises(BundleError, match=r"line 6: .*half of a character"):
        Vocabulary.from_text(text)


def test_a_sentencepiece_model_with_a_table_is_refused() -> None:
    """It is data that the library follows without looking where it leads."""
    assert learn_sentencepiece(TEXTS, "unigram", 24, 1).split("ab") != []
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=model,
        model_type="unigram",
        vocab_size=24,
        hard_vocab_limit=False,
        minloglevel=2,
        normalization_rule_name="nmt_nfkc",
    )
    with pytest.raises(BundleError, match="not a sentencepiece model"):
        SentencepieceTokenizer(model.getvalue(), "unigram")


def test_a_subword_that_is_not_utf8_is_refused() -> None:
    good = learn_sentencepiece(TEXTS, "unigram", 24, 1).model_bytes
    blank = "\N{LOWER ONE EIGHTH BLOCK}".encode()
    assert blank in good
    with pytest.raises(BundleError, match="not a sentencepiece model"):
        SentencepieceTokenizer(good.replace(blank, b"\xe2\x28\xa1"), "unigram")


def test_the_wire_format_is_read_as_it_is_defined() -> None:
    data = bytes([0x08, 0xAC, 0x02, 0x12, 2, 65, 66, 0x1D, 1, 2, 3, 4, 0xA0, 1, 7])
    known = {0x08: False, 0x12: True, 0x1D: False, 0xA0: False}
    found = read_message(data, (0, len(data)), known, "test")
    assert found[0x08] == [(300, 3)]
    assert data[slice(*found[0x12][0])] == b"AB"
    assert data[slice(*found[0x1D][0])] == bytes([1, 2, 3, 4])
    assert found[0xA0] == [(7, len(data))]
    for end in range(1, len(data)):
        if end not in (3, 7, 12):
            with pytest.raises(WireError, match="cut off"):
                read_message(data[:end], (0, end), known, "test")
    for bad, problem in ((data + data, "twice"), (bytes([0x22, 0]), "a field 4 of kind 2")):
        with pytest.raises(WireError, match=problem):
            read_message(bad, (0, len(bad)), known, "test")
    with pytest.raises(WireError, match="64 bits"):
        read_number(b"\xff" * 20, 0)
    pieces = bytes([0x0A, 1, 65]) + bytes([0x0A, 0x80, 1]) + b"x" * 128
    assert skip_repeated(pieces + bytes([0x12, 0]), 0x0A) == len(pieces)
