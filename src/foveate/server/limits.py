"""What one server does at most: of one request, of all that wait, and of one batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from foveate.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server does at most. A hypothesis is one row of the search: a text times its beam.

    Args:
        max_body: Bytes of a request.
        max_texts: Texts of a request.
        max_characters: Characters of all texts of a request.
        max_steering: Characters of prefix, must and must_not of a request.
        max_beam_size: Largest beam_size.
        max_n_best: Largest n_best, and number of choices.
        max_output: Largest max_length.
        max_seconds: How long a request may wait for its turn.
        max_connections: Requests that are open at a time.
        queue_rows: Hypotheses that wait.
        queue_tokens: Source tokens times hypotheses that wait.
        batch_rows: Hypotheses that are computed together.
        batch_tokens: Source tokens times hypotheses that are computed together.
        read_seconds: How long a client may take to send a request.
        drain_seconds: How long a server that was told to stop finishes what it has.
    """

    max_body: int = 1_000_000
    max_texts: int = 128
    max_characters: int = 20_000
    max_steering: int = 1_000
    max_beam_size: int = 32
    max_n_best: int = 32
    max_output: int = 1_000
    max_seconds: float = 10.0
    max_connections: int = 512
    queue_rows: int = 4_000
    queue_tokens: int = 100_000
    batch_rows: int = 256
    batch_tokens: int = 2_000
    read_seconds: float = 10.0
    drain_seconds: float = 20.0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ConfigError: one of them is not above 0; all such numbers at once.
        """
        bad = [
            f"{field.name} must be a number above 0, not {value}"
            for field in fields(self)
            if not (value := getattr(self, field.name)) > 0 or not math.isfinite(value)
        ]
        if bad:
            raise ConfigError("; ".join(bad))
