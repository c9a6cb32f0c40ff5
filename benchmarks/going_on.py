"""Measure going on with a model: the old model, the new pairs alone, and both ways of going on.

    python benchmarks/going_on.py --old OLD.tsv OLD_TEST.tsv --new NEW.tsv DEV.tsv TEST.tsv

Trains an old model on OLD, then on NEW: a model of their own, one that goes on from the old model,
and one that does so with OLD mixed in. All are scored on both test sets, by source.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from foveate.bundle import load_bundle
from foveate.config import Config
from foveate.data.readers import read_pairs
from foveate.data.table import PairTable
from foveate.evaluation import evaluate
from foveate.training.ensemble import train_models
from foveate.training.going_on import Parent
from foveate.training.report import Report
from foveate.translator import Translator


def main() -> None:
    """Train what is not there yet, and print one row a model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--old", nargs=2, required=True, metavar=("TRAIN", "TEST"))
    parser.add_argument("--new", nargs=3, required=True, metavar=("TRAIN", "DEV", "TEST"))
    parser.add_argument("--work", type=Path, required=True, help="folder for the models")
    parser.add_argument("--old-updates", type=int, default=6000)
    parser.add_argument("--old-option", nargs="*", default=[], help="of the old model: NAME=VALUE")
    parser.add_argument("--alone-updates", type=int, default=3000)
    parser.add_argument("--updates", type=int, default=1500, help="of a run that goes on")
    parser.add_argument(
        "--option", nargs="*", default=[], help="of the runs that go on: NAME=VALUE"
    )
    parser.add_argument("--name", default="", help="of these, in the folder")
    parser.add_argument("--on", choices=["dev", "test"], default="test", help="of the new domain")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    old, old_test = map(read, given.old)
    new, dev, test = map(read, given.new)
    seed = {"seed": given.seed, "threads": 1}
    settings = {**seed, "max_updates": given.updates, **dict(map(parse, given.option))}
    first = given.work / "old"
    sizes = dict(map(parse, given.old_option))
    run(old, None, Config(**seed, **sizes, max_updates=given.old_updates), first)
    run(new, dev, Config(**seed, max_updates=given.alone_updates), given.work / "alone")
    models = {"old": first, "new pairs alone": given.work / "alone"}
    for name, mixed in (("goes on", None), ("goes on, old pairs mixed in", old)):
        out = given.work / f"{name.replace(', ', ' ').replace(' ', '_')}{given.name}"
        run(new, dev, Config(**settings), out, Parent.take(load_bundle(first), "old", mixed))
        models[name] = out
    for name, out in models.items():
        translator = Translator.load(out, threads=1)
        sets = {"old": old_test, "new": dev if given.on == "dev" else test}
        print(json.dumps({"model": name, **{n: score(translator, one) for n, one in sets.items()}}))


def read(where: str) -> PairTable:
    """Read pairs."""
    return PairTable.from_pairs(read_pairs(where))


def parse(option: str) -> tuple[str, object]:
    """Return name and value of an option."""
    name, _, value = option.partition("=")
    return name, json.loads(value)


def run(
    table: PairTable, dev: PairTable | None, config: Config, out: Path, parent: Parent | None = None
) -> None:
    """Train a model where there is none."""
    if not (out / "bundle.json").exists():
        train_models(table, dev, config, out=out, report=tell, parent=parent, overwrite=True)


def tell(report: Report) -> None:
    """Print what is not progress."""
    if report.kind in ("note", "plan", "validation"):
        print(report.message or f"{report.update:,}: {report.dev}", flush=True)


def score(translator: Translator, table: PairTable) -> str:
    """Return the share of sources whose output is right, with its interval, in per cent."""
    found = evaluate(translator, table).metrics["exact_match"]
    return f"{100 * found.value:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"


if __name__ == "__main__":
    main()
