"""Turn attention weights into hard alignments, of tokens or of words, in Pharaoh format.

Knows nothing of models: attention weights [T, S] in (rows target, columns source), pairs
(i, j) out, **source first**, as word aligners write them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveate.errors import ConfigError, did_you_mean

Method = Literal["argmax", "mutual"]
GroupKind = Literal["characters", "tagged", "whitespace", "bytes", "unigram", "bpe"]
WORD_MARK = "\N{LOWER ONE EIGHTH BLOCK}"  # sentencepiece puts it where a word begins
_BLANK_BYTES = frozenset({"<0x20>", "<0x09>", "<0x0A>", "<0x0D>", "<0x0a>", "<0x0d>"})


def hard_alignment(
    attention: ArrayLike, method: Method | float = "argmax"
) -> list[tuple[int, int]]:
    """Return the aligned pairs (i source, j target) of attention weights [T, S], sorted.

    `argmax` links every target to the source it looked at most (the first of equals);
    `mutual` keeps only links where that target is also the one that looked most at the source;
    a number t between 0 and 1 links all pairs with weight >= t.

    Example:
        >>> hard_alignment([[0.1, 0.9], [0.6, 0.4], [0.7, 0.3]])
        [(0, 1), (0, 2), (1, 0)]
        >>> hard_alignment([[0.1, 0.9], [0.6, 0.4], [0.7, 0.3]], "mutual")
        [(0, 2), (1, 0)]

    Raises:
        ConfigError: the method is unknown, or the threshold not above 0 and at most 1.
    """
    weights = np.nan_to_num(np.asarray(attention, dtype=np.float64))
    if weights.ndim != 2:
        raise ValueError(f"attention must be [T, S], not of shape {weights.shape}")
    if weights.size == 0:
        return []
    targets, sources = np.nonzero(_links(weights, method))
    return sorted(zip(sources.tolist(), targets.tolist(), strict=True))


def _links(weights: NDArray[np.float64], method: Method | float) -> NDArray[np.bool_]:
    if isinstance(method, str):
        if method not in get_args(Method):
            known = get_args(Method)
            raise ConfigError(
                f"unknown alignment method {method!r}{did_you_mean(method, known)}: "
                "use argmax, mutual, or a threshold such as 0.3"
            )
        best_source: NDArray[np.bool_] = (
            np.arange(weights.shape[1]) == weights.argmax(axis=1)[:, None]
        )
        if method == "argmax":
            return best_source
        best_target = np.arange(weights.shape[0])[:, None] == weights.argmax(axis=0)
        mutual: NDArray[np.bool_] = best_source & best_target
        return mutual
    if not 0 < method <= 1:
        raise ConfigError(f"alignment threshold {method}: give a number above 0 and at most 1")
    above: NDArray[np.bool_] = weights >= method
    return above


def word_groups(tokens: Sequence[str], kind: GroupKind) -> list[int]:
    """Return for every token the index of the word it belongs to, or -1 for a blank.

    Words are what `str.split()` would find in the text: `▁` begins one for subwords, blanks
    stand between them for characters and bytes, and whitespace tokens are words already.

    Example:
        >>> word_groups(["▁play", "ing", "▁on"], "unigram")
        [0, 0, 1]
        >>> word_groups(list("a bc"), "characters")
        [0, -1, 1, 1]
    """
    if kind not in get_args(GroupKind):
        raise ConfigError(
            f"unknown kind of tokens {kind!r}{did_you_mean(kind, get_args(GroupKind))}"
        )
    if kind == "whitespace":
        return list(range(len(tokens)))
    if kind in ("unigram", "bpe"):
        return _piece_groups(tokens)
    groups, word, is_inside = [], -1, False
    for token in tokens:
        is_blank = token.isspace() or (kind == "bytes" and token in _BLANK_BYTES)
        word += not is_blank and not is_inside
        is_inside = not is_blank
        groups.append(-1 if is_blank else word)
    return groups


def _piece_groups(tokens: Sequence[str]) -> list[int]:
    groups: list[int] = []
    word, is_inside = -1, False
    for k, token in enumerate(tokens):
        if token.startswith(WORD_MARK):
            is_inside = False
        following = tokens[k + 1] if k + 1 < len(tokens) else WORD_MARK
        if not token.strip(WORD_MARK) and following.startswith(WORD_MARK):
            groups.append(-1)  # a blank that no word follows
            continue
        word += not is_inside
        is_inside = True
        groups.append(word)
    return groups


def merge_to_words(
    alignment: Iterable[tuple[int, int]],
    source_groups: Sequence[int],
    target_groups: Sequence[int],
) -> list[tuple[int, int]]:
    """Return the word pairs that have at least one aligned pair of tokens, sorted, each once.

    Groups come from `word_groups`; links of a blank (-1) are left out.

    Example:
        >>> merge_to_words([(0, 0), (1, 0), (2, 1)], [0, 0, 1], [0, 1])
        [(0, 0), (1, 1)]
    """
    words = {(source_groups[i], target_groups[j]) for i, j in alignment}
    return sorted(pair for pair in words if min(pair) >= 0)


def pool_to_words(
    attention: ArrayLike, source_groups: Sequence[int], target_groups: Sequence[int]
) -> NDArray[np.float64]:
    """Return the attention weights of words, from those of their tokens [T, S].

    A source word has the sum of the weights of its tokens, a target word the mean of the rows of
    its tokens. Groups come from `word_groups`; blanks (-1) are left out.

    Example:
        >>> pool_to_words([[0.5, 0.5, 0.0], [0.1, 0.1, 0.8]], [0, 0, 1], [0, 0]).round(2).tolist()
        [[0.6, 0.4]]
    """
    weights = np.asarray(attention, dtype=np.float64)
    sources, targets = (np.asarray(side) for side in (source_groups, target_groups))
    to_sources = (sources[:, None] == np.arange(sources.max(initial=-1) + 1)).astype(np.float64)
    to_targets = (targets[:, None] == np.arange(targets.max(initial=-1) + 1)).astype(np.float64)
    pooled: NDArray[np.float64] = (to_targets / to_targets.sum(axis=0)).T @ weights @ to_sources
    return pooled


def format_pharaoh(pairs: Iterable[tuple[int, int]]) -> str:
    """Return pairs as one line of Pharaoh format, `i-j` with the source first.

    Example:
        >>> format_pharaoh([(0, 0), (2, 1)])
        '0-0 2-1'
    """
    return " ".join(f"{i}-{j}" for i, j in pairs)
