"""Let several threads that use one model share its batches.

A step costs much the same for eight rows as for one. Threads that each step a row of their own
besides wait for Python's lock more than they compute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Call(Generic[Item, Result]):
    """The items of one call, on their way."""

    has_turn: threading.Event  # only of a call that has to wait

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.group: list[_Call[Item, Result]] = []  # whose items its thread has to run; none: wait
        self.results: list[Result] | None = None


class Coalescer(Generic[Item, Result]):
    """Call a function for the items of several threads at once.

    One call runs at a time, the first at once. Others wait; when it has ended, the first of them
    takes all that may go with it, and runs it as one. Nothing waits for company.

    What one call raises is raised in no other: where a shared call fails, each runs alone.

    Args:
        run: returns a result for each of some items.
        may_join: says whether some items may be run as one.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], list[Result]],
        may_join: Callable[[Sequence[Item]], bool],
    ) -> None:
        self._run, self._may_join = run, may_join
        self._is_busy = False
        self._waiting: list[_Call[Item, Result]] = []
        self._lock = threading.Lock()

    def __call__(self, items: Sequence[Item]) -> list[Result]:
        """Return a result for each of the items."""
        call = _Call[Item, Result](items)
        with self._lock:
            if self._is_busy:
                call.has_turn = threading.Event()
                self._waiting.append(call)
            else:
                self._is_busy = True
                call.group = [call]
        try:
            if not call.group:
                call.has_turn.wait()
            if len(call.group) > 1:
                self._run_together(call.group)
            elif call.group:
                call.results = self._run(items)
        finally:
            self._leave(call)
        return self._run(items) if call.results is None else call.results

    def _run_together(self, group: Sequence[_Call[Item, Result]]) -> None:
        """Run a group as one; if that fails, its calls stay without results."""
        try:
            found = iter(self._run([item for call in group for item in call.items]))
        except Exception:  # whose it is shows when each runs alone
            return
        for call in group:
            call.results = [next(found) for _ in call.items]

    def _leave(self, call: _Call[Item, Result]) -> None:
        """Let the group of a call go, and the next one run."""
        with self._lock:
            if not call.group:
                if call in self._waiting:  # interrupted before its turn
                    self._waiting.remove(call)
                return
            self._is_busy = bool(self._waiting)
            if self._waiting:
                self._begin_next()
        for other in call.group:
            if other is not call:
                other.has_turn.set()

    def _begin_next(self) -> None:
        """Give the first that waits all that may go with it, and its turn."""
        first = self._waiting[0]
        group, items = [first], list(first.items)
        for other in self._waiting[1:]:
            if self._may_join([*items, *other.items]):
                group.append(other)
                items += other.items
        self._waiting = [call for call in self._waiting if call not in group]
        first.group = group
        first.has_turn.set()
