"""Choices and trees beside brute force, a naive beam and forced decoding, on every backend."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.cli import main
from foveate.errors import SearchError
from foveate.records import Request, Sampling, Translation
from foveate.search import EnsembleStepper, Node, Query, search
from foveate.search.choices import list_choices
from foveate.text.vocabulary import BOS, EOS
from foveate.translator import Translator
from test_search import FakeStepper, assert_same, make_sources, walk_slowly
from test_translator import GOLDEN, PREFIXES, each_backend, golden, small_model

SIZE = 9


# --- the search's side, over a fake model ---------------------------------------------------------


def list_paths(nodes: list[Node]) -> list[tuple[int, ...]]:
    """Return the tokens from the root to every node."""
    paths: list[tuple[int, ...]] = []
    for node in nodes:
        paths.append((*paths[node.parent], node.token) if paths else ())
    return paths


def walk_beam(
    stepper: Any, source: Any, mask: Any, beam_size: int, max_length: int
) -> tuple[set[tuple[int, ...]], set[tuple[int, ...]]]:
    """Return what a beam holds (EOS too) and what just misses it, while it drops nothing early."""
    held, missed = {()}, set()
    live = [((), 0.0, stepper.start(source[None], mask[None], attention=False))]
    for _ in range(max_length):
        candidates = []
        for prefix, score, state in live:
            step = stepper.step(state, np.array([prefix[-1] if prefix else BOS]), None)
            candidates += [
                (score + float(step.log_probs[0, token]), (*prefix, token), step.state)
                for token in range(EOS, SIZE)
            ]
        candidates.sort(key=lambda candidate: -candidate[0])
        ended = [path for _, path, _ in candidates[:beam_size] if path[-1] == EOS]
        others = [one for one in candidates if one[1][-1] != EOS][:beam_size]
        live = [(path, score, state) for score, path, state in others]
        new = {*ended, *(path for path, _, _ in live)}
        if sum(path[-1:] == (EOS,) for path in held | new) >= beam_size:
            break
        held |= new
        missed |= set([path for _, path, _ in candidates if path not in new][:beam_size])
    return held, missed


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    beam_size=st.integers(1, 4),
    end_bias=st.sampled_from([-3.0, 0.0]),
    can_choose=st.booleans(),
)
def test_a_tree_is_what_a_naive_beam_holds(
    seed: int, beam_size: int, end_bias: float, can_choose: bool
) -> None:
    stepper = FakeStepper(seed, SIZE, end_bias, can_choose=can_choose, can_write=True)
    source, mask = make_sources(seed, 3)
    query = Query(4, beam_size=beam_size, n_best=beam_size, tree=True)
    for row, hypotheses in enumerate(search(stepper, source, mask, [query] * 3)):
        held, missed = walk_beam(stepper, source[row], mask[row], beam_size, 4)
        nodes = hypotheses[0].tree
        paths = list_paths(nodes)
        assert len(set(paths)) == len(paths)
        longest = max(map(len, held))
        assert {path for path in paths if len(path) <= longest} == held | missed
        has_children = {node.parent for node in nodes}
        for place, (node, path) in enumerate(zip(nodes, paths, strict=True)):
            assert node.parent < place
            scores, _ = walk_slowly(stepper, source[row], mask[row], path)
            assert node.score == pytest.approx(sum(scores[: len(path)]), abs=1e-5)
            assert node.is_finished <= (path[-1:] == (EOS,))
            if path in missed:
                assert place not in has_children and not node.is_finished
        for one in hypotheses:
            assert tuple(one.ids) in paths
            assert one.is_finished == any(
                node.is_finished and path == (*one.ids, EOS)
                for node, path in zip(nodes, paths, strict=True)
            )


QUERIES = [
    Query(5),
    Query(6, beam_size=3, n_best=2, length_penalty=1.0),
    Query(5, beam_size=2, prefix=(5, 4)),
    Query(7, beam_size=3, n_best=3, must=(((6, 7), (8,)),)),
    Query(5, must_not=((4,), (5, 6)), no_repeat=2),
    Query(5, n_best=3, sampling=Sampling(top_k=3)),
    Query(5, target=(4, 6, 8)),
]


@pytest.mark.parametrize("options", [{}, {"can_write": True}, {"can_choose": False}])
@pytest.mark.parametrize("asking", [{0}, {1, 3}, set(range(len(QUERIES)))])
def test_asking_for_trees_changes_no_result(options: dict[str, bool], asking: set[int]) -> None:
    stepper = FakeStepper(3, SIZE, **options)
    source, mask = make_sources(5, len(QUERIES))
    plain = search(stepper, source, mask, QUERIES)
    asked = [replace(query, tree=place in asking) for place, query in enumerate(QUERIES)]
    found = search(stepper, source, mask, asked)
    for place, (ours, theirs) in enumerate(zip(found, plain, strict=True)):
        assert_same(ours, theirs)
        has_tree = place in asking and QUERIES[place].target is None
        assert [bool(one.tree) for one in ours] == [has_tree] + [False] * (len(ours) - 1)
        alone = search(stepper, source[[place]], mask[[place]], [asked[place]])[0][0].tree
        assert ours[0].tree == alone


def test_samples_share_what_they_have_alike() -> None:
    stepper = FakeStepper(7, SIZE)
    source, mask = make_sources(2, 1)
    query = Query(4, n_best=20, sampling=Sampling(), tree=True)
    [drawn] = search(stepper, source, mask, [query])
    expected = {()}
    for one in drawn:
        ids = (*one.ids, EOS) if one.is_finished else tuple(one.ids)
        expected |= {ids[: size + 1] for size in range(len(ids))}
    paths = list_paths(drawn[0].tree)
    assert set(paths) == expected and len(paths) == len(expected)


def test_no_tree_costs_no_step_and_choices_one_pass() -> None:
    stepper = FakeStepper(7, SIZE, can_write=True)
    source, mask = make_sources(2, 5)
    search(stepper, source, mask, [Query(6)] * 5)
    assert stepper.num_rows < 5 * 8
    outputs = [[4], [5, 6, EOS], [], [7, 8, 4, 5, EOS], [EOS]]
    stepper.num_steps = stepper.num_rows = 0
    found = list_choices(stepper, source, mask, range(5), outputs, [1, 2, 3, 4, 99])
    assert (stepper.num_steps, stepper.num_rows) == (5, sum(map(len, outputs)))
    assert [len(rows) for rows in found] == [len(ids) for ids in outputs]


@pytest.mark.parametrize("kind", ["one", "ensemble"])
@pytest.mark.parametrize("seed", range(5))
def test_choices_are_those_of_single_steps(kind: str, seed: int) -> None:
    members = [FakeStepper(seed + number, SIZE, can_choose=False) for number in range(2)]
    stepper = EnsembleStepper(members) if kind == "ensemble" else members[0]
    source, mask = make_sources(seed, 4)
    draw = np.random.default_rng(seed)
    owners = draw.integers(0, 4, size=7).tolist()
    outputs = [
        [*draw.integers(4, SIZE, size=size).tolist(), *[EOS] * bool(draw.integers(2))]
        for size in draw.integers(0, 5, size=7)
    ]
    counts = draw.integers(0, SIZE, size=7).tolist()
    found = list_choices(stepper, source, mask, owners, outputs, counts)
    for row, ids in enumerate(outputs):
        own_source = [owners[row]]
        state, token = stepper.start(source[own_source], mask[own_source], attention=False), BOS
        assert len(found[row]) == len(ids)
        for written, candidates in zip(ids, found[row], strict=True):
            step = stepper.step(state, np.array([token]), None)
            own = step.log_probs[0]
            expected = sorted(range(EOS, SIZE), key=lambda token: -own[token])[: counts[row]]
            if written not in expected:
                expected.append(written)
            assert [one.token for one in candidates] == expected
            assert [one.log_prob for one in candidates] == own[expected].tolist()
            state, token = step.state, written


# --- texts, over real models ----------------------------------------------------------------------


@cache
def remembering(backend: str) -> Translator:
    bundle = golden(backend).bundle
    bundle = replace(bundle, decoding=replace(bundle.decoding, memory={"abc": "deed"}))
    return Translator(bundle, golden(backend).stepper, threads=1)


WISHES: list[dict[str, Any]] = [
    {"beam_size": 1},
    {"beam_size": 4, "n_best": 3},
    {"beam_size": 4, "n_best": 2, "prefix": "d"},
    {"beam_size": 3, "must": ("e",)},
    {"beam_size": 3, "must_not": ("a", "bc")},
    {"beam_size": 2, "max_length": 1},
    {"beam_size": 4, "n_best": 3, "mbr": "chrf"},
    {"n_best": 3, "sampling": Sampling(seed=3)},
]


def each_wish_and_backend(quick: Collection[int]) -> pytest.MarkDecorator:
    """All wishes with graphs, which are quick, and some of them with PyTorch."""
    rows = [
        pytest.param(
            backend,
            wishes,
            marks=[pytest.mark.long] * (backend == "torch" and place not in quick),
            id=f"{place}-{backend}",
        )
        for backend in ("torch", "onnx")
        for place, wishes in enumerate(WISHES)
    ]
    return pytest.mark.parametrize(("backend", "wishes"), rows)


def score_prefix(translator: Translator, source: str, tokens: list[str]) -> list[float]:
    """Return the log-probability of each of some tokens, by forced decoding, and of the end."""
    ids = [translator.source_codec.encode(source)]
    target = tuple(translator.target_codec.vocabulary.ids(tokens))
    query = Query(9, target=target)
    [[one]] = search(translator.stepper, np.array(ids), np.ones((1, len(ids[0])), bool), [query])
    assert one.end_log_prob is not None
    return [*one.token_log_probs, one.end_log_prob]


def check_choices(translator: Translator, source: str, found: Translation, count: int) -> None:
    assert len(found.choices) == len(found.tokens) + found.is_finished
    written = [*found.tokens, ""]
    for place, row in enumerate(found.choices):
        numbers = [one.log_prob for one in row[:count]]
        assert len(numbers) == count and numbers == sorted(numbers, reverse=True)
        assert written[place] in [one.token for one in row]
        assert len(row) <= count + 1
        for one in row:
            tokens = found.tokens[:place] + [one.token] * (not one.is_end)
            assert one.is_end == (one.token == "") and one.prefix == "".join(tokens)
            forced = score_prefix(translator, source, tokens)
            assert one.log_prob == pytest.approx(forced[place], abs=1e-4)


@each_wish_and_backend(quick=[1])
def test_choices_have_the_scores_of_forced_decoding(backend: str, wishes: dict[str, Any]) -> None:
    translator = golden(backend)
    found = translator.translate_one("abcde", choices=3, **wishes)
    for one in (found, *found.alternatives):
        check_choices(translator, "abcde", one, 3)
        if one.is_finished and not wishes.get("must_not"):
            total = sum(
                next(choice.log_prob for choice in row if choice.token == token)
                for row, token in zip(one.choices, [*one.tokens, ""], strict=True)
            )
            assert one.score == pytest.approx(total, abs=1e-4)


@each_wish_and_backend(quick=[2])
def test_a_tree_has_the_scores_of_forced_decoding(backend: str, wishes: dict[str, Any]) -> None:
    translator = golden(backend)
    found = translator.translate_one("abcde", tree=True, **wishes)
    plain = translator.translate_one("abcde", **wishes)
    assert (found.text, found.tokens, found.score) == (plain.text, plain.tokens, plain.score)
    assert [one.text for one in found.alternatives] == [one.text for one in plain.alternatives]
    assert not any(one.tree for one in found.alternatives)
    root, *nodes = found.tree
    assert (root.parent, root.token, root.score, root.prefix) == (-1, "", 0.0, "")
    returned = [found, *found.alternatives]
    for place, node in enumerate(nodes, start=1):
        assert 0 <= node.parent < place
        parent = found.tree[node.parent]
        tokens = translator.target_codec.split(node.prefix)
        assert node.prefix == parent.prefix + node.token
        forced = score_prefix(translator, "abcde", tokens)
        counted = forced[: len(tokens)] if node.token else forced
        assert node.score == pytest.approx(sum(counted), abs=1e-4)
        assert node.log_prob == pytest.approx(counted[-1], abs=1e-4)
        is_kept = bool(node.token) and any(one.text.startswith(node.prefix) for one in returned)
        assert (node.state == "kept") == is_kept
        assert not (node.state == "finished" and node.token)
    ends = {node.prefix for node in nodes if node.state == "finished"}
    assert {one.text for one in returned if one.is_finished} <= ends


@each_backend
def test_what_is_recalled_has_choices_of_its_own_and_the_tree_of_the_search(backend: str) -> None:
    translator = remembering(backend)
    wishes = Request("abc", beam_size=3, n_best=3, choices=2, tree=True)
    found = translator.translate_one(wishes)
    searched = golden(backend).translate_one(wishes)
    assert found.text == "deed" != searched.text
    for one in (found, *found.alternatives):
        check_choices(translator, "abc", one, 2)
    assert [node.prefix for node in found.tree] == [node.prefix for node in searched.tree]
    kept = {node.prefix for node in found.tree if node.state == "kept"}
    texts = [one.text for one in (found, *found.alternatives)]
    assert kept == {
        node.prefix
        for node in found.tree
        if any(text.startswith(node.prefix) for text in texts) and node.state != "finished"
        if node.token or node.parent < 0
    }


@each_backend
def test_given_targets_have_choices(backend: str) -> None:
    [found] = golden(backend).score_pairs([("abc", "bee")], choices=4)
    assert found.text == "bee"
    check_choices(golden(backend), "abc", found, 4)


def test_a_window_of_mixed_wishes_gives_each_what_it_gets_alone() -> None:
    translator = remembering("torch")
    requests = [
        Request(source, choices=place % 3, tree=place % 2 == 0, **wishes)
        for place, wishes in enumerate(WISHES * 2)
        for source in ("abc", "dacbe", " ")
    ]
    requests = [one for one in requests if one.sampling is None]  # drawn by their place
    together = translator.translate_batch(requests)
    for request, found in zip(requests, together, strict=True):
        alone = translator.translate_one(request)
        assert [node.prefix for node in found.tree] == [node.prefix for node in alone.tree]
        assert [node.state for node in found.tree] == [node.state for node in alone.tree]
        tokens = [[[one.token for one in row] for row in t.choices] for t in (found, alone)]
        assert tokens[0] == tokens[1]
        assert bool(found.tree) == (request.tree and bool(request.source.strip()))
        assert bool(found.choices) == (request.choices > 0 and bool(request.source.strip()))


# --- prefixes that force ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", PREFIXES)
def test_the_prefix_of_a_choice_and_of_a_node_forces_its_text(kind: str) -> None:
    translator = small_model(kind)
    found = translator.translate_one("xyz", beam_size=3, max_length=3, choices=4, tree=True)
    prefixes = {one.prefix for row in found.choices for one in row if not one.is_end}
    prefixes |= {node.prefix for node in found.tree[1:]}
    for prefix in sorted(prefixes - {""}):
        forced = translator.translate_one("xyz", prefix=prefix, beam_size=5)
        wanted = translator.target_codec.split(prefix)
        if kind == "whitespace":
            assert prefix.endswith(" ") and forced.tokens[: len(wanted)] == wanted
        if kind == "bpe":
            assert forced.text.startswith(prefix)


@pytest.mark.parametrize("kind", PREFIXES)
def test_a_prefix_of_tokens_forces_just_these(kind: str) -> None:
    translator = small_model(kind)
    found = translator.translate_one("xyz", beam_size=3, max_length=3, choices=9)
    for place, row in enumerate(found.choices):
        for one in row:
            tokens = [*found.tokens[:place], *[one.token] * (not one.is_end)]
            forced = translator.translate_one("xyz", prefix=tokens, beam_size=2)
            assert forced.tokens[: len(tokens)] == tokens
    with pytest.raises(SearchError, match=r"prefix \['a', 'Q'\]: the model has no token 'Q'"):
        small_model("characters").translate_one("xyz", prefix=("a", "Q"))


def test_a_whole_last_token_may_be_the_last() -> None:
    translator = small_model("whitespace")
    greedy = translator.translate_one("xyz", beam_size=1)
    [forced] = [
        translator.translate_one("xyz", beam_size=1, prefix=f"{greedy.text}{blank}")
        for blank in " "
    ]
    assert forced.text == greedy.text


# --- values and doors -----------------------------------------------------------------------------


def test_bad_wishes_are_refused() -> None:
    with pytest.raises(SearchError, match="choices must be at least 0, not -1"):
        Request("abc", choices=-1)
    with pytest.raises(SearchError, match="prefix must be a text or a tuple of tokens, not 3"):
        Request("abc", prefix=3)  # type: ignore[arg-type]


def test_json_has_what_was_asked_for_and_no_more() -> None:
    plain = golden("torch").translate_one("abc", n_best=2).to_dict()
    assert not {"choices", "tree"} & {*plain, *plain["alternatives"][0]}
    asked = golden("torch").translate_one("abc", n_best=2, choices=2, tree=True).to_dict()
    assert asked == json.loads(json.dumps(asked))
    assert set(asked["choices"][0][0]) == {"token", "log_prob", "prefix", "is_end"}
    names = {"parent", "token", "log_prob", "score", "prefix", "state"}
    assert set(asked["tree"][0]) == names
    [other] = asked["alternatives"]
    assert "tree" not in other and len(other["choices"]) == len(other["tokens"]) + 1


def test_the_shell_writes_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("abc\n\n", encoding="utf-8")
    model = str(GOLDEN["onnx"])
    asked = ["--format", "jsonl", "--choices", "2", "--tree", "--beam-size", "2"]
    assert main(["translate", model, str(lines), *asked]) == 0
    first, blank = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(first["choices"]) == len(first["tokens"]) + 1 and len(first["tree"]) > 2
    assert not {"choices", "tree"} & set(blank)
    for flag in (["--choices", "2"], ["--tree"]):
        assert main(["translate", model, str(lines), *flag]) == 2
        assert "only with --format jsonl" in capsys.readouterr().err
