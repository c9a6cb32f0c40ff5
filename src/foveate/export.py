"""Export a trained model: a bundle that runs without PyTorch, checked before it is written.

The model becomes two ONNX graphs, `start` and `step`, whose inputs and outputs are named after the
keys of the decoder's state (docs/decisions/0004). Knows nothing of architectures: which axes of
the state vary is found by running the model on two sizes.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foveate.bundle import Bundle, load_bundle, save_bundle
from foveate.data.batching import collate_sources
from foveate.errors import BundleError, ExportError, MissingExtraError, ModelMismatchError
from foveate.models.attention import mean_head
from foveate.models.decoders import State
from foveate.models.seq2seq import Seq2SeqModel
from foveate.onnx_backend import NEXT, START, STEP, build_onnx_stepper
from foveate.search import Hypothesis, Stepper, forced_search, greedy_search, join_steppers
from foveate.text.vocabulary import BOS, EOS, UNK
from foveate.translator import build_torch_members

OPSET = 18
TOLERANCE = 1e-4  # largest difference, absolute up to 1 and relative beyond
CHECKED_SIZES = ((1, 1, 3), (2, 7, 5), (5, 23, 11), (3, 61, 7))  # rows, source length, steps
GREEDY_SOURCES, GREEDY_LENGTH = 64, 24
LARGEST_TABLE = 2**20  # numbers of a table of products that may be written
QUANTIZED = ["MatMul", "LSTM", "Gather"]  # a Gemm becomes a MatMul on the way

Axes = dict[int, str]
Sources = tuple[NDArray[np.int64], NDArray[np.bool_]]


@dataclass(frozen=True)
class Exported:
    """What an export came to.

    Attributes:
        size: bytes of the two graphs.
        difference: largest difference from PyTorch in a log-probability or attention weight, as
            floats; int8 starts from these graphs.
        agreement: share of greedy outputs of the int8 model that are PyTorch's; None without
            int8.
    """

    size: int
    difference: float
    agreement: float | None


def export_bundle(
    model: str | Path,
    out: str | Path,
    *,
    int8: bool = False,
    report: Callable[[str], None] | None = None,
) -> Exported:
    """Write a bundle that runs on ONNX Runtime alone, without PyTorch.

    Both models step through the same random inputs of several sizes, and through the dev sources
    that the model carries. Every log-probability and attention weight has to agree within 1e-4;
    otherwise nothing is written.

    Args:
        model: folder of a trained model.
        out: folder to make for the exported one.
        int8: keep the large weights in 8 bits: smaller, and not exactly the same model.
        report: is told what was found, a line at a time.

    Raises:
        BundleError: the model is damaged, or `out` is taken.
        ModelMismatchError: the model is an exported one already.
        MissingExtraError: the package `onnx` is not installed.
        ExportError: the exported model does not do what the original does.
    """
    if find_spec("onnx") is None:
        raise MissingExtraError("onnx", "export", "exporting a model")
    say = report or (lambda line: None)
    bundle = load_bundle(model)
    if Path(out).exists() and (not Path(out).is_dir() or any(Path(out).iterdir())):
        raise BundleError(f"{out}: is there already and not empty: choose another folder")
    if not bundle.weights:
        raise ModelMismatchError(f"{model}: is an exported model already; export the original")
    sizes = (len(bundle.source_codec.vocabulary), len(bundle.target_codec.vocabulary))
    members = build_torch_members(bundle, origin=str(model))
    graphs = {
        f"{number}.{name}" if len(members) > 1 else name: graph
        for number, member in enumerate(members)
        for name, graph in build_graphs(member.model).items()
    }
    original = join_steppers(members)
    exported = build_onnx_stepper(graphs)
    examples = encode_examples(bundle)
    difference = compare_steps(original, exported, sizes)
    if examples is not None:
        difference = max(difference, compare_writing(original, exported, *examples))
    if not difference <= TOLERANCE:
        raise ExportError(
            f"{model}: the exported model differs from PyTorch by {difference:.2g} "
            f"(allowed: {TOLERANCE:g}); nothing was written"
        )
    inputs = "random inputs" if examples is None else f"{len(examples[0])} dev sources"
    say(f"agrees with PyTorch on {inputs}: nothing differs by more than {difference:.1g}")
    kind, agreement = f"float32, within {difference:.1g} of PyTorch", None
    if int8:
        graphs = {name: quantize(graph) for name, graph in graphs.items()}
        generator = np.random.default_rng(2)
        compared = examples or _random_sources(generator, GREEDY_SOURCES, GREEDY_LENGTH, sizes[0])
        agreement = compare_outputs(original, build_onnx_stepper(graphs), *compared)
        kind = f"int8, {agreement:.1%} of greedy outputs as PyTorch's"
        say(f"int8: {agreement:.1%} of the greedy outputs for {inputs} agree")
    summary = {**bundle.summary, "exported": kind}
    save_bundle(replace(bundle, weights={}, graphs=graphs, summary=summary), out)
    return Exported(sum(map(len, graphs.values())), difference, agreement)


# --- writing graphs -------------------------------------------------------------------------------


class StartGraph(nn.Module):
    """`source`, `source_mask` -> the entries of the first state, but not the mask itself."""

    def __init__(self, model: Seq2SeqModel, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, source: Tensor, source_mask: Tensor) -> tuple[Tensor, ...]:
        """Encode."""
        state = self.model.start(source, source_mask)
        return tuple(state[name] for name in self.names)


class StepGraph(nn.Module):
    """`tokens` and the state -> `log_probs`, `attention`, and the entries that change."""

    def __init__(self, model: Seq2SeqModel, names: list[str], changed: list[str]) -> None:
        super().__init__()
        self.model, self.names, self.changed = model, names, changed

    def forward(self, tokens: Tensor, *entries: Tensor) -> tuple[Tensor, ...]:
        """Write one token."""
        state = dict(zip(self.names, entries, strict=True))
        logits, attention, following = self.model.step(tokens, state)
        shown = () if attention is None else (mean_head(attention),)
        changed = tuple(following[name] for name in self.changed)
        return (torch.log_softmax(logits, dim=-1), *shown, *changed)


@torch.no_grad()
def build_graphs(model: Seq2SeqModel) -> dict[str, bytes]:
    """Write a model as the files of its two graphs."""
    model.eval()
    first, small, _ = _run(model, rows=2, length=3, steps=1)
    start, state, attention = _run(model, rows=3, length=5, steps=2)
    names = list(state)
    changed = [name for name in names if state[name] is not start[name]]
    axes = {name: _varying_axes(small[name], state[name]) for name in names}
    source, source_mask = _example(rows=3, length=5)
    encoded = [name for name in names if name != "source_mask"]
    both = {name: {0: "B", 1: "S"} for name in ("source", "source_mask")}
    start_graph = _write(
        StartGraph(model, encoded),
        (source, source_mask),
        list(both),
        encoded,
        {**both, **{name: _varying_axes(first[name], start[name]) for name in encoded}},
    )
    shown = {} if attention is None else {"attention": {0: "R", 1: "S"}}
    outputs = {"log_probs": {0: "R"}, **shown, **{NEXT + name: axes[name] for name in changed}}
    step_graph = _write(
        StepGraph(model, names, changed),
        (torch.tensor([BOS, EOS, BOS]), *state.values()),
        ["tokens", *names],
        list(outputs),
        {"tokens": {0: "R"}, **axes, **outputs},
    )
    return {START: start_graph, STEP: fold_embedding(step_graph)}


def _example(rows: int, length: int) -> tuple[Tensor, Tensor]:
    source_mask = torch.ones(rows, length, dtype=torch.bool)
    source_mask[0, -1] = False
    return torch.full((rows, length), EOS) * source_mask, source_mask


def _run(
    model: Seq2SeqModel, rows: int, length: int, steps: int
) -> tuple[State, State, Tensor | None]:
    """Return the first state, the state after some steps, and the attention of the last."""
    start = model.start(*_example(rows, length))
    state, attention = start, None
    for _ in range(steps):
        _, attention, state = model.step(torch.full((rows,), BOS), state)
    return start, state, attention


def _varying_axes(small: Tensor, large: Tensor) -> Axes:
    """Name the axes that differ between two sizes: rows, source length, or steps so far."""
    names = {(2, 3): "R", (3, 5): "S", (1, 2): "T"}
    both = enumerate(zip(small.shape, large.shape, strict=True))
    return {axis: names[pair] for axis, pair in both if pair in names}


def _write(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    input_names: list[str],
    output_names: list[str],
    axes: dict[str, Axes],
) -> bytes:
    with tempfile.TemporaryDirectory() as folder, _without_noise():
        path = Path(folder) / "graph.onnx"
        torch.onnx.export(
            module,
            inputs,
            path,
            input_names=input_names,
            output_names=output_names,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,  # docs/decisions/0009
        )
        return path.read_bytes()


def fold_embedding(graph: bytes) -> bytes:
    """Multiply the embedding table by the weights that read nothing but a token, once for all.

    The product of step and layer is a row of E W^T + b then. Large tables stay as they are: the
    file would be larger, and reading a row no faster than the product.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(graph)
    constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    tables = {
        node.output[0]: node
        for node in model.graph.node
        if node.op_type == "Gather" and node.input[0] in constants and node.input[1] == "tokens"
    }
    for node in model.graph.node:
        options = {option.name: option for option in node.attribute}
        is_product = node.op_type == "Gemm" and options["transB"].i == 1
        if not is_product or node.input[0] not in tables or node.input[2] not in constants:
            continue
        embedding, weight, bias = (
            constants[name]
            for name in (tables[node.input[0]].input[0], node.input[1], node.input[2])
        )
        if len(embedding) * len(weight) > LARGEST_TABLE:
            continue
        table = (embedding @ weight.T + bias).astype(np.float32)
        name = f"{node.input[1]}.of_tokens"
        model.graph.initializer.append(numpy_helper.from_array(table, name))
        node.CopyFrom(onnx.helper.make_node("Gather", [name, "tokens"], list(node.output)))
    used = {name for node in model.graph.node for name in node.input}
    for constant in [one for one in model.graph.initializer if one.name not in used]:
        model.graph.initializer.remove(constant)
    for node in [one for one in model.graph.node if not used.intersection(one.output)]:
        if not {put.name for put in model.graph.output}.intersection(node.output):
            model.graph.node.remove(node)
    return bytes(model.SerializeToString())


def quantize(graph: bytes) -> bytes:
    """Keep the weights of matrix products, LSTMs and embeddings in 8 bits; sums stay floats.

    The numbers are unsigned: on processors without VNNI, signed ones overflow in the product.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, _without_noise():
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            onnx.load_from_string(graph),
            path,
            op_types_to_quantize=QUANTIZED,
            weight_type=QuantType.QUInt8,
            extra_options={"MatMulConstBOnly": True},
        )
        return path.read_bytes()


@contextmanager
def _without_noise() -> Iterator[None]:
    """Silence what tracer and quantizer say of sizes and steps; the comparison is the check."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


# --- checking them --------------------------------------------------------------------------------


def compare_steps(original: Stepper, exported: Stepper, vocabulary_sizes: tuple[int, int]) -> float:
    """Return the largest difference between two steppers, step by step on random tokens.

    Each has its own state, from the first step to the last; half-way, rows are dropped and
    repeated as a beam does it.
    """
    generator = np.random.default_rng(1)
    largest = 0.0
    for rows, length, steps in CHECKED_SIZES:
        source, mask = _random_sources(generator, rows, length, vocabulary_sizes[0])
        states = [stepper.start(source, mask) for stepper in (original, exported)]
        tokens = np.full(rows, BOS, np.int64)
        for index in range(steps):
            if index == steps // 2:
                order = generator.integers(0, rows, rows + 1)
                states = [original.reorder(states[0], order), exported.reorder(states[1], order)]
                tokens = tokens[order]
            ours = original.step(states[0], tokens, None)
            theirs = exported.step(states[1], tokens, None)
            largest = max(largest, _distance(ours.log_probs, theirs.log_probs))
            largest = max(largest, _distance(ours.attention, theirs.attention))
            states = [ours.state, theirs.state]
            tokens = generator.integers(UNK, vocabulary_sizes[1], len(tokens))
    return largest


def _random_sources(generator: np.random.Generator, rows: int, length: int, size: int) -> Sources:
    """Draw ids from the whole vocabulary; the first row is full, the others are shorter."""
    lengths = generator.integers(1, length + 1, rows)
    lengths[0] = length
    mask = np.arange(length) < lengths[:, None]
    source = generator.integers(min(EOS + 1, size - 1), size, (rows, length))
    return source * mask, mask


def _distance(ours: NDArray[np.float32] | None, theirs: NDArray[np.float32] | None) -> float:
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else float("inf")
    if ours.shape != theirs.shape:
        return float("inf")
    difference = float((np.abs(ours - theirs) / np.maximum(np.abs(ours), 1)).max())
    return difference if np.isfinite(difference) else float("inf")


def encode_examples(bundle: Bundle) -> Sources | None:
    """Return the dev sources that a model carries, as ids and mask; None when it has none."""
    texts = bundle.summary.get("examples", [])
    encoded = [ids for ids in bundle.source_codec.encode_many(texts) if ids]
    return collate_sources(encoded) if encoded else None


def compare_writing(
    original: Stepper, exported: Stepper, source: NDArray[np.int64], mask: NDArray[np.bool_]
) -> float:
    """Return the largest difference while both write what the original writes greedily."""
    written = _translate(original, source, mask)
    rows = np.array([row for row, one in enumerate(written) if one.ids], np.int64)
    targets = [written[row].ids for row in rows]
    both = (forced_search(one, source[rows], mask[rows], targets) for one in (original, exported))
    return max(
        (
            max(_distance(*_log_probs(pair)), _distance(pair[0].attention, pair[1].attention))
            for pair in zip(*both, strict=True)
        ),
        default=0.0,
    )


def _log_probs(pair: tuple[Hypothesis, Hypothesis]) -> list[NDArray[np.float32]]:
    return [np.array([*one.token_log_probs, one.score], np.float32) for one in pair]


def compare_outputs(
    original: Stepper, exported: Stepper, source: NDArray[np.int64], mask: NDArray[np.bool_]
) -> float:
    """Return the share of sources whose greedy outputs are the same."""
    pairs = zip(*(_translate(one, source, mask) for one in (original, exported)), strict=True)
    return float(np.mean([ours.ids == theirs.ids for ours, theirs in pairs]))


def _translate(
    stepper: Stepper, source: NDArray[np.int64], mask: NDArray[np.bool_]
) -> list[Hypothesis]:
    return greedy_search(stepper, source, mask, max_lengths=2 * mask.sum(axis=1) + 10)
