"""One option, one home: a field of `Config` is the TOML key, the command-line flag, the
estimator parameter and the row in the docs; the sentence under it is its help everywhere.

`None` means "found from the data": `training/defaults.py` fills it in before anything is built.
"""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from foveate.errors import ConfigError, did_you_mean

Architecture = Literal["attention", "traditional", "transformer"]
TokenKind = Literal["auto", "characters", "tagged", "whitespace", "bytes", "unigram", "bpe"]
Fraction = Annotated[float, Ge(0), Lt(1)]
PositiveFloat = Annotated[float, Gt(0)]
PositiveInt = Annotated[int, Ge(1)]


@dataclass(frozen=True)
class Config:
    """Every option of a training run."""

    architecture: Architecture = "attention"
    """Attention RNN, traditional encoder-decoder (one vector as bridge), or Transformer."""

    minutes: PositiveFloat | None = None
    """Time to train, in minutes: a short calibration turns it into a number of updates."""
    max_updates: PositiveInt | None = None
    """Number of updates to train, instead of minutes."""
    seed: Annotated[int, Ge(0), Le(2**31 - 1)] = 1
    """Seed of every random choice; the same seed and number of updates give the same model."""

    source_tokens: TokenKind = "auto"
    """Tokens of the source side: characters (tagged: and <tags>), whitespace symbols, bytes, or
    learnt subwords."""
    target_tokens: TokenKind = "auto"
    """Tokens of the target side."""
    vocabulary_size: Annotated[int, Ge(16), Le(100_000)] | None = None
    """Number of subwords to learn, when a side has subwords."""
    shared_vocabulary: bool | None = None
    """One vocabulary and one embedding table for both sides."""
    subword_sampling: Annotated[float, Ge(0), Le(1)] | None = None
    """Strength of random re-segmentation of subwords in training (0 switches it off)."""
    normalization: Literal["NFC", "NFD", "NFKC", "NFKD", "none"] = "NFC"
    """Unicode normalisation of both sides, kept in the model."""
    max_characters: PositiveInt = 2000
    """A side of a pair that is longer than this is an error."""
    skip_bad: bool = False
    """Skip and count bad rows instead of stopping."""

    layout: Literal["gnmt", "luong", "bahdanau"] = "gnmt"
    """What attends: gnmt (bottom layer), luong (current state), bahdanau (previous state)."""
    cell: Literal["lstm", "gru"] = "lstm"
    """Recurrent cell of encoder and decoder."""
    attention_score: Literal["additive", "dot", "general", "scaled_dot"] = "additive"
    """How attention compares a decoder state with an encoder state."""
    attention_weights: Literal["softmax", "entmax"] = "softmax"
    """How scores become weights; entmax makes the small ones exactly zero (attention RNN only)."""
    num_heads: PositiveInt | None = None
    """Number of attention heads."""
    location_window: Annotated[int, Ge(0), Le(99)] | None = None
    """Positions around a source token whose attention weights of the step before enter its score,
    an odd number (0: attention does not know where it looked; attention RNN only)."""
    copy: bool = False
    """Copy source tokens by attention (pointer-generator)."""
    lexicon: bool | None = None
    """Lexical prior: learn translations of single tokens first, and make them likelier where
    attention looks."""
    input_feeding: bool = False
    """Feed the attentional state into the next step (layout luong only; trains slower)."""
    embedding_size: PositiveInt | None = None
    """Width of the token embeddings."""
    hidden_size: PositiveInt | None = None
    """Width of the decoder state; each direction of the encoder has half of it."""
    source_ngrams: Annotated[int, Ge(1), Le(9)] | None = None
    """Longest n-gram of source tokens that has an embedding too (1: single tokens only)."""
    ngram_rows: Annotated[int, Ge(16), Le(2**22)] | None = None
    """Rows of the table of n-grams; fewer than there are n-grams, and some share a row."""
    ngram_dropout: Fraction | None = None
    """Share of the embeddings of n-grams that are left out in training."""
    source_window: Annotated[int, Ge(1), Le(9)] | None = None
    """Positions of the source that a convolution joins before the encoder, an odd number (1: no
    convolution)."""
    num_layers: Annotated[int, Ge(1), Le(12)] = 2
    """Layers of the encoder and of the decoder (at least two in gnmt, one in bahdanau)."""

    dropout: Fraction | None = None
    """Dropout on embeddings, between layers and before the readout."""
    word_dropout: Fraction | None = None
    """Share of source and target-history tokens replaced by the unknown symbol in training."""
    label_smoothing: Fraction = 0.1
    """Share of the probability that the training target spreads over the vocabulary."""
    coverage: Annotated[float, Ge(0)] = 0.0
    """Weight of the coverage loss: looking at a source token again costs (0: no)."""
    guidance: Annotated[float, Ge(0)] | None = None
    """Weight of guided alignment, falling to 0 by mid-run: attention is shown where to look."""
    consistency: Annotated[float, Ge(0)] = 0.0
    """Weight of R-Drop: read every pair twice, and answer alike under dropout (0: no)."""
    batch_tokens: Annotated[int, Ge(16)] | None = None
    """Source and target tokens of one batch, padding included."""
    learning_rate: PositiveFloat | None = None
    """Peak learning rate of AdamW."""
    warmup: Fraction = 0.04
    """Share of the updates in which the learning rate rises; then it decays to zero."""
    weight_decay: Annotated[float, Ge(0)] = 0.01
    """Weight decay of AdamW."""
    clip_norm: PositiveFloat = 1.0
    """Largest norm of the gradient."""
    average_decay: Fraction = 0.999
    """Decay of the moving average of the weights, which is the model that is kept (0: none)."""
    models: Annotated[int, Ge(1), Le(20)] = 1
    """Models to train, which share the minutes that are told, and decide together (ensemble)."""
    distill: bool = False
    """Train one more model on what the others write together: as fast as one; worth it only after
    long trainings."""
    memory: bool | None = None
    """Carry the training pairs, and give a source seen there its commonest target."""
    patience: Annotated[int, Ge(0)] = 0
    """Stop after this many validations without a better dev score (0: never)."""
    num_validations: PositiveInt = 20
    """How often the dev set is translated during the run."""
    threads: Annotated[int, Ge(0)] = 0
    """Processor threads (0: as many as there are cores)."""
    device: str = "auto"
    """Where to train: cpu, cuda, or auto (a GPU when there is one)."""


def field_names() -> tuple[str, ...]:
    """Return the names of all options, in their order."""
    return tuple(field.name for field in dataclasses.fields(Config))


@lru_cache(maxsize=1)
def _validator() -> Any:
    from pydantic import TypeAdapter  # a quarter of a second: only when something is checked

    return TypeAdapter(Config)


def build_config(*layers: dict[str, Any], origin: str = "options") -> Config:
    """Merge layers of options, later ones winning, and check all of them at once.

    Args:
        layers: dictionaries of option name to value.
        origin: what to call the source of the options in an error.

    Raises:
        ConfigError: names every unknown option and every value out of range.

    Example:
        >>> build_config({"dropout": 0.1}, {"dropout": 0.2}).dropout
        0.2
    """
    from pydantic import ValidationError

    merged = {name: value for layer in layers for name, value in layer.items()}
    problems = [
        f"{name}: unknown option{did_you_mean(name, field_names())}"
        for name in merged
        if name not in field_names()
    ]
    known = {name: value for name, value in merged.items() if name in field_names()}
    config = Config()
    try:
        config = _validator().validate_python(known)
    except ValidationError as error:
        problems += [_describe(detail) for detail in error.errors()]
    if config.minutes is not None and config.max_updates is not None:
        problems.append("minutes and max_updates: give one of the two")
    if config.source_window is not None and config.source_window % 2 == 0:
        problems.append(f"source_window: an odd number, not {config.source_window}")
    if config.location_window and config.location_window % 2 == 0:
        problems.append(f"location_window: an odd number or 0, not {config.location_window}")
    if config.location_window and config.architecture != "attention":
        problems.append("location_window: goes with architecture attention only")
    if config.input_feeding and config.layout != "luong":
        problems.append(f"input_feeding: only with layout luong, not {config.layout}")
    if config.attention_weights == "entmax" and config.architecture != "attention":
        problems.append("attention_weights: entmax goes with architecture attention only")
    if config.guidance and config.architecture == "traditional":
        problems.append("guidance: the traditional model has no attention to guide")
    if config.coverage and config.architecture == "traditional":
        problems.append("coverage: the traditional model has no attention to cover with")
    if config.copy and config.architecture == "traditional":
        problems.append(
            "copy: the traditional model has no attention to copy by: "
            "choose architecture attention or transformer, or leave copy out"
        )
    if config.lexicon and (config.copy or config.architecture == "traditional"):
        problems.append(
            "lexicon: goes with an architecture that attends, and without copy: "
            "a token is either copied or looked up"
        )
    if config.distill and config.models == 1:
        problems.append("distill: needs several models to learn from: add models, for instance 5")
    if problems:
        raise ConfigError(f"{origin}: " + "; ".join(dict.fromkeys(problems)))
    return config


def restore_config(values: dict[str, Any], origin: str) -> Config:
    """Rebuild a configuration that `format_config` wrote.

    Its ranges were checked when it was made; checking them again would cost a quarter of a second
    before the first translation.

    Raises:
        ConfigError: an option is unknown, as in the bundle of a newer Foveate.
    """
    unknown = [name for name in values if name not in field_names()]
    if unknown:
        raise ConfigError(
            f"{origin}: {', '.join(unknown)}: unknown to this Foveate: "
            "pip install --upgrade foveate"
        )
    return Config(**values)


def _describe(detail: Any) -> str:
    place = str(detail["loc"][0])
    message = detail["msg"][0].lower() + detail["msg"][1:]
    return f"{place}: {message}, not {detail['input']!r}"


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a TOML file of options.

    Raises:
        ConfigError: the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file of options: {error}") from None


def format_config(config: Config) -> str:
    """Write a configuration as TOML; options that are None are left out."""
    lines = []
    for name, value in dataclasses.asdict(config).items():
        if value is None:
            continue
        text = f'"{value}"' if isinstance(value, str) else str(value).lower()
        lines.append(f"{name} = {text}")
    return "\n".join(lines) + "\n"
