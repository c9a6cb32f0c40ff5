"""Greedy search, beam search, sampling and forced decoding, written once over a `Stepper`.

Knows nothing of PyTorch, ONNX, text or files.
"""

from foveate.search.beam import beam_search
from foveate.search.ensemble import EnsembleStepper, join_steppers
from foveate.search.forced import forced_search
from foveate.search.greedy import greedy_search
from foveate.search.hypothesis import Hypothesis
from foveate.search.sampling import sample_search
from foveate.search.stepper import State, Step, Stepper, Writer, Written, best_candidates
from foveate.search.workers import run_all

__all__ = [
    "EnsembleStepper",
    "Hypothesis",
    "State",
    "Step",
    "Stepper",
    "Writer",
    "Written",
    "beam_search",
    "best_candidates",
    "forced_search",
    "greedy_search",
    "join_steppers",
    "run_all",
    "sample_search",
]
