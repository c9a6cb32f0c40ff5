"""`foveate check`: suspicious pairs, the worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from foveate.commands.arguments import Place, check_least
from foveate.flags import ESSENTIAL, build_flags, given_flags, merge_config

if TYPE_CHECKING:
    Flags = Any
else:
    Flags = build_flags()


app = App(
    name="check",
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


@app.default
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
    check_least(2, folds=folds)
    return run_check(pairs, out, options, folds=folds, rules_only=rules_only, every=all)
