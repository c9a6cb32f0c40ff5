"""The model card, `README.md` of a bundle: what the model is, how good, and how to use it.

Whoever shares a model may edit it; nothing reads it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from foveate.metric_names import METRIC_LABELS, format_metric
from foveate.printable import make_printable

if TYPE_CHECKING:
    from foveate.bundle import Bundle

CURVE = "learning_curve.svg"
LICENCE_NAME = re.compile(r"[\w.+-]+")  # such as apache-2.0


def format_card(bundle: Bundle) -> str:
    """Write the model card: what the model is, how good, from what, and how to use it."""
    summary = bundle.summary
    lines = [
        *_format_front_matter(bundle),
        "# A Foveate model",
        "",
        summary.plan or bundle.model.architecture,
        "",
        "| what | value |",
        "|---|---|",
    ]
    lines += [f"| {name.replace('_', ' ')} | {value} |" for name, value in summary.facts()]
    for split, metrics in bundle.scores.items():
        lines += ["", f"## Scores on {split}", "", "| metric | value | 95 % interval | signature |"]
        lines += ["|---|---:|---|---|"]
        lines += [
            f"| {METRIC_LABELS.get(name, name)} | {format_metric(name, score['value'])} "
            f"| {_format_interval(name, score)} | {_format_cell(score['signature'])} |"
            for name, score in metrics.items()
        ]
        if split == "dev" and summary.ensemble:
            lines += ["", _format_ensemble(summary.ensemble)]
        if before := summary.before.get(split):
            lines += ["", f"The model before had {format_before(before)}."]
        lines += _format_errors(split, summary.diagnosis.get(split))
    lines += _format_learning_curve(summary.learning_curve)
    lines += _format_origin(summary.origin)
    lines += [
        "",
        "## Use",
        "",
        "```console",
        "$ pip install foveate",
        "$ foveate translate MODEL inputs.txt",
        "$ foveate attend MODEL 'one input' --out attention.svg",
        "```",
        "",
        "```python",
        "from foveate import Translator",
        "",
        'translator = Translator.load("MODEL")',
        'print(translator.translate_one("one input").text)',
        "```",
        "",
        "Attention weights show where the model looked; they are not a proof of why.",
        "",
        f"The id of the model is `{bundle.id}`.",
    ]
    return make_printable("\n".join(lines) + "\n")


def _format_front_matter(bundle: Bundle) -> list[str]:
    """Return what the Hugging Face hub reads of a card, as YAML; texts are written as in JSON."""
    origin = bundle.summary.origin
    languages = [code for code in str(origin.get("language", "")).split(",") if code]
    metrics = {split: list(scores) for split, scores in bundle.scores.items()}
    lines = ["---", "library_name: foveate"]
    if licence := origin.get("licence"):
        lines += _format_licence(str(licence))
    if languages:
        lines += ["language:", *(f"  - {json.dumps(code.strip())}" for code in languages)]
    tags = ["attention", "sequence-to-sequence", bundle.model.architecture]
    lines += ["tags:", *(f"  - {json.dumps(tag)}" for tag in dict.fromkeys(tags))]
    if metrics:
        named = dict.fromkeys(name for names in metrics.values() for name in names)
        lines += ["metrics:", *(f"  - {json.dumps(name)}" for name in named)]
    return [*lines, *_format_results(bundle), "---", ""]


def _format_licence(licence: str) -> list[str]:
    """Return a licence as the hub knows it: by a short name, else as another one with its name."""
    if LICENCE_NAME.fullmatch(licence):
        return [f"license: {json.dumps(licence.lower())}"]
    return ["license: other", f"license_name: {json.dumps(' '.join(licence.split()))}"]


def _format_results(bundle: Bundle) -> list[str]:
    """Return the scores as the hub lists results, rates as fractions."""
    data = bundle.summary.origin.get("data", [])
    names = {file["set"]: file["name"] for file in data}
    results: list[str] = []
    for split, scores in bundle.scores.items():
        name = names.get(split, names.get("train", "pairs"))
        results += [
            "      - task:",
            "          type: text2text-generation",
            "        dataset:",
            f"          name: {json.dumps(name)}",
            "          type: pairs",
            f"          split: {json.dumps(split)}",
            "        metrics:",
        ]
        for metric, score in scores.items():
            results += [
                f"          - type: {json.dumps(metric)}",
                f"            value: {score['value']:.6g}",
            ]
    if not results:
        return []
    return ["model-index:", "  - name: Foveate model", "    results:", *results]


def _format_interval(name: str, score: dict[str, Any]) -> str:
    return f"{format_metric(name, score['low'])} to {format_metric(name, score['high'])}"


def _format_origin(origin: dict[str, Any]) -> list[str]:
    """Return when and where the model was trained, and from which files."""
    if not origin:
        return []
    versions = ", ".join(f"{name} {told}" for name, told in origin.get("versions", {}).items())
    told = {
        "trained": origin.get("date"),
        "with": versions,
        "on": origin.get("machine"),
        "languages": origin.get("language"),
        "licence": origin.get("licence"),
    }
    rows = [f"| {name} | {_format_cell(value)} |" for name, value in told.items() if value]
    lines = ["", "## Origin", "", "| what | value |", "|---|---|", *rows]
    if data := origin.get("data"):
        lines += ["", "| set | file | bytes | sha256 |", "|---|---|---:|---|"]
        lines += [
            f"| {_format_cell(file['set'])} | {_format_cell(file['name'])} | {file['bytes']:,} "
            f"| {_format_cell(file['sha256'])} |"
            for file in data
        ]
    return lines


def _format_learning_curve(points: list[dict[str, Any]]) -> list[str]:
    """Return scores by number of pairs: the picture, and a table."""
    if not points:
        return []
    rows = [
        f"| {one['pairs']:,} | {format_metric(one['metric'], one['value'])} "
        f"| {_format_interval(one['metric'], one)} |"
        for one in points
    ]
    last = points[-1]
    title = f"## Learning curve on {_format_cell(last.get('set', 'dev'))}"
    header = f"| training pairs | {_format_cell(last['metric'])} | 95 % interval |"
    return [
        "",
        title,
        "",
        f"![Would more pairs help?]({CURVE})",
        "",
        header,
        "|---:|---:|---|",
        *rows,
    ]


def format_before(metrics: dict[str, Any]) -> str:
    """Say what another model has on the same pairs.

    Example:
        >>> format_before({"exact_match": {"value": 0.5, "low": 0.4, "high": 0.6}})
        'exact match 50.0 %'
    """
    return ", ".join(
        f"{METRIC_LABELS.get(name, name)} {format_metric(name, score['value'])}"
        for name, score in metrics.items()
    )


def _format_ensemble(scores: dict[str, Any]) -> str:
    """Say what the models of an ensemble have alone, of a student those it learnt from."""
    metric = scores["metric"]
    alone = ", ".join(format_metric(metric, value) for value in scores["alone"])
    if "together" not in scores:
        return f"Each model alone has {scores['metric']} {alone}."
    return (
        f"The models that it learnt from have {scores['metric']} {alone}, "
        f"and together {format_metric(metric, scores['together'])}."
    )


def _format_errors(split: str, diagnosis: dict[str, Any] | None) -> list[str]:
    """Return the part of the card that `evaluation.diagnose` gives; nothing for an old model."""
    if not diagnosis:
        return []
    memory = diagnosis["memory"]
    lines = [
        "",
        "A memory of the training pairs, which answers a source with its commonest target there, "
        f"has an exact match of {format_metric('exact_match', memory['value'])} "
        f"({_format_interval('exact_match', memory)}): it has seen "
        f"{100 * diagnosis['seen']:.1f} % of the sources.",
    ]
    if unchanged := diagnosis.get("unchanged"):
        values = " and ".join(
            f"{METRIC_LABELS.get(name, name)} {format_metric(name, score['value'])} "
            f"({_format_interval(name, score)})"
            for name, score in unchanged.items()
        )
        lines.append(f"The sources left as they are have {values}.")
    if reliability := diagnosis.get("reliability"):
        lines += _format_reliability(split, reliability)
    tables = (
        ("Commonest errors", "confusions", ["reference", "output", "count"]),
        ("Outputs farthest off", "worst", ["source", "output", "reference", "edits"]),
    )
    for title, name, columns in tables:
        if rows := diagnosis[name]:
            lines += ["", f"### {title} on {split}", "", f"| {' | '.join(columns)} |"]
            lines += ["|" + "---|" * len(columns)]
            lines += [
                f"| {' | '.join(_format_cell(row[key]) for key in columns)} |" for row in rows
            ]
    return lines


def _format_reliability(split: str, reliability: dict[str, Any]) -> list[str]:
    """Say what outputs of a certain confidence are worth."""
    error = 100 * reliability["expected_calibration_error"]
    rows = [
        f"| {100 * row['said']:.1f} % | {100 * row['right']:.1f} % | {row['sources']} |"
        for row in reliability["bins"]
    ]
    return [
        "",
        f"### Confidence on {split}",
        "",
        "Every output has a confidence: the probability that it is right. It was fitted on four "
        f"fifths of {split} and tried on the others; it is off by {error:.1f} points on average.",
        "",
        "| said | right | sources |",
        "|---:|---:|---:|",
        *rows,
    ]


def _format_cell(value: Any) -> str:
    """Return a cell of a Markdown table that shows a text as it is."""
    text = " ".join(str(value).split()) or "∅"
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|~" else letter for letter in text)
