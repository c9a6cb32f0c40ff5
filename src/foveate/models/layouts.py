"""Two more layouts of the attention decoder: attend with the current state, or with the one before.

The first is Luong's, the second Bahdanau's; the default layout is in decoders.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from foveate.models.attention import Attention
from foveate.models.decoders import (
    AttentionDecoder,
    Bridge,
    LayerStack,
    State,
    Weights,
    join_layers,
    split_layers,
)
from foveate.models.encoders import Encoded
from foveate.models.recurrent import Cell, CellName


class LuongDecoder(AttentionDecoder):
    """The current state attends: c_i = attention(s_i), h~_i = tanh(W_c [c_i; s_i]).

    With input feeding h~_{i-1} is read beside the embedding, which needs a loop over the steps;
    without it all steps run at once.

    Reference: Luong et al. 2015, equation 5 and section 3.3.
    """

    def __init__(
        self,
        cell: CellName,
        embedding_size: int,
        hidden_size: int,
        encoder_size: int,
        attention: Attention,
        num_layers: int,
        dropout: float,
        input_feeding: bool = False,
    ) -> None:
        super().__init__(attention)
        self.feature_size = hidden_size
        self.input_feeding = input_feeding
        input_size = embedding_size + (hidden_size if input_feeding else 0)
        self.bridge = Bridge(cell, encoder_size, hidden_size, num_layers)
        self.stack = LayerStack(cell, input_size, hidden_size, num_layers, dropout)
        self.combine = nn.Linear(encoder_size + hidden_size, hidden_size, bias=False)

    def forward(self, embedded: Tensor, encoded: Encoded) -> tuple[Tensor, Weights]:
        """Run all steps: at once, or in a loop when the attentional state is fed back."""
        if self.input_feeding:
            return self._loop(embedded, encoded)
        states = self.stack(embedded, self.bridge(encoded.summary))
        context, weights, _ = self.attend(states, self.source_state(encoded))
        return torch.tanh(self.combine(torch.cat((context, states), dim=-1))), weights

    def _loop(self, embedded: Tensor, encoded: Encoded) -> tuple[Tensor, Weights]:
        state, features, weights = self.start(encoded), [], []
        for index in range(embedded.shape[1]):
            feature, weight, state = self._step(embedded[:, index], state, embedded.shape[1])
            features.append(feature)
            weights.append(weight)
        return torch.stack(features, dim=1), torch.cat(weights, dim=2)  # type: ignore[arg-type]

    def start(self, encoded: Encoded) -> State:
        """Compute the keys and the initial states; the first attentional state is zero."""
        state = {**self.source_state(encoded), "recurrent": self.bridge(encoded.summary)}
        if self.input_feeding:
            rows = encoded.summary.shape[0]
            state["attentional"] = encoded.summary.new_zeros(rows, self.feature_size)
        return state

    def step(self, embedded: Tensor, state: State) -> tuple[Tensor, Weights, State]:
        """Write one step."""
        return self._step(embedded, state, 1)

    def _step(
        self, embedded: Tensor, state: State, num_steps: int
    ) -> tuple[Tensor, Weights, State]:
        if self.input_feeding:
            embedded = torch.cat((embedded, state["attentional"]), dim=-1)
        hidden, layers = self.stack.step(embedded, split_layers(state["recurrent"]))
        context, weights, state = self.attend_in_loop(hidden[:, None], state, num_steps)
        features = torch.tanh(self.combine(torch.cat((context[:, 0], hidden), dim=-1)))
        following = {**state, "recurrent": join_layers(layers)}
        if self.input_feeding:
            following["attentional"] = features
        return features, weights, following


class BahdanauDecoder(AttentionDecoder):
    """The previous state attends, and the context enters the cell.

        c_i = attention(s_{i-1}),   s_i = f(s_{i-1}, E y_{i-1}, c_i),   g(E y_{i-1}, s_i, c_i)

    The faithful reference. Everything that does not depend on the previous state is computed
    outside the loop: keys once, the embeddings' part of the gates, and the readout.

    Reference: Bahdanau et al. 2015, section 3.1 and appendix A.2.2.

    Differs: the readout g is tanh of a linear layer, where the paper has maxout.
    """

    def __init__(
        self,
        cell: CellName,
        embedding_size: int,
        hidden_size: int,
        encoder_size: int,
        attention: Attention,
    ) -> None:
        super().__init__(attention)
        self.feature_size = hidden_size
        self.bridge = Bridge(cell, encoder_size, hidden_size, 1)
        self.cell = Cell(cell, hidden_size)
        self.embedding_gates = nn.Linear(embedding_size, self.cell.gate_size, bias=False)
        self.context_gates = nn.Linear(encoder_size, self.cell.gate_size, bias=False)
        self.readout = nn.Linear(embedding_size + hidden_size + encoder_size, hidden_size)

    def forward(self, embedded: Tensor, encoded: Encoded) -> tuple[Tensor, Weights]:
        """Loop over the steps; what can be hoisted out of the loop is."""
        source = self.source_state(encoded)
        (parts,) = split_layers(self.bridge(encoded.summary))
        gates = self.embedding_gates(embedded)  # B T G
        hidden, contexts, weights = [], [], []
        for index in range(embedded.shape[1]):
            context, weight, source = self.attend_in_loop(
                parts[0][:, None], source, embedded.shape[1]
            )
            parts = self.cell(gates[:, index] + self.context_gates(context[:, 0]), parts)
            hidden.append(parts[0])
            contexts.append(context)
            weights.append(weight)
        features = self._read(embedded, torch.stack(hidden, dim=1), torch.cat(contexts, dim=1))
        return features, torch.cat(weights, dim=2)

    def _read(self, embedded: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
        return torch.tanh(self.readout(torch.cat((embedded, hidden, context), dim=-1)))

    def start(self, encoded: Encoded) -> State:
        """Compute the keys and the initial state."""
        return {**self.source_state(encoded), "recurrent": self.bridge(encoded.summary)}

    def step(self, embedded: Tensor, state: State) -> tuple[Tensor, Weights, State]:
        """Write one step."""
        (parts,) = split_layers(state["recurrent"])
        context, weights, state = self.attend(parts[0][:, None], state)
        gates = self.embedding_gates(embedded) + self.context_gates(context[:, 0])
        parts = self.cell(gates, parts)
        features = self._read(embedded, parts[0], context[:, 0])
        return features, weights, {**state, "recurrent": join_layers([parts])}
