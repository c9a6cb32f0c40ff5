"""Attention taken apart: what every attention of a model computes while it writes given tokens.

A second, teacher-forced pass, so that nothing else is slower for it. Every part hands its numbers
out by itself: no hooks, and nothing is kept on the model. Knows no text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from foveate.inside_values import LookKind
from foveate.models.attention import masked_softmax, merge_heads
from foveate.models.decoders import BEFORE, QUERY, AttentionDecoder
from foveate.models.encoders import Encoded
from foveate.models.seq2seq import Seq2SeqModel
from foveate.models.transformer import (
    DecoderLayer,
    EncoderLayer,
    MultiHeadAttention,
    TransformerDecoder,
    TransformerEncoder,
)
from foveate.torch_loading import threads_here


class LookTensors(NamedTuple):
    """One attention over T queries and S keys; the heads of the widths lie side by side.

    `queries` [B, T, Q], `keys` [B, S, K], `values` [B, S, H]: what is summed; `scores` and
    `weights` [B, N, T, S], scores -inf where a position may not be seen; `context` [B, T, H].
    """

    kind: LookKind
    layer: int  # from 1, the lowest
    queries: Tensor
    keys: Tensor
    values: Tensor
    scores: Tensor
    weights: Tensor
    context: Tensor


def record_looks(
    model: Seq2SeqModel,
    source: Int[Tensor, "B S"],
    source_mask: Bool[Tensor, "B S"],
    target_in: Int[Tensor, "B T"],
) -> list[LookTensors]:
    """Return all that the attentions of a model compute for a teacher-forced batch.

    First self-attention of the encoder, then for each layer of the decoder its self-attention and
    its cross-attention; a recurrent decoder has one attention, and a traditional one has none.

    Args:
        model: in evaluation mode.
        source: padded on the right.
        source_mask: True where a real token stands.
        target_in: BOS, then the tokens that were written.
    """
    looks: list[LookTensors] = []
    embedded = model.embed(source, source_mask)
    if isinstance(model.encoder, TransformerEncoder):
        looks += _look_around(model.encoder, embedded, source_mask)
    encoded = model.encoder(embedded, source_mask)
    history = model.target_embedding(target_in)
    if isinstance(model.decoder, AttentionDecoder):
        looks.append(_look_back(model.decoder, history, encoded))
    elif isinstance(model.decoder, TransformerDecoder):
        looks += _look_back_and_across(model.decoder, history, encoded)
    return looks


def record_one(
    model: Seq2SeqModel, source: Sequence[int], target_in: Sequence[int]
) -> list[tuple[LookKind, int, dict[str, NDArray[np.float32]]]]:
    """Return kind, layer and arrays, without the axis of the batch, for one source and output."""
    ids = torch.tensor([list(source)], device=model.output_bias.device)
    history = torch.tensor([list(target_in)], device=model.output_bias.device)
    with torch.inference_mode(), threads_here(1):
        looks = record_looks(model.eval(), ids, torch.ones_like(ids, dtype=torch.bool), history)
        return [
            (
                look.kind,
                look.layer,
                {
                    name: value[0].float().cpu().numpy()
                    for name, value in look._asdict().items()
                    if isinstance(value, Tensor)
                },
            )
            for look in looks
        ]


def _look_back(
    decoder: AttentionDecoder, history: Float[Tensor, "B T E"], encoded: Encoded
) -> LookTensors:
    """Ask the steps one by one for their query, then attend with all of them."""
    state = decoder.start(encoded)
    before, keys = state.get(BEFORE), state["keys"]
    state[QUERY] = history[:, :0]
    queries = []
    for step in range(history.shape[1]):
        _, _, state = decoder.step(history[:, step], state)
        queries.append(state[QUERY])
    query, attention = torch.cat(queries, dim=1), decoder.attention
    mask = encoded.source_mask
    context, weights = attention(query, keys, encoded.states, mask, before)
    scores = attention.scores(query, keys)
    if attention.location is not None:
        assert before is not None
        allowed = mask[:, None, None, :]
        scores = attention.location(query, scores, before, allowed, attention.normalize)
    scores = scores.masked_fill(~mask[:, None, None, :], -math.inf)
    return LookTensors(
        "cross", 1, query, merge_heads(keys), encoded.states, scores, weights, context
    )


def _look_around(
    encoder: TransformerEncoder, embedded: Float[Tensor, "B S E"], source_mask: Bool[Tensor, "B S"]
) -> Iterator[LookTensors]:
    states, mask = encoder.widen(embedded), source_mask[:, None, None, :]
    for number, layer in enumerate(encoder.layers, start=1):
        assert isinstance(layer, EncoderLayer)
        yield _attend(layer.attention, "encoder", number, layer.project(states), mask)
        states = layer(states, source_mask)


def _look_back_and_across(
    decoder: TransformerDecoder, history: Float[Tensor, "B T E"], encoded: Encoded
) -> Iterator[LookTensors]:
    states = decoder.widen(history)
    mask = encoded.source_mask[:, None, None, :]
    steps = history.shape[1]
    causal = torch.ones(1, 1, steps, steps, dtype=torch.bool, device=history.device).tril()
    for number, layer in enumerate(decoder.layers, start=1):
        assert isinstance(layer, DecoderLayer)
        yield _attend(layer.past, "decoder", number, layer.project(states), causal)
        states, _ = layer.look_back(states, None)
        key, value = layer.remember(encoded.states)
        states, query = layer.look_across(states, (key, value), encoded.source_mask)
        yield _attend(layer.cross, "cross", number, (query, key, value), mask)


def _attend(
    attention: MultiHeadAttention,
    kind: LookKind,
    layer: int,
    projected: tuple[Tensor, Tensor, Tensor],
    mask: Bool[Tensor, "#B 1 #T S"],
) -> LookTensors:
    """Compute softmax(Q K^T / sqrt(D)) V in its steps (Vaswani et al. 2017, equation 1)."""
    query, key, value = projected
    scores = attention.scores(query, key)
    weights = masked_softmax(scores, mask.expand_as(scores))
    context = merge_heads(weights @ value)
    queries, keys, values = map(merge_heads, projected)
    scores = scores.masked_fill(~mask, -math.inf)
    return LookTensors(kind, layer, queries, keys, values, scores, weights, context)
