"""What a command says at its end of its translations: what was unknown, cut, or unfinished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from foveate.console import say
from foveate.counted import counted
from foveate.text.vocabulary import UNK

if TYPE_CHECKING:
    from foveate.records import Translation
    from foveate.translator import Translator

MOST_SHOWN = 10  # characters or groups of lines that are named
MOST_KEPT = 10_000  # unknown tokens that are counted each; text without end has ever new ones
BRIEF = 2  # characters of a token that is shown as it is


class Places:
    """Numbers that are named as groups, and all counted."""

    def __init__(self) -> None:
        self.count = 0
        self._groups: list[list[int]] = []  # first and last of each; not of all, there may be many

    def add(self, number: int) -> None:
        """Take in a number greater than those before."""
        self.count += 1
        if self._groups and self._groups[-1][1] == number - 1:
            self._groups[-1][1] = number
        elif len(self._groups) <= MOST_SHOWN:
            self._groups.append([number, number])

    def show(self, noun: str) -> str:
        """Return the numbers after a noun.

        Example:
            >>> places = Places()
            >>> for number in (1, 3, 4, 5):
            ...     places.add(number)
            >>> places.show("line")
            'lines 1, 3 to 5'
        """
        shown = [
            f"{first}" if first == last else f"{first} to {last}"
            for first, last in self._groups[:MOST_SHOWN]
        ]
        more = ", ..." if len(self._groups) > MOST_SHOWN else ""
        return f"{noun}{'s' * (self.count > 1)} {', '.join(shown)}{more}"


class Remarks:
    """Counts, while translations pass by, what their reader should know.

    Args:
        translator: whose translations they are.
        noun: what each of them belongs to.
        begin: how many there were before, in an earlier run.
        has_limits: the command has flags for the longest source and output.
    """

    def __init__(
        self,
        translator: Translator,
        noun: str = "line",
        begin: int = 0,
        *,
        has_limits: bool = True,
    ) -> None:
        self._translator = translator
        self._may_fold = translator.bundle.text.source_case in ("lower", "upper")
        self._has_limits = has_limits
        self._noun = noun
        self._begin = begin
        self._count = self._num_with_unknown = self._num_folded = 0
        self._unknown: Counter[str] = Counter()
        self._scripts: Counter[str] = Counter()
        self._is_lower_known = True
        self._cut, self._unfinished = Places(), Places()

    def see(self, source: str) -> None:
        """Look at a source as it was written."""
        if self._may_fold:
            self._num_folded += self._translator.changes_case(source)

    def watch(self, translations: Iterable[Translation]) -> Iterator[Translation]:
        """Look at translations as they pass by."""
        for translation in translations:
            self._count += 1
            if translation.unknown:
                self._see_unknown(translation)
            if translation.num_cut:
                self._cut.add(self._begin + self._count)
            if not translation.is_finished:
                self._unfinished.add(self._begin + self._count)
            yield translation

    def _see_unknown(self, translation: Translation) -> None:
        from foveate.data.oddities import find_script

        tokens = translation.source_tokens
        self._num_with_unknown += 1
        unknown = sorted({tokens[place] for place in translation.unknown})
        has_room = len(self._unknown) < MOST_KEPT
        self._unknown.update(one for one in unknown if has_room or one in self._unknown)
        self._scripts.update({find_script(one) for token in unknown for one in token} - {""})
        if self._is_lower_known:
            codec = self._translator.source_codec
            self._is_lower_known = UNK not in codec.encode(codec.join(tokens).lower())

    def tell(self) -> None:
        """Say on standard error what there is to say."""
        if self._num_folded:
            case = self._translator.bundle.text.source_case
            say(
                f"{self._num_folded:,} of {counted(self._count, self._noun)} "
                f"{'were' if self._count > 1 else 'was'} read in "
                f"{case} case: the sources of the training had no other letters"
            )
        if self._num_with_unknown:
            say(self._say_unknown())
        if self._cut.count:
            say(
                f"{self._cut.show(self._noun)}: cut to "
                f"{counted(self._translator.max_source, 'token')}, far "
                f"more than the sources of the training had{self._lift('--max-source N lifts it')}"
            )
        if self._unfinished.count:
            say(
                f"{self._unfinished.count:,} of {counted(self._count, 'output')} did not come "
                f"to {'their' if self._count > 1 else 'its'} end, or lack"
                f"{'' if self._count > 1 else 's'} what was demanded"
                f"{self._lift('--max-length N allows longer ones')}: "
                f"{self._unfinished.show(self._noun)}"
            )

    def _lift(self, advice: str) -> str:
        return f" ({advice})" if self._has_limits else ""

    def _say_unknown(self) -> str:
        common = self._unknown.most_common(MOST_SHOWN)
        named = ", ".join(f"{_show(token)} in {count:,}" for token, count in common)
        more = ", ..." if len(self._unknown) > MOST_SHOWN else ""
        how = "copied" if self._translator.bundle.decoding.stand_ins else "read as unknown"
        lower = "; in lower case all are known" if self._is_lower_known else ""
        return (
            f"{self._num_with_unknown:,} of {counted(self._count, self._noun)} "
            f"{'have' if self._count > 1 else 'has'} source tokens "
            f"that were not seen in training ({how}): {named}{more}{lower}{self._say_scripts()}"
        )

    def _say_scripts(self) -> str:
        """Name the scripts that no source of the training has, with what to do; or nothing."""
        from foveate.data.oddities import find_script

        known = {
            find_script(letter)
            for entry in self._translator.source_codec.vocabulary.entries
            for letter in entry
        }
        others = {name: count for name, count in self._scripts.items() if name not in known}
        if not others or not known - {""}:
            return ""
        named = ", ".join(
            f"{name if name == 'CJK' else name.capitalize()} in {count:,}"
            for name, count in others.items()
        )
        return (
            f"; the training had no letters of these scripts (in {self._noun}s): {named}: write "
            "them in the script of the training, or train with pairs that have them"
        )


def _show(token: str) -> str:
    """Return a token in quotes; what does not show by itself with its number."""
    if token.isprintable():
        return f"'{token}'"
    return " ".join(f"U+{ord(letter):04X}" for letter in token[:BRIEF])
