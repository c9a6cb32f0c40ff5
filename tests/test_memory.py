"""The memory of training pairs: what it holds, when it is carried, what a translator does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.bundle_files import identify
from foveate.config import build_config
from foveate.data.table import PairTable
from foveate.errors import BundleError
from foveate.evaluation import Evaluation
from foveate.files import hash_file
from foveate.metrics import Score
from foveate.text.codec import Codec
from foveate.text.matching import Matching
from foveate.text.memory import build_memory, count_repeated, count_targets, leave_one_out
from foveate.text.tokenizers import CharacterTokenizer
from foveate.text.vocabulary import Vocabulary
from foveate.training.remember import is_as_good
from foveate.training.run import Trained, train
from foveate.translator import Translator

WORDS = [("uar", "var"), ("tima", "tími"), ("ok", "og"), ("hann", "hann"), ("eg", "ég")]


def train_few(memory: bool | None, dev: list[tuple[str, str]] | None = None) -> Trained:
    """Train a model that can write nothing right yet, on pairs that repeat."""
    config = build_config({"max_updates": 1, "hidden_size": 16, "memory": memory, "threads": 1})
    table = PairTable.from_texts(*zip(*(WORDS * 11), strict=True))
    dev_table = PairTable.from_texts(*zip(*(dev or [("ny", "ný")]), strict=True))
    return train(table, dev_table, config)


pairs = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=13)


@given(pairs)
def test_leave_one_out_is_what_a_loop_finds(pairs: list[tuple[str, str]]) -> None:
    right = repeated = 0
    for index, (source, target) in enumerate(pairs):
        others = [t for i, (s, t) in enumerate(pairs) if s == source and i != index]
        repeated += bool(others)
        wins = [
            t
            for t in set(others)
            if all(others.count(t) > others.count(u) for u in set(others) - {t})
        ]
        right += wins == [target]
    assert leave_one_out(count_targets(pairs)) == (right, repeated)


@given(pairs)
def test_counts_of_repeated_sources_are_those_of_all(pairs: list[tuple[str, str]]) -> None:
    counts = count_targets(pairs)
    repeated = {source: targets for source, targets in counts.items() if targets.total() > 1}
    assert count_repeated(lambda: pairs) == repeated
    assert leave_one_out(repeated) == leave_one_out(counts)


def test_commonest_target_wins_and_the_first_of_equals() -> None:
    pairs = [("a", "y"), ("a", "x"), ("b", "x"), ("b", "y"), ("b", "y")]
    assert build_memory(count_targets(pairs)) == {"a": "y", "b": "y"}


def test_memory_of_repeated_pairs_is_carried_and_used() -> None:
    translator = train_few(memory=None).translator
    assert [found.text for found in translator.translate(s for s, _ in WORDS)] == [
        target for _, target in WORDS
    ]
    assert translator.summary.memory == len(WORDS)
    found = translator.translate_one("tima", n_best=3)
    assert found.text == "tími"
    assert len(found.alternatives) == 2
    assert "tími" not in {other.text for other in found.alternatives}
    forced = next(translator.score_pairs([("tima", "tími")]))
    assert found.score == pytest.approx(forced.score, abs=1e-4)
    assert found.attention is not None
    assert found.attention.shape == (4, 4)


def test_memory_can_be_left_out() -> None:
    translator = train_few(memory=False).translator
    assert translator.bundle.decoding.memory == {}
    assert translator.translate_one("tima").text != "tími"


def test_pairs_without_repetition_are_not_carried_unless_told() -> None:
    table = PairTable.from_texts([f"w{i:03}" for i in range(97)], [f"v{i:03}" for i in range(97)])
    for memory, size in ((None, 0), (True, 92)):  # 97 without the held out ones
        config = build_config({"max_updates": 1, "hidden_size": 16, "memory": memory})
        bundle = train(table, None, config).translator.bundle
        assert bool(bundle.decoding.memory) == bool(size)


def judge(num_known: int, recalled: int, written: int, exact_match: float = 0.5) -> bool:
    """Ask about a memory that is right on so many dev sources, where the model is on others.

    Leaving one out recalls two thirds of the training pairs.
    """
    sources = [f"w{number}" for number in range(num_known)]
    pairs = [(source, "t") for source in sources for _ in range(2)]
    pairs += [("other", "x")] * 80 + [("other", "y")] * (40 + 2 * num_known)
    references = [["t"] if number < recalled else ["v"] for number in range(num_known)]
    outputs = [refs[0] if number < written else "-" for number, refs in enumerate(references)]
    score = Score(exact_match, 0.0, 1.0, "")
    evaluation = Evaluation(
        num_pairs=num_known,
        sources=sources,
        references=references,
        outputs=outputs,
        log_probs=[-1.0] * num_known,
        metrics={"exact_match": score},
        by_row=score,
        by_source_length=[],
        telling=("exact_match",),
        unit="characters",
        split=list,
    )
    codec = Codec(CharacterTokenizer(), Vocabulary.learn(["w0123456789"]))
    return is_as_good(lambda: pairs, Matching(codec, codec), evaluation)


def test_dev_sources_that_are_known_decide() -> None:
    assert judge(23, recalled=11, written=11)
    assert not judge(23, recalled=11, written=12)
    assert judge(23, recalled=11, written=10, exact_match=1.0)


def test_training_pairs_decide_when_dev_has_too_few_known() -> None:
    assert judge(3, recalled=0, written=3, exact_match=0.6)
    assert not judge(3, recalled=3, written=0, exact_match=0.7)


def test_bundle_keeps_the_memory(tmp_path: Path) -> None:
    train_few(memory=True).translator.save(tmp_path / "model")
    loaded = Translator.load(tmp_path / "model")
    assert loaded.bundle.decoding.memory == dict(WORDS)
    assert loaded.translate_one("ok").text == "og"
    manifest = json.loads((tmp_path / "model" / "bundle.json").read_text(encoding="utf-8"))
    assert "memory.json" in manifest["files"]


def exchange_file(model: Path, name: str, content: str) -> None:
    """Write other content into a file of a bundle, as if it had always been so."""
    (model / name).write_text(content, encoding="utf-8")
    path = model / "bundle.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"][name] = hash_file(model / name)
    manifest["id"] = identify(2, manifest["files"])
    path.write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize("content", ["[1]", '{"a": 1}', "no"])
def test_damaged_memory_is_one_error(tmp_path: Path, content: str) -> None:
    train_few(memory=True).translator.save(tmp_path / "model")
    exchange_file(tmp_path / "model", "memory.json", content)
    with pytest.raises(BundleError, match=r"memory\.json"):
        Translator.load(tmp_path / "model")


def test_what_is_empty_is_neither_remembered_nor_recalled(tmp_path: Path) -> None:
    assert build_memory(count_targets([("a", ""), ("", "x"), ("b", "y")])) == {"b": "y"}
    train_few(memory=True).translator.save(tmp_path / "model")
    plain = Translator.load(tmp_path / "model").translate_one("hann").text
    assert plain == "hann"
    exchange_file(tmp_path / "model", "memory.json", '{"tima": "", "": "x", "ok": "og"}')
    translator = Translator.load(tmp_path / "model")
    written, blank, recalled = translator.translate(["tima", "", "ok"])
    assert (written.is_finished, blank.text, recalled.text) == (True, "", "og")
    assert written.text == train_few(memory=False).translator.translate_one("tima").text
