"""The end of every run: how good is the model, does a memory help, and what does it get wrong?"""

from __future__ import annotations

from foveate.bundle import Bundle
from foveate.data.table import PairTable
from foveate.evaluation import diagnose, evaluate
from foveate.training.remember import choose_memory
from foveate.training.report import Listener, Report
from foveate.translator import Translator


def appraise(
    bundle: Bundle, table: PairTable, dev: PairTable, report: Listener, *, is_complete: bool
) -> Translator:
    """Write scores, memory and diagnosis of a new model into its bundle; return its translator.

    A run that was interrupted (`is_complete` is False) ends without scores, at once.
    """
    translator = Translator.from_bundle(bundle, threads=bundle.config.threads)
    evaluation = None
    if is_complete:
        report(Report("note", f"scoring the best weights on {len(dev):,} dev pairs"))
        evaluation = evaluate(translator, dev)
    codecs = bundle.source_codec, bundle.target_codec
    bundle.memory = choose_memory(table, *codecs, bundle.config.memory, evaluation)
    if bundle.memory:
        count = bundle.summary["memory"] = len(bundle.memory)
        report(Report("note", f"{count:,} sources of the training pairs are recalled"))
    if evaluation is not None:
        if bundle.memory:
            evaluation = evaluate(translator, dev)
        bundle.scores["dev"] = evaluation.to_dict()["metrics"]
        bundle.summary["diagnosis"] = {"dev": diagnose(evaluation, table, translator)}
    return translator
