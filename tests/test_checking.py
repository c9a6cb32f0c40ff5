"""Suspicious pairs: every rule on pairs made by hand, and models that find what was planted."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import random
import signal
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import foveate
from foveate.checking import (
    MOST_DEV,
    Suspicion,
    _judge_fold,
    _Judged,
    _pass_through,
    check,
    check_table,
    deal,
    default_minutes,
    find_fence,
    keep_runs,
)
from foveate.cli import main
from foveate.config import Config
from foveate.console import KIND_LABELS, TrainingDisplay, format_findings
from foveate.data.oddities import (
    FAR,
    Oddity,
    _LetterPairs,
    find_copies,
    find_odd_lengths,
    find_oddities,
    find_rare_scripts,
    find_repeats,
    find_script,
    find_variants,
    find_wrong_sides,
)
from foveate.data.table import PairTable
from foveate.errors import ConfigError, DataError
from foveate.translator import Translator

GOLDEN = Path(__file__).parent / "golden" / "format-1"
SYMBOLS = {"a": "AE", "b": "B", "d": "D", "e": "EH", "g": "G", "i": "IH", "k": "K", "l": "L"}
SYMBOLS |= {"m": "M", "n": "N", "o": "OW", "p": "P", "r": "R", "s": "S", "t": "T", "u": "UW"}
BEFORE_E = {"a": "EY", "i": "AY", "o": "AA", "u": "AH"}  # in words that end in e


def pronounce(word: str) -> str:
    sounds = {**SYMBOLS, **BEFORE_E} if word.endswith("e") else SYMBOLS
    return " ".join(sounds[letter] for letter in word)


def make_lexicon(count: int, seed: int) -> list[tuple[str, str]]:
    """Return words in random order: neighbours have nothing to do with each other."""
    generator = random.Random(seed)
    words: dict[str, None] = {}
    while len(words) < count:
        size = generator.randint(3, 7)
        words["".join(generator.choice(list(SYMBOLS)) for _ in range(size))] = None
    return [(word, pronounce(word)) for word in words]


def make_table(pairs: list[tuple[str, str]]) -> PairTable:
    return PairTable.from_texts([s for s, _ in pairs], [t for _, t in pairs])


LEXICON = make_lexicon(150, 3)


# --- rules ----------------------------------------------------------------------------------------


def test_a_clean_lexicon_is_not_odd() -> None:
    assert find_oddities(make_table(LEXICON)) == []
    assert find_oddities(make_table([])) == []


def test_repeats_name_the_first() -> None:
    table = make_table([("a", "A"), ("b", "B"), ("a", "A"), ("a", "C"), ("a", "A")])
    found = list(find_repeats(table, np.array([11, 12, 13, 14, 15])))
    assert [(one.row, one.reason, one.points) for one in found] == [
        (2, "the same pair as 11", 0),
        (4, "the same pair as 11", 0),
    ]


def test_variants_are_counted_once_each_and_cost_nothing() -> None:
    rows = [("a", "A"), ("b", "B"), ("a", "A"), ("a", "C"), ("b", "D"), ("b", "E"), ("c", "C")]
    found = {one.row: (one.reason, one.points) for one in find_variants(make_table(rows))}
    one, two = ("1 other target", 0), ("2 other targets", 0)
    assert found == {0: one, 1: two, 2: one, 3: one, 4: two, 5: two}


@pytest.mark.parametrize(("num_copies", "is_found"), [(1, True), (3, True), (4, False)])
def test_copies_are_odd_only_where_they_are_rare(num_copies: int, is_found: bool) -> None:
    rows = [*LEXICON, *[(f"x{n}", f"x{n}") for n in range(num_copies)]]
    found = [one.row for one in find_copies(make_table(rows))]
    assert found == [len(LEXICON) + n for n in range(num_copies)] * is_found


def test_lengths_are_compared_robustly() -> None:
    rows = [*LEXICON, ("ab", "AE B " * 9 + "AE"), ("abdegiklmno", "B"), ("kelp", "K EH L P")]
    ratios = [math.log((len(t) + 1) / (len(s) + 1)) for s, t in rows]
    middle = statistics.median(ratios)
    spread = 1.4826 * statistics.median(abs(ratio - middle) for ratio in ratios)
    scores = [(ratio - middle) / max(spread, 0.1) for ratio in ratios]
    expected = [row for row, score in enumerate(scores) if abs(score) > FAR]
    found = list(find_odd_lengths(make_table(rows)))
    assert [one.row for one in found] == expected == [150, 151]
    assert found[0].reason == f"target long for its source (z {scores[150]:+.1f})"
    assert found[1].reason == f"target short for its source (z {scores[151]:+.1f})"
    assert found[1].points == pytest.approx(min(-scores[151] / FAR, 3))


def test_equal_ratios_leave_room_for_a_letter() -> None:
    rows = [("abcd", "ABCD")] * 30 + [("abcd", "ABCDE"), ("abcd", "ABCDEFGHIJ")]
    assert [one.row for one in find_odd_lengths(make_table(rows))] == [31]


def test_letters_of_a_rare_script_are_found_on_their_side() -> None:
    rows = [
        *LEXICON,
        ("k\N{CYRILLIC SMALL LETTER A}t", "K AE T"),
        ("net", "N \N{GREEK SMALL LETTER EPSILON} T 7!"),
    ]
    found = {one.row: one.reason for one in find_rare_scripts(make_table(rows))}
    assert found == {150: "Cyrillic letters in the source", 151: "Greek letters in the target"}
    mixed = [("кот", "cat"), ("дом", "house")] * 20
    assert list(find_rare_scripts(make_table(mixed))) == []
    assert [find_script(c) for c in "ア漢ß‿ א"] == ["KATAKANA", "CJK", "LATIN", "", "", "HEBREW"]


def test_letter_pairs_are_counted_as_by_hand() -> None:
    texts = ["aba", "ab", "b"]

    def naive(text: str, counted: list[str]) -> float:
        pairs = [m[i : i + 2] for t in counted for m in [f"\n{t}\n"] for i in range(len(t) + 1)]
        size = len({pair[1] for pair in pairs})
        total = 0.0
        for first, second in itertools.pairwise(f"\n{text}\n"):
            alone = (sum(p[1] == second for p in pairs) + 1) / (len(pairs) + size + 1)
            after = sum(p[0] == first for p in pairs)
            total += math.log((pairs.count(first + second) + 5 * alone) / (after + 5))
        return total

    model = _LetterPairs(texts)
    assert model.log_prob("ba") == pytest.approx(naive("ba", texts))
    assert model.log_prob("z") == pytest.approx(naive("z", texts))
    assert 0.8 < sum(math.exp(model.log_prob(t)) for t in _all_texts("ab", 9)) <= 1


def _all_texts(letters: str, longest: int) -> list[str]:
    sizes = range(longest + 1)
    return ["".join(t) for size in sizes for t in itertools.product(letters, repeat=size)]


def test_a_text_does_not_vouch_for_itself() -> None:
    model = _LetterPairs(["aba", "xyz"])
    assert model.log_prob("xyz", is_counted=True) < model.log_prob("xyz") - 4
    assert model.log_prob("xyz", is_counted=True) < model.log_prob("abz")


def test_swapped_columns_and_strays_are_on_the_wrong_side() -> None:
    swapped = [(target, source) for source, target in make_lexicon(6, 5)]
    rows = [*LEXICON, *swapped, ("motel", "motelelete")]
    found = [(one.row, one.reason) for one in find_wrong_sides(make_table(rows))]
    both = ("source looks like a target", "target looks like a source")
    for number, (source, _) in enumerate(swapped, start=len(LEXICON)):
        assert (number, both[0]) in found, source
    assert (len(rows) - 1, both[1]) in found
    assert {row for row, _ in found} == set(range(len(LEXICON), len(rows)))


# --- folds, costs, ranking ------------------------------------------------------------------------


def test_a_source_stays_in_one_fold_wherever_it_stands() -> None:
    rows = [*LEXICON, *[(source, target + " T") for source, target in LEXICON[::7]]]
    order = random.Random(1).sample(range(len(rows)), len(rows))
    first = deal(make_table(rows), 3, seed=5)
    second = deal(make_table([rows[n] for n in order]), 3, seed=5)
    np.testing.assert_array_equal(second, first[order])
    fold_of: dict[str, int] = {}
    assert all(fold_of.setdefault(s, f) == f for (s, _), f in zip(rows, first, strict=True))
    assert sorted(np.bincount(list(fold_of.values()))) == [50, 50, 50]
    assert (deal(make_table(rows), 3, seed=6) != first).any()


def test_too_few_sources_or_folds_are_refused() -> None:
    with pytest.raises(DataError, match="3 different sources: too few"):
        deal(make_table([("a", "A"), ("b", "B"), ("c", "C"), ("a", "D")]), 2, 1)
    with pytest.raises(ConfigError, match="at least 2, not 1"):
        deal(make_table(LEXICON), 1, 1)


def test_the_fence_is_the_far_one_of_the_boxplot() -> None:
    values = np.random.default_rng(3).exponential(size=37)
    low, _, high = statistics.quantiles(values.tolist(), n=4, method="inclusive")
    assert find_fence(values) == pytest.approx((high, high + 3 * (high - low)))
    assert find_fence(np.zeros(7)) == (0.0, 0.5)


def test_minutes_grow_with_the_data() -> None:
    assert default_minutes(make_table(LEXICON)) == 1
    big = make_table([("a" * 1000, "b" * 1000)] * 700)
    assert default_minutes(big) == 7


@pytest.mark.long
def test_excess_is_what_the_target_costs_more_than_the_own_output() -> None:
    translator = Translator.load(GOLDEN, threads=1)
    sources = [row["source"] for row in json.loads(GOLDEN.with_suffix(".json").read_text())]
    letters = [source for source in sources if source.strip()][:4]
    pairs = [(source, source[::-1] if n % 2 else source) for n, source in enumerate(letters)]
    table = make_table([*pairs, ("unseen", "x")])
    judged = _Judged.build(len(table))
    rows = np.arange(len(pairs))
    _judge_fold(table, rows, translator, judged, _pass_through)
    for row, (source, target) in enumerate(pairs):
        given = next(iter(translator.score_pairs([(source, target)])))
        own = translator.translate_one(source, beam_size=1)
        num_given, num_own = (len(translator.target_codec.encode(t)) for t in (target, own.text))
        cost = -given.score / (num_given + 1) + own.score / (num_own + 1)
        assert judged.excess[row] == pytest.approx(cost, abs=1e-4)
        assert judged.expected[row] == own.text
    assert judged.excess[len(pairs)] == 0 and judged.expected[len(pairs)] == ""


def test_a_shift_needs_company() -> None:
    above, below = "the target above fits", "the target below fits"
    rows = [(3, above), (6, above), (10, above), (20, below), (21, above), (30, below)]
    oddities = [Oddity(row, "shifted", reason) for row, reason in rows]
    other = Oddity(50, "copy", above)
    assert keep_runs([*oddities, other]) == [oddities[0], oddities[1], other]


def test_rules_alone_rank_by_their_points() -> None:
    rows = [*LEXICON, LEXICON[4], ("kat", "kat"), ("ab", "AE B " * 9 + "AE")]
    found = check([s for s, _ in rows], [t for _, t in rows], minutes=0)
    assert [one.row for one in found[:2]] == [151, 152]
    assert [one.kinds for one in found[:2]] == [("copy", "length", "side"), ("length",)]
    assert found[0].suspicion >= found[1].suspicion >= 1
    assert [one.row for one in found[2:]] == list(range(151))
    assert [one.kinds for one in found if one.row == 150] == [("repeat",)]
    assert all(one.expected == "" for one in found)


# --- models ---------------------------------------------------------------------------------------

SMALL = Config(
    hidden_size=32,
    embedding_size=32,
    num_layers=2,
    max_updates=150,
    learning_rate=0.01,
    batch_tokens=300,
    num_validations=1,
    average_decay=0.95,
    dropout=0.0,
    threads=1,
    source_tokens="characters",
    target_tokens="whitespace",
)


@pytest.fixture(scope="module")
def planted() -> tuple[dict[str, list[int]], list[Suspicion]]:
    """Spoil a lexicon in three ways, and check it."""
    pairs = make_lexicon(500, 11)
    places = {"exchanged": [40, 333, 412, 451], "swapped": [77, 401], "shifted": [*range(200, 210)]}
    spoilt = list(pairs)
    exchanged = places["exchanged"]
    for row, other in zip(exchanged, exchanged[1:] + exchanged[:1], strict=True):
        spoilt[row] = (pairs[row][0], pairs[other][1])
    for row in places["swapped"]:
        spoilt[row] = (pairs[row][1], pairs[row][0])
    for row in places["shifted"]:
        spoilt[row] = (pairs[row][0], pairs[row - 1][1])
    return places, list(check_table(make_table(spoilt), SMALL))


@pytest.mark.long
def test_planted_errors_come_first(planted: tuple[dict[str, list[int]], list[Suspicion]]) -> None:
    places, found = planted
    wrong = {row for rows in places.values() for row in rows}
    assert sorted(one.row for one in found) == list(range(500))
    first = [one.row for one in found[: len(wrong)]]
    assert len(wrong & set(first)) >= 14  # of 16
    assert wrong <= {one.row for one in found[:25]}
    suspicions = [one.suspicion for one in found]
    assert suspicions == sorted(suspicions, reverse=True)


@pytest.mark.long
def test_planted_errors_have_their_reasons(
    planted: tuple[dict[str, list[int]], list[Suspicion]],
) -> None:
    places, found = planted
    of_row = {one.row: one for one in found}
    for row in places["exchanged"]:
        assert "implausible" in of_row[row].kinds
        assert of_row[row].expected != of_row[row].target
    for row in places["swapped"]:
        assert "source looks like a target" in of_row[row].reasons
    shifted = [one.row for one in found if "shifted" in one.kinds]
    assert len(set(shifted) & set(places["shifted"])) >= 6
    assert not set(shifted) - set(range(197, 213))
    assert any("the target below fits" in of_row[row].reasons for row in places["shifted"])


def test_the_same_seed_gives_the_same_ranking() -> None:
    pairs = make_lexicon(30, 2)
    config = SMALL.replace(minutes=None, max_updates=1).given
    sources, targets = [s for s, _ in pairs], [t for _, t in pairs]
    first, second = (check(sources, targets, **config) for _ in range(2))
    assert first == second
    assert len({one.suspicion for one in first}) > 20


def test_little_is_held_out_of_a_fold() -> None:
    from foveate.training.run import hold_out

    table = make_table(make_lexicon(6000, 1))
    assert len(hold_out(table, 1, MOST_DEV)[1]) == MOST_DEV
    assert len(hold_out(table, 1)[1]) == 300


# --- the command ----------------------------------------------------------------------------------

TINY = ["--hidden-size", "16", "--embedding-size", "8", "--num-layers", "1", "--num-heads", "1"]
TINY += ["--num-validations", "1", "--threads", "1", "--max-updates", "2"]
HEADER = ["rank", "line", "suspicion", "reasons", "source", "target", "expected"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*argv: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["check", *map(str, argv)])
        return (status, *capsys.readouterr())

    return call


def read_table(text: str) -> list[dict[str, str]]:
    lines = text.splitlines()
    assert lines[0].split("\t") == HEADER
    assert all(line.count("\t") == len(HEADER) - 1 for line in lines)
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def write_pairs(path: Path, pairs: list[tuple[str, str]]) -> Path:
    path.write_text("".join(f"{s}\t{t}\n" for s, t in pairs), encoding="utf-8")
    return path


def test_the_table_parses_back_and_counts_lines_of_the_file(tmp_path: Path, run: Run) -> None:
    path = write_pairs(tmp_path / "pairs.tsv", [LEXICON[0], ("", "x"), *LEXICON[1:], LEXICON[9]])
    status, out, err = run(path, "--skip-bad", "--all", *TINY)
    assert status == 0
    rows = read_table(out)
    assert [row["rank"] for row in rows] == [str(n) for n in range(1, 152)]
    assert {int(row["line"]) for row in rows} == set(range(1, 153)) - {2}
    for row in rows:
        source, target = ([LEXICON[0], ("", "x"), *LEXICON[1:], LEXICON[9]])[int(row["line"]) - 1]
        assert (row["source"], row["target"]) == (source, target)
    repeat = next(row for row in rows if row["line"] == "152")
    assert "the same pair as 11" in repeat["reasons"]
    assert any(row["expected"] for row in rows)
    assert "model 2 of 2" in err
    assert "151 pairs, " in err and "1 that repeat a pair" in err
    assert "\x1b" not in err


def test_only_pairs_with_a_reason_are_written(tmp_path: Path, run: Run) -> None:
    path = write_pairs(tmp_path / "pairs.tsv", [*LEXICON, ("kat", "kat"), LEXICON[3]])
    out = tmp_path / "found.tsv"
    status, printed, err = run(path, "--rules-only", "--out", out)
    assert (status, printed) == (0, "")
    rows = read_table(out.read_text(encoding="utf-8"))
    assert [row["line"] for row in rows] == ["151"]  # a repeat is counted, and not listed
    assert rows[0]["reasons"].split("; ")[0] == "target equals source"
    assert float(rows[0]["suspicion"]) >= 1
    assert "1 that repeat a pair" in err
    assert "Look first at the lines 151;" in err


def test_tabs_and_line_ends_inside_a_text_do_not_break_a_row(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "pairs.jsonl"
    odd = {"source": "k\tt\r\na", "target": "K\n\tT "}
    records = [{"source": s, "target": t} for s, t in LEXICON] + [odd, odd]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    status, out, _ = run(path, "--rules-only")
    assert status == 0
    (row,) = [row for row in read_table(out) if "same pair" in row["reasons"]]
    assert (row["line"], row["source"], row["target"]) == ("152", "k t a", "K  T ")


def test_pairs_come_from_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\tA\na\tA\n")))
    status, out, _ = run("-", "--rules-only")
    assert status == 0
    assert read_table(out) == []
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\tA\na\tA\n")))
    status, out, _ = run("-", "--rules-only", "--all")
    assert [row["line"] for row in read_table(out)] == ["1", "2"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["no.tsv"], "no.tsv"),
        (["few.tsv"], "--rules-only"),
        (["pairs.tsv", "--folds", "1"], "--folds: must be at least 2"),
        (["pairs.tsv", "--out", "no/where.tsv"], "no/where.tsv"),
        (["pairs.tsv", "--minutes", "0"], "minutes"),
        (["bad.tsv"], "bad.tsv:2"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, argv: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "pairs.tsv", LEXICON)
    write_pairs(tmp_path / "few.tsv", LEXICON[:3])
    (tmp_path / "bad.tsv").write_text("a\tb\nno tab\n", encoding="utf-8")
    status, out, err = run(*argv)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("foveate: error: ") and message in err


def test_models_need_torch_and_rules_do_not(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_pairs(tmp_path / "pairs.tsv", LEXICON)
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("foveate.training.run", "foveate.torch_backend"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    status, out, err = run(path)
    assert (status, out) == (2, "")
    assert "pip install 'foveate[train]'" in err and len(err.splitlines()) == 1
    assert run(path, "--rules-only")[0] == 0


def test_ctrl_c_ends_without_a_table(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: TrainingDisplay, report: object) -> None:
        if getattr(report, "kind", "") == "plan":
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(TrainingDisplay, "__call__", interrupt)
    path, out = write_pairs(tmp_path / "pairs.tsv", LEXICON), tmp_path / "found.tsv"
    status, printed, err = run(path, "--out", out, *TINY)
    assert (status, printed) == (130, "")
    assert err.splitlines()[-1] == "stopped"
    assert list(tmp_path.iterdir()) == [path]


def test_every_kind_has_a_label() -> None:
    kinds = {
        "header",
        "invisible",
        "entity",
        "outer",
        "numbered",
        "repeat",
        "variants",
        "copy",
        "length",
        "script",
        "side",
        "implausible",
        "shifted",
    }
    assert KIND_LABELS.keys() == kinds
    assert format_findings(7, 0, {}, []) == "7 pairs, none with a reason to look."


def test_check_is_a_public_name() -> None:
    assert foveate.check is check
    assert foveate.Suspicion is Suspicion


@pytest.mark.long
def test_folds_side_by_side_give_the_same_ranking() -> None:
    sources, targets = zip(*make_lexicon(30, 2), strict=True)
    told = SMALL.replace(minutes=None, max_updates=1, threads=1)
    first, second = (check(sources, targets, **told.replace(jobs=n).given) for n in (1, 2))
    assert first == second
