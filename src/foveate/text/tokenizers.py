"""Ways to cut a text into tokens and to join them again. Knows no ids and no vocabulary."""

from __future__ import annotations

import io
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

from foveate.errors import BundleError, DataError
from foveate.options import SubwordKind
from foveate.text.sampling import BLANK_MARK, sample_texts
from foveate.text.vocabulary import BOS, EOS, PAD, RESERVED, UNK
from foveate.wire import read_message, skip_repeated

MAX_SENTENCES = 200_000  # to learn subwords from; more changes nothing but the time
RARE_CHARACTERS = 0.0005  # share of the text that a large alphabet may leave unknown
TAG = re.compile(r"<[^<>\s]+>")
TAG_OR_CHARACTER = re.compile(TAG.pattern + "|.", re.DOTALL)
# Of the wire format of a sentencepiece model: pieces, how it was trained, normalizers.
PIECE = 0x0A
MODEL_PARTS = {PIECE: True, 0x12: False, 0x1A: False, 0x22: False, 0x2A: False}
NORMALIZER_PARTS = {0x0A: False, 0x12: False, 0x18: False, 0x20: False, 0x28: False, 0x32: False}
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


class Tokenizer(Protocol):
    """Cuts a text into tokens and joins tokens to a text."""

    @property
    def kind(self) -> str:
        """Name of the tokenizer, as in the options."""

    def split(self, text: str) -> list[str]:
        """Cut a text into tokens."""

    def join(self, tokens: Sequence[str]) -> str:
        """Join tokens to a text."""


class CharacterTokenizer:
    """Every Unicode code point is a token.

    Example:
        >>> CharacterTokenizer().split("a b")
        ['a', ' ', 'b']
    """

    kind = "characters"

    def split(self, text: str) -> list[str]:
        """Cut a text into its code points."""
        return list(text)

    def join(self, tokens: Sequence[str]) -> str:
        """Put the tokens side by side."""
        return "".join(tokens)


class TaggedTokenizer:
    """Every code point is a token, and so is what stands between < and >, without a blank in it.

    Features of a word form, a language or a domain are told to the model this way.

    Example:
        >>> TaggedTokenizer().split("go <V><PST>")
        ['g', 'o', ' ', '<V>', '<PST>']
    """

    kind = "tagged"

    def split(self, text: str) -> list[str]:
        """Cut a text into tags and code points."""
        return TAG_OR_CHARACTER.findall(text)

    def join(self, tokens: Sequence[str]) -> str:
        """Put the tokens side by side."""
        return "".join(tokens)


class WhitespaceTokenizer:
    """Tokens stand between runs of whitespace, as phonemes often do.

    Only text with single blanks and none at its ends comes back as it was.

    Example:
        >>> WhitespaceTokenizer().split("F OW  V")
        ['F', 'OW', 'V']
    """

    kind = "whitespace"

    def split(self, text: str) -> list[str]:
        """Cut a text at runs of whitespace."""
        return text.split()

    def join(self, tokens: Sequence[str]) -> str:
        """Put one blank between tokens."""
        return " ".join(tokens)


class ByteTokenizer:
    """Every byte of the UTF-8 text is a token: no character is ever unknown.

    Example:
        >>> ByteTokenizer().split("é")
        ['<0xC3>', '<0xA9>']
    """

    kind = "bytes"
    alphabet = tuple(f"<0x{byte:02X}>" for byte in range(256))

    def split(self, text: str) -> list[str]:
        """Cut a text into the bytes of its UTF-8 form."""
        return [self.alphabet[byte] for byte in text.encode("utf-8")]

    def join(self, tokens: Sequence[str]) -> str:
        """Decode bytes as UTF-8; an impossible byte or token becomes the replacement character."""
        matches = (_BYTE.fullmatch(token) for token in tokens)
        # 0xFF is never part of UTF-8, so it decodes to a replacement character.
        values = (int(match[1], 16) if match else 0xFF for match in matches)
        return bytes(values).decode("utf-8", errors="replace")


class SentencepieceTokenizer:
    """Subwords of a learnt sentencepiece model; "▁" in a token stands for a blank.

    Every text comes back as it was, unless it has a "▁" of its own, which reads as a blank.

    Reference: Kudo 2018 (1804.10959) for unigram, Sennrich et al. 2016 (1508.07909) for bpe.
    """

    def __init__(self, model_bytes: bytes, kind: SubwordKind) -> None:
        """Load a model from its bytes.

        Raises:
            BundleError: the bytes are not a sentencepiece model.
        """
        self.model_bytes = model_bytes
        self.kind: SubwordKind = kind
        import sentencepiece  # most models have no subwords, and start sooner without it

        try:
            _refuse_tables(model_bytes)
            self._processor = sentencepiece.SentencePieceProcessor()
            self._processor.load_from_serialized_proto(model_bytes)
            self._processor.encode("")  # empty bytes are found out only in use
            self._scores = {
                self._processor.id_to_piece(index): self._processor.get_score(index)
                for index in range(len(RESERVED), len(self._processor))
            }
        except (RuntimeError, ValueError):  # among these, a subword that is not UTF-8
            raise BundleError("not a sentencepiece model: copy the model folder again") from None

    @property
    def pieces(self) -> list[str]:
        """The subwords of the model in its order, without the reserved ones."""
        return list(self._scores)

    def split(self, text: str) -> list[str]:
        """Cut a text into its most probable subwords."""
        return self.split_many([text])[0]

    def split_many(self, texts: list[str]) -> list[list[str]]:
        """Cut many texts at once, which is faster."""
        pieces: list[list[str]] = self._processor.encode(texts, out_type=str, num_threads=1)
        return pieces

    def join(self, tokens: Sequence[str]) -> str:
        """Put the subwords side by side and turn "▁" into blanks."""
        text = "".join(tokens).replace(BLANK_MARK, " ")
        return text.removeprefix(" ")  # sentencepiece puts a blank before the first word

    def sample(self, texts: list[str], strength: float, seed: int) -> list[list[str]]:
        """Cut texts in random other ways: a pure function of its arguments.

        Args:
            texts: the texts to cut.
            strength: 0 (as `split` does) to 1 (any segmentation alike; characters for bpe).
            seed: seed of the random choices.
        """
        if strength <= 0:
            return self.split_many(texts)
        return sample_texts(texts, self._scores, self.kind, strength, seed)


def _refuse_tables(model: bytes) -> None:
    """Raise a ValueError when a sentencepiece model brings a table to normalise characters by.

    Ours never do, the codec normalises; and sentencepiece follows the table wherever it leads.
    """
    begin = skip_repeated(model, PIECE)
    parts = read_message(model, (begin, len(model)), MODEL_PARTS, "model")
    for normalizer in (*parts.get(0x1A, ()), *parts.get(0x2A, ())):
        for start, end in read_message(model, normalizer, NORMALIZER_PARTS, "normalizer").get(
            0x12, ()
        ):
            if end > start:
                raise ValueError("it has a table of characters")


def build_tokenizer(kind: str) -> Tokenizer:
    """Return the tokenizer of a kind that needs no learnt model.

    Raises:
        ValueError: the kind is unknown or needs a model.

    Example:
        >>> build_tokenizer("whitespace").join(["a", "b"])
        'a b'
    """
    tokenizers: tuple[Tokenizer, ...] = (
        CharacterTokenizer(),
        TaggedTokenizer(),
        WhitespaceTokenizer(),
        ByteTokenizer(),
    )
    for tokenizer in tokenizers:
        if tokenizer.kind == kind:
            return tokenizer
    raise ValueError(f"no tokenizer without a model is called {kind!r}")


def learn_sentencepiece(
    texts: Iterable[str], kind: SubwordKind, vocabulary_size: int, seed: int
) -> SentencepieceTokenizer:
    """Learn subwords from texts; small data gives the largest vocabulary that they carry.

    Args:
        texts: normalised texts; `MAX_SENTENCES` of them are drawn when there are more.
        kind: unigram or bpe.
        vocabulary_size: number of subwords at most, the four reserved ones counted.
        seed: seed of the draw.

    Raises:
        DataError: there is no text, or the vocabulary cannot even hold the characters.
    """
    sentences = _draw((text for text in texts if text.strip()), MAX_SENTENCES, seed)
    if not sentences:
        raise DataError("there is no text to learn subwords from: every row is empty")
    counts = Counter[str]()
    for sentence in sentences:
        counts.update(sentence)
    is_alphabet_large = len(counts) > vocabulary_size // 4
    coverage = 1.0 - RARE_CHARACTERS if is_alphabet_large else 1.0
    needed = count_common(counts, coverage) + len(RESERVED) + 1
    if needed > vocabulary_size:
        raise DataError(
            f"vocabulary_size {vocabulary_size} is too small for {needed} different characters: "
            f"set it to at least {2 * needed}, or use the tokens 'characters' or 'bytes'"
        )
    try:
        model = _train(sentences, kind, vocabulary_size, coverage)
    except RuntimeError as error:
        raise DataError(f"sentencepiece cannot learn subwords from this text: {error}") from None
    return SentencepieceTokenizer(model, kind)


def count_common(counts: Counter[str], share: float) -> int:
    """Count how many of the most frequent tokens make up a share of all occurrences.

    Example:
        >>> count_common(Counter("aaab"), 0.75)
        1
    """
    wanted = share * counts.total()
    covered = 0
    for rank, (_, count) in enumerate(counts.most_common(), start=1):
        covered += count
        if covered >= wanted:
            return rank
    return len(counts)


def _draw(texts: Iterable[str], size: int, seed: int) -> list[str]:
    """Draw `size` texts without replacement in one pass (Vitter 1985, algorithm R)."""
    stream = iter(texts)
    drawn = list(islice(stream, size))
    generator = random.Random(seed)
    for count, text in enumerate(stream, start=size + 1):
        place = int(generator.random() * count)
        if place < size:
            drawn[place] = text
    return drawn


def _train(sentences: list[str], kind: SubwordKind, vocabulary_size: int, coverage: float) -> bytes:
    import sentencepiece

    model = io.BytesIO()
    pad, unk, bos, eos = RESERVED
    longest = max(len(text.encode("utf-8")) for text in sentences)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        model_type=kind,
        vocab_size=vocabulary_size,
        hard_vocab_limit=False,
        character_coverage=coverage,
        normalization_rule_name="identity",  # the codec normalises
        remove_extra_whitespaces=False,  # so that two blanks come back as two
        byte_fallback=False,
        max_sentence_length=max(4096, longest),
        num_threads=1,  # the same model every time
        minloglevel=2,
        pad_id=PAD,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
        pad_piece=pad,
        unk_piece=unk,
        bos_piece=bos,
        eos_piece=eos,
    )
    return model.getvalue()
