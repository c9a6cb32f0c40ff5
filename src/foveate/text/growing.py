"""A vocabulary that grows: what new texts need is added behind, so old ids stay as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from foveate.options import SUBWORD_KINDS
from foveate.text.codec import Codec
from foveate.text.detection import MAX_WORDS
from foveate.text.vocabulary import UNK, Vocabulary


class Grown(NamedTuple):
    """A codec, the tokens that were added to it, and those that it cannot take, commonest first."""

    codec: Codec
    added: tuple[str, ...]
    left_out: tuple[str, ...]


def grow_codec(codec: Codec, texts: Iterable[str]) -> Grown:
    """Add the tokens of texts that a codec does not know, the commonest first.

    Subwords belong to a model that was learnt, which can take no new ones. Characters that it does
    not know are read as unknown, as before.

    Args:
        codec: stays as it is.
        texts: that the new codec is to write and read.

    Example:
        >>> from foveate.text.tokenizers import CharacterTokenizer
        >>> codec = Codec(CharacterTokenizer(), Vocabulary.learn(["ab"]))
        >>> grown = grow_codec(codec, ["bad", "cab", "dab"])
        >>> grown.codec.vocabulary.entries[4:], grown.added
        (('a', 'b', 'd', 'c'), ('d', 'c'))
    """
    known = codec.vocabulary
    unknown = Vocabulary.learn(
        [token for token, id in zip(tokens, known.ids(tokens), strict=True) if id == UNK]
        for tokens in map(codec.split, texts)
    ).entries[4:]
    if codec.kind in SUBWORD_KINDS:
        return Grown(codec, (), unknown)
    room = MAX_WORDS - len(known) if codec.kind == "whitespace" else len(unknown)
    added = unknown[: max(0, room)]
    vocabulary = Vocabulary((*known.entries[4:], *added))
    return Grown(
        Codec(codec.tokenizer, vocabulary, codec.normalization), added, unknown[len(added) :]
    )
