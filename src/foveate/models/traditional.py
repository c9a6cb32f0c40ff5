"""The traditional encoder-decoder: the whole source in one vector, and no attention."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from foveate.models.decoders import (
    Bridge,
    Decoder,
    LayerStack,
    State,
    Weights,
    join_layers,
    split_layers,
)
from foveate.models.dropout import Dropout
from foveate.models.encoders import Encoded
from foveate.models.recurrent import CellName, RecurrentLayer


class TraditionalEncoder(nn.Module):
    """Stacked RNN, left to right; its summary is the top layer's state at the last token [B, H].

    Reference: Cho et al. 2014a, section 2.2; Sutskever et al. 2014, section 2.
    """

    def __init__(
        self, cell: CellName, input_size: int, hidden_size: int, num_layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.output_size = hidden_size
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(RecurrentLayer(cell, n, hidden_size) for n in sizes)
        self.dropout = Dropout(dropout)

    def forward(
        self, embedded: Float[Tensor, "B S E"], source_mask: Bool[Tensor, "B S"]
    ) -> Encoded:
        """Read the source once; a decoder should use the summary alone."""
        states = embedded
        for index, layer in enumerate(self.layers):
            states, _ = layer(self.dropout(states) if index else states)
        last = source_mask.sum(dim=1).clamp(min=1) - 1  # B; padding comes after, so is not seen
        position = last[:, None, None].expand(-1, 1, states.shape[-1])  # B 1 H
        return Encoded(states, source_mask, states.gather(1, position)[:, 0])


class TraditionalDecoder(Decoder):
    """s_i = f(s_{i-1}, E y_{i-1}, c) with one fixed vector c: no attention.

    Reference: Cho et al. 2014a, section 2.2 and appendix A.1.
    """

    has_attention = False

    def __init__(
        self,
        cell: CellName,
        embedding_size: int,
        hidden_size: int,
        encoder_size: int,
        num_layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.feature_size = hidden_size
        self.bridge = Bridge(cell, encoder_size, hidden_size, num_layers)
        input_size = embedding_size + encoder_size
        self.stack = LayerStack(cell, input_size, hidden_size, num_layers, dropout)

    def forward(self, embedded: Tensor, encoded: Encoded) -> tuple[Tensor, Weights]:
        """Write every step from the same summary of the source."""
        summary = encoded.summary[:, None, :].expand(-1, embedded.shape[1], -1)
        inputs = torch.cat((embedded, summary), dim=-1)
        return self.stack(inputs, self.bridge(encoded.summary)), None

    def start(self, encoded: Encoded) -> State:
        """Keep the summary, and nothing else of the source."""
        return {"summary": encoded.summary, "recurrent": self.bridge(encoded.summary)}

    def step(self, embedded: Tensor, state: State) -> tuple[Tensor, Weights, State]:
        """Write one step."""
        inputs = torch.cat((embedded, state["summary"]), dim=-1)
        features, layers = self.stack.step(inputs, split_layers(state["recurrent"]))
        return features, None, {**state, "recurrent": join_layers(layers)}
