"""A training run that is looked at afterwards: what it reported, and what came out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveate.bundle import Bundle, load_bundle
from foveate.errors import BundleError
from foveate.insight.run_card import RunCard, draw_run_card
from foveate.training.watching import read_rows

if TYPE_CHECKING:
    from foveate.training.report import Report

LOG = "log.jsonl"
History = dict[str, list[Any]]  # plain values, so that an estimator can be pickled


def begin_history() -> History:
    """Return the history of a run that has not begun."""
    return {"losses": [], "validations": []}


def add_report(history: History, report: Report) -> None:
    """Take in what a run says of its loss and its scores.

    Of an ensemble the last model is kept: every model begins at update 0 again.
    """
    for rows in history.values():
        if rows and rows[-1][0] > report.update and report.kind in ("progress", "validation"):
            rows.clear()
    if report.kind in ("progress", "validation") and report.loss is not None and not report.message:
        history["losses"].append((report.update, report.loss))
    if report.kind == "validation" and report.dev:
        history["validations"].append((report.update, dict(report.dev)))


@dataclass(frozen=True)
class Run:
    """A run in its folder. In a notebook it draws itself: facts, curves, scores.

    Attributes:
        folder: where it is.
        history: `losses` as (update, nats a target token), `validations` as (update, scores on
            dev).
        summary: what training did, by name; empty while it goes on.
        scores: of the finished model on dev, with intervals.

    Example:
        >>> Run(Path("model"), {"losses": [(1, 3.5)], "validations": []})
        <Run in model, not finished, 1 losses>
    """

    folder: Path
    history: History
    summary: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    plan: str = ""
    facts: list[tuple[str, Any]] = field(default_factory=list)

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """Read a run from the folder that `foveate train --out` gave it.

        Raises:
            BundleError: there is no run, or its model is damaged.
        """
        folder = Path(folder)
        history = _read_history(folder / LOG)
        try:
            bundle = load_bundle(folder)
        except BundleError:
            if not history["losses"]:
                raise
            return cls(folder, history)
        summary = bundle.summary
        facts = list_facts(bundle)
        return cls(folder, history, summary.to_dict(), list_scores(bundle), summary.plan, facts)

    def __repr__(self) -> str:
        state = "finished" if self.summary else "not finished"
        return f"<Run in {self.folder}, {state}, {len(self.history['losses'])} losses>"

    def _repr_html_(self) -> str:
        title = self.plan or f"A run in {self.folder} that is not finished"
        return draw_run_card(make_card(title, self.facts, self.history, self.scores))


def make_card(
    title: str, facts: list[tuple[str, Any]], history: History, scores: dict[str, Any]
) -> RunCard:
    """Return what a notebook shows of a run."""
    return RunCard(title, facts, history["losses"], history["validations"], scores)


def list_facts(bundle: Bundle) -> list[tuple[str, Any]]:
    """Return the sizes of a model, and what training did."""
    model, summary = bundle.model, bundle.summary
    sizes = {"hidden_size": "hidden size", "num_layers": "layers", "num_heads": "heads"}
    values = vars(model)
    sides = f"{len(bundle.source_codec.vocabulary):,} and {len(bundle.target_codec.vocabulary):,}"
    return [
        ("architecture", model.architecture),
        *((name, values[key]) for key, name in sizes.items() if values.get(key) is not None),
        ("tokens known, source and target", sides),
        ("parameters", summary.parameters),
        ("training pairs", summary.pairs),
        ("updates", summary.updates),
        ("minutes", summary.minutes),
    ]


def list_scores(bundle: Bundle) -> dict[str, Any]:
    """Return the scores on dev that mean something for its data."""
    scores = bundle.scores.get("dev", {})
    telling = bundle.summary.diagnosis.get("dev", {}).get("telling", scores)
    return {name: score for name, score in scores.items() if name in telling}


def _read_history(path: Path) -> History:
    from foveate.training.report import Report

    history = begin_history()
    for row in read_rows(path):
        try:
            add_report(history, Report(**row))
        except TypeError:  # a row of another version
            continue
    return history
