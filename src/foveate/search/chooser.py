"""What every row may write next: whatever the model finds best, where no query has a rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveate.search.hypothesis import Integers
from foveate.search.stepper import Step, best

Candidates = tuple[Integers, NDArray[np.float32]]  # ids and log-probabilities, both [R, k]


class Chooser:
    """Choose the candidates of every row (a live prefix), and remember what that needs of it.

    This one is for queries without rules: it has nothing to remember. `Rules` is for the others.

    Args:
        widths: [G] how many candidates each beam looks at, beside EOS: the rows that it may have.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        widest = max(widths)
        self._count = widest + 1 if widest > 1 else 1  # EOS may be one of them

    @property
    def is_greedy(self) -> bool:
        """Whether every row is free and wants its most probable token, no more."""
        return self._count == 1

    def count(self) -> int | None:
        """Return how many candidates to ask the stepper for; None: the whole vocabulary."""
        return self._count

    def choose(self, step: Step, length: int, *, is_whole: bool) -> Candidates:
        """Return the candidates of every row, best first; -inf for what is none.

        Args:
            step: what the stepper gave.
            length: number of tokens so far.
            is_whole: whether that is the whole vocabulary, in the order of its ids.
        """
        del length  # matters only where tokens are given or drawn
        return best(step.log_probs, self._count) if is_whole else (step.ids, step.log_probs)

    def rank_banks(self, ids: Integers) -> Integers | None:
        """Return how many demanded tokens each candidate [R, k] has met; None: none demanded."""
        del ids
        return None

    def follow(self, rows: Integers | None, tokens: Integers) -> None:
        """Make the rows of the next step: row i is row `rows[i]` of this one, and a token.

        Without `rows` every row goes on.
        """

    def keep(self, rows: Integers) -> None:
        """Keep some rows of those that wrote greedily."""

    def find_forced(self, num_rows: int) -> NDArray[np.bool_]:
        """Tell which of the first rows write what they are given, however bad it is."""
        return np.zeros(num_rows, np.bool_)

    def count_unmet(self, rows: Integers) -> Integers:
        """Return how many demands the prefixes of `rows` do not meet."""
        return np.zeros(len(rows), np.int64)
