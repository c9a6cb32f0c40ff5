"""The table between tokens and ids. Knows nothing of how text is split into tokens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from foveate.errors import BundleError

PAD, UNK, BOS, EOS = 0, 1, 2, 3
RESERVED = ("<pad>", "<unk>", "<s>", "</s>")

_NAMED_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NAMED_CHARACTERS = {escape: character for character, escape in _NAMED_ESCAPES.items()}
# Control characters, every line separator, the byte-order mark, and what UTF-8 cannot hold.
_UNSAFE = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
_ESCAPE = re.compile(r"\\(?:u[0-9a-f]{4}|.?)")


class Vocabulary:
    """Tokens and their ids; the reserved tokens have the ids 0 to 3.

    Text never reaches a reserved id but `UNK`: a text that spells `</s>` does not end a sentence.

    Example:
        >>> vocabulary = Vocabulary(["a", "b"])
        >>> vocabulary.ids(["b", "z"])
        [5, 1]
        >>> vocabulary.tokens([5, 1])
        ['b', '<unk>']
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        """Number the tokens in their order, after the reserved ones; repeats count once."""
        self.entries: tuple[str, ...] = tuple(dict.fromkeys([*RESERVED, *tokens]))
        self._ids = {token: index for index, token in enumerate(self.entries)}
        for token in RESERVED:
            del self._ids[token]

    @classmethod
    def learn(cls, token_lists: Iterable[Sequence[str]], max_size: int | None = None) -> Vocabulary:
        """Count the tokens and keep the most frequent ones, ties in order of code points.

        Args:
            token_lists: the tokens of each text.
            max_size: size of the vocabulary at most, the four reserved tokens counted.

        Example:
            >>> Vocabulary.learn(["banana"]).entries[4:]
            ('a', 'n', 'b')
        """
        counts: Counter[str] = Counter()
        for tokens in token_lists:
            counts.update(tokens)
        return cls.from_counts(counts, max_size)

    @classmethod
    def from_counts(cls, counts: Counter[str], max_size: int | None = None) -> Vocabulary:
        """Do as `learn` with tokens that were counted already."""
        for token in RESERVED:
            counts.pop(token, None)
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        if max_size is not None:
            ranked = ranked[: max(0, max_size - len(RESERVED))]
        return cls(ranked)

    def __len__(self) -> int:
        return len(self.entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.entries == other.entries

    __hash__ = None  # type: ignore[assignment]

    def ids(self, tokens: Sequence[str]) -> list[int]:
        """Return the id of each token, `UNK` for one that is not in the vocabulary."""
        find = self._ids.get
        return [find(token, UNK) for token in tokens]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the token of each id, reserved ones too."""
        return [self.entries[index] for index in ids]

    def to_text(self) -> str:
        """Write one token a line, in order of ids, control characters escaped."""
        return "".join(_UNSAFE.sub(_escape, token) + "\n" for token in self.entries)

    @classmethod
    def from_text(cls, text: str) -> Vocabulary:
        """Read what `to_text` wrote.

        Raises:
            BundleError: the text is cut off, has an unknown escape, a repeated token, or does
                not begin with the reserved tokens.
        """
        lines = text.split("\n")
        if lines.pop() != "":
            raise BundleError("vocabulary: the last line is cut off: copy the model folder again")
        tokens = [_unescape(line, number) for number, line in enumerate(lines, start=1)]
        if tuple(tokens[: len(RESERVED)]) != RESERVED:
            raise BundleError(f"vocabulary: the first lines must be {' '.join(RESERVED)}")
        if len(set(tokens)) < len(tokens):
            repeated = Counter(tokens).most_common(1)[0][0]
            raise BundleError(f"vocabulary: the token {repeated!r} is there more than once")
        return cls(tokens)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _NAMED_ESCAPES.get(character) or f"\\u{ord(character):04x}"


def _unescape(line: str, number: int) -> str:
    def character(match: re.Match[str]) -> str:
        escape = match[0]
        if escape.startswith("\\u") and len(escape) == 6:
            found = chr(int(escape[2:], 16))
            if "\ud800" <= found <= "\udfff":  # no text has it, and no file can take it
                raise BundleError(f"vocabulary: line {number}: {escape} is half of a character")
            return found
        if escape not in _NAMED_CHARACTERS:
            raise BundleError(f"vocabulary: line {number}: unknown escape {escape!r}")
        return _NAMED_CHARACTERS[escape]

    return _ESCAPE.sub(character, line)
