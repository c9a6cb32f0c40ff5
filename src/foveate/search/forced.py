"""Forced decoding: the score and the attention of given targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveate.errors import SearchError
from foveate.search.hypothesis import Hypothesis, Integers
from foveate.search.stepper import Step, Stepper
from foveate.search.walk import walk
from foveate.text.vocabulary import EOS, UNK


def forced_search(
    stepper: Stepper,
    source: NDArray[np.int64],
    source_mask: NDArray[np.bool_],
    targets: Sequence[Sequence[int]],
) -> list[Hypothesis]:
    """Score `targets[b]`, and EOS after it, as the output for source b.

    Args:
        stepper: the model.
        source: [B, S] ids, padded on the right.
        source_mask: [B, S], True where a real token stands.
        targets: B sequences of ids without BOS and EOS; UNK may be among them.

    Raises:
        SearchError: the number of targets is not B, or an id is no token.
    """
    if len(targets) != len(source):
        raise SearchError(f"{len(targets)} targets for {len(source)} sources: give one for each")
    lengths = np.array([len(target) for target in targets], np.int64)
    padded = _pad_with_end(targets, lengths)
    largest = int(padded.max(initial=EOS))

    def take_given(
        step: Step, owners: Integers, length: int
    ) -> tuple[Integers, NDArray[np.float32]]:
        if largest >= step.log_probs.shape[1]:
            raise SearchError(
                f"targets have the id {largest}, but the model knows only "
                f"{step.log_probs.shape[1]} tokens: is it another model's vocabulary?"
            )
        ids = padded[owners, length]
        return ids, step.log_probs[np.arange(len(ids)), ids]

    return walk(stepper, source, source_mask, take_given, k=None, max_lengths=lengths)


def _pad_with_end(targets: Sequence[Sequence[int]], lengths: Integers) -> Integers:
    padded = np.full((len(targets), int(lengths.max(initial=0)) + 1), EOS, np.int64)
    for number, (row, target) in enumerate(zip(padded, targets, strict=True)):
        row[: len(target)] = target
        given = row[: len(target)]
        if ((given <= EOS) & (given != UNK)).any():
            raise SearchError(
                f"target {number}: PAD, BOS, EOS and negative ids cannot be forced: "
                "give the tokens only, EOS is added"
            )
    return padded
