"""Several models that decide together, as one `Stepper`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray

from foveate.errors import SearchError
from foveate.search.stepper import State, Step, Stepper, best_candidates


def join_steppers(members: Sequence[Stepper]) -> Stepper:
    """Return an ensemble of the members, or the only one of them.

    Raises:
        SearchError: there are no members.
    """
    return members[0] if len(members) == 1 else EnsembleStepper(members)


class EnsembleStepper:
    """Average the probabilities of models that share their vocabularies.

        p(y) = 1/M sum_m p_m(y),   a_ij = 1/M sum_m a_ij^m

    Reference: Sutskever et al. 2014, section 3.6, decode with an ensemble of five.

    Args:
        members: M steppers; those without attention are left out of its mean.

    Raises:
        SearchError: there are no members.
    """

    def __init__(self, members: Sequence[Stepper]) -> None:
        if not members:
            raise SearchError("an ensemble needs at least one model")
        self.members = list(members)

    @property
    def with_attention(self) -> bool:
        """Whether attention weights are returned."""
        return any(getattr(member, "with_attention", True) for member in self.members)

    @with_attention.setter
    def with_attention(self, wanted: bool) -> None:
        for member in self.members:
            if hasattr(member, "with_attention"):
                member.with_attention = wanted

    @property
    def workers(self) -> int:
        """How many batches may be searched at a time."""
        return min(getattr(member, "workers", 1) for member in self.members)

    def on_one_core(self) -> AbstractContextManager[None]:
        """Let no member share out its own work."""
        context: AbstractContextManager[None] = getattr(
            self.members[0], "on_one_core", nullcontext
        )()
        return context

    def start(self, source: NDArray[np.int64], source_mask: NDArray[np.bool_]) -> State:
        """Encode the sources with every model."""
        return [member.start(source, source_mask) for member in self.members]

    def step(self, state: State, tokens: NDArray[np.int64], k: int | None) -> Step:
        """Return the k best next tokens of every row, or all of them in the order of their ids."""
        steps = [
            member.step(own, tokens, None) for member, own in zip(self.members, state, strict=True)
        ]
        log_probs = np.logaddexp.reduce([step.log_probs for step in steps])
        log_probs = (log_probs - np.log(len(steps))).astype(np.float32)
        looks = [step.attention for step in steps if step.attention is not None]
        attention = np.stack(looks).mean(axis=0) if looks else None
        states = [step.state for step in steps]
        if k is None:
            return Step(states, steps[0].ids, log_probs, attention)
        return Step(states, *best_candidates(log_probs, k), attention)

    def reorder(self, state: State, rows: NDArray[np.int64]) -> State:
        """Pick rows of every model's state, in the given order, with repetition."""
        return [member.reorder(own, rows) for member, own in zip(self.members, state, strict=True)]
