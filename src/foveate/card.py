"""The model card, `README.md` of a bundle: what the model is, how good, and how to use it.

Whoever shares a model may edit it; nothing reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foveate.printable import make_printable

if TYPE_CHECKING:
    from foveate.bundle import Bundle

CURVE = "learning_curve.svg"


def format_card(bundle: Bundle) -> str:
    """Write the model card: what the model is, how good, from what, and how to use it."""
    summary = bundle.summary
    lines = [
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
            f"| {name} | {score['value']:.4g} | {score['low']:.4g} to {score['high']:.4g} "
            f"| {_format_cell(score['signature'])} |"
            for name, score in metrics.items()
        ]
        if split == "dev" and summary.ensemble:
            lines += ["", _format_ensemble(summary.ensemble)]
        lines += _format_errors(split, summary.diagnosis.get(split))
    lines += _format_learning_curve(summary.learning_curve)
    lines += [
        "",
        "## Use",
        "",
        "    foveate translate MODEL inputs.txt",
        "    foveate attend MODEL 'one input' --out attention.svg",
        "",
        "Attention weights show where the model looked; they are not a proof of why.",
    ]
    return make_printable("\n".join(lines) + "\n")


def _format_learning_curve(points: list[dict[str, Any]]) -> list[str]:
    """Return scores by number of pairs: the picture, and a table."""
    if not points:
        return []
    rows = [
        f"| {one['pairs']:,} | {one['value']:.4g} | {one['low']:.4g} to {one['high']:.4g} |"
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


def _format_ensemble(scores: dict[str, Any]) -> str:
    """Say what the models of an ensemble have alone, of a student those it learnt from."""
    alone = ", ".join(f"{value:.4g}" for value in scores["alone"])
    if "together" not in scores:
        return f"Each model alone has {scores['metric']} {alone}."
    return (
        f"The models that it learnt from have {scores['metric']} {alone}, "
        f"and together {scores['together']:.4g}."
    )


def _format_errors(split: str, diagnosis: dict[str, Any] | None) -> list[str]:
    """Return the part of the card that `evaluation.diagnose` gives; nothing for an old model."""
    if not diagnosis:
        return []
    memory = diagnosis["memory"]
    lines = [
        "",
        "A memory of the training pairs, which answers a source with its commonest target there, "
        f"has an exact match of {memory['value']:.4g} ({memory['low']:.4g} to "
        f"{memory['high']:.4g}): it has seen {100 * diagnosis['seen']:.1f} % of the sources.",
    ]
    if unchanged := diagnosis.get("unchanged"):
        values = " and ".join(
            f"{name} {score['value']:.4g} ({score['low']:.4g} to {score['high']:.4g})"
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
