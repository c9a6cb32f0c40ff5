"""Recurrent decoders: embedded target history and `Encoded` in, features and weights out.

Every decoder does the same thing twice: `forward` over all teacher-forced steps at once, and
`start` and `step` for search, one token a row. Both give the same numbers. A decoder's state is a
flat dictionary of tensors whose first axis is the row, so that reordering rows is written once.
Knows nothing of vocabularies: features become logits in `seq2seq.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from foveate.models.attention import Attention
from foveate.models.dropout import Dropout
from foveate.models.encoders import Encoded
from foveate.models.recurrent import NUM_STATES, CellName, Parts, RecurrentLayer

LARGEST_IN_LOOP = 2**25  # numbers that the attention of all steps of a loop may keep

BEFORE = "attention_before"  # in the state: weights [R, N, S] of the step before, for location
QUERY = "query"  # in the state where it is to be looked at: what asked last, [R, T, Q]

State = dict[str, Tensor]
Weights = Tensor | None  # [B, N, T, S] attention weights, or None without attention


class Decoder(nn.Module, ABC):
    """What the rest of the house knows of a decoder."""

    feature_size: int
    has_attention = True
    needs_weights = False  # also in training: set when something is learnt through the weights

    @abstractmethod
    def forward(self, embedded: Tensor, encoded: Encoded) -> tuple[Tensor, Weights]:
        """Return features [B, T, F] and weights for the whole target history [B, T, E]."""

    @abstractmethod
    def start(self, encoded: Encoded) -> State:
        """Return the state before the first token, all that depends on the source included."""

    @abstractmethod
    def step(self, embedded: Tensor, state: State) -> tuple[Tensor, Weights, State]:
        """Return features [R, F], weights [R, N, 1, S] and the next state for tokens [R, E]."""


class Bridge(nn.Module):
    """Begin every decoder layer from the source's summary: s_0 = tanh(W_s summary).

    Reference: Bahdanau et al. 2015, appendix A.2.2; Cho et al. 2014a, appendix A.
    """

    def __init__(self, cell: CellName, summary_size: int, hidden_size: int, num_layers: int):
        super().__init__()
        self.shape = (num_layers, NUM_STATES[cell], hidden_size)
        self.projection = nn.Linear(summary_size, num_layers * NUM_STATES[cell] * hidden_size)

    def forward(self, summary: Float[Tensor, "B H"]) -> Float[Tensor, "B L P D"]:
        """Return the initial state of all layers."""
        return torch.unflatten(torch.tanh(self.projection(summary)), -1, self.shape)


def split_layers(recurrent: Float[Tensor, "R L P D"]) -> list[Parts]:
    """Take the state of a decoder apart, layer by layer."""
    _, num_layers, num_parts, size = recurrent.shape
    parts = torch.split(recurrent.flatten(1), size, dim=1)  # one operation in an exported graph
    return [parts[layer * num_parts : (layer + 1) * num_parts] for layer in range(num_layers)]


def join_layers(layers: list[Parts]) -> Float[Tensor, "R L P D"]:
    """Put the states of all layers into one tensor: the inverse of `split_layers`."""
    joined = torch.cat([part for parts in layers for part in parts], dim=1)
    return joined.view(-1, len(layers), len(layers[0]), layers[0][0].shape[1])


class LayerStack(nn.Module):
    """Recurrent layers over each other, residual from the second on where the widths agree."""

    def __init__(
        self, cell: CellName, input_size: int, hidden_size: int, num_layers: int, dropout: float
    ) -> None:
        super().__init__()
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(RecurrentLayer(cell, n, hidden_size) for n in sizes)
        self.dropout = Dropout(dropout)

    def forward(
        self, inputs: Float[Tensor, "B T I"], state: Float[Tensor, "B L P D"]
    ) -> Float[Tensor, "B T D"]:
        """Run all steps, layer by layer."""
        for index, layer in enumerate(self.layers):
            outputs, _ = layer(self.dropout(inputs) if index else inputs, state[:, index])
            inputs = outputs + inputs if index else outputs
        return inputs

    def step(
        self, inputs: Float[Tensor, "R I"], layers: list[Parts]
    ) -> tuple[Float[Tensor, "R D"], list[Parts]]:
        """Run one step through all layers."""
        following = []
        for index, (layer, parts) in enumerate(zip(self.layers, layers, strict=True)):
            assert isinstance(layer, RecurrentLayer)
            parts = layer.step(self.dropout(inputs) if index else inputs, parts)
            inputs = parts[0] + inputs if index else parts[0]
            following.append(parts)
        return inputs, following


class AttentionDecoder(Decoder):
    """What the attention decoders share: keys computed once, and one call to attend."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.attention = attention

    def source_state(self, encoded: Encoded) -> State:
        """Return the part of the state that depends on the source alone."""
        state = {
            "encoder_states": encoded.states,
            "source_mask": encoded.source_mask,
            "keys": self.attention.keys(encoded.states),
        }
        if self.attention.location is not None:
            state[BEFORE] = torch.zeros_like(state["keys"][..., 0])  # B N S
        return state

    def attend(self, query: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Return context [B, T, H] and weights [B, N, T, S] for queries [B, T, Q], and the state
        in which the next of them finds where this one looked.
        """
        source = (state[name] for name in ("keys", "encoder_states", "source_mask"))
        context, weights = self.attention(query, *source, state.get(BEFORE))
        if BEFORE in state:
            state = {**state, BEFORE: weights[:, :, -1].detach()}
        if QUERY in state:
            state = {**state, QUERY: query}
        return context, weights, state

    def attend_in_loop(
        self, query: Tensor, state: State, steps: int
    ) -> tuple[Tensor, Tensor, State]:
        """Attend in one of so many steps of a training loop.

        All that the steps of a long input keep for the backward pass would be as large as source
        times target times width; beyond a limit it is computed again instead.
        """
        if not torch.is_grad_enabled() or steps * state["keys"].numel() <= LARGEST_IN_LOOP:
            return self.attend(query, state)
        context, weights, state = checkpoint(
            self.attend, query, state, use_reentrant=False, preserve_rng_state=False
        )
        return context, weights, state


class GnmtDecoder(AttentionDecoder):
    """The bottom layer attends, and its recurrence does not see the context.

        s_i = f(s_{i-1}, E y_{i-1}),   c_i = attention(s_i),   u_i = g(u_{i-1}, [s_i; c_i])

    So the bottom layer runs over the whole teacher-forced target in one call, all attention is
    one batched product, and the upper layers run over [s; c]: training needs no loop over steps,
    but for the small one of `LocationScores`.
    It is still recurrent over contexts, through the upper layers.

    Reference: Wu et al. 2016, section 3; Chen et al. 2018, section 4.1.

    Differs: a step attends with its own bottom state, not with the one of the step before.
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
    ) -> None:
        super().__init__(attention)
        num_upper = max(num_layers - 1, 1)
        self.feature_size = hidden_size + encoder_size
        self.bridge = Bridge(cell, encoder_size, hidden_size, 1 + num_upper)
        self.bottom = RecurrentLayer(cell, embedding_size, hidden_size)
        self.upper = LayerStack(cell, hidden_size + encoder_size, hidden_size, num_upper, dropout)
        self.dropout = Dropout(dropout)

    def forward(self, embedded: Tensor, encoded: Encoded) -> tuple[Tensor, Weights]:
        """Run the bottom layer, attend for all steps at once, run the upper layers."""
        state = self.bridge(encoded.summary)
        bottom, _ = self.bottom(embedded, state[:, 0])
        context, weights, _ = self.attend(bottom, self.source_state(encoded))
        upper = self.upper(self.dropout(torch.cat((bottom, context), dim=-1)), state[:, 1:])
        return torch.cat((upper, context), dim=-1), weights

    def start(self, encoded: Encoded) -> State:
        """Compute the keys and the initial states."""
        return {**self.source_state(encoded), "recurrent": self.bridge(encoded.summary)}

    def step(self, embedded: Tensor, state: State) -> tuple[Tensor, Weights, State]:
        """Write one step."""
        bottom_parts, *upper_layers = split_layers(state["recurrent"])
        bottom_parts = self.bottom.step(embedded, bottom_parts)
        bottom = bottom_parts[0]
        context, weights, state = self.attend(bottom[:, None], state)
        inputs = torch.cat((bottom, context[:, 0]), dim=-1)
        upper, upper_layers = self.upper.step(self.dropout(inputs), upper_layers)
        features = torch.cat((upper, context[:, 0]), dim=-1)
        recurrent = join_layers([bottom_parts, *upper_layers])
        return features, weights, {**state, "recurrent": recurrent}
