"""Where attention looked a step ago, as a second score: it tells attention to move on.

From content alone the decoder has to keep count of what it has read. Knows nothing of keys,
recurrence or options.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

FEATURES = 32  # width of the hidden layer
LARGEST = 2**25  # numbers of the hidden layers of all steps that may be there at once


class LocationScores(nn.Module):
    """f_ij = F a_{i-1} around j,   e_ij = content_ij + v_f^T tanh(W_f s_i + f_ij + b_f).

    Reference: Chorowski et al. 2015, equations 8 and 9, where F has `window` positions.

    Differs: the features have a small hidden layer of their own, beside that of the content, so
    that all scores of the content are still one product; and no gradient passes through the
    weights of the step before, so that only they are found in a loop.

    Args:
        query_size: width Q of a query.
        window: positions around each source position whose weights are seen, an odd number.
        num_heads: of the attention; each sees its own weights, through the same F.
    """

    def __init__(self, query_size: int, window: int, num_heads: int = 1) -> None:
        super().__init__()
        self.window, self.num_heads = window, num_heads
        self.query_projection = nn.Linear(query_size, num_heads * FEATURES)
        self.filters = nn.Parameter(torch.empty(window, FEATURES))
        self.vector = nn.Parameter(torch.empty(num_heads, FEATURES))
        nn.init.uniform_(self.filters, -(window**-0.5), window**-0.5)
        nn.init.uniform_(self.vector, -1 / math.sqrt(FEATURES), 1 / math.sqrt(FEATURES))

    def forward(
        self,
        query: Float[Tensor, "B T Q"],
        content: Float[Tensor, "B N T S"],
        before: Float[Tensor, "B N S"],
        mask: Bool[Tensor, "B 1 1 S"],
        normalize: Callable[[Tensor, Tensor], Tensor],
    ) -> Float[Tensor, "B N T S"]:
        """Return the scores of all steps; `before` are the weights before the first of them."""
        rows, steps, _ = query.shape
        hidden = self.query_projection(query).view(rows, steps, self.num_heads, 1, FEATURES)
        hidden = hidden.transpose(1, 2)  # B N T 1 D
        looks = [before]
        with torch.no_grad():
            for index in range(steps - 1):
                place = self._scores(hidden[:, :, index], looks[-1])
                looks.append(normalize(content[:, :, index] + place, mask[:, :, 0]))
        return content + self._all_scores(hidden, torch.stack(looks, dim=2))

    def _all_scores(
        self, hidden: Float[Tensor, "B N T 1 D"], before: Float[Tensor, "B N T S"]
    ) -> Float[Tensor, "B N T S"]:
        """Score all steps at once, or some at a time and again in the backward pass if too many."""
        together = max(LARGEST // max(before[:, :, 0].numel() * FEATURES, 1), 1)
        if together >= before.shape[2]:
            return self._scores(hidden, before)
        parts = (torch.split(tensor, together, dim=2) for tensor in (hidden, before))
        scored = [
            checkpoint(self._scores, *part, use_reentrant=False, preserve_rng_state=False)
            for part in zip(*parts, strict=True)
        ]
        return torch.cat(scored, dim=2)

    def _scores(
        self, hidden: Float[Tensor, "B N *T 1 D"], before: Float[Tensor, "B N *T S"]
    ) -> Float[Tensor, "B N *T S"]:
        """Return v^T tanh(hidden + F before)."""
        edge = self.window // 2
        padded = nn.functional.pad(before, (edge, edge))
        ends = [index or None for index in range(1 - self.window, 1)]  # an exported graph has them
        near = torch.stack([padded[..., k:end] for k, end in enumerate(ends)], dim=-1)
        inner = (near @ self.filters).add_(hidden).tanh_()  # B N (T) S D, once in memory
        steps = (1,) * (inner.ndim - 4)
        return (inner @ self.vector.view(self.num_heads, *steps, FEATURES, 1)).squeeze(-1)
