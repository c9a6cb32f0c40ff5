"""Text to ids and back, for one side of the pairs. Knows no models and no files of pairs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from foveate.errors import BundleError
from foveate.files import write_synced
from foveate.options import SUBWORD_KINDS, Normalization
from foveate.text.tokenizers import (
    SentencepieceTokenizer,
    Tokenizer,
    build_tokenizer,
)
from foveate.text.vocabulary import BOS, EOS, PAD, UNK, Vocabulary

UNKNOWN_MARK = "\N{REPLACEMENT CHARACTER}"
_SILENT = frozenset((PAD, BOS, EOS))
# The Unicode normal form in which a text is read; "none" has none.
FORMS: dict[str, Literal["NFC", "NFD", "NFKC", "NFKD"]]
FORMS = {form: form for form in ("NFC", "NFD", "NFKC", "NFKD")}
FORMS |= {"auto": "NFC", "decomposed": "NFD"}
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
        self.normalization: Normalization = "NFC" if normalization == "auto" else normalization

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
        """Join tokens to a text; decomposed characters become whole ones."""
        text = self.tokenizer.join(tokens)
        return normalize_text(text, "NFC") if self.normalization == "decomposed" else text

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids: unknown tokens as U+FFFD, begin, end and padding left out."""
        return self.join(self.tokens(ids))

    def round_trips(self, text: str) -> bool:
        """Tell whether a text, once normalised, comes back from its ids unchanged."""
        return self.normalize(self.decode(self.encode(text))) == self.normalize(text)

    def to_files(self, stem: str) -> dict[str, bytes]:
        """Return the files that hold the codec, by name.

        Args:
            stem: begin of the names: source, target or shared.
        """
        files = {_vocabulary_name(stem): self.vocabulary.to_text().encode("utf-8")}
        if isinstance(self.tokenizer, SentencepieceTokenizer):
            files[_model_name(stem)] = self.tokenizer.model_bytes
        return files

    @classmethod
    def from_files(
        cls,
        files: Mapping[str, bytes],
        stem: str,
        kind: str,
        normalization: Normalization,
        origin: str,
    ) -> Codec:
        """Make a codec of the files that `to_files` gave.

        Raises:
            BundleError: a file is missing or damaged, or the kind is unknown.
        """
        data = _find(files, _vocabulary_name(stem), origin)
        try:
            vocabulary = Vocabulary.from_text(data.decode("utf-8"))
        except UnicodeDecodeError:
            reason = "not UTF-8: the file is damaged"
            raise BundleError(f"{origin}/{_vocabulary_name(stem)}: {reason}") from None
        except BundleError as error:
            raise BundleError(f"{origin}/{_vocabulary_name(stem)}: {error}") from None
        return cls(_make_tokenizer(files, stem, kind, origin), vocabulary, normalization)

    def save(self, folder: Path, stem: str) -> list[str]:
        """Write the codec into an existing folder, synced, and return the names of the files."""
        files = self.to_files(stem)
        for name, content in files.items():
            write_synced(folder / name, content)
        return list(files)

    @classmethod
    def load(cls, folder: Path, stem: str, kind: str, normalization: Normalization) -> Codec:
        """Read a codec that `save` wrote.

        Raises:
            BundleError: a file is missing or damaged, or the kind is unknown.
        """
        names = (_vocabulary_name(stem), _model_name(stem))
        try:
            files = {
                name: (folder / name).read_bytes() for name in names if (folder / name).exists()
            }
        except OSError as error:
            raise BundleError(f"{folder}: cannot read it: {error.strerror}") from None
        return cls.from_files(files, stem, kind, normalization, str(folder))


def normalize_text(text: str, normalization: Normalization) -> str:
    """Bring a text into a Unicode normal form; a lone surrogate, which is no text, to U+FFFD.

    Example:
        >>> normalize_text("e\N{COMBINING ACUTE ACCENT}", "NFC")
        'é'
    """
    if text.isascii():  # is in every normal form already
        return text
    text = _SURROGATE.sub(UNKNOWN_MARK, text)
    form = FORMS.get(normalization)
    return unicodedata.normalize(form, text) if form else text


def _make_tokenizer(files: Mapping[str, bytes], stem: str, kind: str, origin: str) -> Tokenizer:
    if kind in SUBWORD_KINDS:
        data = _find(files, _model_name(stem), origin)
        try:
            return SentencepieceTokenizer(data, kind)
        except BundleError as error:
            raise BundleError(f"{origin}/{_model_name(stem)}: {error}") from None
    try:
        return build_tokenizer(kind)
    except ValueError:
        raise BundleError(
            f"{origin}: unknown kind of tokens {kind!r}: was it made by a newer version?"
        ) from None


def _find(files: Mapping[str, bytes], name: str, origin: str) -> bytes:
    if name not in files:
        raise BundleError(f"{origin}/{name}: is missing: copy the whole folder")
    return files[name]


def _vocabulary_name(stem: str) -> str:
    return f"{stem}.vocabulary.txt"


def _model_name(stem: str) -> str:
    return f"{stem}.sentencepiece.model"
