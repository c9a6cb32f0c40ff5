"""Train and evaluate the public tasks with the defaults, and print our figures beside others.

    python benchmarks/records.py DATA --dry-run
    python benchmarks/records.py DATA --minutes 20 --seeds 1 2 3 --out runs --json records.json

DATA is the folder of the tasks' data; a task without its files there is left out. The two that come
with the package need none. Runs that are there are gone on with, or only evaluated. Each figure is
the mean of the seeds, with the interval of the first one over the sources of its test set.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import runs
from foveate.data.bundled_data import FOLDER

PARTS = ("train", "dev", "test")
LABELS = {"exact_match": "right, %", "exact_match_by_row": "running words right, %", "bleu": "BLEU"}


@dataclass(frozen=True)
class Task:
    """A public task: where its pairs are, what counts, and the best that others published.

    Attributes:
        folder: below DATA, or empty for pairs that come with the package.
        metric: of `foveate evaluate --json`.
        is_error: show what is missing to 100 %, as the papers do.
        published: with its source; empty where nobody publishes.
        told: further arguments of `foveate evaluate`.
    """

    name: str
    title: str
    folder: str
    metric: str
    is_error: bool = False
    published: str = ""
    told: tuple[str, ...] = ()

    def find(self, data: Path) -> dict[str, Path]:
        """Return the file of each part."""
        if self.folder:
            return {part: data / self.folder / f"{part}.tsv" for part in PARTS}
        return {part: FOLDER / f"{self.name}.{part}.tsv.gz" for part in PARTS}


TASKS = (
    Task(
        "cmudict",
        "CMUdict g014b2b, pronunciation",
        "cmudict_g2p",
        "exact_match",
        is_error=True,
        published="21.69 (from memory), five models 20.24 (Toshniwal & Livescu 2016)",
    ),
    Task(
        "multi30k",
        "Multi30k en-de, lower-cased tokens",
        "multi30k_en_de_tok",
        "bleu",
        published="39.00 attention RNN (LIUM-CVC), 41.02 tiny Transformer (Revisit-MMT)",
        told=("--bleu-tokenize", "none"),
    ),
    Task("hebrew", "Names, English to Hebrew", "netranslit_en_hebrew", "exact_match"),
    Task(
        "icelandic",
        "Old Icelandic spelling, all tokens",
        "histnorm/icelandic",
        "exact_match_by_row",
        published="87.59 (from memory: Tang et al. 2018, in Bollmann 2019)",
    ),
    Task("swedish", "Old Swedish spelling, all tokens", "histnorm/swedish", "exact_match_by_row"),
    Task("pronunciation", "English pronunciation, with the package", "", "exact_match", True),
    Task("dates", "Dates, English to Hungarian, with the package", "", "exact_match"),
)


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path(), help="folder with the tasks")
    parser.add_argument("--only", nargs="+", choices=[task.name for task in TASKS], default=[])
    parser.add_argument("--minutes", help="of each run (default: as the data need)")
    parser.add_argument("--seeds", nargs="+", default=["1"])
    parser.add_argument("--threads", default="0", help="0: as many as there are cores")
    parser.add_argument("--architecture", default="attention")
    parser.add_argument("--out", type=Path, default=Path("records"), help="folder of the runs")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--dry-run", action="store_true", help="list the tasks and stop")
    options = parser.parse_args()
    tasks = choose_tasks(options.data, options.only)
    rows = [{"task": task, "seeds": [], "scores": []} for task in tasks]
    for row in [] if options.dry_run else rows:
        row["scores"] = [measure(row["task"], seed, options) for seed in options.seeds]
        row["seeds"] = options.seeds
        print(make_table(rows), flush=True)
    if options.dry_run:
        print(make_table(rows))
    if options.json:
        options.json.write_text(json.dumps([describe(row) for row in rows], indent=1) + "\n")


def choose_tasks(data: Path, only: Sequence[str]) -> list[Task]:
    """Return the tasks that were asked for and whose files are there."""
    return [
        task
        for task in TASKS
        if task.name in (only or [task.name])
        and all(path.is_file() for path in task.find(data).values())
    ]


def measure(task: Task, seed: str, options: argparse.Namespace) -> dict[str, float]:
    """Train with the defaults, evaluate, and return the task's metric with its interval, in %."""
    files = task.find(options.data)
    name = f"{task.name}-{options.architecture}-{options.minutes or 'auto'}-{seed}"
    model, result = options.out / name, options.out / f"{name}.json"
    told = ["--seed", seed, "--threads", options.threads, "--architecture", options.architecture]
    told += ["--minutes", options.minutes] if options.minutes else []
    options.out.mkdir(parents=True, exist_ok=True)
    runs.train(model, str(files["train"]), "--dev", str(files["dev"]), *told)
    runs.evaluate(model, str(files["test"]), result, "--threads", options.threads, *task.told)
    return read_score(task, json.loads(result.read_text(encoding="utf-8")))


def read_score(task: Task, found: dict[str, Any]) -> dict[str, float]:
    """Return value, low and high of a task's metric, in %, of what `evaluate --json` wrote."""
    score = found["metrics"].get(task.metric) or found[task.metric]
    scale = 1 if task.metric == "bleu" else 100
    ends = {name: scale * score[name] for name in ("value", "low", "high")}
    if not task.is_error:
        return ends
    return {name: 100 - ends[end] for name, end in zip(ends, ("value", "high", "low"), strict=True)}


def make_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table in Markdown: a row for each task, empty where nothing was measured."""
    lines = [
        "| name | task | metric | ours (interval; seeds) | published |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        task, scores = row["task"], row["scores"]
        metric = "wrong, %" if task.is_error else LABELS[task.metric]
        ours = ""
        if scores:
            mean = sum(score["value"] for score in scores) / len(scores)
            low, high = scores[0]["low"], scores[0]["high"]
            ours = f"**{mean:.1f}** ({low:.1f} to {high:.1f}; {len(scores)})"
        lines.append(f"| {task.name} | {task.title} | {metric} | {ours} | {task.published} |")
    return "\n".join(lines)


def describe(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as plain values."""
    return {**asdict(row["task"]), "seeds": row["seeds"], "scores": row["scores"]}


if __name__ == "__main__":
    main()
