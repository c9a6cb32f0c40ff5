"""What docs/architecture.md says of the code is so."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "foveate"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
MOST_CORE_LINES = 4_200  # of code: neither blank, nor comment, nor docstring


def read_section(title: str) -> str:
    """Return the text under a heading, up to the next one of its level."""
    _, _, rest = PAGE.partition(f"\n## {title}\n")
    assert rest, f"the page has no section {title!r}"
    return rest.partition("\n## ")[0]


def list_files(text: str) -> list[Path]:
    return [PACKAGE / name for name in re.findall(r"`([a-z0-9_/]+\.py)`", text)]


def list_names(path: Path) -> set[str]:
    """Return the functions, classes and methods that a file defines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


STEPS = re.findall(
    r"^\d+\. `([a-z0-9_/]+\.py)` `(\w+)`:", read_section("The walk of one pair"), re.M
)


def test_the_walk_goes_from_a_file_to_a_picture() -> None:
    assert len(STEPS) >= 12
    assert STEPS[0][0].startswith("data/")
    assert STEPS[-1][0].startswith("insight/")


@pytest.mark.parametrize(("file", "name"), STEPS)
def test_a_step_of_the_walk_is_at_a_place_that_exists(file: str, name: str) -> None:
    assert name in list_names(PACKAGE / file)


def count_code(path: Path) -> int:
    """Count the lines that are neither blank nor comments nor docstrings."""
    text = path.read_text(encoding="utf-8")
    told: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            told.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(map(str.strip, text.splitlines()), start=1)
    return sum(bool(line) and line[0] != "#" and number not in told for number, line in lines)


def test_the_core_can_be_read_in_an_afternoon() -> None:
    files = list_files(read_section("The core"))
    assert len(files) == len(set(files)) > 20
    assert sum(map(count_code, files)) <= MOST_CORE_LINES


def test_every_file_that_the_page_names_is_there() -> None:
    missing = [path for path in list_files(PAGE) if not path.is_file()]
    assert not missing


def test_functions_stay_short() -> None:
    lengths = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                size = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
                lengths[f"{path.relative_to(PACKAGE)}:{node.name}:{node.lineno}"] = size
    assert not [place for place, size in lengths.items() if size > 60]
    assert sorted(lengths.values())[int(0.9 * len(lengths))] < 20
