"""Train on millions of pairs made from the bundled ones: when does it start, in how much memory?

    python benchmarks/ten_million.py --pairs 10000000 --updates 300

Every pair is two bundled words beside each other, drawn by chance. Prints a row of JSON for each
stage: seconds since the begin of the reading, and MiB of memory. `own` is what only this process
has; `mapped` are pages of files, which the system takes back when others need the room.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import tempfile
import time
from importlib.resources import files
from pathlib import Path

from foveate.config import Config
from foveate.data.plain import read_table
from foveate.training.report import Report
from foveate.training.run import train

REPORT_UPDATES = 100
AT_ONCE = 100_000  # pairs that are made


def main() -> None:
    """Make the pairs, train, and print what it takes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pairs", type=int, default=10_000_000)
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--hidden-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--file", type=Path, help="where the pairs are, or will be")
    given = parser.parse_args()
    config = Config(
        max_updates=given.updates,
        num_validations=2,
        hidden_size=given.hidden_size,
        threads=given.threads,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = given.file or Path(folder, "pairs.tsv")
        if not path.exists():
            write_pairs(path, given.pairs)
        watch = Watch()
        table = read_table(path)
        watch.tell("read", pairs=len(table), table_mib=round(table.size_in_bytes / 2**20))
        trained = train(table, None, config, out=Path(folder, "model"), report=watch.listen)
        watch.tell("end", epochs=trained.summary.epochs)


class Watch:
    """Tells the time and the memory of what happens."""

    def __init__(self) -> None:
        self.begin = time.perf_counter()
        self.busy = time.process_time()
        self.last_update = -REPORT_UPDATES

    def listen(self, report: Report) -> None:
        """Tell the plan, which is made when everything is ready, and some updates after it."""
        if report.kind == "plan":
            self.tell("training starts")
        elif report.kind == "progress" and report.update >= self.last_update + REPORT_UPDATES:
            self.last_update = report.update
            self.tell("update", update=report.update)
        elif report.kind in ("note", "validation"):
            self.tell(report.message or f"validation at update {report.update}")

    def tell(self, stage: str, **more: object) -> None:
        """Print a row."""
        row = {
            "stage": stage,
            "seconds": round(time.perf_counter() - self.begin, 1),
            "processor_seconds": round(time.process_time() - self.busy, 1),
            **measure_memory(),
            **more,
        }
        print(json.dumps(row), flush=True)


def measure_memory() -> dict[str, int]:
    """Return the memory of this process in MiB, by what it is."""
    lines = Path("/proc/self/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return {
        name: int(values[key].split()[0]) // 1024
        for name, key in (("own", "RssAnon"), ("mapped", "RssFile"), ("most_in_all", "VmHWM"))
    }


def write_pairs(path: Path, count: int) -> None:
    """Write pairs of two words each."""
    data = (files("foveate") / "data/bundled/pronunciation.train.tsv.gz").read_bytes()
    rows = [line.split("\t") for line in gzip.decompress(data).decode().splitlines()]
    chance = random.Random(1)
    with path.open("w", encoding="utf-8") as stream:
        for done in range(0, count, AT_ONCE):
            drawn = chance.choices(rows, k=2 * min(AT_ONCE, count - done))
            halves = zip(drawn[::2], drawn[1::2], strict=True)
            stream.writelines(f"{a}{b}\t{said} {also}\n" for (a, said), (b, also) in halves)


if __name__ == "__main__":
    main()
