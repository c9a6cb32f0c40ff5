"""Copying, and looking up: attention takes tokens from the source, or makes their translations
likelier.

Takes logits, features, attention weights and ids, and knows nothing of where they come from, so it
goes with every decoder that attends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import softplus

from foveate.text.vocabulary import EOS

EPSILON = 1e-3  # probability that stands for "no translation"
EXACT_FROM = 40.0  # beyond it log(1 + exp x) is x, also for doubles


class Pointers(NamedTuple):
    """What each step can copy: attention weights [*rows, S] and target ids [*rows, S]."""

    weights: Tensor
    copied_ids: Tensor


def point(
    copied_ids: Int[Tensor, "B S"] | None,
    attention: Float[Tensor, "B N T S"] | None,
    steps: Any = ...,
) -> Pointers | None:
    """Return what the steps can copy by the mean weights of all heads; None without ids.

    Args:
        copied_ids: target ids of the source tokens.
        attention: weights of all heads.
        steps: index of the [B, T] steps to keep, a mask for example.
    """
    if copied_ids is None:
        return None
    assert attention is not None, "only a decoder that attends can copy"
    weights = attention.mean(dim=1)  # B T S
    ids = copied_ids[:, None].expand_as(weights)
    return Pointers(weights[steps], ids[steps])


class Pointer(nn.Module):
    """What makes log-probabilities of logits and of where attention looks, through a gate.

    The gate's weights begin at zero, half open, so that both sides are learnt from the first
    update on.
    """

    def __init__(self, feature_size: int) -> None:
        super().__init__()
        self.gate = nn.Linear(feature_size, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def translate(self, source: Int[Tensor, "B S"]) -> Int[Tensor, "B S"]:
        """Return what `forward` wants to know of the source ids: the ids themselves."""
        return source


class PointerGenerator(Pointer):
    """P(w) = g P_vocab(w) + (1 - g) sum_{j: x_j = w} a_ij,   g = sigmoid(w^T features + b).

    A source token without a twin in the target vocabulary cannot be copied. The weight that
    attention puts on such tokens, u_i, is not lost and not moved to the neighbours: it goes back
    to P_vocab, whose share is then g + (1 - g) u_i, so that P sums to 1 whatever the source is.
    Everything is computed in logarithms, because a P_vocab(w) may be too small for a float.

    Reference: See et al. 2017, equations 8 and 9.

    Differs: the gate reads the features that P_vocab is made of, which hold what the paper lists
    (context, state, input); there is no vocabulary of its own for every source.

    Args:
        feature_size: width of the features.
        target_ids: for each id of the source vocabulary the target id of the same token;
            reserved ids and `UNK` stand for a token that cannot be copied.
    """

    target_ids: Tensor

    def __init__(self, feature_size: int, target_ids: Sequence[int]) -> None:
        super().__init__(feature_size)
        twins = torch.tensor(target_ids, dtype=torch.int64)
        self.register_buffer("target_ids", twins, persistent=False)

    def translate(self, source: Int[Tensor, "B S"]) -> Int[Tensor, "B S"]:
        """Return the target ids of source ids: the x_j of the equation."""
        return self.target_ids[source]

    def forward(
        self,
        logits: Float[Tensor, "*rows V"],
        features: Float[Tensor, "*rows F"],
        weights: Float[Tensor, "*rows S"],
        copied_ids: Int[Tensor, "*rows S"],
    ) -> Float[Tensor, "*rows V"]:
        """Return log P: log-probabilities, which a further log_softmax leaves as they are.

        Args:
            logits: of P_vocab.
            features: what the gate reads.
            weights: a_ij, rows sum to 1, and are 0 on padding.
            copied_ids: target ids of the source tokens, from `translate`.
        """
        copyable = torch.where(copied_ids > EOS, weights, 0.0)
        copied = torch.zeros_like(logits).scatter_add(-1, copied_ids, copyable)
        not_copyable = (weights - copyable).sum(dim=-1, keepdim=True)
        gate = self.gate(features)
        log_gate, log_rest = log_sigmoid(gate), log_sigmoid(-gate)  # log g, log (1 - g)
        log_share = log_add(log_gate, log_rest + safe_log(not_copyable))
        return log_add(log_share + torch.log_softmax(logits, dim=-1), log_rest + safe_log(copied))


class LexicalPrior(Pointer):
    """P = softmax(l_i + g_i log(1 + sum_j a_ij t(. | x_j) / epsilon)): where attention looks, the
    translations of the token there are likelier.

    t is a lexicon that was learnt from the pairs before training (`training/lexicon.py`): for each
    source id its K likeliest target ids. A word that nothing translates to keeps its logit l_i.

    Reference: Arthur et al. 2016, the lexicon as a bias of the softmax.

    Differs: g_i = sigmoid(w^T features + b), where the paper has 1: the second half of a word that
    was cut in two needs no lexicon.

    Args:
        feature_size: width of the features.
        source_size: entries of the source vocabulary.
        num_words: K.
    """

    def __init__(self, feature_size: int, source_size: int, num_words: int) -> None:
        super().__init__(feature_size)
        shape = source_size, num_words
        # Parameters that nothing trains, so that they are saved and restored with the others.
        self.words = nn.Parameter(torch.zeros(shape), requires_grad=False)
        self.chances = nn.Parameter(torch.zeros(shape), requires_grad=False)

    def set_lexicon(self, words: NDArray[np.float32], chances: NDArray[np.float32]) -> None:
        """Take the target ids [source_size, K] and their probabilities."""
        self.words.data.copy_(torch.from_numpy(words))
        self.chances.data.copy_(torch.from_numpy(chances))

    def forward(
        self,
        logits: Float[Tensor, "*rows V"],
        features: Float[Tensor, "*rows F"],
        weights: Float[Tensor, "*rows S"],
        copied_ids: Int[Tensor, "*rows S"],
    ) -> Float[Tensor, "*rows V"]:
        """Return log P; `copied_ids` are source ids."""
        ids = self.words.long()[copied_ids].flatten(-2)  # *rows S*K; 8 bits leave integers alone
        shares = (weights[..., None] * self.chances[copied_ids]).flatten(-2)
        prior = torch.zeros_like(logits).scatter_add(-1, ids, shares)
        bonus = torch.log1p(prior / EPSILON)
        return torch.log_softmax(logits + torch.sigmoid(self.gate(features)) * bonus, dim=-1)


def log_sigmoid(values: Float[Tensor, "*a"]) -> Float[Tensor, "*a"]:
    """Return log(1 / (1 + exp -x)); PyTorch's own is cut off at 1e-8 by ONNX Runtime."""
    return -softplus(-values, threshold=EXACT_FROM)


def log_add(one: Float[Tensor, "*a"], other: Float[Tensor, "*b"]) -> Float[Tensor, "*c"]:
    """Return log(exp a + exp b), broadcast; `torch.logaddexp` cannot be written as ONNX."""
    return torch.maximum(one, other) + softplus(-(one - other).abs())


def safe_log(values: Float[Tensor, "*a"]) -> Float[Tensor, "*a"]:
    """Return log x with a finite value and no gradient at 0."""
    return values.clamp(min=torch.finfo(values.dtype).tiny).log()
