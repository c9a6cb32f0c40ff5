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
from pathlib import Path

import runs
from foveate.insight.curves import draw_length_curve
from foveate.metric_names import METRIC_LABELS

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
        model = options.out / architecture
        told = ["--architecture", architecture, "--minutes", options.minutes]
        told += ["--seed", options.seed, "--threads", options.threads]
        runs.train(model, options.train, "--dev", options.dev, *told)
        told = ["--bleu-tokenize", options.bleu_tokenize, "--threads", options.threads]
        runs.evaluate(model, options.test, options.out / f"{architecture}.json", *told)
    draw(options)


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
