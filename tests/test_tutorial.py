"""The tutorial: notebooks that are their pages, run in two minutes, and are found by a search."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "write_notebooks.py"))
CHAPTERS: list[Path] = SCRIPT["list_chapters"]()
CHROMIUM = shutil.which("chromium")


def test_there_are_seven_chapters_and_as_many_notebooks() -> None:
    assert [page.name[0] for page in CHAPTERS] == list("1234567")
    written = sorted(CHAPTERS[0].parent.glob("*.ipynb"))
    assert written == [page.with_suffix(".ipynb") for page in CHAPTERS]


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_a_notebook_is_its_page(page: Path) -> None:
    """`python scripts/write_notebooks.py` makes them equal again."""
    notebook = nbformat.read(page.with_suffix(".ipynb"), as_version=4)
    assert notebook == SCRIPT["build_notebook"](page)
    text = page.read_text(encoding="utf-8")
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) == len(re.findall(r"^```\{code-cell\}", text, re.MULTILINE)) > 3


def test_a_notebook_holds_nothing_that_only_sphinx_reads() -> None:
    for page in CHAPTERS:
        notebook = nbformat.read(page.with_suffix(".ipynb"), as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                assert not re.search(r"^(```\{|:::)|\{[a-z]+\}`", cell.source, re.MULTILINE)


def test_links_of_a_notebook_lead_to_notebooks() -> None:
    for page in CHAPTERS:
        text = page.with_suffix(".ipynb").read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)", text):
            assert (page.parent / target).exists(), target
            assert not re.match(r"\d.*\.md", target), target


@pytest.mark.slow
@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_a_notebook_runs_in_two_minutes(page: Path, tmp_path: Path) -> None:
    """The limit is the one of every test."""
    notebook = nbformat.read(page.with_suffix(".ipynb"), as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=None, kernel_name="python3", resources=where).execute()
    assert any(cell.get("outputs") for cell in notebook.cells)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, without running its notebooks (`make docs` does, with no warning)."""
    out = tmp_path_factory.mktemp("docs")
    off = ["-D", "nb_execution_mode=off", "-d", str(out / "doctrees")]
    command = [sys.executable, "-m", "sphinx", "-q", *off, "docs", str(out / "html")]
    subprocess.run(command, cwd=ROOT, check=True)
    return out / "html"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


SCORES, OWN = "tutorial/2-scores-weights-context", "tutorial/4-your-own-attention"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "first", "also"),
    [
        # what a reader of the tutorial may want to look up
        ("which state asks Bahdanau Luong", SCORES, "attention"),
        ("why padding weight 0", SCORES, "tutorial/6-transformer"),
        ("shape of context", SCORES, "tutorial/4-your-own-attention"),
        ("replace score function", OWN, "api"),
        ("heat map heads", "tutorial/5-self-attention", "steps"),
        # and any user
        ("attention", "", "attention"),
        ("Bahdanau", "", SCORES),
        ("export", "", "using"),
        ("resume", "", "training"),
    ],
)
def test_a_search_finds(built: Path, page: Page, words: str, first: str, also: str) -> None:
    page.goto(f"{built.as_uri()}/search.html?q={words.replace(' ', '+')}")
    page.wait_for_selector("ul.search li a")
    page.wait_for_function("!document.querySelector('#search-results h2').textContent.match(/ing/)")
    links = page.locator("ul.search li > a").evaluate_all("links => links.map(one => one.href)")
    found = [re.split("[?#]", link)[0].removeprefix(f"{built.as_uri()}/") for link in links]
    assert found[0] == f"{first}.html" or not first, found
    assert f"{also}.html" in found
    assert not found[0].startswith("decisions/")


@pytest.mark.slow
def test_pages_load_nothing_from_outside(built: Path) -> None:
    """Equations, style and search are in the files themselves."""
    for path in built.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)=\"([^\"]+)", text)
        assert not [one for one in loaded if "://" in one], path
    text = (built / "tutorial" / "2-scores-weights-context.html").read_text(encoding="utf-8")
    assert text.count("<math ") > 20
    assert (
        'href="../_static/foveate.css' in text
    )  # names fonts that have every sign of the equations
