"""Going on with a trained model: what is kept of it, what grows, and which old pairs are mixed in.

The new model has the sizes and the vocabularies of its parent. New tokens stand behind the old
ones, so the old rows of every table are kept. Old pairs are drawn anew for every pass, so many
that they have their share of it. How gently the model is trained says `defaults.py`.
Does not load PyTorch.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.bundle import FORMAT_VERSION, Bundle, Decoding, collect_files
from foveate.bundle_files import digest, identify
from foveate.config import Config, flat_fields
from foveate.counted import counted
from foveate.data.batching import EncodedPairs, encode_table
from foveate.data.table import PairTable, hash_tables
from foveate.errors import ConfigError, ModelMismatchError
from foveate.options import TrainingOptions
from foveate.text.codec import Codec
from foveate.text.growing import Grown, grow_codec
from foveate.training.holding import hold_out

SHARE = 0.5  # of the old pairs in a pass
FREE = ("dropout", "word_dropout", "ngram_dropout")  # of no weight: may be others than before
NUM_SHOWN = 5  # tokens that a note names

Codecs = tuple[Codec, Codec]


@dataclass(frozen=True)
class Parent:
    """A model to go on from, and the old pairs that are mixed in.

    Attributes:
        bundle: the model, with its weights.
        name: what to call it.
        old: pairs that it was trained on, to train on; None where none are given.
        old_dev: some of them, held out.
        share: of the old pairs in a pass.
        id: of the model.
    """

    bundle: Bundle
    name: str = "the old model"
    old: PairTable | None = None
    old_dev: PairTable | None = None
    share: float = SHARE
    id: str = ""

    @classmethod
    def take(
        cls,
        bundle: Bundle,
        name: str = "the old model",
        old: PairTable | None = None,
        share: float = SHARE,
    ) -> Parent:
        """Make a parent of a model, and hold out some of the old pairs, where there are any.

        They are held out by the seed of the old model. Pairs of the file that it was trained on are
        then those that it had for its own dev, so neither model has seen them.

        Raises:
            ModelMismatchError: the model has no weights, or is an ensemble.
            ConfigError: the share is not between 0 and 1.
        """
        _refuse_unfit(bundle, name)
        if not 0 < share < 1:
            raise ConfigError(f"the share of old pairs must be above 0 and below 1, not {share:g}")
        old_dev = None
        if old is not None:
            old, old_dev = hold_out(old, bundle.summary.seed)
        return cls(bundle, name, old, old_dev, share, bundle.id or _find_id(bundle))

    def settle(self, config: Config) -> Config:
        """Return the options of a run that goes on: those of the old model and what was asked for.

        Raises:
            ConfigError: the old model has other values than were asked for.
        """
        have = Config.from_parts(self.bundle.text, self.bundle.model)
        self._refuse_others(config, have)
        kept = {name: value for name, value in have.given.items() if name not in FREE}
        return Config(**{**config.given, **kept})

    def _refuse_others(self, config: Config, have: Config) -> None:
        asked = {
            name: value
            for name, value in config.given.items()
            if flat_fields()[name].part is not TrainingOptions and name not in FREE
        }
        values = have.to_dict()
        changed = [
            f"{name} is {values[name]} there, and was to be {value}"
            for name, value in asked.items()
            if value not in ("auto", values[name])
        ]
        if changed:
            raise ConfigError(
                f"{self.name}: a model goes on as it is ({'; '.join(changed)}): leave that out, or "
                "train a new model"
            )
        if have.attention_module and not config.attention_module:
            raise ConfigError(
                f"{self.name}: has an attention of its own, which is code: if you trust it, add "
                f"--attention-module {have.attention_module}"
            )
        if config.distill:
            raise ConfigError("distill: goes with a new model only, not with one that goes on")

    def grow(self, table: PairTable) -> tuple[Codecs, tuple[str, ...]]:
        """Return the vocabularies, grown by what the pairs need, and what is to be said of them."""
        tables = [one for one in (table, self.old) if one is not None]
        sources = chain.from_iterable(one.sources() for one in tables)
        targets = chain.from_iterable(one.targets() for one in tables)
        source, target = self.bundle.source_codec, self.bundle.target_codec
        if self.bundle.is_shared:
            grown = grow_codec(source, chain(sources, targets))
            return (grown.codec, grown.codec), _tell_growth("both sides", grown)
        grown, other = grow_codec(source, sources), grow_codec(target, targets)
        notes = _tell_growth("source", grown) + _tell_growth("target", other)
        return (grown.codec, other.codec), notes

    def widen(self, decoding: Decoding) -> Decoding:
        """Return what decoding needs for the new pairs and for the old ones."""
        before = self.bundle.decoding
        return dataclasses.replace(
            decoding,
            length_ratio=max(before.length_ratio, decoding.length_ratio),
            longest_source=max(before.longest_source, decoding.longest_source),
            stand_ins=before.stand_ins or decoding.stand_ins,
        )

    def count_mixed(self, num_pairs: int) -> int:
        """Return how many old pairs are mixed into a pass over so many new ones."""
        if self.old is None:
            return 0
        return min(len(self.old), round(num_pairs * self.share / (1 - self.share)))

    def mix(self, pairs: EncodedPairs, codecs: Codecs, sampling: float, seed: int) -> EncodedPairs:
        """Add old pairs to those of a pass: others in every pass, which has a seed of its own."""
        if self.old is None:
            return pairs
        generator = np.random.default_rng([seed, len(self.old)])
        drawn = generator.permutation(len(self.old))[: self.count_mixed(len(pairs))]
        return join_pairs(
            pairs, encode_table(self.old.rows(drawn), *codecs, sampling=sampling, seed=seed)
        )

    def tell(self, num_pairs: int) -> str:
        """Say what the run goes on from, and what is mixed in."""
        mixed = self.count_mixed(num_pairs)
        note = f"goes on from {self.name} ({self.id[:12]})"
        if not mixed:
            return note
        share = 100 * mixed / (mixed + num_pairs)
        beside = f"{counted(mixed, 'old pair')} beside the {num_pairs:,} ({share:.0f} %)"
        return f"{note}; every pass has {beside}"

    def describe(self) -> dict[str, Any]:
        """Return what a run that goes on later must have been begun with."""
        told: dict[str, Any] = {"from": self.id}
        if self.old is not None:
            told |= {"old pairs": hash_tables(self.old), "share of old pairs": self.share}
        return told


def refuse_other_parent(parent: Parent | None, run: dict[str, Any], origin: str) -> None:
    """Raise a ConfigError where a run was begun from another model, or with other old pairs."""
    asked = parent.describe() if parent is not None else {}
    begun = run.get("parent", {})
    changed = [
        f"{name} was {begun.get(name) or 'nothing'}, now it is {asked.get(name) or 'nothing'}"
        for name in {**begun, **asked}
        if begun.get(name) != asked.get(name)
    ]
    if changed:
        raise ConfigError(
            f"{origin}: was begun otherwise ({'; '.join(changed)}): resume with the same, or train "
            "into another folder"
        )


def join_pairs(one: EncodedPairs, other: EncodedPairs) -> EncodedPairs:
    """Put the rows of two encoded tables one after the other."""
    return EncodedPairs(
        np.concatenate([one.source_ids, other.source_ids]),
        _join_offsets(one.source_offsets, other.source_offsets),
        np.concatenate([one.target_ids, other.target_ids]),
        _join_offsets(one.target_offsets, other.target_offsets),
    )


def _join_offsets(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([one, other[1:] + one[-1]])


def _refuse_unfit(bundle: Bundle, name: str) -> None:
    if not bundle.weights:
        raise ModelMismatchError(
            f"{name}: is an exported model, without the weights that training goes on from: give "
            "the folder that foveate train has written"
        )
    if bundle.num_members > 1:
        raise ModelMismatchError(
            f"{name}: is an ensemble of {bundle.num_members} models, and training goes on from "
            "one: give a model that was trained alone, or with --distill"
        )


def _find_id(bundle: Bundle) -> str:
    """Return the id that a model would have on disk."""
    hashes = {name: digest(data) for name, data in collect_files(bundle).items()}
    return identify(FORMAT_VERSION, hashes)


def _tell_growth(side: str, grown: Grown) -> tuple[str, ...]:
    told = (
        (grown.added, "new to the model, which learns them"),
        (grown.left_out, "in no token of the model, which reads them as unknown"),
    )
    return tuple(
        f"{side}: {counted(len(tokens), 'symbol')} {what}: "
        + ", ".join(map(repr, tokens[:NUM_SHOWN]))
        + ", ..." * (len(tokens) > NUM_SHOWN)
        for tokens, what in told
        if tokens
    )
