"""What is wrong with the rows of a file: equal problems once, with their lines."""

from __future__ import annotations

import re

MOST_KINDS = 10  # problems that are named
MOST_LINES = 5  # of each, besides the first
_NUMBERS = re.compile(r"0x[0-9a-f]{2}|\d[\d,]*|'[^']*'")


class Faults:
    """Collects problems; memory does not grow with their number.

    Example:
        >>> faults = Faults()
        >>> for line in (3, 5, 9):
        ...     faults.add("a.tsv", line, "empty source")
        >>> faults.count, faults.show()
        (3, ['a.tsv:3: empty source (3 rows: also in the lines 5, 9)'])
    """

    def __init__(self) -> None:
        self.count = self.num_bytes = 0
        self.first = ""
        self._kinds: dict[str, _Kind] = {}

    @property
    def has_bytes(self) -> bool:
        """Whether rows are not UTF-8."""
        return self.num_bytes > 0

    def add(self, path: str, line: int, problem: str) -> None:
        """Take in the problem of a row."""
        shown = f"{path}:{line}: {problem}"
        self.first = self.first or shown
        self.count += 1
        self.num_bytes += "not UTF-8" in problem
        key = _NUMBERS.sub("#", problem)
        if key not in self._kinds and len(self._kinds) > MOST_KINDS:
            key = ""  # hundreds of kinds are told by their number
        self._kinds.setdefault(key, _Kind(shown)).add(line)

    def show(self) -> list[str]:
        """Return a line for each kind of problem, the first ones first."""
        kinds = list(self._kinds.values())
        shown = [kind.show() for kind in kinds[:MOST_KINDS]]
        rest = sum(kind.count for kind in kinds[MOST_KINDS:])
        return [*shown, f"... and {rest:,} more"] if rest else shown


class _Kind:
    """One problem: how it showed first, and in which lines."""

    def __init__(self, shown: str) -> None:
        self.count = 0
        self._shown = shown
        self._lines: list[int] = []

    def add(self, line: int) -> None:
        self.count += 1
        if len(self._lines) <= MOST_LINES:
            self._lines.append(line)

    def show(self) -> str:
        if self.count == 1:
            return self._shown
        lines = ", ".join(map(str, self._lines[1 : MOST_LINES + 1]))
        rest = self.count - 1 - MOST_LINES
        more = f" and {rest:,} more" if rest > 0 else ""
        noun = "lines" if self.count > 2 else "line"
        return f"{self._shown} ({self.count:,} rows: also in the {noun} {lines}{more})"
