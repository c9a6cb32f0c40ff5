"""Train the defaults and, one at a time, what differs from them, each for the same minutes (or
updates) on the same pairs, and compare them on the dev set.

    python benchmarks/ablate.py data/train.tsv data/dev.tsv --minutes 10 --threads 1 --out runs/cmu

The test set has no part in it. `--variants` picks some; with `--threads 1` and a core each, two
processes can share them. `--pairs N` cuts the training pairs. Leaves in OUT a folder and a JSON
file for each variant, `ablation.md` and `ablation.svg`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import runs
from rivals.bars import draw_bars

VARIANTS: dict[str, list[str]] = {
    "defaults": [],
    "luong": ["--layout", "luong"],
    "luong, input feeding": ["--layout", "luong", "--input-feeding"],
    "bahdanau": ["--layout", "bahdanau"],
    "GRU": ["--cell", "gru"],
    "dot": ["--attention-score", "dot"],
    "scaled dot, 4 heads": ["--attention-score", "scaled_dot", "--num-heads", "4"],
    "no location": ["--location-window", "0"],
    "entmax": ["--attention-weights", "entmax"],
    "one layer": ["--num-layers", "1"],
    "three layers": ["--num-layers", "3"],
    "no dropout": ["--dropout", "0"],
    "dropout 0.3": ["--dropout", "0.3"],
    "dropout 0.5": ["--dropout", "0.5"],
    "no label smoothing": ["--label-smoothing", "0"],
    "no average": ["--average-decay", "0"],
    "no weight decay": ["--weight-decay", "0"],
    "word dropout 0.1": ["--word-dropout", "0.1"],
    "word dropout 0.2": ["--word-dropout", "0.2"],
    "copying": ["--copy"],
    "no guidance": ["--guidance", "0"],
    "guidance 1": ["--guidance", "1"],
    "lexicon": ["--lexicon"],
    "no memory": ["--no-memory"],
    "ensemble of 3": ["--models", "3"],
    "distilled from 3": ["--models", "3", "--distill"],
    "traditional": ["--architecture", "traditional"],
    "Transformer": ["--architecture", "transformer"],
}


def main() -> None:
    """Run the comparison that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("dev")
    parser.add_argument("--minutes", default="10")
    parser.add_argument("--updates", help="so many for each, instead of minutes")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--threads", default="0", help="0: as many as there are cores")
    parser.add_argument("--pairs", type=int, help="the first so many of TRAIN")
    parser.add_argument("--metric", default="exact_match")
    parser.add_argument("--bleu-tokenize", default="13a")
    parser.add_argument("--title", default="One change at a time, dev set")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pairs = str(cut(options.train, options.pairs, options.out))
    length = (
        ["--max-updates", options.updates] if options.updates else ["--minutes", options.minutes]
    )
    told = [*length, "--seed", options.seed, "--threads", options.threads]
    for name in options.variants:
        stem = options.out / slug(name)
        runs.train(stem, pairs, "--dev", options.dev, *told, *VARIANTS[name])
        scoring = ["--bleu-tokenize", options.bleu_tokenize, "--threads", options.threads]
        runs.evaluate(stem, options.dev, stem.with_suffix(".json"), *scoring)
        write(options.out, options.metric, options.title)


def slug(name: str) -> str:
    """Return a file name without blanks, commas and dots, which a suffix would begin with."""
    return name.replace(" ", "_").replace(",", "").replace(".", "")


def cut(path: Path, count: int | None, out: Path) -> Path:
    """Write the first pairs to a file of their own; all of them need none."""
    if count is None:
        return path
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[:count]
    part = out / f"first-{count}.tsv"
    part.write_text("".join(lines), encoding="utf-8")
    return part


def write(out: Path, metric: str, title: str) -> None:
    """Write the table and the picture of all variants that are there."""
    rows: list[dict[str, Any]] = []
    for name in VARIANTS:
        stem = out / slug(name)
        if not stem.with_suffix(".json").exists():
            continue
        score = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))["metrics"][metric]
        summary = json.loads((stem / "bundle.json").read_text(encoding="utf-8"))["summary"]
        scale = 100 if score["high"] <= 1 else 1
        values = {key: scale * score[key] for key in ("value", "low", "high")}
        rows.append({"name": name, "parameters": summary["parameters"], **summary, **values})
    rows.sort(key=lambda row: -row["value"])
    lines = [
        f"| variant | {metric} | million parameters | updates |",
        "|---|---|---:|---:|",
        *(
            f"| {row['name']} | {row['value']:.1f} ({row['low']:.1f} to {row['high']:.1f}) "
            f"| {row['parameters'] / 1e6:.2f} | {row['updates']:,} |"
            for row in rows
        ),
    ]
    (out / "ablation.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    figures = {row["name"]: row["value"] for row in rows}
    picture = draw_bars(
        figures, f"{metric.replace('_', ' ')} on dev", title, base="defaults", digits=1
    )
    (out / "ablation.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
