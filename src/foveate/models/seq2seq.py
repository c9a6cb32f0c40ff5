"""`Seq2SeqModel`: embeddings, an encoder, a decoder and a readout over the vocabulary.

The same class holds the traditional model, the attention RNN and the Transformer; it takes the
parts ready made. Knows ids, not text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from foveate.models.copying import Pointer, Pointers, point
from foveate.models.cross_entropy import linear_cross_entropy
from foveate.models.decoders import Decoder, State
from foveate.models.dropout import Dropout, draw_kept
from foveate.models.encoders import Encoded
from foveate.models.ngrams import NgramEmbedding
from foveate.models.regularizers import Regularizer
from foveate.models.window import WindowConvolution
from foveate.text.vocabulary import PAD, UNK

FIRST_STEP = (slice(None), 0)


class Output(NamedTuple):
    """`logits` [B, T, V] and attention weights [B, N, T, S], or None without attention.

    With copying the logits are log-probabilities: softmax and cross-entropy take both alike.
    """

    logits: Tensor
    attention: Tensor | None


class SoftTensors(NamedTuple):
    """The K likeliest tokens of each of M target steps, and how likely they are."""

    ids: Int[Tensor, "M K"]
    probabilities: Float[Tensor, "M K"]


class TensorBatch(NamedTuple):
    """Pairs of ids as tensors: what the loss takes."""

    source: Int[Tensor, "B S"]
    source_mask: Bool[Tensor, "B S"]
    target_in: Int[Tensor, "B T"]
    target_out: Int[Tensor, "B T"]
    target_mask: Bool[Tensor, "B T"]
    soft_targets: SoftTensors | None = None


def build_embedding(vocabulary_size: int, embedding_size: int) -> nn.Embedding:
    """Build an embedding table with the variance that a tied readout wants: 1 / E."""
    embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=PAD)
    nn.init.normal_(embedding.weight, std=embedding_size**-0.5)
    nn.init.zeros_(embedding.weight.data[PAD])
    return embedding


class Seq2SeqModel(nn.Module):
    """An encoder and a decoder with everything around them.

    The readout's weights are the target embeddings (Press & Wolf 2017).

    Args:
        source_embedding: table of the source side.
        target_embedding: table of the target side; the same object when shared.
        encoder: takes embedded [B, S, E] and mask [B, S], returns `Encoded`.
        decoder: any `Decoder`.
        dropout: on embeddings and features.
        word_dropout: share of the input tokens replaced by the unknown symbol in training.
        ngrams: is added to the embeddings of the source.
        window: joins each of them with its neighbours.
        copying: lets the readout take tokens of the source, by the decoder's attention.
        needs_weights: the loss looks at the attention weights.
    """

    def __init__(
        self,
        source_embedding: nn.Embedding,
        target_embedding: nn.Embedding,
        encoder: nn.Module,
        decoder: Decoder,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        ngrams: NgramEmbedding | None = None,
        window: WindowConvolution | None = None,
        copying: Pointer | None = None,
        needs_weights: bool = False,
    ) -> None:
        super().__init__()
        self.source_embedding = source_embedding
        self.target_embedding = target_embedding
        self.encoder = encoder
        self.decoder = decoder
        self.dropout = Dropout(dropout)
        self.word_dropout = word_dropout
        self.ngrams = ngrams
        self.window = window
        size = target_embedding.embedding_dim
        self.to_embedding = (
            nn.Identity() if decoder.feature_size == size else nn.Linear(decoder.feature_size, size)
        )
        self.output_bias = nn.Parameter(torch.zeros(target_embedding.num_embeddings))
        self.copying = copying
        decoder.needs_weights = needs_weights or copying is not None

    def embed(self, source: Int[Tensor, "B S"], source_mask: Bool[Tensor, "B S"]) -> Tensor:
        """Return what the encoder reads [B, S, E]."""
        source = self._drop_words(source, source_mask)
        embedded = self.source_embedding(source)
        if self.ngrams is not None:
            embedded = embedded + self.ngrams(source, source_mask)
        if self.window is not None:
            embedded = self.window(embedded, source_mask)
        dropped: Tensor = self.dropout(embedded)
        return dropped

    def encode(self, source: Int[Tensor, "B S"], source_mask: Bool[Tensor, "B S"]) -> Encoded:
        """Embed and encode the source."""
        encoded: Encoded = self.encoder(self.embed(source, source_mask), source_mask)
        return encoded

    def features(
        self,
        source: Int[Tensor, "B S"],
        source_mask: Bool[Tensor, "B S"],
        target_in: Int[Tensor, "B T"],
    ) -> tuple[Tensor, Tensor | None]:
        """Return what the readout reads [B, T, F] and the attention weights [B, N, T, S]."""
        encoded = self.encode(source, source_mask)
        history = target_in[:, 1:]
        dropped = torch.cat((target_in[:, :1], self._drop_words(history, history != PAD)), dim=1)
        embedded = self.dropout(self.target_embedding(dropped))
        features, attention = self.decoder(embedded, encoded)
        return features, attention

    def readout(
        self, features: Float[Tensor, "*rows F"], pointers: Pointers | None = None
    ) -> Float[Tensor, "*rows V"]:
        """Return logits: E_target (W features) + b; with pointers, log-probabilities."""
        hidden = self._before_readout(features)
        logits = nn.functional.linear(hidden, self.target_embedding.weight, self.output_bias)
        if pointers is None:
            return logits
        assert self.copying is not None
        log_probs: Tensor = self.copying(logits, features, *pointers)
        return log_probs

    def copied_ids(self, source: Int[Tensor, "B S"]) -> Int[Tensor, "B S"] | None:
        """Return the target ids of the source, None in a model that does not copy."""
        return None if self.copying is None else self.copying.translate(source)

    def _before_readout(self, features: Tensor) -> Tensor:
        hidden: Tensor = self.to_embedding(self.dropout(features))
        return hidden

    def forward(
        self,
        source: Int[Tensor, "B S"],
        source_mask: Bool[Tensor, "B S"],
        target_in: Int[Tensor, "B T"],
    ) -> Output:
        """Return logits and attention weights for a teacher-forced batch."""
        features, attention = self.features(source, source_mask, target_in)
        pointers = point(self.copied_ids(source), attention)
        return Output(self.readout(features, pointers), attention)

    def loss(
        self,
        batch: TensorBatch,
        *,
        label_smoothing: float = 0.0,
        regularizers: Sequence[Regularizer] = (),
    ) -> Float[Tensor, ""]:
        """Return the mean cross-entropy over the M real target tokens, in nats.

        Soft targets are learnt instead of `target_out`, where the batch has some.

        Args:
            batch: the pairs.
            label_smoothing: share of the probability that a target spreads over the vocabulary.
            regularizers: what is added for the attention weights; only for a decoder that attends.
        """
        features, attention = self.features(batch.source, batch.source_mask, batch.target_in)
        extra = features.new_zeros(())
        for regularizer in regularizers:
            assert attention is not None, "only a decoder that attends has weights to look at"
            extra = extra + regularizer.cost(attention.mean(dim=1))
        features = features[batch.target_mask]  # nothing for padding
        targets, probabilities = batch.target_out[batch.target_mask], None
        if batch.soft_targets is not None:
            targets, probabilities = batch.soft_targets
        pointers = point(self.copied_ids(batch.source), attention, batch.target_mask)
        if pointers is None:
            return extra + linear_cross_entropy(
                self._before_readout(features),
                self.target_embedding.weight,
                self.output_bias,
                targets,
                label_smoothing,
                probabilities,
            )
        logits = self.readout(features, pointers)
        if probabilities is not None:
            targets = torch.zeros_like(logits).scatter_add(1, targets, probabilities)
        return extra + nn.functional.cross_entropy(logits, targets, label_smoothing=label_smoothing)

    def start(self, source: Int[Tensor, "B S"], source_mask: Bool[Tensor, "B S"]) -> State:
        """Encode the source and return the decoder's first state."""
        state = self.decoder.start(self.encode(source, source_mask))
        copied_ids = self.copied_ids(source)
        return state if copied_ids is None else {**state, "copied_ids": copied_ids}

    def step(self, tokens: Int[Tensor, " R"], state: State) -> tuple[Tensor, Tensor | None, State]:
        """Return logits [R, V], attention weights [R, N, 1, S] and the next state."""
        features, attention, state = self.decoder.step(self.target_embedding(tokens), state)
        pointers = point(state.get("copied_ids"), attention, FIRST_STEP)
        return self.readout(features, pointers), attention, state

    def _drop_words(self, ids: Tensor, mask: Tensor) -> Tensor:
        if not self.training or self.word_dropout == 0:
            return ids
        dropped = ~draw_kept(ids.shape, self.word_dropout, ids.device)
        return ids.masked_fill(dropped & mask, UNK)
