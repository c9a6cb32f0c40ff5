"""Count the floating-point operations of the matrix products that a model cannot do without.

What is counted: the products of the encoder, the keys, the decoder's cells, the queries, scores and
contexts, the readout and the vocabulary; each exactly once for every real token, nothing for
padding. What is not: additions of biases, tanh and sigmoid, softmax, the optimizer, and what is
done once for a sentence. So the share of the machine's peak that follows is what a model gets
done, not what it keeps the processor busy with.
"""

from __future__ import annotations

from dataclasses import dataclass

FLOPS_OF_A_MULTIPLY_ADD = 2
PASSES = 3  # forward, gradient of the inputs, gradient of the weights: one product each


@dataclass(frozen=True)
class Work:
    """Multiply-adds of the forward pass.

    Attributes:
        source: for each source token.
        target: for each target token.
        cell: for each pair of a source and a target token of a sentence.
    """

    source: int
    target: int
    cell: int


@dataclass(frozen=True)
class Sizes:
    """Widths of a recurrent model with additive attention.

    Attributes:
        V: entries of the target vocabulary.
        E: embeddings.
        H: decoder states; each direction of the encoder has half of it, attention all of it.
        encoder_layers: bidirectional LSTM layers.
        decoder_layers: LSTM layers.
    """

    V: int
    E: int
    H: int
    encoder_layers: int = 1
    decoder_layers: int = 1


def lstm(inputs: int, hidden: int) -> int:
    """Count one step of an LSTM: four gates read the input and the state, 4 h (i + h)."""
    return 4 * hidden * (inputs + hidden)


def encoder(sizes: Sizes) -> int:
    """Count a source token: two directions of width H/2 in every layer, and its key.

    2 lstm(E, H/2) + (L - 1) 2 lstm(H, H/2) + H H
    """
    first = 2 * lstm(sizes.E, sizes.H // 2)
    others = 2 * lstm(sizes.H, sizes.H // 2)
    return first + (sizes.encoder_layers - 1) * others + sizes.H * sizes.H


def input_feeding(sizes: Sizes) -> Work:
    """Count the loop of Luong et al. with input feeding, as Joey NMT and OpenNMT-py have it.

    A target token: lstm(E + H, H), upper layers lstm(H, H), the query H H, the attentional state
    2 H H, the vocabulary H V. A cell: the score H and the context H.
    """
    H = sizes.H
    cells = lstm(sizes.E + H, H) + (sizes.decoder_layers - 1) * lstm(H, H)
    return Work(encoder(sizes), cells + H * H + 2 * H * H + H * sizes.V, 2 * H)


def context_in_cell(sizes: Sizes) -> Work:
    """Count a decoder whose cell reads the context and whose state is all that the readout reads.

    Yoyodyne has it. A target token: lstm(E + H, H), upper layers lstm(H, H), the query H H, the
    vocabulary H V. A cell: the score H and the context H.
    """
    H = sizes.H
    cells = lstm(sizes.E + H, H) + (sizes.decoder_layers - 1) * lstm(H, H)
    return Work(encoder(sizes), cells + H * H + H * sizes.V, 2 * H)


def bahdanau(sizes: Sizes) -> Work:
    """Count Foveate's layout of that name.

    A target token: the query H H, lstm(E + H, H), the readout (E + 2 H) H, down to the width of the
    embeddings H E, the vocabulary E V. A cell: the score H and the context H.
    """
    E, H = sizes.E, sizes.H
    target = H * H + lstm(E + H, H) + (E + 2 * H) * H + _vocabulary(H, sizes)
    return Work(encoder(sizes), target, 2 * H)


def gnmt(sizes: Sizes) -> Work:
    """Count Foveate's layout of that name.

    A target token: the bottom layer lstm(E, H), the query H H, the upper layers lstm(2 H, H) and
    lstm(H, H), state and context down to the width of the embeddings 2 H E, the vocabulary E V.
    A cell: the score H and the context H.
    """
    E, H = sizes.E, sizes.H
    upper = lstm(2 * H, H) + (max(sizes.decoder_layers, 2) - 2) * lstm(H, H)
    target = lstm(E, H) + H * H + upper + _vocabulary(2 * H, sizes)
    return Work(encoder(sizes), target, 2 * H)


def _vocabulary(features: int, sizes: Sizes) -> int:
    """Count Foveate's tied vocabulary: F E unless the widths agree already, and E V."""
    down = 0 if features == sizes.E else features * sizes.E
    return down + sizes.E * sizes.V


def training_flops(work: Work, source_tokens: int, target_tokens: int, cells: int) -> int:
    """Count all passes over sentences with so many tokens.

    2 * 3 * (S source + T target + C cell), with the sums over the sentences: S of the source
    tokens, T of the target tokens with end marks, C of their products.
    """
    total = source_tokens * work.source + target_tokens * work.target + cells * work.cell
    return FLOPS_OF_A_MULTIPLY_ADD * PASSES * total
