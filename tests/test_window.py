"""The convolution below the encoder, position by position."""

from __future__ import annotations

import pytest
import torch

from foveate.config import build_config
from foveate.errors import ConfigError
from foveate.models.window import WindowConvolution

EMBEDDING, WINDOW = 4, 5


def test_every_position_is_joined_with_its_neighbours_and_nothing_beyond() -> None:
    torch.manual_seed(1)
    window = WindowConvolution(EMBEDDING, WINDOW)
    embedded = torch.randn(2, 6, EMBEDDING)
    lengths = (6, 3)
    mask = torch.arange(6) < torch.tensor(lengths)[:, None]
    found = window(embedded, mask).detach()
    weights, bias = window.convolution.weight.detach(), window.convolution.bias
    assert bias is not None
    for row, length in enumerate(lengths):
        for place in range(length):
            total = bias.detach().clone()
            for offset in range(-2, 3):
                if 0 <= place + offset < length:
                    total += weights[:, :, offset + 2] @ embedded[row, place + offset]
            expected = embedded[row, place] + total.clamp(min=0)
            torch.testing.assert_close(found[row, place], expected)


def test_a_window_has_a_middle() -> None:
    assert build_config({"source_window": 5}).source_window == 5
    with pytest.raises(ConfigError, match="source_window: an odd whole number from 1 to 9, not 4"):
        build_config({"source_window": 4})
