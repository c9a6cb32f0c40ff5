"""Graphs of strangers: what an export never has is refused before ONNX Runtime sees it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from foveate.errors import BundleError, ModelMismatchError
from foveate.graph_check import CheckedSession, check_graph, guard_runtime
from foveate.graphs import build_graphs, quantize, repeat_steps
from foveate.models import build_model
from foveate.onnx_backend import build_onnx_stepper
from made import make_options

KEPT = Path(__file__).parent / "golden-onnx" / "format-1"
SIZES = {"embedding_size": 6, "hidden_size": 8, "num_heads": 2}


def read(name: str) -> onnx.ModelProto:
    return onnx.load(KEPT / "onnx" / f"{name}.onnx")


@pytest.mark.parametrize(
    "options",
    [
        {"lexicon": True},
        {"architecture": "traditional", "cell": "gru"},
        pytest.param(
            {"architecture": "transformer", "copy": True, "source_window": 3},
            marks=pytest.mark.long,
        ),
    ],
)
def test_exports_pass(options: dict[str, object]) -> None:
    """Those of the other architectures pass in test_onnx.py, whenever a graph is opened."""
    torch.manual_seed(3)
    model = build_model(make_options(**{**SIZES, **options}), 11, 13, False, [1] * 11)
    graphs = build_graphs(model.eval())
    quantized = {name: quantize(graph) for name, graph in graphs.items()}
    for written in (graphs, repeat_steps(graphs), quantized, repeat_steps(quantized)):
        for name, graph in written.items():
            check_graph(graph, name)


def looping() -> onnx.ModelProto:
    kept = {name: read(name).SerializeToString() for name in ("start", "step")}
    return onnx.load_from_string(repeat_steps(kept)["step"])


def node(model: onnx.ModelProto, operator: str) -> onnx.NodeProto:
    return next(one for one in model.graph.node if one.op_type == operator)


def read_other_files(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")


def name_another_place(model: onnx.ModelProto) -> None:
    """0 is the file itself, which is said by some tools and harmless."""
    model.graph.initializer[0].data_location = TensorProto.DEFAULT
    check_graph(model.SerializeToString(), "graph")
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def read_other_files_in_a_constant(model: onnx.ModelProto) -> None:
    tensor = node(model, "Constant").attribute[0].t
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")


def own_function(model: onnx.ModelProto) -> None:
    function = helper.make_function("", "Add", ["x"], ["y"], [], [])
    model.functions.append(function)


def claim_more_numbers(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = 10**12


def name_a_size(operator: str, size: list[int]) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.array(size), "size"))
        inputs = ["size"] if operator == "ConstantOfShape" else ["tokens", "size"]
        model.graph.node.insert(0, helper.make_node(operator, inputs, ["huge"]))

    return change


def count_in_a_loop(model: onnx.ModelProto) -> None:
    """Run as often as a constant says."""
    model.graph.initializer.append(numpy_helper.from_array(np.array(10**12), "often"))
    node(model, "Loop").input[0] = "often"


def take_less_from_steps(model: onnx.ModelProto) -> None:
    one = next(one for one in model.graph.initializer if one.name == "loop.one")
    one.CopyFrom(numpy_helper.from_array(np.array(-(10**12)), "loop.one"))


def write_more_unasked(model: onnx.ModelProto) -> None:
    """What says how many tokens to write may be left out, as in older models."""
    model.graph.initializer.append(numpy_helper.from_array(np.array(1), "steps"))
    check_graph(model.SerializeToString(), "graph")
    model.graph.initializer[-1].CopyFrom(numpy_helper.from_array(np.array(10**12), "steps"))


def make_steps_a_node(model: onnx.ModelProto) -> None:
    """Let a node, not the caller, say how often."""
    model.graph.input.remove(next(one for one in model.graph.input if one.name == "steps"))
    value = numpy_helper.from_array(np.array(10**12), "value")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["steps"], value=value))


def loop_in_the_loop(model: onnx.ModelProto) -> None:
    body = node(model, "Loop").attribute[0].g
    body.node.append(helper.make_node("Loop", ["loop.more", ""], [], body=onnx.GraphProto()))


def if_in_the_loop(model: onnx.ModelProto) -> None:
    body = node(model, "Loop").attribute[0].g
    body.node.append(helper.make_node("If", ["loop.more"], [], then_branch=onnx.GraphProto()))


def foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "RandomNormal"


def foreign_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "ai.onnx.ml"


def foreign_opset(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.evil", 1))


def many_nodes(model: onnx.ModelProto) -> None:
    model.graph.node.extend([node(model, "Add")] * 30_000)


def huge_option(model: onnx.ModelProto) -> None:
    node(model, "Concat").attribute[0].i = 2**40


def sparse_constant(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add().dims.append(10**12)


def text_constant(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("text", TensorProto.STRING, [1], [b"x"]))


HOSTILE = {
    read_other_files: "field 13",
    read_other_files_in_a_constant: "field 13",
    name_another_place: "another file",
    own_function: "field 25",
    claim_more_numbers: "constant of",
    name_a_size("ConstantOfShape", [2**20, 2**20]): "at once",
    name_a_size("Expand", [2**40]): "at once",
    count_in_a_loop: "does not bound",
    take_less_from_steps: "does not bound",
    write_more_unasked: "unasked",
    make_steps_a_node: "does not bound",
    loop_in_the_loop: "loop in a loop",
    if_in_the_loop: "operator 'If'",
    foreign_operator: "operator 'RandomNormal'",
    foreign_domain: "another domain, 'ai.onnx.ml'",
    foreign_opset: "another domain, 'com.evil'",
    many_nodes: "more than 20,000",
    huge_option: "too large",
    sparse_constant: "field 15",
    text_constant: "field 6",
}


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_hostile_graphs_are_refused(change: Callable[[onnx.ModelProto], None]) -> None:
    model = looping()
    check_graph(model.SerializeToString(), "model: onnx/step.onnx")
    change(model)
    with pytest.raises(BundleError, match=HOSTILE[change]) as caught:
        check_graph(model.SerializeToString(), "model: onnx/step.onnx")
    message = str(caught.value)
    assert message.startswith("model: onnx/step.onnx is not an export") and "\n" not in message


def test_a_file_beside_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the check before were missing."""
    model = read("start")
    tensor = model.graph.initializer[0]
    secret = tensor.raw_data
    read_other_files(model)
    (tmp_path / "secret.bin").write_bytes(secret)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="not an export"):
        build_onnx_stepper({"start": model.SerializeToString(), "step": b""})
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    onnxruntime.InferenceSession(model.SerializeToString(), options)  # so it would be
    guard_runtime(onnxruntime, options)
    with pytest.raises(Exception, match=r"(?i)external|null|not"):
        onnxruntime.InferenceSession(model.SerializeToString(), options)


def test_every_cut_and_every_flip_is_read_or_refused() -> None:
    """What the reader accepts, the library reads alike: the same operators."""
    good = looping().SerializeToString()
    accepted = 0
    generator = np.random.default_rng(5)
    for place in generator.integers(0, len(good), 400):
        cut = good[:place]
        flipped = bytearray(good)
        flipped[place] ^= int(generator.integers(1, 256))
        for data in (cut, bytes(flipped)):
            try:
                check_graph(data, "graph")
                accepted += 1
                seen = {one.op_type for one in onnx.load_from_string(data).graph.node}
            except BundleError:
                continue
            except DecodeError:
                continue  # not UTF-8 in a name, which only the library looks at
            assert seen <= {one.op_type for one in onnx.load_from_string(good).graph.node}
    assert accepted > 50


def test_nesting_and_own_formats_are_refused() -> None:
    deep = b""
    for _ in range(3000):
        deep = b"\x32" + length(len(deep)) + deep
    for data in (b"\x3a" + length(len(deep)) + deep, b"\x00\x00\x00\x00ORTM", b"", b"\xff" * 99):
        with pytest.raises(BundleError):
            check_graph(data, "graph")


def length(number: int) -> bytes:
    written = b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


def serve(outputs: dict[str, tuple[int, list[int]]]) -> CheckedSession:
    """Return a session of a graph that makes outputs of given types and shapes."""
    nodes = [
        helper.make_node(
            "ConstantOfShape",
            [f"{name}.shape"],
            [name],
            value=helper.make_tensor("value", kind, [1], [7]),
        )
        for name, (kind, _) in outputs.items()
    ]
    sizes = [
        numpy_helper.from_array(np.array(size), f"{name}.shape")
        for name, (_, size) in outputs.items()
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("tokens", TensorProto.INT64, ["R"])],
        [
            helper.make_tensor_value_info(name, kind, [None] * (len(size) - 1) + [5])
            for name, (kind, size) in outputs.items()
        ],
        sizes,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return CheckedSession(onnxruntime.InferenceSession(model.SerializeToString(), options), "graph")


@pytest.mark.parametrize(
    ("name", "kind", "shape", "is_right"),
    [
        ("log_probs", TensorProto.FLOAT, [2, 5], True),
        ("log_probs", TensorProto.FLOAT, [3, 5], False),
        ("log_probs", TensorProto.FLOAT, [2, 3, 5], False),
        ("log_probs", TensorProto.DOUBLE, [2, 5], False),
        ("next_hidden", TensorProto.FLOAT, [2, 5], True),
        ("next_hidden", TensorProto.FLOAT, [3, 5], False),
    ],
)
def test_what_a_graph_gives_is_looked_at(
    name: str, kind: int, shape: list[int], is_right: bool
) -> None:
    session = serve({name: (kind, shape)})
    feeds = {"tokens": np.zeros(2, np.int64)}
    if is_right:
        assert session.run([name], feeds)[0].shape == tuple(shape)
    else:
        with pytest.raises(ModelMismatchError, match=f"graph gives {name} of a wrong"):
            session.run([name], feeds)


def test_faults_of_a_run_are_errors_of_one_line() -> None:
    session = serve({"log_probs": (TensorProto.FLOAT, [2, 5])})
    for feeds in ({"tokens": np.zeros(2, np.float32)}, {"tokens": np.zeros((2, 2), np.int64)}):
        with pytest.raises(ModelMismatchError, match="cannot be run") as caught:
            session.run(["log_probs"], feeds)
        assert "\n" not in str(caught.value)


def test_a_size_that_is_computed_is_bounded_by_the_memory() -> None:
    """Half of the memory of the machine is the most that all graphs together may have."""
    program = """
import numpy as np, onnxruntime
from onnx import TensorProto, helper, numpy_helper
from pathlib import Path
from foveate.graph_check import check_graph, guard_runtime

graph = helper.make_graph(
    [
        helper.make_node("Mul", ["tokens", "often"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["out"]),
    ],
    "graph",
    [helper.make_tensor_value_info("tokens", TensorProto.INT64, [1])],
    [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    [numpy_helper.from_array(np.array([2**40]), "often")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
check_graph(model.SerializeToString(), "graph")
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
guard_runtime(onnxruntime, options)
session = onnxruntime.InferenceSession(model.SerializeToString(), options)
try:
    session.run(None, {"tokens": np.array([1])})
except Exception as error:
    assert "smaller than requested" in str(error), error
lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
print("refused", int(lines["VmHWM"].split()[0]) < 500_000)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.stdout == "refused True\n", ended.stderr
