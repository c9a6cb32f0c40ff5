"""A page of many rows to go through: search, sort by a click on a head, choose a group.

The page is a single file that asks the network for nothing; its policy forbids it to.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from foveate.insight.html import POLICY, make_script_safe
from foveate.insight.svg import clean

Cell = str | int | float


def draw_rows(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    group: str = "",
    figures: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    r"""Return a self-contained page with a table of rows.

    Args:
        title: heading of the page.
        header: names of the columns.
        rows: a cell for each column; numbers are sorted as numbers.
        group: the column whose values can be chosen by a button each.
        figures: SVG pictures of our own to put on top; they are not escaped.
        notes: paragraphs between the pictures and the table.

    Example:
        >>> page = draw_rows("Outputs", ["source", "edits"], [["a<b", 2]])
        >>> "a<b" in page, "a\\u003cb" in page
        (False, True)
    """
    data = {"header": list(header), "rows": [list(row) for row in rows], "group": group}
    packed = make_script_safe(json.dumps(data, ensure_ascii=True, allow_nan=False))
    style = _asset("page.css") + _asset("rows.css")
    shown = escape(clean(title))
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">',
            f"<title>{shown}</title>\n<style>{style}</style>\n</head>\n<body>",
            f"<main>\n<h1>{shown}</h1>",
            *(f'<figure class="card">{figure}</figure>' for figure in figures),
            *(f"<p>{escape(clean(note))}</p>" for note in notes),
            '<section class="card"><div class="tools"><label>Search '
            '<input id="search" type="search"></label><span id="groups" role="group" '
            'aria-label="Rows to show"></span><span id="count" role="status"></span></div>',
            '<div class="wide"><table id="rows"><thead></thead><tbody></tbody></table></div>',
            '<button id="more" type="button" hidden>Show more rows</button>',
            "<noscript>This table needs JavaScript; the same rows can be written as TSV."
            "</noscript></section>\n</main>",
            f'<script type="application/json" id="data">{packed}</script>',
            f"<script>{_asset('rows.js')}</script>\n</body>\n</html>\n",
        ]
    )


def _asset(name: str) -> str:
    return (files("foveate.insight") / name).read_text(encoding="utf-8")
