"""N-gram embeddings: what stands around a token is looked up, before anything is computed.

A network that sees every pair only a few times learns late that `tion` is one thing; a table of the
n-grams around each position gives it that at no cost in products. Knows ids, not text.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from foveate.models.dropout import Dropout

PRIME = 2**31 - 1
FACTOR = 48_271  # times a number below PRIME stays below 2^63


def windows(longest: int) -> list[tuple[int, int]]:
    """Return the n-grams around a position, n from 2 to `longest`, as tokens left and right of it.

    It is in the middle; of an even number there are two.

    Example:
        >>> windows(4)
        [(1, 0), (0, 1), (1, 1), (2, 1), (1, 2)]
    """
    found: list[tuple[int, int]] = []
    for n in range(2, longest + 1):
        left, right = n // 2, (n - 1) // 2
        found += dict.fromkeys([(left, right), (right, left)])
    return found


class NgramEmbedding(nn.Module):
    """For every position, the sum of the embeddings of the n-grams around it.

        e_j + P sum_w T[hash_w(x_{j-l}, ..., x_{j+r})]   for every window w = (l, r)

    N-grams share the rows of one table by a hash of their ids, so nothing has to be counted, and
    an n-gram that was never seen finds a row too.

    Args:
        longest: tokens of the longest n-gram, from 2.
        num_rows: rows of the table.
        row_size: numbers in a row.
        embedding_size: width of the token embeddings that the sum is added to.
        dropout: share of the n-grams that is left out in training, each as a whole, so that none
            is enough to know a pair by.

    Reference: Bojanowski et al. 2017, section 3.2 (a sum of hashed n-grams); Pagnoni et al. 2024,
    section 3.2.1 (one for each position of the encoder's input).

    Differs: windows look to both sides, and narrow rows are projected to the embedding's width.
    """

    def __init__(
        self,
        longest: int,
        num_rows: int,
        row_size: int,
        embedding_size: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.windows = windows(longest)
        self.table = nn.Embedding(num_rows, row_size)
        self.projection = nn.Linear(row_size, embedding_size, bias=False)
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.table.weight, std=0.01)

    def forward(self, ids: Int[Tensor, "B S"], mask: Bool[Tensor, "B S"]) -> Float[Tensor, "B S E"]:
        """Look up and add; beyond the ends of a source there is padding."""
        ids = ids.masked_fill(~mask, 0)
        rows = torch.stack([self.rows(ids, left, right) for left, right in self.windows])
        looked_up = self.table(rows)  # W B S R
        if self.training and self.dropout.p:
            looked_up = looked_up * self.dropout(looked_up.new_ones(*rows.shape, 1))
        projected: Tensor = self.projection(looked_up.sum(dim=0))
        return projected

    def rows(self, ids: Int[Tensor, "B S"], left: int, right: int) -> Int[Tensor, "B S"]:
        """Return the row of the n-gram of each position; a window's place is part of its hash."""
        padded = nn.functional.pad(ids, (left, right))
        code = torch.full_like(ids, left * FACTOR + right + 1)
        for offset in range(left + right + 1):
            code = (code * FACTOR + padded[:, offset : offset + ids.shape[1]]) % PRIME
        return code * FACTOR % PRIME % self.table.num_embeddings
