"""The Transformer: self-attention in place of recurrence, pre-norm, rotary positions.

Its encoder gives `Encoded` and its decoder is a `Decoder`, so it stands beside the recurrent
models behind the same training and search, and mixes with them.

Reference: Vaswani et al. 2017; pre-norm: Xiong et al. 2020; rotary positions: Su et al. 2021.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from foveate.models.attention import masked_softmax, merge_heads, split_heads
from foveate.models.decoders import Decoder, State, Weights
from foveate.models.dropout import Dropout
from foveate.models.encoders import Encoded, masked_mean


def rotate(states: Float[Tensor, "B N X D"], start: int | Tensor = 0) -> Float[Tensor, "B N X D"]:
    """Turn each pair (x_d, x_{d + D/2}) by the angle position * 10000^(-2d/D).

    Queries and keys turned so have a product that depends on their distance only. The first
    position is `start`, a number; in the trace of an ONNX export, a tensor of one.

    Reference: Su et al. 2021, equation 34.

    Differs: dimension d is paired with d + D/2 rather than with its neighbour.
    """
    half = states.shape[-1] // 2
    positions = start + torch.arange(states.shape[2], device=states.device)
    steps = torch.arange(half, device=states.device) / half
    angles = positions[:, None] * torch.exp(-math.log(10_000.0) * steps)[None, :]  # X D/2
    cosine, sine = angles.cos().to(states.dtype), angles.sin().to(states.dtype)
    first, second = states[..., :half], states[..., half:]
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)


class MultiHeadAttention(nn.Module):
    """Att(Q, K, V) = softmax(Q K^T / sqrt(D)) V in N heads, then W_O.

    Reference: Vaswani et al. 2017, section 3.2.2.
    """

    def __init__(self, hidden_size: int, num_heads: int, memory_size: int | None = None) -> None:
        super().__init__()
        self.num_heads = num_heads
        memory_size = memory_size or hidden_size
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key_value = nn.Linear(memory_size, 2 * hidden_size)
        self.output = nn.Linear(hidden_size, hidden_size)

    def project_query(self, states: Float[Tensor, "B X H"]) -> Float[Tensor, "B N X D"]:
        """Return the queries of every head."""
        return split_heads(self.query(states), self.num_heads)

    def project_memory(
        self, states: Float[Tensor, "B X M"]
    ) -> tuple[Float[Tensor, "B N X D"], Float[Tensor, "B N X D"]]:
        """Return keys and values of every head."""
        key, value = self.key_value(states).chunk(2, dim=-1)
        return split_heads(key, self.num_heads), split_heads(value, self.num_heads)

    def forward(
        self,
        query: Float[Tensor, "B N T D"],
        key: Float[Tensor, "B N S D"],
        value: Float[Tensor, "B N S D"],
        mask: Bool[Tensor, "#B 1 #T S"],
    ) -> Float[Tensor, "B T H"]:
        """Attend; the weights are never stored."""
        context = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        result: Tensor = self.output(merge_heads(context))
        return result

    def weights(
        self,
        query: Float[Tensor, "B N T D"],
        key: Float[Tensor, "B N S D"],
        mask: Bool[Tensor, "#B 1 #T S"],
    ) -> Float[Tensor, "B N T S"]:
        """Return the attention weights of the same call, to be looked at."""
        scores = self.scores(query, key)
        return masked_softmax(scores, mask.expand_as(scores))

    def scores(
        self, query: Float[Tensor, "B N T D"], key: Float[Tensor, "B N S D"]
    ) -> Float[Tensor, "B N T S"]:
        """Return Q K^T / sqrt(D)."""
        return query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])


def feed_forward(hidden_size: int, inner_size: int, dropout: float) -> nn.Sequential:
    """Build max(0, x W_1 + b_1) W_2 + b_2 (Vaswani et al. 2017, equation 2)."""
    return nn.Sequential(
        nn.Linear(hidden_size, inner_size),
        nn.ReLU(),
        Dropout(dropout),
        nn.Linear(inner_size, hidden_size),
    )


class EncoderLayer(nn.Module):
    """x + SelfAttention(Norm x), then x + FeedForward(Norm x)."""

    def __init__(self, hidden_size: int, num_heads: int, inner_size: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(hidden_size)
        self.attention = MultiHeadAttention(hidden_size, num_heads)
        self.inner_norm = nn.LayerNorm(hidden_size)
        self.inner = feed_forward(hidden_size, inner_size, dropout)
        self.dropout = Dropout(dropout)

    def forward(
        self, states: Float[Tensor, "B S H"], source_mask: Bool[Tensor, "B S"]
    ) -> Float[Tensor, "B S H"]:
        """Let every position look at every real position."""
        mask = source_mask[:, None, None, :]
        states = states + self.dropout(self.attention(*self.project(states), mask))
        result: Tensor = states + self.dropout(self.inner(self.inner_norm(states)))
        return result

    def project(self, states: Float[Tensor, "B S H"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the queries, keys and values of every head, [B, N, S, D] each."""
        normed = self.attention_norm(states)
        query = rotate(self.attention.project_query(normed))
        key, value = self.attention.project_memory(normed)
        return query, rotate(key), value


class TransformerEncoder(nn.Module):
    """Self-attention layers over the embedded source; its summary is the mean state."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        num_heads: int,
        inner_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.widen = match_width(input_size, hidden_size)
        self.layers = nn.ModuleList(
            EncoderLayer(hidden_size, num_heads, inner_size, dropout) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(hidden_size)

    def forward(
        self, embedded: Float[Tensor, "B S E"], source_mask: Bool[Tensor, "B S"]
    ) -> Encoded:
        """Encode every position with what stands before and after it."""
        states = self.widen(embedded)
        for layer in self.layers:
            states = layer(states, source_mask)
        states = self.norm(states)
        return Encoded(states, source_mask, masked_mean(states, source_mask))


def match_width(input_size: int, hidden_size: int) -> nn.Module:
    """Return a linear layer between two widths, or nothing when they agree."""
    return nn.Identity() if input_size == hidden_size else nn.Linear(input_size, hidden_size)


class DecoderLayer(nn.Module):
    """Self-attention over the past, cross-attention over the source, feed-forward."""

    def __init__(
        self,
        hidden_size: int,
        encoder_size: int,
        num_heads: int,
        inner_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.past_norm = nn.LayerNorm(hidden_size)
        self.past = MultiHeadAttention(hidden_size, num_heads)
        self.cross_norm = nn.LayerNorm(hidden_size)
        self.cross = MultiHeadAttention(hidden_size, num_heads, encoder_size)
        self.inner_norm = nn.LayerNorm(hidden_size)
        self.inner = feed_forward(hidden_size, inner_size, dropout)
        self.dropout = Dropout(dropout)

    def look_back(
        self, states: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Attend to the past and the present; return also the longer cache of keys and values."""
        start = 0 if past is None else past[0].shape[2]
        query, key, value = self.project(states, start)
        if past is not None:
            key, value = torch.cat((past[0], key), dim=2), torch.cat((past[1], value), dim=2)
        rows, columns = query.shape[2], key.shape[2]
        causal = torch.ones(rows, columns, dtype=torch.bool, device=key.device).tril(start)
        states = states + self.dropout(self.past(query, key, value, causal[None, None]))
        return states, (key, value)

    def project(self, states: Tensor, start: int | Tensor = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values of the present for every head, [B, N, T, D] each."""
        normed = self.past_norm(states)
        key, value = self.past.project_memory(normed)
        return rotate(self.past.project_query(normed), start), rotate(key, start), value

    def remember(self, encoder_states: Tensor) -> tuple[Tensor, Tensor]:
        """Return the keys and values of the source."""
        key, value = self.cross.project_memory(encoder_states)
        return rotate(key), value

    def look_across(
        self,
        states: Tensor,
        source: tuple[Tensor, Tensor],
        source_mask: Tensor,
        start: int | Tensor = 0,
    ) -> tuple[Tensor, Tensor]:
        """Attend to the source; return also the queries, from which weights can be had."""
        mask = source_mask[:, None, None, :]
        query = rotate(self.cross.project_query(self.cross_norm(states)), start)
        states = states + self.dropout(self.cross(query, *source, mask))
        return states + self.dropout(self.inner(self.inner_norm(states))), query


class TransformerDecoder(Decoder):
    """Self-attention layers over the target history, with the keys and values of the past cached.

    The weights that it shows are the cross-attention of the last layer but one (of the only
    layer, when there is one), where they follow the alignment best.

    Reference: Vaswani et al. 2017, section 3.1; on which layer: Garg et al. 2019, section 4.

    Differs: cross-attention turns its queries and keys by their positions, too, since nothing
    else tells the decoder where in the source a state stands.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        encoder_size: int,
        num_layers: int,
        num_heads: int,
        inner_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.feature_size = hidden_size
        self.widen = match_width(input_size, hidden_size)
        self.layers = nn.ModuleList(
            DecoderLayer(hidden_size, encoder_size, num_heads, inner_size, dropout)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(hidden_size)
        self.shown_layer = max(num_layers - 2, 0)

    def forward(self, embedded: Tensor, encoded: Encoded) -> tuple[Tensor, Weights]:
        """Run all steps at once under a causal mask."""
        return self._run(embedded, self._source_state(encoded))[:2]

    def start(self, encoded: Encoded) -> State:
        """Compute the keys and values of the source for every layer; the past is empty."""
        state = self._source_state(encoded)
        for index in range(len(self.layers)):
            for part in ("key", "value"):
                state[f"past_{part}_{index}"] = state[f"cross_{part}_{index}"][:, :, :0]
        return state

    def _source_state(self, encoded: Encoded) -> State:
        state = {"source_mask": encoded.source_mask}
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, DecoderLayer)
            key, value = layer.remember(encoded.states)
            state[f"cross_key_{index}"], state[f"cross_value_{index}"] = key, value
        return state

    def step(self, embedded: Tensor, state: State) -> tuple[Tensor, Weights, State]:
        """Run one step on top of the cached past."""
        features, weights, following = self._run(embedded[:, None], state)
        return features[:, 0], weights, following

    def _run(self, embedded: Tensor, state: State) -> tuple[Tensor, Weights, State]:
        states, weights, following = self.widen(embedded), None, dict(state)
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, DecoderLayer)
            past, start = None, 0
            if f"past_key_{index}" in state:
                past = (state[f"past_key_{index}"], state[f"past_value_{index}"])
                start = past[0].shape[2]
            states, (key, value) = layer.look_back(states, past)
            following[f"past_key_{index}"], following[f"past_value_{index}"] = key, value
            source = (state[f"cross_key_{index}"], state[f"cross_value_{index}"])
            states, query = layer.look_across(states, source, state["source_mask"], start)
            if index == self.shown_layer and (self.needs_weights or not self.training):
                mask = state["source_mask"][:, None, None, :]
                weights = layer.cross.weights(query, source[0], mask)
        return self.norm(states), weights, following
