"""Who draws a `Translation`: a slot that the package fills, so that the value knows no pictures.

`foveate/__init__.py` fills it before anything else of the package is loaded; what it puts there
loads the pictures when the first one is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from foveate.inside_values import Explanation
    from foveate.records import Translation


class Drawer(Protocol):
    """What draws a translation: the functions of `foveate.insight.plots`."""

    def draw_figure(self, translation: Translation, /) -> Figure:
        """Draw with matplotlib."""

    def draw_card(self, translation: Translation, /) -> str:
        """Draw as a piece of HTML, with its texts and scores."""

    def draw_step(self, explanation: Explanation, head: int, /) -> Figure:
        """Draw the chosen step with matplotlib."""

    def draw_explanation(self, explanation: Explanation, /) -> str:
        """Draw what attention computed as a piece of HTML, step by step."""


_loaders: list[Callable[[], Drawer]] = []


def set_drawer(load: Callable[[], Drawer]) -> None:
    """Say what loads the drawer."""
    _loaders[:] = [load]


def load_drawer() -> Drawer:
    """Return who draws."""
    return _loaders[0]()
