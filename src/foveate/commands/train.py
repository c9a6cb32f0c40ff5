"""`foveate train`: from a file of pairs to a model."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from foveate.commands.arguments import Columns, Place, missing_torch, read_table
from foveate.commands.groups import ESSENTIAL, FURTHER
from foveate.console import say
from foveate.errors import ConfigError
from foveate.flags import build_flags, given_flags, merge_config, offer_whole_help

if TYPE_CHECKING:
    from foveate.config import Config
    from foveate.data.table import PairTable
    from foveate.training.going_on import Parent
    from foveate.training.report import Listener, Report
    from foveate.training.run import Trained

    Flags = Any
else:
    Flags = build_flags()

IS_WHOLE = False  # `--help-all` reads the signature below with True

app = App(
    name="train",
    help_epilogue="""\
Examples:
  foveate train pairs.tsv --out model --minutes 5
  foveate train train.en,train.de --out model --dev dev.en,dev.de
  foveate train pairs.csv.gz --out model --config options.toml --seed 2
  foveate train forms.tsv --out model --columns 1+3,2
  foveate train more.tsv --out model2 --from model --mix pairs.tsv

PAIRS is one of these, also with .gz:
  TSV (source TAB target), CSV, JSON lines, a JSON array, parquet, TMX, XLIFF
  a pronunciation dictionary
  two parallel text files, as SOURCE,TARGET
  - for standard input

All options, with their ranges: foveate train --help-all
""",
)


@app.default
def train(
    pairs: Annotated[Place, Parameter(metavar="PAIRS")],
    /,
    *,
    out: Annotated[Place, Parameter(group=ESSENTIAL, alias="-o", metavar="MODEL")],
    columns: Columns = None,
    dev: Annotated[Place | None, Parameter(group=ESSENTIAL, metavar="PAIRS")] = None,
    test: Annotated[Place | None, Parameter(group=ESSENTIAL, metavar="PAIRS")] = None,
    words: Annotated[Place | None, Parameter(group=FURTHER, show=IS_WHOLE)] = None,
    config: Annotated[Place | None, Parameter(group=ESSENTIAL)] = None,
    from_: Annotated[
        Place | None, Parameter(name="--from", group=FURTHER, metavar="OLD", show=IS_WHOLE)
    ] = None,
    mix: Annotated[Place | None, Parameter(group=FURTHER, metavar="PAIRS", show=IS_WHOLE)] = None,
    mix_share: Annotated[
        float | None,
        Parameter(group=FURTHER, metavar="X", show_default=False, show=IS_WHOLE),
    ] = None,
    resume: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    overwrite: Annotated[
        bool, Parameter(group=FURTHER, negative="", show_default=False, show=IS_WHOLE)
    ] = False,
    report: Annotated[Place | None, Parameter(group=ESSENTIAL, metavar="FILE.html")] = None,
    language: Annotated[str | None, Parameter(group=FURTHER, metavar="CODE", show=IS_WHOLE)] = None,
    licence: Annotated[str | None, Parameter(group=FURTHER, metavar="NAME", show=IS_WHOLE)] = None,
    tensorboard: Annotated[
        Place | None, Parameter(group=FURTHER, metavar="DIR", show=IS_WHOLE)
    ] = None,
    engine: Annotated[Literal["local", "ray"], Parameter(group=FURTHER, show=IS_WHOLE)] = "local",
    learning_curve: Annotated[
        bool, Parameter(group=FURTHER, negative="", show_default=False, show=IS_WHOLE)
    ] = False,
    with_traditional: Annotated[
        bool, Parameter(group=FURTHER, negative="", show_default=False, show=IS_WHOLE)
    ] = False,
    flags: Annotated[Flags, Parameter(name="*")] = Flags(),  # noqa: B008 (frozen)
) -> int:
    """Train a model on pairs of source and target.

    Args:
        pairs: The pairs to learn from.
        out: New folder for the model. One that holds a model needs --overwrite.
        columns: Which columns of PAIRS are source and target: by name, number or path. 1+3 joins
            two columns, and features become tags.
        dev: Pairs to choose the best model by (default: a part of PAIRS, held out).
        test: Pairs to evaluate on at the end.
        words: Words of the target language, one a line: the commonest first, or with counts in a
            second column. Outputs that are made of them are preferred, by as much as is best on
            dev. For few pairs of words, such as old spellings.
        config: TOML file of options; a flag wins over it.
        from_: A trained model to go on from. Its sizes and vocabularies stay, and new symbols are
            added.
        mix: Pairs that OLD was trained on. So many are mixed in that OLD's tasks are not forgotten.
        mix_share: Their share of every pass, above 0 and below 1 (default: 0.5).
        resume: Go on with the unfinished run in MODEL. Give the same command, with this flag.
        overwrite: A model that is in MODEL already is replaced, once the new one is ready.
        report: A page that shows the run while it lasts: curves, outputs, and attention as it
            forms. Open it in a browser.
        language: For the card and for dictionaries: code of the sources' language, such as en, or
            of both sides, such as en,de.
        licence: For the card: under which licence the model may be used, such as BSD-3-Clause.
        tensorboard: Write what the run says as events, too: tensorboard --logdir DIR.
        engine: Where --jobs trains: on this machine (local), or on a Ray cluster.
        learning_curve: Train again on an eighth, a quarter and a half of PAIRS, to see whether more
            pairs would help, on --test where it is given. Takes four times the minutes.
        with_traditional: Train a model without attention too, to see what attention gives on PAIRS.
            Takes twice the minutes.
        flags: The options of the configuration.
    """
    from foveate.data.readers import read_words
    from foveate.output import check_folder, check_page
    from foveate.search.workers import cut_threads
    from foveate.training.folder import was_killed_early
    from foveate.training.origin import describe_data
    from foveate.training.side_by_side import check_engine, trained_on

    options = merge_config(config, given_flags(flags))
    options = options.replace(threads=cut_threads(options.threads, say))
    refuse_ranks(options, report, learning_curve, with_traditional)
    check_engine(engine, options.jobs)
    check_folder(out, resume=resume or was_killed_early(Path(out)), overwrite=overwrite)
    _refuse_alone(from_, mix, mix_share, learning_curve, with_traditional)
    page = check_page(report)
    limits: Any = {
        "columns": columns,
        "skip_bad": options.skip_bad,
        "max_characters": options.max_characters,
    }
    table = read_table(pairs, **limits)
    dev_table = read_table(dev, **limits) if dev is not None else None
    test_table = read_table(test, **limits) if test is not None else None
    listed = read_words(words) if words is not None else ()
    how: dict[str, Any] = {"resume": resume, "overwrite": overwrite, "words": listed, "page": page}
    how["origin"] = {
        "data": [
            file
            for part, place in (("train", pairs), ("dev", dev), ("test", test))
            if place is not None
            for file in describe_data(place, part)
        ],
        **({"language": language} if language else {}),
        **({"licence": licence} if licence else {}),
    }
    if from_ is not None:
        old = read_table(mix, **limits) if mix is not None else None
        how["parent"] = read_parent(from_, old, mix_share, options)
    with trained_on(engine, options.jobs):
        trained = run_training(table, dev_table, options, out, how, tensorboard)
    if is_other_rank():
        return 0
    if trained is None or trained.was_interrupted:
        kept = f"the best model so far is in {out}; " if trained is not None else ""
        is_begun = (Path(out) / "state").is_dir()
        say(f"stopped; {kept}" + ("the same command with --resume goes on" * is_begun))
        return 130
    renew_card(trained, how["origin"], out)
    finish_training(trained, out, test_table)
    if learning_curve:
        with trained_on(engine, options.jobs):
            is_whole = keep_learning_curve(trained, options, out, listed, test_table)
        if not is_whole:
            say("stopped; the model is complete, the learning curve is not")
            return 130
    if with_traditional and not compare_traditional(trained, options, out, test_table, listed):
        say("stopped; the model is complete, the traditional one is not")
        return 130
    return 0


offer_whole_help(app, train)


def compare_traditional(
    trained: Trained, config: Config, out: str, test: PairTable | None, words: Collection[str]
) -> bool:
    """Print the scores of a model without attention, trained alike; False when stopped."""
    from foveate.console import TrainingDisplay, format_scores, watch
    from foveate.metrics import Score
    from foveate.training.comparison import score_traditional

    try:
        with TrainingDisplay("traditional") as display:
            sets = score_traditional(trained, config, test, display, words, watch)
    except KeyboardInterrupt:
        return False
    for name, metrics in sets.items():
        scores = {metric: Score(**score) for metric, score in metrics.items()}
        say(f"\nwithout attention, {name} set\n{format_scores(scores)}")
    trained.translator.save(out)
    return True


def keep_learning_curve(
    trained: Trained, config: Config, out: str, words: Collection[str], test: PairTable | None
) -> bool:
    """Print scores by number of pairs, and keep them with the model; False when stopped."""
    from foveate.card import CURVE
    from foveate.console import TrainingDisplay, draw_learning_curve, format_learning_curve
    from foveate.files import replace_file
    from foveate.training.learning_curve import learn_from_parts

    try:
        with TrainingDisplay("part of the pairs") as display:
            points = learn_from_parts(trained, config, display, words, test)
    except KeyboardInterrupt:
        return False
    trained.translator.summary.learning_curve = points
    trained.translator.save(out)
    replace_file(Path(out) / CURVE, draw_learning_curve(points))
    say(f"\nlearning curve, {points[-1]['set']} set\n{format_learning_curve(points)}")
    say(f"drawn to {Path(out) / CURVE}")
    return True


def run_training(
    table: PairTable,
    dev: PairTable | None,
    config: Config,
    out: str,
    how: dict[str, Any],
    tensorboard: str | None,
) -> Trained | None:
    """Train with the progress shown; None when it was stopped with nothing to show.

    Args:
        table: the pairs.
        dev: pairs to choose weights by.
        config: the options.
        out: folder of the model.
        how: further arguments of `train_models`.
        tensorboard: folder for events, where they are wanted.
    """
    from foveate.console import TrainingDisplay

    try:
        from foveate.training.ensemble import train_models as run
        from foveate.training.events import EventWriter
        from foveate.training.torchrun import join_ranks, share_machine
    except ModuleNotFoundError as error:
        raise missing_torch(error) from None
    ranks = join_ranks()
    with ExitStack() as stack, suppress(KeyboardInterrupt):
        listeners: list[Listener] = [] if ranks.rank else [stack.enter_context(TrainingDisplay())]
        if tensorboard is not None and not ranks.rank:
            listeners.append(stack.enter_context(EventWriter(Path(tensorboard))))
        told = join_listeners(listeners)
        place = stack.enter_context(ranks.own_place(Path(out), how["resume"]))
        machine = share_machine(ranks) if ranks.size > 1 else None
        return run(table, dev, config, report=told, out=place, machine=machine, **how)
    return None


def is_other_rank() -> bool:
    """Say whether torchrun began this process, and another one keeps the run."""
    return os.environ.get("RANK", "0") != "0"


def refuse_ranks(config: Config, report: str | None, curve: bool, traditional: bool) -> None:
    """Raise a ConfigError for what the processes of torchrun do not do together."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return
    flags = {
        "--models": config.models > 1,
        "--distill": config.distill,
        "--report": report is not None,
        "--learning-curve": curve,
        "--with-traditional": traditional,
    }
    for flag, is_given in flags.items():
        if is_given:
            raise ConfigError(f"{flag}: does not go with torchrun: train it in one process")


def join_listeners(listeners: Sequence[Listener]) -> Listener:
    """Return a listener that tells several."""

    def tell_all(report: Report) -> None:
        for listener in listeners:
            listener(report)

    return tell_all


def _refuse_alone(
    old: str | None, mix: str | None, mix_share: float | None, curve: bool, traditional: bool
) -> None:
    """Raise a ConfigError for flags that do not go together."""
    if old is None and mix is not None:
        raise ConfigError("--mix: goes with --from, the model that these pairs are old for")
    if mix is None and mix_share is not None:
        raise ConfigError("--mix-share: goes with --mix, the old pairs that have this share")
    for flag, is_given in (("--learning-curve", curve), ("--with-traditional", traditional)):
        if old is not None and is_given:
            raise ConfigError(f"{flag}: trains new models, and goes without --from")


def read_parent(old: str, mix: PairTable | None, share: float | None, config: Config) -> Parent:
    """Load the model to go on from."""
    from foveate.bundle import load_bundle
    from foveate.options import AttentionOptions
    from foveate.own_code import import_attention
    from foveate.training.going_on import SHARE, Parent

    bundle = load_bundle(old)
    path = bundle.model.attention_module if isinstance(bundle.model, AttentionOptions) else ""
    if path and config.attention_module == path:
        bundle.attention = import_attention(path)
    return Parent.take(bundle, old, mix, SHARE if share is None else share)


def renew_card(trained: Trained, told: Mapping[str, Any], out: str) -> None:
    """Keep what was told of the languages and the licence, also where the run had ended before."""
    origin = trained.translator.summary.origin
    new = {name: told[name] for name in ("language", "licence") if name in told}
    if any(origin.get(name) != value for name, value in new.items()):
        origin.update(new)
        trained.translator.save(out)


def finish_training(trained: Trained, out: str, test: PairTable | None) -> None:
    """Print the scores of a new model, where it is, and what to type next."""
    from foveate.console import (
        format_before,
        format_diagnosis,
        format_ensemble,
        format_evaluation,
        format_scores,
        watch,
    )
    from foveate.metrics import Score
    from foveate.training.comparison import score_test

    translator = trained.translator
    scores = translator.bundle.scores
    diagnosis = translator.summary.diagnosis
    dev = {name: Score(**score) for name, score in scores.get("dev", {}).items()}
    if dev:
        beside = format_ensemble(translator.summary.ensemble)
        telling = diagnosis.get("dev", {}).get("telling")  # not in an interrupted run
        parts = (format_scores(dev, telling), beside, format_diagnosis(diagnosis.get("dev")))
        say("\n".join(["\ndev set", *filter(None, parts), ""]))
        if before := translator.summary.before:
            say(f"{format_before(scores, before, diagnosis['dev'].get('telling'))}\n")
    if test is not None:
        evaluation = score_test(trained, test, watch)
        print(f"test set: {format_evaluation(evaluation)}", flush=True)
        say(f"\ntest set\n{format_diagnosis(diagnosis['test'])}")
        translator.save(out)
    model = shlex.quote(out)
    say(f"\nthe model is in {out}; next:")
    say(f"  foveate translate {model} FILE\n  foveate evaluate {model} PAIRS")
    if translator.has_attention:
        say(f"  foveate attend {model} TEXT")
