"""Tables and batches: nothing lost, nothing twice, little padding, the same every time."""

import time
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.data.batching import collate, collate_sources, encode_table, plan_batches
from foveate.data.table import PairTable
from foveate.errors import DataError
from foveate.records import Pair
from foveate.text.vocabulary import BOS, EOS, PAD

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=7)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=23)


class LetterCodec:
    """Code points as ids; with sampling, an id that tells strength and seed in front."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, float, int]] = []

    def encode_many(
        self, texts: list[str], sampling: float = 0.0, seed: int = 0
    ) -> list[list[int]]:
        self.calls.append((len(texts), sampling, seed))
        return [[ord(letter) for letter in text] for text in texts]


def contents(table: PairTable) -> list[tuple[str, str]]:
    return list(zip(table.sources(), table.targets(), strict=True))


# --- table ----------------------------------------------------------------------------------------


@given(PAIRS)
def test_table_gives_back_what_it_got(pairs: list[tuple[str, str]]) -> None:
    table = PairTable.from_pairs(Pair(*pair, "file", 3) for pair in pairs)
    other = PairTable.from_texts([pair[0] for pair in pairs], (pair[1] for pair in pairs))
    assert contents(table) == contents(other) == pairs
    assert [(table.source(row), table.target(row)) for row in range(len(table))] == pairs
    assert [table.source(row - len(table)) for row in range(len(table))] == [s for s, _ in pairs]


@given(PAIRS.filter(bool), st.data())
def test_rows_are_taken_in_order(pairs: list[tuple[str, str]], data: st.DataObject) -> None:
    table = PairTable.from_texts(*zip(*pairs, strict=True))
    indices = data.draw(st.lists(st.integers(0, len(pairs) - 1), max_size=13))
    assert contents(table.rows(indices)) == [pairs[index] for index in indices]


def test_empty_table() -> None:
    table = PairTable.from_texts([], [])
    assert len(table) == len(table.rows([])) == 0
    assert contents(table) == []


def test_rows_outside_the_table() -> None:
    table = PairTable.from_texts(["a", "b"], ["c", "d"])
    for call in (lambda: table.source(2), lambda: table.target(-3), lambda: table.rows([0, 2])):
        with pytest.raises(IndexError, match="of a table of 2 pairs"):
            call()


@pytest.mark.parametrize(
    ("sources", "targets", "what"),
    [
        (["a", "b"], ["c"], "one side ends after 1"),
        (["a"], ["b", "c"], "one side ends after 1"),
        (["a", "b"], ["c", 7], "target 2 is not a text, but int: 7"),
        ([None], ["c"], "source 1 is not a text, but NoneType"),
        (["\ud800"], ["c"], "source 1 has half a surrogate pair"),
    ],
)
def test_texts_that_are_none(sources: list[str], targets: list[str], what: str) -> None:
    with pytest.raises(DataError, match=what):
        PairTable.from_texts(sources, targets)


def test_table_is_compact() -> None:
    table = PairTable.from_texts((f"{n:07d}" for n in range(10_007)), ["ab"] * 10_007)
    assert table.size_in_bytes == 10_007 * (7 + 2 + 8 + 8) + 16


@pytest.mark.parametrize("wanted", [1, 7, 101, 0.1, 0.5])
def test_split_off_keeps_sources_together(wanted: float) -> None:
    pairs = [(f"word {n % 211}", f"target {n}") for n in range(997)]
    table = PairTable.from_texts(*zip(*pairs, strict=True))
    rest, held = table.split_off(wanted, seed=5)
    count = wanted if isinstance(wanted, int) else round(wanted * 997)
    assert 0 < len(held) <= max(count, 5)  # a source has 4 or 5 rows
    assert len(held) > count - 5
    assert not set(rest.sources()) & set(held.sources())
    assert Counter(contents(rest)) + Counter(contents(held)) == Counter(pairs)
    is_held = set(held.sources())
    assert [pair for pair in pairs if pair[0] in is_held] == contents(held)


def test_two_spellings_of_a_source_are_never_apart() -> None:
    words = [f"{letter}\N{LATIN SMALL LETTER E WITH ACUTE}" for letter in "abcdefghijklmnop"]
    both = [*words, *(unicodedata.normalize("NFD", word) for word in words)]
    table = PairTable.from_texts(both, both)
    rest, held = table.split_off(0.5, seed=3)
    forms = [
        {unicodedata.normalize("NFC", text) for text in part.sources()} for part in (rest, held)
    ]
    assert len(rest) == len(held) == 16
    assert not forms[0] & forms[1]
    parts = table.deal(3, seed=3)
    assert parts[:16].tolist() == parts[16:].tolist()


def test_split_off_depends_on_the_seed_but_not_on_the_order() -> None:
    sources = [f"word {n}" for n in range(499)]
    table = PairTable.from_texts(sources, sources)
    shuffled = table.rows(np.random.default_rng(3).permutation(499))
    held = set(table.split_off(53, seed=1)[1].sources())
    assert len(held) == 53
    assert set(shuffled.split_off(53, seed=1)[1].sources()) == held
    assert set(table.split_off(53, seed=2)[1].sources()) != held


def test_split_off_holds_one_source_of_few() -> None:
    table = PairTable.from_texts(["a", "a", "b", "b", "b"], "vwxyz")
    rest, held = table.split_off(0.1, seed=1)
    assert contents(held) == [("a", "v"), ("a", "w")]
    assert len(rest) == 3


@pytest.mark.parametrize("wanted", [0, -1, 5, 1.0, 0.0])
def test_split_off_refuses(wanted: float) -> None:
    table = PairTable.from_texts(["a", "a", "b", "b", "b"], "vwxyz")
    with pytest.raises(DataError, match="cannot hold out"):
        table.split_off(wanted, seed=1)
    with pytest.raises(DataError, match="two different sources"):
        table.rows([0, 1]).split_off(1, seed=1)


# --- encoding -------------------------------------------------------------------------------------


def test_encode_table_keeps_rows_over_chunks() -> None:
    sources = ["abcdefg"[: n % 7] + "z" for n in range(20_011)]
    targets = [str(n) for n in range(20_011)]
    codec, other = LetterCodec(), LetterCodec()
    pairs = encode_table(PairTable.from_texts(sources, targets), codec, other, sampling=0.3, seed=9)
    assert len(pairs) == 20_011
    for row in (0, 1, 9_999, 10_000, 20_010):
        assert "".join(map(chr, pairs.source(row))) == sources[row]
        assert "".join(map(chr, pairs.target(row))) == targets[row]
    assert pairs.source_lengths.tolist() == [len(source) for source in sources]
    assert pairs.target_lengths.tolist() == [len(target) for target in targets]
    num_tokens = sum(map(len, sources)) + sum(map(len, targets))
    assert pairs.size_in_bytes == 4 * num_tokens + 2 * 8 * 20_012
    assert [size for size, _, _ in codec.calls] == [10_000, 10_000, 11]
    assert {strength for _, strength, _ in codec.calls + other.calls} == {0.3}
    assert len({seed for _, _, seed in codec.calls + other.calls}) == 6
    assert all(0 <= seed < 2**31 for _, _, seed in codec.calls)


def test_steps_count_target_tokens_and_end_marks() -> None:
    pairs = encode_table(
        PairTable.from_texts(["a", "b", "c"], ["xy", "z", "xyz"]), LetterCodec(), LetterCodec()
    )
    assert pairs.num_steps == 3 + 2 + 4
    assert pairs.steps(np.array([2, 0])).tolist() == [5, 6, 7, 8, 0, 1, 2]


def test_encode_table_repeats_itself() -> None:
    table = PairTable.from_texts(["a"], ["b"])
    first, second, third = LetterCodec(), LetterCodec(), LetterCodec()
    encode_table(table, first, first, sampling=0.1, seed=7)
    encode_table(table, second, second, sampling=0.1, seed=7)
    encode_table(table, third, third, sampling=0.1, seed=8)
    assert first.calls == second.calls != third.calls


def test_encode_empty_table() -> None:
    pairs = encode_table(PairTable.from_pairs([]), LetterCodec(), LetterCodec())
    assert len(pairs) == 0
    assert pairs.source_lengths.tolist() == []


# --- plan -----------------------------------------------------------------------------------------

LENGTHS = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), max_size=199)


@given(LENGTHS, st.integers(1, 400), st.integers(0, 5), st.integers(0, 5))
def test_every_row_is_in_one_batch_of_the_right_size(
    lengths: list[tuple[int, int]], batch_tokens: int, seed: int, epoch: int
) -> None:
    sources = np.array([source for source, _ in lengths], dtype=np.int64)
    targets = np.array([target for _, target in lengths], dtype=np.int64)
    batches = plan_batches(sources, targets, batch_tokens, seed, epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        cells = len(batch) * (sources[batch].max() + targets[batch].max() + 1)
        assert cells <= batch_tokens or len(batch) == 1
    again = plan_batches(sources, targets, batch_tokens, seed, epoch)
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in again]


def padding_share(S: np.ndarray, T: np.ndarray, batches: list[np.ndarray]) -> float:
    cells = sum(len(rows) * (S[rows].max() + T[rows].max() + 1) for rows in batches)
    return 1 - float((S + T + 1).sum() / cells)


def word_like_lengths(num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(11)
    S = generator.poisson(7, num_rows) + 1
    return S, np.maximum(1, S + generator.poisson(2, num_rows) - 2)


def sentence_like_lengths(num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(13)
    S = np.rint(generator.lognormal(2.5, 0.35, num_rows)).astype(np.int64) + 1
    return S, np.maximum(1, np.rint(S * generator.normal(1, 0.15, num_rows)).astype(np.int64))


@pytest.mark.parametrize("batch_tokens", [1000, 4000])
@pytest.mark.parametrize("make", [word_like_lengths, sentence_like_lengths])
def test_padding_is_small(make: object, batch_tokens: int) -> None:
    S, T = make(30_011)  # type: ignore[operator]
    for epoch in range(3):
        assert padding_share(S, T, plan_batches(S, T, batch_tokens, 1, epoch)) < 0.05


def test_epochs_mix_differently() -> None:
    S, T = sentence_like_lengths(3_001)
    first, second = (plan_batches(S, T, 1000, seed=1, epoch=epoch) for epoch in (0, 1))
    partner = {row: set(batch.tolist()) for batch in first for row in batch.tolist()}
    stayed = [
        len(partner[row] & set(batch.tolist())) / len(partner[row])
        for batch in second
        for row in batch.tolist()
    ]
    assert np.mean(stayed) < 0.75
    mean_lengths = [T[batch].mean() for batch in first]
    assert abs(np.corrcoef(mean_lengths, np.arange(len(first)))[0, 1]) < 0.3


def test_a_million_rows_are_planned_fast() -> None:
    S, T = sentence_like_lengths(1_000_003)
    begin = time.process_time()
    batches = plan_batches(S, T, 4000, 1, 0)
    assert time.process_time() - begin < 5
    assert sum(map(len, batches)) == 1_000_003


def test_no_rows_no_batches() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    assert plan_batches(nothing, nothing, 100, 1, 0) == []


# --- collate --------------------------------------------------------------------------------------

IDS = st.lists(st.integers(4, 99), max_size=7)


@given(st.lists(st.tuples(IDS.filter(bool), IDS), min_size=1, max_size=5))
def test_collate_against_naive_padding(rows: list[tuple[list[int], list[int]]]) -> None:
    sources = [np.array(source, dtype=np.int32) for source, _ in rows]
    batch = collate(sources, [target for _, target in rows])
    S = max(len(source) for source, _ in rows)
    T = max(len(target) for _, target in rows) + 1
    for index, (source, target) in enumerate(rows):
        num_pads, num_target_pads = S - len(source), T - len(target) - 1
        assert batch.source[index].tolist() == source + [PAD] * num_pads
        assert batch.source_mask[index].tolist() == [True] * len(source) + [False] * num_pads
        assert batch.target_in[index].tolist() == [BOS, *target] + [PAD] * num_target_pads
        assert batch.target_out[index].tolist() == [*target, EOS] + [PAD] * num_target_pads
        real = [True] * (len(target) + 1) + [False] * num_target_pads
        assert batch.target_mask[index].tolist() == real
    assert batch.source.dtype == batch.target_in.dtype == batch.target_out.dtype == np.int64
    assert batch.source_mask.dtype == batch.target_mask.dtype == np.bool_


def test_sources_alone_are_padded_alike() -> None:
    batch = collate([[5, 6, 7], [5]], [[8], [9]])
    source, mask = collate_sources([[5, 6, 7], [5]])
    assert np.array_equal(source, batch.source)
    assert np.array_equal(mask, batch.source_mask)


def test_collate_refuses() -> None:
    for sources in ([], [[5], []]):
        with pytest.raises(ValueError, match="at least one source"):
            collate_sources(sources)
    with pytest.raises(ValueError, match="2 sources but 1 targets"):
        collate([[5], [6]], [[7]])
