"""The small values that cross every border: `Pair`, `Batch`, `Request`, `Translation` and more.

Knows nothing of PyTorch, files or models.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from foveate.counted import counted
from foveate.drawing import load_drawer
from foveate.errors import SearchError
from foveate.ranking import MOST_PENALTY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from foveate.inside_values import Choice, Explanation, TreeNode

Likeness = Literal["chrf", "edits"]  # how outputs are compared for minimum Bayes risk


@dataclass(frozen=True, slots=True)
class Pair:
    """One source and one target, as read, with the place they came from for error messages."""

    source: str
    target: str
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class SoftTargets:
    """What a teacher finds likely at each of N steps: K tokens, whose probabilities sum to 1."""

    ids: NDArray[np.integer[Any]]  # [N, K]
    probabilities: NDArray[np.floating[Any]]  # [N, K]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, steps: NDArray[np.int64]) -> SoftTargets:
        """Return those of some steps, as wide as a loss wants them."""
        return SoftTargets(
            self.ids[steps].astype(np.int64), self.probabilities[steps].astype(np.float32)
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs as integers, padded on the right. Masks are True where a real token stands."""

    source: NDArray[np.int64]  # [B, S], no BOS, no EOS
    source_mask: NDArray[np.bool_]  # [B, S]
    target_in: NDArray[np.int64]  # [B, T], BOS y...
    target_out: NDArray[np.int64]  # [B, T], y... EOS
    target_mask: NDArray[np.bool_]  # [B, T]
    soft_targets: SoftTargets | None = None  # a step for each True of target_mask, in its order


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw outputs instead of searching for the best.

    Attributes:
        temperature: above 1 the outputs are more varied, below 1 less.
        top_k: draw from so many of the likeliest tokens; 0 means all.
        top_p: draw from the likeliest tokens that hold this share of the probability together.
        seed: the same seed draws the same outputs.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Request:
    """One text to translate, and all that is wanted of its output.

    Attributes:
        source: the text; an empty or blank one has an empty output.
        beam_size: hypotheses that the search keeps; 1 is greedy, the fastest.
        n_best: outputs to return; all but the best are `alternatives`.
        length_penalty: scores are divided by length to this power when they are ranked.
        max_length: most tokens of an output; None asks the training data.
        attention: whether to return attention weights.
        prefix: what the output has to begin with. A text may end inside a token; between blanks,
            one that ends in a blank ends with a whole token. A tuple of tokens is written as it is.
        must: texts that have to stand in the output.
        must_not: texts that may not stand in it.
        no_repeat: sequences of so many tokens stand in the output once at most; 0 allows all.
        mbr: choose the output that is most like the others, by "chrf" or by "edits", instead of
            the most probable one.
        sampling: draw the outputs instead of searching for the best.
        choices: how many of the likeliest next tokens to return for every place of the output.
        tree: whether to return all prefixes that the search held.
        explain: whether to return what attention computes at every step, see
            `Translation.explain`. It needs PyTorch and the model's weights, and has `choices`.

    Raises:
        SearchError: a value makes no sense; all such values at once.

    Example:
        >>> Request("foveate", prefix="F OW", n_best=3).beam_size
        5
    """

    source: str
    beam_size: int = 5
    n_best: int = 1
    length_penalty: float = 1.0
    max_length: int | None = None
    attention: bool = True
    prefix: str | tuple[str, ...] = ""
    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    no_repeat: int = 0
    mbr: Likeness | None = None
    sampling: Sampling | None = None
    choices: int = 0
    tree: bool = False
    explain: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        problems = [*_find_bad_texts(self), *_find_bad_numbers(self), *_find_bad_draws(self)]
        if problems:
            raise SearchError("; ".join(problems))

    @property
    def is_steered(self) -> bool:
        """Whether only some outputs will do, so that a remembered one may not."""
        return bool(self.prefix or self.must or self.must_not or self.no_repeat or self.sampling)


def _find_bad_texts(request: Request) -> Iterator[str]:
    source: Any = request.source
    given: Any
    if not isinstance(source, str):
        yield f"source must be a text, not {source!r:.60}"
    if not _is_prefix(request.prefix):
        yield f"prefix must be a text or a tuple of tokens, not {request.prefix!r:.60}"
    for name, given in (("must", request.must), ("must_not", request.must_not)):
        if not _is_texts(given):
            yield f"{name} must be a tuple of texts, not {given!r:.60}"
        elif given and not all(text.strip() for text in given):
            yield f"{name} has an empty text: leave it out"
    if request.mbr is not None and request.mbr not in get_args(Likeness):
        yield f"mbr must be chrf, edits or None, not {request.mbr!r}"


def _is_prefix(given: object) -> bool:
    return isinstance(given, str) or _is_texts(given)


def _is_texts(given: object) -> bool:
    return isinstance(given, tuple) and all(isinstance(text, str) for text in given)


def _find_bad_numbers(request: Request) -> Iterator[str]:
    numbers = (
        ("beam_size", request.beam_size, 1),
        ("n_best", request.n_best, 1),
        ("max_length", request.max_length, 1),
        ("no_repeat", request.no_repeat, 0),
        ("choices", request.choices, 0),
    )
    for name, number, least in numbers:
        if number is not None and number < least:
            yield f"{name} must be at least {least}, not {number}"
    if not 0 <= request.length_penalty <= MOST_PENALTY:
        yield f"length_penalty must be from 0 to {MOST_PENALTY:g}, not {request.length_penalty}"
    if request.sampling is None and request.n_best > request.beam_size > 0:
        yield f"n_best {request.n_best} needs a beam_size of at least {request.n_best}"


def _find_bad_draws(request: Request) -> Iterator[str]:
    sampling = request.sampling
    if sampling is None:
        return
    if not 0 < sampling.temperature < math.inf:
        yield f"temperature must be above 0, not {sampling.temperature} (beam_size 1 for 0)"
    if sampling.top_k < 0:
        yield f"top_k must be 0 (all) or more, not {sampling.top_k}"
    if not 0 < sampling.top_p <= 1:
        yield f"top_p must be above 0 and at most 1, not {sampling.top_p}"
    if request.must:
        yield "must does not go with sampling: a search finds what is demanded, a draw may not"
    if sampling.seed < 0:
        yield f"seed must be 0 or more, not {sampling.seed}"


@dataclass(frozen=True, slots=True)
class Translation:
    """What every door returns: the output, how sure the model was, and where it looked.

    Translations are equal when all but attention and explanation are: these belong to the output.

    Attributes:
        source_tokens: the S tokens that the encoder read.
        tokens: the T tokens that the decoder wrote (without the end mark).
        text: the tokens joined.
        score: log-probability of the text, end mark included, in nats (0 is certainty). Where a
            search found several ways to cut one text into tokens, it is that of all of them.
        attention: [T, S] attention weights, rows are target and sum to 1, columns are source;
            None when they were not wanted or the model has none.
        alternatives: further outputs, best first.
        is_finished: whether the model ended the output, rather than it was cut off at the greatest
            length, or lacks what was demanded of it.
        unknown: places of source tokens that the model has never seen, and read as unknown.
        token_scores: log-probability of each of the T tokens, in nats.
        num_cut: source tokens beyond the limit for sources, which were not read.
        rank_score: what the outputs of one source are in order of: the score divided by a power of
            the length, and what a list of words adds; with `mbr` the expected likeness.
        confidence: probability that the output is right, fitted on the dev pairs: of all outputs
            with 0.8 four of five are right. None where it is not known, or the output unfinished.
        choices: for each of the T tokens, and for the end if the model wrote it, the likeliest
            tokens at its place, best first. What was written is among them; it comes last where it
            is not one of the likeliest. Empty when not asked for.
        tree: all prefixes that the search held, parents first. Empty when not asked for, and for
            alternatives.
        explanation: what attention computed at every step; None when not asked for, and for
            alternatives.
    """

    source_tokens: list[str]
    tokens: list[str]
    text: str
    score: float
    attention: NDArray[np.float32] | None = field(default=None, compare=False)
    alternatives: list[Translation] = field(default_factory=list)
    is_finished: bool = True
    unknown: tuple[int, ...] = ()
    token_scores: tuple[float, ...] = ()
    num_cut: int = 0
    rank_score: float = 0.0
    confidence: float | None = None
    choices: list[list[Choice]] = field(default_factory=list)
    tree: list[TreeNode] = field(default_factory=list)
    explanation: Explanation | None = field(default=None, compare=False)

    def explain(self, step: int = 0) -> Explanation:
        """Return what attention computed at an output step: scores, weights, states, context.

        Args:
            step: place in `tokens`, from 0; the end of the output comes after them.

        Raises:
            SearchError: it was not asked for, or there is no such step.
        """
        if self.explanation is None:
            why = "translate with explain=True" if self.source_tokens else "the source is blank"
            raise SearchError(f"nothing was recorded to explain: {why}")
        return self.explanation.at(step)

    def plot(self) -> Figure:
        """Draw the attention weights as a matplotlib figure, rows target, columns source."""
        return load_drawer().draw_figure(self)

    def __repr__(self) -> str:
        looks = "no attention" if self.attention is None else "{}x{}".format(*self.attention.shape)
        others = f", {counted(len(self.alternatives), 'alternative')}" * bool(self.alternatives)
        return f"<Translation {self.text!r}, score {self.score:.3f}, {looks}{others}>"

    def _repr_html_(self) -> str:
        return load_drawer().draw_card(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, ready for JSON; what was not asked for is left out."""
        inside: dict[str, Any] = {}
        if self.choices:
            inside["choices"] = [[one.to_dict() for one in row] for row in self.choices]
        if self.tree:
            inside["tree"] = [node.to_dict() for node in self.tree]
        if self.explanation is not None:
            inside["explanation"] = self.explanation.to_dict()
        return {
            "source_tokens": self.source_tokens,
            "tokens": self.tokens,
            "text": self.text,
            "score": self.score,
            "rank_score": self.rank_score,
            "confidence": self.confidence,
            "is_finished": self.is_finished,
            "token_scores": list(self.token_scores),
            "unknown": list(self.unknown),
            "num_cut": self.num_cut,
            "attention": None if self.attention is None else self.attention.tolist(),
            "alternatives": [other.to_dict() for other in self.alternatives],
            **inside,
        }
