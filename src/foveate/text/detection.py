"""Find out from the data which tokens each side has, and build the codecs.

Every choice can be told by an option; what is decided here is what happens when none is told.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Literal

import numpy as np

from foveate.config import Config
from foveate.edits import measure_likeness
from foveate.errors import ConfigError, DataError
from foveate.options import SUBWORD_KINDS, Normalization
from foveate.text.codec import Codec, normalize_text
from foveate.text.tokenizers import (
    RARE_CHARACTERS,
    TAG,
    ByteTokenizer,
    CharacterTokenizer,
    Tokenizer,
    WhitespaceTokenizer,
    build_tokenizer,
    count_common,
    learn_sentencepiece,
)
from foveate.text.vocabulary import RESERVED, UNK, Vocabulary

FoundKind = Literal["characters", "tagged", "whitespace", "unigram"]
Texts = Callable[[], Iterable[str]]

MAX_SAMPLES = 20_000  # rows that are looked at
SHORT = 8  # letters of a symbol that fits into a number
CHUNK = 10_000  # rows whose tokens are counted at once
MAX_WORDS = 50_000  # whitespace tokens: the vocabulary of words has no other end
LONG = 40  # letters from which on characters cost more than they give
IDEOGRAPH = 3  # letters that one East Asian character is worth
ASCII_SIZE = 95  # printable; codes (SMILES, proteins, URLs) have no larger alphabet
MAX_ALPHABET = 8_000  # characters that a subword vocabulary grows to hold
MAX_COMPARED = 300  # pairs whose letters are compared
SPELLED_KINDS = ("characters", "tagged")
MOSTLY = 0.5  # share of the letters that a side has, each as often as it stands there
ALIKE = 0.7  # likeness from which on a target is its source, respelled; translations have 0.3


@dataclass(frozen=True)
class _Look:
    """What one side looks like; shares are of the rows or tokens, the rest are means."""

    length: float  # letters of a row
    words: float  # whitespace tokens of a row
    blank_share: float  # of rows with a blank inside
    digit_share: float  # of rows with a digit
    alphabet: int
    is_symbols: bool

    @property
    def is_prose(self) -> bool:
        """Long rows, or rows of several words that are not dates or addresses (digits)."""
        return self.length > LONG or (self.words >= 5 and self.digit_share < 0.3)


def detect_kind(
    samples: Sequence[str], other: Sequence[str], *, is_respelled: bool = False
) -> FoundKind:
    """Choose the tokens of a side from a sample of its rows and of the other side's.

    Args:
        samples: normalised rows of the side, spread over the data.
        other: rows of the other side.
        is_respelled: a target is its source with some letters changed (`are_respelled`).

    Example:
        >>> detect_kind(["F OW V IY EY T", "T EY V", "F IY T"] * 9, ["foveate", "tave", "feet"])
        'whitespace'
    """
    is_tagged = _are_tagged(samples)
    if is_tagged:  # what is left decides
        samples = [TAG.sub("", text).strip() for text in samples]
    found = _detect_plain_kind(samples, other, is_respelled)
    return "tagged" if is_tagged and found == "characters" else found


def _detect_plain_kind(
    samples: Sequence[str], other: Sequence[str], is_respelled: bool
) -> FoundKind:
    side, opposite = _look(samples), _look(other)
    if side.is_symbols:  # phonemes, spelled-out characters, commands
        return "whitespace"
    if is_respelled:  # what is misspelled has no subwords
        return "characters"
    if side.blank_share < 0.2:  # single words and codes; or a script that writes no blanks
        is_unspaced_script = side.length > LONG and side.alphabet > ASCII_SIZE
        return "unigram" if is_unspaced_script else "characters"
    if opposite.is_symbols and opposite.words >= 2 * side.words:  # the other side spells words
        return "characters"
    if side.is_prose:
        return "unigram"
    # Near the border (English 41 letters, German 39) prose makes its translation prose too.
    is_translation = opposite.is_prose and side.length > LONG / 2 and side.digit_share < 0.3
    return "unigram" if is_translation else "characters"


def detect_shared(sources: Sequence[str], targets: Sequence[str], kind: str) -> bool:
    """Tell whether both sides, which have tokens of one kind, are better off with one vocabulary.

    They are when nearly all of the target is made of what the source uses too, at least a
    hundredth as often: of its tokens, or for subwords of its characters.

    Args:
        sources: normalised rows of the source side.
        targets: normalised rows of the target side.
        kind: the tokens of both sides.

    Example:
        >>> detect_shared(["dagr", "gardr"], ["dagar", "gard"], "characters")
        True
    """
    split = str.split if kind == "whitespace" else list
    source_counts = Counter(token for text in sources for token in split(text))
    target_counts = Counter(token for text in targets for token in split(text))
    for counts in (source_counts, target_counts):
        del counts[" "]  # a blank says nothing about the language
    ratio = source_counts.total() / max(1, target_counts.total()) / 100
    common = sum(
        count for token, count in target_counts.items() if source_counts[token] > count * ratio
    )
    return common >= 0.8 * target_counts.total() > 0


def are_respelled(pairs: Sequence[tuple[str, str]]) -> bool:
    """Tell whether targets are their sources with some letters changed: OCR errors, old spelling.

    Args:
        pairs: normalised sources and targets, spread over the data.

    Example:
        >>> are_respelled([("thc cat", "the cat")]), are_respelled([("the cat", "die Katze")])
        (True, False)
    """
    compared = pairs[:: -(-len(pairs) // MAX_COMPARED)] if pairs else []
    return measure_likeness([(TAG.sub("", one), other) for one, other in compared]) >= ALIKE


def detect_form(sides: Iterable[tuple[str, Sequence[str]]]) -> Normalization:
    """Choose the normal form of both sides: decomposed where most letters of one are composed.

    Only sides of characters are asked, and they leave blanks and tags out.

    Args:
        sides: the kind of the tokens of each, and rows of it in NFC.

    Example:
        >>> detect_form([("characters", ["한글"])]), detect_form([("characters", ["tête"])])
        ('decomposed', 'NFC')
    """
    for kind, rows in sides:
        letters = Counter(letter for row in rows for letter in TAG.sub("", row).replace(" ", ""))
        composed = [n for one, n in letters.items() if len(unicodedata.normalize("NFD", one)) > 1]
        if kind in SPELLED_KINDS and sum(composed) > MOSTLY * letters.total():
            return "decomposed"
    return "NFC"


def default_vocabulary_size(num_pairs: int) -> int:
    """Return how many subwords so many pairs can teach: few, because small is what generalises.

    Reference: Sennrich & Zhang 2019 (1905.11901), table 2: 14k to 2k subwords is worth 5 BLEU
        at 5,000 sentences.

    Example:
        >>> default_vocabulary_size(29_000)
        4000
    """
    if num_pairs < 20_000:
        return max(64, min(2_000, num_pairs // 2))
    return 4_000 if num_pairs < 40_000 else 8_000 if num_pairs < 60_000 else 10_000


def build_codecs(
    sources: Texts,
    targets: Texts,
    num_pairs: int,
    config: Config,
    sample: Sequence[tuple[str, str]] | None = None,
) -> tuple[Codec, Codec]:
    """Find the tokens of both sides, learn their vocabularies, and return source and target codec.

    Options that are told win; a shared vocabulary is one codec, returned twice. With copying it
    is shared when the kinds of tokens allow it, so that a symbol can be copied that no target has.

    Args:
        sources: returns an iterator over the source side, as often as it is called.
        targets: the same of the target side.
        num_pairs: how many pairs there are.
        config: the options.
        sample: pairs from everywhere, where somebody has them at hand.

    Raises:
        ConfigError: a shared vocabulary, or copying, is asked for sides whose tokens differ.
        DataError: there is nothing to learn a vocabulary from.

    Example:
        >>> sides = ["dagr", "gardr"], ["dagar", "gard"]
        >>> source, target = build_codecs(lambda: sides[0], lambda: sides[1], 2, Config())
        >>> source.kind, source is target
        ('characters', True)
    """
    if num_pairs < 1:
        raise DataError("there are no pairs to learn a vocabulary from")
    if sample is None:
        sample = _sample(sources, targets, num_pairs)
    normalize = partial(normalize_text, normalization=config.normalization)
    pairs = [(normalize(source), normalize(target)) for source, target in sample]
    source_rows = list(dict.fromkeys(source for source, _ in pairs))
    target_rows = list(dict.fromkeys(target for _, target in pairs))
    is_respelled = are_respelled(pairs)
    kinds = _choose_kinds(source_rows, target_rows, is_respelled, config)
    source_kind, target_kind = kinds
    if config.normalization == "auto":
        form = detect_form(zip(kinds, (source_rows, target_rows), strict=True))
        config = config.replace(normalization=form)
    is_shared = config.shared_vocabulary
    if is_shared is None:
        is_shared = source_kind == target_kind and (
            config.copy or detect_shared(source_rows, target_rows, source_kind)
        )
    if is_shared:
        codec = _build_codec((sources, targets), source_kind, num_pairs, config)
        return codec, codec
    if config.copy and {source_kind, target_kind} & set(SUBWORD_KINDS):
        raise ConfigError(
            f"copy: the source has {source_kind} and the target {target_kind} of their own, and "
            "only subwords of one vocabulary can be copied: set source_tokens and target_tokens "
            "to the same and leave shared_vocabulary out, or leave copy out"
        )
    source = _build_codec((sources,), source_kind, num_pairs, config)
    target = _build_codec((targets,), target_kind, num_pairs, config)
    if config.copy and set(target.vocabulary.ids(source.vocabulary.entries)) == {UNK}:
        raise ConfigError(
            "copy: source and target have no token in common, so nothing can be copied: "
            "leave copy out, or give both sides the same tokens"
        )
    return source, target


def _sample(sources: Texts, targets: Texts, num_pairs: int) -> list[tuple[str, str]]:
    """Take pairs from everywhere: files are often sorted."""
    step = -(-num_pairs // MAX_SAMPLES)
    return list(islice(zip(sources(), targets(), strict=True), 0, None, step))


def _choose_kinds(
    sources: Sequence[str], targets: Sequence[str], is_respelled: bool, config: Config
) -> tuple[str, str]:
    source_kind: str = config.source_tokens
    target_kind: str = config.target_tokens
    if config.shared_vocabulary:  # what is told of one side holds for the other
        if source_kind == "auto":
            source_kind = target_kind
        if target_kind == "auto":
            target_kind = source_kind
    if source_kind == "auto":
        source_kind = detect_kind(sources, targets, is_respelled=is_respelled)
    if target_kind == "auto":
        target_kind = detect_kind(targets, sources, is_respelled=is_respelled)
    if config.shared_vocabulary and source_kind != target_kind:
        raise ConfigError(
            f"shared_vocabulary: the source has {source_kind} and the target {target_kind}: "
            "set source_tokens and target_tokens to the same, or leave shared_vocabulary out"
        )
    return source_kind, target_kind


def _build_codec(sides: Sequence[Texts], kind: str, num_pairs: int, config: Config) -> Codec:
    normalize = partial(normalize_text, normalization=config.normalization)

    def rows() -> Iterator[str]:
        return map(normalize, chain.from_iterable(texts() for texts in sides))

    if kind in SUBWORD_KINDS:
        size = config.vocabulary_size or _fitting_size(rows(), num_pairs)
        subwords = learn_sentencepiece(rows(), kind, size, config.seed)
        return Codec(subwords, Vocabulary(subwords.pieces), config.normalization)
    tokenizer = build_tokenizer(kind)
    if isinstance(tokenizer, ByteTokenizer):
        return Codec(tokenizer, Vocabulary(tokenizer.alphabet), config.normalization)
    max_size = MAX_WORDS if isinstance(tokenizer, WhitespaceTokenizer) else None
    texts = chain.from_iterable(texts() for texts in sides)
    vocabulary = Vocabulary.from_counts(_count_tokens(texts, tokenizer, normalize), max_size)
    return Codec(tokenizer, vocabulary, config.normalization)


def _count_tokens(
    texts: Iterator[str], tokenizer: Tokenizer, normalize: Callable[[str], str]
) -> Counter[str]:
    """Count tokens; where a line end is one or none, in thousands of texts at once."""
    counts = Counter[str]()
    while chunk := list(islice(texts, CHUNK)):
        if isinstance(tokenizer, CharacterTokenizer):
            counts.update(_count_letters(normalize("\n".join(chunk))))
            counts["\n"] -= len(chunk) - 1  # our own
        elif isinstance(tokenizer, WhitespaceTokenizer):
            counts.update(_count_symbols(normalize("\n".join(chunk))))
        else:
            for text in chunk:
                counts.update(tokenizer.split(normalize(text)))
    return +counts


def _count_letters(text: str) -> dict[str, int]:
    codes = np.frombuffer(text.encode("utf-32-le"), "<u4")
    counts = np.bincount(codes)
    return {chr(code): int(counts[code]) for code in np.flatnonzero(counts)}


def _count_symbols(text: str) -> Mapping[str, int]:
    """Count what stands between blanks; short ASCII symbols as numbers, which is quicker."""
    letters = np.frombuffer(text.encode(), np.uint8)
    is_blank = (letters == ord(" ")) | (letters == ord("\n"))
    edges = np.flatnonzero(np.diff(is_blank, prepend=True, append=True))
    begins, lengths = edges[::2], edges[1::2] - edges[::2]
    is_plain = text.isascii() and bool((is_blank | (letters > ord(" "))).all())
    if not is_plain or not len(begins) or lengths.max() > SHORT:
        return Counter(text.split())
    codes = np.zeros(len(begins), np.uint64)
    padded = np.append(letters, np.zeros(SHORT, np.uint8))
    for place in range(int(lengths.max())):
        inside = padded[begins + place] * (lengths > place)
        codes |= inside.astype(np.uint64) << np.uint64(8 * place)
    found, numbers = np.unique(codes, return_counts=True)
    symbols = (code.to_bytes(SHORT, "little").rstrip(b"\0").decode() for code in found.tolist())
    return dict(zip(symbols, numbers.tolist(), strict=True))


def _fitting_size(rows: Iterable[str], num_pairs: int) -> int:
    """Let a script of thousands of characters have twice as many subwords as characters."""
    counts = Counter[str]()
    for row in rows:
        counts.update(row)
    alphabet = min(MAX_ALPHABET, count_common(counts, 1.0 - RARE_CHARACTERS))
    return max(default_vocabulary_size(num_pairs), 2 * alphabet + len(RESERVED))


def _look(samples: Sequence[str]) -> _Look:
    rows = [text for text in samples if text.strip()]
    num_rows = max(1, len(rows))
    letters = Counter(letter for row in rows for letter in row)
    wide = sum(n for letter, n in letters.items() if unicodedata.east_asian_width(letter) in "WF")
    words = Counter(word for row in rows for word in row.split())
    has_blank = sum(len(row.split(None, 1)) > 1 for row in rows)
    has_digit = sum(any(letter.isdigit() for letter in row) for row in rows)
    blank_share = has_blank / num_rows
    return _Look(
        length=(letters.total() + (IDEOGRAPH - 1) * wide) / num_rows,
        words=words.total() / num_rows,
        blank_share=blank_share,
        digit_share=has_digit / num_rows,
        alphabet=len(letters),
        is_symbols=blank_share >= 0.5 and _are_symbols(words),
    )


def _are_symbols(words: Counter[str]) -> bool:
    """Tell whether whitespace tokens are symbols of a small closed set, not words of a language.

    New words never end: the share of words that were seen once is the probability that the next
    one is new (Good 1953). A phoneme set ends, each phoneme is short and seen often.
    """
    total = words.total()
    mean_length = sum(count * _width(word) for word, count in words.items()) / total
    single_share = sum(count for word, count in words.items() if _width(word) == 1) / total
    number_share = sum(n for word, n in words.items() if len(word) > 2 and word.isdigit()) / total
    chance_of_new = sum(count == 1 for count in words.values()) / total
    mean_uses = total / len(words)
    if single_share > 0.9:  # characters that somebody has put blanks between
        return True
    if number_share > 0.05:  # years and amounts never end, whatever the sample says
        return False
    if mean_length < 3 and len(words) <= 500:  # phonemes; also when there are few rows
        return mean_uses >= 5 and chance_of_new <= 0.05
    is_small = len(words) <= (2_000 if mean_length < 5 else 64)  # pinyin; command words
    return is_small and mean_uses >= 20 and chance_of_new <= 0.005


def _are_tagged(samples: Sequence[str]) -> bool:
    """Tell whether most rows have a <tag>, and the tags are a closed set."""
    tags = [TAG.findall(text) for text in samples]
    counts = Counter(tag for found in tags for tag in found)
    chance_of_new = sum(count == 1 for count in counts.values()) / max(1, counts.total())
    return 2 * sum(map(bool, tags)) > len(samples) and chance_of_new <= 0.05


def _width(word: str) -> int:
    """Count the base characters: marks, ties, stress and tone signs do not count."""
    return sum(unicodedata.category(letter) not in ("Mn", "Me", "Lm", "Sk") for letter in word)
