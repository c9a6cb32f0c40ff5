"""Many parquet files with a column of texts: translated file by file, here or by Ray.

A file is the unit of work. It is read in batches, written beside its final name, and renamed when
it is whole. So a file that is there is complete, and work that was stopped goes on with the others.
Rows, their order and all columns are kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from foveate.engines import Translate
from foveate.errors import ConfigError, DataError, MissingExtraError

Engine = Literal["local", "ray"]
ROWS = 2000  # of a batch
ORIGIN = b"foveate"  # whose outputs a file has: model and options, in the metadata of its schema


@dataclass(frozen=True)
class TranslateFile:
    """Translate one parquet file into a folder, under its own name.

    Attributes:
        translate: the model as a callable on columns.
        folder: where the outputs go.
    """

    translate: Translate
    folder: str

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return path and number of rows of a file that is translated now or was before."""
        source = Path(row["path"])
        out = Path(self.folder) / source.name
        if not out.exists():
            self._write(source, out)
        return {"path": str(out), "rows": count_rows(out)}

    def _write(self, source: Path, out: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        part = out.with_name(f"{out.name}.{uuid4().hex}.part")
        writer = None
        try:
            with parquet.ParquetFile(source) as reader:
                for batch in reader.iter_batches(batch_size=ROWS):
                    table = self.translate(pyarrow.Table.from_batches([batch]))
                    table = table.replace_schema_metadata(_mark(table.schema, self.translate))
                    writer = writer or parquet.ParquetWriter(part, table.schema)
                    writer.write_table(table)
                if writer is None:  # a file without rows
                    empty = self.translate(reader.schema_arrow.empty_table())
                    marked = empty.replace_schema_metadata(_mark(empty.schema, self.translate))
                    writer = parquet.ParquetWriter(part, marked.schema)
            writer.close()
            part.replace(out)
        finally:
            with suppress(FileNotFoundError):
                part.unlink()


def translate_files(
    pattern: str, out: str, translate: Translate, engine: Engine = "local", workers: int = 0
) -> Iterator[tuple[str, int]]:
    """Translate the parquet files of a pattern; yield each path and its rows when it is there.

    Args:
        pattern: files, such as `FOLDER/*.parquet`.
        out: folder for the outputs; it is made. Files that are whole there are kept.
        translate: the model, its column and its options.
        engine: this process, or Ray Data: a cluster that is running, else this machine.
        workers: files at a time, with Ray; 0 is as many as there are processors.

    Raises:
        ConfigError: the folders are one, two files have one name, or what stands in `out` was made
            by another model or with other options.
        DataError: there are no such files, or one is no parquet file with the column.
        MissingExtraError: pyarrow or Ray is not installed.
    """
    _require("pyarrow", "parquet")
    paths = list_files(pattern)
    _check_places(paths, Path(out))
    Path(out).mkdir(parents=True, exist_ok=True)
    for path in paths:
        _check_file(path, Path(out), translate)
    work = TranslateFile(translate, str(Path(out).resolve()))
    rows = [{"path": str(path.resolve())} for path in paths]
    found = map(work, rows) if engine == "local" else _run_on_ray(work, rows, workers)
    return ((row["path"], row["rows"]) for row in found)


def list_files(pattern: str) -> list[Path]:
    """Return the files of a pattern in the order of their names.

    Raises:
        DataError: there are none.
    """
    path = Path(pattern)
    paths = sorted(file for file in path.parent.glob(path.name) if file.is_file())
    if not paths:
        raise DataError(f"{pattern}: there are no such files")
    return paths


def count_rows(path: Path) -> int:
    """Return how many rows a parquet file has; only its end is read."""
    from pyarrow import parquet

    return int(parquet.read_metadata(path).num_rows)


def _run_on_ray(
    work: TranslateFile, rows: Sequence[dict[str, Any]], workers: int
) -> Iterator[dict[str, Any]]:
    """Yield what a worker of Ray says of each file; Ray begins a file anew whose worker died."""
    _require("ray", "ray")
    import ray.data

    from foveate.training.side_by_side import join_cluster

    join_cluster()
    ray.data.DataContext.get_current().enable_progress_bars = False
    files = ray.data.from_items(list(rows), override_num_blocks=len(rows))
    yield from files.map(work, concurrency=workers or None).iter_rows()


def _require(library: str, extra: str) -> None:
    from importlib.util import find_spec

    if find_spec(library) is None:
        raise MissingExtraError(library, extra, "translating parquet files")


def _mark(schema: Any, translate: Translate) -> dict[bytes, bytes]:
    return {**(schema.metadata or {}), ORIGIN: _describe(translate)}


def _describe(translate: Translate) -> bytes:
    """Return what decides the outputs of a file."""
    return json.dumps(translate.describe(), sort_keys=True).encode()


def _check_places(paths: Sequence[Path], out: Path) -> None:
    names = [path.name for path in paths]
    double = {name for name in names if names.count(name) > 1}
    if double:
        raise ConfigError(f"{min(double)}: two files have this name; their outputs would be one")
    if any(path.parent.resolve() == out.resolve() for path in paths):
        raise ConfigError(f"{out}: is the folder of the inputs: name another one with --out")


def _check_file(path: Path, out: Path, translate: Translate) -> None:
    """Refuse a file that cannot be translated, or that was by somebody else."""
    from pyarrow import ArrowException, parquet

    try:
        names = parquet.read_schema(path).names
    except (ArrowException, OSError) as error:
        raise DataError(f"{path}: is no parquet file: {' '.join(str(error).split())}") from None
    if translate.column not in names:
        raise DataError(
            f"{path}: has no column {translate.column!r}, but {', '.join(names)}: say it with "
            "--columns"
        )
    done = out / path.name
    if done.exists():
        made_by = (parquet.read_schema(done).metadata or {}).get(ORIGIN)
        if made_by != _describe(translate):
            raise ConfigError(
                f"{done}: was not made by this model with these options: name another folder"
            )
