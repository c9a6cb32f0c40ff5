"""Every option, in three parts: what belongs to the text, to the model, and to a run.

One option, one home: a field of `TextOptions`, `ModelOptions` or `TrainingOptions`. Its
name is the TOML key, the flag and the parameter of the estimator; its annotation is its range;
the sentence under it is its help everywhere. What was asked for is a `Config` (config.py), the flat
view of the three.

    options = resolve(config, facts, ...)             training/defaults.py: nothing is open any more
    options.text, options.model, options.training     what a bundle, `build_model`, a run take
    options.to_dict(), restore_options(values)        as plain values, for a file

A field without a default is found from the data: it is None in the flat view, and a value in a
resolved object. Where None has a meaning of its own the type says so: no `max_updates` means that
the minutes decide, no `learning_rate` that the schedule chooses one by its number of updates, no
`memory` that the dev set decides.

The text and the model options belong to a model and are in its bundle. The training options do
not: a bundle keeps them as a record only.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from foveate.errors import ConfigError
from foveate.ranges import Form, Ge, Gt, Le, Lt, Odd, check_value

Architecture = Literal["attention", "traditional", "transformer"]
SubwordKind = Literal["unigram", "bpe"]
TokenKind = Literal["auto", "characters", "tagged", "whitespace", "bytes", "unigram", "bpe"]
Normalization = Literal["auto", "NFC", "NFD", "NFKC", "NFKD", "decomposed", "none"]
LetterCase = Literal["auto", "keep", "lower", "upper"]
NGRAM_SIZE = 32  # numbers in a row of the table of n-grams
SUBWORD_KINDS: tuple[SubwordKind, ...] = get_args(SubwordKind)

Share = Annotated[float, Ge(0), Lt(1)]
DropoutShare = Annotated[float, Ge(0), Le(0.95)]
Count = Annotated[int, Ge(1), Le(10**9)]
Width = Annotated[int, Ge(1), Le(8192)]
NAME = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
IMPORT_PATH = Form(f"({NAME}:{NAME})?", "an import path, module:Name")
DEVICES = Form(r"auto|cpu|mps|(cuda|xpu)(:\d{1,3})?", "auto, cpu, cuda, cuda:1, xpu or mps")
Device = Annotated[str, DEVICES]
Part = TypeVar("Part")


@dataclass(frozen=True, kw_only=True)
class TextOptions:
    """How a model reads and writes text."""

    source_tokens: TokenKind = "auto"
    """Tokens of the source side: characters (tagged: and tags in angle brackets), whitespace
    symbols, bytes, or learnt subwords."""
    target_tokens: TokenKind = "auto"
    """Tokens of the target side."""
    vocabulary_size: Annotated[int, Ge(16), Le(100_000)] | None = None
    """Number of subwords to learn, when a side has subwords (found: 64 to 10,000, by the number of
    pairs)."""
    shared_vocabulary: bool
    """One vocabulary and one embedding table for both sides (found: when nearly all of the target
    is made of what the source uses too)."""
    source_case: LetterCase = "auto"
    """Case in which sources are read: as they are (keep), lower or upper (found: that of all
    training sources, if they have only one)."""
    normalization: Normalization = "auto"
    """Unicode normal form of both sides, kept in the model; decomposed reads parts of characters
    (NFD) and writes whole ones (found: decomposed where most letters of a side have parts, as in
    Hangul, else NFC)."""


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What every model has, whatever its architecture."""

    architecture: ClassVar[Architecture]
    """Attention RNN, traditional encoder-decoder (one vector as bridge), or Transformer."""

    embedding_size: Width
    """Width of the token embeddings (found: the hidden size, at most 256 for subwords, else
    128)."""
    hidden_size: Width
    """Width of the decoder state; each direction of the encoder has half of it (found: 48 to 512,
    wider with more pairs and minutes)."""
    num_layers: Annotated[int, Ge(1), Le(12)] = 2
    """Layers of the encoder and of the decoder (at least two in gnmt, one in bahdanau)."""
    source_ngrams: Annotated[int, Ge(1), Le(9)]
    """Longest n-gram of source tokens that has an embedding too (1: single tokens only; found: 5
    for many pairs of characters or symbols)."""
    ngram_rows: Annotated[int, Ge(16), Le(2**22)]
    """Rows of the table of n-grams; fewer than there are n-grams, and some share a row (found: one
    for every eight source tokens)."""
    ngram_dropout: DropoutShare
    """Share of the embeddings of n-grams that are left out in training (found: 0 to 0.6, by the
    number of passes)."""
    source_window: Annotated[int, Ge(1), Le(9), Odd()]
    """Positions of the source that a convolution joins before the encoder, an odd number (1: no
    convolution; found: 5 in a Transformer, else 1)."""
    dropout: DropoutShare
    """Dropout on embeddings, between layers and before the readout (found: 0.02 to 0.35, by the
    number of passes)."""
    word_dropout: DropoutShare
    """Share of source and target-history tokens replaced by the unknown symbol in training (found:
    0.1 for subwords that are seen very often, else 0)."""


@dataclass(frozen=True, kw_only=True)
class AttendingOptions(ModelOptions):
    """What every model that attends has."""

    num_heads: Annotated[int, Ge(1), Le(256)]
    """Number of attention heads (found: 4 in a Transformer, else 1)."""
    copy: bool = False
    """Copy source tokens by attention (pointer-generator)."""
    lexicon: bool
    """Lexical prior: learn translations of single tokens first, and make them likelier where
    attention looks (found: for few sentences)."""


@dataclass(frozen=True, kw_only=True)
class AttentionOptions(AttendingOptions):
    """The recurrent model with attention."""

    architecture = "attention"

    layout: Literal["gnmt", "luong", "bahdanau"] = "gnmt"
    """What attends: gnmt (bottom layer), luong (current state), bahdanau (previous state)."""
    cell: Literal["lstm", "gru"] = "lstm"
    """Recurrent cell of encoder and decoder."""
    attention_score: Literal["additive", "dot", "general", "scaled_dot"] = "additive"
    """How attention compares a decoder state with an encoder state."""
    attention_module: Annotated[str, IMPORT_PATH] = ""
    """Attention of your own instead, by its import path, module:Name: a class made with
    query_size, key_size and num_heads."""
    attention_weights: Literal["softmax", "entmax"] = "softmax"
    """How scores become weights; entmax makes the small ones exactly zero."""
    location_window: Annotated[int, Ge(0), Le(99), Odd(or_zero=True)]
    """Positions around a source token whose attention weights of the step before enter its score,
    an odd number (0: attention does not know where it looked; found: 7)."""
    input_feeding: bool = False
    """Feed the attentional state into the next step (layout luong only; trains slower)."""


@dataclass(frozen=True, kw_only=True)
class TraditionalOptions(ModelOptions):
    """The encoder-decoder with one vector as bridge."""

    architecture = "traditional"

    cell: Literal["lstm", "gru"] = "lstm"
    """Recurrent cell of encoder and decoder."""


@dataclass(frozen=True, kw_only=True)
class TransformerOptions(AttendingOptions):
    """The Transformer."""

    architecture = "transformer"


ARCHITECTURES: dict[str, type[ModelOptions]] = {
    kind.architecture: kind for kind in (AttentionOptions, TraditionalOptions, TransformerOptions)
}


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a run trains: nothing here is needed to use the model."""

    minutes: Annotated[float, Gt(0), Le(10**6)]
    """Time to train, in minutes: a short calibration turns it into a number of updates (found: 1
    to 60, by the size of the data)."""
    max_updates: Count | None = None
    """Number of updates to train, instead of minutes."""
    seed: Annotated[int, Ge(0), Le(2**31 - 1)] = 1
    """Seed of every random choice; the same seed and number of updates give the same model."""
    max_characters: Count = 2000
    """A side of a pair that is longer than this is an error."""
    skip_bad: bool = False
    """Skip and count bad rows instead of stopping."""
    subword_sampling: Annotated[float, Ge(0), Le(1)]
    """Strength of random re-segmentation of subwords in training (0 switches it off; found: 0.1
    for subwords that are seen very often, else 0)."""
    label_smoothing: Share = 0.1
    """Share of the probability that the training target spreads over the vocabulary."""
    guidance: Annotated[float, Ge(0), Le(1000)]
    """Weight of guided alignment, falling to 0 by mid-run: attention is shown where to look
    (found: 0.3 for subwords, else 0)."""
    batch_tokens: Annotated[int, Ge(16), Le(10**7)]
    """Source and target tokens of one batch, padding included (found: 16 to 96 pairs of mean
    length)."""
    learning_rate: Annotated[float, Gt(0)] | None = None
    """Peak learning rate (found: 0.001 to 0.016, by width and number of updates)."""
    optimizer: Literal["adamw", "muon"] | None = None
    """Makes steps of gradients: adamw, or muon for the matrices of the layers and adamw for the
    rest (found: muon for the Transformer)."""
    warmup: Share = 0.04
    """Share of the updates in which the learning rate rises; then it decays to zero."""
    weight_decay: Annotated[float, Ge(0), Le(1000)] = 0.01
    """Weight decay of matrices and tables."""
    clip_norm: Annotated[float, Gt(0), Le(10**9)] = 1.0
    """Largest norm of the gradient."""
    average_decay: Share = 0.999
    """Decay of the moving average of the weights, which is the model that is kept (0: none)."""
    models: Annotated[int, Ge(1), Le(20)] = 1
    """Models to train, which share the minutes that are told, and decide together (ensemble)."""
    distill: bool = False
    """Train one more model on what the others write together: as fast as one; worth it only after
    long trainings."""
    memory: bool | None = None
    """Carry the training pairs, and give a source seen there its commonest target (found: where
    dev has at least as many right with it)."""
    jobs: Annotated[int, Ge(1), Le(64)] = 1
    """Models of an ensemble, folds of a check or parts of a learning curve that are trained side
    by side, each in a process of its own."""
    patience: Annotated[int, Ge(0), Le(10**9)] = 0
    """Stop after this many validations without a better dev score (0: never)."""
    num_validations: Count = 20
    """How often the dev set is translated during the run."""
    threads: Annotated[int, Ge(0), Le(1024)] = 0
    """Processor threads (0: as many as there are cores)."""
    device: Device = "auto"
    """Where to train: cpu, cuda, or auto (a GPU when there is one)."""


PARTS: tuple[type[Any], ...] = (TextOptions, *ARCHITECTURES.values(), TrainingOptions)
NEEDS_ATTENTION = ("guidance",)  # training options that are of no use without it


@dataclass(frozen=True, kw_only=True)
class Options:
    """All options of a run, with everything found that the data decide."""

    text: TextOptions
    model: ModelOptions
    training: TrainingOptions

    def to_dict(self) -> dict[str, Any]:
        """Return the flat view: architecture, then every option that has a value."""
        return {**list_values(self.text), **list_values(self.model), **list_values(self.training)}


def list_values(part: Any) -> dict[str, Any]:
    """Return the options of one part that have a value, and the name of the architecture."""
    named = {"architecture": part.architecture} if isinstance(part, ModelOptions) else {}
    return named | {name: value for name, value in vars(part).items() if value is not None}


# The annotations are objects and no texts (there is no `from __future__ import annotations` above),
# so that a model's options can be checked without evaluating them.
def hints(part: type[Any]) -> dict[str, Any]:
    """Return the annotations of the fields of one part, ranges and all, in their order."""
    return {field.name: field.type for field in dataclasses.fields(part)}


def shorten(name: str) -> str:
    """Return a name as it can be shown, on one line and not too long."""
    shown = repr(name)[1:-1]
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def pick_part(part: type[Part], values: Mapping[str, Any], origin: str = "options") -> Part:
    """Build one part of the options from a flat view, which may have more than it needs.

    Raises:
        ConfigError: an option is missing or out of range.
    """
    return restore_part(part, {n: values[n] for n in hints(part) if n in values}, origin)


def find_architecture(name: Any, origin: str) -> type[ModelOptions]:
    """Return the options of an architecture by its name.

    Raises:
        ConfigError: there is no such architecture.
    """
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise ConfigError(f"{origin}: architecture: {' or '.join(ARCHITECTURES)}, not {name!r:.60}")
    return ARCHITECTURES[name]


def refuse_unknown(names: Iterable[str], origin: str) -> None:
    """Raise a ConfigError for options that only a newer version can know."""
    listed = ", ".join(map(shorten, sorted(names)[:3]))
    raise ConfigError(f"{origin}: {listed}: unknown to this Foveate: pip install --upgrade foveate")


def restore_part(part: type[Part], values: Mapping[str, Any], origin: str) -> Part:
    """Build one part of the options from plain values, and check every one of them.

    Raises:
        ConfigError: an option is missing, unknown or out of range.
    """
    annotations = hints(part)
    if unknown := values.keys() - annotations.keys():
        refuse_unknown(unknown, origin)
    checked, problems = {}, []
    for name, value in values.items():
        try:
            checked[name] = check_value(annotations[name], value)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    problems += [f"{name}: is missing" for name in _needed(part) if name not in values]
    if problems:
        raise ConfigError(f"{origin}: " + "; ".join(problems))
    return part(**checked)


def _needed(part: type[Any]) -> list[str]:
    fields = dataclasses.fields(part)
    return [field.name for field in fields if field.default is dataclasses.MISSING]
