"""Options: one home, one voice, and the same ranges as pydantic reads from the annotations."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import re
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from foveate.config import (
    Config,
    build_config,
    field_names,
    flat_fields,
    format_toml,
    names_without,
    read_config,
    restore_options,
)
from foveate.errors import ConfigError
from foveate.options import (
    ARCHITECTURES,
    PARTS,
    AttentionOptions,
    Options,
    TextOptions,
    TraditionalOptions,
    TrainingOptions,
    TransformerOptions,
    restore_part,
)
from foveate.ranges import Form, Ge, Gt, Le, Lt, Odd, check_value, strip_range

VALUES = st.one_of(
    st.integers(-5, 5),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.floats(0, 1),
    st.booleans(),
    st.sampled_from(["gru", "lstm", "luong", "auto", "NFC", "entmax", "attention", "", "x"]),
)
FOUND: dict[str, Any] = {
    "embedding_size": 11,
    "hidden_size": 14,
    "source_ngrams": 1,
    "ngram_rows": 16,
    "ngram_dropout": 0.0,
    "source_window": 1,
    "dropout": 0.1,
    "word_dropout": 0.0,
}


@given(name=st.sampled_from(field_names()), value=VALUES)
def test_ranges_are_those_that_pydantic_reads_from_the_same_annotations(
    name: str, value: Any
) -> None:
    annotation = flat_fields()[name].annotation
    _, limits = strip_range(annotation)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(for_pydantic(annotation))
        expected = adapter.validate_python(value, strict=True)
        is_good = not isinstance(value, float) or math.isfinite(value)
        for limit in limits:  # pydantic does not know these two
            if isinstance(limit, Form):
                is_good &= re.fullmatch(limit.pattern, value) is not None
                continue
            is_even = isinstance(limit, Odd) and expected % 2 == 0
            is_good &= not (is_even and not (limit.or_zero and expected == 0))
    except ValidationError:
        expected, is_good = None, False
    if is_good:
        checked = check_value(annotation, value)
        assert (checked, type(checked)) == (expected, type(expected))
        return
    with pytest.raises(ValueError, match="not ") as caught:
        check_value(annotation, value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def for_pydantic(annotation: Any) -> Any:
    """Say the same with pydantic's own words for limits."""
    kind, limits = strip_range(annotation)
    known = [Field(**limit._asdict()) for limit in limits if isinstance(limit, Ge | Gt | Le | Lt)]
    required = Annotated[(kind, *known)] if known else kind
    return required | None if type(None) in get_args(annotation) else required


def test_every_option_has_one_home() -> None:
    names = [
        field.name for part in (TextOptions, TrainingOptions) for field in dataclasses.fields(part)
    ]
    models = {field.name for kind in ARCHITECTURES.values() for field in dataclasses.fields(kind)}
    assert len(names) == len(set(names))
    assert not models & set(names)
    assert {*names, *models, "architecture"} == set(field_names())
    for part in PARTS:  # what two architectures share means the same in both
        for field in dataclasses.fields(part):
            assert flat_fields()[field.name].annotation == field.type


def test_the_page_of_options_has_every_part() -> None:
    page = (Path(__file__).parents[1] / "docs" / "options.md").read_text(encoding="utf-8")
    classes = {kind for part in PARTS for kind in part.__mro__[:-1]}
    assert set(re.findall(r"autoclass:: foveate\.options\.(\w+)", page)) == {
        kind.__name__ for kind in classes
    }


def test_a_configuration_knows_what_was_given() -> None:
    config = Config(layout="luong", minutes=None, clip_norm=2)
    assert dict(config.given) == {"layout": "luong", "clip_norm": 2.0}
    assert (config.layout, config.cell, config.hidden_size) == ("luong", "lstm", None)
    assert tuple(config.to_dict()) == field_names()
    assert config.replace(layout=None, clip_norm=None) == Config() == Config(layout="gnmt")
    assert config != Config() and hash(config) != hash(Config())
    assert pickle.loads(pickle.dumps(config)) == copy.deepcopy(config) == config
    with pytest.raises(AttributeError, match="did you mean dropout"):
        config.drop_out  # noqa: B018
    with pytest.raises(AttributeError, match="replace"):
        config.layout = "gnmt"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"drop_out": 0.1, "layout": "gmnt"},
            "drop_out: unknown option, did you mean dropout.*layout",
        ),
        ({"minutes": math.inf}, "minutes: a number above 0 to 1,000,000, not inf"),
        ({"minutes": math.nan}, "minutes: .*, not nan"),
        ({"dropout": 0.999999}, "dropout: a number from 0 to 0.95, not 0.999999"),
        ({"max_updates": 10**20}, "max_updates: a whole number from 1 to 1,000,000,000, not 1000"),
        ({"seed": 10**5000}, "seed: .*, not a number that long"),
        ({"device": "meta"}, "device: auto, cpu, cuda, cuda:1, xpu or mps, not 'meta'"),
        ({"models": True}, "models: a whole number from 1 to 20, not True"),
        ({"models": 2.5}, "models: a whole number"),
        ({"copy": 1}, "copy: true or false, not 1"),
        ({"cell": ["gru"]}, "cell: lstm or gru, not"),
        ({"\ud800": 1}, r"\\ud800: unknown option"),
        ({"minutes": 1, "max_updates": 1}, "give one of the two"),
        ({"source_window": 4}, "source_window: an odd whole number from 1 to 9, not 4"),
        ({"location_window": 4}, "location_window: an odd whole number to 99, or 0, not 4"),
        ({"input_feeding": True}, "input_feeding: only with layout luong, not gnmt"),
        ({"copy": True, "lexicon": True}, "lexicon: goes without copy"),
        ({"distill": True}, "distill: needs several models"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build_config(given, origin="here")
    assert str(caught.value).startswith("here: ")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_option_that_the_architecture_does_not_have_is_refused(architecture: str) -> None:
    good: dict[str, Any] = {"layout": "gnmt", "cell": "gru", "location_window": 3, "num_heads": 2}
    good |= {"copy": True, "guidance": 0.2, "attention_weights": "entmax"}
    lacking = names_without(architecture)
    for name, value in good.items():
        if name in lacking:
            with pytest.raises(ConfigError, match=f"{name}: the {architecture} .*no such option"):
                Config(architecture=architecture, **{name: value})
        else:
            assert Config(architecture=architecture, **{name: value}).given[name] == value
    fitted = Config(**good).fit_to(architecture)  # type: ignore[arg-type]
    assert fitted.given == {
        **{name: value for name, value in good.items() if name not in lacking},
        "architecture": architecture,
    }
    assert bool(lacking) is (architecture != "attention")


def test_a_refusal_says_which_architectures_have_it() -> None:
    with pytest.raises(ConfigError, match=r"layout: the transformer has no .* \(attention has\)"):
        Config(architecture="transformer", layout="luong")
    with pytest.raises(ConfigError, match=r"copy: .*traditional model.*\(attention and transfo"):
        Config(architecture="traditional", copy=True)


def test_resolved_options_come_back_from_plain_values() -> None:
    text = TextOptions(source_tokens="bytes", target_tokens="bpe", shared_vocabulary=False)
    model = TransformerOptions(**FOUND, num_heads=7, lexicon=True)
    told = {"subword_sampling": 0.0, "guidance": 0.3, "batch_tokens": 99}
    training = TrainingOptions(minutes=5.0, max_updates=3, **told)
    options = Options(text=text, model=model, training=training)
    assert restore_options(options.to_dict(), "here") == options
    assert Config.from_record(options.to_dict()).given == {
        name: value for name, value in options.to_dict().items() if name != "minutes"
    }
    for broken, message in [
        ({"layout": "gnmt"}, None),  # what another architecture has is left alone
        ({"newer": 1}, "newer: unknown to this Foveate"),
        ({"hidden_size": 0}, "hidden_size: a whole number from 1 to 8,192, not 0"),
        ({"architecture": "rnn"}, "architecture: attention or traditional or transformer"),
    ]:
        if message is None:
            assert restore_options({**options.to_dict(), **broken}, "here") == options
        else:
            with pytest.raises(ConfigError, match=f"^here: {message}"):
                restore_options({**options.to_dict(), **broken}, "here")


def test_what_a_traditional_run_did_can_be_asked_for_again() -> None:
    text = TextOptions(source_tokens="bytes", target_tokens="bytes", shared_vocabulary=True)
    told = {"subword_sampling": 0.0, "guidance": 0.0, "batch_tokens": 99}
    training = TrainingOptions(minutes=5.0, **told)
    options = Options(text=text, model=TraditionalOptions(**FOUND), training=training)
    asked = Config.from_record(options.to_dict())
    assert (asked.architecture, asked.minutes, asked.hidden_size) == ("traditional", 5.0, 14)
    assert "guidance" not in asked.given


def test_a_part_says_what_is_missing_and_what_is_unknown() -> None:
    with pytest.raises(ConfigError, match=r"here: num_heads: is missing; lexicon: is missing; loc"):
        restore_part(AttentionOptions, FOUND, "here")
    with pytest.raises(ConfigError, match="here: minutes: unknown to this Foveate"):
        restore_part(AttentionOptions, {"minutes": 1}, "here")


def test_a_file_may_be_flat_or_in_tables(tmp_path: Path) -> None:
    path = tmp_path / "options.toml"
    given = {"source_tokens": "bytes", "hidden_size": 32, "copy": True, "dropout": 0.5}
    path.write_text(format_toml(given))
    assert read_config(path) == given
    path.write_text('[text]\nsource_tokens = "bytes"\n[model]\nhidden_size = 32\ncopy = true\n')
    assert read_config(path) == {n: given[n] for n in ("source_tokens", "hidden_size", "copy")}
    path.write_text("a = " + "[" * 5000)
    with pytest.raises(ConfigError, match="not a TOML file"):
        read_config(path)
