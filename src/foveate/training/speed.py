"""How fast this machine is, beside the slow core that the defaults were found on."""

from __future__ import annotations

import time

import torch

ROWS, INPUTS, OUTPUTS = 96, 512, 2048  # of a product: a batch of a hundred, the gates of an LSTM
SLOW_CORE = 3.15e10  # floating-point operations a second of that product, on the slow core
TRIES = 40  # a quarter of a second on the slow core


def measure_speed(device: torch.device) -> float:
    """Return how many times as fast as the slow core this machine multiplies, on one thread.

    It is the best of many short tries, which other programs hardly disturb: what the machine can
    do, not what it has left.
    """
    rows = torch.full((ROWS, INPUTS), 0.7, device=device)
    weights = torch.full((OUTPUTS, INPUTS), 0.3, device=device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        least = min(_time_product(rows, weights) for _ in range(TRIES))
    finally:
        torch.set_num_threads(threads)
    return 2 * ROWS * INPUTS * OUTPUTS / least / SLOW_CORE


@torch.inference_mode()
def _time_product(rows: torch.Tensor, weights: torch.Tensor) -> float:
    begin = time.perf_counter()
    product = torch.nn.functional.linear(rows, weights)
    product[0, 0].item()  # waits for a device that works on its own
    return time.perf_counter() - begin
