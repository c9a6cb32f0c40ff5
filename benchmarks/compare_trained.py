"""Quality and speed of trained models in use: Foveate beside a Transformer in CTranslate2.

    python benchmarks/compare_trained.py train.tsv dev.tsv --model MODEL SMALL --out DIR \\
        --environments ENVIRONMENTS --minutes 60 --threads 2

OpenNMT-py trains a Transformer for so many minutes, and the best on dev of the models that it saves
goes to CTranslate2. Then all translate the dev sources greedily, as long as each finds right, in
turns, each time in a process of its own: all at once on `--threads`, and some one by one. Each
`--model` is a Foveate model, as `foveate train` or `foveate export` left it. What was trained
before is kept. Leaves `trained.json` in DIR.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

from foveate.metrics import bleu
from rivals.corpus import BLANK, make_corpus
from rivals.job import Job
from rivals.learning import build_job, learn, run

HEADS, WIDER, WARM_UP = 4, 4, 1000


def main() -> None:
    """Run the comparison that the command line asks for."""
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    data = options.out / "corpus"
    kinds = ("bpe", "bpe")
    facts = make_corpus(options.train, options.dev, data, kinds, size=8000, sentences=10**9)
    job = build_job(options, facts, data, transformer_settings(options))
    references = [join_pieces(target) for target in job.lines("test.target")]
    converted = train_transformer(job, options, references)
    if options.only_train:
        return
    plain = write_plain(options, data)
    contenders: dict[str, Job] = {}
    for engine in ("float32", "int8"):
        contenders[f"CTranslate2 {engine}"] = replace(
            job, module="ctranslate2", engine=engine, work=converted
        )
    for model in options.model:
        contenders[f"Foveate {model}"] = replace(
            job,
            module="foveate",
            engine=str(model.resolve()),
            data=plain,
            work=options.out / "ours" / "model",
        )
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    for _ in range(options.rounds):
        for name, one in contenders.items():
            one.task, one.singles = "translate", options.singles
            found = run(one, options.environments)
            outputs = [join_pieces(output) for output in found.pop("outputs")]
            results[name].append({**found, "bleu": score(outputs, references)})
        (options.out / "trained.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    print("| | BLEU on dev | sentences a second | ms for one | memory, MB |")
    print("|---|---:|---:|---:|---:|")
    for name, rows in results.items():
        speed, single, memory = (
            statistics.median(row[key] for row in rows)
            for key in ("sentences_per_second", "milliseconds", "peak_memory")
        )
        cells = (f"{rows[0]['bleu']:.1f}", f"{speed:,.0f}", f"{single:.1f}", f"{memory / 1e6:,.0f}")
        print("|", " | ".join((name, *cells)), "|")


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("train", type=Path, help="source TAB target, one pair a line")
    parser.add_argument("dev", type=Path, help="the same, to translate")
    parser.add_argument("--model", type=Path, nargs="+", required=True, help="of Foveate")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--environments", type=Path, default=Path("rivals_environments"))
    parser.add_argument("--minutes", type=float, default=60, help="of OpenNMT-py")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--singles", type=int, default=200, help="sentences, one by one")
    parser.add_argument("--layers", type=int, default=3, help="of the Transformer, on each side")
    parser.add_argument("--hidden", type=int, default=256, help="width of the Transformer")
    parser.add_argument("--batch", type=int, default=64, help="of OpenNMT-py, in pairs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only-train", action="store_true", help="leave the comparison for later")
    options = parser.parse_args()
    options.embedding = options.hidden
    options.out, options.environments = options.out.resolve(), options.environments.resolve()
    return options


def transformer_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return OpenNMT-py's options for the Transformer of Vaswani et al. 2017, made small."""
    return {
        "encoder_type": "transformer",
        "decoder_type": "transformer",
        "enc_layers": options.layers,
        "dec_layers": options.layers,
        "heads": HEADS,
        "transformer_ff": WIDER * options.hidden,
        "position_encoding": True,
        "self_attn_type": "scaled-dot",  # the default, "flash", is not known to the converter
        "param_init": 0.0,
        "param_init_glorot": True,
        "adam_beta2": 0.998,
        "decay_method": "noam",
        "warmup_steps": WARM_UP,
        "learning_rate": 1.0,
    }


def train_transformer(job: Job, options: argparse.Namespace, references: list[str]) -> Path:
    """Train unless it is done, and return the folder of the best model, for CTranslate2."""
    converted: Path = options.out / "converted" / "model"
    if (converted / "model.bin").exists():
        return converted
    told = options.out / "learnt.json"
    if not told.exists():
        learnt, speed = learn(job, options.minutes, options.environments)
        rows = [
            {
                **{key: row[key] for key in ("updates", "seconds", "path")},
                "bleu": score([join_pieces(output) for output in row["outputs"]], references),
            }
            for row in learnt
        ]
        facts = {"parameters": speed["parameters"], "checkpoints": rows}
        told.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    rows = json.loads(told.read_text(encoding="utf-8"))["checkpoints"]
    for row in rows:
        minutes = row["seconds"] / 60
        print(f"{row['updates']:,} updates, {minutes:.1f} minutes: BLEU {row['bleu']:.1f}")
    best = max(rows, key=lambda row: float(row["bleu"]))
    run(replace(job, task="convert", engine=best["path"], work=converted), options.environments)
    return converted


def write_plain(options: argparse.Namespace, data: Path) -> Path:
    """Write the dev sources as plain text, in the order of the corpus."""
    plain: Path = options.out / "plain"
    plain.mkdir(exist_ok=True)
    pieces = (data / "test.source").read_text(encoding="utf-8").splitlines()
    lines = "".join(f"{join_pieces(line)}\n" for line in pieces)
    (plain / "test.source").write_text(lines, encoding="utf-8")
    return plain


def join_pieces(text: str) -> str:
    """Return the text of subwords between blanks; plain text stays what it is."""
    return text.replace(" ", "").replace(BLANK, " ").strip() if BLANK in text else text


def score(outputs: list[str], references: list[str]) -> float:
    """Return BLEU of tokenised text."""
    return bleu(outputs, [[one] for one in references], tokenize="none").value()


if __name__ == "__main__":
    main()
