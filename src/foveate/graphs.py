"""Write a model as ONNX graphs, which need neither PyTorch nor our code for its architecture.

`start` encodes the sources, `step` writes tokens. Their inputs and outputs are named after the keys
of the decoder's state (docs/decisions/0004). Knows nothing of architectures: which axes of the
state vary is found by running the model on two sizes.
"""

from __future__ import annotations

import logging
import math
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import foveate.torch_loading  # noqa: F401  # isort: skip  # before torch
import torch
from torch import Tensor, nn

from foveate.models.attention import mean_head
from foveate.models.decoders import State
from foveate.models.seq2seq import Seq2SeqModel
from foveate.onnx_backend import (
    LAST,
    NEXT,
    START,
    STEP,
    STEPS,
    WRITTEN,
    WRITTEN_ATTENTION,
    WRITTEN_LOG_PROBS,
)
from foveate.text.vocabulary import BOS, EOS

OPSET = 18
LARGEST_TABLE = 2**20  # numbers of a table of products that may be written
LEAST_STORED = 1024  # numbers of a weight for which 8 bits are worth two nodes
QUANTIZED = ["MatMul", "LSTM", "Gather"]  # a Gemm becomes a MatMul on the way

Axes = dict[int, str]


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


def repeat_steps(graphs: Mapping[str, bytes]) -> dict[str, bytes]:
    """Let every `step` of these graphs, finished otherwise, write several tokens."""
    return {
        name: repeat_step(graph) if name.rpartition(".")[2] == STEP else graph
        for name, graph in graphs.items()
    }


def repeat_step(graph: bytes) -> bytes:
    """Let a graph that writes one token write up to `steps` of them, greedily.

    The first step is the graph as it was, with its outputs. The others are a copy of it in a loop,
    which reads the same weights; that spares the way to Python and back after every token. With one
    step the loop has no turns. It ends early when every row has written EOS; what a row writes
    after its own EOS means nothing.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_from_string(graph)
    put = {value.name: value for value in [*model.graph.input, *model.graph.output]}
    moving = [name.removeprefix(NEXT) for name in put if name.startswith(NEXT)]
    int64, float32 = TensorProto.INT64, TensorProto.FLOAT
    kept = {WRITTEN: ("token", int64), WRITTEN_LOG_PROBS: ("log_prob", float32)}
    if "attention" in put:
        kept[WRITTEN_ATTENTION] = ("attention", float32)
    step = [*model.graph.node, *_take_best()]
    whole = helper.make_graph(
        [*step, *_loop_nodes(_loop_body(step, put, moving, kept), moving, kept)],
        "steps",
        [helper.make_tensor_value_info(STEPS, TensorProto.INT64, []), *model.graph.input],
        [
            *model.graph.output,
            *(_rename(put[NEXT + name], LAST + name) for name in moving),
            *(helper.make_tensor_value_info(name, kind, None) for name, (_, kind) in kept.items()),
        ],
        [*model.graph.initializer, *_loop_constants()],
    )
    finished = helper.make_model(
        whole, opset_imports=model.opset_import, ir_version=model.ir_version
    )
    return bytes(finished.SerializeToString())


def _take_best() -> list[Any]:
    """Return nodes that take the most probable token, and tell whether it is EOS."""
    from onnx.helper import make_node as node

    return [
        node("Slice", ["log_probs", "loop.eos", "loop.end", "loop.axis"], ["allowed"]),
        node("ArgMax", ["allowed"], ["best"], axis=1, keepdims=0),
        node("Add", ["best", "loop.eos"], ["token"]),
        node("ReduceMax", ["allowed", "loop.axis"], ["log_prob"], keepdims=0),
        node("Equal", ["token", "loop.eos"], ["is_end"]),
    ]


def _loop_constants() -> list[Any]:
    from onnx import numpy_helper

    numbers: dict[str, Any] = {
        "one": 1,
        "front": [0],
        "eos": [EOS],
        "end": [np.iinfo(np.int64).max],
        "axis": [1],
        "zero": np.int32(0),
    }
    return [
        numpy_helper.from_array(np.asarray(number), f"loop.{name}")
        for name, number in numbers.items()
    ]


def _loop_body(
    step: list[Any], put: dict[str, Any], moving: list[str], kept: Mapping[str, tuple[str, int]]
) -> Any:
    """Return what the loop does at a turn: a copy of the step, fed with what the last one made."""
    from onnx import TensorProto, helper

    node, value = helper.make_node, helper.make_tensor_value_info
    return helper.make_graph(
        [
            *_copy_nodes(step, {"tokens", *moving}),
            node("Identity", ["again.token"], ["again.following"]),
            node("Or", ["again.is_end", "again.had_ended"], ["again.has_ended"]),
            *_any_left("again.has_ended", "again.goes_on"),
        ],
        "one_more",
        [
            value("again.index", TensorProto.INT64, []),
            value("again.went_on", TensorProto.BOOL, []),
            _rename(put["tokens"], "again.tokens"),
            value("again.had_ended", TensorProto.BOOL, ["R"]),
            *(_rename(put[name], f"again.{name}") for name in moving),
        ],
        [
            value("again.goes_on", TensorProto.BOOL, []),
            value("again.following", TensorProto.INT64, ["R"]),
            value("again.has_ended", TensorProto.BOOL, ["R"]),
            *(_rename(put[NEXT + name], f"again.{NEXT}{name}") for name in moving),
            *(value(f"again.{name}", kind, None) for name, kind in kept.values()),
        ],
    )


def _loop_nodes(body: Any, moving: list[str], kept: Mapping[str, tuple[str, int]]) -> list[Any]:
    """Return the loop, and what joins the first step with its turns."""
    from onnx.helper import make_node as node

    first = ["loop.more", "loop.goes_on", "token", "is_end", *(NEXT + name for name in moving)]
    last = ["loop.token", "loop.has_ended", *(LAST + name for name in moving)]
    nodes = [
        node("Sub", [STEPS, "loop.one"], ["loop.more"]),
        *_any_left("is_end", "loop.goes_on"),
        node("Loop", first, [*last, *(f"loop.{name}" for name in kept)], body=body),
    ]
    for name, (of_first, _) in kept.items():
        nodes += [
            node("Unsqueeze", [of_first, "loop.front"], [f"first.{name}"]),
            node("Concat", [f"first.{name}", f"loop.{name}"], [name], axis=0),
        ]
    return nodes


def _rename(one: Any, name: str) -> Any:
    """Return the description of an input or output under another name."""
    renamed = type(one)()
    renamed.CopyFrom(one)
    renamed.name = name
    return renamed


def _copy_nodes(nodes: list[Any], fed_back: set[str]) -> list[Any]:
    """Copy nodes; what they make, and what is fed back to them, is called `again.` there."""
    own = fed_back | {name for one in nodes for name in one.output}
    copies = []
    for one in nodes:
        copied = _rename(one, f"again.{one.name}" if one.name else "")
        copied.input[:] = [f"again.{name}" if name in own else name for name in one.input]
        copied.output[:] = [f"again.{name}" for name in one.output]
        copies.append(copied)
    return copies


def _any_left(has_ended: str, out: str) -> list[Any]:
    """Return nodes that tell whether a row has not ended."""
    from onnx import TensorProto, helper

    count, all_have = f"{out}.count", f"{out}.all"
    return [
        helper.make_node("Cast", [has_ended], [count], to=TensorProto.INT32),
        helper.make_node("ReduceMin", [count], [all_have], keepdims=0),
        helper.make_node("Equal", [all_have, "loop.zero"], [out]),
    ]


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


def store_in_8_bits(graph: bytes) -> bytes:
    """Keep the large weights in 8 bits in the file; what computes them back makes floats of them.

    A weight is q s: q has 8 bits, and all that stand along the longest axis share a scale s. ONNX
    Runtime multiplies once, when it opens the file. Unlike the sums of `quantize`, these are of the
    row alone: what stands beside it in a batch does not change it.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(graph)
    nodes = []
    for constant in [one for one in model.graph.initializer if _is_large(one)]:
        name, weight = constant.name, numpy_helper.to_array(constant)
        largest = np.abs(weight).max(int(np.argmax(weight.shape)), keepdims=True)
        scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
        small = np.rint(weight / scale).astype(np.int8)
        constant.CopyFrom(numpy_helper.from_array(small, f"{name}.int8"))
        model.graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
        nodes += [
            helper.make_node("Cast", [f"{name}.int8"], [f"{name}.float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}.float", f"{name}.scale"], [name]),
        ]
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


def _is_large(constant: Any) -> bool:
    from onnx import TensorProto

    is_weight = constant.data_type == TensorProto.FLOAT and len(constant.dims) > 1
    return is_weight and math.prod(constant.dims) >= LEAST_STORED


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
