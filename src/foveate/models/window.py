"""A convolution below the encoder: every position joined with its neighbours.

Self-attention has to learn first what stands side by side; this gives it that. Knows no ids.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class WindowConvolution(nn.Module):
    """Add to each embedding what stands around it.

        e_j + max(0, sum_d W_d e_{j+d} + b),   d from -(w - 1) / 2 to (w - 1) / 2

    Beyond the ends of a source there are zeros.

    Args:
        embedding_size: width of the embeddings.
        window: positions w, an odd number.

    Reference: Gulati et al. 2020, section 2.2, on self-attention with convolutions.

    Differs: there is one, below the first layer.
    """

    def __init__(self, embedding_size: int, window: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(embedding_size, embedding_size, window, padding=window // 2)

    def forward(
        self, embedded: Float[Tensor, "B S E"], mask: Bool[Tensor, "B S"]
    ) -> Float[Tensor, "B S E"]:
        """Join every position with its neighbours."""
        embedded = embedded * mask[:, :, None].to(embedded.dtype)
        joined = self.convolution(embedded.transpose(1, 2)).transpose(1, 2)
        return embedded + torch.relu(joined)
