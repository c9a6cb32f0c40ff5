"""`foveate train`: from a file of pairs to a model."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from foveate.commands.arguments import Columns, Place, missing_torch, read_table
from foveate.commands.groups import ESSENTIAL, FURTHER
from foveate.console import say
from foveate.flags import build_flags, given_flags, merge_config, offer_whole_help

if TYPE_CHECKING:
    from foveate.config import Config
    from foveate.data.table import PairTable
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
    resume: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    report: Annotated[Place | None, Parameter(group=ESSENTIAL, metavar="FILE.html")] = None,
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
        out: New folder for the model; it must not exist yet.
        columns: Which columns of PAIRS are source and target: by name, number or path. 1+3 joins
            two columns, and features become tags.
        dev: Pairs to choose the best model by (default: a part of PAIRS, held out).
        test: Pairs to evaluate on at the end.
        words: Words of the target language, one a line: the commonest first, or with counts in a
            second column. Outputs that are made of them are preferred, by as much as is best on
            dev. For few pairs of words, such as old spellings.
        config: TOML file of options; a flag wins over it.
        resume: Go on with the unfinished run in MODEL. Give the same command, with this flag.
        report: A page that shows the run while it lasts: curves, outputs, and attention as it
            forms. Open it in a browser.
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

    options = merge_config(config, given_flags(flags))
    options = options.replace(threads=cut_threads(options.threads, say))
    check_folder(out, resume=resume or was_killed_early(Path(out)))
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
    trained = run_training(table, dev_table, options, out, resume, listed, page)
    if trained is None or trained.was_interrupted:
        kept = f"the best model so far is in {out}; " if trained is not None else ""
        is_begun = (Path(out) / "state").is_dir()
        say(f"stopped; {kept}" + ("the same command with --resume goes on" * is_begun))
        return 130
    finish_training(trained, out, test_table)
    if learning_curve and not keep_learning_curve(trained, options, out, listed, test_table):
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
    resume: bool,
    words: Collection[str],
    page: Path | None,
) -> Trained | None:
    """Train with the progress shown; None when it was stopped with nothing to show."""
    from foveate.console import TrainingDisplay

    try:
        from foveate.training.ensemble import train_models as run
    except ModuleNotFoundError as error:
        raise missing_torch(error) from None
    with TrainingDisplay() as display, suppress(KeyboardInterrupt):
        where: Any = {"out": Path(out), "resume": resume, "page": page}
        return run(table, dev, config, report=display, words=words, **where)
    return None


def finish_training(trained: Trained, out: str, test: PairTable | None) -> None:
    """Print the scores of a new model, where it is, and what to type next."""
    from foveate.console import (
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
