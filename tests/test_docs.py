"""Documentation that runs: Python is executed, commands are parsed, links lead somewhere."""

from __future__ import annotations

import importlib
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest

import foveate
from foveate import errors
from foveate.cli import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]
PROSE = runpy.run_path(str(ROOT / "scripts" / "measure_prose.py"))


def find_blocks(page: Path, language: str) -> list[str]:
    pattern = rf"^```{language}\n(.*?)^```"
    return re.findall(pattern, page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_there_are_pages_blocks_and_commands() -> None:
    assert len(PAGES) > 5
    assert len(find_blocks(ROOT / "README.md", "python")) >= 2
    assert len(list_commands()) >= 8


README = ROOT / "README.md"


TRAINING = ("api.md", "going_on.md", "http.md", "scores.md")  # those of using.md train, too


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.long] * (page.name in TRAINING))
        for page in PAGES[1:]
        if find_blocks(page, "python")
    ],
    ids=str,
)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that begins with the name of a file is that file, for the blocks after it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, object] = {}
    for block in find_blocks(page, "python"):
        if named := re.match(r"# (\w+\.py)\n", block):
            (tmp_path / named[1]).write_text(block)
        else:
            exec(compile(block, str(page), "exec"), names)


@pytest.mark.long
def test_the_example_of_the_readme_learns_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the comments of the example say comes out is what comes out."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    train, *others = find_blocks(README, "python")
    exec(compile(train, "README.md", "exec"), names)
    assert "array(['M UW N', 'T IY N'], dtype=object)" in train
    assert repr(names["model"].predict(["moon", "teen"])) in train
    assert names["t"].text == "M UW N"
    assert names["t"].attention.argmax(axis=1)[0] == 0
    assert names["model"].score(names["words"], names["sounds"]) > 0.9
    for block in others:
        exec(compile(block, "README.md", "exec"), names)
    assert capsys.readouterr().out.startswith("M UW N -")


def list_commands() -> list[tuple[str, list[str]]]:
    lines = [
        (page.name, line.split("#")[0].strip()[2:])
        for page in PAGES
        for block in find_blocks(page, "console")
        for line in block.splitlines()
        if line.startswith("$ foveate ")
    ]
    return [(page, shlex.split(line)[1:]) for page, line in lines]


def list_different_commands() -> list[tuple[str, list[str]]]:
    """Leave out calls that differ from others in the names of files and in numbers alone."""
    found = {}
    for page, arguments in list_commands():
        found[re.sub(r"\b\d+\b|[\w*/-]+\.", "x", " ".join(arguments))] = (page, arguments)
    return list(found.values())


@pytest.mark.parametrize(("page", "arguments"), list_different_commands(), ids=str)
def test_commands_parse(page: str, arguments: list[str]) -> None:
    command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
    assert callable(command)
    assert bound.arguments or len(arguments) == 1


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_public_name_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    described = re.findall(
        r"auto(?:class|function|exception):: foveate\.(?:\w+\.)*(\w+)$", reference, re.M
    )
    described += [name for name in vars(errors) if "automodule:: foveate.errors" in reference]
    assert set(foveate.__all__) - {"__version__"} <= set(described)


def test_every_name_of_the_reference_is_there() -> None:
    reference = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"auto(?:class|function):: (foveate[\w.]*)\.(\w+)$", reference, re.M)
    assert len(named) > 15
    for module, name in named:
        assert getattr(importlib.import_module(module), name).__doc__, name


def list_plain_pages() -> list[str]:
    pages = {page.relative_to(ROOT).as_posix() for page in PROSE["list_pages"]()}
    return sorted(pages)


@pytest.mark.parametrize("page", list_plain_pages())
def test_sentences_are_short(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    number, middle, _ = PROSE["measure"](text)
    assert number > 2
    assert middle < PROSE["MEDIAN_WORDS"]
    assert PROSE["find_long"](text) == []


def test_long_sentences_are_found() -> None:
    long = " ".join(["word"] * 36)
    prose = f"A short one. {long}.\n\n- [{long[5:]}](x.md)\n"
    text = f"# {long}\n\n{prose}\n```console\n$ {long}\n```\n\n| {long} |\n"
    assert PROSE["find_long"](text) == [f"{long}."]
    assert PROSE["measure"](text) == (3, 35, 36)
