"""Pronunciation dictionaries for speech engines, written from words and what a model says of them.

Knows the forms of the engines; knows no files and no terminal.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from html import escape
from typing import Literal

from foveate.records import Translation
from foveate.text.tokenizers import CharacterTokenizer

DictionaryForm = Literal["lexicon", "festival", "pls"]

PLS_NAMESPACE = "http://www.w3.org/2005/01/pronunciation-lexicon"
IPA_BLOCKS = ((0x0250, 0x036F), (0x1D00, 0x1DBF), (0x1DC0, 0x1DFF), (0x2C60, 0x2C7F))
IPA_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzæçðøħŋœβθχ.|‖‿↑↓↗↘ⱱˑːꜛꜜ-' ")


class Dictionary:
    r"""The text of a pronunciation dictionary, entry by entry.

    The forms:
        lexicon: a word, a TAB, its phonemes between blanks: `lexicon.txt` of sherpa-onnx, Kaldi
            and the Montreal Forced Aligner.
        festival: `("word" nil (ph o n e m e s))`, to be compiled by Festival's `lex.compile`.
        pls: the Pronunciation Lexicon Specification 1.0 of the W3C, which SSML refers to.

    A word that was there already, a word without an output, and (in a lexicon) a word with a blank
    have no entry.

    Args:
        form: one of the three.
        kind: of the target tokens. Characters are phonemes; of others the text has them between
            blanks.
        phonemes: all that the model may write; they decide the alphabet that a PLS names.
        language: code of the words' language (BCP 47), for a PLS; "und" is undetermined.

    Example:
        >>> dictionary = Dictionary("lexicon", "whitespace")
        >>> dictionary.add("cat", Translation(["c", "a", "t"], ["K", "AE", "T"], "K AE T", 0.0))
        ['cat\tK AE T\n']
    """

    def __init__(
        self,
        form: DictionaryForm,
        kind: str,
        phonemes: Iterable[str] = (),
        language: str = "und",
    ) -> None:
        self.form = form
        self.left_out: Counter[str] = Counter()
        self._is_spelled = kind == CharacterTokenizer.kind
        self._is_ipa = all(map(is_ipa, phonemes))
        self._language = language
        self._seen: set[str] = set()

    def begin(self) -> str:
        """Return what stands before the entries."""
        if self.form != "pls":
            return ""
        alphabet = "ipa" if self._is_ipa else "x-foveate"
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<lexicon version="1.0" xmlns="{PLS_NAMESPACE}"\n'
            f'    alphabet="{alphabet}" xml:lang="{escape(self._language)}">\n'
        )

    def end(self) -> str:
        """Return what stands behind the entries."""
        return "</lexicon>\n" if self.form == "pls" else ""

    def add(self, word: str, translation: Translation) -> list[str]:
        """Return the entries of a word, best pronunciation first; none where it is left out."""
        word = word.strip()
        found = [self._phonemes(other) for other in (translation, *translation.alternatives)]
        pronunciations = list(dict.fromkeys(tuple(one) for one in found if one))
        if reason := self._refuse(word, bool(pronunciations)):
            self.left_out[reason] += 1
            return []
        self._seen.add(word)
        if self.form == "pls":
            return [_format_lexeme(word, pronunciations, "" if self._is_ipa else " ")]
        if self.form == "festival":
            return [_format_festival(word, one) for one in pronunciations]
        return [f"{word}\t{' '.join(one)}\n" for one in pronunciations]

    def _refuse(self, word: str, is_said: bool) -> str:
        """Return why a word has no entry; nothing where it has one."""
        if not word:
            return "empty lines"
        if word in self._seen:
            return "words that stood before"
        if not is_said:
            return "words without an output"
        if self.form == "lexicon" and len(word.split()) > 1:
            return "words with a blank"
        return ""

    def _phonemes(self, translation: Translation) -> list[str]:
        if self._is_spelled:
            return [token for token in translation.tokens if token.strip()]
        return translation.text.split()


def is_ipa(phoneme: str) -> bool:
    """Return whether a symbol is made of letters and marks of the International Phonetic Alphabet.

    Example:
        >>> is_ipa("tʃʰ"), is_ipa("AH0"), is_ipa("5")
        (True, False, False)
    """
    return all(
        letter in IPA_LETTERS
        or unicodedata.combining(letter)
        or any(first <= ord(letter) <= last for first, last in IPA_BLOCKS)
        for letter in unicodedata.normalize("NFC", phoneme)
    )


def _format_lexeme(word: str, pronunciations: list[tuple[str, ...]], blank: str) -> str:
    said = "".join(
        f"    <phoneme>{escape(blank.join(phonemes))}</phoneme>\n" for phonemes in pronunciations
    )
    return f"  <lexeme>\n    <grapheme>{escape(word)}</grapheme>\n{said}  </lexeme>\n"


def _format_festival(word: str, phonemes: tuple[str, ...]) -> str:
    return f"({_quote(word)} nil ({' '.join(map(_format_symbol, phonemes))}))\n"


def _format_symbol(phoneme: str) -> str:
    """Return a phoneme as Scheme reads it: quoted where it has a mark of the language."""
    return _quote(phoneme) if set(phoneme) & set("()[]{}'\"`,;|\\#") else phoneme


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
