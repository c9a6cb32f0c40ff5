"""What went on inside, as values: choices, the tree of a search, and attention step by step.

Knows nothing of PyTorch, searches or models.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveate.drawing import load_drawer
from foveate.errors import SearchError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NodeState = Literal["kept", "dropped", "finished"]
LookKind = Literal["cross", "encoder", "decoder"]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Choice:
    """A token that the model might have written at a place of an output.

    Attributes:
        token: the token; empty for the end of the output.
        log_prob: its log-probability in nats, given the tokens before it.
        prefix: as `Request.prefix` it makes an output begin with the tokens before and this one.
            For the end, the text before it.
        is_end: whether this is the end of the output.
    """

    token: str
    log_prob: float
    prefix: str
    is_end: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A prefix that the search held, or one that just missed its beam.

    Attributes:
        parent: place in the tree of the prefix without the last token; -1 for the root.
        token: the last token; empty for the root, and for the end of an output.
        log_prob: log-probability of the last token in nats, given those before it.
        score: sum of the log-probabilities of all its tokens.
        prefix: as `Request.prefix` it makes an output begin like this. For an end, the text.
        state: "kept" lies on the way to an output that is returned, "dropped" does not.
            "finished" is the end of an output that the search found.
    """

    parent: int
    token: str
    log_prob: float
    score: float
    prefix: str
    state: NodeState

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class Equation(NamedTuple):
    """What a number is: its letters, how it is computed, and where that is written."""

    name: Literal["scores", "weights", "context"]
    formula: str
    reference: str


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One attention of a model while it wrote an output. N heads lie side by side in the widths.

    Attributes:
        kind: "cross" looks from the output at the source, "encoder" from the source at the source,
            "decoder" from the output at what was written before.
        layer: from 1, the lowest.
        queries: [T, Q] what asks: states of the decoder; in a Transformer projections of states.
        keys: [S, K] what the scores compare the queries with.
        values: [S, H] what is summed: the encoder states; in a Transformer projections of states.
        scores: [N, T, S] before the softmax; -inf where a position may not be seen.
        weights: [N, T, S] after it; rows sum to 1.
        context: [T, H] the weighted sums of the values, each head of its own slice.
        model: which one of an ensemble, from 1.
        is_split: the heads divide the queries between them, as in a Transformer; in a recurrent
            decoder the same state asks for all of them.
    """

    kind: LookKind
    layer: int
    queries: Floats
    keys: Floats
    values: Floats
    scores: Floats
    weights: Floats
    context: Floats
    model: int = 1
    is_split: bool = False

    @property
    def num_heads(self) -> int:
        """How many heads it has."""
        return len(self.weights)

    def weighted_states(self, step: int) -> Floats:
        """Return a_ij times value j, [S, H], for output step i; their sum is the context."""
        width = self.values.shape[1] // self.num_heads
        shares = np.repeat(self.weights[:, step], width, axis=0).T  # S H
        weighted: Floats = shares * self.values
        return weighted

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; a score of -inf is None."""
        return {name: _plain(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What attention computed at every step of an output, and a step that is looked at.

    The properties are those of the chosen step and of the attention that pictures show; all
    others stand in `looks`.

    Attributes:
        source_tokens: the S tokens that were read.
        tokens: the tokens that were written; the end of the output, if the model wrote it, is an
            empty one.
        looks: every attention of the model, from the source upwards.
        shown: place of the one that `Translation.attention` has.
        equations: how the numbers of `shown` come about.
        choices: for every step the likeliest tokens, best first.
        step: the chosen step, from 0.

    Example:
        found = translator.translate_one("foveate", explain=True)
        third = found.explain(2)
        third.weights.sum(axis=-1)  # 1 for each head
    """

    source_tokens: list[str]
    tokens: list[str]
    looks: list[Look]
    shown: int
    equations: tuple[Equation, ...] = ()
    choices: Sequence[Sequence[Choice]] = ()
    step: int = 0

    def at(self, step: int) -> Explanation:
        """Choose another step.

        Raises:
            SearchError: there is no such step.
        """
        if not 0 <= step < len(self.tokens):
            steps = f"0 to {len(self.tokens) - 1}" if self.tokens else "none"
            raise SearchError(f"there is no step {step}: this output has {steps}")
        return replace(self, step=step)

    def look(self, kind: LookKind = "cross", layer: int | None = None) -> Look:
        """Return an attention by kind and layer; without a layer the one that pictures show.

        Raises:
            SearchError: the model has none such.
        """
        own = self.looks[self.shown]
        found = [one for one in self.looks if one.kind == kind and one.model == own.model]
        if layer is None and kind == own.kind:
            return own
        layers = {one.layer: one for one in found}
        if found and (layer or found[-1].layer) in layers:
            return layers[layer or found[-1].layer]
        if not found:
            raise SearchError(
                f"there is no {kind} attention: only a Transformer has that of encoder and decoder"
            )
        raise SearchError(
            f"there is no layer {layer} of {kind} attention: the model has layers 1 to {len(found)}"
        )

    @property
    def query(self) -> Floats:
        """What asks at the step, [Q]."""
        query: Floats = self.looks[self.shown].queries[self.step]
        return query

    @property
    def scores(self) -> Floats:
        """The scores e_ij of the step before the softmax, [N, S]."""
        return self.looks[self.shown].scores[:, self.step]

    @property
    def weights(self) -> Floats:
        """The attention weights a_ij of the step, [N, S]."""
        return self.looks[self.shown].weights[:, self.step]

    @property
    def weighted_states(self) -> Floats:
        """What each source position gives to the context, a_ij h_j, [S, H]."""
        return self.looks[self.shown].weighted_states(self.step)

    @property
    def context(self) -> Floats:
        """The context vector c_i of the step, [H]: the sum of the weighted states."""
        context: Floats = self.looks[self.shown].context[self.step]
        return context

    def plot(self, head: int = 1) -> Figure:
        """Draw the step as a matplotlib figure, for one head, from 1.

        Raises:
            SearchError: there is no such head.
            MissingExtraError: matplotlib is not installed.
        """
        return load_drawer().draw_step(self, head)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "source_tokens": self.source_tokens,
            "tokens": self.tokens,
            "shown": self.shown,
            "equations": [one._asdict() for one in self.equations],
            "looks": [one.to_dict() for one in self.looks],
            "choices": [[one.to_dict() for one in row] for row in self.choices],
        }

    def __repr__(self) -> str:
        token = self.tokens[self.step] if self.tokens else ""
        best = self.source_tokens[int(self.weights.mean(axis=0).argmax())]
        return (
            f"<Explanation of step {self.step} of {len(self.tokens)}, {token or 'the end'!r} "
            f"looked most at {best!r}; attentions: {len(self.looks)}>"
        )

    def _repr_html_(self) -> str:
        return load_drawer().draw_explanation(self)


def _plain(values: Any) -> Any:
    """Return nested lists; numbers that JSON does not have become None."""
    if isinstance(values, np.ndarray):
        return _plain(values.tolist())
    if isinstance(values, list):
        return [_plain(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values
