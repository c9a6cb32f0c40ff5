"""The command line: `foveate demo, train, translate, evaluate, attend, align, check, export, info`.

A command is a function; its docstring and those of the fields of `Config` are its help. Results
go to standard output, progress and messages to standard error. Exit status 0 is done, 1 the task
failed, 2 the call or a file is wrong, 130 stopped by Ctrl-C. Nothing heavy is imported before a
command needs it.
"""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import (
    App,
    CycloptsError,
    Group,
    MissingArgumentError,
    Parameter,
    Token,
    UnusedCliTokensError,
)

from foveate import __version__
from foveate.console import print_error, say
from foveate.errors import ConfigError, FoveateError, MissingExtraError, ModelMismatchError
from foveate.flags import ESSENTIAL, build_flags, given_flags, merge_config

if TYPE_CHECKING:
    from foveate.config import Config
    from foveate.data.table import PairTable
    from foveate.records import Translation
    from foveate.training.run import Trained
    from foveate.translator import Sampling, Translator

    Flags = Any
else:
    Flags = build_flags()

STANDARD_STREAM = "\0-"  # how a bare `-` passes through the parser, which takes it for an option


def _restore_dash(kind: Any, tokens: Sequence[Token]) -> str:
    return "-" if tokens[0].value == STANDARD_STREAM else tokens[0].value


SEARCH = Group("Search", sort_key=2)
SAMPLING = Group("Sampling", sort_key=3)
MACHINE = Group("Machine", sort_key=9)

Place = Annotated[str, Parameter(converter=_restore_dash, metavar="FILE")]
BackendName = Literal["auto", "torch", "onnx"]
Backend = Annotated[BackendName, Parameter(group=MACHINE)]
BleuTokenize = Literal["13a", "none", "intl", "char", "zh"]
Threads = Annotated[int, Parameter(group=MACHINE, metavar="N")]
BeamSize = Annotated[int | None, Parameter(group=SEARCH, metavar="K")]

app = App(
    name="foveate",
    help="Train, use and look into sequence-to-sequence models with attention, on a CPU.",
    version=__version__,
    help_format="plaintext",
    suppress_keyboard_interrupt=False,  # `main` says that it was stopped
    help_epilogue="""\
Begin with:
  foveate demo                       what attention is good for, in minutes
  foveate train pairs.tsv -o model   learn from a file of source TAB target
  foveate translate model new.txt    one output for each line
""",
)


@app.command(
    sort_key=1,
    help_epilogue="""\
Examples:
  foveate demo                          words to pronunciations
  foveate demo dates --out dates-demo   English dates to Hungarian ones
""",
)
def demo(
    name: str = "pronunciation",
    /,
    *,
    out: Annotated[Place | None, Parameter(group=ESSENTIAL, metavar="FOLDER")] = None,
    minutes: Annotated[float | None, Parameter(group=ESSENTIAL, metavar="X")] = None,
) -> int:
    """Train on bundled real pairs, with and without attention; compare, translate, draw.

    Args:
        name: pronunciation or dates.
        out: Folder for the two models and the page with the pictures (default: a new folder here).
        minutes: Time to train, for the two models together (default: a set number of updates,
            two to three minutes on two slow cores).
    """
    from foveate.demo import run_demo

    return run_demo(name, out, minutes)


@app.command(
    sort_key=2,
    help_epilogue="""\
Examples:
  foveate train pairs.tsv --out model --minutes 5
  foveate train train.en,train.de --out model --dev dev.en,dev.de
  foveate train pairs.csv.gz --out model --config options.toml --seed 2

PAIRS is a TSV (source TAB target), a CSV with a header, a parquet file, JSON
lines, two parallel text files as SOURCE,TARGET, or - for a TSV on standard
input; .gz works.
""",
)
def train(
    pairs: Annotated[Place, Parameter(metavar="PAIRS")],
    /,
    *,
    out: Annotated[Place, Parameter(group=ESSENTIAL, alias="-o", metavar="MODEL")],
    dev: Annotated[Place | None, Parameter(group=ESSENTIAL, metavar="PAIRS")] = None,
    test: Annotated[Place | None, Parameter(group=ESSENTIAL, metavar="PAIRS")] = None,
    config: Annotated[Place | None, Parameter(group=ESSENTIAL)] = None,
    resume: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    flags: Annotated[Flags, Parameter(name="*")] = Flags(),  # noqa: B008 (frozen)
) -> int:
    """Train a model on pairs of source and target.

    Args:
        pairs: The pairs to learn from.
        out: Folder to make for the model; it must not be there yet.
        dev: Pairs to choose the best model by (default: a part of PAIRS, held out).
        test: Pairs to evaluate on at the end.
        config: TOML file of options; a flag wins over it.
        resume: Go on with the unfinished run in MODEL: the same command, with this.
        flags: The options of the configuration.
    """
    from foveate.output import check_folder

    options = merge_config(config, given_flags(flags))
    check_folder(out, resume=resume)
    table = read_table(pairs, options)
    dev_table = read_table(dev, options) if dev is not None else None
    test_table = read_table(test, options) if test is not None else None
    trained = run_training(table, dev_table, options, out, resume)
    if trained is None or trained.was_interrupted:
        kept = f"the best model so far is in {out}; " if trained is not None else ""
        is_begun = (Path(out) / "state").is_dir()
        say(f"stopped; {kept}" + ("the same command with --resume goes on" * is_begun))
        return 130
    finish_training(trained, out, test_table)
    return 0


@app.command(
    sort_key=3,
    help_epilogue="""\
Examples:
  foveate translate model new.txt > new.out
  echo foveate | foveate translate model --beam-size 8 --n-best 3 --format tsv
  foveate translate model big.txt.gz --out big.jsonl --format jsonl
""",
)
def translate(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    file: Place = "-",
    /,
    *,
    out: Annotated[Place, Parameter(group=ESSENTIAL, alias="-o")] = "-",
    format: Annotated[Literal["text", "tsv", "jsonl"], Parameter(group=ESSENTIAL)] = "text",
    n_best: Annotated[int, Parameter(group=SEARCH, metavar="N")] = 1,
    beam_size: BeamSize = None,
    length_penalty: Annotated[float | None, Parameter(group=SEARCH, metavar="X")] = None,
    max_length: Annotated[int | None, Parameter(group=SEARCH, metavar="N")] = None,
    attention: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    sample: Annotated[bool, Parameter(group=SAMPLING, negative="", show_default=False)] = False,
    temperature: Annotated[float | None, Parameter(group=SAMPLING, metavar="X")] = None,
    top_k: Annotated[int | None, Parameter(group=SAMPLING, metavar="K")] = None,
    top_p: Annotated[float | None, Parameter(group=SAMPLING, metavar="P")] = None,
    seed: Annotated[int, Parameter(group=SAMPLING, metavar="N")] = 1,
    backend: Backend = "auto",
    threads: Threads = 0,
) -> int:
    """Translate every line of a file.

    Args:
        model: Folder of a trained model.
        file: Text, one source a line; - is standard input.
        out: Where to write; a file appears only when it is complete. - is standard output.
        format: text: the outputs, one a line; tsv: source TAB output TAB score; jsonl: all of it.
        n_best: Outputs for each line, best first.
        beam_size: Hypotheses that the search keeps; 1 is greedy, the fastest.
        length_penalty: How much longer outputs are favoured; 0 not at all.
        max_length: Longest output, in tokens.
        attention: Put the attention weights into jsonl.
        sample: Draw outputs at random instead of searching for the best.
        temperature: Above 1 more varied, below 1 less; implies --sample.
        top_k: Draw from the K likeliest tokens only; implies --sample.
        top_p: Draw from the likeliest tokens that hold this share together; implies --sample.
        seed: Seed of the sampling.
        backend: What computes: PyTorch, or ONNX Runtime for an exported model.
        threads: Processor threads (0: as many as there are cores).
    """
    from foveate.console import watch
    from foveate.data.readers import read_lines
    from foveate.formats import format_translation
    from foveate.output import check_file, open_output

    check_file(out)
    if attention and format != "jsonl":
        raise ConfigError("--attention: only with --format jsonl")
    _check_least(1, n_best=n_best, beam_size=beam_size, max_length=max_length, top_k=top_k)
    _check_least(0, seed=seed, threads=threads)
    sampling = _sampling(sample, temperature, top_k, top_p, seed)
    translator = load_translator(model, backend, threads)
    run = partial(
        translator.translate,
        beam_size=beam_size,
        n_best=n_best,
        length_penalty=length_penalty,
        max_length=max_length,
        attention=attention,
        sampling=sampling,
    )
    lines, sources = tee(read_lines(file))
    found: Iterable[Translation] = run(lines)
    if file == "-" and sys.stdin.isatty():
        say("type a line to translate, Ctrl-D to end")
        found = chain.from_iterable(run([line]) for line in lines)  # answer at once
    with open_output(out) as stream:
        for source, translation in watch(zip(sources, found, strict=True)):
            stream.writelines(format_translation(source, translation, format))
    _tell_unknown(translator)
    return 0


@app.command(
    sort_key=4,
    help_epilogue="""\
Examples:
  foveate evaluate model test.tsv
  foveate evaluate model test.en,test.de --bleu-tokenize none --json scores.json
""",
)
def evaluate(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    pairs: Annotated[Place, Parameter(metavar="PAIRS")],
    /,
    *,
    json: Annotated[Place | None, Parameter(group=ESSENTIAL)] = None,
    bleu_tokenize: Annotated[BleuTokenize, Parameter(group=ESSENTIAL)] = "13a",
    skip_bad: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    beam_size: BeamSize = None,
    backend: Backend = "auto",
    threads: Threads = 0,
) -> int:
    """Evaluate a model: every metric with its 95 % interval, and by source length.

    Args:
        model: Folder of a trained model.
        pairs: Pairs to evaluate on; rows that repeat a source are further references for it.
        json: Write all of it to this file (- is standard output, instead of the table).
        bleu_tokenize: How BLEU splits words: 13a for ordinary text, none for text that is split.
        skip_bad: Skip and count bad rows instead of stopping.
        beam_size: Hypotheses that the search keeps.
        backend: What computes: PyTorch, or ONNX Runtime for an exported model.
        threads: Processor threads (0: as many as there are cores).
    """
    from foveate.console import format_evaluation, watch
    from foveate.evaluation import evaluate as run_evaluation
    from foveate.formats import format_json
    from foveate.output import check_file, open_output

    if json is not None:
        check_file(json)
    _check_least(1, beam_size=beam_size)
    translator = load_translator(model, backend, threads)
    table = read_table(pairs, translator.config, skip_bad=skip_bad)
    evaluation = run_evaluation(
        translator, table, beam_size=beam_size, bleu_tokenize=bleu_tokenize, watch=watch
    )
    _tell_unknown(translator)
    if json != "-":
        print(format_evaluation(evaluation))
    if json is not None:
        with open_output(json) as stream:
            stream.write(format_json(evaluation.to_dict(), indent=2) + "\n")
    return 0


@app.command(
    sort_key=5,
    help_epilogue="""\
Examples:
  foveate attend model "24 December 2031"
  foveate attend model "24 December 2031" --out look.html
  foveate attend model foveate --target "F OW V IY EY T" --out look.svg
""",
)
def attend(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    text: Annotated[Place, Parameter(metavar="TEXT")],
    /,
    *,
    target: Annotated[Place | None, Parameter(group=ESSENTIAL, metavar="TEXT")] = None,
    out: Annotated[Place | None, Parameter(group=ESSENTIAL, alias="-o")] = None,
    beam_size: BeamSize = None,
    backend: Backend = "auto",
    threads: Threads = 0,
) -> int:
    """Show where the model looked: rows are the output, columns the source.

    Args:
        model: Folder of a trained model.
        text: The source; - reads the first line of standard input.
        target: Show the weights for this output instead of the model's own.
        out: Draw to a file instead: .svg, .png, .html or .json.
        beam_size: Hypotheses that the search keeps.
        backend: What computes: PyTorch, or ONNX Runtime for an exported model.
        threads: Processor threads (0: as many as there are cores).
    """
    from foveate.console import format_attention
    from foveate.insight.plots import write_picture
    from foveate.output import check_file

    if out is not None:
        check_file(out)
    _check_least(1, beam_size=beam_size)
    source = _first_line() if text == "-" else text
    translator = load_translator(model, backend, threads)
    translation = _attend_one(translator, source, target, beam_size)
    if out is None:
        print(format_attention(translation))
    else:
        write_picture(translation, out)
        say(f"{translation.text}\ndrawn to {out}")
    return 0


@app.command(
    sort_key=6,
    help_epilogue="""\
Examples:
  foveate align model pairs.tsv > pairs.align
  foveate align model text.en,text.de --method mutual --out alignment.txt
""",
)
def align(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    pairs: Annotated[Place, Parameter(metavar="PAIRS")],
    /,
    *,
    out: Annotated[Place, Parameter(group=ESSENTIAL, alias="-o")] = "-",
    method: Annotated[Literal["argmax", "mutual"], Parameter(group=ESSENTIAL)] = "argmax",
    level: Annotated[Literal["auto", "tokens", "words"], Parameter(group=ESSENTIAL)] = "auto",
    skip_bad: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    backend: Backend = "auto",
    threads: Threads = 0,
) -> int:
    """Align given pairs, one line of source-target positions i-j for each (Pharaoh format).

    Args:
        model: Folder of a trained model.
        pairs: The pairs to align.
        out: Where to write; - is standard output.
        method: argmax: every target token has one link; mutual: only links that both sides choose.
        level: What i and j count: tokens, or words of subword models (auto).
        skip_bad: Skip and count bad rows; they have no line in the output.
        backend: What computes: PyTorch, or ONNX Runtime for an exported model.
        threads: Processor threads (0: as many as there are cores).
    """
    from foveate.console import watch
    from foveate.formats import format_alignment
    from foveate.output import check_file, open_output

    check_file(out)
    translator = load_translator(model, backend, threads)
    _require_attention(translator)
    table = read_table(pairs, translator.config, skip_bad=skip_bad)
    scored = translator.score_pairs(zip(table.sources(), table.targets(), strict=True))
    kinds = _word_kinds(translator, level)
    with open_output(out) as stream:
        for translation in watch(scored, len(table), "pairs"):
            stream.write(format_alignment(translation, method, kinds) + "\n")
    return 0


@app.command(
    sort_key=7,
    help_epilogue="""\
Examples:
  foveate check lexicon.tsv --minutes 10 > suspicious.tsv
  foveate check train.en,train.de --out suspicious.tsv --folds 3
  foveate check lexicon.csv --rules-only | head

PAIRS is what train takes, and so are the other options, which are those of the
models; --minutes is for all of them together. The table has the columns

  rank  line  suspicion  reasons  source  target  expected

suspicion: nats a token by which a model that has not seen the pair finds its
own output (expected) likelier than the target, and 1 to 3 for each reason from
a rule (none for repeats and other targets). 0: what the model would write; 3:
every token is on average e^3 = 20 times less likely.
""",
)
def check(
    pairs: Annotated[Place, Parameter(metavar="PAIRS")],
    /,
    *,
    out: Annotated[Place, Parameter(group=ESSENTIAL, alias="-o")] = "-",
    folds: Annotated[int, Parameter(group=ESSENTIAL, metavar="K")] = 2,
    rules_only: Annotated[
        bool, Parameter(group=ESSENTIAL, negative="", show_default=False)
    ] = False,
    all: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    config: Annotated[Place | None, Parameter(group=ESSENTIAL)] = None,
    flags: Annotated[Flags, Parameter(name="*")] = Flags(),  # noqa: B008 (frozen)
) -> int:
    """Find suspicious pairs: typos, swapped columns, shifted rows; the worst first.

    Args:
        pairs: The pairs to check.
        out: Where to write the table; - is standard output.
        folds: Models to train; each judges its share of the pairs, and learns from the others.
        rules_only: Train nothing: repeats, copies, lengths, scripts and sides only.
        all: Write every pair, not only those with a reason.
        config: TOML file of options; a flag wins over it.
        flags: The options of the models.
    """
    from foveate.proofread import run_check

    options = merge_config(config, given_flags(flags))
    _check_least(2, folds=folds)
    return run_check(pairs, out, options, folds=folds, rules_only=rules_only, every=all)


@app.command(
    sort_key=8,
    help_epilogue="""\
Examples:
  foveate export model small
  foveate export model smaller --int8
  foveate translate small new.txt

The new folder is a whole model: translate, evaluate, attend and align take it
where PyTorch is not installed. Keep the old one: only it can be exported again.
""",
)
def export(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    out: Annotated[Place, Parameter(metavar="OUT")],
    /,
    *,
    int8: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
) -> int:
    """Make a model that runs without PyTorch (ONNX), checked against the original.

    Args:
        model: Folder of a trained model.
        out: Folder to make for the exported model; it must not be there yet.
        int8: Keep the weights in 8 bits: a third of the size, a few outputs differ.
    """
    from foveate.output import check_folder

    check_folder(out)
    try:
        from foveate.export import export_bundle
    except ModuleNotFoundError as error:
        raise _missing_torch(error) from None
    found = export_bundle(model, out, int8=int8, report=say)
    say(f"the exported model is in {out} ({found.size / 1e6:.1f} MB of graphs); next:")
    say(f"  foveate translate {shlex.quote(out)} FILE")
    return 0


@app.command(
    sort_key=9,
    help_epilogue="""\
Examples:
  foveate info model
  foveate info model --json | jq .summary
""",
)
def info(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    /,
    *,
    json: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
) -> int:
    """Say what a model is: its options, its training, its scores.

    Args:
        model: Folder of a trained model.
        json: Print it as JSON.
    """
    from foveate.bundle import load_bundle
    from foveate.formats import describe_bundle, format_facts, format_json

    facts = describe_bundle(load_bundle(model))
    print(format_json(facts, indent=2) if json else format_facts(facts))
    return 0


def read_table(where: str, config: Config, *, skip_bad: bool = False) -> PairTable:
    """Read pairs into a table, with the limits of a configuration."""
    from foveate.data.readers import read_pairs
    from foveate.data.table import PairTable

    return PairTable.from_pairs(
        read_pairs(
            where,
            skip_bad=skip_bad or config.skip_bad,
            max_characters=config.max_characters,
            report=say,
        )
    )


def load_translator(model: str, backend: BackendName, threads: int) -> Translator:
    """Load a model for one of the commands that use it."""
    _check_least(0, threads=threads)
    from foveate.translator import Translator

    return Translator.load(model, backend=backend, threads=threads)


def _tell_unknown(translator: Translator) -> None:
    if translator.num_unknown:
        say(f"{translator.num_unknown:,} source tokens were not seen in training (read as unknown)")


def _missing_torch(error: ModuleNotFoundError) -> Exception:
    if error.name == "torch":
        return MissingExtraError("PyTorch", "train", "this command")
    return error


def run_training(
    table: PairTable, dev: PairTable | None, config: Config, out: str, resume: bool
) -> Trained | None:
    """Train with the progress shown; None when it was stopped with nothing to show."""
    from foveate.console import TrainingDisplay

    try:
        from foveate.training.ensemble import train_models as run
    except ModuleNotFoundError as error:
        raise _missing_torch(error) from None
    with TrainingDisplay() as display, suppress(KeyboardInterrupt):
        return run(table, dev, config, out=Path(out), resume=resume, report=display)
    return None


def finish_training(trained: Trained, out: str, test: PairTable | None) -> None:
    """Print the scores of a new model, where it is, and what to type next."""
    from foveate.console import format_diagnosis, format_evaluation, format_scores, watch
    from foveate.evaluation import diagnose
    from foveate.evaluation import evaluate as run_evaluation
    from foveate.metrics import Score

    translator = trained.translator
    scores = translator.bundle.scores
    diagnosis = translator.summary.setdefault("diagnosis", {})
    dev = {name: Score(**score) for name, score in scores.get("dev", {}).items()}
    if dev:
        say(f"\ndev set\n{format_scores(dev)}\n{format_diagnosis(diagnosis.get('dev'))}\n")
    if test is not None:
        evaluation = run_evaluation(translator, test, watch=watch)
        print(f"test set: {format_evaluation(evaluation)}", flush=True)
        scores["test"] = evaluation.to_dict()["metrics"]
        diagnosis["test"] = diagnose(evaluation, trained.table, translator)
        say(f"\ntest set\n{format_diagnosis(diagnosis['test'])}")
        translator.save(out)
    model = shlex.quote(out)
    say(f"\nthe model is in {out}; next:")
    say(f"  foveate translate {model} FILE\n  foveate evaluate {model} PAIRS")
    if translator.has_attention:
        say(f"  foveate attend {model} TEXT")


def _attend_one(
    translator: Translator, source: str, target: str | None, beam_size: int | None
) -> Translation:
    if not source.strip():
        raise ConfigError("TEXT is empty: give a source to translate")
    _require_attention(translator)
    if target is not None:
        return next(iter(translator.score_pairs([(source, target)])))
    return next(iter(translator.translate([source], beam_size=beam_size)))


def _require_attention(translator: Translator) -> None:
    if not translator.has_attention:
        raise ModelMismatchError(
            f"a {translator.config.architecture} model has no attention weights to show: "
            "train one with --architecture attention"
        )


def _word_kinds(translator: Translator, level: str) -> tuple[str, str] | None:
    """Return the kinds of tokens to merge to words, or None to leave tokens alone."""
    kinds = (translator.source_codec.kind, translator.target_codec.kind)
    if level == "tokens" or (level == "auto" and not set(kinds) & {"unigram", "bpe"}):
        return None
    return kinds


def _sampling(
    sample: bool,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    seed: int,
) -> Sampling | None:
    from foveate.translator import Sampling

    given = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return Sampling(**options, seed=seed) if sample or options else None


def _check_least(least: int, **values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < least:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(f"{flag}: must be at least {least}, not {value}")


def _first_line() -> str:
    from foveate.data.readers import read_lines

    return next(iter(read_lines("-")), "")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        argv: the arguments after the program's name (default: those of this process).
    """
    _write_utf8()
    # Threads that wait asleep: beside another busy program, spinning ones are many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    tokens = [STANDARD_STREAM if token == "-" else token for token in argv or ()]
    if argv is None:
        tokens = [STANDARD_STREAM if token == "-" else token for token in sys.argv[1:]]
    try:
        status = app(
            tokens,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
            verbose=False,
        )
        sys.stdout.flush()
        return int(status or 0)
    except CycloptsError as error:
        print_error(_describe_call(error))
        return 2
    except FoveateError as error:
        print_error(str(error))
        return error.exit_status
    except KeyboardInterrupt:
        say("\nstopped")
        return 130
    except BrokenPipeError:  # the reader has had enough, as with `| head`
        _drop_output()
        return 128 + 13
    except OSError as error:
        _drop_output()
        print_error(_describe_system(error))
        return 2
    except MemoryError:
        print_error("out of memory; a smaller --batch-tokens or --beam-size needs less")
        return 1


def _describe_call(error: CycloptsError) -> str:
    """Return what is wrong with a call in one line, with the place to read how it is called."""
    command = " ".join(["foveate", *(error.command_chain or ())])
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name = error.keyword or error.argument.name
        is_bare = bool(error.argument.tokens) or error.keyword
        what = f"{name} needs a value" if is_bare else f"{name} is missing"
    elif isinstance(error, UnusedCliTokensError):
        what = f"too many arguments: {' '.join(error.unused_tokens or ())}"
    else:
        what = str(error)
    what = what.replace(STANDARD_STREAM, "-").strip().rstrip(".")
    what = what[:1].lower() + what[1:] if what[1:2].islower() else what
    return f"{what} (see {command} --help)"


def _describe_system(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else "cannot read or write: "
    return place + (error.strerror or str(error))


def _write_utf8() -> None:
    """Write UTF-8 into files and pipes; a terminal keeps its own encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _drop_output() -> None:
    """Send what is still to be written nowhere, so that leaving does not fail once more."""
    with suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)


if __name__ == "__main__":
    sys.exit(main())
