"""Recurrent layers: cells, and layers that run a cell over a sequence.

A recurrent state is one tensor [B, P, H] with the rows first: P = 2 for an LSTM (h, c), 1 for a
GRU (h). So every state of a decoder can be reordered by rows without knowing what it is. One step
takes and gives its parts apart, P tensors [R, H]. Knows nothing of attention, vocabularies or text.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from foveate.models.initial_weights import initialise_recurrent

CellName = Literal["lstm", "gru"]
NUM_STATES = {"lstm": 2, "gru": 1}
NUM_GATES = {"lstm": 4, "gru": 3}

Parts = tuple[Tensor, ...]  # of the state of one layer: (h, c) or (h,)


def reverse_within_length(
    inputs: Float[Tensor, "B S E"], mask: Bool[Tensor, "B S"]
) -> Float[Tensor, "B S E"]:
    """Reverse each row within its own length; padding stays at the end.

    What packed sequences would do, with plain indexing. Applied twice it changes nothing.
    """
    lengths = mask.sum(dim=1, keepdim=True)  # B 1
    positions = torch.arange(inputs.shape[1], device=inputs.device)[None, :]  # 1 S
    index = torch.where(positions < lengths, lengths - 1 - positions, positions)  # B S
    return inputs.gather(1, index[:, :, None].expand_as(inputs))


def next_parts(
    cell: CellName,
    gates: Float[Tensor, "R G"],
    parts: Parts,
    weight_hh: Float[Tensor, "G H"],
    bias_hh: Float[Tensor, " G"],
) -> Parts:
    """Return the state after one more input.

    `gates` is the input's part, W x + `input_bias`; the recurrent product is added onto it.
    """
    hidden, size = parts[0], weight_hh.shape[1]
    if cell == "gru":
        recurrent = torch.addmm(bias_hh, hidden, weight_hh.T)
        reset_x, update_x, new_x = torch.split(gates, size, dim=-1)
        reset_h, update_h, new_h = torch.split(recurrent, size, dim=-1)
        update = torch.sigmoid(update_x + update_h)
        new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
        return (torch.lerp(new, hidden, update),)
    gates = torch.addmm(gates, hidden, weight_hh.T)
    enter, forget, new, leave = torch.split(gates, size, dim=-1)
    memory = torch.sigmoid(forget) * parts[1] + torch.sigmoid(enter) * torch.tanh(new)
    return torch.sigmoid(leave) * torch.tanh(memory), memory


def input_bias(cell: CellName, bias_ih: Tensor, bias_hh: Tensor) -> Float[Tensor, " G"]:
    """Return what is added to W x: both biases, but a GRU keeps b_hh under its reset gate."""
    return bias_ih if cell == "gru" else bias_ih + bias_hh


class Cell(nn.Module):
    """One step of an LSTM or GRU whose input part of the gates is computed outside.

    A decoder with a loop then projects all its embeddings in one product before the loop. Gates
    stand in PyTorch's order: i f g o for the LSTM, r z n for the GRU.

    Reference: Hochreiter & Schmidhuber 1997; Cho et al. 2014a, equations 5 to 8.

    Differs: as in `torch.nn.GRUCell`, the reset gate multiplies U h rather than h.
    """

    def __init__(self, cell: CellName, hidden_size: int) -> None:
        super().__init__()
        self.cell: CellName = cell
        self.num_states = NUM_STATES[cell]
        self.gate_size = NUM_GATES[cell] * hidden_size
        self.weight_hh = nn.Parameter(torch.empty(self.gate_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(self.gate_size))
        self.bias_hh = nn.Parameter(torch.empty(self.gate_size))
        initialise_recurrent(self, hidden_size)

    def forward(self, gates: Float[Tensor, "R G"], parts: Parts) -> Parts:
        """Return the next state; `gates` is W x, without biases."""
        gates = gates + input_bias(self.cell, self.bias_ih, self.bias_hh)
        return next_parts(self.cell, gates, parts, self.weight_hh, self.bias_hh)


class RecurrentLayer(nn.Module):
    """One LSTM or GRU layer over a whole sequence in one fused call, or one step of it."""

    def __init__(self, cell: CellName, input_size: int, hidden_size: int) -> None:
        super().__init__()
        layer = nn.LSTM if cell == "lstm" else nn.GRU
        self.cell: CellName = cell
        self.hidden_size = hidden_size
        self.num_states = NUM_STATES[cell]
        self.layer = layer(input_size, hidden_size, batch_first=True)
        initialise_recurrent(self.layer, hidden_size)

    def forward(
        self, inputs: Float[Tensor, "B T I"], state: Float[Tensor, "B P H"] | None = None
    ) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B P H"]]:
        """Return the outputs of all steps and the state after the last."""
        if state is None:
            state = inputs.new_zeros(inputs.shape[0], self.num_states, self.hidden_size)
        if self.cell == "gru":
            outputs, hidden = self.layer(inputs, state[:, 0][None].contiguous())
            return outputs, hidden.transpose(0, 1)
        hidden, memory = (state[:, part][None].contiguous() for part in (0, 1))
        outputs, (hidden, memory) = self.layer(inputs, (hidden, memory))
        return outputs, torch.stack((hidden[0], memory[0]), dim=1)

    def step(self, inputs: Float[Tensor, "R I"], parts: Parts) -> Parts:
        """Return the state after one more input; its first part is the output."""
        weight_ih, weight_hh, bias_ih, bias_hh = self.layer.all_weights[0]
        gates = torch.addmm(input_bias(self.cell, bias_ih, bias_hh), inputs, weight_ih.T)
        return next_parts(self.cell, gates, parts, weight_hh, bias_hh)


class BidirectionalLayer(nn.Module):
    """Read left to right and right to left: h_j = [forward h_j; backward h_j].

    Reference: Schuster & Paliwal 1997; Bahdanau et al. 2015, section 3.2.
    """

    def __init__(self, cell: CellName, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.forward_layer = RecurrentLayer(cell, input_size, hidden_size)
        self.backward_layer = RecurrentLayer(cell, input_size, hidden_size)

    def forward(
        self, inputs: Float[Tensor, "B S E"], mask: Bool[Tensor, "B S"]
    ) -> Float[Tensor, "B S H"]:
        """Return the states of both directions side by side; padding is never read."""
        forward, _ = self.forward_layer(inputs)
        backward, _ = self.backward_layer(reverse_within_length(inputs, mask))
        return torch.cat((forward, reverse_within_length(backward, mask)), dim=-1)
