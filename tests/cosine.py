"""Attention of a user's own, for test_own_code.py; it counts how often it is made."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from foveate.models.attention import Attention, split_heads

MADE: list[int] = []


def normalize(states: Tensor) -> Tensor:
    """Return the states with length 1, by operations that can be exported."""
    return states / (states * states).sum(dim=-1, keepdim=True).add(1e-9).sqrt()


class CosineAttention(Attention):
    """e_ij = t cos(W s_i, h_j), each head on its own."""

    def __init__(self, query_size: int, key_size: int, num_heads: int) -> None:
        super().__init__(num_heads)
        self.projection = nn.Linear(query_size, key_size)
        self.sharpness = nn.Parameter(torch.tensor(5.0))
        MADE.append(num_heads)

    def keys(self, encoder_states: Tensor) -> Tensor:
        return normalize(split_heads(encoder_states, self.num_heads))

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        query = split_heads(self.projection(query), self.num_heads)
        return self.sharpness * (normalize(query) @ keys.transpose(-1, -2))


def make_sharp(*, query_size: int, key_size: int, num_heads: int) -> CosineAttention:
    attention = CosineAttention(query_size, key_size, num_heads)
    nn.init.constant_(attention.sharpness, 9.0)
    return attention


class Blunt(CosineAttention):
    """Forgets the heads."""

    def __init__(self, query_size: int, key_size: int, num_heads: int) -> None:
        super().__init__(query_size, key_size, 1)


class Normed(CosineAttention):
    """The same, with an operator that no exported model may have."""

    def keys(self, encoder_states: Tensor) -> Tensor:
        return nn.functional.normalize(split_heads(encoder_states, self.num_heads), dim=-1)


class Narrow(CosineAttention):
    """Does not take what it is given."""

    def __init__(self, query_size: int) -> None:
        super().__init__(query_size, query_size, 1)


def make_nothing(**sizes: int) -> nn.Module:
    return nn.Linear(1, 1)
