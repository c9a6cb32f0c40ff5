"""Encoders: embedded source tokens in, `Encoded` out. Any encoder goes with any
decoder. Knows nothing of the target side.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor, nn

from foveate.models.dropout import Dropout
from foveate.models.recurrent import BidirectionalLayer, CellName


class Encoded(NamedTuple):
    """What a decoder sees of the source.

    `states` [B, S, H] is what attention looks at, `source_mask` [B, S] is True where a real token
    stands, `summary` [B, H] is one vector for the decoder to begin with.
    """

    states: Tensor
    source_mask: Tensor
    summary: Tensor


def masked_mean(states: Float[Tensor, "B S H"], mask: Bool[Tensor, "B S"]) -> Float[Tensor, "B H"]:
    """Average the states of the real positions."""
    weights = mask.to(states.dtype)[:, :, None]
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


class BidirectionalEncoder(nn.Module):
    """Stacked bidirectional RNN; its summary is the mean annotation [B, H].

    Layers whose widths agree are residual, so that a token's own embedding reaches the attention
    by a short path.

    Reference: Bahdanau et al. 2015, section 3.2.

    Differs: the summary is the mean of the annotations (Sennrich et al. 2017, section 2), where
    the paper takes the backward state of the first position.
    """

    def __init__(
        self, cell: CellName, input_size: int, hidden_size: int, num_layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.output_size = hidden_size
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(BidirectionalLayer(cell, n, hidden_size // 2) for n in sizes)
        self.dropout = Dropout(dropout)

    def forward(
        self, embedded: Float[Tensor, "B S E"], source_mask: Bool[Tensor, "B S"]
    ) -> Encoded:
        """Encode every position with what stands before and after it."""
        states = embedded
        for index, layer in enumerate(self.layers):
            outputs = layer(self.dropout(states) if index else states, source_mask)
            states = outputs + states if outputs.shape == states.shape else outputs
        return Encoded(states, source_mask, masked_mean(states, source_mask))
