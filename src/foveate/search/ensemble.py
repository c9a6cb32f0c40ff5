"""Several models that decide together, as one `Stepper`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveate.errors import SearchError
from foveate.search.stepper import Capabilities, State, Step, Stepper, best_candidates


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
    def capabilities(self) -> Capabilities:
        """What the members can do together: choose, since that is done here, but not write."""
        has_attention = any(member.capabilities.has_attention for member in self.members)
        return Capabilities(has_attention=has_attention, can_choose=True, can_write=False)

    def start(
        self, source: NDArray[np.int64], source_mask: NDArray[np.bool_], *, attention: bool
    ) -> State:
        """Encode the sources with every model."""
        return [member.start(source, source_mask, attention=attention) for member in self.members]

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
