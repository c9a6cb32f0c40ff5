"""Attention: score every encoder state, softmax the scores, sum the states by their weights.

    e_ij = score(q_i, k_j)      scores
    a_ij = exp e_ij / sum_k exp e_ik      attention weights, rows sum to 1
    c_i  = sum_j a_ij h_j      context vectors

Each class is one way to score. All take any number of queries at once, so a decoder whose
recurrence does not see the context attends for all its steps in one call. Knows nothing of
recurrence, text or options.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from foveate.models.additive_scores import additive_scores
from foveate.models.location import LocationScores


def masked_softmax(
    scores: Float[Tensor, "*batch S"], mask: Bool[Tensor, "*#batch S"]
) -> Float[Tensor, "*batch S"]:
    """Turn scores into weights that sum to 1 over the real positions and are exactly 0 elsewhere.

    A row without any real position gets weights 0, not NaN.
    """
    lowest = torch.finfo(scores.dtype).min
    weights = torch.softmax(torch.where(mask, scores, lowest), dim=-1)
    return torch.where(mask, weights, 0.0)


def split_heads(states: Float[Tensor, "B X H"], num_heads: int) -> Float[Tensor, "B N X D"]:
    """Cut the width H into N heads of width D = H / N, without copying."""
    if num_heads == 1:
        return states[:, None]  # an exported graph then has no arithmetic of shapes
    rows, length, width = states.shape  # the sizes of `unflatten` are lost in an ONNX export
    return states.view(rows, length, num_heads, width // num_heads).transpose(1, 2)


def merge_heads(states: Float[Tensor, "B N X D"]) -> Float[Tensor, "B X H"]:
    """Lay the heads side by side again: the inverse of `split_heads`."""
    if states.shape[1] == 1:
        return states[:, 0]
    return states.transpose(1, 2).flatten(-2)


def mean_head(weights: Float[Tensor, "R N 1 S"]) -> Float[Tensor, "R S"]:
    """Return the attention of one step, averaged over heads."""
    return weights[:, 0, 0] if weights.shape[1] == 1 else weights[:, :, 0].mean(dim=1)


class Attention(nn.Module, ABC):
    """Score encoder states against queries and return context vectors and weights.

    Several heads divide the width of the encoder states between them: head n scores all
    positions on its own and sums its own slice of the states; the slices laid side by side are
    the context vector (Chen et al. 2018, section 4.1). Weights are [B, N, T, S]. `normalize` turns
    scores into weights: `masked_softmax`, or `masked_entmax` for sparse ones. `location`, where
    there is one, also scores where the step before looked.
    """

    def __init__(self, num_heads: int = 1) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.normalize: Callable[[Tensor, Tensor], Tensor] = masked_softmax
        self.location: LocationScores | None = None

    @abstractmethod
    def keys(self, encoder_states: Float[Tensor, "B S H"]) -> Float[Tensor, "B N S D"]:
        """Compute the part of the scores that does not depend on the query: once per source."""

    @abstractmethod
    def scores(
        self, query: Float[Tensor, "B T Q"], keys: Float[Tensor, "B N S D"]
    ) -> Float[Tensor, "B N T S"]:
        """Score every key for every query."""

    def forward(
        self,
        query: Float[Tensor, "B T Q"],
        keys: Float[Tensor, "B N S D"],
        encoder_states: Float[Tensor, "B S H"],
        source_mask: Bool[Tensor, "B S"],
        before: Float[Tensor, "B N S"] | None = None,
    ) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B N T S"]]:
        """Return context vectors [B, T, H] and attention weights [B, N, T, S].

        `before` are the weights of the step before the first query; only location needs them.
        """
        scores, mask = self.scores(query, keys), source_mask[:, None, None, :]
        if self.location is not None:
            assert before is not None
            scores = self.location(query, scores, before, mask, self.normalize)
        weights = self.normalize(scores, mask)
        context = weights @ split_heads(encoder_states, self.num_heads)
        return merge_heads(context), weights


class AdditiveAttention(Attention):
    """e_ij = v_a^T tanh(W_a s_{i-1} + U_a h_j).

    Reference: Bahdanau et al. 2015, appendix A.1.2.

    Differs: with several heads each has its own v_a and its own slice of W_a and U_a.
    """

    def __init__(
        self, query_size: int, key_size: int, hidden_size: int, num_heads: int = 1
    ) -> None:
        super().__init__(num_heads)
        self.query_projection = nn.Linear(query_size, hidden_size)
        self.key_projection = nn.Linear(key_size, hidden_size, bias=False)
        self.vector = nn.Parameter(torch.empty(num_heads, hidden_size // num_heads))
        bound = math.sqrt(num_heads / hidden_size)
        nn.init.uniform_(self.vector, -bound, bound)

    def keys(self, encoder_states: Float[Tensor, "B S H"]) -> Float[Tensor, "B N S D"]:
        """Return U_a h_j."""
        return split_heads(self.key_projection(encoder_states), self.num_heads)

    def scores(
        self, query: Float[Tensor, "B T Q"], keys: Float[Tensor, "B N S D"]
    ) -> Float[Tensor, "B N T S"]:
        """Return v_a^T tanh(W_a q + U_a h).

        The hidden layer [B, N, T, S, D] is large, so that of many queries is never there at once.
        """
        query = split_heads(self.query_projection(query), self.num_heads)
        if query.shape[2] > 1:
            return additive_scores(query, keys, self.vector)
        hidden = torch.tanh(query[:, :, :, None, :] + keys[:, :, None, :, :])  # B N 1 S D
        return torch.einsum("bntsd,nd->bnts", hidden, self.vector)


class DotAttention(Attention):
    """e_ij = s_i^T h_j; query and encoder states have the same width.

    Reference: Luong et al. 2015, section 3.1, "dot".
    """

    def keys(self, encoder_states: Float[Tensor, "B S H"]) -> Float[Tensor, "B N S D"]:
        """Return h_j."""
        return split_heads(encoder_states, self.num_heads)

    def scores(
        self, query: Float[Tensor, "B T Q"], keys: Float[Tensor, "B N S D"]
    ) -> Float[Tensor, "B N T S"]:
        """Return q^T h."""
        return split_heads(query, self.num_heads) @ keys.transpose(-1, -2)


class GeneralAttention(DotAttention):
    """e_ij = s_i^T W_a h_j.

    Reference: Luong et al. 2015, section 3.1, "general".

    Differs: W_a multiplies the query, so the keys are the encoder states themselves.
    """

    def __init__(self, query_size: int, key_size: int, num_heads: int = 1) -> None:
        super().__init__(num_heads)
        self.query_projection = nn.Linear(query_size, key_size, bias=False)

    def scores(
        self, query: Float[Tensor, "B T Q"], keys: Float[Tensor, "B N S D"]
    ) -> Float[Tensor, "B N T S"]:
        """Return q^T W_a h."""
        return super().scores(self.query_projection(query), keys)


class ScaledDotAttention(Attention):
    """e_ij = (W_q s_i)^T (W_k h_j) / sqrt(D), D the width of a head.

    Reference: Vaswani et al. 2017, equation 1 and section 3.2.2.

    Differs: the values are the encoder states themselves, not a projection of them; the layer
    that reads the context is linear in it, so a projection would add nothing but time.
    """

    def __init__(
        self, query_size: int, key_size: int, hidden_size: int, num_heads: int = 1
    ) -> None:
        super().__init__(num_heads)
        self.query_projection = nn.Linear(query_size, hidden_size, bias=False)
        self.key_projection = nn.Linear(key_size, hidden_size, bias=False)
        self.scale = math.sqrt(num_heads / hidden_size)

    def keys(self, encoder_states: Float[Tensor, "B S H"]) -> Float[Tensor, "B N S D"]:
        """Return W_k h_j / sqrt(D)."""
        return split_heads(self.key_projection(encoder_states) * self.scale, self.num_heads)

    def scores(
        self, query: Float[Tensor, "B T Q"], keys: Float[Tensor, "B N S D"]
    ) -> Float[Tensor, "B N T S"]:
        """Return (W_q q)^T (W_k h) / sqrt(D)."""
        query = split_heads(self.query_projection(query), self.num_heads)
        return query @ keys.transpose(-1, -2)
