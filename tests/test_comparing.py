"""Comparing models: the tests of significance by simulation and by hand, the command as a whole."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from foveate.cli import main
from foveate.commands.compare import name_models
from foveate.data.table import PairTable
from foveate.errors import DataError
from foveate.evaluation import evaluate
from foveate.judged import find_disagreements, judge, worst_first
from foveate.metrics import Statistics, collect_statistics, count_shares
from foveate.records import Pair
from foveate.significance import compare_statistics
from foveate.translator import Translator

GOLDEN = Path(__file__).parent / "golden" / "format-2"
ONNX = Path(__file__).parent / "golden-onnx" / "format-1"


def share(right: NDArray[np.bool_]) -> dict[str, Statistics]:
    rows = ((float(one), 1.0) for one in right)
    return {"exact_match": count_shares(rows, "exact_match")}


def simulate(gain: float, times: int, items: int = 150) -> tuple[int, int]:
    """Return how often two models are told apart, and how often the interval has the truth."""
    generator = np.random.default_rng(7)
    num_told = num_covered = 0
    for number in range(times):
        is_easy = generator.random(items) < 0.75
        ones = is_easy & (generator.random(items) < 0.8)
        others = is_easy & (generator.random(items) < 0.8 + gain / 0.75)
        found = compare_statistics(
            share(ones), share(others), resamples=200, trials=200, seed=number
        )["exact_match"]
        num_told += found.is_significant
        num_covered += found.low <= gain <= found.high
    return num_told, num_covered


def test_equal_models_are_told_apart_by_chance_alone_and_intervals_hold_the_truth() -> None:
    num_told, num_covered = simulate(0.0, 200)
    assert 3 <= num_told <= 18  # 5 % of 200 are 10, give or take 2.6 standard deviations
    assert 181 <= num_covered <= 198
    num_told, num_covered = simulate(0.15, 100)
    assert num_told >= 80
    assert 88 <= num_covered <= 100


def test_the_chance_is_what_all_ways_to_swap_give() -> None:
    ones, others = [1.0, 0.0, 3.0, 2.0, 0.0, 1.0], [2.0, 0.0, 0.0, 5.0, 1.0, 1.0]
    lengths = [5.0, 7.0, 4.0, 6.0, 5.0, 3.0]
    seen = abs(sum(others) - sum(ones)) / sum(lengths)
    more = ties = 0
    for swaps in itertools.product((False, True), repeat=len(ones)):
        pairs = list(zip(ones, others, swaps, strict=True))
        moved = sum(one if is_swapped else other for one, other, is_swapped in pairs)
        stayed = sum(other if is_swapped else one for one, other, is_swapped in pairs)
        size = abs(moved - stayed) / sum(lengths)
        more += size > seen + 1e-9
        ties += abs(size - seen) <= 1e-9
    expected = (more + ties / 2) / 2 ** len(ones)

    def rates(edits: list[float]) -> dict[str, Statistics]:
        rows = np.array(list(zip(edits, lengths, strict=True)))
        return {"rate": Statistics(rows, lambda sums: sums[:, 0] / sums[:, 1], lambda *_: "rate")}

    found = compare_statistics(rates(ones), rates(others), trials=20_000)["rate"]
    assert found.p_value == pytest.approx(expected, abs=0.015)
    assert found.value == pytest.approx((sum(others) - sum(ones)) / sum(lengths))


def test_a_model_never_differs_from_itself() -> None:
    right = [[text] for text in ("abc", "de", "f", "gh ij kl mn")]
    own = collect_statistics(["abc", "dx", "f", "gh ij kl"], right)
    for found in compare_statistics(own, own, resamples=50, trials=50).values():
        assert (found.value, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def make_table(*pairs: tuple[str, str]) -> PairTable:
    rows = (Pair(source, target, f"line {n}") for n, (source, target) in enumerate(pairs, 1))
    return PairTable.from_pairs(rows)


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator.load(ONNX)


@pytest.fixture(scope="module")
def pairs(translator: Translator) -> list[tuple[str, str]]:
    """Return pairs of which the model has the first two right and the third wrong."""
    codec = translator.source_codec
    letters = [one for one in codec.tokens(range(4, len(codec.vocabulary))) if one.isalpha()]
    sources = ["".join(letters[:3]), "".join(letters[1:4]), "".join(letters[:2])]
    outputs = [translator.translate_one(source).text for source in sources]
    return [
        *zip(sources[:2], outputs[:2], strict=True),
        (sources[0], outputs[0]),
        (sources[2], outputs[2] + outputs[0] + outputs[1]),
    ]


def test_outputs_are_judged_one_by_one(
    translator: Translator, pairs: list[tuple[str, str]]
) -> None:
    evaluation = evaluate(translator, make_table(*pairs))
    rows = judge(evaluation, seen={pairs[0][0]})
    assert [row.is_right for row in rows] == [True, True, False]
    assert [row.is_seen for row in rows] == [True, False, False]
    assert rows[2].reference == evaluation.references[2][0]
    assert rows[2].edits > 0 == rows[0].edits
    assert worst_first(rows)[0] is rows[2]
    assert rows[0].log_prob == pytest.approx(translator.translate_one(pairs[0][0]).score)
    assert find_disagreements(rows, rows) == []


def test_rows_count_as_often_as_they_stand_there(
    translator: Translator, pairs: list[tuple[str, str]]
) -> None:
    by_source = evaluate(translator, make_table(*pairs))
    by_row = evaluate(translator, make_table(*pairs), by_row=True)
    assert by_source.metrics["exact_match"].value == pytest.approx(2 / 3)
    assert by_row.metrics["exact_match"].value == pytest.approx(3 / 4)
    assert by_row.metrics["exact_match"].value == by_source.by_row.value
    assert len(by_row.outputs) == 4


def test_models_are_named_by_what_tells_them_apart() -> None:
    assert name_models(["/a/b/old", "/a/b/new"]) == ["old", "new"]
    assert name_models(["x/model", "y/model", "y/model"]) == ["x/model", "y/model", "y/model (2)"]


@pytest.fixture(scope="module")
def file(pairs: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    path.write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    return str(path)


def test_the_command_compares_and_writes_rows_numbers_and_a_page(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, numbers, rows = (tmp_path / name for name in ("c.html", "c.json", "c.tsv"))
    call = ["compare", str(ONNX), str(GOLDEN), file, "--beam-size", "1"]
    assert main([*call, "--out", str(page), "--json", str(numbers)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^metric +format-1 +format-2 +difference", printed, re.MULTILINE)
    found = json.loads(numbers.read_text())["differences"]["format-2"]["exact_match"]
    assert found["difference"] == pytest.approx(found["other"] - found["one"])
    text = page.read_text(encoding="utf-8")
    assert "foveate-gains" in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert main([*call, "--out", str(rows)]) == 0
    table = list(csv.reader(io.StringIO(rows.read_text()), delimiter="\t"))
    assert table[0][:2] == ["source", "right"]
    expected = json.loads(numbers.read_text())["scores"]
    assert set(expected) == {"format-1", "format-2"}


def test_several_models_are_a_table(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(ONNX), str(ONNX), str(ONNX), file, "--beam-size", "1"]) == 0
    printed = capsys.readouterr().out
    assert "format-1 (3)" in printed
    assert printed.count("format-1 have the same scores.") == 2


def test_too_few_models_are_an_error(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(ONNX), file]) == 2
    assert "two models or more" in capsys.readouterr().err


def test_no_pairs_cannot_be_compared(translator: Translator) -> None:
    from foveate.comparing import compare

    with pytest.raises(DataError, match="no pairs"):
        compare({"a": translator, "b": translator}, make_table())


def test_evaluate_writes_every_output(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "outputs.tsv"
    call = ["evaluate", str(ONNX), file, "--out", str(out)]
    assert main([*call, "--training", file]) == 0
    table = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8")), delimiter="\t"))
    assert [row["verdict"] for row in table] == ["wrong", "right", "right"]
    assert {row["seen"] for row in table} == {"seen"}
    assert main([*call[:-1], str(tmp_path / "page.html"), "--by-row"]) == 0
    assert "outputs, the farthest off first" in (tmp_path / "page.html").read_text()
    capsys.readouterr()
