"""Tokens that stand in for source tokens which were never seen, so that these are copied, too.

A model with copying has learnt for some tokens, such as names, that the target has them wherever
the source has them. One of these is read in the place of an unknown token; where the output has
it, the unknown token is written. Knows no models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from foveate.text.vocabulary import UNK

MOST = 16  # unknown tokens of one source that are copied
KINDS = ("characters", "tagged", "whitespace")  # of tokens; subwords and bytes spell what is new


def choose_stand_ins(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> tuple[str, ...]:
    """Return rare tokens that a target has wherever its source has them, those seen twice first.

    Example:
        >>> texts = [("ann sees bob", "ann sah bob"), ("bob sees cleo", "bob sah cleo")]
        >>> texts.append(("ann", "ann"))
        >>> choose_stand_ins((one.split(), other.split()) for one, other in texts)
        ('ann', 'bob', 'cleo')
    """
    copied, changed = Counter[str](), set[str]()
    for source, target in pairs:
        tokens, written = set(source), set(target)
        copied.update(tokens & written)
        changed |= tokens - written
    names = [token for token in copied if token not in changed]
    names.sort(key=lambda token: (copied[token] < 2, copied[token], token))
    return tuple(names[:MOST])


def put_in(
    tokens: Sequence[str], ids: Sequence[int], stand_ins: Sequence[tuple[str, int]]
) -> tuple[list[int], dict[str, str]]:
    """Return ids in which unknown tokens have stand-ins, and what each of these stands for.

    Args:
        tokens: of a source.
        ids: of the same.
        stand_ins: tokens with their source ids.

    Example:
        >>> put_in(["zoe", "sees", "zoe"], [UNK, 5, UNK], [("ann", 7), ("bob", 8)])
        ([7, 5, 7], {'ann': 'zoe'})
    """
    free = [one for one in stand_ins if one[0] not in tokens]
    given: dict[str, tuple[str, int]] = {}
    for token, index in zip(tokens, ids, strict=True):
        if index == UNK and token not in given and len(given) < len(free):
            given[token] = free[len(given)]
    replaced = [
        given[token][1] if index == UNK and token in given else index
        for token, index in zip(tokens, ids, strict=True)
    ]
    return replaced, {stand_in: token for token, (stand_in, _) in given.items()}
