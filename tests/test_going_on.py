"""Going on with a trained model: what is kept, what grows, and that nothing old is lost unseen."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from foveate.bundle import load_bundle
from foveate.cli import main
from foveate.config import Config
from foveate.data.batching import encode_table
from foveate.data.table import PairTable
from foveate.errors import ConfigError, ModelMismatchError
from foveate.estimator import Seq2Seq
from foveate.text.codec import Codec
from foveate.text.growing import grow_codec
from foveate.text.vocabulary import UNK
from foveate.training.build import build_trainer
from foveate.training.ensemble import train_models
from foveate.training.going_on import Parent
from foveate.training.prepare import prepare
from foveate.training.run import train
from test_resuming import stop_when
from test_training import TINY, assert_same_weights, make_table

FEW = Config(max_updates=6, num_validations=2, batch_tokens=64, threads=1)


def respell(table: PairTable) -> PairTable:
    """Return pairs of a domain with letters of its own."""
    change = str.maketrans("ab", "xy")
    sides = (
        [text.translate(change) for text in side] for side in (table.sources(), table.targets())
    )
    return PairTable.from_texts(*sides)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("old") / "model"
    train(make_table(), None, TINY, out=out)
    return out


def take(path: Path, **told: object) -> Parent:
    return Parent.take(load_bundle(path), str(path), **told)  # type: ignore[arg-type]


def test_old_rows_are_kept_to_the_bit_and_new_ones_are_initialised(old: Path) -> None:
    parent = take(old)
    prepared = prepare(respell(make_table()), None, parent.settle(FEW), parent=parent)
    before = parent.bundle.source_codec.vocabulary.entries
    grown = prepared.source_codec.vocabulary.entries
    assert grown[: len(before)] == before and set(grown[len(before) :]) == {"x", "y"}
    model = dict(build_trainer(prepared).model.named_parameters())
    assert model.keys() == parent.bundle.weights.keys()
    for name, array in parent.bundle.weights.items():
        found = model[name].detach().numpy()
        assert found[: len(array)].tobytes() == array.tobytes(), name
        if len(found) > len(array) and found.ndim > 1:
            assert np.abs(found[len(array) :]).min() > 0, name


@pytest.mark.parametrize("kind", ["characters", "whitespace", "tagged", "bytes"])
def test_a_vocabulary_grows_behind(kind: str) -> None:
    from foveate.text.tokenizers import build_tokenizer
    from foveate.text.vocabulary import Vocabulary

    tokenizer = build_tokenizer(kind)
    entries = Vocabulary.learn([tokenizer.split("a b c")]).entries[4:]
    codec = Codec(tokenizer, Vocabulary(entries))
    grown = grow_codec(codec, ["a d d e", "b <t> e e"])
    assert grown.codec.vocabulary.entries[: 4 + len(entries)] == codec.vocabulary.entries
    assert UNK in codec.encode("a d <t>") and UNK not in grown.codec.encode("a d <t>")
    assert grown.codec.encode("a b") == codec.encode("a b")
    counts = [["a d d e", "b <t> e e"][row].count(one) for one in grown.added for row in (0, 1)]
    if kind == "whitespace":
        assert grown.added == ("e", "d", "<t>") and counts == [1, 2, 2, 0, 0, 1]


@pytest.mark.long
def test_subwords_stay_and_what_they_cannot_take_is_told() -> None:
    texts = ["the cat sat on the mat", "a dog and a cat", "the dog ran to the mat"] * 9
    config = FEW.replace(max_updates=1, source_tokens="unigram", target_tokens="unigram")
    small = config.replace(hidden_size=16, embedding_size=8, vocabulary_size=40)
    bundle = train(PairTable.from_texts(texts, texts[::-1]), None, small).translator.bundle
    notes: list[str] = []
    table = PairTable.from_texts([f"ж {text}" for text in texts], texts)
    trained = train(
        table,
        None,
        FEW.replace(max_updates=1),
        parent=Parent.take(bundle),
        report=lambda report: notes.append(report.message),
    )
    codec = trained.translator.source_codec
    assert codec.vocabulary == bundle.source_codec.vocabulary
    assert any("'ж'" in note and "reads them as unknown" in note for note in notes)


def test_options_that_ask_for_another_model_are_refused(old: Path) -> None:
    parent = take(old)
    with pytest.raises(ConfigError, match="hidden_size is 16 there, and was to be 32"):
        parent.settle(FEW.replace(hidden_size=32))
    with pytest.raises(ConfigError, match="architecture is attention there"):
        parent.settle(FEW.replace(architecture="traditional"))
    with pytest.raises(ConfigError, match="source_tokens is characters there"):
        parent.settle(FEW.replace(source_tokens="bytes"))
    settled = parent.settle(FEW.replace(hidden_size=16, source_tokens="auto", dropout=0.3))
    assert settled.hidden_size == 16 and settled.dropout == 0.3 and settled.layout == "gnmt"
    assert parent.settle(FEW).dropout is None  # found anew: it is of no weight


def test_the_schedule_is_gentle(old: Path) -> None:
    from foveate.training.defaults import choose_learning_rate, default_minutes

    parent = take(old)
    going_on = prepare(make_table(), None, parent.settle(FEW), parent=parent)
    anew = prepare(make_table(), None, TINY)
    rates = [choose_learning_rate(one.options, one.facts, 100) for one in (going_on, anew)]
    assert rates[0] < rates[1] / 4
    assert going_on.options.training.warmup > anew.options.training.warmup
    facts = replace(anew.facts, num_pairs=10**5)
    assert default_minutes(replace(facts, is_going_on=True)) < default_minutes(facts)


def test_old_pairs_are_mixed_in_anew_in_every_pass(old: Path) -> None:
    table, more = make_table(200), respell(make_table(60, 5))
    parent = take(old, old=table, share=0.25)
    assert parent.old is not None and parent.old_dev is not None
    prepared = prepare(more, more, parent.settle(FEW), parent=parent)
    passes = [prepared.encode_epoch(epoch) for epoch in (0, 1, 0)]
    assert [len(one) for one in passes] == [80] * 3  # 60, and a quarter of the whole beside them
    new = encode_table(more, prepared.source_codec, prepared.target_codec)
    known = {tuple(prepared.source_codec.encode(text)) for text in parent.old.sources()}
    for one in passes:
        assert all((one.target(row) == new.target(row)).all() for row in range(60))
        assert all(tuple(one.source(row).tolist()) in known for row in range(60, 80))
    tails = [one.source_ids[len(new.source_ids) :].tolist() for one in passes]
    assert tails[0] == tails[2] != tails[1]
    assert prepared.facts.num_pairs == 80


@pytest.mark.long
def test_a_run_that_goes_on_resumes_to_the_same_weights(old: Path, tmp_path: Path) -> None:
    more, config = respell(make_table(40, 5)), FEW.replace(max_updates=12)
    told = {"parent": take(old, old=make_table())}
    train(more, None, config, out=tmp_path / "whole", **told)  # type: ignore[arg-type]
    stop = stop_when(lambda report: report.kind == "progress" and report.update == 5)
    out = tmp_path / "halves"
    train(more, None, config, out=out, report=stop, **told)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"from was [0-9a-f]{64}, now it is nothing"):
        train(more, None, config, out=out, resume=True)
    other = take(old, old=make_table(), share=0.4)
    with pytest.raises(ConfigError, match=r"share of old pairs was 0\.5, now it is 0\.4"):
        train(more, None, config, out=out, resume=True, parent=other)
    train(more, None, config, out=out, resume=True, **told)  # type: ignore[arg-type]
    assert_same_weights(tmp_path / "whole", out)


def test_the_model_names_its_parent_and_scores_both(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(name: str, table: PairTable) -> str:
        rows = zip(table.sources(), table.targets(), strict=True)
        path = tmp_path / name
        path.write_text("".join(f"{source}\t{target}\n" for source, target in rows))
        return str(path)

    new, pairs = write("new.tsv", respell(make_table(40, 5))), write("old.tsv", make_table())
    out = tmp_path / "model"
    argv = ["train", new, "--from", str(old), "--out", str(out), "--mix", pairs]
    argv += ["--max-updates", "6", "--threads", "1", "--num-validations", "2"]
    assert main(argv) == 0
    said = capsys.readouterr().err
    assert "goes on from" in said and "(50 %)" in said and "'x'" in said
    assert "before" in said and "old dev" in said
    bundle, parent = load_bundle(out), load_bundle(old)
    assert bundle.summary.parent == parent.id != bundle.id
    assert parent.id in (out / "README.md").read_text()
    assert bundle.summary.before.keys() == bundle.scores.keys() == {"dev", "old dev"}
    manifest = json.loads((out / "bundle.json").read_text())
    assert manifest["format_version"] == 2
    assert main(["info", str(out)]) == 0 and parent.id in capsys.readouterr().out


def test_what_cannot_be_gone_on_from_is_told(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.tsv").write_text("ab\tba\n" * 12)
    argv = ["train", str(tmp_path / "new.tsv"), "--out", str(tmp_path / "m")]
    for more, expected in {
        ("--from", "english"): "english: is an exported model, without the weights",
        ("--from", str(tmp_path / "no")): "there is no such model",
        ("--mix", "old.tsv"): "--mix: goes with --from",
        ("--from", str(old), "--mix-share", "0.2"): "--mix-share: goes with --mix",
        ("--from", str(old), "--learning-curve"): "--learning-curve: trains new models",
        ("--from", str(old), "--hidden-size", "32"): "hidden_size is 16 there",
    }.items():
        assert main([*argv, *more]) == 2
        said = capsys.readouterr().err
        assert expected in said and "Traceback" not in said
    bundle = load_bundle(old)
    pair = {f"{number}/{name}": one for number in (0, 1) for name, one in bundle.weights.items()}
    with pytest.raises(ModelMismatchError, match="ensemble of 2 models"):
        Parent.take(replace(bundle, weights=pair))
    with pytest.raises(ConfigError, match="share of old pairs"):
        Parent.take(bundle, share=1.0)


def test_weights_that_are_not_those_of_the_options_are_refused(old: Path) -> None:
    bundle = load_bundle(old)
    name = "decoder.bridge." + next(
        one.removeprefix("decoder.bridge.") for one in bundle.weights if "decoder.bridge." in one
    )
    for weights in (
        {**bundle.weights, name: bundle.weights[name][:-1]},
        {one: array for one, array in bundle.weights.items() if one != name},
    ):
        parent = Parent.take(replace(bundle, weights=weights))
        prepared = prepare(make_table(), None, parent.settle(FEW), parent=parent)
        with pytest.raises(ModelMismatchError, match="other weights than its options say"):
            build_trainer(prepared)


@pytest.mark.long
def test_several_models_go_on_from_one(old: Path, tmp_path: Path) -> None:
    trained = train_models(
        make_table(40, 5), None, FEW.replace(models=2), out=tmp_path / "two", parent=take(old)
    )
    assert trained.translator.bundle.num_members == 2
    assert trained.summary.parent == load_bundle(old).id


PAIRS = ["".join(pair) for pair in zip("abcdeabcde", "edcbadbeca", strict=True)] * 3
TAUGHT = {"max_updates": 4, "hidden_size": 16, "threads": 1, "verbose": 0}


def test_fit_more_and_warm_start_go_on(tmp_path: Path) -> None:
    X, y = PAIRS, [text[::-1] for text in PAIRS]
    Z, w = ["x" + text for text in PAIRS], [f"{text[::-1]}x" for text in PAIRS]
    model = Seq2Seq(**TAUGHT).fit(X, y)
    first = model.translator_.bundle
    model.save(tmp_path / "m")
    loaded = Seq2Seq.load(tmp_path / "m").set_params(verbose=0, max_updates=6)
    loaded.fit_more(Z, w, old=(X, y))
    more = loaded.translator_.bundle
    assert more.summary.parent == first.id and "old dev" in more.scores
    assert more.source_codec.vocabulary.entries[: len(first.source_codec.vocabulary)] == (
        first.source_codec.vocabulary.entries
    )
    # Only what was set since counts: not what the old run had found.
    assert more.summary.updates == 6
    assert more.summary.training["learning_rate"] < first.summary.training["learning_rate"] / 4
    warm = Seq2Seq(**TAUGHT, warm_start=True).fit(X, y)
    assert not warm.summary_.get("parent")
    before = warm.translator_.bundle
    warm.fit(Z, w)
    assert warm.summary_["parent"] and warm.translator_.bundle is not before
    anew = warm.fit(Z, w, warm_start=False)
    assert not anew.summary_.get("parent")
    with pytest.raises(ConfigError, match="hidden_size is 16 there, and was to be 32"):
        loaded.set_params(hidden_size=32).fit_more(Z, w)


def test_words_and_memory_of_the_old_model_are_kept(old: Path) -> None:
    from foveate.text.word_list import WordList
    from foveate.training.appraisal import list_words
    from foveate.training.remember import keep_memory

    bundle = load_bundle(old)
    words = WordList.from_words(["b", "a"], 1.0, 0.5)
    bundle.decoding = replace(bundle.decoding, memory={"q": "old", "ab": "old"}, words=words)
    assert list_words(Parent.take(bundle)) == ["b", "a"]
    codecs = bundle.source_codec, bundle.target_codec
    kept = keep_memory(bundle.decoding.memory, {"ab": "new"}, *codecs, None)
    assert kept == {"q": "old", "ab": "new"}
    table = PairTable.from_texts(["ab", "cd", "ce"] * 9, ["ba", "dc", "ec"] * 9)
    trained = train(table, None, FEW.replace(memory=True), parent=Parent.take(bundle))
    assert trained.translator.bundle.decoding.memory["ab"] in ("ba", "old")
    assert trained.translator.bundle.decoding.memory["q"] == "old"


def test_a_model_may_be_replaced_by_the_one_that_goes_on_from_it(old: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(old, tmp_path / "m"))
    train(make_table(40, 5), None, FEW, out=out, parent=take(out), overwrite=True)
    assert load_bundle(out).summary.parent == load_bundle(old).id
