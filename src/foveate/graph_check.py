"""Look into an ONNX graph of a stranger before ONNX Runtime does, and at what it gives.

ONNX Runtime reads files that a graph names, runs loops without an end, and allocates what it is
told to. An export of Foveate needs none of that, so what is not like an export is refused: other
operators, data outside of the file, functions, loops but one that `steps` bounds, constants of
sizes that the file does not hold.

The file is read with our own `wire.py`, because the libraries that could do it are optional or slow
to load.
Knows ONNX Runtime's sessions only by what they return.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.errors import BundleError, ModelMismatchError
from foveate.wire import Message, Place, Places, WireError, read_message, read_number

# What exports of all architectures consist of; a test makes them all and looks.
OPERATORS = frozenset(
    b"Abs Add ArgMax Cast Clip Concat Constant ConstantOfShape Conv Cos CumSum DequantizeLinear "
    b"Div DynamicQuantizeLinear Einsum Equal Exp Expand Flatten GRU Gather GatherElements Gemm "
    b"Greater Identity IsNaN LSTM LayerNormalization Less LessOrEqual Log LogSoftmax Loop MatMul "
    b"MatMulInteger Max Mod Mul Neg Not Or Pad Pow Range ReduceMax ReduceMean ReduceMin ReduceSum "
    b"Relu Reshape ScatterElements Shape Sigmoid Sin Slice Softmax Softplus Split Sqrt Squeeze Sub "
    b"Tanh TopK Transpose Trilu Unsqueeze Where".split()
)
CONTRIBUTED = frozenset([b"DynamicQuantizeLSTM"])  # of int8, in the domain below
CONTRIBUTED_DOMAIN = b"com.microsoft"
DOMAINS = frozenset([b"", b"ai.onnx", CONTRIBUTED_DOMAIN])
ATTRIBUTES = frozenset(
    b"allowzero alpha axis beta body dilations direction epsilon equation fmod group hidden_size "
    b"keepdims kernel_shape largest linear_before_reset mode pads perm reduction sorted strides to "
    b"transA transB upper value".split()
)
SIZES = {"ConstantOfShape": (0,), "Expand": (1,), "Pad": (1,), "Range": (0, 1, 2)}  # operands
SIZED = {name.encode(): operands for name, operands in SIZES.items()}

MOST_NODES = 20_000
WRITTEN = ("written", "written_log_probs", "written_attention")
SHOWN = frozenset(("log_probs", "attention", *WRITTEN))  # outputs that are no entry of a state
MOST_NUMBERS = 2**24  # that an operator may be told to make by a constant
LARGEST_OPTION = 2**22
MOST_TEXT = 2**16

# Tags are the number of a field times 8 and how it is written: 0 a number, 2 bytes, 5 four bytes.
# True: the field may be there more than once.
MODEL = {0x08: False, 0x12: False, 0x1A: False, 0x22: False, 0x28: False, 0x32: False}
MODEL |= {0x3A: False, 0x42: True, 0x72: True}
GRAPH = {0x0A: True, 0x12: False, 0x2A: True, 0x52: False, 0x5A: True, 0x62: True, 0x6A: True}
NODE = {0x0A: True, 0x12: True, 0x1A: False, 0x22: False, 0x2A: True, 0x32: False, 0x3A: False}
ATTRIBUTE = {0x0A: False, 0x15: False, 0x18: False, 0x22: False, 0x2A: False, 0x32: False}
ATTRIBUTE |= {0x40: True, 0xA0: False}
TENSOR = {0x08: True, 0x10: False, 0x22: False, 0x2A: False, 0x3A: False, 0x42: False, 0x4A: False}
TENSOR |= {0x70: False}
OPSET = {0x0A: False, 0x10: False}
VALUE = {0x0A: False, 0x12: False, 0x1A: False}

ITEM_SIZES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 11: 8}  # by type: float, bytes, integers, bool
OUTPUT = 0x12
NAMES = bytes([0x0A, OUTPUT, 0x1A])  # of the inputs, of the outputs and of a node itself
RAW, FLOATS, INT32, INT64 = 0x4A, 0x22, 0x2A, 0x3A
LOCATION = 0x70  # of the numbers: 0 for the file itself, which some tools write

# Nodes that were found good, but for their names; of a constant, where its value is. Most nodes
# say what one before them said, so that most need not be read: opening a model takes no longer.
_checked: dict[bytes, Place | None] = {}
NOT_CHECKED = (-1, -1)
MOST_CHECKED, LONGEST_CHECKED = 5000, 200


def _remember(tail: bytes, tensor: Place | None) -> None:
    if 0 < len(tail) <= LONGEST_CHECKED:
        if len(_checked) >= MOST_CHECKED:
            _checked.clear()
        _checked[tail] = tensor


def check_graph(graph: bytes, place: str) -> None:
    """Raise unless a graph is like one that Foveate exports.

    Args:
        graph: the ONNX file.
        place: what to call it in an error.

    Raises:
        BundleError: it could read files, run for ever or fill the memory, or is damaged.
    """
    try:
        _Check(graph).check_model()
    except (WireError, IndexError) as error:
        raise BundleError(
            f"{place} is not an export of Foveate: {error}: get or export the model again"
        ) from None


class _Check:
    """One file, and what is known of it so far."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.num_nodes = 0
        self.inputs: set[bytes] = set()
        self.constants: dict[bytes, tuple[bytes, Place]] = {}

    def check_model(self) -> None:
        if self.data[4:8] == b"ORTM":
            raise WireError("it is in ONNX Runtime's own format")
        model = read_message(self.data, (0, len(self.data)), MODEL, "model")
        for opset in model.get(0x42, ()):
            self._check_domain(read_message(self.data, opset, OPSET, "opset").get(0x0A))
        if 0x3A not in model:
            raise WireError("there is no graph in it")
        self._check_graph(model[0x3A][0], is_body=False)

    def _text(self, places: Places | None) -> bytes:
        if not places:
            return b""
        begin, end = places[0]
        if end - begin > MOST_TEXT:
            raise WireError("it has a name that is too long")
        return self.data[begin:end]

    def _check_domain(self, places: Places | None) -> bytes:
        domain = self._text(places)
        if domain not in DOMAINS:
            raise WireError(f"it has operators of another domain, {_show(domain)}")
        return domain

    def _check_graph(self, place: Place, is_body: bool) -> None:
        graph = read_message(self.data, place, GRAPH, "graph")
        if not is_body:
            puts = (read_message(self.data, put, VALUE, "input") for put in graph.get(0x5A, ()))
            self.inputs = {self._text(put.get(0x0A)) for put in puts}
        for tensor in graph.get(0x2A, ()):
            self.constants[self._check_tensor(tensor)] = self.data, tensor
        nodes = graph.get(0x0A, [])
        self.num_nodes += len(nodes)
        if self.num_nodes > MOST_NODES:
            raise WireError(f"it has more than {MOST_NODES:,} operators")
        data = self.data
        for begin, end in nodes:
            start = begin  # of what it says more than its name and those of inputs and outputs
            while start < end and data[start] in NAMES and data[start + 1] < 128:
                start += 2 + data[start + 1]
            tail = data[start:end]
            value = _checked.get(tail, NOT_CHECKED)
            if value == NOT_CHECKED or (value and data[begin] != OUTPUT):
                node = read_message(data, (begin, end), NODE, "operator")
                self._check_node(node, (start, end), nodes, is_body)
            elif value:
                self.constants[self._text_at(begin)] = tail, value

    def _text_at(self, at: int) -> bytes:
        """Return a text of less than 128 bytes from the place where its field begins."""
        return self.data[at + 2 : at + 2 + self.data[at + 1]]

    def _check_node(self, node: Message, tail: Place, nodes: Places, is_body: bool) -> None:
        name = self._text(node.get(0x22))
        domain = self._check_domain(node.get(0x3A)) if 0x3A in node else b""
        if name not in (CONTRIBUTED if domain == CONTRIBUTED_DOMAIN else OPERATORS):
            raise WireError(f"it has the operator {_show(name)}")
        if name == b"Loop":
            self._check_loop(node, nodes, is_body)
        elif name in SIZED:
            for index in SIZED[name]:
                self._check_size(node, index)
        for attribute in node.get(0x2A, ()):
            self._check_attribute(attribute, name, node, tail)
        if name not in SIZED and name not in (b"Loop", b"Constant"):
            _remember(self.data[tail[0] : tail[1]], None)

    def _check_attribute(self, place: Place, operator: bytes, node: Message, tail: Place) -> None:
        found = read_message(self.data, place, ATTRIBUTE, "option")
        name = self._text(found.get(0x0A))
        if name not in ATTRIBUTES:
            raise WireError(f"its {_show(operator)} has the option {_show(name)}")
        for tag in (0x18, 0x40):
            if any(
                LARGEST_OPTION < value < 2**64 - LARGEST_OPTION for value, _ in found.get(tag, ())
            ):
                raise WireError(f"the option {_show(name)} of its {_show(operator)} is too large")
        if 0x2A in found:
            self._check_tensor(found[0x2A][0])
            if operator == b"Constant":
                self.constants[self._text(node.get(OUTPUT))] = self.data, found[0x2A][0]
                begin, end = (at - tail[0] for at in found[0x2A][0])
                _remember(self.data[tail[0] : tail[1]], (begin, end))
        if 0x32 in found:
            if operator != b"Loop":
                raise WireError(f"its {_show(operator)} has a graph of its own")
            self._check_graph(found[0x32][0], is_body=True)

    def _check_tensor(self, place: Place) -> bytes:
        """Check that a constant is no larger than what the file holds of it; return its name."""
        tensor = read_message(self.data, place, TENSOR, "constant")
        size = math.prod(dimension for dimension, _ in tensor.get(0x08, ()))
        kind = tensor[0x10][0][0] if 0x10 in tensor else 0
        if kind not in ITEM_SIZES:
            raise WireError(f"it has a constant of type {kind}")
        if any(location != 0 for location, _ in tensor.get(LOCATION, ())):
            raise WireError("it has a constant whose numbers are in another file")
        written = [(tag, tensor[tag][0]) for tag in (RAW, FLOATS, INT32, INT64) if tag in tensor]
        if len(written) > 1:
            raise WireError("it has a constant with two contents")
        held = 0
        for tag, (begin, end) in written:
            held = end - begin
            if tag in (RAW, FLOATS):
                held //= ITEM_SIZES[kind] if tag == RAW else 4
        if size > held:
            raise WireError(f"it has a constant of {size:,} numbers and holds {held:,} of them")
        return self._text(tensor.get(0x42))

    def _check_loop(self, loop: Message, nodes: Places, is_body: bool) -> None:
        """Check that a loop runs `steps` - 1 times at most, as ours does."""
        if is_body:
            raise WireError("it has a loop in a loop")
        near_steps = [node for node in nodes if b"steps" in self.data[node[0] : node[1]]]
        for node in (read_message(self.data, near, NODE, "operator") for near in near_steps):
            operator, made = self._text(node.get(0x22)), self._texts(node.get(0x12))
            told = self._texts(node.get(0x0A))
            if operator == b"Sub" and made == self._texts(loop.get(0x0A))[:1]:
                is_ours = told[:1] == [b"steps"] and b"steps" in self.inputs
                if is_ours and self._integers(told[1]) == [1]:
                    break
        else:
            raise WireError("it has a loop that `steps` does not bound")
        if self._integers(b"steps") not in (None, [1]):
            raise WireError("it writes more than one token unasked")

    def _texts(self, places: Places | None) -> list[bytes]:
        return [self.data[begin:end] for begin, end in places or ()]

    def _check_size(self, node: Message, index: int) -> None:
        """Check a size that is a constant; what is computed is bounded by `guard_runtime` alone."""
        names = self._texts(node.get(0x0A))
        numbers = self._integers(names[index]) if index < len(names) else None
        if numbers is not None and math.prod(max(1, abs(one)) for one in numbers) > MOST_NUMBERS:
            raise WireError(f"it makes more than {MOST_NUMBERS:,} numbers at once")

    def _integers(self, name: bytes) -> list[int] | None:
        """Return the values of a constant of few integers; None when it is not a constant."""
        if name not in self.constants:
            return None
        data, place = self.constants[name]
        tensor = read_message(data, place, TENSOR, "constant")
        kind = tensor[0x10][0][0]
        written = next((tag for tag in (RAW, INT32, INT64) if tag in tensor), None)
        if kind not in (6, 7) or written is None:
            return []
        begin, end = tensor[written][0]
        if end - begin > MOST_TEXT:
            raise WireError("it has a size with too many axes")
        if written == RAW:
            return list(map(int, np.frombuffer(data[begin:end], f"<i{ITEM_SIZES[kind]}")))
        values = []
        while begin < end:
            value, begin = read_number(data, begin)
            values.append(value - 2**64 if value >= 2**63 else value)
        return values


def _show(name: bytes) -> str:
    """Return a name from a file so that it can stand in a message."""
    return ascii(name[:40].decode("utf-8", errors="replace"))


def guard_runtime(onnxruntime: Any, options: Any) -> None:
    """Keep a session to be made from files and from the last of the memory.

    Args:
        onnxruntime: the library.
        options: of the session.
    """
    # External data is refused before; should it ever slip through, there is nothing to be read.
    nothing = os.path.join(os.devnull, "nothing")  # noqa: PTH118 (a text is wanted)
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", nothing
    )
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if _limit_memory(onnxruntime):
        options.add_session_config_entry("session.use_env_allocators", "1")


@lru_cache(maxsize=1)
def _limit_memory(onnxruntime: Any) -> bool:
    """Let all sessions together have half of the memory; tell whether that could be done."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return False
    kind = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    limit = onnxruntime.OrtArenaCfg({"max_mem": memory // 2})
    try:
        onnxruntime.create_and_register_allocator(kind, limit)
    except Exception:  # the program has registered its own
        return False
    return True


class CheckedSession:
    """A session whose faults are errors of one line.

    Args:
        session: of ONNX Runtime.
        place: what to call the graph in an error.
    """

    def __init__(self, session: Any, place: str) -> None:
        self._session, self.place = session, place
        self.get_inputs, self.get_outputs = session.get_inputs, session.get_outputs
        shapes = {put.name: put.shape for put in session.get_outputs()}
        self.num_tokens = (shapes.get("log_probs") or [0])[-1]

    def run(self, names: list[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the outputs that are named.

        Raises:
            ModelMismatchError: the graph fails, or what it gives cannot be used.
        """
        try:
            outputs: list[NDArray[Any]] = self._session.run(names, feeds)
        except MemoryError:
            raise
        except Exception as error:  # its classes have no common base but this
            reason = " ".join(str(error).split())[:300]
            raise ModelMismatchError(
                f"{self.place} cannot be run on this input: {reason}: export the model again"
            ) from None
        rows = len(feeds["tokens" if "tokens" in feeds else "source"])
        length = feeds["source_mask"].shape[1] if "source_mask" in feeds else 0
        turns = 0
        for name, output in zip(names, outputs, strict=True):
            if name == "written":
                turns = len(output) if 0 < len(output) <= feeds["steps"] else 0
            if name in SHOWN:
                is_right = self._is_right(name, output, (turns, rows, length))
            else:  # an entry of a state
                is_right = output.ndim > 0 and len(output) == rows
            if not is_right:
                raise ModelMismatchError(
                    f"{self.place} gives {name} of a wrong size or kind: get or export "
                    "the model again"
                )
        return outputs

    def _is_right(self, name: str, output: NDArray[Any], sizes: tuple[int, int, int]) -> bool:
        """Tell whether an output has the size that it must: tokens, rows, length of the source."""
        turns, rows, length = sizes
        if name == "log_probs":
            return output.shape == (rows, self.num_tokens) and output.dtype == np.float32
        if name == "attention":
            return output.shape == (rows, length) and output.dtype == np.float32
        if name == "written":
            return output.shape == (turns, rows) and turns > 0 and self._are_ids(output)
        if name == "written_log_probs":
            return output.shape == (turns, rows) and output.dtype == np.float32
        return output.shape == sizes and output.dtype == np.float32

    def _are_ids(self, output: NDArray[Any]) -> bool:
        if output.dtype != np.int64:
            return False
        return bool(output.view(np.uint64).max() < self.num_tokens)  # below 0 is very large
