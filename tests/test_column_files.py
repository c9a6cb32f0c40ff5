"""Parquet files, translated one by one: here, on Ray, after a stop; and other engines.

Also training on Ray, which needs the same cluster.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from foveate.bundle import load_bundle
from foveate.cli import main
from foveate.engines import Translate
from foveate.translator import Translator

MODEL = str(Path(__file__).parent / "golden-onnx" / "format-2")
ROWS = [["ab", None, "ba"], ["abc", "cab", "", "bca"], [], ["a"]]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, words in enumerate(ROWS):
        columns = {"key": [f"{number}-{row}" for row in range(len(words))], "word": words}
        schema = pa.schema({"key": pa.string(), "word": pa.string()})
        parquet.write_table(pa.table(columns, schema), folder / f"{number}.parquet")
    return folder


def translate_words(words: list[str | None]) -> list[str | None]:
    """Return the outputs, found another way: one by one, by a translator."""
    translator = Translator.load(MODEL, threads=1)
    return [None if word is None else translator.translate_one(word).text for word in words]


def run(inputs: Path, out: Path, *more: str, column: str = "word") -> int:
    told = ["--columns", column, "--engine", "local", "--out", str(out), *more]
    return main(["translate", MODEL, str(inputs / "*.parquet"), *told])


def check_outputs(out: Path) -> None:
    assert sorted(file.name for file in out.iterdir()) == [f"{n}.parquet" for n in range(4)]
    for number, words in enumerate(ROWS):
        table = parquet.read_table(out / f"{number}.parquet")
        assert table.column_names == ["key", "word", "translation"]
        assert table["key"].to_pylist() == [f"{number}-{row}" for row in range(len(words))]
        assert table["word"].to_pylist() == words
        assert table["translation"].to_pylist() == translate_words(words)


def test_files_keep_rows_order_and_columns(inputs: Path, tmp_path: Path) -> None:
    assert run(inputs, tmp_path / "out") == 0
    check_outputs(tmp_path / "out")


def test_what_is_there_is_kept_and_what_is_missing_is_made(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(inputs, out) == 0
    kept, missing = out / "1.parquet", out / "0.parquet"
    before = kept.stat().st_mtime_ns
    missing.unlink()
    assert run(inputs, out) == 0
    assert kept.stat().st_mtime_ns == before
    check_outputs(out)


def test_what_cannot_be_done_is_said_before_the_work(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (inputs / "9.parquet").write_bytes(b"no parquet")
    assert run(inputs, out) == 2 and "9.parquet: is no parquet file" in capsys.readouterr().err
    (inputs / "9.parquet").unlink()
    assert run(inputs, out, column="text") == 2
    assert "has no column 'text', but key, word" in capsys.readouterr().err
    assert run(inputs, inputs) == 2 and "folder of the inputs" in capsys.readouterr().err
    assert list(out.iterdir()) == []
    assert run(inputs, out) == 0
    assert run(inputs, out, "--beam-size", "1") == 2
    assert "was not made by this model with these options" in capsys.readouterr().err


def list_workers(parent: int) -> list[int]:
    """Return the processes of Ray's workers that compute, below another process."""
    found, parents = [], {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            parents[int(place.name)] = int(fields[1])
            if b"ray::Map" in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return [worker for worker in found if _stands_below(worker, parent, parents)]


def _stands_below(process: int, parent: int, parents: dict[int, int]) -> bool:
    while process in parents:
        process = parents[process]
        if process == parent:
            return True
    return False


KEEP_CLUSTER = """
import sys, ray
print(ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False).address_info["address"])
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """Keep a Ray cluster with two workers; return the environment in which it is found."""
    command = [sys.executable, "-c", KEEP_CLUSTER]
    known = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token_hex(32)}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=known, **pipes) as process:
        address = process.stdout.readline().strip()
        assert address, "Ray did not start"
        yield {**known, "RAY_ADDRESS": address}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_models_trained_on_ray_are_those_of_one_after_the_other(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    words = [a + b for a in "abc" for b in "abcde"]
    (tmp_path / "pairs.tsv").write_text("".join(f"{word}\t{word[::-1]}\n" for word in words))
    command = [sys.executable, "-m", "foveate", "train", "pairs.tsv", "--models", "2"]
    command += ["--max-updates", "3", "--hidden-size", "8", "--threads", "1"]
    told: dict[str, list[str]] = {"one": [], "two": ["--jobs", "2", "--engine", "ray"]}
    for out, more in told.items():
        subprocess.run([*command, "--out", out, *more], cwd=tmp_path, env=cluster, check=True)
    one, two = (load_bundle(tmp_path / out) for out in told)
    assert {name for name in one.weights if name.startswith("1/")}
    assert one.id == two.id
    assert (tmp_path / "two" / "state" / "model-2" / "log.jsonl").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path("/proc").exists(), reason="workers are found in /proc")
def test_ray_with_a_worker_that_is_killed(cluster: dict[str, str], tmp_path: Path) -> None:
    """Eight files of 600 words on two workers; one is killed while it computes."""
    inputs, out = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    words = [f"{a}{b}{c}{d}" for a in "abcde" for b in "abcde" for c in "abcd" for d in "abcdef"]
    for number in range(8):
        parquet.write_table(pa.table({"word": words}), inputs / f"{number}.parquet")
    told = ["--columns", "word", "--engine", "ray", "--out", str(out)]
    command = [
        sys.executable,
        "-m",
        "foveate",
        "translate",
        MODEL,
        str(inputs / "*.parquet"),
        *told,
    ]
    with subprocess.Popen(command, env=cluster, stderr=subprocess.PIPE) as process:
        killed = 0
        while process.poll() is None and not killed:
            for worker in list_workers(os.getpid())[:1]:
                os.kill(worker, signal.SIGKILL)
                killed += 1
            time.sleep(0.01)
        said = process.communicate()[1]
    assert process.returncode == 0, said.decode()
    assert killed == 1
    expected = translate_words(list(words))
    for number in range(8):
        table = parquet.read_table(out / f"{number}.parquet")
        assert table["word"].to_pylist() == words
        assert table["translation"].to_pylist() == expected


def test_datasets_of_hugging_face(tmp_path: Path) -> None:
    import datasets

    words = [word for row in ROWS for word in row]
    rows = datasets.Dataset.from_dict({"key": list(range(len(words))), "word": words})
    found = rows.map(Translate(MODEL, "word", "out"), batched=True, batch_size=3)
    assert found["key"] == rows["key"] and found["out"] == translate_words(words)


@pytest.mark.slow
def test_daft(tmp_path: Path) -> None:
    import daft

    words = [word for row in ROWS for word in row]
    translate = Translate(MODEL, "word", "out")

    @daft.udf(return_dtype=daft.DataType.string())
    def write(column: daft.Series) -> list[str | None]:
        outputs: list[str | None] = translate({"word": column.to_pylist()})["out"]
        return outputs

    rows = daft.from_pydict({"key": list(range(len(words))), "word": words})
    found = rows.with_column("out", write(rows["word"])).sort("key").to_pydict()
    assert found["out"] == translate_words(words)
