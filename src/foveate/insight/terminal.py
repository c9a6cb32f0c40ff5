"""Draw attention weights in a terminal: rows target, columns source.

Weights are shades of one ink, so the picture reads the same on a dark and on a light
terminal, and without colour. Each row ends with where it looked most, and how much.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from foveate.insight.labels import (
    reading_note,
    show_tokens,
    split_clusters,
    weights_of,
)
from foveate.records import Translation

_SHADES = ((0.75, "█"), (0.5, "▓"), (0.25, "▒"), (0.05, "░"))
_INK, _FAINT, _PLAIN = "\x1b[38;5;32m", "\x1b[2m", "\x1b[0m"
_LEFT_TO_RIGHT = "\u200e"  # keeps a terminal that reorders text from reordering the columns
_TALLEST = 16
_MIN_WIDTH = 24


def draw_terminal(translation: Translation, *, color: bool = True, width: int = 100) -> str:
    """Return a picture of the attention weights as lines of text at most `width` cells wide.

    A source that is too long for one line is drawn in several panels.

    Raises:
        ModelMismatchError: the translation has no attention.
    """
    weights = weights_of(translation)
    if weights.size == 0:
        return "Nothing to show: the source or the translation is empty."
    width = max(width, _MIN_WIDTH)
    columns = show_tokens(translation.source_tokens, hyphens=True)
    rows = show_tokens(translation.tokens, hyphens=True)
    label_width = min(max(map(cell_width, rows)), max(width // 4, 6))
    rows = [_fit(label, label_width) for label in rows]
    room = width - label_width - 1
    cell = _choose_cell(columns, room)
    step = min(room // cell, len(columns))
    lines: list[str] = []
    for start in range(0, len(columns), step):
        panel = slice(start, start + step)
        lines += _draw_panel(columns[panel], rows, weights[:, panel], cell, width, color)
        lines.append("")
    if step >= len(columns):
        lines = _add_best(lines, columns, weights, width, color)
    lines.append(_dim(_legend(width), color))
    if note := reading_note(translation):
        lines += [_dim(part, color) for part in _wrap(note, width)]
    return "\n".join(line.rstrip() for line in lines)


def cell_width(text: str) -> int:
    """Return how many cells of a terminal the text takes (marks 0, East Asian wide 2)."""
    from rich.cells import cell_len

    return cell_len(text)


def _choose_cell(columns: Sequence[str], room: int) -> int:
    """Return the width of a column: room for the labels when they are short, else 2."""
    widest = max(map(cell_width, columns)) + 1
    return max(widest, 2) if widest <= 7 and widest * len(columns) <= room else 2


def _draw_panel(
    columns: Sequence[str],
    rows: Sequence[str],
    weights: NDArray[np.float64],
    cell: int,
    width: int,
    color: bool,
) -> list[str]:
    indent = cell_width(rows[0]) + 1
    lines = [" " * indent + line for line in _head(columns, cell, width - indent)]
    for label, row in zip(rows, weights.tolist(), strict=True):
        cells = "".join(_draw_cell(weight, cell, color) for weight in row)
        lines.append(f"{label} {_merge_codes(cells)}")
    return lines


def _draw_cell(weight: float, cell: int, color: bool) -> str:
    shade = next((shade for least, shade in _SHADES if weight >= least), "")
    if not shade:
        return _dim("·", color) + " " * (cell - 1)
    block = shade * max(cell - 1, 2)
    return (f"{_INK}{block}{_PLAIN}" if color else block) + " " * (cell - len(block))


def _merge_codes(cells: str) -> str:
    """Leave out codes that only end and begin the same ink."""
    return cells.replace(_PLAIN + _INK, "").replace(f"{_PLAIN} {_FAINT}", " ")


def _head(columns: Sequence[str], cell: int, room: int) -> list[str]:
    """Write the labels side by side, as stairs, or letter below letter: whichever is best."""
    longest = max(map(cell_width, columns))
    if longest < cell:
        return ["".join(_fit(label, cell, left=True) for label in columns)]
    if len(columns) <= 20 and longest > 2 and len(columns) <= longest + 6:
        return list(_stairs(columns, cell, room))
    return list(_letters(columns, cell))


def _stairs(columns: Sequence[str], cell: int, room: int) -> Iterator[str]:
    for j, label in enumerate(columns):
        yield ("│" + " " * (cell - 1)) * j + _cut(label, room - j * cell)


def _letters(columns: Sequence[str], cell: int) -> Iterator[str]:
    spelt = [split_clusters(label) for label in columns]
    spelt = [s if len(s) <= _TALLEST else [*s[: _TALLEST - 1], "⋮"] for s in spelt]
    height = max(map(len, spelt))
    for line in range(height):
        places = [line - height + len(letters) for letters in spelt]
        shown = [s[k] if k >= 0 else "" for s, k in zip(spelt, places, strict=True)]
        yield "".join(_fit(letter, cell, left=True) for letter in shown)


def _add_best(
    lines: list[str],
    columns: Sequence[str],
    weights: NDArray[np.float64],
    width: int,
    color: bool,
) -> list[str]:
    """Add to every row the source it looked at most, when there is room for all of them."""
    best = weights.argmax(axis=1).tolist()
    first = len(lines) - 1 - len(best)
    tails = [f"  {weights[i, j]:.2f} {_isolate(columns[j])}" for i, j in enumerate(best)]
    used = max(cell_width(_strip(line)) for line in lines[first:-1])
    if used + max(map(cell_width, tails)) > width:
        return lines
    for i, tail in enumerate(tails):
        lines[first + i] += _dim(tail, color)
    return lines


def _strip(line: str) -> str:
    for code in (_INK, _FAINT, _PLAIN):
        line = line.replace(code, "")
    return line


def _legend(width: int) -> str:
    parts = ["·", *(f"{shade} {least:.2f}+"[:-1] for least, shade in reversed(_SHADES))]
    legend = "  ".join(parts) + "  rows: target, columns: source"
    return legend if cell_width(legend) <= width else "rows: target"


def _wrap(note: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(note, width)


def _dim(text: str, color: bool) -> str:
    return f"{_FAINT}{text}{_PLAIN}" if color else text


def _fit(label: str, width: int, *, left: bool = False) -> str:
    """Cut and pad a label to exactly `width` cells."""
    label = _cut(label, width)
    padding = " " * (width - cell_width(label))
    return label + padding if left else padding + label


def _cut(label: str, width: int) -> str:
    if cell_width(label) > width:
        clusters = split_clusters(label)
        while clusters and cell_width("".join(clusters)) > width - 1:
            clusters.pop()
        label = "".join(clusters) + "…"
    return _isolate(label)


def _isolate(label: str) -> str:
    is_safe = all(unicodedata.bidirectional(c) not in {"R", "AL", "AN"} for c in label)
    return label if is_safe else f"{_LEFT_TO_RIGHT}{label}{_LEFT_TO_RIGHT}"
