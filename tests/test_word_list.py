"""The list of target words: how it ranks, when it is carried, and what the doors do with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.bundle import Decoding
from foveate.cli import main
from foveate.config import build_config
from foveate.data.readers import read_words
from foveate.data.table import PairTable
from foveate.errors import BundleError
from foveate.estimator import Seq2Seq
from foveate.export import export_bundle
from foveate.records import Sampling, Translation
from foveate.text.word_list import WordList
from foveate.training.ensemble import train_models
from foveate.training.run import train
from foveate.training.words import fit_words
from foveate.translator import Translator
from test_memory import exchange_file

SOURCES = [f"{a}{b}{c}" for a in "abc" for b in "xyz" for c in "pq"]
OPTIONS = {"max_updates": 30, "hidden_size": 16, "memory": False, "threads": 1}


@pytest.fixture(scope="module")
def translator() -> Translator:
    """A model that is rarely right, and has other ideas."""
    table = PairTable.from_texts(SOURCES, [source[::-1].upper() for source in SOURCES])
    return train(table, table, build_config(OPTIONS)).translator


@pytest.fixture(scope="module")
def thirds(translator: Translator) -> dict[str, str]:
    """For every source the third best output."""
    found = translator.translate(SOURCES, n_best=5)
    return {source: one.alternatives[1].text for source, one in zip(SOURCES, found, strict=True)}


def with_words(translator: Translator, words: WordList | None) -> Translator:
    bundle = translator.bundle
    changed = replace(bundle, decoding=replace(bundle.decoding, words=words))
    return Translator(changed, translator.stepper)


def make(text: str, score: float) -> Translation:
    return Translation([], list(text), text, score)


def test_a_phrase_is_in_the_list_when_all_of_its_words_are() -> None:
    words = WordList.from_words(["ab", "c", "x y"], 1.0)
    assert all(text in words for text in ("ab", "ab c", "c  ab", "x y"))
    assert not any(text in words for text in ("", " ", "x", "ab x", "abc"))


outputs = st.lists(st.tuples(st.sampled_from(["a", "bc", "def"]), st.integers(-9, -1)), max_size=5)


@given(outputs, st.sampled_from([0.0, 1.0]), st.integers(0, 5))
def test_ranks_are_those_of_beam_search_with_a_bonus(
    found: list[tuple[str, int]], penalty: float, bonus: int
) -> None:
    words = WordList.from_words(["bc"], float(bonus))
    ranked = words.rank([make(text, score) for text, score in found], penalty)
    ranks = [
        (one.score + bonus * (len(one.text) + 1) * (one.text == "bc"))
        / (len(one.text) + 1) ** penalty
        for one in ranked
    ]
    assert ranks == sorted(ranks, reverse=True)
    assert sorted((one.text, one.score) for one in ranked) == sorted(found)


@given(outputs, st.permutations(["a", "bc", "def", "g"]), st.sampled_from([0.3, 2.0]))
def test_rare_words_gain_less(
    found: list[tuple[str, int]], order: list[str], rarity: float
) -> None:
    """Phrases of two words each, whose ranks are looked up in the list itself."""
    words = WordList.from_words(order, 1.0, rarity)
    ranked = words.rank([make(f"{text} g", score) for text, score in found], 1.0)
    ranks = []
    for one in ranked:
        length, parts = len(one.text) + 1, one.text.split()
        lost = rarity * sum(np.log(1 + order.index(part)) for part in parts)
        ranks.append((one.score + length - lost) / length)
    assert ranks == pytest.approx(sorted(ranks, reverse=True))
    assert sorted((one.text, one.score) for one in ranked) == sorted(
        (f"{text} g", score) for text, score in found
    )


def test_a_listed_output_comes_before_better_ones(
    translator: Translator, thirds: dict[str, str]
) -> None:
    source = SOURCES[0]
    plain = translator.translate_one(source, n_best=5)
    order = [plain.text, *(other.text for other in plain.alternatives)]
    told = with_words(translator, WordList.from_words([thirds[source]], 50.0))
    best = told.translate_one(source, n_best=4)
    expected = [order[2], order[0], order[1], order[3]]
    assert [best.text, *(other.text for other in best.alternatives)] == expected
    assert best.score == pytest.approx(plain.alternatives[1].score, abs=1e-5)
    np.testing.assert_allclose(best.attention, plain.alternatives[1].attention, atol=1e-5)
    assert told.translate_one(source).alternatives == []
    for options in ({"beam_size": 1}, {"sampling": Sampling()}):  # nothing to choose from
        texts = [one.translate_one(source, **options).text for one in (translator, told)]
        assert texts[0] == texts[1]


def test_the_bonus_is_what_dev_needs(translator: Translator, thirds: dict[str, str]) -> None:
    dev = PairTable.from_texts(SOURCES, list(thirds.values()))
    chosen = fit_words(translator, dev, thirds.values())
    assert chosen is not None and set(chosen.ranks) == set(thirds.values())
    assert chosen.rarity == 0.0  # the values of a dictionary are in no order
    told = with_words(translator, chosen)
    num_right = sum(told.translate_one(s).text == third for s, third in thirds.items())
    assert num_right > 0  # and without the list none is
    weaker = with_words(translator, WordList(chosen.ranks, chosen.bonus - 0.1))
    assert num_right > sum(weaker.translate_one(s).text == third for s, third in thirds.items())


def test_common_words_are_preferred_where_dev_says_so(
    translator: Translator, thirds: dict[str, str]
) -> None:
    """All outputs are listed, so only their ranks can tell them apart."""
    found = translator.translate(SOURCES, n_best=5)
    written = [text for one in found for text in (one.text, *(o.text for o in one.alternatives))]
    dev = PairTable.from_texts(SOURCES, list(thirds.values()))
    others = [text for text in written if text not in set(thirds.values())]
    common_first = [*thirds.values(), *others]
    assert fit_words(translator, dev, set(common_first)) is None
    assert fit_words(translator, dev, [*others, *thirds.values()]) is None
    chosen = fit_words(translator, dev, common_first)
    assert chosen is not None and chosen.rarity > 0
    told = with_words(translator, chosen)
    assert any(told.translate_one(s).text == third for s, third in thirds.items())


def test_a_list_of_no_use_is_left_out(translator: Translator, thirds: dict[str, str]) -> None:
    found = translator.translate(SOURCES)
    dev = PairTable.from_texts(SOURCES, [one.text or "none" for one in found])
    assert fit_words(translator, dev, set(thirds.values())) is None


def test_bundle_and_export_keep_the_words(
    translator: Translator, thirds: dict[str, str], tmp_path: Path
) -> None:
    words = WordList.from_words(thirds.values(), 50.0, 0.7)
    told = with_words(translator, words)
    told.save(tmp_path / "model")
    export_bundle(tmp_path / "model", tmp_path / "small")
    expected = [one.text for one in told.translate(SOURCES)]
    assert expected != [one.text for one in translator.translate(SOURCES)]
    for name in ("model", "small"):
        again = Translator.load(tmp_path / name)
        assert again.bundle.decoding.words == words
        assert [one.text for one in again.translate(SOURCES)] == expected


def test_a_list_without_ranks_of_an_older_bundle_is_read(
    translator: Translator, tmp_path: Path
) -> None:
    with_words(translator, WordList.from_words("ab", 1.0, 0.5)).save(tmp_path / "model")
    exchange_file(tmp_path / "model", "words.json", '{"bonus": 0.5, "words": ["a", "b"]}')
    read = Translator.load(tmp_path / "model").bundle.decoding.words
    assert read == WordList.from_words("ab", 0.5, 0.0)


@pytest.mark.parametrize(
    "content",
    [
        "no",
        "[1]",
        '{"words": ["a"]}',
        '{"bonus": 1, "words": [1]}',
        '{"bonus": 1}',
        '{"bonus": 1, "rarity": "x", "words": ["a"]}',
    ],
)
def test_a_damaged_list_is_one_error(translator: Translator, tmp_path: Path, content: str) -> None:
    with_words(translator, WordList.from_words("a", 1.0)).save(tmp_path / "model")
    exchange_file(tmp_path / "model", "words.json", content)
    with pytest.raises(BundleError, match=r"words\.json"):
        Translator.load(tmp_path / "model")


def test_an_ensemble_has_the_words_and_its_members_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(_: Translator, __: PairTable, words: list[str]) -> WordList:
        return WordList.from_words(words, 1.0)

    monkeypatch.setattr("foveate.training.appraisal.fit_words", choose)
    table = PairTable.from_texts(SOURCES, SOURCES)
    config = build_config({**OPTIONS, "max_updates": 2, "models": 2})
    joined = train_models(table, table, config, out=tmp_path / "m", words=["a", "b"]).translator
    assert Translator.load(tmp_path / "m" / "state" / "model-1").bundle.decoding.words is None
    assert joined.bundle.decoding.words == WordList.from_words("ab", 1.0)
    assert Translator.load(tmp_path / "m").summary.words == 2


def write_pairs(path: Path) -> list[str]:
    path.write_text("".join(f"{s}\t{s[::-1]}\n" for s in SOURCES), encoding="utf-8")
    return ["train", str(path), "--dev", str(path), "--max-updates", "1", "--hidden-size", "16"]


def test_the_command_line_takes_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = write_pairs(tmp_path / "pairs.tsv")
    words = tmp_path / "words.txt"
    words.write_text("pxa\t12\nqxa\t3\n\n", encoding="utf-8")
    out = str(tmp_path / "model")
    assert main([*argv, "--out", out, "--words", str(words), "--no-memory"]) == 0
    assert "the list of 2 words" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("b\na\n\nb\n", ("b", "a")),  # as they stand
        ("b\t3\na\t12\nc\t3\n", ("a", "b", "c")),  # by their counts
        ("b 3\na 12\nnew york 5\n", ("a", "new york", "b")),  # behind a blank
        ("b\t0.5\tx\na\t1.5e-1\tx\nc\t2\n", ("c", "b", "a")),  # frequencies
        ("route 66\nab\n", ("route 66", "ab")),
        ("b\t3\na\tx\n", ("b", "a")),  # no counts
        ("b\t3\na\n", ("b", "a")),  # not of all
    ],
)
def test_a_list_is_read_with_the_commonest_first(
    tmp_path: Path, content: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "words.txt").write_text(content, encoding="utf-8")
    assert read_words(str(tmp_path / "words.txt")) == words


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\n \n", "there are no words"), (b"a\n\xff\n", "words.txt:2: "), (None, "no such file")],
)
def test_a_list_that_cannot_be_read_is_told_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
) -> None:
    argv = write_pairs(tmp_path / "pairs.tsv")
    words, out = tmp_path / "words.txt", tmp_path / "model"
    if content is not None:
        words.write_bytes(content)
    assert main([*argv, "--out", str(out), "--words", str(words)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_the_estimator_takes_a_list_and_no_string() -> None:
    model = Seq2Seq(max_updates=1, hidden_size=16, seed=1)
    model.fit(SOURCES, SOURCES, words={"axp", "ayp"})
    with pytest.raises(ValueError, match="list of texts"):
        model.fit(SOURCES, SOURCES, words="axp")


def test_sources_in_the_memory_do_not_decide(
    translator: Translator, thirds: dict[str, str]
) -> None:
    dev = PairTable.from_texts(SOURCES, list(thirds.values()))
    told = with_words(translator, None)
    told.bundle.decoding = Decoding(memory=dict.fromkeys(SOURCES[1:], "x"))
    chosen = fit_words(told, dev, [thirds[SOURCES[0]]])
    assert chosen is not None  # for the only source that is not recalled
    assert fit_words(told, dev, list(thirds.values())[1:]) is None
    told.bundle.decoding = Decoding(memory=dict.fromkeys(SOURCES, "x"))
    assert fit_words(told, dev, thirds.values()) is None
