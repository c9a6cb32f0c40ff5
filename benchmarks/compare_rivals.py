"""Compare Foveate's speed with other toolkits and with the machine's limit, in one run.

    python benchmarks/compare_rivals.py TRAIN.tsv TEST.tsv --out DIR --environments ENVIRONMENTS

All contenders get the same pre-tokenised text, sizes, batch and threads, and take turns: A B C
A B C. Each measurement is a process of its own. What does not install or run stands in the tables
with its error. Leaves in DIR `rivals.json`, `rivals.md`, `training.svg`, `decoding.svg`, and a
folder for each contender with its logs. `benchmarks/README.md` says what is counted, and how.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import flops
import roofline
from rivals.bars import draw_bars
from rivals.contenders import Contender, ContenderError, find_contenders
from rivals.corpus import KINDS, make_corpus
from rivals.job import Job

Row = dict[str, Any]
BASE = "foveate-gnmt"


def main() -> None:
    """Run the comparison that the command line asks for."""
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    kinds = (options.source_tokens, options.target_tokens)
    data = options.out / "corpus"
    facts = make_corpus(
        options.train,
        options.test,
        data,
        kinds,
        size=options.vocabulary_size,
        sentences=options.sentences,
        join=options.join,
        longest=options.longest,
    )
    contenders = [one for one in find_contenders() if one.name in options.contenders]
    results: dict[str, Any] = {
        "options": vars(options),
        "facts": facts,
        "machine": describe_machine(),
    }
    results |= {"peak": [], "train": [], "decode": []}
    for number in range(options.rounds):
        results["peak"].append(roofline.measure_peak(options.threads)[0])
        for contender, task, engine in plan_round(contenders, options.tasks, is_first=not number):
            print(f"round {number + 1}: {contender.name} {task} {engine}", flush=True)
            job = build_job(contender, task, engine, data, facts["output_length"], options)
            row = run(contender, job, options)
            if task != "prepare":
                results[task].append({"round": number + 1, **row})
            write(results, contenders, options.out)
    print((options.out / "rivals.md").read_text(encoding="utf-8"))


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    names = [contender.name for contender in find_contenders()]
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("train", type=Path, help="source TAB target, one pair a line")
    parser.add_argument("test", type=Path, help="the same, to translate")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--environments", type=Path, default=Path("rivals_environments"))
    parser.add_argument("--contenders", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument(
        "--tasks", nargs="+", choices=("train", "decode"), default=("train", "decode")
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=60, help="that are measured")
    parser.add_argument("--warmup", type=int, default=10, help="updates before them")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64, help="sentences of a training batch")
    parser.add_argument("--embedding", type=int, default=256)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--label-smoothing", type=float, default=0.0)
    parser.add_argument("--source-tokens", choices=KINDS, default="bpe")
    parser.add_argument("--target-tokens", choices=KINDS, default="bpe")
    parser.add_argument("--vocabulary-size", type=int, default=8000)
    parser.add_argument("--sentences", type=int, default=1000, help="of the test pairs")
    parser.add_argument("--join", type=int, default=1, help="so many pairs become one long pair")
    parser.add_argument(
        "--longest", type=int, default=100, help="tokens; longer pairs are left out"
    )
    parser.add_argument("--singles", type=int, default=100, help="of them, one by one")
    parser.add_argument("--decode-batch", type=int, default=96)
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for one measurement")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.environments = options.environments.resolve()
    options.out = options.out.resolve()
    return options


def plan_round(
    contenders: list[Contender], tasks: Iterable[str], is_first: bool
) -> Iterable[tuple[Contender, str, str]]:
    """Yield contender, task and engine; the models to decode with are made in the first round."""
    if "train" in tasks:
        yield from ((one, "train", "") for one in contenders if one.can("train"))
    decoders = [one for one in contenders if "decode" in tasks and one.can("decode")]
    if is_first:
        yield from ((one, "prepare", "") for one in decoders)
    yield from ((one, "decode", engine) for one in decoders for engine in one.engines())


def build_job(
    contender: Contender,
    task: str,
    engine: str,
    data: Path,
    length: int,
    options: argparse.Namespace,
) -> Job:
    """Write down what to measure."""
    folder = options.out / contender.name
    work = folder / ("training" if task == "train" else "model")
    names = ("threads", "warmup", "updates", "batch", "embedding", "hidden", "dropout")
    names += ("label_smoothing", "seed", "decode_batch", "singles")
    sizes = {name: getattr(options, name) for name in names}
    return Job(
        contender.file, task, engine, contender.settings, data, work, 0.0, length=length, **sizes
    )


def run(contender: Contender, job: Job, options: argparse.Namespace) -> Row:
    """Measure, and note an error instead of stopping."""
    row: Row = {"contender": contender.name, "engine": job.engine}
    try:
        return row | contender.run(job, options.environments, options.timeout)
    except ContenderError as error:
        print(f"  {error}", flush=True)
        return row | {"error": str(error)}


def describe_machine() -> str:
    """Say what processor and system this is."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.processor()
    return f"{name or platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def write(results: dict[str, Any], contenders: list[Contender], out: Path) -> None:
    """Write figures, tables and pictures; after every measurement, so that nothing is lost."""
    text = json.dumps(results, indent=1, default=str)
    (out / "rivals.json").write_text(text + "\n", encoding="utf-8")
    training = summarise_training(results, contenders)
    decoding = summarise_decoding(results, contenders)
    (out / "rivals.md").write_text(format_tables(results, training, decoding), encoding="utf-8")
    bars = {row["contender"]: row["rate"] for row in training if "rate" in row}
    if bars:
        svg = draw_bars(bars, "target tokens per second", "Training", BASE)
        (out / "training.svg").write_text(svg, encoding="utf-8")
    bars = {row["contender"]: row["many"] for row in decoding if "many" in row}
    if bars:
        svg = draw_bars(bars, "output tokens per second, in batches", "Greedy decoding", BASE)
        (out / "decoding.svg").write_text(svg, encoding="utf-8")


def summarise_training(results: dict[str, Any], contenders: list[Contender]) -> list[Row]:
    """Return one row a contender: medians over the rounds, or the error."""
    rows = []
    for name, runs in group(results["train"], "contender").items():
        good = [one for one in runs if "error" not in one]
        if not good:
            rows.append({"contender": name, "error": runs[-1]["error"]})
            continue
        contender = next(one for one in contenders if one.name == name)
        rows.append(
            {
                "contender": name,
                "note": contender.note,
                "rate": median(good, "target_tokens_per_second"),
                "rates": [one["target_tokens_per_second"] for one in good],
                "share": median_share(contender, good, results),
                "parameters": good[0]["parameters"],
                "memory": median(good, "peak_memory"),
                "startup": median(good, "startup_seconds"),
                "tokens_per_update": median(good, "target_tokens") / good[0]["updates"],
            }
        )
    return rows


def median_share(contender: Contender, runs: list[Row], results: dict[str, Any]) -> float | None:
    """Return the share of the peak that goes into necessary products, where they are counted."""
    if not contender.can("work"):
        return None
    peak = statistics.median(results["peak"]) * 1e9
    shares = []
    for one in runs:
        V = one["vocabulary"] or results["facts"]["target_vocabulary"]
        sizes = flops.Sizes(V, results["options"]["embedding"], results["options"]["hidden"])
        work = contender.module.work(contender.settings, sizes)
        counts = (one["source_tokens"], one["target_tokens"], one["cells"])
        shares.append(flops.training_flops(work, *counts) / one["seconds"] / peak)
    return statistics.median(shares)


def summarise_decoding(results: dict[str, Any], contenders: list[Contender]) -> list[Row]:
    """Return one row a contender and engine: medians over the rounds, or the error."""
    rows: list[Row] = []
    notes = {contender.name: contender.note for contender in contenders}
    for run in results["decode"]:
        run["name"] = " ".join(filter(None, (run["contender"], run["engine"])))
    for name, runs in group(results["decode"], "name").items():
        good = [one for one in runs if "error" not in one]
        if not good:
            rows.append({"contender": name, "error": runs[-1]["error"]})
            continue
        many, single = ([one["rows"][k] for one in good] for k in (0, 1))
        rows.append(
            {
                "contender": name,
                "note": notes[good[0]["contender"]],
                "many": median(many, "tokens_per_second"),
                "sentences": median(many, "sentences_per_second"),
                "single": median(single, "tokens_per_second"),
                "milliseconds": 1000 / median(single, "sentences_per_second"),
                "length": many[0]["tokens"] / many[0]["sentences"],
                "memory": median(good, "peak_memory"),
                "startup": median(many, "startup_seconds"),
            }
        )
    return rows


def group(rows: list[Row], key: str) -> dict[str, list[Row]]:
    """Return the rows of each value of a key."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def median(rows: list[Row], key: str) -> float:
    """Return the median of a key."""
    return float(statistics.median(row[key] for row in rows))


def format_tables(results: dict[str, Any], training: list[Row], decoding: list[Row]) -> str:
    """Return both tables as Markdown."""
    options, facts = results["options"], results["facts"]
    parts = [
        f"{results['machine']}; {options['threads']} threads, {options['rounds']} rounds of "
        f"{options['updates']} updates after {options['warmup']}; {facts['train_pairs']:,} pairs, "
        f"vocabulary {facts['target_vocabulary']:,}; peak "
        f"{statistics.median(results['peak']):.1f} GFLOP/s ({roofline.peak_method()}).",
        *format_training(training),
        *format_decoding(decoding),
    ]
    return "\n".join(parts) + "\n"


def format_training(rows: list[Row]) -> Iterable[str]:
    """Yield the table of training."""
    if not rows:
        return
    base = next((row["rate"] for row in rows if row["contender"] == BASE and "rate" in row), None)
    yield (
        f"\n| training | target tokens/s (least-most) | ratio to {BASE} | % of peak | "
        "target tokens an update | million parameters | peak memory, MB | start-up, s | note |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---|"
    for row in sorted(rows, key=lambda row: -row.get("rate", 0)):
        if "error" in row:
            yield f"| {row['contender']} | | | | | | | | {clean_cell(row['error'])} |"
            continue
        spread = f"{min(row['rates']):,.0f}-{max(row['rates']):,.0f}"
        share = "" if row["share"] is None else f"{100 * row['share']:.0f}"
        ratio = f"{row['rate'] / base:.2f}" if base else ""
        parameters = f"{row['parameters'] / 1e6:.2f}" if row["parameters"] else ""
        yield (
            f"| {row['contender']} | {row['rate']:,.0f} ({spread}) | {ratio} | {share} | "
            f"{row['tokens_per_update']:,.0f} | {parameters} | {row['memory'] / 1e6:,.0f} | "
            f"{row['startup']:.1f} | {row['note']} |"
        )


def format_decoding(rows: list[Row]) -> Iterable[str]:
    """Yield the table of decoding."""
    if not rows:
        return
    yield (
        "\n| greedy decoding | in batches: tokens/s | sentences/s | one by one: tokens/s | "
        "ms a sentence | tokens a sentence | peak memory, MB | start-up, s | note |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---|"
    for row in sorted(rows, key=lambda row: -row.get("many", 0)):
        if "error" in row:
            yield f"| {row['contender']} | | | | | | | | {clean_cell(row['error'])} |"
            continue
        yield (
            f"| {row['contender']} | {row['many']:,.0f} | {row['sentences']:,.0f} | "
            f"{row['single']:,.0f} | {row['milliseconds']:,.1f} | {row['length']:.1f} | "
            f"{row['memory'] / 1e6:,.0f} | {row['startup']:.1f} | {row['note']} |"
        )


def clean_cell(text: str) -> str:
    """Return a text that fits into one cell of a Markdown table."""
    return " ".join(text.replace("|", "/").split())


if __name__ == "__main__":
    main()
