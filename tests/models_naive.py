"""The equations of `foveate.models`, written from the papers as plain loops over NumPy arrays.

Every function handles one row without batch or padding, so that nothing is shared with the code
under test; `to_numpy` fetches the parameters of a module by their names.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]


def to_numpy(module: nn.Module) -> dict[str, Array]:
    return {name: tensor.detach().double().numpy() for name, tensor in module.state_dict().items()}


def randomise(module: nn.Module, seed: int = 0) -> None:
    """Leave no parameter at a neutral value: a bias of 0 or a norm of 1 would hide a mistake."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        parameter.data.copy_(noise * 0.4)


def mask_of(lengths: list[int], width: int) -> Tensor:
    return torch.arange(width)[None, :] < torch.tensor(lengths)[:, None]


def sigmoid(value: Array) -> Array:
    return 1 / (1 + np.exp(-value))


def softmax(scores: Array) -> Array:
    total = sum(math.exp(score) for score in scores)
    return np.array([math.exp(score) / total for score in scores])


# Attention: scores of one query [Q] against states [S, H] in one head, as [S].


def additive_scores(query: Array, states: Array, weights: dict[str, Array], head: int) -> Array:
    """v^T tanh(W s + U h_j), with head n owning its own v and its own rows of W and U."""
    vector = weights["vector"][head]
    scores = np.zeros(len(states))
    for j, state in enumerate(states):
        for d in range(len(vector)):
            row = head * len(vector) + d
            inner = weights["query_projection.bias"][row]
            for q in range(len(query)):
                inner += weights["query_projection.weight"][row, q] * query[q]
            for h in range(len(state)):
                inner += weights["key_projection.weight"][row, h] * state[h]
            scores[j] += vector[d] * math.tanh(inner)
    return scores


def dot_scores(query: Array, states: Array, head: int, num_heads: int) -> Array:
    """s^T h_j over the slice of head n."""
    width = len(query) // num_heads
    scores = np.zeros(len(states))
    for j, state in enumerate(states):
        for d in range(head * width, (head + 1) * width):
            scores[j] += query[d] * state[d]
    return scores


def naive_scores(
    score: str, query: Array, states: Array, weights: dict[str, Array], head: int, num_heads: int
) -> Array:
    if score == "additive":
        return additive_scores(query, states, weights, head)
    if score == "dot":
        return dot_scores(query, states, head, num_heads)
    query = weights["query_projection.weight"] @ query
    if score == "general":
        return dot_scores(query, states, head, num_heads)
    keys = np.stack([weights["key_projection.weight"] @ state for state in states])
    return dot_scores(query, keys, head, num_heads) / math.sqrt(len(query) / num_heads)


def location_scores(query: Array, before: Array, weights: dict[str, Array], head: int) -> Array:
    """v^T tanh(W s + F a + b) over the weights of the step before, which are 0 beyond the ends."""
    filters, vector = weights["location.filters"], weights["location.vector"][head]
    projected = weights["location.query_projection.weight"] @ query
    projected = projected + weights["location.query_projection.bias"]
    scores = np.zeros(len(before))
    for j in range(len(before)):
        for d in range(len(vector)):
            inner = projected[head * len(vector) + d]
            for k in range(len(filters)):
                place = j + k - len(filters) // 2
                if 0 <= place < len(before):
                    inner += filters[k, d] * before[place]
            scores[j] += vector[d] * math.tanh(inner)
    return scores


def naive_attention(
    score: str,
    query: Array,
    states: Array,
    weights: dict[str, Array],
    num_heads: int,
    before: Array | None = None,
) -> tuple[Array, Array]:
    """Return the context vector [H] and the weights [N, S] of one query."""
    context, rows, width = np.zeros(states.shape[1]), [], states.shape[1] // num_heads
    for head in range(num_heads):
        scores = naive_scores(score, query, states, weights, head, num_heads)
        if before is not None:
            scores = scores + location_scores(query, before[head], weights, head)
        rows.append(softmax(scores))
        for j, state in enumerate(states):
            for d in range(head * width, (head + 1) * width):
                context[d] += rows[head][j] * state[d]
    return context, np.stack(rows)


def naive_copying(
    generated: Array, gate: float, weights: Array, copied_ids: list[int], first_copyable: int
) -> Array:
    """g P_vocab + (1 - g) sum of a_j over x_j = w; what cannot be copied is generated."""
    probabilities = gate * generated
    for weight, token in zip(weights, copied_ids, strict=True):
        if token >= first_copyable:
            probabilities[token] += (1 - gate) * weight
        else:
            probabilities = probabilities + (1 - gate) * weight * generated
    return probabilities


# Recurrence: one step for one row.


def naive_cell(cell: str, gates: Array, recurrent: Array, state: Array) -> Array:
    """The next state [P, H], from W x + b and U h + b, gates in the order i f g o or r z n."""
    if cell == "gru":
        (reset_x, update_x, new_x), (reset_h, update_h, new_h) = (
            np.split(part, 3) for part in (gates, recurrent)
        )
        reset, update = sigmoid(reset_x + reset_h), sigmoid(update_x + update_h)
        return ((1 - update) * np.tanh(new_x + reset * new_h) + update * state[0])[None]
    enter, forget, new, leave = np.split(gates + recurrent, 4)
    memory = sigmoid(forget) * state[1] + sigmoid(enter) * np.tanh(new)
    return np.stack((sigmoid(leave) * np.tanh(memory), memory))


def naive_layer_step(
    cell: str, inputs: Array, state: Array, weights: dict[str, Array], name: str
) -> Array:
    """One step of an `nn.LSTM` or `nn.GRU` whose parameters begin with `name`."""
    gates = weights[f"{name}weight_ih_l0"] @ inputs + weights[f"{name}bias_ih_l0"]
    recurrent = weights[f"{name}weight_hh_l0"] @ state[0] + weights[f"{name}bias_hh_l0"]
    return naive_cell(cell, gates, recurrent, state)


# The Transformer: one row without padding, positions in rows.


def naive_rotate(states: Array, start: int = 0) -> Array:
    """Turn (x_d, x_{d + D/2}) as the complex number x_d + i x_{d + D/2}."""
    half = states.shape[1] // 2
    turned = np.zeros_like(states)
    for x in range(states.shape[0]):
        for d in range(half):
            angle = (start + x) * 10_000.0 ** (-2 * d / states.shape[1])
            number = complex(states[x, d], states[x, d + half])
            number *= complex(math.cos(angle), math.sin(angle))
            turned[x, d], turned[x, d + half] = number.real, number.imag
    return turned


def naive_norm(states: Array, weights: dict[str, Array], name: str) -> Array:
    centred = states - states.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    return centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def naive_linear(states: Array, weights: dict[str, Array], name: str) -> Array:
    return states @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def naive_multi_head(
    queries_from: Array,
    memory: Array,
    weights: dict[str, Array],
    name: str,
    num_heads: int,
    *,
    is_causal: bool = False,
    is_rotary: bool = False,
) -> tuple[Array, Array]:
    """softmax(Q K^T / sqrt(D)) V in N heads, then W_O; returns [T, H] and weights [N, T, S]."""
    query = naive_linear(queries_from, weights, f"{name}.query")
    key, value = np.split(naive_linear(memory, weights, f"{name}.key_value"), 2, axis=1)
    width = query.shape[1] // num_heads
    joined, shown = np.zeros_like(query), np.zeros((num_heads, len(query), len(memory)))
    for head in range(num_heads):
        part = slice(head * width, (head + 1) * width)
        query_n, key_n, value_n = query[:, part], key[:, part], value[:, part]
        if is_rotary:
            query_n, key_n = naive_rotate(query_n), naive_rotate(key_n)
        for i in range(len(query)):
            seen = i + 1 if is_causal else len(memory)
            scores = np.array([query_n[i] @ key_n[j] / math.sqrt(width) for j in range(seen)])
            shown[head, i, :seen] = softmax(scores)
            for j in range(seen):
                joined[i, part] += shown[head, i, j] * value_n[j]
    return naive_linear(joined, weights, f"{name}.output"), shown


def naive_feed_forward(states: Array, weights: dict[str, Array], name: str) -> Array:
    inner = np.maximum(0, naive_linear(states, weights, f"{name}.0"))
    return naive_linear(inner, weights, f"{name}.3")


def naive_cross_entropy(logits: Array, target: NDArray[np.int64], smoothing: float) -> float:
    """Mean over positions [T, V] against (1 - e) one-hot + e / V."""
    total = 0.0
    for row, correct in zip(logits, target, strict=True):
        log_probs = row - math.log(sum(math.exp(value) for value in row))
        total -= (1 - smoothing) * log_probs[correct] + smoothing * log_probs.mean()
    return total / len(target)
