"""How long until the outputs are right? Foveate's defaults beside OpenNMT-py, on the same pairs.

    python benchmarks/time_to_quality.py train.tsv dev.tsv --target-tokens whitespace --out DIR \
        --minutes 20 --rival-minutes 60 --threads 1

Foveate trains once for each of `--minutes`, with nothing told but them. OpenNMT-py gets a recurrent
attention model of about the same size, and trains once for `--rival-minutes`: its speed is measured
first, so that its learning rate can be halved again and again over the second half. All models that
it saves on the way are translated. Both search greedily; the error is the share of sources whose
output is no reference. The clock starts with the process; Foveate's validations count, OpenNMT-py
has none. `--only` runs one side, so that each can have a core of its own. Leaves `quality.json` and
`quality.svg` in DIR.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import runs
from foveate.insight.palette import LIGHT
from rivals.corpus import KINDS, make_corpus
from rivals.learning import build_job, learn

HALVINGS = 7
NAMES = {"foveate": "Foveate, each point a run", "opennmt": "OpenNMT-py, one run"}


def main() -> None:
    """Run the comparison that the command line asks for."""
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.only != "opennmt":
        for minutes in options.minutes:
            save(options.out, "foveate", {"minutes": minutes, **train_foveate(options, minutes)})
    if options.only != "foveate":
        for row in train_opennmt(options):
            save(options.out, "opennmt", row)
    draw(options.out)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("train", type=Path, help="source TAB target, one pair a line")
    parser.add_argument("dev", type=Path, help="the same, to score")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--environments", type=Path, default=Path("rivals_environments"))
    parser.add_argument("--only", choices=("foveate", "opennmt"))
    parser.add_argument("--minutes", nargs="+", default=["20"], help="of Foveate")
    parser.add_argument("--rival-minutes", type=float, default=60, help="of OpenNMT-py")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--source-tokens", choices=KINDS, default="characters")
    parser.add_argument("--target-tokens", choices=KINDS, default="characters")
    parser.add_argument("--layers", type=int, default=2, help="of OpenNMT-py")
    parser.add_argument("--embedding", type=int, default=128, help="of OpenNMT-py")
    parser.add_argument("--hidden", type=int, default=256, help="of OpenNMT-py")
    parser.add_argument("--batch", type=int, default=48, help="of OpenNMT-py, in pairs")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="of OpenNMT-py")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out, options.environments = options.out.resolve(), options.environments.resolve()
    return options


def train_foveate(options: argparse.Namespace, minutes: str) -> dict[str, float]:
    """Train for so many minutes, and return the seconds that it took and the error on dev."""
    model = options.out / f"foveate_{minutes}"
    told = ["--minutes", minutes, "--threads", str(options.threads), "--seed", str(options.seed)]
    begin = time.time()
    runs.train(model, str(options.train), "--dev", str(options.dev), *told)
    seconds = time.time() - begin
    result = model.with_suffix(".json")
    runs.evaluate(model, str(options.dev), result, "--beam-size", "1")
    metrics = json.loads(result.read_text(encoding="utf-8"))["metrics"]
    return {"seconds": seconds, "error": 100 * (1 - metrics["exact_match"]["value"])}


def train_opennmt(options: argparse.Namespace) -> list[dict[str, float]]:
    """Train for so many minutes, and return updates, seconds and error of every saved model."""
    data = options.out / "corpus"
    kinds = (options.source_tokens, options.target_tokens)
    facts = make_corpus(options.train, options.dev, data, kinds, size=4000, sentences=10**9)
    settings = {
        "enc_layers": options.layers,
        "dec_layers": options.layers,
        "learning_rate": options.learning_rate,
    }
    job = build_job(options, facts, data, settings)
    learnt, _ = learn(job, options.rival_minutes, options.environments, HALVINGS)
    references: dict[str, set[str]] = {}
    sides = (job.lines("test.source"), job.lines("test.target"))
    for source, target in zip(*sides, strict=True):
        references.setdefault(source, set()).add(target)
    return [
        {
            "updates": row["updates"],
            "seconds": row["seconds"],
            "error": count_errors(sides[0], row["outputs"], references),
        }
        for row in learnt
    ]


def count_errors(sources: list[str], outputs: list[str], references: dict[str, set[str]]) -> float:
    """Return the share of distinct sources whose output is none of their references, in %."""
    wrong = {
        source: output.strip() not in references[source]
        for source, output in zip(sources, outputs, strict=True)
    }
    return 100 * sum(wrong.values()) / len(wrong)


def save(out: Path, side: str, row: dict[str, Any]) -> None:
    """Print a result and add it to what is there."""
    print(side, json.dumps(row), flush=True)
    path = out / "quality.json"
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    path.write_text(json.dumps([*rows, {"side": side, **row}], indent=1) + "\n", encoding="utf-8")


def draw(out: Path) -> None:
    """Draw the error over the minutes: a point for each model, in the colours of our pictures."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "foveate"  # the same picture every time
    from matplotlib import pyplot

    rows = json.loads((out / "quality.json").read_text(encoding="utf-8"))
    figure, axes = pyplot.subplots(figsize=(7, 3.8), facecolor=LIGHT.paper)
    styles = {"foveate": (LIGHT.accent, "none"), "opennmt": (LIGHT.series[0], "-")}
    for side, (color, line) in styles.items():
        points = sorted((row["seconds"] / 60, row["error"]) for row in rows if row["side"] == side)
        if not points:
            continue
        axes.plot(*zip(*points, strict=True), "o", color=color, linestyle=line, label=NAMES[side])
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("minutes since the process began")
    axes.set_ylabel("sources with a wrong output, %")
    axes.grid(color=LIGHT.line, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(out / "quality.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
