"""Tokenizers, vocabularies, codecs, and the choice of tokens from the data."""

from __future__ import annotations

import copy
import json
import math
import random
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foveate.config import Config
from foveate.errors import BundleError, ConfigError, DataError
from foveate.text.codec import Codec, Normalization, normalize_text
from foveate.text.detection import (
    are_respelled,
    build_codecs,
    default_vocabulary_size,
    detect_kind,
    detect_shared,
)
from foveate.text.sampling import SubwordKind, build_lattice, draw_path, drop_merges
from foveate.text.tokenizers import (
    ByteTokenizer,
    CharacterTokenizer,
    SentencepieceTokenizer,
    TaggedTokenizer,
    WhitespaceTokenizer,
    build_tokenizer,
    count_common,
    learn_sentencepiece,
)
from foveate.text.vocabulary import BOS, EOS, PAD, RESERVED, UNK, Vocabulary

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=29)
SYLLABLES = [first + second for first in "bdfgklmnprst" for second in "aeiou"]
CORE_WORDS = ["the", "a", "dog", "sees", "in", "house", "old", "red", "runs", "and"]


def make_word(generator: random.Random) -> str:
    return "".join(generator.choices(SYLLABLES, k=generator.randint(1, 4)))


def make_sentence(generator: random.Random, num_words: int) -> str:
    """Half of the words are common and half are new, as in a language."""
    words = [
        generator.choice(CORE_WORDS) if generator.random() < 0.5 else make_word(generator)
        for _ in range(num_words)
    ]
    return " ".join(words).capitalize() + "."


def make_rows(make: str, count: int = 307) -> list[str]:
    generator = random.Random(make)
    return [MAKERS[make](generator) for _ in range(count)]


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "word": make_word,
    "name": lambda g: f"{make_word(g)} {make_word(g)}".title(),
    "phones": lambda g: " ".join(g.choices(["AH0", "B", "T", "IY1", "NG", "S", "EH2"], k=5)),
    "ipa": lambda g: " ".join(g.choices(["t͡ʃʰ", "ˈa", "b", "oː", "ŋ", "s", "d͡ʒ"], k=7)),
    "spelled": lambda g: " ".join(make_word(g)),
    "sentence": lambda g: make_sentence(g, g.randint(9, 15)),
    "short sentence": lambda g: make_sentence(g, g.randint(5, 7)),
    "title": lambda g: make_sentence(g, g.randint(3, 5)),
    "phones of a sentence": lambda g: " ".join(g.choices(["AH", "B", "T", "IY", "S"], k=53)),
    "date": lambda g: f"{g.randint(1, 28)} {g.choice(['May', 'June'])} {g.randint(1900, 2030)}",
    "iso date": lambda g: f"{g.randint(1900, 2030)}-{g.randint(1, 12):02}-{g.randint(1, 28):02}",
    "address": lambda g: f"{g.randint(1, 999)} {make_word(g)} Street, {make_word(g).title()}",
    "tagged word": lambda g: make_word(g) + "".join(g.choices(["<N>", "<V;PST>", "<PL>"], k=2)),
    "word, many tags": lambda g: f"{make_word(g)} " + " ".join(g.choices(["<1>", "<PL>"], k=7)),
    "marked up": lambda g: make_sentence(g, 9) + " <b>" + make_sentence(g, 3) + "</b>",
    "word, open tags": lambda g: f"{make_word(g)} <{make_word(g)}{make_word(g)}>",
    "command": lambda g: " ".join(g.choices(["jump", "walk", "left", "twice", "and"], k=5)),
    "number": lambda g: " ".join(g.choices(["two", "hundred", "thousand", "eleven"], k=5)),
    "digits": lambda g: " ".join(g.choices("0123456789", k=7)),
    "pinyin": lambda g: " ".join(f"{g.choice(SYLLABLES)}{g.randint(1, 4)}" for _ in range(23)),
    "molecule": lambda g: "".join(g.choices("CCCcccNnOo()=123[]@H+-", k=53)),
    "chinese name": lambda g: "".join(chr(0x4E00 + g.randrange(400)) for _ in range(3)),
    "chinese sentence": lambda g: "".join(chr(0x4E00 + g.randrange(900)) for _ in range(19)),
}


@pytest.mark.parametrize(
    ("side", "other", "kind"),
    [
        ("word", "phones", "characters"),
        ("phones", "word", "whitespace"),
        ("ipa", "word", "whitespace"),
        ("spelled", "word", "whitespace"),
        ("word", "word", "characters"),
        ("name", "name", "characters"),
        ("address", "address", "characters"),
        ("date", "iso date", "characters"),
        ("iso date", "date", "characters"),
        ("tagged word", "word", "tagged"),
        ("word, many tags", "word", "tagged"),
        ("word", "tagged word", "characters"),
        ("marked up", "sentence", "unigram"),
        ("word, open tags", "word", "characters"),
        ("command", "command", "whitespace"),
        ("number", "digits", "whitespace"),
        ("digits", "number", "whitespace"),
        ("molecule", "name", "characters"),
        ("chinese name", "name", "characters"),
        ("chinese sentence", "sentence", "unigram"),
        ("chinese sentence", "pinyin", "unigram"),
        ("pinyin", "chinese sentence", "whitespace"),
        ("sentence", "chinese sentence", "unigram"),
        ("sentence", "sentence", "unigram"),
        ("short sentence", "short sentence", "unigram"),
        ("title", "title", "characters"),
        ("title", "sentence", "unigram"),
        ("sentence", "date", "unigram"),
        ("date", "sentence", "characters"),
        ("sentence", "phones of a sentence", "characters"),
        ("phones of a sentence", "sentence", "whitespace"),
    ],
)
def test_kind_is_found_from_the_data(side: str, other: str, kind: str) -> None:
    assert detect_kind(make_rows(side), make_rows(other)) == kind


@pytest.mark.parametrize("make", ["sentence", "short sentence", "chinese sentence"])
def test_misread_sentences_have_characters(make: str) -> None:
    rows = make_rows(make)
    generator = random.Random(0)
    misread = ["".join(generator.choice([x] * 9 + ["~"]) for x in row) for row in rows]
    found = build_codecs(lambda: misread, lambda: rows, len(rows), Config())
    assert [codec.kind for codec in found] == ["characters", "characters"]
    told = build_codecs(lambda: misread, lambda: rows, len(rows), Config(target_tokens="unigram"))
    assert [codec.kind for codec in told] == ["characters", "unigram"]
    tagged = [f"<1832>{row}" for row in misread]
    found = build_codecs(lambda: tagged, lambda: rows, len(rows), Config())
    assert [codec.kind for codec in found] == ["tagged", "characters"]


def test_rows_that_only_share_their_language_are_not_respelled() -> None:
    rows = make_rows("sentence")
    assert are_respelled(list(zip(rows, rows, strict=True)))
    assert not are_respelled(list(zip(rows, rows[1:] + rows[:1], strict=True)))
    assert not are_respelled([])


def test_kind_of_few_rows() -> None:
    assert detect_kind(make_rows("phones", 17), make_rows("word", 17)) == "whitespace"
    assert detect_kind(make_rows("word", 1), make_rows("phones", 1)) == "characters"
    assert detect_kind([" "], [""]) == "characters"


def test_shared_needs_what_the_source_uses() -> None:
    words = make_rows("word")
    assert detect_shared(words, [word + "o" for word in words], "characters")
    assert not detect_shared(words, [word.upper() for word in words], "characters")
    assert detect_shared(["a b c"], ["c b", "b a"], "whitespace")
    assert not detect_shared(["a b c"], ["ab c", "abc"], "whitespace")
    # One stray row with the other script's letters is not enough.
    greek = [chr(ord("α") + ord(word[0]) - ord("a")) * 7 for word in words]
    assert not detect_shared([*words, "".join(set("".join(greek)))], greek, "unigram")


def test_default_vocabulary_size_grows_with_the_data() -> None:
    counts = (1, 1_000, 19_999, 20_000, 40_000, 60_000, 10**7)
    sizes = [default_vocabulary_size(count) for count in counts]
    assert sizes == [64, 500, 2_000, 4_000, 8_000, 10_000, 10_000]


@given(st.lists(st.text(max_size=7), max_size=11))
def test_vocabulary_round_trip(tokens: list[str]) -> None:
    vocabulary = Vocabulary(tokens)
    text = vocabulary.to_text()
    restored = Vocabulary.from_text(text.encode("utf-8").decode("utf-8"))
    assert restored == vocabulary
    assert len(text.splitlines()) == len(vocabulary) == len({*tokens, *RESERVED})


def test_vocabulary_is_ordered_by_frequency_then_code_point() -> None:
    vocabulary = Vocabulary.learn(["zebra", "aé", "bz"])
    assert vocabulary.entries == (*RESERVED, "a", "b", "z", "e", "r", "é")
    assert Vocabulary.learn(["zebra", "aé", "bz"], max_size=6).entries == (*RESERVED, "a", "b")


def test_text_cannot_spell_a_reserved_token() -> None:
    vocabulary = Vocabulary.learn([["</s>", "<pad>", "x", "x"]])
    assert vocabulary.ids(["x", "</s>", "<pad>", "<s>", "<unk>"]) == [4, UNK, UNK, UNK, UNK]
    assert vocabulary.tokens([PAD, UNK, BOS, EOS, 4]) == [*RESERVED, "x"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "first lines"),
        ("a\nb\n", "first lines"),
        ("<pad>\n<unk>\n<s>\n</s>\na\na\n", "more than once"),
        ("<pad>\n<unk>\n<s>\n</s>\na\nb", "cut off"),
        ("<pad>\n<unk>\n<s>\n</s>\n\\x\n", "line 5: unknown escape"),
        ("<pad>\n<unk>\n<s>\n</s>\n\\u12\n", "line 5: unknown escape"),
    ],
)
def test_damaged_vocabulary_is_named(text: str, problem: str) -> None:
    with pytest.raises(BundleError, match=problem):
        Vocabulary.from_text(text)


@given(TEXT)
def test_lossless_tokenizers_round_trip(text: str) -> None:
    for tokenizer in (CharacterTokenizer(), ByteTokenizer(), TaggedTokenizer()):
        assert tokenizer.join(tokenizer.split(text)) == text


@given(TEXT)
def test_whitespace_tokenizer_keeps_all_but_the_runs_of_blanks(text: str) -> None:
    tokenizer = WhitespaceTokenizer()
    joined = tokenizer.join(tokenizer.split(text))
    assert joined.replace(" ", "") == "".join(c for c in text if not c.isspace())
    assert tokenizer.join(tokenizer.split(joined)) == joined


def test_bytes_that_are_no_text_are_replaced() -> None:
    tokens = ByteTokenizer().split("é")
    assert ByteTokenizer().join(tokens[:1]) == "\N{REPLACEMENT CHARACTER}"
    assert ByteTokenizer().join(["<0x41>", "\N{REPLACEMENT CHARACTER}", "<0x42>"]) == "A�B"


def test_a_kind_without_tokenizer() -> None:
    with pytest.raises(ValueError, match="unigram"):
        build_tokenizer("unigram")


SENTENCES = make_rows("sentence", 307)


@cache
def learn(kind: SubwordKind) -> SentencepieceTokenizer:
    return learn_sentencepiece(SENTENCES, kind, 211, seed=1)


@pytest.fixture(params=["unigram", "bpe"])
def subwords(request: pytest.FixtureRequest) -> SentencepieceTokenizer:
    return learn(request.param)


def test_subwords_are_learnt_the_same_every_time(subwords: SentencepieceTokenizer) -> None:
    again = learn_sentencepiece(iter(SENTENCES), subwords.kind, 211, seed=1)
    assert again.model_bytes == subwords.model_bytes
    assert len(subwords.pieces) == 211 - len(RESERVED)
    assert not set(RESERVED) & set(subwords.pieces)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXT.map(lambda text: text.replace("▁", "")))
def test_subwords_round_trip(subwords: SentencepieceTokenizer, text: str) -> None:
    assert subwords.join(subwords.split(text)) == text


def test_subwords_keep_every_blank(subwords: SentencepieceTokenizer) -> None:
    for text in ("the  dog", " the dog ", "the\tdog", "the\ndog", " ", "日本 dog", "x\0y"):
        assert subwords.join(subwords.split(text)) == text


def test_subword_sampling_is_a_pure_function(subwords: SentencepieceTokenizer) -> None:
    texts = SENTENCES[:37]
    first = subwords.sample(texts, 0.3, seed=5)
    subwords.sample(SENTENCES[:101], 0.5, seed=7)
    twin = SentencepieceTokenizer(subwords.model_bytes, subwords.kind)
    assert subwords.sample(texts, 0.3, seed=5) == first
    assert twin.sample(texts, 0.3, seed=5) == first
    assert subwords.sample(texts, 0.3, seed=6) != first
    assert [subwords.join(tokens) for tokens in first] == texts


def test_subword_sampling_is_the_same_in_another_process(
    subwords: SentencepieceTokenizer, tmp_path: Path
) -> None:
    (tmp_path / "model").write_bytes(subwords.model_bytes)
    (tmp_path / "texts.json").write_text(json.dumps(SENTENCES[:11]))
    code = (
        "import json, pathlib, sys; from foveate.text.tokenizers import SentencepieceTokenizer;"
        "folder = pathlib.Path(sys.argv[1]);"
        "tokenizer = SentencepieceTokenizer((folder / 'model').read_bytes(), sys.argv[2]);"
        "texts = json.loads((folder / 'texts.json').read_text());"
        "print(json.dumps(tokenizer.sample(texts, 0.2, 3)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path), subwords.kind]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert json.loads(printed) == subwords.sample(SENTENCES[:11], 0.2, 3)


def test_hardly_any_sampling_is_what_sentencepiece_does(subwords: SentencepieceTokenizer) -> None:
    texts = [*SENTENCES[:101], "  two  blanks ", "日本 dog日", ""]
    assert subwords.sample(texts, 1e-9, seed=1) == subwords.split_many(texts)


def enumerate_cuts(word: str, scores: dict[str, float]) -> Iterator[list[str]]:
    if not word:
        yield []
    for end in range(1, len(word) + 1):
        if word[:end] in scores:
            yield from ([word[:end], *rest] for rest in enumerate_cuts(word[end:], scores))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 2.0])
def test_unigram_sampling_has_the_probabilities_of_brute_force(alpha: float) -> None:
    scores = {"a": -2.0, "b": -3.0, "ab": -2.5, "ba": -1.0, "aba": -4.0, "bab": -3.5}
    cuts = list(enumerate_cuts("ababab", scores))
    weights = [math.exp(alpha * sum(scores[piece] for piece in cut)) for cut in cuts]
    log_weights = {piece: alpha * score for piece, score in scores.items()}
    lattice = build_lattice("ababab", log_weights, longest=3, unknown=-99.0)
    draw = random.Random(5).random
    num_draws = 20_011
    drawn = Counter(tuple(draw_path(lattice, draw)) for _ in range(num_draws))
    for cut, weight in zip(cuts, weights, strict=True):
        share = weight / sum(weights)
        deviation = math.sqrt(share * (1 - share) / num_draws)
        assert drawn[tuple(cut)] / num_draws == pytest.approx(share, abs=5 * deviation)


def test_dropped_merges_have_their_probabilities() -> None:
    # From a|b|c: "ab" merges first unless dropped; "abc" needs "ab". By hand, with p = 0.3:
    # abc: 0.7 * 0.7; ab|c: 0.7 * 0.3; a|b|c: 0.3.
    scores = {"a": -9.0, "b": -9.0, "c": -9.0, "ab": -0.0, "abc": -1.0}
    draw = random.Random(5).random
    drawn = Counter(" ".join(drop_merges("abc", scores, 0.3, draw)) for _ in range(20_011))
    shares = {cut: count / 20_011 for cut, count in drawn.items()}
    assert shares == pytest.approx({"abc": 0.49, "ab c": 0.21, "a b c": 0.3}, abs=0.02)


def test_stronger_sampling_cuts_finer(subwords: SentencepieceTokenizer) -> None:
    def length(strength: float) -> int:
        return sum(len(tokens) for tokens in subwords.sample(SENTENCES[:101], strength, 1))

    lengths = [length(strength) for strength in (0.0, 0.1, 0.3, 1.0)]
    assert lengths == sorted(set(lengths))
    assert lengths[0] == sum(len(subwords.split(text)) for text in SENTENCES[:101])
    assert 1.1 < lengths[1] / lengths[0] < 1.6


def test_sampling_strength_is_alike_for_both_kinds() -> None:
    ratios = []
    kinds: tuple[SubwordKind, ...] = ("unigram", "bpe")
    for kind in kinds:
        tokenizer = learn(kind)
        plain = sum(map(len, tokenizer.split_many(SENTENCES)))
        ratios.append(sum(map(len, tokenizer.sample(SENTENCES, 0.1, 1))) / plain)
    assert ratios[0] == pytest.approx(ratios[1], rel=0.2)


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_small_data_gives_what_it_carries_quietly(
    kind: SubwordKind, capfd: pytest.CaptureFixture[str]
) -> None:
    tokenizer = learn_sentencepiece(["the dog", "a"], kind, 5_000, seed=1)
    assert 8 <= len(tokenizer.pieces) < 40
    assert tokenizer.join(tokenizer.split("a dog")) == "a dog"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("texts", "problem"),
    [([], "every row is empty"), ([" ", ""], "every row is empty"), (["▅"], "cannot learn")],
)
def test_nothing_to_learn_subwords_from(texts: list[str], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        learn_sentencepiece(texts, "bpe", 97, seed=1)


def test_vocabulary_smaller_than_the_alphabet() -> None:
    with pytest.raises(DataError, match="vocabulary_size 16 is too small"):
        learn_sentencepiece(SENTENCES, "unigram", 16, seed=1)


@given(st.text("abcdefg", min_size=1, max_size=41), st.floats(0.01, 1.0))
def test_count_common_is_the_smallest_that_suffices(text: str, share: float) -> None:
    counts = sorted(Counter(text).values(), reverse=True)
    sums = [sum(counts[:rank]) for rank in range(1, len(counts) + 1)]
    expected = next(rank for rank, covered in enumerate(sums, 1) if covered >= share * len(text))
    assert count_common(Counter(text), share) == expected


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_normalization_is_that_of_unicode(form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> None:
    for text in ("e\u0301", "é", "ﬁ①", "plain", "각", "Å"):
        assert normalize_text(text, form) == unicodedata.normalize(form, text)
    assert normalize_text("e\u0301ﬁ", "none") == "e\u0301ﬁ"
    assert normalize_text("a\ud800", form) == "a\N{REPLACEMENT CHARACTER}"


def make_codec(kind: str, normalization: Normalization = "NFC") -> Codec:
    if kind in ("unigram", "bpe"):
        tokenizer = learn("unigram" if kind == "unigram" else "bpe")
        return Codec(tokenizer, Vocabulary(tokenizer.pieces), normalization)
    simple = build_tokenizer(kind)
    if kind == "bytes":
        return Codec(simple, Vocabulary(ByteTokenizer.alphabet), normalization)
    return Codec(simple, Vocabulary.learn(map(simple.split, SENTENCES)), normalization)


KINDS = ["characters", "tagged", "whitespace", "bytes", "unigram", "bpe"]
SUBWORDS = KINDS[-2:]


@pytest.mark.parametrize("kind", KINDS)
def test_codec_round_trip_and_files(kind: str, tmp_path: Path) -> None:
    codec = make_codec(kind)
    names = codec.save(tmp_path, "source")
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    loaded = Codec.load(tmp_path, "source", kind, "NFC")
    assert loaded.kind == kind
    assert loaded.vocabulary == codec.vocabulary
    for text in SENTENCES[:41]:
        ids = codec.encode(text)
        assert codec.round_trips(text)
        assert codec.decode([BOS, *ids, EOS, PAD]) == text
        assert loaded.encode(text) == ids
        assert len(codec.split(text)) == len(codec.tokens(ids)) == len(ids)
        assert UNK not in ids
    assert codec.encode_many(SENTENCES) == [codec.encode(text) for text in SENTENCES]
    assert copy.deepcopy(codec).encode_many(SENTENCES, 0.2, 3) == loaded.encode_many(
        iter(SENTENCES), 0.2, 3
    )


@pytest.mark.parametrize("kind", ["characters", "whitespace", "unigram", "bpe"])
def test_unknown_tokens_show(kind: str) -> None:
    codec = make_codec(kind)
    text = "the 日 dog"
    assert codec.encode(text).count(UNK) == 1
    assert codec.decode(codec.encode(text)) == "the \N{REPLACEMENT CHARACTER} dog"
    assert not codec.round_trips(text)
    assert "日" in codec.join(codec.split(text))


@pytest.mark.parametrize("kind", KINDS)
def test_codec_reads_parts_and_writes_whole_characters(kind: str) -> None:
    whole = "\N{HANGUL SYLLABLE GAG} café"
    parts = unicodedata.normalize("NFD", whole)
    tokenizer = learn("unigram" if kind == "unigram" else "bpe") if kind in SUBWORDS else None
    entries = tokenizer.pieces if tokenizer else build_tokenizer(kind).split(parts)
    codec = Codec(tokenizer or build_tokenizer(kind), Vocabulary.learn([entries]), "decomposed")
    assert codec.split(whole) == codec.split(parts) == codec.tokenizer.split(parts)
    if tokenizer is None:
        assert codec.decode(codec.encode(whole)) == whole
        assert codec.round_trips(parts)


@pytest.mark.parametrize("kind", KINDS)
def test_codec_normalises(kind: str) -> None:
    codec = make_codec(kind, "NFKC")
    assert codec.encode("the ﬁne dog") == codec.encode("the fine dog")
    assert codec.encode_many(["the ﬁne dog"]) == [codec.encode("the fine dog")]
    assert codec.encode("") == []
    assert codec.decode([]) == ""


def test_damaged_codec_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"target\.vocabulary\.txt: is missing"):
        Codec.load(tmp_path, "target", "characters", "NFC")
    make_codec("unigram").save(tmp_path, "target")
    with pytest.raises(BundleError, match="unknown kind of tokens 'wordpiece'"):
        Codec.load(tmp_path, "target", "wordpiece", "NFC")
    for content in (b"", b"rubbish"):
        (tmp_path / "target.sentencepiece.model").write_bytes(content)
        with pytest.raises(BundleError, match=r"target\.sentencepiece\.model: not a sentence"):
            Codec.load(tmp_path, "target", "unigram", "NFC")
    (tmp_path / "target.vocabulary.txt").write_bytes(b"\xff\n")
    with pytest.raises(BundleError, match=r"target\.vocabulary\.txt: not UTF-8"):
        Codec.load(tmp_path, "target", "characters", "NFC")


def build(source: list[str], target: list[str], **options: object) -> tuple[Codec, Codec]:
    config = Config(**options)  # type: ignore[arg-type]
    return build_codecs(lambda: iter(source), lambda: iter(target), len(source), config)


def test_codecs_of_pronunciation() -> None:
    source, target = build(make_rows("word"), make_rows("phones"))
    assert (source.kind, target.kind) == ("characters", "whitespace")
    assert set(target.vocabulary.entries[4:]) == {"AH0", "B", "T", "IY1", "NG", "S", "EH2"}


def test_codecs_of_translation_are_shared_and_hold_both_sides() -> None:
    germanic = [" ".join(text.replace("ee", "ö").split()[::-1]) for text in SENTENCES]
    source, target = build(SENTENCES, germanic)
    assert source is target
    assert source.kind == "unigram"
    assert len(source.vocabulary) <= default_vocabulary_size(len(SENTENCES))
    assert all(map(source.round_trips, SENTENCES + germanic))


def test_codecs_of_another_script_are_apart() -> None:
    source, target = build(SENTENCES, make_rows("chinese sentence", 307))
    assert (source.kind, target.kind) == ("unigram", "unigram")
    assert source is not target
    assert target.encode("".join(make_rows("chinese sentence", 19))).count(UNK) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_codecs_as_told(kind: str) -> None:
    options = {"source_tokens": kind, "target_tokens": kind, "shared_vocabulary": False}
    source, target = build(SENTENCES[:101], SENTENCES[:101], vocabulary_size=97, **options)
    assert source.kind == target.kind == kind
    assert source is not target
    assert source.vocabulary == target.vocabulary
    sizes = {"bytes": 260, "unigram": 97, "bpe": 97}
    assert len(source.vocabulary) == sizes.get(kind, len(source.vocabulary))


def test_sharing_what_differs_is_an_error() -> None:
    words, phones = make_rows("word"), make_rows("phones")
    with pytest.raises(ConfigError, match="source has characters and the target whitespace"):
        build(words, phones, shared_vocabulary=True)
    source, target = build(words, phones, shared_vocabulary=True, target_tokens="characters")
    assert source is target
    assert source.round_trips(words[0])
    assert source.round_trips(phones[0])


def test_codecs_normalise_before_they_learn() -> None:
    decomposed = [unicodedata.normalize("NFD", word + "é") for word in make_rows("word")]
    source, _ = build(decomposed, decomposed)
    assert "é" in source.vocabulary.entries
    assert "\u0301" not in source.vocabulary.entries


def test_no_pairs() -> None:
    with pytest.raises(DataError, match="no pairs"):
        build([], [])


# Two letters and a mark; a syllable is made of two or three parts.
HANGUL = ["\uac00\ub098", "\ub2e4\ub77c", "\uac01\ub9c8", "\ub098\uac01", "\ub77c\ub9c8\ub2e4"] * 9


@pytest.mark.parametrize("is_target", [False, True])
def test_characters_that_are_mostly_composed_are_learnt_by_their_parts(is_target: bool) -> None:
    phones = ["K A N A", "T A R A", "K A K M A", "N A K A K", "R A M A T A"] * 9
    sides = (phones, HANGUL) if is_target else (HANGUL, phones)
    codecs = build(*sides)
    assert {codec.normalization for codec in codecs} == {"decomposed"}
    spelled = codecs[is_target]
    parts = set(unicodedata.normalize("NFD", "".join(HANGUL)))
    assert set(spelled.vocabulary.entries[4:]) == parts
    unseen = "\uacf0"  # has a vowel that no syllable has
    seen_parts = "\ub9c9"  # never seen, though its parts were
    assert UNK in spelled.encode(unseen) and UNK not in spelled.encode(seen_parts)
    assert spelled.decode(spelled.encode(seen_parts)) == seen_parts


def test_a_few_accents_do_not_take_characters_apart() -> None:
    french = ["été", "garçon", "mère", "forêt", "bureau", "jardin", "velo", "chaux"] * 9
    vietnamese = ["đồng", "hay", "khác", "nếu", "được", "những", "toàn", "khôi"] * 9
    assert {codec.normalization for codec in build(vietnamese, french)} == {"NFC"}
    assert {codec.normalization for codec in build(french, make_rows("phones", 72))} == {"NFC"}
    assert {codec.normalization for codec in build(HANGUL, HANGUL, normalization="NFC")} == {"NFC"}
    symbols = [" ".join(word) for word in HANGUL]  # what stands between blanks stays whole
    assert {codec.normalization for codec in build(symbols, symbols)} == {"NFC"}
