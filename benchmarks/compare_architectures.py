"""Train the three architectures for the same minutes on the same pairs, one after the other,
evaluate them on the test set, and draw a metric by source length.

    python benchmarks/compare_architectures.py data/train.tsv data/dev.tsv data/test.tsv \
        --minutes 30 --metric bleu --bleu-tokenize none --out runs/multi30k

A run that is there is gone on with (`--resume`) or, when finished, only evaluated. With
`--threads 1` and a core each, `--architectures` runs several of them beside each other. Leaves in
OUT a folder for each architecture, `ARCHITECTURE.json` as `foveate evaluate --json` writes it, and
`by_length.svg`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from foveate.console import METRIC_LABELS
from foveate.insight.curves import draw_length_curve

ARCHITECTURES = ("attention", "traditional", "transformer")


def main() -> None:
    """Run the comparison that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("train")
    parser.add_argument("dev")
    parser.add_argument("test")
    parser.add_argument("--minutes", default="30")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--threads", default="0", help="0: as many as there are cores")
    parser.add_argument("--metric", default="exact_match")
    parser.add_argument("--bleu-tokenize", default="13a")
    parser.add_argument("--title", default="Quality by source length")
    parser.add_argument("--architectures", nargs="+", default=ARCHITECTURES)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for architecture in options.architectures:
        train(architecture, options)
        evaluate(architecture, options)
    draw(options)


def train(architecture: str, options: argparse.Namespace) -> None:
    """Train one model, or go on with its run."""
    model = options.out / architecture
    if (model / "bundle.json").exists():
        return
    resume = ["--resume"] if (model / "state").exists() else []
    told = ["--architecture", architecture, "--minutes", options.minutes, "--seed", options.seed]
    told += ["--threads", options.threads]
    run("train", options.train, "--dev", options.dev, "--out", str(model), *told, *resume)


def evaluate(architecture: str, options: argparse.Namespace) -> None:
    """Score one model on the test set."""
    model, result = options.out / architecture, options.out / f"{architecture}.json"
    told = ["--bleu-tokenize", options.bleu_tokenize, "--json", str(result)]
    told += ["--threads", options.threads]
    run("evaluate", str(model), options.test, *told)


def run(*arguments: str) -> None:
    """Run a foveate command, and stop with it when it fails."""
    print("foveate", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "foveate", *arguments], check=True)


def draw(options: argparse.Namespace) -> None:
    """Draw the metric by source length for every result that is there."""
    series = {}
    for architecture in ARCHITECTURES:
        path = options.out / f"{architecture}.json"
        if path.exists():
            bins = json.loads(path.read_text(encoding="utf-8"))["by_source_length"]
            series[architecture] = [
                (f"{part['low']}-{part['high']}", part[options.metric]) for part in bins
            ]
    picture = draw_length_curve(
        series, METRIC_LABELS.get(options.metric, options.metric), options.title
    )
    (options.out / "by_length.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
