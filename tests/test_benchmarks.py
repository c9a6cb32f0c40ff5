"""The counts that the comparison with other toolkits rests on."""

from __future__ import annotations

import importlib
import json
import random
import shutil
import sqlite3
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import nn

from foveate.cli import app
from foveate.edits import count_edits
from foveate.models.build import build_model
from foveate.records import Translation
from foveate.translator import Translator
from made import make_options

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
V, E, H = 29, 7, 22  # half of H is 11


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what imports a module of the benchmarks."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load_module(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load_module


def make_job(load: Any, folder: Path, **changes: Any) -> Any:
    job = load("rivals.job")
    told: dict[str, Any] = {"module": "", "task": "", "engine": "", "settings": {}, "data": folder}
    told |= {"work": folder / "work", "started": 0.0, "threads": 1, "warmup": 1, "updates": 2}
    told |= {"batch": 3, "embedding": E, "hidden": H, "dropout": 0.0, "label_smoothing": 0.0}
    told |= {"seed": 1, "length": 5, "decode_batch": 3, "singles": 2}
    path = folder / "job.json"
    path.write_text(json.dumps(told | changes, default=str), encoding="utf-8")
    return job.Job.read(path)


def count_weights(model: nn.Module, *parts: str) -> int:
    """Count the multiply-adds of a token: each number of a matrix is used once."""
    return sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.dim() == 2 and any(name.startswith(part) for part in parts)
    )


@pytest.mark.parametrize(("layout", "layers"), [("gnmt", 1), ("gnmt", 3), ("bahdanau", 1)])
def test_products_of_a_token_are_the_weights_of_the_model(
    load: Any, layout: Any, layers: int
) -> None:
    made = make_options(layout=layout, num_layers=layers, embedding_size=E, hidden_size=H)
    model = build_model(made, 31, V, False)
    flops, foveate = load("flops"), load("rivals.foveate")

    work = foveate.work({"layout": layout, "num_layers": layers}, flops.Sizes(V, E, H))

    keys = "decoder.attention.key_projection"
    assert work.source == count_weights(model, "encoder.", keys)
    everything = count_weights(model, "decoder.", "to_embedding", "target_embedding")
    not_of_a_token = count_weights(model, keys, "decoder.bridge", "decoder.attention.vector")
    assert work.target == everything - not_of_a_token
    assert work.cell == count_weights(model, "decoder.attention.vector") + H


def test_products_of_input_feeding_are_the_weights_of_the_plain_model(
    load: Any, tmp_path: Path
) -> None:
    for side, size in (("source", 31), ("target", V)):
        lines = "".join(f"t{k}\n" for k in range(size - 4))  # and four reserved ones
        (tmp_path / f"{side}.vocabulary").write_text(lines, encoding="utf-8")
    model = load("rivals.plain_torch").build_model(make_job(load, tmp_path))
    flops = load("flops")

    work = flops.input_feeding(flops.Sizes(V, E, H))

    assert work.source == count_weights(model, "encoder.", "key.")
    assert work.target == count_weights(model, "cell.", "query.", "combine.", "readout.")
    assert work.cell == count_weights(model, "energy.") + H


def test_flops_of_sentences(load: Any) -> None:
    flops = load("flops")
    lengths = [(3, 5), (7, 2)]  # source and target tokens of two sentences
    expected = 0
    for _forward_and_two_gradients in range(3):
        for source, target in lengths:
            expected += 2 * (11 * source + 13 * target)
            for _ in range(source * target):
                expected += 2 * 17
    counts = (3 + 7, 5 + 2, 3 * 5 + 7 * 2)

    assert flops.training_flops(flops.Work(11, 13, 17), *counts) == expected


def test_meter_leaves_the_warm_up_out(load: Any, tmp_path: Path) -> None:
    job = load("rivals.job")
    meter = job.Meter(make_job(load, tmp_path))
    batches = [([9, 9], [9, 9]), ([3, 7], [5, 2]), ([1], [4]), ([8], [8])]

    def train() -> None:
        for batch in batches:
            meter.see(*batch)
            meter.update()

    result = meter.run(train)

    assert meter.num_updates == 3
    names = ("sentences", "source_tokens", "target_tokens", "cells")
    assert [result[name] for name in names] == [3, 11, 11, 3 * 5 + 7 * 2 + 1 * 4]
    assert result["target_tokens_per_second"] == pytest.approx(11 / result["seconds"])


def test_meter_refuses_a_training_that_was_too_short(load: Any, tmp_path: Path) -> None:
    meter = load("rivals.job").Meter(make_job(load, tmp_path))
    with pytest.raises(RuntimeError, match="ended after 0 updates"):
        meter.run(lambda: None)


def test_corpus_has_the_same_tokens_for_all(load: Any, tmp_path: Path) -> None:
    words = ["a dog runs", "the cat sat down", "dogs and cats", "a cat runs down"] * 9
    rows = [f"{words[k]}\t{words[-k - 1]}" for k in range(len(words))]
    train, test, out = (tmp_path / name for name in ("train.tsv", "test.tsv", "out"))
    train.write_text("\n".join(rows) + "\n", encoding="utf-8")
    test.write_text("\n".join(rows[:7]) + "\n", encoding="utf-8")

    corpus = load("rivals.corpus")
    facts = corpus.make_corpus(train, test, out, ("bpe", "bpe"), size=40, sentences=5)

    lines = (out / "train.source").read_text(encoding="utf-8").splitlines()
    assert ["".join(line.split()).replace("\u2581", " ").strip() for line in lines] == words
    used = {token for side in ("source", "target") for token in _tokens(out / f"train.{side}")}
    assert set(_tokens(out / "target.vocabulary")) == used
    assert facts["target_vocabulary"] == facts["source_vocabulary"] == len(used)
    lengths = [len(line.split()) for line in (out / "test.source").read_text().splitlines()]
    assert lengths == sorted(lengths)
    assert len(lengths) == 5

    facts = corpus.make_corpus(
        train, test, out, ("whitespace", "whitespace"), size=40, sentences=5, join=4, longest=12
    )
    joined = [" ".join(words[start : start + 4]) for start in range(0, len(words), 4)]
    lines = (out / "train.source").read_text(encoding="utf-8").splitlines()
    assert lines == [line for line in joined if len(line.split()) <= 12]


def _tokens(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split()


def test_subwords_are_joined_to_the_text_they_were_cut_from(load: Any, tmp_path: Path) -> None:
    corpus, compare = load("rivals.corpus"), load("compare_trained")
    texts = [("a dog , a cat .", "ein hund , eine katze ."), ("two dogs .", "zwei hunde .")] * 9
    path = tmp_path / "pairs.tsv"
    path.write_text("".join("\t".join(pair) + "\n" for pair in texts), encoding="utf-8")
    corpus.make_corpus(path, path, tmp_path, ("bpe", "bpe"), size=45, sentences=99)
    for name, side in (("test.source", 0), ("test.target", 1)):
        pieces = (tmp_path / name).read_text(encoding="utf-8").splitlines()
        joined = [compare.join_pieces(line) for line in pieces]
        assert sorted(joined) == sorted(pair[side] for pair in texts)
        assert any(line != text for line, text in zip(pieces, joined, strict=True))
        assert [compare.join_pieces(text) for text in joined] == joined
        assert compare.score(joined, joined) == pytest.approx(100)


def test_translation_is_timed_in_one_call_and_one_by_one(load: Any, tmp_path: Path) -> None:
    (tmp_path / "test.source").write_text("a\nb b\nc\n", encoding="utf-8")
    calls: list[list[str]] = []

    def translate(texts: list[str]) -> list[str]:
        calls.append(texts)
        return [text.upper() for text in texts]

    found = load("rivals.job").time_translation(make_job(load, tmp_path), translate)
    assert found["outputs"] == ["A", "B B", "C"]
    assert [len(call) for call in calls] == [3, 3, 1, 1]
    assert found["sentences_per_second"] > 0 and found["milliseconds"] > 0


def test_running_words_are_counted_each_time(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = tmp_path / "train.tsv", tmp_path / "test.tsv"
    train.write_text("vid\tmed\nvid\tmed\nvid\tvidd\nuar\tvar\n", encoding="utf-8")
    test.write_text("vid\tmed\nvid\tmed\nvid\tvidd\nhus\thus\nuar\tvarr\n", encoding="utf-8")
    scoring = load("score_tokens")
    answers = {"vid": ["med", "vidd"], "hus": ["huss", "hus"], "uar": ["var", "va"]}

    class Fake:
        def translate(self, texts: list[str], **options: Any) -> list[Translation]:
            assert texts == ["vid", "hus", "uar"]
            found = [[Translation([], [], one, 0.0) for one in answers[text]] for text in texts]
            return [replace(best, alternatives=[other]) for best, other in found]

    monkeypatch.setattr(scoring.Translator, "load", lambda *told, **named: Fake())
    argv = ["score_tokens.py", "model", str(train), str(test), "--n-best", "2"]
    monkeypatch.setattr("sys.argv", argv)
    scoring.main()
    assert capsys.readouterr().out.splitlines() == [
        "| accuracy, % | all (5) | seen (4) | unseen (1) |",
        "|---|---:|---:|---:|",
        "| model | 40.00 | 50.00 | 0.00 |",
        "| lookup else copy | 60.00 | 50.00 | 100.00 |",
        "| model, 2-best | 80.00 | 75.00 | 100.00 |",
    ]


def test_ablation_shows_what_has_run_best_first(load: Any, tmp_path: Path) -> None:
    ablation = load("ablate")
    for name, value in (("defaults", 0.7), ("GRU", 0.75)):
        (tmp_path / name).mkdir()
        summary = {"parameters": 820_000, "updates": 1234}
        (tmp_path / name / "bundle.json").write_text(json.dumps({"summary": summary}))
        score = {"value": value, "low": value - 0.02, "high": value + 0.02}
        (tmp_path / f"{name}.json").write_text(json.dumps({"metrics": {"exact_match": score}}))
    ablation.write(tmp_path, "exact_match", "One change")
    assert (tmp_path / "ablation.md").read_text().splitlines()[2:] == [
        "| GRU | 75.0 (73.0 to 77.0) | 0.82 | 1,234 |",
        "| defaults | 70.0 (68.0 to 72.0) | 0.82 | 1,234 |",
    ]
    assert "70.0" in (tmp_path / "ablation.svg").read_text()


@pytest.mark.long
def test_every_variant_of_the_ablation_is_a_command_that_parses(load: Any) -> None:
    for name, told in load("ablate").VARIANTS.items():
        flags = [flag for flag in told if flag.startswith("--")]
        assert told == [] or flags, name
        app.parse_args(["train", "pairs.tsv", "--out", "model", *told], print_error=False)


def test_misread_letters_are_a_few_of_a_hundred(load: Any) -> None:
    text = "the quick brown fox jumps over the lazy dog again " * 40
    found = load("misread").misread(text, random.Random(0))
    assert 0.03 < count_edits(found, text) / len(text) < 0.08


def test_words_of_a_lexicon_are_those_of_letters_with_their_first_pronunciation(
    load: Any, tmp_path: Path
) -> None:
    database = tmp_path / "lexicon.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE word_phonemes (word, pron_order, phonemes)")
        rows = [("be", 0, "b iː"), ("be", 1, "b ɪ"), ("é́a", 0, "e a"), ("a", 0, "eɪ")]
        rows += [("b2b", 0, "b t b"), ("mute", 0, " ")]
        connection.executemany("INSERT INTO word_phonemes VALUES (?, ?, ?)", rows)
    connection.close()
    package = tmp_path / "gruut_lang_xx-1.tar.gz"
    with tarfile.open(package, "w:gz") as archive:
        for name in ("gruut_lang_xx/espeak/lexicon.db", "gruut_lang_xx/lexicon.db"):
            archive.add(database if "espeak" not in name else __file__, f"gruut_lang_xx-1/{name}")
    assert load("lexicons").read_lexicon(package) == [("be", "b iː"), ("é́a", "e a")]


def test_verbs_of_dev_and_test_are_not_those_of_train(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = load("further_tasks")
    monkeypatch.setattr(tasks, "HELD_VERBS", 1)
    folder = tmp_path / "mlconjug3" / "data" / "conjug_manager"
    folder.mkdir(parents=True)
    roots = ["cant", "habl", "mir", "pas"]
    verbs = {f"{root}ar": {"root": root, "template": ":ar"} for root in roots}
    tenses = {"Indicativo presente": [[0, "o"], [1, "as"], [2, ""]], "Infinitivo": "ar"}
    (folder / "verbs-es.json").write_text(json.dumps(verbs))
    (folder / "conjugation-es.json").write_text(json.dumps({":ar": {"Indicativo": tenses}}))
    parts = tasks.conjugate(tmp_path, "es")
    assert {part: len(pairs) for part, pairs in parts.items()} == {
        "train": 3000,
        "dev": 500,
        "test": 500,
    }
    seen = {part: {source.split()[0] for source, _ in pairs} for part, pairs in parts.items()}
    assert len(seen["train"]) == 2
    assert seen["train"] | seen["dev"] | seen["test"] == set(verbs)
    assert {one for one in parts["train"] if one[0].startswith("cantar ")} <= {
        ("cantar Indicativo_presente 1", "canto"),
        ("cantar Indicativo_presente 2", "cantas"),
    }


def test_phrases_have_a_syllable_for_every_character(load: Any, tmp_path: Path) -> None:
    (tmp_path / "pypinyin").mkdir()
    phrases = {"中文": [["zhōng", "zhòng"], ["wén"]], "，好": [["hǎo"]]}
    (tmp_path / "pypinyin" / "phrases_dict.json").write_text(
        json.dumps(phrases, ensure_ascii=False), encoding="utf-8"
    )
    assert load("further_tasks").read_pinyin(tmp_path) == [("中文", "zhōng wén")]


@pytest.mark.long
def test_records_stand_beside_what_is_published(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A finished run is only evaluated; three of its four rows are what the model writes."""
    golden = Path(__file__).parent / "golden" / "format-2"
    data = tmp_path / "histnorm" / "icelandic"
    data.mkdir(parents=True)
    outputs = [(word, one.text) for word in ("attend", "train") for one in translate(golden, word)]
    rows = [*outputs, outputs[0], ("foveate", "never written")]
    for part in ("train", "dev", "test"):
        lines = "".join(f"{source}\t{target}\n" for source, target in rows)
        (data / f"{part}.tsv").write_text(lines, encoding="utf-8")
    shutil.copytree(golden, tmp_path / "icelandic-attention-auto-1")
    told = ["records.py", str(tmp_path), "--out", str(tmp_path), "--only", "icelandic", "hebrew"]
    result = tmp_path / "records.json"
    monkeypatch.setattr(sys, "argv", [*told, "--threads", "1", "--json", str(result)])
    load("records").main()
    [row] = json.loads(result.read_text())
    assert (row["name"], row["seeds"], row["scores"][0]["value"]) == ("icelandic", ["1"], 75)
    assert row["scores"][0]["low"] < 75 < row["scores"][0]["high"]
    table = capsys.readouterr().out.splitlines()[-1]
    assert table.startswith("| icelandic | Old Icelandic spelling, all tokens | running words")
    assert "| **75.0** (" in table and "| 87.59 (" in table


def test_an_error_rate_is_what_is_missing(load: Any) -> None:
    records = load("records")
    tasks = {task.name: task for task in records.TASKS}
    found = {"metrics": {"exact_match": {"value": 0.75, "low": 0.5, "high": 0.875}}}
    assert records.read_score(tasks["cmudict"], found) == {"value": 25, "low": 12.5, "high": 50}
    assert records.read_score(tasks["hebrew"], found) == {"value": 75, "low": 50, "high": 87.5}
    found = {"metrics": {"bleu": {"value": 39.0, "low": 37.5, "high": 40.5}}}
    assert records.read_score(tasks["multi30k"], found)["value"] == 39


def translate(folder: Path, text: str) -> list[Translation]:
    return list(Translator.load(folder).translate([text]))
