"""One search for every way of decoding, written once over a `Stepper`.

Greedy, beam, sampled, forced and constrained decoding are queries of `search`. Knows nothing of
PyTorch, ONNX, text or files.
"""

from foveate.search.core import search
from foveate.search.ensemble import EnsembleStepper, join_steppers
from foveate.search.hypothesis import Hypothesis, Node
from foveate.search.query import Query
from foveate.search.stepper import (
    Capabilities,
    State,
    Step,
    Stepper,
    Writer,
    Written,
    best,
    best_candidates,
)
from foveate.search.workers import run_all

__all__ = [
    "Capabilities",
    "EnsembleStepper",
    "Hypothesis",
    "Node",
    "Query",
    "State",
    "Step",
    "Stepper",
    "Writer",
    "Written",
    "best",
    "best_candidates",
    "join_steppers",
    "run_all",
    "search",
]
