"""What counts as right: the one form in which outputs, targets and sources are compared.

Every count of right outputs comes here: validation, evaluation, `Seq2Seq.score`, the diagnosis,
the memory and the list of words. Knows no models and no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from foveate.options import SUBWORD_KINDS
from foveate.text.codec import Codec, normalize_text
from foveate.text.sampling import BLANK_MARK


@dataclass(frozen=True)
class Matching:
    """Brings texts of a model into the form in which they are compared.

    A target is compared in the normal form of its codec, and then in NFC: spellings that Unicode
    holds to be the same are the same. Between symbols that stand apart, the width of a blank
    means nothing. A perfect model therefore has every target right, whatever its normal form is.
    Sources are the same when the model cannot tell them apart by their normal form.

    Example:
        >>> from foveate.text.tokenizers import WhitespaceTokenizer
        >>> from foveate.text.vocabulary import Vocabulary
        >>> codec = Codec(WhitespaceTokenizer(), Vocabulary(["K", "AE"]), "NFKC")
        >>> matching = Matching(codec, codec)
        >>> matching.is_right("K AE", ["K  \N{FULLWIDTH LATIN CAPITAL LETTER A}E"])
        True
    """

    source_codec: Codec
    target_codec: Codec

    def source(self, text: str) -> str:
        """Return the form in which a source is looked up and counted."""
        return self.source_codec.normalize(text)

    def target(self, text: str) -> str:
        """Return the form in which an output or a target is compared; of a form, itself."""
        codec = self.target_codec
        text = normalize_text(codec.normalize(text), "NFC")
        if codec.kind in SUBWORD_KINDS:
            return text.replace(BLANK_MARK, " ")  # in which such a mark is written
        return " ".join(text.split()) if codec.kind == "whitespace" else text

    def is_right(self, output: str, accepted: Iterable[str]) -> bool:
        """Return whether an output is one of the targets that are accepted."""
        form = self.target(output)
        return any(self.target(text) == form for text in accepted)

    def group(self, pairs: Iterable[tuple[str, str]]) -> tuple[list[str], list[dict[str, int]]]:
        """Return the different sources, as first written, and how often each target of each.

        Targets are in the form in which they are compared, in the order in which they were seen.

        Example:
            >>> from foveate.text.tokenizers import CharacterTokenizer
            >>> from foveate.text.vocabulary import Vocabulary
            >>> codec = Codec(CharacterTokenizer(), Vocabulary([]))
            >>> Matching(codec, codec).group([("a", "1"), ("b", "2"), ("a", "3"), ("a", "1")])
            (['a', 'b'], [{'1': 2, '3': 1}, {'2': 1}])
        """
        places: dict[str, int] = {}
        sources: list[str] = []
        counts: list[dict[str, int]] = []
        for source, target in pairs:
            place = places.setdefault(self.source(source), len(sources))
            if place == len(sources):
                sources.append(source)
                counts.append({})
            form = self.target(target)
            counts[place][form] = counts[place].get(form, 0) + 1
        return sources, counts

    def group_references(
        self, pairs: Iterable[tuple[str, str]]
    ) -> tuple[list[str], list[list[str]]]:
        """Return the different sources, as first written, and the different targets of each."""
        sources, counts = self.group(pairs)
        return sources, [list(targets) for targets in counts]

    def count_rows(
        self, outputs: Sequence[str], counts: Sequence[dict[str, int]]
    ) -> Iterable[tuple[int, int]]:
        """Yield for the output of each source how many of its rows have it, and how many it has.

        Args:
            outputs: one for each source.
            counts: what `group` returns.
        """
        for output, targets in zip(outputs, counts, strict=True):
            yield targets.get(self.target(output), 0), sum(targets.values())
