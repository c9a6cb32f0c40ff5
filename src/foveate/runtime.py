"""`runtime.json`: what a decoder in any language needs besides graphs and vocabularies.

docs/bundle.md says what each entry means. Foveate itself reads the limits of decoding from it;
the rest repeats what other files say, in one place and in one notation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from foveate.confidence import read_confidence
from foveate.text.codec import FORMS
from foveate.text.vocabulary import BOS, EOS, PAD, UNK

if TYPE_CHECKING:
    from foveate.bundle import Bundle
    from foveate.text.codec import Codec

RESERVED = {"padding": PAD, "unknown": UNK, "begin": BOS, "end": EOS}
LENGTH_EXTRA = 10  # tokens that every output may have, beyond the ratio


def describe_runtime(bundle: Bundle, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return `runtime.json` as plain values.

    Args:
        bundle: the model.
        files: the other files that it will have.
    """
    is_shared = bundle.is_shared
    sides = {"source": bundle.source_codec, "target": bundle.target_codec}
    described = {
        side: _describe_side(codec, "shared" if is_shared else side, files)
        for side, codec in sides.items()
    }
    return {
        "reserved": RESERVED,
        **described,
        "source_case": "keep" if bundle.text.source_case == "auto" else bundle.text.source_case,
        "length_ratio": bundle.decoding.length_ratio,
        "length_extra": LENGTH_EXTRA,
        "longest_source": bundle.decoding.longest_source,
        "confidence": bundle.decoding.confidence and bundle.decoding.confidence.to_dict(),
        "stand_ins": list(bundle.decoding.stand_ins),
        "memory": "memory.json" if "memory.json" in files else None,
        "words": "words.json" if "words.json" in files else None,
        "models": _describe_graphs(bundle.graphs),
    }


def _describe_side(codec: Codec, stem: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    subwords = f"{stem}.sentencepiece.model"
    return {
        "tokens": codec.kind,
        "normalization": FORMS.get(codec.normalization, "none"),
        "written": "NFC" if codec.normalization == "decomposed" else None,
        "vocabulary": f"{stem}.vocabulary.txt",
        "size": len(codec.vocabulary),
        "subwords": subwords if subwords in files else None,
    }


def _describe_graphs(graphs: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Return the graphs of each model that decides, and what goes in and comes out."""
    prefixes = sorted({name.rpartition(".")[0] for name in graphs}, key=lambda name: int(name or 0))
    return [
        {
            graph: {
                "file": f"onnx/{name}.onnx",
                **dict(zip(("inputs", "outputs"), read_signature(graphs[name]), strict=True)),
            }
            for graph in ("start", "step")
            if (name := f"{prefix}.{graph}" if prefix else graph) in graphs
        }
        for prefix in prefixes
    ]


def read_runtime(data: bytes) -> dict[str, Any]:
    """Return the limits of decoding, and how sure one may be of an output.

    Raises:
        ValueError: a value is missing or makes no sense, or other ids are reserved.
    """
    values = json.loads(data)
    if not isinstance(values, dict) or values.get("reserved") != RESERVED:
        raise ValueError("other ids are reserved than in this Foveate")
    ratio, longest = values.get("length_ratio"), values.get("longest_source")
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 <= ratio < 10**6:
        raise ValueError(f"length_ratio {ratio!r:.20} is not a ratio")
    if isinstance(longest, bool) or not isinstance(longest, int) or not 0 <= longest < 10**9:
        raise ValueError(f"longest_source {longest!r:.20} is not a length")
    stand_ins = values.get("stand_ins", [])
    if not isinstance(stand_ins, list) or not all(isinstance(one, str) for one in stand_ins):
        raise ValueError("stand_ins are not a list of tokens")
    return {
        "length_ratio": float(ratio),
        "longest_source": longest,
        "confidence": read_confidence(values.get("confidence")),
        "stand_ins": tuple(stand_ins),
    }


# --- names of what goes into a graph and comes out ------------------------------------------------
# An ONNX file is a Protocol Buffers message; four of its fields hold these names. Reading them here
# needs no library, so that every model that is saved can say them.

GRAPH_FIELD, INPUT_FIELD, OUTPUT_FIELD, NAME_FIELD = 7, 11, 12, 1


def read_signature(graph: bytes) -> tuple[list[str], list[str]]:
    """Return the names of the inputs and of the outputs of an ONNX file.

    Raises:
        ValueError: the file is damaged.
    """
    body = next((part for field, part in _fields(graph) if field == GRAPH_FIELD), b"")
    names: dict[int, list[str]] = {INPUT_FIELD: [], OUTPUT_FIELD: []}
    for field, part in _fields(body):
        if field in names:
            name = next((inner for inner, text in _fields(part) if inner == NAME_FIELD), None)
            text = next((text for inner, text in _fields(part) if inner == NAME_FIELD), b"")
            if name is not None:
                names[field].append(bytes(text).decode())
    return names[INPUT_FIELD], names[OUTPUT_FIELD]


def _fields(message: bytes | memoryview) -> Any:
    """Yield the fields of a message that hold bytes, by their number."""
    view, at = memoryview(message), 0
    while at < len(view):
        key, at = _read_number(view, at)
        kind = key & 7
        if kind == 2:
            size, at = _read_number(view, at)
            yield key >> 3, view[at : at + size]
            at += size
        elif kind == 0:
            _, at = _read_number(view, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError("is not an ONNX file")


def _read_number(view: memoryview, at: int) -> tuple[int, int]:
    number = 0
    for place in range(10):
        if at >= len(view):
            raise ValueError("is not an ONNX file")
        byte, at = view[at], at + 1
        number |= (byte & 127) << (7 * place)
        if byte < 128:
            return number, at
    raise ValueError("is not an ONNX file")
