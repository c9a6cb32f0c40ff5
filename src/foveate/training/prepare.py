"""Everything that is found from the pairs before a model is built; nothing of it is random.

It is made once, also for the members of an ensemble: models whose vocabularies differ cannot
decide together. Knows no files and trains nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.bundle import Bundle, Decoding, Summary
from foveate.config import Config, restore_options
from foveate.counted import counted
from foveate.data.batching import EncodedPairs, encode_table
from foveate.data.table import PairTable, hash_tables
from foveate.errors import ConfigError, DataError, describe_change
from foveate.options import AttendingOptions, LetterCase, ModelOptions, Options
from foveate.own_code import AttentionFactory, import_attention
from foveate.search.workers import granted_threads
from foveate.text.cleaning import find_case, fold_case
from foveate.text.codec import Codec
from foveate.text.detection import MAX_SAMPLES, build_codecs
from foveate.text.stand_ins import KINDS, choose_stand_ins
from foveate.training.defaults import DataFacts, resolve
from foveate.training.going_on import Parent
from foveate.training.holding import choose_dev
from foveate.training.lexicon import Lexicon
from foveate.training.parting import choose_part, count_parts, take_part

ROUND_TRIPS = 1000  # texts of each side that are checked
LENGTHS = ("max_updates", "minutes")  # may grow when a run of one model goes on
INDIFFERENT = ("jobs",)  # changes no result

Codecs = tuple[Codec, Codec]


@dataclass(frozen=True)
class Prepared:
    """The pairs of a run, as texts and as ids, and the options that follow from them.

    Attributes:
        table: the training pairs.
        dev: the pairs to choose weights by.
        source_codec: text to ids of the source side.
        target_codec: the same object when both sides share a vocabulary.
        pairs: `table` as ids, or its first part where it is large.
        facts: what sizes depend on.
        requested: the options as they were asked for.
        options: the same, with everything that the data decide.
        fingerprint: of the pairs that were given.
        decoding: what decoding has to know of the lengths.
        lexicon: of the pairs, where the options want one.
        parent: the model that this one goes on from.
        num_parts: how many epochs a pass over all pairs has.
        notes: what somebody should know of the pairs.
    """

    table: PairTable
    dev: PairTable
    source_codec: Codec
    target_codec: Codec
    pairs: EncodedPairs
    facts: DataFacts
    requested: Config
    options: Options
    fingerprint: str
    decoding: Decoding
    lexicon: Lexicon | None = None
    parent: Parent | None = None
    num_parts: int = 1
    notes: tuple[str, ...] = ()

    @property
    def is_shared(self) -> bool:
        """Say whether both sides use one vocabulary."""
        return self.source_codec is self.target_codec

    @property
    def target_ids(self) -> list[int]:
        """For each id of the source vocabulary, the target id of the same token, or UNK."""
        return self.target_codec.vocabulary.ids(self.source_codec.vocabulary.entries)

    @property
    def attention(self) -> AttentionFactory | None:
        """The attention of the user's own, where one was asked for."""
        path = self.requested.attention_module
        return import_attention(path) if path else None

    def encode_epoch(self, epoch: int) -> EncodedPairs:
        """Return the pairs as ids; subwords are sampled afresh in every epoch."""
        sampling, seed = self.options.training.subword_sampling, self.options.training.seed
        codecs, pairs = (self.source_codec, self.target_codec), self.pairs
        part = choose_part(epoch, self.num_parts, seed)
        seed = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0] >> 1)
        is_sampled = sampling > 0 and self.facts.has_subwords
        if is_sampled or self.num_parts > 1:
            some, strength = take_part(self.table, part, self.num_parts), sampling * is_sampled
            pairs = encode_table(some, *codecs, sampling=strength, seed=seed)
        if self.parent is not None:
            pairs = self.parent.mix(pairs, codecs, sampling, seed)
        return pairs

    def to_bundle(self, weights: dict[str, NDArray[np.float32]], summary: Summary) -> Bundle:
        """Return the bundle of a model of these pairs."""
        codecs = self.source_codec, self.target_codec
        options = self.options.text, self.options.model
        attention = self.attention
        return Bundle(*options, *codecs, weights, self.decoding, summary, attention=attention)

    def with_seed(self, seed: int) -> Prepared:
        """Return the same for a model with another seed."""
        training = dataclasses.replace(self.options.training, seed=seed)
        options = dataclasses.replace(self.options, training=training)
        return dataclasses.replace(self, options=options)


def prepare(
    table: PairTable,
    dev: PairTable | None,
    config: Config,
    *,
    parent: Parent | None = None,
    requested: Config | None = None,
    measure_speed: Callable[[], float] = lambda: 1.0,
) -> Prepared:
    """Hold dev pairs out, learn the vocabularies, encode the pairs and resolve the options.

    Args:
        table: the pairs.
        dev: pairs to select the best weights by; None takes some from `table`.
        config: the options.
        parent: a model to go on from, whose options are among `config`.
        requested: the options as they were asked for, where `config` is that of a member.
        measure_speed: tells how fast the machine is, beside the slow core of the defaults; asked
            only where something depends on it.

    Raises:
        ConfigError: options that do not go together.
        DataError: there is nothing to learn from.
    """
    training, held, notes = choose_dev(table, dev, config.seed)
    case = (
        find_case(training.joined_sources()) if config.source_case == "auto" else config.source_case
    )
    training, held = _fold(training, config.source_case), _fold(held, case)
    if parent is None:
        sides, sample = (training.sources, training.targets), training.spread(MAX_SAMPLES)
        codecs = build_codecs(*sides, len(training), config, sample)
    else:
        codecs, more = parent.grow(training)
        notes += more
    pairs = encode_table(take_part(training, 0, count_parts(training)), *codecs)
    if not len(pairs):
        raise DataError("there are no pairs to train on")
    facts = _find_facts(len(training), pairs, codecs, parent)
    facts = dataclasses.replace(facts, source_case=case)
    resolved = resolve(
        config,
        facts,
        config.threads or granted_threads(),
        measure_speed() if config.max_updates is None else 1.0,
    )
    notes += _check_round_trip("source", codecs[0], training.sources())
    notes += _check_round_trip("target", codecs[1], training.targets())
    fingerprint = hash_tables(table, dev)
    return _assemble(
        (training, held),
        codecs,
        pairs,
        facts,
        (requested or config, resolved),
        fingerprint,
        parent,
        notes,
    )


def restore(
    table: PairTable,
    dev: PairTable | None,
    config: Config,
    run: dict[str, Any],
    codecs: Codecs,
    origin: str,
    *,
    parent: Parent | None = None,
    requested: Config | None = None,
) -> Prepared:
    """Prepare what a run that was stopped had, from what it wrote down.

    Args:
        table: the same pairs.
        dev: the same pairs.
        config: the same options; a run of one model may have another number of updates.
        run: what `describe` made.
        codecs: the vocabularies.
        origin: what to call the run in an error.
        parent: the model that it goes on from.
        requested: the options as they were asked for, where `config` is that of a member.

    Raises:
        ConfigError: the options are others.
        DataError: the pairs are others.
    """
    fingerprint = hash_tables(table, dev)
    requested = requested or config
    check_same_run(requested, fingerprint, run, origin)
    training, held, _ = choose_dev(table, dev, config.seed)
    told = {name: config.given[name] for name in LENGTHS if name in config.given}
    resolved = restore_options({**run["options"], **told}, origin)
    case = resolved.text.source_case
    training, held = _fold(training, config.source_case), _fold(held, case)
    pairs = encode_table(take_part(training, 0, count_parts(training)), *codecs)
    facts = _find_facts(len(training), pairs, codecs, parent)
    configs = requested, resolved
    return _assemble((training, held), codecs, pairs, facts, configs, fingerprint, parent, ())


def describe(prepared: Prepared) -> dict[str, Any]:
    """Return what has to be written down so that a run can go on, besides the vocabularies."""
    return {
        "requested": dict(prepared.requested.given),
        "options": prepared.options.to_dict(),
        "data": prepared.fingerprint,
        "parent": prepared.parent.describe() if prepared.parent is not None else {},
    }


def check_same_run(config: Config, fingerprint: str, run: dict[str, Any], origin: str) -> None:
    """Raise a DataError or a ConfigError when a run was begun with other pairs or options."""
    if run["data"] != fingerprint:
        raise DataError(
            f"{origin}: was begun with other pairs: resume with the same files, or train into "
            "another folder"
        )
    asked, begun = config.to_dict(), Config(**run["requested"]).to_dict()
    is_same_kind = (asked["max_updates"] is None) == (begun["max_updates"] is None)
    is_one = config.models == 1 and is_same_kind
    free = INDIFFERENT + (LENGTHS if is_one else ())
    differing = [name for name in asked if asked[name] != begun[name] and name not in free]
    changed = [describe_change(name, begun[name], asked[name]) for name in differing]
    if changed:
        raise ConfigError(
            f"{origin}: was begun with other options ({'; '.join(changed)}): resume with the "
            "same, or train into another folder"
        )


def _fold(table: PairTable, case: LetterCase) -> PairTable:
    """Return pairs whose sources are in a case."""
    if case in ("auto", "keep"):
        return table
    return PairTable.from_texts(
        (fold_case(text, case) for text in table.sources()), table.targets()
    )


def _find_facts(
    num_pairs: int, pairs: EncodedPairs, codecs: Codecs, parent: Parent | None
) -> DataFacts:
    source, target = codecs
    num_mixed = parent.count_mixed(num_pairs) if parent is not None else 0
    return DataFacts(
        num_pairs + num_mixed,
        float(pairs.source_lengths.mean()),
        float(pairs.target_lengths.mean()),
        len(source.vocabulary),
        len(target.vocabulary),
        source.kind,
        target.kind,
        source is target,
        normalization=source.normalization,
        is_going_on=parent is not None,
    )


def _assemble(
    tables: tuple[PairTable, PairTable],
    codecs: Codecs,
    pairs: EncodedPairs,
    facts: DataFacts,
    configs: tuple[Config, Options],
    fingerprint: str,
    parent: Parent | None,
    notes: tuple[str, ...],
) -> Prepared:
    ratio = pairs.target_lengths / np.maximum(pairs.source_lengths, 1)
    largest = max(float(np.quantile(ratio, 0.999)), 2 * float(ratio.mean()))
    lexicon, model = None, configs[1].model
    has_lexicon = isinstance(model, AttendingOptions) and model.lexicon
    if has_lexicon or configs[1].training.guidance:
        lexicon = Lexicon(pairs, facts.source_size, facts.target_size)
    decoding = Decoding(
        length_ratio=round(largest, 2),
        longest_source=int(pairs.source_lengths.max()),
        stand_ins=_find_stand_ins(tables[0], codecs, model),
    )
    if parent is not None:
        decoding = parent.widen(decoding)
    return Prepared(
        *tables,
        *codecs,
        pairs,
        facts,
        *configs,
        fingerprint,
        decoding,
        lexicon,
        parent,
        count_parts(tables[0]),
        notes,
    )


def _find_stand_ins(table: PairTable, codecs: Codecs, model: ModelOptions) -> tuple[str, ...]:
    """Return what is read in the place of unknown tokens by a model that copies."""
    is_copying = isinstance(model, AttendingOptions) and model.copy
    if not is_copying or not all(codec.kind in KINDS for codec in codecs):
        return ()
    pairs = zip(table.sources(), table.targets(), strict=True)
    return choose_stand_ins((codecs[0].split(one), codecs[1].split(other)) for one, other in pairs)


def _check_round_trip(side: str, codec: Codec, texts: Iterator[str]) -> tuple[str, ...]:
    """Say so when tokens do not give the text back: of a target, that is what gets lost."""
    looked_at = list(islice(texts, ROUND_TRIPS))
    changed = [text for text in looked_at if not codec.round_trips(text)]
    if not changed:
        return ()
    example = codec.decode(codec.encode(changed[0]))
    return (
        f"{side}: {len(changed):,} of {counted(len(looked_at), 'text')} do not come back "
        f"exactly from their {codec.kind} tokens: {changed[0]!r} as {example!r}",
    )
