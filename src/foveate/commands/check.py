"""`foveate check`: suspicious pairs, the worst first."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from foveate.commands.arguments import Columns, Place, check_least
from foveate.commands.groups import ESSENTIAL, FURTHER
from foveate.console import say
from foveate.counted import counted
from foveate.flags import build_flags, given_flags, merge_config, offer_whole_help

if TYPE_CHECKING:
    from foveate.checking import Suspicion
    from foveate.config import Config
    from foveate.records import Pair
    from foveate.training.side_by_side import Engine

    Flags = Any
else:
    Flags = build_flags()

IS_WHOLE = False  # `--help-all` reads the signature below with True

app = App(
    name="check",
    help_epilogue="""\
Examples:
  foveate check lexicon.tsv --minutes 10 > suspicious.tsv
  foveate check train.en,train.de --out suspicious.tsv --folds 3
  foveate check lexicon.csv --rules-only --out review.html --clean clean.tsv

PAIRS is what train takes. The other options are those of the models; --minutes
is for all of them together. The table has the columns

  rank  line  suspicion  reasons  source  target  expected

A model that has not seen the pair writes an output of its own: expected.
suspicion says how much likelier that is than the target, in nats a token.
0: the target is what the model would write.
3: every token is on average e^3 = 20 times less likely.
Each reason from a rule adds 1 to 3 (repeats and other targets add nothing).

All options, with their ranges: foveate check --help-all
""",
)


@app.default
def check(
    pairs: Annotated[Place, Parameter(metavar="PAIRS")],
    /,
    *,
    out: Annotated[Place, Parameter(group=ESSENTIAL, alias="-o")] = "-",
    columns: Columns = None,
    folds: Annotated[int, Parameter(group=ESSENTIAL, metavar="K")] = 2,
    rules_only: Annotated[
        bool, Parameter(group=ESSENTIAL, negative="", show_default=False)
    ] = False,
    clean: Annotated[Place | None, Parameter(group=ESSENTIAL)] = None,
    all: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    config: Annotated[Place | None, Parameter(group=ESSENTIAL)] = None,
    engine: Annotated[Literal["local", "ray"], Parameter(group=FURTHER, show=IS_WHOLE)] = "local",
    flags: Annotated[Flags, Parameter(name="*")] = Flags(),  # noqa: B008 (frozen)
) -> int:
    """Find suspicious pairs: typos, swapped columns, shifted rows; the worst first.

    Args:
        pairs: The pairs to check.
        out: Where to write the table; - is standard output. A name that ends in .html makes a page
            on which you go through the pairs by key.
        columns: Which columns of PAIRS are source and target: by name, number or path. 1+3 joins
            two columns, and features become tags.
        folds: Models to train. Each judges its share of the pairs, and learns from the others.
        rules_only: Train nothing, and judge by rules: repeats, copies, lengths, scripts, sides.
        clean: Write the pairs once more, as TSV, without left-overs: outer blanks, invisible
            characters, entities, (2) behind a source, names of columns.
        all: Write every pair, not only the suspicious ones.
        config: TOML file of options; a flag wins over it.
        engine: Where --jobs trains: on this machine (local), or on a Ray cluster.
        flags: The options of the models.
    """
    from foveate.training.side_by_side import check_engine

    options = merge_config(config, given_flags(flags))
    check_least(2, folds=folds)
    check_engine(engine, options.jobs)
    return run_check(
        pairs,
        out,
        options,
        columns=columns,
        clean=clean,
        folds=folds,
        rules_only=rules_only,
        every=all,
        engine=engine,
    )


offer_whole_help(app, check)


def run_check(
    where: str,
    out: str,
    config: Config,
    *,
    columns: str | None = None,
    clean: str | None = None,
    folds: int,
    rules_only: bool,
    every: bool,
    engine: Engine = "local",
) -> int:
    """Check a file and return the exit status; arguments are the flags of the command.

    Raises:
        ConfigError: the output cannot be written, or there are too few folds.
        DataError: the pairs cannot be read, or are too few.
        MissingExtraError: PyTorch is not installed.
    """
    import numpy as np

    from foveate.checking import check_table, count_kinds, is_suspicious
    from foveate.cleaned import draw_review
    from foveate.console import TrainingDisplay, format_findings, watch
    from foveate.data.readers import read_pairs
    from foveate.data.table import PairTable
    from foveate.formats import SUSPICION_HEADER, format_suspicion
    from foveate.output import check_file, is_page, open_output
    from foveate.training.side_by_side import trained_on

    check_file(out, read=where)
    if clean is not None:
        check_file(clean, read=where)
    lines = array("q")
    table = PairTable.from_pairs(
        _note_lines(
            read_pairs(
                where,
                columns=columns,
                skip_bad=config.skip_bad,
                max_characters=config.max_characters,
                report=say,
            ),
            lines,
        )
    )
    with trained_on(engine, config.jobs):
        found = check_table(
            table,
            None if rules_only else config,
            folds=folds,
            lines=np.array(lines),
            display=TrainingDisplay,
            watch=lambda items, total: watch(items, total, "pairs judged"),
        )
    judged = list(found)
    kept = [one for one in judged if every or is_suspicious(one)]
    with open_output(out) as stream:
        if is_page(out):
            stream.write(draw_review(judged, kept, lines, where))
        else:
            rows = (
                format_suspicion(rank, lines[one.row], one)
                for rank, one in enumerate(kept, start=1)
            )
            stream.writelines(chain([SUSPICION_HEADER], rows))
    if clean is not None:
        num_changed = write_clean(judged, clean)
        say(
            f"{clean}: a cleaned file, {num_changed:,} of {counted(len(table), 'row')} are "
            "changed or gone"
        )
    counts = count_kinds(judged)
    num_odd = sum(map(is_suspicious, judged))
    first = [lines[one.row] for one in judged[:5] if is_suspicious(one)]
    say(format_findings(len(table), num_odd, counts, first))
    return 0


def write_clean(judged: Sequence[Suspicion], where: str) -> int:
    """Write the pairs as TSV, in their order, without left-overs; return how many rows differ."""
    from foveate.cleaned import clean_pair
    from foveate.output import open_output

    num_changed = 0
    with open_output(where) as stream:
        for one in sorted(judged, key=lambda one: one.row):
            pair = clean_pair(one)
            num_changed += pair != (one.source, one.target)
            if pair is not None:
                stream.write("\t".join(" ".join(text.split()) for text in pair) + "\n")
    return num_changed


def _note_lines(pairs: Iterator[Pair], lines: array[int]) -> Iterator[Pair]:
    for pair in pairs:
        lines.append(pair.line)
        yield pair
