"""The built wheel in a plain environment: what `pip install foveate` alone gives."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import venv
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath

import pytest

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
    """Build the wheel, install it into a new environment, and return where its programs are.

    What it needs is not downloaded: the packages here are linked into the new environment.
    """
    folder = tmp_path_factory.mktemp("plain")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
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


def test_there_is_no_pytorch(plain: Path) -> None:
    program = "import importlib.util as u; print([u.find_spec(n) for n in ('torch', 'onnx')])"
    python = [plain / "python", "-c", program]
    assert subprocess.run(python, capture_output=True, text=True).stdout == "[None, None]\n"


def test_the_bundled_model_answers_at_once(plain: Path) -> None:
    assert call(plain, "translate", "english", text="thoughtful\n") == "TH AO T F AH L\n"
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        call(plain, "translate", "english", text="thoughtful\n")
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < MOST_TIMES * PROMISED_SECONDS


def test_the_bundled_model_shows_where_it_looks_and_what_it_is(plain: Path) -> None:
    shown = call(plain, "attend", "english", "thoughtful")
    rows = [line.split()[0] for line in shown.splitlines()[1:7]]
    assert " ".join(rows) == "TH AO T F AH L"
    assert "word_error_rate" in call(plain, "info", "english")


def test_licences_come_along(plain: Path) -> None:
    (found,) = plain.parent.glob("lib/python*/site-packages/foveate-*.dist-info")
    texts = [path.read_text(encoding="utf-8") for path in found.rglob("*LICENSE*")]
    assert sum("Carnegie Mellon University" in text for text in texts) == 2  # data and model
