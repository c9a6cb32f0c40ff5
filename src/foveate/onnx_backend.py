"""`OnnxStepper`: an exported model behind the `Stepper` that search sees, without PyTorch.

Two graphs stand for a model: `start` encodes the sources, `step` writes one token. The keys of the
decoder's state are the names of their inputs and outputs, so this file does not know what kind of
model it runs. Knows no text.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.environment import added_variables
from foveate.errors import BundleError, MissingExtraError, ModelMismatchError
from foveate.graph_check import CheckedSession, check_graph, guard_runtime
from foveate.search.ensemble import join_steppers
from foveate.search.hypothesis import find_lowest
from foveate.search.stepper import Capabilities, Step, Stepper, Written, best_candidates

START, STEP = "start", "step"
NEXT = "next_"  # what an entry of the state is called as an output of the step
LAST = "last_"  # and what it is called after several steps
STEPS = "steps"  # how many tokens the step may write; older models write one
WRITTEN, WRITTEN_LOG_PROBS = "written", "written_log_probs"
WRITTEN_ATTENTION = "written_attention"
ERRORS_ONLY = 3
SILENT = {"ORT_DISABLE_TELEMETRY": "1"}  # read when ONNX Runtime is loaded
ROUNDING = 0.01  # of a log-probability, by which it may be above 0

Entries = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class State:
    """The decoder's state of R rows.

    A beam mostly permutes rows of the same source; `fixed` need not be copied then.

    Attributes:
        owners: [R] the source that a row belongs to.
        fixed: entries that depend on the source alone.
        moving: entries that every step replaces.
        attention: whether attention weights are wanted.
    """

    owners: NDArray[np.int64]
    fixed: Entries
    moving: Entries
    attention: bool


class OnnxStepper:
    """Step an exported model with ONNX Runtime.

    Sessions may be run by several threads at a time, each on its own processor core.

    Args:
        start: session of the graph `source`, `source_mask` -> first state.
        step: session of the graph `tokens`, state -> `log_probs`, `attention`, changed state.
    """

    def __init__(self, start: CheckedSession, step: CheckedSession) -> None:
        self._start, self._step = start, step
        self.num_tokens = step.num_tokens
        self._first = [output.name for output in start.get_outputs()]
        outputs = [output.name for output in step.get_outputs()]
        self._moving = [name.removeprefix(NEXT) for name in outputs if name.startswith(NEXT)]
        inputs = [put.name for put in step.get_inputs()]
        self._fixed = [name for name in inputs if name not in ("tokens", STEPS, *self._moving)]
        self.capabilities = Capabilities(
            has_attention="attention" in outputs, can_choose=True, can_write=WRITTEN in outputs
        )

    def start(
        self, source: NDArray[np.int64], source_mask: NDArray[np.bool_], *, attention: bool
    ) -> State:
        """Encode the sources [B, S]; attention weights, when wanted, are means over the heads."""
        feeds = {"source": source, "source_mask": source_mask}
        entries = dict(zip(self._first, self._start.run(self._first, feeds), strict=True))
        entries["source_mask"] = source_mask
        return State(
            np.arange(len(source)),
            {name: entries[name] for name in self._fixed},
            {name: entries[name] for name in self._moving},
            attention and self.capabilities.has_attention,
        )

    def step(self, state: State, tokens: NDArray[np.int64], k: int | None) -> Step:
        """Return the k best next tokens of every row, or all of them in the order of their ids."""
        feeds = {"tokens": tokens, **self._steps(1)}
        following, found = self._run(state, feeds, ["log_probs"], "attention")
        log_probs = found["log_probs"]
        self._check_scores(log_probs)
        if k is None:
            ids = np.broadcast_to(np.arange(log_probs.shape[1]), log_probs.shape)
        else:
            ids, log_probs = best_candidates(log_probs, k)
        return Step(following, ids, log_probs, found.get("attention"))

    def _steps(self, number: int) -> Entries:
        """Return the input that says how many tokens to write; a graph without a loop has none."""
        return {STEPS: np.array(number)} if self.capabilities.can_write else {}

    def _check_scores(self, log_probs: NDArray[np.float32]) -> None:
        """Raise unless these may be log-probabilities; what is chosen of them hides the others."""
        if log_probs.max() <= ROUNDING:
            return
        find_lowest(log_probs)  # says so if they are not numbers
        raise ModelMismatchError(
            f"{self._step.place} gives log_probs above 0: get or export the model again"
        )

    def _run(
        self,
        state: State,
        feeds: Entries,
        wanted: list[str],
        attention: str,
        following: str = NEXT,
    ) -> tuple[State, Entries]:
        """Return the state that follows, and the outputs that are wanted."""
        wanted = [*wanted, *(following + name for name in self._moving)]
        if state.attention:
            wanted.append(attention)
        outputs = self._step.run(wanted, {**feeds, **state.fixed, **state.moving})
        found = dict(zip(wanted, outputs, strict=True))
        moving = {name: found[following + name] for name in self._moving}
        return State(state.owners, state.fixed, moving, state.attention), found

    def reorder(self, state: State, rows: NDArray[np.int64]) -> State:
        """Pick rows, in the given order, with repetition."""
        owners, fixed = state.owners[rows], state.fixed
        if not np.array_equal(owners, state.owners):
            fixed = _take(fixed, rows)
        return State(owners, fixed, _take(state.moving, rows), state.attention)


class OnnxWriter(OnnxStepper):
    """A stepper whose graph can write several tokens in one call."""

    def write(self, state: State, tokens: NDArray[np.int64], steps: int) -> Written:
        """Write up to `steps` tokens greedily, fewer when every row has written EOS."""
        feeds = {"tokens": tokens, **self._steps(steps)}
        wanted = [WRITTEN, WRITTEN_LOG_PROBS]
        following, found = self._run(state, feeds, wanted, WRITTEN_ATTENTION, LAST)
        self._check_scores(found[WRITTEN_LOG_PROBS])
        return Written(
            following, found[WRITTEN], found[WRITTEN_LOG_PROBS], found.get(WRITTEN_ATTENTION)
        )


def _take(entries: Entries, rows: NDArray[np.int64]) -> Entries:
    return {name: array.take(rows, axis=0) for name, array in entries.items()}


def build_onnx_stepper(
    graphs: Mapping[str, bytes], *, num_tokens: int | None = None, origin: str = "model"
) -> Stepper:
    """Build a stepper from the two graphs of a bundle, or from two of each member of an ensemble.

    Args:
        graphs: the files `start` and `step`; in an ensemble `0.start`, `0.step`, `1.start`, ...
        num_tokens: of the target vocabulary, which the graphs have to score; None: any number.
        origin: what to call the model in an error.

    Raises:
        BundleError: a graph is missing, damaged, or not one of ours.
        MissingExtraError: ONNX Runtime is not installed.
    """
    prefixes = sorted({name.rpartition(".")[0] for name in graphs}) or [""]
    members = [_build_member(graphs, f"{prefix}." * bool(prefix), origin) for prefix in prefixes]
    scored = [member.num_tokens if num_tokens is None else num_tokens for member in members[:1]]
    for prefix, member in zip(prefixes, members, strict=True):
        if member.num_tokens not in scored:
            raise BundleError(
                f"{origin}: onnx/{prefix}{'.' * bool(prefix)}{STEP}.onnx scores "
                f"{member.num_tokens} tokens, not {scored[0]}: it is of another vocabulary"
            )
    return join_steppers(members)


def _build_member(graphs: Mapping[str, bytes], prefix: str, origin: str) -> OnnxStepper:
    start = _open_session(graphs, prefix + START, origin)
    step = _open_session(graphs, prefix + STEP, origin)
    given = {output.name for output in start.get_outputs()} | {"source_mask", "tokens"}
    taken = {put.name for put in step.get_inputs()} - {STEPS}
    written = {output.name for output in step.get_outputs()}
    if not {"source", "source_mask"} >= {put.name for put in start.get_inputs()}:
        raise BundleError(f"{origin}: onnx/{START}.onnx is not the start of a Foveate model")
    if not {"tokens"} <= taken <= given or "log_probs" not in written:
        raise BundleError(f"{origin}: onnx/{STEP}.onnx does not go with onnx/{START}.onnx")
    kind = OnnxWriter if WRITTEN in written else OnnxStepper
    return kind(start, step)


def optimize_graph(graph: bytes) -> bytes:
    """Return a graph with all computed that does not depend on its inputs; check it before."""
    onnxruntime = _load_runtime()
    options = onnxruntime.SessionOptions()
    guard_runtime(onnxruntime, options)
    # No more than this: the rest may suit the processor here.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = ERRORS_ONLY
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return path.read_bytes()


def _load_runtime() -> Any:
    """Import ONNX Runtime so that it reports to nobody.

    Else it keeps a number of the user in the home folder, and tells its makers what happens. A
    program that has imported it before has its own way.
    """
    try:
        with added_variables(SILENT):
            import onnxruntime
    except ImportError:
        raise MissingExtraError("ONNX Runtime", "all", "running an exported model") from None
    return onnxruntime


def _open_session(graphs: Mapping[str, bytes], name: str, origin: str) -> CheckedSession:
    onnxruntime = _load_runtime()
    if name not in graphs:
        raise BundleError(f"{origin}: onnx/{name}.onnx is missing from the model")
    place = f"{origin}: onnx/{name}.onnx"
    check_graph(graphs[name], place)
    options = onnxruntime.SessionOptions()
    guard_runtime(onnxruntime, options)
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    try:
        session = onnxruntime.InferenceSession(
            graphs[name], options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its classes have no common base but this
        reason = " ".join(str(error).split())
        raise BundleError(
            f"{place} is damaged, or too new for the ONNX Runtime here: {reason}"
        ) from None
    return CheckedSession(session, place)
