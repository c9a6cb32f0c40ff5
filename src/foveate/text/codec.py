"""Text to ids and back, for one side of the pairs. Knows no models and no files of pairs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, cast

from foveate.errors import BundleError
from foveate.text.sampling import SubwordKind
from foveate.text.tokenizers import (
    SentencepieceTokenizer,
    Tokenizer,
    build_tokenizer,
)
from foveate.text.vocabulary import BOS, EOS, PAD, UNK, Vocabulary

Normalization = Literal["NFC", "NFD", "NFKC", "NFKD", "none"]

UNKNOWN_MARK = "\N{REPLACEMENT CHARACTER}"
SUBWORD_KINDS = ("unigram", "bpe")
_SILENT = frozenset((PAD, BOS, EOS))
_SURROGATE = re.compile("[\ud800-\udfff]")


class Codec:
    """Normalises a text, cuts it into tokens and numbers them; and all that backwards.

    Example:
        >>> from foveate.text.tokenizers import CharacterTokenizer
        >>> codec = Codec(CharacterTokenizer(), Vocabulary.learn(["abc"]))
        >>> codec.encode("cab")
        [6, 4, 5]
        >>> codec.decode([6, 4, 5])
        'cab'
    """

    def __init__(
        self, tokenizer: Tokenizer, vocabulary: Vocabulary, normalization: Normalization = "NFC"
    ) -> None:
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self.normalization: Normalization = normalization

    @property
    def kind(self) -> str:
        """Kind of the tokens: characters, whitespace, bytes, unigram or bpe."""
        return self.tokenizer.kind

    def normalize(self, text: str) -> str:
        """Return the text in the form that the model reads and writes."""
        return normalize_text(text, self.normalization)

    def split(self, text: str) -> list[str]:
        """Normalise a text and cut it into tokens, one for each id of `encode`."""
        return self.tokenizer.split(self.normalize(text))

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without begin and end marks."""
        return self.vocabulary.ids(self.split(text))

    def encode_many(
        self, texts: Iterable[str], sampling: float = 0.0, seed: int = 0
    ) -> list[list[int]]:
        """Encode many texts at once, which is faster.

        Args:
            texts: the texts.
            sampling: strength of random segmentation; only subwords have any.
            seed: seed of that.
        """
        normalized = [self.normalize(text) for text in texts]
        find = self.vocabulary.ids
        if isinstance(self.tokenizer, SentencepieceTokenizer):
            return [find(tokens) for tokens in self.tokenizer.sample(normalized, sampling, seed)]
        return [find(self.tokenizer.split(text)) for text in normalized]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of ids: unknown ones as U+FFFD, begin, end and padding left out."""
        entries = self.vocabulary.entries
        return [
            UNKNOWN_MARK if index == UNK else entries[index]
            for index in ids
            if index not in _SILENT
        ]

    def join(self, tokens: Sequence[str]) -> str:
        """Join tokens to a text."""
        return self.tokenizer.join(tokens)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids: unknown tokens as U+FFFD, begin, end and padding left out."""
        return self.join(self.tokens(ids))

    def round_trips(self, text: str) -> bool:
        """Tell whether a text, once normalised, comes back from its ids unchanged."""
        return self.decode(self.encode(text)) == self.normalize(text)

    def save(self, folder: Path, stem: str) -> list[str]:
        """Write the codec into a folder and return the names of the files.

        Args:
            folder: an existing folder.
            stem: begin of the file names: source, target or shared.
        """
        contents = {_vocabulary_name(stem): self.vocabulary.to_text().encode("utf-8")}
        if isinstance(self.tokenizer, SentencepieceTokenizer):
            contents[_model_name(stem)] = self.tokenizer.model_bytes
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        return list(contents)

    @classmethod
    def load(cls, folder: Path, stem: str, kind: str, normalization: Normalization) -> Codec:
        """Read a codec that `save` wrote.

        Raises:
            BundleError: a file is missing or damaged, or the kind is unknown.
        """
        path = folder / _vocabulary_name(stem)
        try:
            vocabulary = Vocabulary.from_text(_read(path).decode("utf-8"))
        except UnicodeDecodeError:
            raise BundleError(f"{path}: not UTF-8: the file is damaged") from None
        except BundleError as error:
            raise BundleError(f"{path}: {error}") from None
        return cls(_load_tokenizer(folder, stem, kind), vocabulary, normalization)


def normalize_text(text: str, normalization: Normalization) -> str:
    """Bring a text into a Unicode normal form; a lone surrogate, which is no text, to U+FFFD.

    Example:
        >>> normalize_text("e\N{COMBINING ACUTE ACCENT}", "NFC")
        'é'
    """
    if text.isascii():  # is in every normal form already
        return text
    text = _SURROGATE.sub(UNKNOWN_MARK, text)
    return text if normalization == "none" else unicodedata.normalize(normalization, text)


def _load_tokenizer(folder: Path, stem: str, kind: str) -> Tokenizer:
    if kind in SUBWORD_KINDS:
        path = folder / _model_name(stem)
        try:
            return SentencepieceTokenizer(_read(path), cast(SubwordKind, kind))
        except BundleError as error:
            raise BundleError(f"{path}: {error}") from None
    try:
        return build_tokenizer(kind)
    except ValueError:
        raise BundleError(
            f"{folder}: unknown kind of tokens {kind!r}: was it made by a newer version?"
        ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"cannot read it: {error.strerror}") from None


def _vocabulary_name(stem: str) -> str:
    return f"{stem}.vocabulary.txt"


def _model_name(stem: str) -> str:
    return f"{stem}.sentencepiece.model"
