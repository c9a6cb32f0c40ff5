"""Exported models: what PyTorch computes, in PyTorch's absence, or an error that says why not."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import foveate
from foveate.bundle import load_bundle, save_bundle
from foveate.bundle_files import identify
from foveate.cli import main
from foveate.config import Config
from foveate.data.table import PairTable
from foveate.errors import (
    BundleError,
    ConfigError,
    MissingExtraError,
    ModelMismatchError,
    SearchError,
)
from foveate.estimator import Seq2Seq
from foveate.export import compare_strides, compare_writing, export_bundle
from foveate.files import hash_file
from foveate.graphs import build_graphs, fold_embedding, quantize, repeat_steps, store_in_8_bits
from foveate.models import build_model
from foveate.onnx_backend import OnnxStepper, OnnxWriter, build_onnx_stepper
from foveate.search import Hypothesis, Stepper
from foveate.search.workers import granted_threads
from foveate.text.codec import Codec
from foveate.text.vocabulary import BOS, EOS, RESERVED, Vocabulary
from foveate.torch_backend import TorchStepper
from foveate.training.run import train
from foveate.translator import Translator
from made import make_options, mark_others
from models_naive import randomise
from test_search import beam_search, greedy_search

SOURCE_SIZE, TARGET_SIZE = 11, 13
SIZES = {"embedding_size": 6, "hidden_size": 8, "num_heads": 2, "dropout": 0.0, "ngram_rows": 64}
MODELS = {
    "gnmt additive": {"attention_score": "additive", "num_layers": 3},
    "gnmt dot, GRU": {"attention_score": "dot", "cell": "gru"},
    "luong general": {"layout": "luong", "attention_score": "general", "num_heads": 1},
    "luong feeding": {"layout": "luong", "attention_score": "scaled_dot", "input_feeding": True},
    "bahdanau, LSTM": {"layout": "bahdanau", "num_layers": 1},
    "bahdanau, GRU": {"layout": "bahdanau", "cell": "gru", "num_layers": 1},
    "traditional, LSTM": {"architecture": "traditional"},
    "traditional, GRU": {"architecture": "traditional", "cell": "gru"},
    "transformer": {"architecture": "transformer"},
    "gnmt, n-grams": {"source_ngrams": 5},
    "transformer, window, n-grams": {
        "architecture": "transformer",
        "source_window": 3,
        "source_ngrams": 3,
    },
    "gnmt location": {"location_window": 5},
    "bahdanau location": {"layout": "bahdanau", "num_layers": 1, "location_window": 3},
    "gnmt copying": {"copy": True},
    "luong entmax": {"layout": "luong", "attention_weights": "entmax"},
    "bahdanau copying": {"layout": "bahdanau", "num_layers": 1, "copy": True},
    "transformer copying": {"architecture": "transformer", "copy": True},
}
TWINS = [1, 1, 1, 1, 9, 12, 1, 4, 4, 7, 11]  # what is copied for each source id
HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "format-1"
FORMATS = ("format-1", "format-2")  # in which models were exported once, and are kept
QUICK = (
    "gnmt additive",
    "bahdanau, GRU",
    "traditional, GRU",
    "transformer, window, n-grams",
    "gnmt copying",
)
each_model = pytest.mark.parametrize("name", mark_others(MODELS, QUICK))


@cache
def all_three(name: str) -> tuple[TorchStepper, Stepper, Stepper]:
    """Return a model with random weights behind PyTorch, and behind graphs with and without loop.

    Those without are what was exported before there were loops.
    """
    torch.manual_seed(3)
    made = make_options(**{**SIZES, **MODELS[name]})
    model = build_model(made, SOURCE_SIZE, TARGET_SIZE, False, TWINS)
    randomise(model)
    graphs = build_graphs(model.eval())
    looping = build_onnx_stepper(repeat_steps(graphs))
    return TorchStepper(model), looping, build_onnx_stepper(graphs)


@cache
def plain_graphs() -> dict[str, bytes]:
    """Return the graphs, without a loop, of a plain model."""
    torch.manual_seed(3)
    return build_graphs(build_model(make_options(**SIZES), 11, 13, False).eval())


def both(name: str) -> tuple[TorchStepper, Stepper]:
    return all_three(name)[:2]


def sources(rows: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(rows)
    lengths = generator.integers(1, length + 1, rows)
    lengths[-1] = length
    mask = np.arange(length) < lengths[:, None]
    return generator.integers(4, SOURCE_SIZE, (rows, length)) * mask, mask


@each_model
@pytest.mark.parametrize(("rows", "length", "steps"), [(1, 1, 2), (5, 3, 7), (2, 17, 3)])
def test_graphs_do_what_pytorch_does(name: str, rows: int, length: int, steps: int) -> None:
    source, mask = sources(rows, length)
    generator = np.random.default_rng(7)
    steppers: tuple[Stepper, Stepper] = both(name)
    states = [stepper.start(source, mask, attention=True) for stepper in steppers]
    tokens = np.full(rows, BOS)
    for index in range(steps):
        if index == 1:
            chosen = generator.integers(0, rows, rows + 2)
            states = [s.reorder(t, chosen) for s, t in zip(steppers, states, strict=True)]
            tokens = tokens[chosen]
        k = None if index % 2 else 4
        ours, theirs = (s.step(t, tokens, k) for s, t in zip(steppers, states, strict=True))
        np.testing.assert_array_equal(theirs.ids, ours.ids)
        np.testing.assert_allclose(theirs.log_probs, ours.log_probs, atol=1e-4)
        assert (theirs.attention is None) == name.startswith("traditional")
        if ours.attention is not None:
            assert theirs.attention is not None
            np.testing.assert_allclose(theirs.attention, ours.attention, atol=1e-5)
            np.testing.assert_allclose(theirs.attention.sum(axis=1), 1, atol=1e-5)
        states = [ours.state, theirs.state]
        tokens = generator.integers(1, TARGET_SIZE, len(tokens))


def assert_same(ours: list[Hypothesis], theirs: list[Hypothesis]) -> None:
    assert [one.ids for one in ours] == [one.ids for one in theirs]
    np.testing.assert_allclose([one.score for one in ours], [one.score for one in theirs], 0, 1e-4)


@each_model
def test_searches_find_the_same(name: str) -> None:
    ours, theirs = both(name)
    source, mask = sources(5, 7)
    assert_same(
        greedy_search(ours, source, mask, max_lengths=9),
        greedy_search(theirs, source, mask, max_lengths=9),
    )
    beams = [
        beam_search(stepper, source, mask, beam_size=3, n_best=2, max_lengths=9)
        for stepper in (ours, theirs)
    ]
    for one, other in zip(*beams, strict=True):
        assert_same(one, other)


@each_model
@pytest.mark.parametrize("rows", [1, 6])
def test_several_tokens_in_one_call_are_those_of_several_calls(name: str, rows: int) -> None:
    _, looping, plain = all_three(name)
    assert isinstance(looping, OnnxWriter) and looping.capabilities.can_write
    assert isinstance(plain, OnnxStepper) and not plain.capabilities.can_write
    source, mask = sources(rows, 9)
    limits = np.arange(rows) % 7 + 1 if rows > 1 else [11]
    ours, theirs = (
        greedy_search(one, source, mask, max_lengths=limits) for one in (looping, plain)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert (one.ids, one.is_finished) == (other.ids, other.is_finished)
        np.testing.assert_allclose(one.token_log_probs, other.token_log_probs, atol=1e-6)
        np.testing.assert_allclose(one.score, other.score, atol=1e-5)
        assert (one.attention is None) == (other.attention is None)
        if one.attention is not None and other.attention is not None:
            assert one.attention.shape == (len(one.ids), mask[ours.index(one)].sum())
            np.testing.assert_allclose(one.attention, other.attention, atol=1e-6)
    assert compare_strides(looping, SOURCE_SIZE) < 1e-6


def test_a_graph_stops_when_every_row_has_ended() -> None:
    torch.manual_seed(3)
    model = build_model(make_options(**SIZES), SOURCE_SIZE, TARGET_SIZE, False)
    with torch.no_grad():
        model.output_bias[EOS] = 50
    stepper = build_onnx_stepper(repeat_steps(build_graphs(model.eval())))
    assert isinstance(stepper, OnnxWriter)
    written = stepper.write(stepper.start(*sources(3, 5), attention=True), np.full(3, BOS), 20)
    assert written.ids.tolist() == [[EOS] * 3]


def test_a_loop_that_does_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    stepper = both("gnmt additive")[1]
    assert isinstance(stepper, OnnxWriter)
    write = stepper.write

    monkeypatch.setattr(stepper, "write", lambda *given: replace(w := write(*given), ids=w.ids + 1))
    assert compare_strides(stepper, SOURCE_SIZE) == float("inf")
    monkeypatch.setattr(
        stepper, "write", lambda *given: replace(w := write(*given), log_probs=w.log_probs - 0.5)
    )
    assert compare_strides(stepper, SOURCE_SIZE) > 0.1


@each_model
def test_batch_mates_change_nothing(name: str) -> None:
    stepper = both(name)[1]
    source, mask = sources(5, 11)
    together = greedy_search(stepper, source, mask, max_lengths=7)
    for row, found in enumerate(together):
        length = mask[row].sum()
        alone = source[row : row + 1, :length], mask[row : row + 1, :length]
        assert_same([found], greedy_search(stepper, *alone, max_lengths=7))


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "folds"),
    [
        ("gnmt additive", True),
        ("transformer", False),
        ("luong general", True),
    ],
)
def test_small_products_of_the_embedding_are_written_down(
    name: str, folds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(3)
    model = build_model(make_options(**{**SIZES, **MODELS[name]}), SOURCE_SIZE, TARGET_SIZE, False)
    model.eval()

    def step_constants() -> dict[str, list[int]]:
        graph = onnx.load_from_string(build_graphs(model)["step"]).graph
        used = {put for node in graph.node for put in node.input}
        assert used >= {one.name for one in graph.initializer}
        return {one.name: list(one.dims) for one in graph.initializer}

    tables = [dims for key, dims in step_constants().items() if key.endswith("of_tokens")]
    assert tables == [[TARGET_SIZE, 4 * SIZES["hidden_size"]]] * folds
    too_small = TARGET_SIZE * 4 * SIZES["hidden_size"] - 1
    monkeypatch.setitem(fold_embedding.__globals__, "LARGEST_TABLE", too_small)
    assert not [key for key in step_constants() if key.endswith("of_tokens")]


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_workers_change_nothing(exported: Path, backend: str) -> None:
    path = GOLDEN if backend == "torch" else exported
    texts = ["abc", "", "c", "bca", "aab", "ccc", "b"]
    before = torch.get_num_threads()
    expected = list(Translator.load(path, threads=1).translate(texts, beam_size=2))
    translator = Translator.load(path, threads=3)
    assert translator.threads == 3
    found = list(translator.translate(texts, beam_size=2, batch_tokens=8))
    assert torch.get_num_threads() == before
    for ours, theirs in zip(expected, found, strict=True):
        assert ours.text == theirs.text
        assert abs(ours.score - theirs.score) < 1e-4


def test_attention_is_left_out_when_it_is_not_wanted() -> None:
    source, mask = sources(2, 3)
    tokens = np.full(2, BOS)
    for stepper in all_three("gnmt additive"):
        shown, silent = (
            stepper.step(stepper.start(source, mask, attention=wanted), tokens, 1)
            for wanted in (True, False)
        )
        assert shown.attention is not None and silent.attention is None
        following = stepper.step(stepper.reorder(silent.state, np.array([1])), tokens[:1], 1)
        assert following.attention is None
        np.testing.assert_array_equal(shown.ids, silent.ids)


def test_how_many_tokens_to_write_is_a_real_input() -> None:
    """What may be left out is an initializer to onnxruntime-web, which refuses to be fed one."""
    graphs = repeat_steps(plain_graphs())
    graph = onnx.load_from_string(graphs["step"]).graph
    assert "steps" in {put.name for put in graph.input}
    assert not {put.name for put in graph.input} & {one.name for one in graph.initializer}


def test_graphs_that_need_not_be_told_how_many_tokens_go_on_working() -> None:
    """That is how models were exported at first."""
    graphs = repeat_steps(plain_graphs())
    older = onnx.load_from_string(graphs["step"])
    older.graph.initializer.append(onnx.numpy_helper.from_array(np.array(1), "steps"))
    found = [
        greedy_search(build_onnx_stepper({**graphs, "step": step}), *sources(3, 5), max_lengths=7)
        for step in (graphs["step"], older.SerializeToString())
    ]
    assert_same(*found)


# --- bundles --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx") / "exported"
    lines: list[str] = []
    found = export_bundle(GOLDEN, folder, report=lines.append)
    assert found.difference < 1e-5
    assert found.agreement is None
    assert len(lines) == 1 and "agrees" in lines[0]
    assert [entry.name for entry in folder.parent.iterdir()] == ["exported"]
    return folder


@pytest.mark.parametrize("kept", [None, *FORMATS])
def test_an_exported_bundle_translates_as_its_original(exported: Path, kept: str | None) -> None:
    translator = Translator.load(HERE / "golden-onnx" / kept if kept else exported, threads=1)
    assert isinstance(translator.stepper, OnnxStepper)
    trained = HERE / "golden" / kept if kept else GOLDEN
    expected = json.loads(trained.with_suffix(".json").read_text())
    texts = [row["source"] for row in expected]
    for row, found in zip(expected, translator.translate(texts), strict=True):
        assert found.text == row["text"]
        assert found.score == pytest.approx(row["score"], abs=1e-4)
        if row["attention"]:
            np.testing.assert_allclose(found.attention, row["attention"], atol=1e-4)
    pairs = [(row["source"], row["text"]) for row in expected if row["text"]]
    original = Translator.load(trained, threads=1)
    for ours, theirs in zip(
        original.score_pairs(pairs), translator.score_pairs(pairs), strict=True
    ):
        assert theirs.score == pytest.approx(ours.score, abs=1e-4)
        np.testing.assert_allclose(theirs.attention, ours.attention, atol=1e-4)


def test_an_exported_bundle_is_whole_and_has_no_weights(exported: Path, tmp_path: Path) -> None:
    files = {path.relative_to(exported).as_posix() for path in exported.rglob("*.*")}
    listed = json.loads((exported / "bundle.json").read_text())["files"]
    assert files == {*listed, "bundle.json", "README.md"}
    assert {"onnx/start.onnx", "onnx/step.onnx"} < files
    assert "weights.safetensors" not in files
    bundle = load_bundle(exported)
    original = load_bundle(GOLDEN)
    assert (bundle.text, bundle.model) == (original.text, original.model)
    for _ in range(2):  # anew, and over what is there
        save_bundle(bundle, tmp_path / "copy")
    assert load_bundle(tmp_path / "copy").graphs == bundle.graphs


def test_an_exported_estimator_can_be_pickled(exported: Path) -> None:
    model = pickle.loads(pickle.dumps(Seq2Seq.load(exported)))
    assert model.predict(["abc", "bed"]).tolist() == ["cba", "deb"]


def test_a_backend_has_to_be_in_the_bundle(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelMismatchError, match="holds no ONNX model"):
        Translator.load(GOLDEN, backend="onnx")
    with pytest.raises(ModelMismatchError, match="without weights"):
        Translator.load(exported, backend="torch")
    with pytest.raises(ModelMismatchError, match="exported model already"):
        export_bundle(exported, tmp_path / "again")
    full = replace(load_bundle(GOLDEN), graphs=load_bundle(exported).graphs)
    save_bundle(full, tmp_path / "full")
    kinds = {"auto": OnnxStepper, "onnx": OnnxStepper, "torch": TorchStepper}
    for backend, kind in kinds.items():
        translator = Translator.load(tmp_path / "full", backend=backend, threads=1)  # type: ignore[arg-type]
        assert isinstance(translator.stepper, kind)
        assert translator.translate_one("abc").text == "cba"


@pytest.mark.long
def test_int8_is_smaller_and_says_how_often_it_agrees(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = build_model(make_options(embedding_size=64, hidden_size=96), 211, 211, True)
    graphs = build_graphs(model)
    small = {name: quantize(graph) for name, graph in graphs.items()}
    assert sum(map(len, small.values())) < 0.5 * sum(map(len, graphs.values()))
    lines: list[str] = []
    found = export_bundle(GOLDEN, tmp_path / "int8", int8=True, report=lines.append)
    assert found.agreement is not None and 0.5 < found.agreement <= 1
    assert f"{found.agreement:.1%}" in lines[-1]
    assert Translator.load(tmp_path / "int8").translate_one("abc").text == "cba"
    assert "int8" in (tmp_path / "int8" / "README.md").read_text()


@cache
def stored_graphs(architecture: str) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return the graphs of a model with large weights, and with these stored in 8 bits."""
    torch.manual_seed(3)
    options = make_options(architecture, embedding_size=64, hidden_size=96, source_ngrams=3)
    plain = repeat_steps(build_graphs(build_model(options, SOURCE_SIZE, TARGET_SIZE, False)))
    return plain, {name: store_in_8_bits(graph) for name, graph in plain.items()}


def write_rows(graphs: dict[str, bytes], rows: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return log-probabilities after two tokens, and those that the loop gives, of some rows."""
    source, mask = sources(5, 11)
    stepper = build_onnx_stepper(graphs)
    assert isinstance(stepper, OnnxWriter)
    state = stepper.start(source[rows], mask[rows], attention=False)
    step = stepper.step(state, np.full(len(rows), BOS), None)
    written = stepper.write(state, np.full(len(rows), BOS), 5)
    after = stepper.step(step.state, np.full(len(rows), 7), None)
    return after.log_probs, written.log_probs[0]


@pytest.mark.parametrize("architecture", mark_others(["attention", "transformer"], ["attention"]))
def test_stored_weights_are_the_rounded_ones(architecture: str) -> None:
    plain, small = stored_graphs(architecture)
    assert sum(map(len, small.values())) < 0.5 * sum(map(len, plain.values()))
    rounded = {}
    for name, graph in plain.items():
        model, stored = onnx.load_from_string(graph), onnx.load_from_string(small[name])
        kept = {one.name: onnx.numpy_helper.to_array(one) for one in stored.graph.initializer}
        for weight in model.graph.initializer:
            if weight.name in kept:
                continue
            scale = kept[f"{weight.name}.scale"]
            values = kept[f"{weight.name}.int8"].astype(np.float32) * scale
            assert (np.abs(values - onnx.numpy_helper.to_array(weight)) <= 0.501 * scale).all()
            weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        rounded[name] = model.SerializeToString()
    everything = list(range(5))
    for ours, theirs in zip(
        write_rows(small, everything), write_rows(rounded, everything), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_stored_weights_give_a_row_the_same_in_every_batch() -> None:
    _, small = stored_graphs("attention")
    together = write_rows(small, list(range(5)))
    alone = [write_rows(small, [row]) for row in range(5)]
    for index in range(2):
        one_by_one = np.concatenate([found[index] for found in alone])
        np.testing.assert_allclose(together[index], one_by_one, atol=1e-5)


def test_export_stores_weights_in_8_bits_when_told(tmp_path: Path) -> None:
    lines: list[str] = []
    found = export_bundle(GOLDEN, tmp_path / "small", int8_weights=True, report=lines.append)
    assert found.agreement is not None and 0.5 < found.agreement <= 1
    assert lines[-1].startswith("int8 weights: ")
    assert Translator.load(tmp_path / "small").translate_one("abc").text == "cba"
    with pytest.raises(ConfigError, match="choose one"):
        export_bundle(GOLDEN, tmp_path / "both", int8_weights=True, int8=True)


def test_a_trimmed_memory_answers_like_the_whole(tmp_path: Path) -> None:
    bundle = load_bundle(GOLDEN)
    kept = {"abc": "xyz", "bed": "bb", "dab": "abcd"}  # what the model does not write
    written = Translator.from_bundle(bundle).translate_one("eed").text
    memory = {**kept, "eed": written}
    bundle.decoding = replace(bundle.decoding, memory=memory)
    save_bundle(bundle, tmp_path / "model")
    lines: list[str] = []
    found = export_bundle(
        tmp_path / "model", tmp_path / "trimmed", trim_memory=True, report=lines.append
    )
    assert "3 of 4 kept" in lines[-1] and found.remembered == 3
    trimmed = Translator.load(tmp_path / "trimmed")
    whole = Translator.from_bundle(replace(trimmed.bundle, decoding=bundle.decoding))
    assert trimmed.bundle.decoding.memory == kept and trimmed.summary.memory == 3
    asked = [*memory, "cab", "ace"]
    for beam_size in (1, 5):
        texts = [
            [one.text for one in translator.translate(asked, beam_size=beam_size)]
            for translator in (trimmed, whole)
        ]
        assert texts[0] == texts[1]


@pytest.mark.long
def test_the_dev_sources_of_a_model_are_compared_too(tmp_path: Path) -> None:
    bundle = load_bundle(GOLDEN)
    bundle.summary.examples = ["abc", "", "bed"]
    save_bundle(bundle, tmp_path / "model")
    lines: list[str] = []
    found = export_bundle(tmp_path / "model", tmp_path / "out", int8=True, report=lines.append)
    assert "on 2 dev sources" in lines[0]
    assert "for 2 dev sources agree" in lines[-1]
    assert found.agreement in (0, 0.5, 1)

    ours, theirs = both("gnmt additive")
    assert compare_writing(ours, theirs, *sources(5, 7)) < 1e-4
    assert compare_writing(ours, both("bahdanau, GRU")[1], *sources(5, 7)) > 0.01


def test_a_run_leaves_dev_sources_in_its_bundle() -> None:
    words = [f"{a}{b}{c}" for a in "abcde" for b in "xyz" for c in "pqr"]
    table = PairTable.from_texts(words, words)
    config = Config(max_updates=1, hidden_size=16, threads=1)
    trained = train(table, None, config)
    kept = trained.translator.summary.examples
    assert kept == list(trained.dev.sources())
    many = PairTable.from_texts([f"{n}" for n in range(99)], words + words + words[:9])
    assert len(train(table, many, config).translator.summary.examples) == 64


def test_a_model_that_gives_no_numbers_leaves_nothing(tmp_path: Path) -> None:
    bundle = load_bundle(GOLDEN)
    bundle.weights["output_bias"] = np.full_like(bundle.weights["output_bias"], np.nan)
    save_bundle(bundle, tmp_path / "broken")
    with pytest.raises(SearchError, match="not numbers"):
        export_bundle(tmp_path / "broken", tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["broken"]


def test_what_stands_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(BundleError, match="choose another"):
        export_bundle(GOLDEN, tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["note.txt"]


def damage(folder: Path, name: str, change: Callable[[bytes], bytes], *, rehash: bool) -> None:
    path = folder / "onnx" / f"{name}.onnx"
    path.write_bytes(change(path.read_bytes()))
    if rehash:
        rewrite_files(folder, lambda files: files | {f"onnx/{name}.onnx": hash_file(path)})


def rewrite_files(folder: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Change the hashes in a manifest as somebody does who wants a right id."""
    manifest = folder / "bundle.json"
    facts = json.loads(manifest.read_text())
    facts["files"] = change(facts["files"])
    facts["id"] = identify(facts["format_version"], facts["files"])
    manifest.write_text(json.dumps(facts))


DAMAGES = {
    "flipped bit": (lambda data: data[:999] + bytes([data[999] ^ 1]) + data[1000:], False),
    "cut short": (lambda data: data[:-99], True),
    "not ONNX": (lambda _: b"no graph", True),
    "empty": (lambda _: b"", True),
}


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("graph", ["start", "step"])
def test_a_damaged_graph_is_named(exported: Path, tmp_path: Path, name: str, graph: str) -> None:
    change, rehash = DAMAGES[name]
    save_bundle(load_bundle(exported), tmp_path / "model")
    damage(tmp_path / "model", graph, change, rehash=rehash)
    with pytest.raises(BundleError, match=rf"onnx/{graph}\.onnx") as caught:
        Translator.load(tmp_path / "model")
    assert str(tmp_path / "model") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_graphs_that_do_not_belong_together_are_refused(exported: Path) -> None:
    graphs = load_bundle(exported).graphs
    for wrong in ({"start": graphs["step"]}, {"step": graphs["start"]}):
        with pytest.raises(BundleError, match="onnx/"):
            build_onnx_stepper({**graphs, **wrong}, origin="here")
    with pytest.raises(BundleError, match=r"onnx/step\.onnx is missing"):
        build_onnx_stepper({"start": graphs["start"]}, origin="here")


def test_graphs_of_another_vocabulary_are_refused(exported: Path, tmp_path: Path) -> None:
    bundle = load_bundle(exported)
    codec = bundle.target_codec
    more = Vocabulary([*codec.vocabulary.entries[len(RESERVED) :], "\u2603"])
    wider = Codec(codec.tokenizer, more)
    with pytest.raises(BundleError, match=r"onnx/step\.onnx scores \d+ tokens, not \d+"):
        Translator.from_bundle(replace(bundle, source_codec=wider, target_codec=wider))


Change = Callable[[onnx.ModelProto], None]


def put_in_place(output: str, constant: np.ndarray, operator: str) -> Change:
    """Let a graph give an output that was changed by an operator and a constant."""

    def change(model: onnx.ModelProto) -> None:
        graph = model.graph
        maker = next(node for node in graph.node if output in node.output)
        for node in graph.node:
            node.input[:] = ["before" if name == output else name for name in node.input]
        maker.output[list(maker.output).index(output)] = "before"
        graph.initializer.append(onnx.numpy_helper.from_array(constant, "constant"))
        options = {"axis": 1} if operator == "Concat" else {}
        inputs = ["before", "constant"]
        graph.node.append(onnx.helper.make_node(operator, inputs, [output], **options))

    return change


ONE_NAN = np.where(np.arange(13) == 7, np.float32("nan"), np.float32(0))
WRONG_OUTPUTS = {
    "one score is NaN": (put_in_place("log_probs", ONE_NAN, "Add"), SearchError, "NaN"),
    "scores above 0": (
        put_in_place("log_probs", np.full(13, 99, np.float32), "Add"),
        ModelMismatchError,
        "log_probs above 0",
    ),
    "longer attention": (
        put_in_place("attention", np.zeros((1, 3), np.float32), "Concat"),
        ModelMismatchError,
        "attention of a wrong size",
    ),
}


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("name", WRONG_OUTPUTS)
def test_what_a_graph_gives_is_checked_before_it_is_used(name: str, beam_size: int) -> None:
    change, kind, message = WRONG_OUTPUTS[name]
    graphs = plain_graphs()
    model = onnx.load_from_string(graphs["step"])
    change(model)
    stepper = build_onnx_stepper({**graphs, "step": model.SerializeToString()})
    options: dict[str, Any] = {} if beam_size == 1 else {"beam_size": beam_size}
    with pytest.raises(kind, match=message) as caught:
        (greedy_search if beam_size == 1 else beam_search)(
            stepper, *sources(1, 5), max_lengths=7, **options
        )
    assert "\n" not in str(caught.value)


def test_half_an_onnx_model_is_damaged(exported: Path, tmp_path: Path) -> None:
    save_bundle(load_bundle(exported), tmp_path / "model")
    gone = "onnx/step.onnx"
    rewrite_files(
        tmp_path / "model", lambda files: {name: files[name] for name in files if name != gone}
    )
    with pytest.raises(BundleError, match=r"onnx/step\.onnx is missing from the model"):
        Translator.load(tmp_path / "model")


# --- the machine ----------------------------------------------------------------------------------


def test_missing_libraries_are_named(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'foveate\[export\]'"):
        export_bundle(GOLDEN, tmp_path / "out")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="needs ONNX Runtime: pip install"):
        Translator.load(exported)
    assert not list(tmp_path.iterdir())


def test_threads_are_those_that_are_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert granted_threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert granted_threads() >= 1


WITHOUT_TORCH = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "jaxtyping", "onnx", "onnxscript"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
from foveate import Seq2Seq, Translator
from foveate.cli import main
model, home = sys.argv[1:]
pairs, words = home + "/pairs.tsv", home + "/words.txt"
assert main(["translate", model, words, "--n-best", "2", "--out", home + "/out.txt"]) == 0
assert main(["evaluate", model, pairs, "--backend", "onnx", "--json", home + "/scores.json"]) == 0
assert main(["attend", model, "abc", "--out", home + "/look.svg", "--threads", "1"]) == 0
assert main(["align", model, pairs, "--out", home + "/pairs.align"]) == 0
assert main(["info", model]) == 0
assert Seq2Seq.load(model).predict(["abc", "dab"]).tolist() == ["cba", "bad"]
assert main(["translate", "%s", words]) == 2
assert main(["train", pairs, "--out", home + "/new"]) == 2
assert main(["export", "%s", home + "/new"]) == 2
print("done", sorted(name for name in sys.modules if name.startswith("torch")))
"""


def test_everything_but_training_works_without_torch(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("abc\tcba\ndab\tbad\ndace\tecad\n")
    (tmp_path / "words.txt").write_text("abc\ndab\n")
    environment = {**os.environ, "PYTHONPATH": str(Path(foveate.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH % (GOLDEN, GOLDEN), str(exported), str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done []\n")
    assert done.stderr.count("pip install 'foveate[train]'") == 3
    assert (tmp_path / "out.txt").read_text().startswith("cba\n")
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert set(scores["metrics"]) >= {"exact_match", "token_error_rate", "bleu", "chrf"}
    assert (tmp_path / "pairs.align").read_text().count("\n") == 3
    assert "<svg" in (tmp_path / "look.svg").read_text()


def test_the_command_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["export", str(GOLDEN), str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "agrees with PyTorch" in said.err and str(out) in said.err
    assert main(["info", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["runs_on"] == "ONNX Runtime"
    assert facts["parameters"] == sum(map(np.size, load_bundle(GOLDEN).weights.values()))
    for argv, place in (
        (["export", GOLDEN, out], "not empty"),
        (["export", out, tmp_path / "more"], "exported model already"),
        (["translate", out, os.devnull, "--backend", "torch"], "without weights"),
        (["attend", GOLDEN, "abc", "--backend", "onnx"], "foveate export"),
    ):
        assert main([str(word) for word in argv]) == 2
        said = capsys.readouterr()
        assert said.out == "" and len(said.err.splitlines()) == 1
        assert place in said.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert EOS == 3  # what the graphs of every exported model hold
