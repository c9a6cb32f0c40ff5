"""From option names to parts: the only file of this room that knows the names of options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

from torch import nn

from foveate.counted import counted
from foveate.errors import ConfigError
from foveate.models.attention import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    ScaledDotAttention,
)
from foveate.models.copying import LexicalPrior, Pointer, PointerGenerator
from foveate.models.decoders import Decoder, GnmtDecoder
from foveate.models.encoders import BidirectionalEncoder
from foveate.models.layouts import BahdanauDecoder, LuongDecoder
from foveate.models.location import LocationScores
from foveate.models.ngrams import NgramEmbedding
from foveate.models.seq2seq import Seq2SeqModel, build_embedding
from foveate.models.traditional import TraditionalDecoder, TraditionalEncoder
from foveate.models.transformer import TransformerDecoder, TransformerEncoder
from foveate.models.variants.entmax import masked_entmax
from foveate.models.window import WindowConvolution
from foveate.options import (
    NGRAM_SIZE,
    AttendingOptions,
    AttentionOptions,
    ModelOptions,
    TraditionalOptions,
    TransformerOptions,
)

LEXICON_WORDS = 8  # translations that are kept for each source token


def build_model(
    options: ModelOptions,
    source_size: int,
    target_size: int,
    shared: bool,
    target_ids: Sequence[int] | None = None,
    *,
    needs_weights: bool = False,
    attention: Callable[..., Attention] | None = None,
) -> Seq2SeqModel:
    """Build the model that resolved options describe.

    Args:
        options: of one of the architectures.
        source_size: entries of the source vocabulary.
        target_size: entries of the target vocabulary.
        shared: both sides have the same vocabulary, and so one table.
        target_ids: for each source id the target id of the same token, UNK when there is none;
            None, when the vocabulary is shared, is the identity. Only needed for copying.
        needs_weights: the loss looks at the attention weights.
        attention: what `attention_module` names, where it names something.

    Raises:
        ConfigError: widths that do not divide by the number of heads, or by 2; an attention that
            is none.
    """
    check_widths(options)
    source = build_embedding(source_size, options.embedding_size)
    target = source if shared else build_embedding(target_size, options.embedding_size)
    encoder, decoder = _build_parts(options, attention)
    copying: Pointer | None = None
    if isinstance(options, AttendingOptions) and options.lexicon:
        copying = LexicalPrior(decoder.feature_size, source_size, LEXICON_WORDS)
    elif isinstance(options, AttendingOptions) and options.copy:
        assert shared or target_ids is not None
        copying = PointerGenerator(decoder.feature_size, target_ids or range(target_size))
    return Seq2SeqModel(
        source,
        target,
        encoder,
        decoder,
        options.dropout,
        options.word_dropout,
        _build_ngrams(options),
        _build_window(options),
        copying,
        needs_weights=needs_weights,
    )


def _build_ngrams(options: ModelOptions) -> NgramEmbedding | None:
    if options.source_ngrams == 1:
        return None
    return NgramEmbedding(
        options.source_ngrams,
        options.ngram_rows,
        NGRAM_SIZE,
        options.embedding_size,
        options.ngram_dropout,
    )


def _build_window(options: ModelOptions) -> WindowConvolution | None:
    if options.source_window == 1:
        return None
    return WindowConvolution(options.embedding_size, options.source_window)


def check_widths(options: ModelOptions) -> None:
    """Raise a ConfigError when the widths cannot be divided as the model needs."""
    if not isinstance(options, AttendingOptions):
        return
    hidden_size, num_heads = options.hidden_size, options.num_heads
    if hidden_size % num_heads:
        raise ConfigError(f"hidden_size {hidden_size} must be a multiple of num_heads {num_heads}")
    if isinstance(options, TransformerOptions) and hidden_size // num_heads % 2:
        raise ConfigError(
            f"hidden_size {hidden_size} / num_heads {num_heads} must be even for rotary positions"
        )
    if isinstance(options, AttentionOptions) and hidden_size % 2:
        raise ConfigError(f"hidden_size {hidden_size} must be even: two directions share it")


def _build_parts(
    options: ModelOptions, own: Callable[..., Attention] | None
) -> tuple[nn.Module, Decoder]:
    embedding, hidden = options.embedding_size, options.hidden_size
    layers, dropout = options.num_layers, options.dropout
    if isinstance(options, AttentionOptions):
        encoder = BidirectionalEncoder(options.cell, embedding, hidden, layers, dropout)
        return encoder, _build_attention_decoder(options, own)
    if isinstance(options, TraditionalOptions):
        return (
            TraditionalEncoder(options.cell, embedding, hidden, layers, dropout),
            TraditionalDecoder(options.cell, embedding, hidden, hidden, layers, dropout),
        )
    assert isinstance(options, TransformerOptions)
    heads = options.num_heads
    return (
        TransformerEncoder(embedding, hidden, layers, heads, 4 * hidden, dropout),
        TransformerDecoder(embedding, hidden, hidden, layers, heads, 4 * hidden, dropout),
    )


def _build_attention_decoder(
    options: AttentionOptions, own: Callable[..., Attention] | None
) -> Decoder:
    embedding, hidden, cell = options.embedding_size, options.hidden_size, options.cell
    layers, dropout, heads = options.num_layers, options.dropout, options.num_heads
    if path := options.attention_module:
        attention = build_own_attention(own, path, hidden, hidden, heads)
    else:
        attention = build_attention(options.attention_score, hidden, hidden, heads)
    if options.attention_weights == "entmax":
        attention.normalize = masked_entmax
    if options.location_window:
        attention.location = LocationScores(hidden, options.location_window, heads)
    if options.layout == "bahdanau":
        return BahdanauDecoder(cell, embedding, hidden, hidden, attention)
    if options.layout == "luong":
        return LuongDecoder(
            cell, embedding, hidden, hidden, attention, layers, dropout, options.input_feeding
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


def build_own_attention(
    make: Callable[..., object] | None,
    path: str,
    query_size: int,
    key_size: int,
    num_heads: int,
) -> Attention:
    """Build an attention of the user's own, and see that it is one.

    Args:
        make: the class, or a function that makes one.
        path: what to call it in an error.
        query_size: width of the decoder states that ask.
        key_size: width of the encoder states that are asked.
        num_heads: how many heads it must have.

    Raises:
        ConfigError: it does not take these sizes, or makes something else.
    """
    if make is None:
        raise ConfigError(f"attention_module: {path} has to be given as attention=... beside it")
    sizes = {"query_size": query_size, "key_size": key_size, "num_heads": num_heads}
    try:
        inspect.signature(make).bind(**sizes)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"attention {path}: has to take query_size, key_size and num_heads: {error}"
        ) from None
    attention = make(**sizes)
    if not isinstance(attention, Attention):
        kind = type(attention).__name__
        raise ConfigError(f"attention {path}: made a {kind}, not a foveate.models.Attention")
    if attention.num_heads != num_heads:
        raise ConfigError(
            f"attention {path}: has {counted(attention.num_heads, 'head')} where num_heads is "
            f"{num_heads}: pass num_heads on to Attention.__init__"
        )
    return attention
