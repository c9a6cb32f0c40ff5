"""Recurrent layers: cells, and layers that run a cell over a sequence.

A recurrent state is one tensor [B, P, H] with the rows first: P = 2 for an LSTM (h, c), 1 for a
GRU (h). So every state of a decoder can be reordered by rows without knowing what it is. Knows
nothing of attention, vocabularies or text.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

CellName = Literal["lstm", "gru"]
NUM_STATES = {"lstm": 2, "gru": 1}
NUM_GATES = {"lstm": 4, "gru": 3}


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


def initialise_recurrent(module: nn.Module, hidden_size: int) -> None:
    """Give input weights Xavier, recurrent weights orthogonal, biases 0, LSTM forget biases 1."""
    for name, parameter in module.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
            if len(parameter) == 4 * hidden_size and "ih" in name:
                nn.init.ones_(parameter.data[hidden_size : 2 * hidden_size])
        else:
            for block in parameter.data.chunk(len(parameter) // hidden_size):
                initialise = nn.init.orthogonal_ if "hh" in name else nn.init.xavier_uniform_
                initialise(block)


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

    def forward(
        self, gates: Float[Tensor, "R G"], state: Float[Tensor, "R P H"]
    ) -> Float[Tensor, "R P H"]:
        """Return the next state; `gates` is W x, without biases."""
        gates = gates + self.bias_ih
        recurrent = nn.functional.linear(state[:, 0], self.weight_hh, self.bias_hh)
        if self.cell == "gru":
            reset_x, update_x, new_x = gates.chunk(3, dim=-1)
            reset_h, update_h, new_h = recurrent.chunk(3, dim=-1)
            update = torch.sigmoid(update_x + update_h)
            new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
            return torch.lerp(new, state[:, 0], update)[:, None]
        enter, forget, new, leave = (gates + recurrent).chunk(4, dim=-1)
        memory = torch.sigmoid(forget) * state[:, 1] + torch.sigmoid(enter) * torch.tanh(new)
        return torch.stack((torch.sigmoid(leave) * torch.tanh(memory), memory), dim=1)


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

    def step(
        self, inputs: Float[Tensor, "R I"], state: Float[Tensor, "R P H"]
    ) -> Float[Tensor, "R P H"]:
        """Return the state after one more input; its first part is the output."""
        weights = self.layer.all_weights[0]  # W_ih, W_hh, b_ih, b_hh
        if self.cell == "gru":
            return torch.gru_cell(inputs, state[:, 0], *weights)[:, None]
        return torch.stack(torch.lstm_cell(inputs, (state[:, 0], state[:, 1]), *weights), dim=1)


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
