"""What a training run tells while it goes: one small value for screen, log file and notebook.

Does not load PyTorch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Report:
    """One thing that a run has to say. Times are seconds, losses nats a target token.

    The message of progress names what is counted, where it is not updates.
    """

    kind: Literal["note", "plan", "progress", "validation", "end"]
    message: str = ""
    update: int = 0
    total_updates: int = 0
    epoch: float = 0.0
    seconds: float = 0.0
    seconds_left: float | None = None
    loss: float | None = None
    learning_rate: float | None = None
    target_tokens_per_second: float | None = None
    dev: dict[str, float] | None = None
    is_kept: bool = False

    def to_log(self) -> dict[str, Any]:
        """Return the row of `log.jsonl`: everything that has a value; 0 is one.

        Example:
            >>> Report("progress", update=0, loss=0.0).to_log()["loss"]
            0.0
        """
        row = dataclasses.asdict(self)
        return {
            name: value
            for name, value in row.items()
            if value is not None and value is not False and value != ""
        }


Listener = Callable[[Report], None]


def be_silent(report: Report) -> None:
    """Listen to nothing."""
