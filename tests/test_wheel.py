"""The built wheel in a plain environment: what `pip install foveate` alone gives."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tarfile
import time
import tomllib
import venv
from collections.abc import Iterator
from importlib.metadata import distribution
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pytest
import yaml

from foveate import __version__
from foveate.cli import main

ROOT = Path(__file__).parents[1]
PROMISED_SECONDS = 0.6  # on an idle machine; tests share theirs
MOST_TIMES = 5  # times the promise, however busy the machine is


def plain_requirements(name: str, found: set[str] | None = None) -> set[str]:
    """Return the packages that a package needs without any extra, and those that they need."""
    found = set() if found is None else found
    for line in distribution(name).requires or []:
        condition = line.partition(";")[2]
        needed = re.split(r"[^\w.-]", line)[0]
        if "extra" in condition or needed in found or not is_installed(needed):
            continue
        found.add(needed)
        plain_requirements(needed, found)
    return found


def is_installed(name: str) -> bool:
    try:
        return bool(distribution(name))
    except ModuleNotFoundError:  # one that only another system or Python needs
        return False


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, of it the wheel, install that, and return where its programs are.

    What it needs is not downloaded: the packages here are linked into the new environment.
    """
    folder = tmp_path_factory.mktemp("plain")
    build_package("sdist", ROOT, folder)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    build_package("wheel", folder / sdist.name.removesuffix(".tar.gz"), folder)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    programs = folder / "env" / "bin"
    install = ["install", "--no-index", "--no-deps", "--quiet", str(wheel)]
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), *install]
    subprocess.run(pip, check=True, capture_output=True)
    (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
    for name in plain_requirements("foveate"):
        for part in {PurePosixPath(str(file)).parts[0] for file in distribution(name).files or []}:
            place = packages / part
            if part != ".." and not place.exists():
                place.symlink_to(Path(str(distribution(name).locate_file(part))))
    return programs


def build_package(form: str, source: Path, folder: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", form, "-d", str(folder)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)


def call(plain: Path, *argv: str, text: str = "") -> str:
    """Run `foveate` of the plain environment in an empty folder, and return what it prints."""
    found = subprocess.run(
        [plain / "foveate", *argv],
        input=text,
        cwd=plain,
        env={"PATH": str(plain), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.long
def test_there_is_no_pytorch(plain: Path) -> None:
    program = "import importlib.util as u; print([u.find_spec(n) for n in ('torch', 'onnx')])"
    python = [plain / "python", "-c", program]
    assert subprocess.run(python, capture_output=True, text=True).stdout == "[None, None]\n"


@pytest.mark.long
def test_the_bundled_model_answers_at_once(plain: Path) -> None:
    assert call(plain, "translate", "english", text="thoughtful\n") == "TH AO T F AH L\n"
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        call(plain, "translate", "english", text="thoughtful\n")
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < MOST_TIMES * PROMISED_SECONDS


@pytest.mark.long
def test_the_bundled_model_shows_where_it_looks_and_what_it_is(plain: Path) -> None:
    shown = call(plain, "attend", "english", "thoughtful")
    rows = [line.split()[0] for line in shown.splitlines()[1:7]]
    assert " ".join(rows) == "TH AO T F AH L"
    assert "word_error_rate" in call(plain, "info", "english")


@pytest.mark.long
def test_licences_come_along(plain: Path) -> None:
    (found,) = plain.parent.glob("lib/python*/site-packages/foveate-*.dist-info")
    texts = [path.read_text(encoding="utf-8") for path in found.rglob("*LICENSE*")]
    assert sum("Carnegie Mellon University" in text for text in texts) == 2  # data and model


def test_a_release_has_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert project["version"] == __version__ == citation["version"]
    assert project["license"] == citation["license"]


def test_the_container_calls_serve_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    words = {
        name: json.loads(line.removeprefix(name))
        for line in lines
        for name in ("ENTRYPOINT", "CMD")
        if line.startswith(f"{name} [")
    }
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    assert compose["services"]["foveate"]["command"] == words["CMD"]
    program, *argv = words["ENTRYPOINT"]
    assert program == "foveate"
    missing = "no-such-model"  # the only thing that is wrong with the call
    assert main([*argv, *words["CMD"], missing]) == 2
    assert f"{missing}: there is no such model" in capsys.readouterr().err


MODELS = (
    "model",
    "small",
    "exported",
    "old",
    "new",
    "large",
    "dates-demo/attention",
    "other-model",
)
WITHOUT_PYTORCH = ("translate", "attend", "align", "evaluate", "compare", "check", "info")
WRITTEN = ("--out", "--clean", "--json")  # files that a call makes
STEERED = ("--prefix", "--must", "--must-not")  # whose texts here are phonemes
PAIRS = (("thoughtful", "TH AO T F AH L"), ("cat", "K AE T"), ("dog", "D AO G"))
RUN_ALL = """
import json, sys
from foveate.cli import main
for argv in json.load(sys.stdin):
    status = main(argv)
    print("CALL", status, " ".join(argv), flush=True)
"""


def documented_calls() -> Iterator[list[str]]:
    """Yield the calls of the README and the docs that need no PyTorch, by their arguments."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/howto").glob("*.md")]
    seen = set()
    for page in sorted(pages):
        for line in re.findall(r"^\$ foveate (.+)$", page.read_text(encoding="utf-8"), re.M):
            argv = shlex.split(line, comments=True)
            is_check = argv[0] == "check" and "--rules-only" not in argv
            # training; the network; pyarrow; a look into each step, which PyTorch takes
            is_left_out = is_check or re.search(r"hf://|--engine|--step|--kind|--layer", line)
            if argv[0] in WITHOUT_PYTORCH and not is_left_out and line not in seen:
                seen.add(line)
                yield argv


def set_up(argv: list[str], folder: Path) -> list[str]:
    """Return a call with the bundled model in place of its own, and make the files it reads."""
    call = [argv[0]]
    for before, word in pairwise(argv):
        if before in STEERED:
            word = "K" if before != "--must-not" else "ZH"
        elif word in MODELS or word.startswith("foveate-demo"):
            word = "english"
        elif re.search(r"\.(tsv|txt|csv|tmx|en|src)(,|$)", word) and before not in WRITTEN:
            word = write_file(word, folder, "--columns" in argv)
        call.append(word)
    return call


def write_file(name: str, folder: Path, has_columns: bool) -> str:
    name = f"columns-{name}" if has_columns else name
    if "," in name:
        for side, one in enumerate(name.split(",")):
            (folder / one).write_text("".join(f"{pair[side]}\n" for pair in PAIRS))
    elif name.endswith((".txt", ".src")):
        (folder / name).write_text("".join(f"{source}\n" for source, _ in PAIRS))
    elif name.endswith(".csv"):
        text = "".join(f"{n},{source}\n" for n, (source, _) in enumerate(PAIRS))
        (folder / name).write_text(f"id,word\n{text}")
    elif name.endswith(".tmx"):
        body = "".join(
            f'<tu><tuv lang="a"><seg>{s}</seg></tuv><tuv lang="b"><seg>{t}</seg></tuv></tu>'
            for s, t in PAIRS
        )
        (folder / name).write_text(f"<tmx><body>{body}</body></tmx>")
    else:
        more = "\tN;SG" if has_columns else ""
        (folder / name).write_text("".join(f"{s}\t{t}{more}\n" for s, t in PAIRS))
    return name


@pytest.mark.long
def test_every_documented_call_without_pytorch_works(plain: Path, tmp_path: Path) -> None:
    # Of calls that differ in the names of files alone, one is enough.
    different = {re.sub(r"\w+\.", "a.", " ".join(argv)): argv for argv in documented_calls()}
    calls = [set_up(argv, tmp_path) for argv in different.values()]
    assert len(calls) > 20 and {call[0] for call in calls} >= {*WITHOUT_PYTORCH[:6]}
    found = subprocess.run(
        [plain / "python", "-c", RUN_ALL],
        input=json.dumps(calls),
        cwd=tmp_path,
        env={"PATH": str(plain), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    status = [line.split()[1] for line in found.stdout.splitlines() if line.startswith("CALL ")]
    assert status == ["0"] * len(calls), found.stdout[-3000:] + found.stderr[-3000:]


@pytest.mark.long
def test_what_needs_pytorch_says_so(plain: Path, tmp_path: Path) -> None:
    write_file("pairs.tsv", tmp_path, has_columns=False)
    found = subprocess.run(
        [plain / "foveate", "train", "pairs.tsv", "--out", "model"],
        cwd=tmp_path,
        env={"PATH": str(plain), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2 and "pip install 'foveate[train]'" in found.stderr


@pytest.mark.long
def test_python_without_pytorch(plain: Path, tmp_path: Path) -> None:
    """The blocks of the docs that neither train nor load a model of one's own."""
    blocks = [
        block
        for page in sorted((ROOT / "docs").glob("*.md"))
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)
        if not re.search(
            r"Seq2Seq|torch|sklearn|fastapi|Config|load\(|train|argv|model|step\.", block
        )
    ]
    assert any("read_pairs" in block for block in blocks)
    program = "\n".join(["from foveate import *", "import foveate", "help(foveate)", *blocks])
    program += '\nassert Translator.load("english").translate_one("cat").text == "K AE T"'
    found = subprocess.run(
        [plain / "python", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
