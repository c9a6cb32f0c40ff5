"""Write the tutorial as Jupyter notebooks: `docs/tutorial/NAME.md` becomes `NAME.ipynb` beside it.

python scripts/write_notebooks.py

The pages are the source, and a notebook holds the same cells without their output. The reader is
the one that executes the pages when the documentation is built.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from myst_nb.core.read import read_myst_markdown_notebook

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial"
TO_CHAPTER = re.compile(r"\]\((\d[\w-]*)\.md\b")
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def list_chapters() -> list[Path]:
    """Return the pages of the tutorial that hold code, in their order."""
    return sorted(TUTORIAL.glob("[0-9]*.md"))


def build_notebook(page: Path) -> nbformat.NotebookNode:
    """Read a page as a notebook; its cells are numbered, so that it is always the same."""
    notebook = read_myst_markdown_notebook(page.read_text(encoding="utf-8"))
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        if cell.cell_type == "markdown":
            cell.source = TO_CHAPTER.sub(r"](\1.ipynb", cell.source)  # a link to another chapter
    nbformat.validate(notebook)
    return notebook


def main() -> None:
    """Write all notebooks."""
    for page in list_chapters():
        nbformat.write(build_notebook(page), page.with_suffix(".ipynb"))


if __name__ == "__main__":
    main()
