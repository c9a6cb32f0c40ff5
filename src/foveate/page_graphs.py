"""Graphs as a page carries them: optimised beforehand, their weights in 8 bits beside them.

A browser takes seconds to optimise a graph for which Python takes half a second. So it is done when
the page is made. That unpacks the weights of 8 bits: their floats are cut out of the optimised
graph again, and the page fills these holes as it opens the graph. The floats are equal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.graph_check import DOMAINS, GRAPH, MODEL, OPSET, RAW, TENSOR
from foveate.onnx_backend import optimize_graph
from foveate.wire import Place, read_message

GRAPHS, OPSETS, INITIALIZERS, DOMAIN, NAME, SHAPE = 0x3A, 0x42, 0x2A, 0x0A, 0x42, 0x08
SMALL, SCALE = ".int8", ".scale"  # what an export calls both factors of a weight


@dataclass(frozen=True, slots=True)
class Hole:
    """Where the floats of a weight are missing: float i is integer i times a scale.

    Attributes:
        at: the place of the first byte in the whole file.
        size: number of floats.
        inner: how many floats in a row have the same scale.
        scales: the scales, again and again.
    """

    at: int
    size: int
    inner: int
    scales: list[float]


def pack_graph(name: str, graph: bytes) -> dict[str, bytes]:
    """Return the files that a page has instead of a graph.

    They are `name` without the floats of weights of 8 bits, the integers of these weights as
    `name.int8`, and the holes as `name.json`.
    """
    whole = drop_domains(optimize_graph(graph))
    found = sorted(_find_weights(graph, whole), key=lambda one: one[0].at)
    kept, end = [], 0
    holes, numbers = [], []
    for hole, small in found:
        if hole.at >= end:
            kept.append(whole[end : hole.at])
            end = hole.at + 4 * hole.size
            holes.append(asdict(hole))
            numbers.append(small.tobytes())
    told = {"size": len(whole), "holes": holes}
    return {
        name: b"".join([*kept, whole[end:]]),
        f"{name}.int8": b"".join(numbers),
        f"{name}.json": json.dumps(told).encode(),
    }


def drop_domains(graph: bytes) -> bytes:
    """Return a graph that names no sets of operators but those that exports use.

    ONNX Runtime names all that it has. The one of the page may be older.
    """
    model = read_message(graph, (0, len(graph)), MODEL, "model")
    for begin, end in reversed(model[OPSETS]):
        opset = read_message(graph, (begin, end), OPSET, "opset")
        name = b"".join(graph[slice(*place)] for place in opset.get(DOMAIN, ()))
        if name not in DOMAINS:
            graph = graph[: begin - 2] + graph[end:]  # its tag and its length are a byte each
    return graph


def _find_weights(graph: bytes, whole: bytes) -> Iterator[tuple[Hole, NDArray[np.int8]]]:
    """Yield the weights of 8 bits of a graph whose floats are in its optimised form."""
    tensors = _read_tensors(graph)
    for name, small in tensors.items():
        scale = tensors.get(name.removesuffix(SMALL) + SCALE)
        if not name.endswith(SMALL) or scale is None or not _is_weight(small, scale):
            continue
        at = whole.find((small.astype(np.float32) * scale).tobytes())
        if at >= 0:
            axes = [axis for axis, size in enumerate(scale.shape) if size > 1]
            inner = math.prod(small.shape[axes[0] + 1 :]) if axes else small.size
            yield Hole(at, small.size, inner, scale.ravel().tolist()), small


def _is_weight(small: NDArray[Any], scale: NDArray[Any]) -> bool:
    """Say whether these are integers and their scales, which lie along one axis."""
    sizes = [size for size in scale.shape if size > 1]
    return (
        small.size > 0
        and small.dtype == np.int8
        and scale.dtype == np.float32
        and len(scale.shape) == len(small.shape)
        and len(sizes) <= 1
        and all(one in (1, all_of) for one, all_of in zip(scale.shape, small.shape, strict=True))
    )


def _read_tensors(graph: bytes) -> dict[str, NDArray[Any]]:
    """Return the constants of a graph by name, those of floats and of 8 bits."""
    model = read_message(graph, (0, len(graph)), MODEL, "model")
    found = read_message(graph, model[GRAPHS][0], GRAPH, "graph")
    return dict(_read_tensor(graph, place) for place in found.get(INITIALIZERS, ()))


def _read_tensor(graph: bytes, place: Place) -> tuple[str, NDArray[Any]]:
    tensor = read_message(graph, place, TENSOR, "constant")
    name = graph[slice(*tensor[NAME][0])].decode(errors="replace")
    kinds: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 3: np.dtype("int8")}
    kind = kinds.get(tensor[0x10][0][0])
    if kind is None or RAW not in tensor:
        return name, np.zeros(0)
    shape = [size for size, _ in tensor.get(SHAPE, ())]
    return name, np.frombuffer(graph[slice(*tensor[RAW][0])], kind).reshape(shape)
