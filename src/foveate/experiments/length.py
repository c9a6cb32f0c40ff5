"""Does quality fall as the source grows, and does attention stop the fall?"""

from __future__ import annotations

from foveate.experiments.experiment import Budget, Experiment, Findings, Report


def run(budget: Budget, report: Report) -> Findings:
    """Train three models in equal minutes, and compare them by source length."""
    raise NotImplementedError


LENGTH = Experiment(
    name="length",
    title="Long inputs: one vector or attention",
    question=(
        "A traditional encoder-decoder squeezes the whole source into one vector. "
        "Does its quality fall as the source grows? Does attention stop the fall?"
    ),
    minutes=9,
    run=run,
)
