"""A greedy search that hands out every token as soon as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveate.search.core import Search, plan_search
from foveate.search.hypothesis import Hypothesis, Integers, Trace
from foveate.search.query import Query
from foveate.search.stepper import Stepper


@dataclass(frozen=True, slots=True)
class Streamed:
    """A token of a search that goes on.

    Attributes:
        id: the token.
        log_prob: its log-probability, in nats.
        attention: [S] where the model looked; None without attention.
    """

    id: int
    log_prob: float
    attention: NDArray[np.float32] | None


class _Heard(Trace):
    """A trace of one row that remembers its last step."""

    last: Streamed

    def extend(
        self,
        parents: Integers | None,
        tokens: Integers,
        log_probs: NDArray[np.float32],
        attention: NDArray[np.float32] | None,
    ) -> None:
        """Make new rows as any trace does, and remember the first."""
        super().extend(parents, tokens, log_probs, attention)
        if tokens.size:
            looks = None if attention is None else attention[0, 0]
            self.last = Streamed(int(tokens[0, 0]), float(log_probs[0, 0]), looks)


def stream_search(
    stepper: Stepper, source: Integers, query: Query, *, attention: bool = True
) -> Iterator[Streamed | Hypothesis]:
    """Yield the tokens of a greedy search one by one, and at last what `search` would return.

    Args:
        stepper: the model.
        source: [S] ids; at least one.
        query: with a beam of one row.
        attention: whether there are attention weights.
    """
    plan = plan_search([query])
    state = stepper.start(source[None], np.ones((1, source.size), np.bool_), attention=attention)
    trace = _Heard(np.array([source.size]))
    run = Search(stepper, state, plan, trace)
    while run.advance():
        yield trace.last
    yield trace.hypotheses(np.array(plan.num_found))[0][0]
