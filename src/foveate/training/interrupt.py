"""Ctrl-C between two updates, never inside one: what is saved then is always whole."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from foveate.training.ranks import Ranks


class InterruptGate:
    """Hold back the first Ctrl-C until `check` is called; a second one goes through at once.

    Outside the main thread, where Python has no signals, it does nothing.

    Args:
        ranks: the processes that train together; a Ctrl-C for one is one for all.

    Attributes:
        is_torn: a second Ctrl-C came, so what was being computed may be half done.
    """

    def __init__(self, ranks: Ranks | None = None) -> None:
        self._ranks = ranks or Ranks()
        self.is_requested = False
        self.is_torn = False
        self._previous: Any = None

    def __enter__(self) -> InterruptGate:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.is_requested:
            self.is_torn = True
            raise KeyboardInterrupt
        self.is_requested = True

    def check(self) -> None:
        """Raise the KeyboardInterrupt that was held back, if there is one."""
        if self._ranks.sum(self.is_requested):
            raise KeyboardInterrupt
