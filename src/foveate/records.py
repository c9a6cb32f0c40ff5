"""The small values that cross every border: `Pair`, `SoftTargets`, `Batch`, `Translation`.

Knows nothing of PyTorch, files or models.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    """How to draw outputs instead of searching for the best."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 1


@dataclass(slots=True)
class Translation:
    """What every door returns: the output, how sure the model was, and where it looked.

    Attributes:
        source_tokens: the S tokens that the encoder read.
        tokens: the T tokens that the decoder wrote (without the end mark).
        text: the tokens joined.
        score: log-probability of tokens and end mark, in nats (0 is certainty).
        attention: [T, S] attention weights, rows are target and sum to 1, columns are source;
            None when the model has no attention.
        alternatives: further hypotheses, best first.
    """

    source_tokens: list[str]
    tokens: list[str]
    text: str
    score: float
    attention: NDArray[np.float32] | None = None
    alternatives: list[Translation] = field(default_factory=list)

    def plot(self) -> Figure:
        """Draw the attention weights as a matplotlib figure, rows target, columns source."""
        from foveate.insight.plots import draw_figure

        return draw_figure(self)

    def _repr_html_(self) -> str | None:
        if self.attention is None:
            return None
        from foveate.insight.plots import draw_svg

        return draw_svg(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, ready for JSON."""
        return {
            "source_tokens": self.source_tokens,
            "tokens": self.tokens,
            "text": self.text,
            "score": self.score,
            "attention": None if self.attention is None else self.attention.tolist(),
            "alternatives": [other.to_dict() for other in self.alternatives],
        }
