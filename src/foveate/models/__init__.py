"""Models in PyTorch, and the parts they are made of, each usable alone.

Example:
    >>> import torch
    >>> from foveate.models import AdditiveAttention
    >>> attention = AdditiveAttention(query_size=7, key_size=6, hidden_size=4)
    >>> states, mask = torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool)
    >>> context, weights = attention(torch.randn(2, 3, 7), attention.keys(states), states, mask)
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 3, 6), (2, 1, 3, 5))
"""

import foveate.torch_loading  # noqa: F401  # before torch: its threads wait asleep
from foveate.models.attention import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    ScaledDotAttention,
    masked_softmax,
)
from foveate.models.build import build_model
from foveate.models.copying import PointerGenerator
from foveate.models.cross_entropy import linear_cross_entropy
from foveate.models.decoders import Decoder, GnmtDecoder
from foveate.models.dropout import Dropout, seeded_dropout
from foveate.models.encoders import BidirectionalEncoder, Encoded
from foveate.models.layouts import BahdanauDecoder, LuongDecoder
from foveate.models.location import LocationScores
from foveate.models.recurrent import BidirectionalLayer, Cell, RecurrentLayer
from foveate.models.seq2seq import Output, Seq2SeqModel
from foveate.models.traditional import TraditionalDecoder, TraditionalEncoder
from foveate.models.transformer import TransformerDecoder, TransformerEncoder

__all__ = [
    "AdditiveAttention",
    "Attention",
    "BahdanauDecoder",
    "BidirectionalEncoder",
    "BidirectionalLayer",
    "Cell",
    "Decoder",
    "DotAttention",
    "Dropout",
    "Encoded",
    "GeneralAttention",
    "GnmtDecoder",
    "LocationScores",
    "LuongDecoder",
    "Output",
    "PointerGenerator",
    "RecurrentLayer",
    "ScaledDotAttention",
    "Seq2SeqModel",
    "TraditionalDecoder",
    "TraditionalEncoder",
    "TransformerDecoder",
    "TransformerEncoder",
    "build_model",
    "linear_cross_entropy",
    "masked_softmax",
    "seeded_dropout",
]
