"""Write what an experiment found: one page without any other file, the pictures, the numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from foveate.errors import ConfigError
from foveate.experiments.experiment import Budget, Experiment, Findings, Picture, Table
from foveate.files import replace_file
from foveate.insight.html import POLICY
from foveate.insight.svg import clean

HELD = "The claim held in this run."
FAILED = "The claim did not hold in this run."
SVG_WIDTH = re.compile(r'<svg[^>]* width="([\d.]+)')
HALF_WIDTH = 720.0  # pixels; wider pictures could not be read in half the width of the page


@dataclass(frozen=True)
class Run:
    """How an experiment was run: the command, its budget, and the minutes that it took.

    A run that goes on from an earlier one knows its own minutes only.
    """

    command: str
    budget: Budget
    minutes: float
    is_resumed: bool = False


def write_findings(experiment: Experiment, findings: Findings, run: Run, folder: Path) -> Path:
    """Write `index.html`, every picture and `numbers.json` into a folder; return the page.

    Raises:
        ConfigError: a file cannot be written.
    """
    page = folder / "index.html"
    contents = {folder / f"{one.name}.svg": one.svg + "\n" for one in findings.pictures}
    contents[folder / "numbers.json"] = format_numbers(experiment, findings, run)
    contents[page] = draw_page(experiment, findings, run)
    for path, content in contents.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)
        except OSError as error:
            raise ConfigError(f"{path}: cannot write it: {error.strerror}") from None
    return page


def format_numbers(experiment: Experiment, findings: Findings, run: Run) -> str:
    """Return everything that was measured as JSON, with how it was run."""
    values = {
        "experiment": experiment.name,
        "claim": findings.claim,
        "holds": findings.holds,
        "found": findings.found,
        "pictures": [
            {"name": one.name, "title": one.title, "caption": one.caption}
            for one in findings.pictures
        ],
        "run": {
            "command": run.command,
            "seed": run.budget.seed,
            "scale": run.budget.scale,
            "minutes": round(run.minutes, 2),
            "is_resumed": run.is_resumed,
            "versions": find_versions(),
        },
        "numbers": findings.numbers,
    }
    return json.dumps(values, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def find_versions() -> dict[str, str]:
    """Return the versions of what computes, without loading it."""
    found = {}
    for package in ("foveate", "torch", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a folder of source
            continue
    return found


def draw_page(experiment: Experiment, findings: Findings, run: Run) -> str:
    """Return the page: question, what papers say, what came out, pictures, tables, how it was run.

    The page asks the network for nothing, and its policy forbids it to.
    """
    title = _show(experiment.title)
    style = (files("foveate.insight") / "page.css").read_text(encoding="utf-8")
    own = (files("foveate.experiments") / "page.css").read_text(encoding="utf-8")
    first, *others = [_draw_picture(picture) for picture in findings.pictures] or [""]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">',
            f"<title>{title}</title>\n<style>{style}{own}</style>\n</head>\n<body>",
            f'<main class="experiment">\n<h1>{title}</h1>',
            *_draw_section("The question", experiment.question),
            *_draw_section("What the papers say", findings.expected),
            *_draw_verdict(findings, run.budget),
            first,
            *_draw_gallery(others),
            *_draw_gallery([_draw_table(table) for table in findings.tables]),
            *_draw_method(findings, run),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _draw_section(title: str, text: str) -> Iterator[str]:
    yield f'<section class="card"><h2>{_show(title)}</h2>'
    yield from _draw_paragraphs(text)
    yield "</section>"


def _draw_paragraphs(text: str) -> Iterator[str]:
    for paragraph in filter(None, map(str.strip, text.split("\n\n"))):
        yield f"<p>{_show(paragraph)}</p>"


def _draw_verdict(findings: Findings, budget: Budget) -> Iterator[str]:
    kind, verdict = ("held", HELD) if findings.holds else ("failed", FAILED)
    yield '<section class="card"><h2>What came out here</h2>'
    yield f'<p class="verdict {kind}"><strong>{verdict}</strong> {_show(findings.claim)}</p>'
    if budget.scale < 1:
        share = f"{100 * budget.scale:.3g} %"
        yield f'<p class="small">This run did {share} of the work: the whole run says more.</p>'
    yield from _draw_paragraphs(findings.found)
    yield "</section>"


def _draw_picture(picture: Picture) -> str:
    width = SVG_WIDTH.search(picture.svg)
    kind = " full" if width and float(width[1]) > HALF_WIDTH else ""
    return (
        f'<figure class="card picture{kind}" id="{_show(picture.name)}">{picture.svg}'
        f"<figcaption><strong>{_show(picture.title)}</strong> {_show(picture.caption)}"
        "</figcaption></figure>"
    )


def _draw_table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_show(cell)}</th>' for cell in table.header)
    rows = []
    for name, *cells in table.rows:
        rest = "".join(f"<td>{_show(cell)}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{_show(name)}</th>{rest}</tr>')
    return (
        f'<section class="card wide"><table><caption>{_show(table.title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></section>"
    )


def _draw_gallery(parts: Sequence[str]) -> Iterator[str]:
    """Put pictures or tables side by side, where the page is wide enough."""
    if parts:
        yield '<div class="gallery">'
        yield from parts
        yield "</div>"


def _draw_method(findings: Findings, run: Run) -> Iterator[str]:
    yield '<section class="card"><h2>How it was run</h2>'
    yield from _draw_paragraphs(findings.method)
    versions = ", ".join(f"{name} {number}" for name, number in find_versions().items())
    yield f"<pre><code>{_show(run.command)}</code></pre>"
    before = " It went on from a run that was stopped." if run.is_resumed else ""
    yield (
        f"<p>Seed {run.budget.seed}. It took {run.minutes:.1f} minutes.{before} {_show(versions)}. "
        'All numbers are in <a href="numbers.json">numbers.json</a>.</p></section>'
    )


def _show(text: str) -> str:
    return escape(clean(" ".join(text.split()))).replace(" %", "&nbsp;%")
