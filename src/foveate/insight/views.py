"""Any layer and head of a model as a heat map of its own, or all of them side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from foveate.errors import SearchError
from foveate.inside_values import Explanation, Look, LookKind
from foveate.insight.labels import SLANT, reading_note, shorten, width_in_em
from foveate.insight.palette import level_of
from foveate.insight.scene import Box, Scene, Words
from foveate.insight.steps import END, label_positions, name_look
from foveate.records import Translation

Which = int | Literal["all"] | None  # of layers and heads, from 1
_MARGIN, _TOP, _GAP, _LONGEST, _ROOM = 20.0, 56.0, 26.0, 9.0, 190.0


@dataclass(frozen=True)
class View:
    """The weights of one head, or the mean of all heads of a layer, and what they are called."""

    kind: str
    place: str  # layer and head
    translation: Translation

    @property
    def title(self) -> str:
        """What it is called where it stands alone."""
        return f"{self.kind}, {self.place}"


def list_views(
    translation: Translation, kind: LookKind = "cross", layer: Which = None, head: Which = None
) -> list[View]:
    """Return the weights of some layers and heads, layer by layer.

    Args:
        translation: with an explanation.
        kind: which attention.
        layer: a number from 1, or all of them; None is the layer that pictures show.
        head: a number from 1, or all of them; None is the mean of all heads.

    Raises:
        SearchError: the model has no such attention, layer or head.
    """
    explanation = translation.explain()
    return [
        View(*_name_view(look, number), _show(translation, explanation, look, number))
        for look in choose_looks(explanation, kind, layer)
        for number in choose_heads(look, head)
    ]


def choose_looks(explanation: Explanation, kind: LookKind, layer: Which) -> list[Look]:
    """Return the attentions of a layer, or of all layers.

    Raises:
        SearchError: the model has none such.
    """
    if layer != "all":
        return [explanation.look(kind, layer)]
    last = explanation.look(kind)
    return [one for one in explanation.looks if (one.kind, one.model) == (kind, last.model)]


def choose_heads(look: Look, head: Which) -> Sequence[int | None]:
    """Return the numbers of some heads; None is the mean of all.

    Raises:
        SearchError: there is no such head.
    """
    if head is None:
        return [None]
    if head == "all":
        return range(1, look.num_heads + 1)
    if not 1 <= head <= look.num_heads:
        raise SearchError(f"there is no head {head}: layer {look.layer} has {look.num_heads}")
    return [head]


def _name_view(look: Look, head: int | None) -> tuple[str, str]:
    kind, _, layer = name_look(look).rpartition(", ")
    if look.num_heads == 1:
        return kind, layer
    return kind, f"{layer}, {f'head {head}' if head else 'mean of the heads'}"


def _show(
    translation: Translation, explanation: Explanation, look: Look, head: int | None
) -> Translation:
    """Return a translation whose rows ask and whose columns are seen; the end does not ask."""
    rows, columns = label_positions(explanation, look)
    weights = look.weights.mean(axis=0) if head is None else look.weights[head - 1]
    size = len(rows) - (look.kind != "encoder" and rows[-1] == END)
    if look.kind == "decoder":
        columns, weights = columns[:size], weights[:, :size]
    named = {"encoder": (rows, columns), "decoder": (rows[:size], columns)}
    shown = replace(translation, attention=np.ascontiguousarray(weights[:size]), explanation=None)
    if look.kind == "cross":
        return shown
    tokens, source_tokens = named[look.kind]
    return replace(shown, tokens=list(tokens), source_tokens=list(source_tokens))


def stage_grid(views: Sequence[View], num_columns: int) -> Scene:
    """Return a picture of many heat maps, small, so many in a row."""
    first = views[0].translation
    longest = max(len(first.tokens), len(first.source_tokens), 1)
    cell = min(max(_ROOM / longest, 5.0), 20.0)
    font = min(max(cell * 0.62, 7.0), 11.0)
    panels = [_stage_panel(view, cell, font) for view in views]
    width, height = max(one.width for one in panels), max(one.height for one in panels)
    num_rows = -(-len(views) // num_columns)
    note = reading_note(first)
    scene = Scene(
        2 * _MARGIN + num_columns * width + (num_columns - 1) * _GAP,
        _TOP + _MARGIN + num_rows * height + (num_rows - 1) * _GAP + 20 * bool(note),
        ". ".join(view.title for view in views),
    )
    heading = views[0].kind
    scene.shapes.append(Words(_MARGIN, 34, heading, size=15, is_bold=True))
    scene.width = max(scene.width, 2 * _MARGIN + width_in_em(heading) * 15)
    for place, panel in enumerate(panels):
        row, column = divmod(place, num_columns)
        x, y = _MARGIN + column * (width + _GAP), _TOP + row * (height + _GAP)
        scene.shapes += [replace(shape, x=shape.x + x, y=shape.y + y) for shape in panel.shapes]
    if note:
        scene.shapes += [Words(_MARGIN, scene.height - 10, note, "muted", 10)]
        scene.width = max(scene.width, 470.0)
    return scene


def _stage_panel(view: View, cell: float, font: float) -> Scene:
    translation = view.translation
    rows, columns = (
        [shorten(label, _LONGEST) for label in tokens]
        for tokens in (translation.tokens, translation.source_tokens)
    )
    left = max(width_in_em(label) for label in rows) * font + 6
    widths = [width_in_em(label) * font for label in columns]
    is_slanted = max(widths) > cell - 1
    top = 24 + (max(widths) * SLANT + 4 if is_slanted else font + 6)
    end = max(widths) * SLANT if is_slanted else 0.0
    size = 11.0
    width = max(left + cell * len(columns) + end, width_in_em(view.place) * size)
    panel = Scene(width, top + cell * len(rows))
    panel.shapes.append(Words(0, 11, view.place, size=size, is_bold=True))
    for j, label in enumerate(columns):
        x = left + (j + 0.5) * cell
        if is_slanted:
            panel.shapes.append(Words(x + font * 0.2, top - 4, label, size=font, turn=45))
        else:
            panel.shapes.append(Words(x, top - 5, label, size=font, anchor="middle"))
    panel.shapes += _stage_cells(translation, rows, columns, (left, top, cell, font))
    return panel


def _stage_cells(
    translation: Translation,
    rows: Sequence[str],
    columns: Sequence[str],
    place: tuple[float, float, float, float],
) -> Iterator[Box | Words]:
    left, top, cell, font = place
    assert translation.attention is not None
    for i, row in enumerate(translation.attention.tolist()):
        y = top + i * cell
        yield Words(left - 5, y + cell / 2 + font * 0.36, rows[i], size=font, anchor="end")
        for j, weight in enumerate(row):
            says = f"{rows[i]} ← {columns[j]}  {weight:.3f}"
            box = (left + j * cell, y, cell - 0.8, cell - 0.8)
            yield Box(*box, f"w{level_of(weight)}", says)
