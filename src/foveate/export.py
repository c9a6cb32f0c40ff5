"""Export a trained model: a bundle that runs without PyTorch, checked before it is written.

`graphs.py` writes the graphs; here they are compared with PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from foveate.backends import build_torch_members
from foveate.bundle import Bundle, load_bundle, save_bundle
from foveate.counted import counted
from foveate.data.batching import collate_sources
from foveate.errors import (
    BundleError,
    ConfigError,
    ExportError,
    MissingExtraError,
    ModelMismatchError,
)
from foveate.graphs import build_graphs, quantize, repeat_steps, store_in_8_bits
from foveate.onnx_backend import build_onnx_stepper
from foveate.own_code import attention_path
from foveate.personal import leave_out_texts, tell_texts
from foveate.records import Translation
from foveate.search import Hypothesis, Query, Stepper, Writer, join_steppers, search
from foveate.text.memory import Memory
from foveate.text.vocabulary import BOS, EOS, UNK
from foveate.translator import Translator
from foveate.wishes import DEFAULT_BEAM_SIZE

TOLERANCE = 1e-4  # largest difference, absolute up to 1 and relative beyond
CHECKED_SIZES = ((1, 1, 3), (2, 7, 5), (5, 23, 11), (3, 61, 7))  # rows, source length, steps
GREEDY_SOURCES, GREEDY_LENGTH = 64, 24
CLEAR_MARGIN = 1e-3  # by which the best output has to lead

Sources = tuple[NDArray[np.int64], NDArray[np.bool_]]


@dataclass(frozen=True)
class Exported:
    """What an export came to.

    Attributes:
        size: bytes of the two graphs.
        difference: largest difference from PyTorch in a log-probability or attention weight, as
            floats; 8 bits start from these graphs.
        agreement: share of greedy outputs of the model of 8 bits that are PyTorch's; else None.
        remembered: entries of the memory that are kept.
    """

    size: int
    difference: float
    agreement: float | None
    remembered: int = 0


def export_bundle(
    model: str | Path,
    out: str | Path,
    *,
    int8: bool = False,
    int8_weights: bool = False,
    trim_memory: bool = False,
    no_examples: bool = False,
    trust_code: bool = False,
    report: Callable[[str], None] | None = None,
) -> Exported:
    """Write a bundle that runs on ONNX Runtime alone, without PyTorch.

    Both models step through the same random inputs of several sizes, and through the dev sources
    that the model carries. Every log-probability and attention weight has to agree within 1e-4;
    otherwise nothing is written.

    Args:
        model: folder of a trained model.
        out: folder to make for the exported one.
        int8: keep the large weights in 8 bits and compute with them: smaller, and not exactly the
            same model; what stands beside a text in a batch may change its output.
        int8_weights: keep the large weights in 8 bits, and compute in floats.
        trim_memory: leave out of the memory what the exported model writes without it.
        no_examples: leave out its user's texts: sources of dev, errors in the card, memory.
        trust_code: the attention of somebody's own that the model names may be imported.
        report: is told what was found, a line at a time.

    Raises:
        BundleError: the model is damaged, or `out` is taken.
        ConfigError: both kinds of 8 bits are asked for.
        ModelMismatchError: the model is an exported one already, or needs code that is not
            trusted.
        MissingExtraError: the package `onnx` is not installed.
        ExportError: the exported model does not do what the original does, or its attention is
            made of what an exported model may not have.
    """
    if int8 and int8_weights:
        raise ConfigError("int8 and int8_weights are two ways to keep 8 bits: choose one")
    if find_spec("onnx") is None:
        raise MissingExtraError("onnx", "export", "exporting a model")
    say = report or (lambda line: None)
    bundle = load_bundle(model)
    if Path(out).exists() and (not Path(out).is_dir() or any(Path(out).iterdir())):
        raise BundleError(f"{out}: is there already and not empty: choose another folder")
    if not bundle.weights:
        raise ModelMismatchError(f"{model}: is an exported model already; export the original")
    sizes = (len(bundle.source_codec.vocabulary), len(bundle.target_codec.vocabulary))
    members = build_torch_members(bundle, trust_code=trust_code, origin=str(model))
    plain = {
        f"{number}.{name}" if len(members) > 1 else name: graph
        for number, member in enumerate(members)
        for name, graph in build_graphs(member.model).items()
    }
    graphs = repeat_steps(plain)
    original = join_steppers(members)
    exported = _open_graphs(graphs, bundle)
    examples = encode_examples(bundle)
    difference = max(compare_steps(original, exported, sizes), compare_strides(exported, sizes[0]))
    if examples is not None:
        difference = max(difference, compare_writing(original, exported, *examples))
    if not difference <= TOLERANCE:
        raise ExportError(
            f"{model}: the exported model differs from PyTorch by {difference:.2g} "
            f"(allowed: {TOLERANCE:g}); nothing was written"
        )
    inputs = "random inputs" if examples is None else f"{counted(len(examples[0]), 'dev source')}"
    say(f"agrees with PyTorch on {inputs}: nothing differs by more than {difference:.1g}")
    carried = leave_out_texts(bundle) if no_examples else bundle
    if line := tell_texts(carried, no_examples):
        say(line)
    kind, agreement = f"float32, within {difference:.1g} of PyTorch", None
    if int8 or int8_weights:
        graphs = _shrink(plain, graphs, is_computed=int8)
        generator = np.random.default_rng(2)
        compared = examples or _random_sources(generator, GREEDY_SOURCES, GREEDY_LENGTH, sizes[0])
        agreement = compare_outputs(original, build_onnx_stepper(graphs), *compared)
        name = "int8" if int8 else "int8 weights"
        kind = f"{name}, {agreement:.1%} of greedy outputs as PyTorch's"
        say(f"{name}: {agreement:.1%} of the greedy outputs for {inputs} agree")
    summary = replace(carried.summary, exported=kind)
    small = replace(carried, weights={}, graphs=graphs, summary=summary)
    if trim_memory and small.decoding.memory:
        say(_trim_memory(small))
    save_bundle(small, out)
    size = sum(map(len, graphs.values()))
    return Exported(size, difference, agreement, len(small.decoding.memory))


def _trim_memory(bundle: Bundle) -> str:
    """Keep the exceptions alone in the memory of a bundle, and say how many they are."""
    kept, count = find_exceptions(bundle), len(bundle.decoding.memory)
    bundle.decoding = replace(bundle.decoding, memory=kept)
    bundle.summary.memory = len(kept) or None
    return f"memory: {len(kept):,} of {count:,} kept; the model writes the others itself"


def _shrink(
    plain: Mapping[str, bytes], graphs: Mapping[str, bytes], *, is_computed: bool
) -> dict[str, bytes]:
    """Return graphs with weights of 8 bits, which they compute with or make floats of."""
    if is_computed:
        return repeat_steps({name: quantize(graph) for name, graph in plain.items()})
    return {name: store_in_8_bits(graph) for name, graph in graphs.items()}


def find_exceptions(bundle: Bundle) -> Memory:
    """Return those entries of a memory that the model of the bundle does not write without it.

    With them alone it answers each source of the memory as it would with all. What it writes by a
    narrow margin is kept: another machine may round to the other side.
    """
    memory = bundle.decoding.memory
    translator = Translator.from_bundle(
        replace(bundle, decoding=replace(bundle.decoding, memory={}))
    )
    written = set(memory)
    for beam_size in (DEFAULT_BEAM_SIZE, 1):
        asked = [source for source in memory if source in written]
        found = translator.translate(asked, beam_size=beam_size, n_best=min(beam_size, 2))
        written = {
            source
            for source, one in zip(asked, found, strict=True)
            if one.text == memory[source] and _is_clear(one)
        }
    return {source: target for source, target in memory.items() if source not in written}


def _is_clear(best: Translation) -> bool:
    return best.is_finished and all(
        best.rank_score - other.rank_score >= CLEAR_MARGIN for other in best.alternatives
    )


def _open_graphs(graphs: Mapping[str, bytes], bundle: Bundle) -> Stepper:
    try:
        return build_onnx_stepper(graphs)
    except BundleError as error:
        path = attention_path(bundle.model)
        if not path:
            raise
        reason = str(error).split(": ")[2]
        raise ExportError(
            f"the attention {path} cannot be exported: {reason}, which no exported model may have: "
            "write it with other operations; nothing was written"
        ) from None


def compare_steps(original: Stepper, exported: Stepper, vocabulary_sizes: tuple[int, int]) -> float:
    """Return the largest difference between two steppers, step by step on random tokens.

    Each has its own state, from the first step to the last; half-way, rows are dropped and
    repeated as a beam does it.
    """
    generator = np.random.default_rng(1)
    largest = 0.0
    for rows, length, steps in CHECKED_SIZES:
        source, mask = _random_sources(generator, rows, length, vocabulary_sizes[0])
        states = [stepper.start(source, mask, attention=True) for stepper in (original, exported)]
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


def compare_strides(exported: Stepper, source_size: int) -> float:
    """Return the largest difference between several tokens in one call and as many calls."""
    generator = np.random.default_rng(3)
    largest = 0.0
    if not exported.capabilities.can_write:
        return largest
    writer = cast(Writer, exported)
    for rows, length, steps in CHECKED_SIZES:
        source = _random_sources(generator, rows, length, source_size)
        tokens = np.full(rows, BOS, np.int64)
        written = writer.write(writer.start(*source, attention=True), tokens, steps)
        state = exported.start(*source, attention=True)
        for index, ids in enumerate(written.ids):
            step = exported.step(state, tokens, 1)
            if not np.array_equal(step.ids[:, 0], ids):
                return float("inf")
            largest = max(largest, _distance(step.log_probs[:, 0], written.log_probs[index]))
            looks = None if written.attention is None else written.attention[index]
            largest = max(largest, _distance(step.attention, looks))
            state, tokens = step.state, ids
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
    texts = bundle.summary.examples
    encoded = [ids for ids in bundle.source_codec.encode_many(texts) if ids]
    return collate_sources(encoded) if encoded else None


def compare_writing(
    original: Stepper, exported: Stepper, source: NDArray[np.int64], mask: NDArray[np.bool_]
) -> float:
    """Return the largest difference while both write what the original writes greedily."""
    written = _translate(original, source, mask)
    rows = np.array([row for row, one in enumerate(written) if one.ids], np.int64)
    targets = [written[row].ids for row in rows]
    both = (_score(one, source[rows], mask[rows], targets) for one in (original, exported))
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
    queries = [Query(max_length=2 * length + 10) for length in mask.sum(axis=1).tolist()]
    return [found[0] for found in search(stepper, source, mask, queries)]


def _score(
    stepper: Stepper,
    source: NDArray[np.int64],
    mask: NDArray[np.bool_],
    targets: list[list[int]],
) -> list[Hypothesis]:
    queries = [Query(max_length=len(target), target=tuple(target)) for target in targets]
    return [found[0] for found in search(stepper, source, mask, queries)]
