"""What the model of a run does with a few dev pairs: looked at from outside, changing nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from foveate.errors import SearchError
from foveate.insight.training_page import NUM_DRAWN, Example, Moment
from foveate.training.selection import Selector

NUM_EXAMPLES = 6
LONGEST = 40  # tokens of what is drawn
MOST_READ = 300  # dev pairs from which some are chosen


class Onlooker:
    """Choose examples from the dev set, and look at them now and then.

    Attributes:
        examples: the first of them are drawn, and all are written as texts.
    """

    def __init__(self, selector: Selector) -> None:
        self._selector = selector
        self._translator = selector.build_translator(selector.trainer.average)
        self.has_attention = self._translator.has_attention
        self._num_drawn = 0
        self._rows = self._choose()
        self.examples = [self._describe(row) for row in self._rows]

    def look(self, update: int, outputs: Sequence[str] = ()) -> Moment:
        """Return what the average does with the examples now.

        Args:
            update: how many were done.
            outputs: of the sources of the validation, where they were just translated.
        """
        chosen = [outputs[row] for row in self._rows] if outputs else []
        return Moment(update, chosen, list(self._attend()))

    def _attend(self) -> Iterator[list[list[int]]]:
        """Yield where the model looks while it writes the right targets, in per cent."""
        if not self.has_attention:
            return
        pairs = [(one.source, one.references[0]) for one in self.examples[: self._num_drawn]]
        try:
            scored = list(self._translator.score_pairs(pairs))
        except SearchError:  # its weights are no numbers: the next validation says so
            return
        for one in scored:
            assert one.attention is not None
            yield np.rint(100 * np.clip(one.attention, 0, 1)).astype(int).tolist()

    def _choose(self) -> list[int]:
        """Return rows of the validation: some that are fit to be drawn, then others."""
        validation = self._selector.validation
        lengths = {}
        for row in range(min(MOST_READ, len(validation.sources))):
            example = self._describe(row)
            if example.source_tokens and example.tokens:
                lengths[row] = max(len(example.source_tokens), len(example.tokens))
        fit = sorted((row for row in lengths if lengths[row] <= LONGEST), key=lengths.__getitem__)
        upper = fit[-max(NUM_DRAWN, len(fit) // 2) :]  # the longer half
        spread = np.linspace(0, 0.95 * max(len(upper) - 1, 0), NUM_DRAWN)
        drawn = {upper[round(place)]: None for place in spread} if upper else {}
        self._num_drawn = len(drawn)
        others = [row for row in lengths if row not in drawn]
        step = max(1, len(others) // (NUM_EXAMPLES - NUM_DRAWN))
        return list(dict.fromkeys([*drawn, *others[::step]]))[:NUM_EXAMPLES]

    def _describe(self, row: int) -> Example:
        validation, translator = self._selector.validation, self._translator
        source, references = validation.sources[row], validation.references[row]
        read, written = translator.source_codec, translator.target_codec
        return Example(source, references, read.split(source), written.split(references[0]))
