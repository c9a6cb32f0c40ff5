"""From option names to parts: the only file of this room that knows a `Config`."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from foveate.config import Config
from foveate.errors import ConfigError
from foveate.models.attention import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    ScaledDotAttention,
)
from foveate.models.copying import LexicalPrior, Pointer, PointerGenerator
from foveate.models.decoders import (
    BahdanauDecoder,
    Decoder,
    GnmtDecoder,
    LuongDecoder,
    TraditionalDecoder,
)
from foveate.models.encoders import BidirectionalEncoder, TraditionalEncoder
from foveate.models.entmax import masked_entmax
from foveate.models.location import LocationScores
from foveate.models.ngrams import NgramEmbedding
from foveate.models.seq2seq import Seq2SeqModel, build_embedding
from foveate.models.transformer import TransformerDecoder, TransformerEncoder
from foveate.models.window import WindowConvolution

NGRAM_SIZE = 32  # numbers in a row of the table of n-grams
LEXICON_WORDS = 8  # translations that are kept for each source token


def build_model(
    config: Config,
    source_size: int,
    target_size: int,
    shared: bool,
    target_ids: Sequence[int] | None = None,
) -> Seq2SeqModel:
    """Build the model that a resolved configuration describes.

    Args:
        config: resolved.
        source_size: entries of the source vocabulary.
        target_size: entries of the target vocabulary.
        shared: both sides have the same vocabulary, and so one table.
        target_ids: for each source id the target id of the same token, UNK when there is none;
            None, when the vocabulary is shared, is the identity. Only needed for copying.

    Raises:
        ConfigError: widths that do not divide by the number of heads, or by 2.
    """
    assert config.hidden_size and config.embedding_size and config.num_heads
    assert config.dropout is not None
    check_widths(config.hidden_size, config.num_heads, config.architecture)
    source = build_embedding(source_size, config.embedding_size)
    target = source if shared else build_embedding(target_size, config.embedding_size)
    encoder, decoder = _build_parts(config, config.embedding_size, config.hidden_size)
    copying: Pointer | None = None
    if config.lexicon:
        copying = LexicalPrior(decoder.feature_size, source_size, LEXICON_WORDS)
    elif config.copy:
        assert config.architecture != "traditional" and (shared or target_ids is not None)
        copying = PointerGenerator(decoder.feature_size, target_ids or range(target_size))
    ngrams = None
    if (config.source_ngrams or 1) > 1:
        assert config.source_ngrams and config.ngram_rows
        ngrams = NgramEmbedding(
            config.source_ngrams,
            config.ngram_rows,
            NGRAM_SIZE,
            config.embedding_size,
            config.ngram_dropout or 0.0,
        )
    window = None
    if config.source_window and config.source_window > 1:
        window = WindowConvolution(config.embedding_size, config.source_window)
    return Seq2SeqModel(
        source,
        target,
        encoder,
        decoder,
        config.dropout,
        config.word_dropout or 0.0,
        ngrams,
        window,
        copying,
        needs_weights=config.coverage > 0 or bool(config.guidance),
    )


def check_widths(hidden_size: int, num_heads: int, architecture: str) -> None:
    """Raise a ConfigError when the widths cannot be divided as the model needs."""
    if architecture == "traditional":
        return
    if hidden_size % num_heads:
        raise ConfigError(f"hidden_size {hidden_size} must be a multiple of num_heads {num_heads}")
    if architecture == "transformer" and hidden_size // num_heads % 2:
        raise ConfigError(
            f"hidden_size {hidden_size} / num_heads {num_heads} must be even for rotary positions"
        )
    if architecture == "attention" and hidden_size % 2:
        raise ConfigError(f"hidden_size {hidden_size} must be even: two directions share it")


def _build_parts(config: Config, embedding: int, hidden: int) -> tuple[nn.Module, Decoder]:
    dropout, layers = config.dropout or 0.0, config.num_layers
    if config.architecture == "transformer":
        heads = config.num_heads or 1
        encoder = TransformerEncoder(embedding, hidden, layers, heads, 4 * hidden, dropout)
        return encoder, TransformerDecoder(
            embedding, hidden, hidden, layers, heads, 4 * hidden, dropout
        )
    if config.architecture == "traditional":
        return (
            TraditionalEncoder(config.cell, embedding, hidden, layers, dropout),
            TraditionalDecoder(config.cell, embedding, hidden, hidden, layers, dropout),
        )
    return (
        BidirectionalEncoder(config.cell, embedding, hidden, layers, dropout),
        _build_attention_decoder(config, embedding, hidden),
    )


def _build_attention_decoder(config: Config, embedding: int, hidden: int) -> Decoder:
    dropout, layers, cell = config.dropout or 0.0, config.num_layers, config.cell
    attention = build_attention(config.attention_score, hidden, hidden, config.num_heads or 1)
    if config.attention_weights == "entmax":
        attention.normalize = masked_entmax
    if config.location_window:
        attention.location = LocationScores(hidden, config.location_window, config.num_heads or 1)
    if config.layout == "bahdanau":
        return BahdanauDecoder(cell, embedding, hidden, hidden, attention)
    if config.layout == "luong":
        return LuongDecoder(
            cell, embedding, hidden, hidden, attention, layers, dropout, config.input_feeding
        )
    return GnmtDecoder(cell, embedding, hidden, hidden, attention, layers, dropout)


def build_attention(score: str, query_size: int, key_size: int, num_heads: int) -> Attention:
    """Build the attention that `attention_score` names."""
    if score == "additive":
        return AdditiveAttention(query_size, key_size, key_size, num_heads)
    if score == "general":
        return GeneralAttention(query_size, key_size, num_heads)
    if score == "dot":
        return DotAttention(num_heads)
    return ScaledDotAttention(query_size, key_size, key_size, num_heads)
