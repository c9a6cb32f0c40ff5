"""`Seq2SeqModel`: embeddings, an encoder, a decoder and a readout over the vocabulary.

The same class holds the traditional model, the attention RNN and the Transformer; it takes the
parts ready made. Knows ids, not text.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from foveate.models.cross_entropy import linear_cross_entropy
from foveate.models.decoders import Decoder, State
from foveate.models.dropout import Dropout, draw_kept
from foveate.models.encoders import Encoded
from foveate.text.vocabulary import PAD, UNK


class Output(NamedTuple):
    """`logits` [B, T, V] and attention weights [B, N, T, S], or None without attention."""

    logits: Tensor
    attention: Tensor | None


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
    """

    def __init__(
        self,
        source_embedding: nn.Embedding,
        target_embedding: nn.Embedding,
        encoder: nn.Module,
        decoder: Decoder,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.source_embedding = source_embedding
        self.target_embedding = target_embedding
        self.encoder = encoder
        self.decoder = decoder
        self.dropout = Dropout(dropout)
        self.word_dropout = word_dropout
        size = target_embedding.embedding_dim
        self.to_embedding = (
            nn.Identity() if decoder.feature_size == size else nn.Linear(decoder.feature_size, size)
        )
        self.output_bias = nn.Parameter(torch.zeros(target_embedding.num_embeddings))

    def encode(self, source: Int[Tensor, "B S"], source_mask: Bool[Tensor, "B S"]) -> Encoded:
        """Embed and encode the source."""
        embedded = self.dropout(self.source_embedding(self._drop_words(source, source_mask)))
        encoded: Encoded = self.encoder(embedded, source_mask)
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

    def readout(self, features: Float[Tensor, "*rows F"]) -> Float[Tensor, "*rows V"]:
        """Return logits: E_target (W features) + b."""
        hidden = self._before_readout(features)
        return nn.functional.linear(hidden, self.target_embedding.weight, self.output_bias)

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
        return Output(self.readout(features), attention)

    def loss(
        self,
        source: Int[Tensor, "B S"],
        source_mask: Bool[Tensor, "B S"],
        target_in: Int[Tensor, "B T"],
        target_out: Int[Tensor, "B T"],
        target_mask: Bool[Tensor, "B T"],
        label_smoothing: float = 0.0,
    ) -> Float[Tensor, ""]:
        """Return the mean cross-entropy over the real target tokens, in nats."""
        features, _ = self.features(source, source_mask, target_in)
        hidden = self._before_readout(features[target_mask])  # no product for padding
        return linear_cross_entropy(
            hidden,
            self.target_embedding.weight,
            self.output_bias,
            target_out[target_mask],
            label_smoothing,
        )

    def start(self, source: Int[Tensor, "B S"], source_mask: Bool[Tensor, "B S"]) -> State:
        """Encode the source and return the decoder's first state."""
        return self.decoder.start(self.encode(source, source_mask))

    def step(self, tokens: Int[Tensor, " R"], state: State) -> tuple[Tensor, Tensor | None, State]:
        """Return logits [R, V], attention weights [R, N, 1, S] and the next state."""
        features, attention, state = self.decoder.step(self.target_embedding(tokens), state)
        return self.readout(features), attention, state

    def _drop_words(self, ids: Tensor, mask: Tensor) -> Tensor:
        if not self.training or self.word_dropout == 0:
            return ids
        dropped = ~draw_kept(ids.shape, self.word_dropout, ids.device)
        return ids.masked_fill(dropped & mask, UNK)
