"""The end of every run: how good is the model, does a memory help, what does it get wrong?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from foveate.bundle import Bundle
from foveate.counted import counted
from foveate.data.table import PairTable
from foveate.evaluation import diagnose, evaluate
from foveate.options import TrainingOptions
from foveate.training.certainty import describe_confidence, fit_on
from foveate.training.going_on import Parent
from foveate.training.remember import choose_memory, keep_memory
from foveate.training.report import Listener, Report
from foveate.training.words import fit_words
from foveate.translator import Translator


def appraise(
    bundle: Bundle,
    table: PairTable,
    dev: PairTable,
    report: Listener,
    *,
    is_complete: bool,
    options: TrainingOptions,
    words: Collection[str] = (),
    parent: Parent | None = None,
) -> Translator:
    """Write scores, words, memory and diagnosis of a new model into its bundle.

    A run that was interrupted (`is_complete` is False) ends without scores and words, at once.

    Args:
        bundle: the new model.
        table: the training pairs.
        dev: the pairs to decide on.
        report: is told what happens.
        is_complete: the run was not interrupted.
        options: of the run: threads, and whether training pairs are to be recalled.
        words: of the target language, which outputs are perhaps preferred to be made of; where
            there are none, those of the parent.
        parent: the model that this one goes on from.

    Returns:
        The translator of the bundle.
    """
    translator = Translator.from_bundle(bundle, threads=options.threads)
    evaluation = None
    if is_complete:
        report(Report("note", f"scoring the best weights on {counted(len(dev), 'dev pair')}"))
        evaluation = evaluate(translator, dev)
    codecs = bundle.source_codec, bundle.target_codec
    memory = choose_memory(table, *codecs, options.memory, evaluation)
    if parent is not None:
        bundle.summary.parent = parent.id
        words = words or list_words(parent)
        if options.memory is not False:
            memory = keep_memory(parent.bundle.decoding.memory, memory, *codecs, evaluation)
    if memory:
        bundle.decoding = replace(bundle.decoding, memory=memory)
        bundle.summary.memory = len(memory)
        report(Report("note", f"recalled: {counted(len(memory), 'source')} of the training pairs"))
    if evaluation is not None:
        if words:
            bundle.decoding = replace(bundle.decoding, words=fit_words(translator, dev, words))
            report(Report("note", _describe_words(bundle, len(words))))
        if bundle.decoding.memory or bundle.decoding.words:
            evaluation = evaluate(translator, dev)
        bundle.decoding = replace(bundle.decoding, confidence=fit_on(evaluation, translator))
        bundle.scores["dev"] = evaluation.to_dict()["metrics"]
        bundle.summary.diagnosis["dev"] = {
            **diagnose(evaluation, table, translator),
            **describe_confidence(evaluation, translator),
        }
        if parent is not None:
            compare_with_parent(bundle, translator, dev, parent, report, options.threads)
    return translator


def list_words(parent: Parent) -> Collection[str]:
    """Return the list of words that a model has, in its order where that counts."""
    words = parent.bundle.decoding.words
    if words is None:
        return ()
    return list(words.ranks) if words.rarity else frozenset(words.ranks)


def compare_with_parent(
    bundle: Bundle,
    translator: Translator,
    dev: PairTable,
    parent: Parent,
    report: Listener,
    threads: int,
) -> None:
    """Score the old model beside the new one, and both on old pairs that were held out."""
    report(Report("note", f"scoring {parent.name} beside it"))
    before = Translator.from_bundle(parent.bundle, threads=threads)
    bundle.summary.before["dev"] = evaluate(before, dev).to_dict()["metrics"]
    if parent.old_dev is not None:
        now = evaluate(translator, parent.old_dev)
        bundle.scores["old dev"] = now.to_dict()["metrics"]
        old = evaluate(before, parent.old_dev).to_dict()["metrics"]
        bundle.summary.before["old dev"] = old


def _describe_words(bundle: Bundle, count: int) -> str:
    words = bundle.decoding.words
    if words is None:
        return f"the list of {counted(count, 'word')} has no more dev outputs right: it is left out"
    bundle.summary.words = len(words.ranks)
    less = f", less {words.rarity:g} times the logarithm of its rank" if words.rarity else ""
    return (
        f"outputs in the list of {counted(count, 'word')} gain {words.bonus:g} nats a token{less}"
    )
