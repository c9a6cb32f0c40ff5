"""Requests: what is asked for at the level of text, in any order, from many threads at once."""

from __future__ import annotations

import copy
import io
import itertools
import json
import os
import pickle
import random
import subprocess
import sys
import threading
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import FrozenInstanceError, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
import torch

import foveate
from foveate.bundle import Bundle
from foveate.cli import main
from foveate.errors import ConfigError, ModelMismatchError, SearchError
from foveate.models import build_model
from foveate.options import TextOptions
from foveate.outputs import order_outputs
from foveate.records import Request, Sampling, Translation
from foveate.search import Query, search
from foveate.search.workers import cut_batches
from foveate.text.codec import Codec
from foveate.text.likeness import chrf_likeness, edit_likeness
from foveate.text.steering import Steering
from foveate.text.tokenizers import (
    ByteTokenizer,
    CharacterTokenizer,
    SentencepieceTokenizer,
    Tokenizer,
    WhitespaceTokenizer,
    learn_sentencepiece,
)
from foveate.text.vocabulary import EOS, Vocabulary
from foveate.text.word_list import WordList
from foveate.torch_backend import TorchStepper
from foveate.torch_loading import threads_here
from foveate.translator import Translator
from made import make_options
from models_naive import randomise

HERE = Path(__file__).parent
GOLDEN = {"torch": HERE / "golden" / "format-1", "onnx": HERE / "golden-onnx" / "format-1"}
LONGEST = 3  # tokens of an output of the small models
each_backend = pytest.mark.parametrize("backend", GOLDEN)


@cache
def golden(backend: str) -> Translator:
    return Translator.load(GOLDEN[backend], threads=1)


def show(found: Translation) -> tuple[object, ...]:
    """Return all of a translation in a form that can be compared, numbers to six places."""
    looks = None if found.attention is None else np.round(found.attention, 4).tolist()
    others = [show(other) for other in found.alternatives]
    return found.text, round(found.score, 4), found.is_finished, looks, found.unknown, others


def assert_alike(ours: Translation, theirs: Translation) -> None:
    """Compare what was computed in different batches: sums are added in another order there."""
    assert (ours.tokens, ours.is_finished) == (theirs.tokens, theirs.is_finished)
    assert (ours.text, ours.unknown) == (theirs.text, theirs.unknown)
    assert ours.score == pytest.approx(theirs.score, abs=1e-4)
    assert (ours.attention is None) == (theirs.attention is None)
    if ours.attention is not None and theirs.attention is not None:
        np.testing.assert_allclose(ours.attention, theirs.attention, atol=1e-5)
    for one, other in zip(ours.alternatives, theirs.alternatives, strict=True):
        assert_alike(one, other)


# --- values -----------------------------------------------------------------------------------


def test_requests_and_translations_are_frozen() -> None:
    found = golden("torch").translate_one("abc")
    with pytest.raises(FrozenInstanceError):
        found.text = "x"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Request("abc").prefix = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"beam_size": 0}, "beam_size must be at least 1, not 0"),
        ({"n_best": 0}, "n_best must be at least 1"),
        ({"n_best": 3, "beam_size": 2}, "needs a beam_size of at least 3"),
        ({"length_penalty": -1.0}, "length_penalty"),
        ({"max_length": 0}, "max_length"),
        ({"no_repeat": -1}, "no_repeat"),
        ({"mbr": "bleu"}, "mbr must be chrf, edits or None"),
        ({"must": "ab"}, "must be a tuple of texts"),
        ({"must_not": (" ",)}, "has an empty text"),
        ({"sampling": Sampling(temperature=0.0)}, "temperature"),
        ({"sampling": Sampling(top_p=1.5)}, "top_p"),
        ({"sampling": Sampling(), "must": ("a",)}, "does not go with sampling"),
        ({"prefix": "§"}, "cannot write '§'"),
        ({"must": ("§",)}, "cannot write '§'"),
    ],
)
def test_wishes_are_checked_at_the_call(wishes: dict[str, object], message: str) -> None:
    with pytest.raises(SearchError, match=message):
        golden("torch").translate(["abc"], **wishes)  # type: ignore[arg-type]


def test_calls_that_mean_something_else_are_errors() -> None:
    translator = golden("torch")
    with pytest.raises(SearchError, match=r"list of texts.*translate_one"):
        translator.translate("abc")
    with pytest.raises(TypeError, match="'n_bst', did you mean n_best"):
        translator.translate(["abc"], n_bst=2)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="backend must be auto, torch or onnx, not 'tourch'"):
        Translator.load(GOLDEN["torch"], backend="tourch")  # type: ignore[arg-type]
    for pair in ((" ", "a"), ("a", "")):
        with pytest.raises(ModelMismatchError, match="is empty"):
            next(translator.score_pairs([pair]))


def test_every_request_of_a_batch_gets_what_it_gets_alone() -> None:
    translator = golden("torch")
    requests = mix_requests(97)
    together = translator.translate_batch(requests)
    fixed = [replace(one, sampling=None) if one.sampling else one for one in requests]
    for request, found in zip(fixed, translator.translate_batch(fixed), strict=True):
        assert_alike(found, translator.translate_one(request))
    assert len(together) == len(requests)


def test_interleaved_generators_do_not_disturb_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("foveate.translator.WINDOW", 2)
    texts = ["abc", "de", "bad", "ace", "d", "cab", "ebb"]
    translator = golden("torch")
    with_, without = (translator.translate(texts, attention=wanted) for wanted in (True, False))
    for one, other in zip(with_, without, strict=True):
        assert one.attention is not None and other.attention is None
        assert one.text == other.text


# --- threads ----------------------------------------------------------------------------------


def mix_requests(count: int) -> list[Request]:
    draw = random.Random(5)
    requests = []
    for _ in range(count):
        source = "".join(draw.choice("abcdez") for _ in range(draw.randint(0, 4)))
        beam_size = draw.choice([1, 2, 3])
        sampled = draw.random() < 0.2
        requests.append(
            Request(
                source,
                beam_size=beam_size,
                max_length=4,
                n_best=draw.randint(1, beam_size),
                attention=draw.random() < 0.5,
                prefix=draw.choice(["", "", "a", "bc"]),
                must_not=draw.choice([(), (), (), (), (), ("ab",)]),
                sampling=Sampling(seed=draw.randint(0, 9)) if sampled else None,
            )
        )
    return requests


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("num_different", "count", "backend"),
    [
        (60, 240, "onnx"),
        pytest.param(60, 240, "torch", marks=pytest.mark.long),
        pytest.param(200, 1_000, "onnx", marks=pytest.mark.slow),
        pytest.param(200, 1_000, "torch", marks=pytest.mark.slow),
    ],
)
def test_many_threads_get_what_one_gets(backend: str, num_different: int, count: int) -> None:
    translator = golden(backend)
    different = mix_requests(num_different)
    alone = {request: translator.translate_one(request) for request in different}
    requests = random.Random(6).sample(different * 5, count)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(translator.translate_one, requests[:400]))
    for request, one in zip(requests, found, strict=False):  # they share batches as it happens
        assert_alike(one, alone[request])
    parts = [requests[start::8] for start in range(8)]
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(translator.translate_batch, parts))
    for part, batch in zip(parts, batches, strict=True):
        for request, one, other in zip(part, batch, translator.translate_batch(part), strict=True):
            assert show(one) == show(other)
            if request.sampling is None:  # what is drawn depends on the place in the batch
                assert_alike(one, alone[request])


class HeldStepper:
    """Counts the sources of every search, and waits in the first for a sign."""

    def __init__(self, stepper: Any) -> None:
        self._stepper = stepper
        self.capabilities, self.step, self.reorder = (
            stepper.capabilities,
            stepper.step,
            stepper.reorder,
        )
        self.sizes: list[int] = []
        self.is_inside, self.may_go = threading.Event(), threading.Event()

    def start(self, source: Any, source_mask: Any, *, attention: bool) -> Any:
        self.sizes.append(len(source))
        self.is_inside.set()
        assert self.may_go.wait(20)
        return self._stepper.start(source, source_mask, attention=attention)


def test_words_of_several_threads_share_a_batch() -> None:
    held: Any = HeldStepper(golden("torch").stepper)
    translator = Translator(golden("torch").bundle, held, threads=1)
    requests = [Request(text, beam_size=1) for text in ("abc", "de", "bad", "ace")]
    requests.insert(2, Request("cab", beam_size=2))
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(translator.translate_one, requests[0])]
        assert held.is_inside.wait(20)
        for number, request in enumerate(requests[1:], start=1):
            futures.append(pool.submit(translator.translate_one, request))
            while len(translator._search_together._waiting) < number:
                time.sleep(0.001)
        held.may_go.set()
        found = [future.result(20) for future in futures]
    assert held.sizes == [1, 3, 1]  # a beam would keep greedy rows from their faster way
    for one, request in zip(found, requests, strict=True):
        assert_alike(one, golden("torch").translate_one(request))


@pytest.mark.long
def test_two_models_keep_their_threads_and_the_process_its_own() -> None:
    """The number is that of the calling thread, of new threads, and of both after an overlap."""
    before = torch.get_num_threads()
    few, many = (Translator.load(GOLDEN["torch"], threads=number) for number in (1, 3))
    texts = ["abc", "bad", "cab", "dace", "ebb", "added"] * 4
    seen: list[int] = []

    def use(translator: Translator) -> None:
        list(translator.translate(texts, batch_tokens=20))
        seen.append(torch.get_num_threads())

    threads = [threading.Thread(target=use, args=(one,)) for one in (few, many, few, many)]
    for thread in threads:
        thread.start()
    use(few)
    for thread in threads:
        thread.join()
    assert (few.threads, many.threads) == (1, 3)
    fresh: list[int] = []
    thread = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert {*seen, *fresh, torch.get_num_threads()} == {before}


def test_a_number_of_threads_is_that_of_one_thread_and_one_context() -> None:
    before = torch.get_num_threads()
    elsewhere: list[int] = []
    with threads_here(before + 2):
        assert torch.get_num_threads() == before + 2
        with threads_here(1):
            assert torch.get_num_threads() == 1
            thread = threading.Thread(target=lambda: elsewhere.append(torch.get_num_threads()))
            thread.start()
            thread.join()
        assert torch.get_num_threads() == before + 2
    assert [torch.get_num_threads()] == elsewhere == [before]


USE_A_MODEL = """
import os, sys, threading
before = dict(os.environ)
from foveate import Translator
translator = Translator.load(sys.argv[1], threads=1)
assert translator.translate_one("abc").text == "cba"
assert dict(os.environ) == before
import torch
counts = [torch.get_num_threads()]
thread = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
thread.start(); thread.join()
print(counts)
"""


def run_alone(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter that has as many threads as it finds."""
    kept = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    kept |= {"PYTHONPATH": str(Path(foveate.__file__).parents[1]), **variables}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=kept,
        check=True,
    )


@pytest.mark.long
def test_a_program_that_uses_a_model_stays_as_it_was_and_waits_asleep() -> None:
    done = run_alone(USE_A_MODEL, str(GOLDEN["torch"]), OMP_DISPLAY_ENV="verbose")
    usual = run_alone("import torch; print([torch.get_num_threads()] * 2)")
    assert done.stdout.splitlines()[-1] == usual.stdout.strip()
    assert "GOMP_SPINCOUNT = '1000'" in done.stderr  # of PyTorch's OpenMP, which says it itself


@pytest.mark.long
def test_a_policy_of_waiting_that_the_user_chose_stays() -> None:
    told = run_alone(
        USE_A_MODEL, str(GOLDEN["torch"]), OMP_DISPLAY_ENV="verbose", OMP_WAIT_POLICY="ACTIVE"
    )
    assert "GOMP_SPINCOUNT = '1000'" not in told.stderr


def test_everything_that_loads_torch_loads_it_in_one_place_first() -> None:
    package = Path(foveate.__file__).parent
    for path in package.rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        loads = [
            n for n, line in enumerate(lines) if line.startswith(("import torch", "from torch"))
        ]
        first = [n for n, line in enumerate(lines) if "foveate.torch_loading" in line]
        if loads and "models" not in path.parts:  # whose __init__ does it for all
            assert first and first[0] < loads[0], path
    assert "import foveate.torch_loading" in (package / "models" / "__init__.py").read_text()


KERNELS = """
import os, sys
from foveate.torch_loading import keep_kernels
import torch
before = dict(os.environ)
keep_kernels(int(sys.argv[1]))
assert dict(os.environ) == before
for _ in range(2):
    for rows in range(2, 22):  # more shapes than sixteen
        with torch.inference_mode():
            torch.nn.LSTM(5, 7)(torch.randn(3, rows, 5))
"""


@pytest.mark.long
@pytest.mark.parametrize(("batch_tokens", "hits"), [(100, True), (1000, False)])
def test_small_batches_keep_their_kernels(batch_tokens: int, hits: bool) -> None:
    done = run_alone(KERNELS, str(batch_tokens), ONEDNN_VERBOSE="profile_create")
    made = [line for line in done.stdout.splitlines() if ",rnn," in line or "lstm" in line]
    if made:  # where oneDNN computes the LSTM
        assert any("cache_hit" in line for line in made) == hits


# --- steering, beside brute force ---------------------------------------------------------------


def learn_subwords() -> SentencepieceTokenizer:
    texts = ["ab ba", "abba", "baab ab", "bab abab", "aab bba"] * 5
    return learn_sentencepiece(texts, "bpe", 10, 1)


@cache
def small_model(kind: str) -> Translator:
    """A model with random weights and few tokens, so that all outputs can be scored."""
    tokenizer: Tokenizer
    if kind == "bpe":
        tokenizer = learn_subwords()
        vocabulary = Vocabulary(tokenizer.pieces)
    elif kind == "whitespace":
        tokenizer, vocabulary = WhitespaceTokenizer(), Vocabulary(["A", "AB", "B", "BA", "C"])
    else:
        tokenizer, vocabulary = CharacterTokenizer(), Vocabulary(["a", "b", "é", "e", "ê"])
    target = Codec(tokenizer, vocabulary)
    source = Codec(CharacterTokenizer(), Vocabulary("xyz"))
    torch.manual_seed(7)
    options = make_options(embedding_size=6, hidden_size=8)
    model = build_model(options, len(source.vocabulary), len(vocabulary), False)
    randomise(model)
    with torch.no_grad():
        model.output_bias[EOS] = 1.5
    text = TextOptions(shared_vocabulary=False)
    bundle = Bundle(text, options, source, target, {})
    return Translator(bundle, TorchStepper(model.eval()), threads=1)


@cache
def all_outputs(kind: str, source: str) -> list[Translation]:
    """Return every output of up to three tokens, with its score by forced decoding."""
    translator = small_model(kind)
    codec = translator.target_codec
    ids = range(EOS + 1, len(codec.vocabulary))
    rows = [row for size in range(1, LONGEST + 1) for row in itertools.product(ids, repeat=size)]
    encoded = np.array([translator.source_codec.encode(source)] * len(rows))
    queries = [Query(max_length=LONGEST, target=row) for row in rows]
    found = search(translator.stepper, encoded, np.ones_like(encoded, bool), queries)
    return [
        Translation([], codec.tokens(row), codec.decode(row), one.score)
        for row, [one] in zip(rows, found, strict=True)
    ]


def best_texts(kind: str, source: str, allowed: list[Translation]) -> list[str]:
    """Return the texts in order of probability, segmentations added up."""
    merged: dict[str, float] = {}
    for one in allowed:
        merged[one.text] = np.logaddexp(merged.get(one.text, -np.inf), one.score)
    return sorted(merged, key=lambda text: -merged[text])


def decompose(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def end_whole(kind: str, text: str) -> str:
    """Return a text whose last token ends where a prefix that ends in a blank says so."""
    return f"{text} " if kind == "whitespace" else text


PREFIXES = {
    "characters": ["a", "ab", "e", "ae", "é", "ê"],
    "whitespace": ["A", "A ", "AB", "A B", "BA C"],
    "bpe": ["a", "ab", "ab b", "b", "aba", "ba a"],
}


@pytest.mark.parametrize(("kind", "prefix"), [(k, p) for k in PREFIXES for p in PREFIXES[k]])
@pytest.mark.parametrize("source", ["xyz", "zx"])
def test_prefix_is_brute_force(kind: str, prefix: str, source: str) -> None:
    allowed = [
        one
        for one in all_outputs(kind, source)
        if decompose(end_whole(kind, one.text)).startswith(decompose(prefix)) and one.tokens
    ]
    expected = best_texts(kind, source, allowed)
    found = small_model(kind).translate_one(
        source, prefix=prefix, beam_size=300, length_penalty=0.0, max_length=LONGEST, n_best=300
    )
    assert found.is_finished
    assert [found.text, found.alternatives[0].text] == expected[:2]
    greedy = small_model(kind).translate_one(source, prefix=prefix, beam_size=1)
    assert decompose(end_whole(kind, greedy.text)).startswith(decompose(prefix))


MUSTS = {
    "characters": [(("a",), ()), (("ba", "e"), ()), ((), ("a", "b")), (("b",), ("ba",))],
    "whitespace": [(("A",), ()), (("B A",), ()), ((), ("A",)), (("C",), ("AB", "B"))],
    "bpe": [(("ab",), ()), (("b a",), ()), ((), ("ab",)), (("a",), ("b",)), ((), ("a a", "bb"))],
}


def has(kind: str, text: str, wanted: str) -> bool:
    return f" {wanted} " in f" {text} " if kind == "whitespace" else wanted in text


@pytest.mark.parametrize(("kind", "demands"), [(k, d) for k in MUSTS for d in MUSTS[k]])
def test_must_and_must_not_are_brute_force(
    kind: str, demands: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    must, must_not = demands
    allowed = [
        one
        for one in all_outputs(kind, "xyz")
        if all(has(kind, one.text, text) for text in must)
        and not any(has(kind, one.text, text) for text in must_not)
    ]
    if not must:
        allowed.append(Translation([], [], "", score_of_nothing(kind)))
    found = small_model(kind).translate_one(
        "xyz",
        must=must,
        must_not=must_not,
        beam_size=300,
        n_best=300,
        length_penalty=0.0,
        max_length=LONGEST,
    )
    assert found.is_finished
    assert found.text == best_texts(kind, "xyz", allowed)[0]
    narrow = small_model(kind).translate_one("xyz", must=must, must_not=must_not, beam_size=2)
    assert not any(has(kind, narrow.text, text) for text in must_not)
    assert not narrow.is_finished or all(has(kind, narrow.text, text) for text in must)


def score_of_nothing(kind: str) -> float:
    """Return the log-probability that the output ends at once."""
    translator = small_model(kind)
    source = np.array([translator.source_codec.encode("xyz")])
    query = Query(max_length=1, target=())
    return search(translator.stepper, source, np.ones_like(source, bool), [query])[0][0].score


def test_segmentations_of_one_text_are_merged_and_add_up() -> None:
    everything = all_outputs("bpe", "xyz")
    found = small_model("bpe").translate_one(
        "xyz", beam_size=2_000, n_best=300, length_penalty=0.0, max_length=LONGEST
    )
    outputs = [one for one in (found, *found.alternatives) if one.is_finished]
    texts = [one.text for one in outputs]
    assert set(texts) == {one.text for one in everything} | {""}
    assert len(set(texts)) == len(texts)
    counts = [sum(one.text == text for one in everything) for text in texts]
    assert max(counts) > 1
    for one in outputs:
        scores = [other.score for other in everything if other.text == one.text]
        if one.text:
            assert one.score == pytest.approx(np.logaddexp.reduce(scores), abs=1e-4)
    ranks = [one.rank_score for one in outputs]
    assert ranks == sorted(ranks, reverse=True)


def test_no_sequence_of_tokens_is_repeated() -> None:
    for size in (1, 2):
        for source in ("xyz", "zzx", "yx"):
            found = small_model("characters").translate_one(source, no_repeat=size, max_length=11)
            grams = [tuple(found.tokens[i : i + size]) for i in range(len(found.tokens) - size + 1)]
            assert len(set(grams)) == len(grams)


def test_prefix_of_bytes() -> None:
    codec = Codec(ByteTokenizer(), Vocabulary(ByteTokenizer.alphabet))
    ids, begins = Steering(codec).begin("é")
    assert codec.decode(ids) == "é" and begins == ()


# --- minimum Bayes risk -------------------------------------------------------------------------


@pytest.mark.parametrize("likeness", ["chrf", "edits"])
def test_least_risk_is_that_of_two_loops(likeness: str) -> None:
    measure = {"chrf": chrf_likeness, "edits": edit_likeness}[likeness]
    found = small_model("characters").translate_one("zxy", beam_size=7, n_best=7)
    candidates = [found, *found.alternatives]
    chosen = order_outputs(candidates, Request("zxy", beam_size=7, n_best=7, mbr=likeness))  # type: ignore[arg-type]
    shares = np.exp([one.score for one in candidates])
    shares /= shares.sum()
    values = {
        one.text: sum(
            share * measure(one.text, other.text)
            for share, other in zip(shares, candidates, strict=True)
        )
        for one in candidates
    }
    for one in (chosen, *chosen.alternatives):
        assert one.rank_score == pytest.approx(values[one.text], abs=1e-9)
    assert chosen.text == max(values, key=lambda text: values[text])
    asked = small_model("characters").translate_one("zxy", beam_size=7, mbr=likeness)  # type: ignore[arg-type]
    assert asked.text == chosen.text


def test_samples_vote_by_their_number() -> None:
    drawn = [Translation([], list(text), text, -9.0) for text in ("ab", "ab", "xy")]
    request = Request("z", n_best=2, mbr="edits", sampling=Sampling())
    found = order_outputs(drawn, request)
    assert (found.text, found.rank_score) == ("ab", pytest.approx(2 / 3))
    assert [one.text for one in found.alternatives] == ["xy"]
    translator = small_model("characters")
    sampling = Sampling(seed=3)
    samples = translator.translate_one("zxy", n_best=5, sampling=sampling)
    texts = [one.text for one in (samples, *samples.alternatives) if one.is_finished]
    best = translator.translate_one("zxy", mbr="edits", sampling=sampling)
    expected = [sum(edit_likeness(text, other) for other in texts) for text in texts]
    assert best.text == texts[int(np.argmax(expected))]


@pytest.mark.parametrize(
    ("text", "reference"),
    [("the cat", "the cart"), ("a", "b"), ("abcdefgh", "abcxefgh"), ("", "a")],
)
def test_chrf_is_that_of_sacrebleu(text: str, reference: str) -> None:
    expected = sacrebleu.sentence_chrf(text, [reference]).score / 100
    assert chrf_likeness(text, reference) == pytest.approx(expected, abs=1e-9)


# --- unfinished, empty, unknown, too long -------------------------------------------------------


def test_what_was_cut_off_never_outranks_what_ended() -> None:
    cut = Translation([], list("aaaa"), "aaaa", -0.1, is_finished=False)
    ended = Translation([], ["b"], "b", -9.0)
    words = WordList.from_words(["aaaa"], 50.0)
    for request, listed in (
        (Request("x", n_best=2), None),
        (Request("x", n_best=2), words),
        (Request("x", n_best=2, mbr="chrf"), None),
        (Request("x", n_best=2, sampling=Sampling()), None),
    ):
        found = order_outputs([cut, ended], request, listed)
        assert found.text == "b" and found.is_finished
        for other in found.alternatives:
            assert not other.is_finished and other.rank_score <= found.rank_score
    same = order_outputs([replace(cut, text="b"), ended], Request("x", n_best=2))
    assert (same.text, same.is_finished, same.alternatives) == ("b", True, [])


def test_short_limits_leave_outputs_unfinished() -> None:
    found = golden("torch").translate_one("abcde", max_length=2, beam_size=1)
    assert not found.is_finished and len(found.tokens) == 2
    assert not found.to_dict()["is_finished"]


def test_scores_of_tokens_add_up() -> None:
    found = golden("torch").translate_one("abcde")
    forced = next(golden("torch").score_pairs([("abcde", found.text)]))
    assert forced.token_scores == pytest.approx(found.token_scores, abs=1e-4)
    assert len(found.token_scores) == len(found.tokens)
    assert sum(found.token_scores) > found.score  # and the end mark costs something


@each_backend
def test_blank_is_empty(backend: str) -> None:
    blanks = ["", "   ", "\t", "\ufeff", "\u200b \u200e"]
    for found in golden(backend).translate(blanks):
        assert (found.text, found.tokens, found.score, found.is_finished) == ("", [], 0.0, True)
        assert found.attention is not None and found.attention.shape == (0, 0)
    for found in golden(backend).translate(blanks, attention=False):
        assert found.attention is None
    assert not golden(backend).translate_one(" ", prefix="a").is_finished


def test_blanks_around_and_what_is_invisible_change_nothing() -> None:
    translator = golden("torch")
    expected = show(translator.translate_one("abc"))
    for text in (" abc", "abc \n", "\ufeffabc", "a\u200bb\u200dc", "\u202aabc\u202c"):
        assert show(translator.translate_one(text)) == expected
    pairs = [("\ufeffabc ", "cba"), ("abc", "cba")]
    first, second = translator.score_pairs(pairs)
    assert first.score == pytest.approx(second.score, abs=1e-6)


def test_what_training_had_is_not_dropped() -> None:
    codec = Codec(CharacterTokenizer(), Vocabulary("ab\u200d"))
    model = small_model("characters")
    model = Translator(replace(model.bundle, source_codec=codec), model.stepper)
    assert model.translate_one("a\u200db\u200c").source_tokens == ["a", "\u200d", "b"]


def test_unknown_tokens_are_said_where_they_are() -> None:
    first, second = golden("torch").translate(["aXbÜ", "abc"])
    assert [first.source_tokens[place] for place in first.unknown] == ["X", "Ü"]
    assert second.unknown == ()


def test_a_source_far_longer_than_any_in_training_is_cut() -> None:
    bundle = golden("torch").bundle
    text = "abcde" * 40
    for longest, limit in ((0, 500), (5, 100), (31, 124)):
        decoding = replace(bundle.decoding, longest_source=longest)
        told = Translator(replace(bundle, decoding=decoding), golden("torch").stepper, threads=1)
        assert told.max_source == limit
        found = told.translate_one(text, beam_size=1, max_length=3)
        assert found.num_cut == max(0, 200 - limit)
        assert len(found.source_tokens) == min(200, limit)
        assert_alike(
            replace(found, num_cut=0),
            golden("torch").translate_one(text[:limit], beam_size=1, max_length=3),
        )
        assert next(told.score_pairs([(text, "a")])).num_cut == found.num_cut
    lifted = Translator.load(GOLDEN["torch"], max_source=7)
    assert lifted.translate_one("abcdeabcd").num_cut == 2


# --- memory -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wishes", "is_recalled"),
    [
        ({}, True),
        ({"prefix": "d"}, True),
        ({"must": ("e",)}, True),
        ({"must_not": ("a",)}, True),
        ({"prefix": "a"}, False),
        ({"must": ("a",)}, False),
        ({"must_not": ("e",)}, False),
        ({"sampling": Sampling()}, False),
        ({"no_repeat": 1}, False),
    ],
)
def test_what_is_recalled_is_what_was_asked_for(
    wishes: dict[str, object], is_recalled: bool
) -> None:
    bundle = golden("torch").bundle
    bundle = replace(bundle, decoding=replace(bundle.decoding, memory={"abc": "deed"}))
    translator = Translator(bundle, golden("torch").stepper, threads=1)
    found = translator.translate_one("abc", n_best=3, **wishes)  # type: ignore[arg-type]
    assert (found.text == "deed") == is_recalled
    ranks = [one.rank_score for one in (found, *found.alternatives)]
    if "sampling" not in wishes:
        assert ranks == sorted(ranks, reverse=True)
    assert len(ranks) <= 3


# --- batches ------------------------------------------------------------------------------------


def test_batches_hold_every_row_once_and_are_not_too_large() -> None:
    draw = random.Random(3)
    for workers in (1, 2, 5):
        lengths = [draw.randint(0, 13) for _ in range(211)]
        widths = [draw.choice([1, 5]) for _ in lengths]
        batches = cut_batches(lengths, widths, 100, workers)
        rows = sorted(row for batch in batches for row in batch)
        assert rows == [row for row, length in enumerate(lengths) if length]
        for batch in batches:
            longest = max(lengths[row] for row in batch)
            assert len(batch) == 1 or longest * sum(widths[row] for row in batch) <= 100


def test_small_inputs_are_not_cut_into_single_rows() -> None:
    assert len(cut_batches([7, 6], [1, 1], 2000, 8)) == 1
    assert len(cut_batches([9] * 4096, [5] * 4096, 10**9, 8)) == 8
    assert cut_batches([], [], 2000, 2) == []


# --- the command --------------------------------------------------------------------------------


def call(*arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Call the command in this process; test_streams.py has processes of its own."""
    stdin, stdout = io.TextIOWrapper(io.BytesIO(given.encode())), io.TextIOWrapper(io.BytesIO())
    stderr = io.StringIO()
    before, sys.stdin = sys.stdin, stdin
    try:
        with redirect_stdout(stdout), redirect_stderr(stderr):
            status = main([str(argument) for argument in arguments])
            stdout.flush()
    finally:
        sys.stdin = before
    written = stdout.buffer.getvalue().decode()  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(arguments, status, written, stderr.getvalue())


@each_backend
def test_the_command_steers(backend: str, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("abcde\n\nbad\n", encoding="utf-8")
    steered = ["--prefix", "d", "--must", "b", "--must-not", "ab", "--must-not", "aa"]
    steered += ["--no-repeat", "2", "--n-best", "3", "--format", "jsonl"]
    done = call("translate", GOLDEN[backend], tmp_path / "words.txt", *steered)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["source"] for row in rows] == ["abcde", "", "bad"]
    for row in (rows[0], rows[2]):
        for one in (row, *row["alternatives"]):
            assert one["text"].startswith("d")
            assert "ab" not in one["text"] and "aa" not in one["text"]
            assert "b" in one["text"] or not one["is_finished"]
    assert {tuple(sorted(row)) for row in rows} == {tuple(sorted(rows[0]))}
    mbr = call("translate", GOLDEN[backend], "--mbr", "edits", given="abcde\n")
    expected = golden(backend).translate_one("abcde", mbr="edits", attention=False)
    assert mbr.stdout == expected.text + "\n"


def test_the_command_says_what_was_unknown_cut_or_unfinished(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("\ufeffABC\nabc\nabcdeabcde\nbad\nAé\n", encoding="utf-8")
    done = call("translate", GOLDEN["onnx"], words, "--max-source", "7", "--max-length", "2")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 5
    assert "2 of 5 lines have source tokens that were not seen" in done.stderr
    assert "'A' in 2" in done.stderr and "'é' in 1" in done.stderr
    assert "lower case" not in done.stderr
    assert "line 3: cut to 7 tokens" in done.stderr
    assert "outputs did not come to their end" in done.stderr
    words.write_text("ABC\nDe\n", encoding="utf-8")
    done = call("translate", GOLDEN["onnx"], words)
    assert "in lower case all are known" in done.stderr


def test_the_command_asks_about_a_file_of_pairs(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("abc\tcba\nbad\tdab\n", encoding="utf-8")
    done = call("translate", GOLDEN["onnx"], pairs)
    assert done.returncode == 2 and done.stdout == ""
    assert "every line has a TAB" in done.stderr and "--columns 1" in done.stderr
    done = call("translate", GOLDEN["onnx"], given="abc\tcba\nbad\n")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", "PAR1", "a parquet file is a table. Name the column"),
        ("a.json", '[{"word": "abc"},\n{"word": "bad"}]\n', "it is a JSON array of objects"),
        ("a.tmx", '<?xml version="1.0"?>\n<tmx/>\n', "--columns LANGUAGE"),
    ],
)
def test_a_table_is_not_read_as_lines(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    table = tmp_path / name
    table.write_text(content, encoding="utf-8")
    done = call("translate", GOLDEN["onnx"], table)
    assert done.returncode == 2 and done.stdout == ""
    assert message in done.stderr and "--columns" in done.stderr


def test_a_translator_says_why_it_does_not_travel() -> None:
    translator = Translator.load(GOLDEN["onnx"])
    for move in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="load it there"):
            move(translator)


def test_translations_can_be_compared_and_copied() -> None:
    translator = Translator.load(GOLDEN["onnx"])
    one, other = translator.translate(["abc", "bad"])
    assert one.attention is not None
    assert copy.deepcopy(one) == one == pickle.loads(pickle.dumps(one)) != other
    assert other in [one, other]


def test_scores_of_a_table_are_in_order() -> None:
    done = call("translate", GOLDEN["onnx"], "--n-best", "5", "--format", "tsv", given="decade\n")
    scores = [float(line.split("\t")[2]) for line in done.stdout.splitlines()]
    assert len(scores) > 2 and scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--beam-size", "0"], "--beam-size: must be at least 1"),
        (["--prefix", "§"], "cannot write '§'"),
        (["--must", "a", "--sample"], "does not go with sampling"),
        (["--max-source", "0"], "--max-source: must be at least 1"),
    ],
)
def test_mistakes_of_steering_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["translate", str(GOLDEN["onnx"]), os.devnull, *arguments]) == 2
    said = capsys.readouterr()
    assert message in said.err and len(said.err.splitlines()) == 1 and said.out == ""
