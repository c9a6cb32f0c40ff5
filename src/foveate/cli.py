"""The command line: `foveate train`, `foveate translate` and all other commands.

A command is a function in `commands/`; its docstring and those of the fields of `Config` are its
help. Results go to standard output, progress and messages to standard error. Exit status 0 is
done, 1 the task failed, 2 the call or a file is wrong, 130 stopped by Ctrl-C. Nothing is imported
before a command needs it, not even the command.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import (
    App,
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from foveate import __version__
from foveate.commands.arguments import STANDARD_STREAM
from foveate.commands.other_names import find_command, find_ours
from foveate.console import print_error, say
from foveate.errors import FoveateError, did_you_mean
from foveate.streams import drop_output, prepare_streams

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions

# The first line of each command's docstring, so that `foveate --help` need not load them.
COMMANDS = {
    "demo": "Train on bundled real pairs, with and without attention; compare, translate, draw.",
    "train": "Train a model on pairs of source and target.",
    "translate": "Translate every line of a file.",
    "evaluate": "Evaluate a model: every metric with its 95 % interval, and by source length.",
    "compare": "Compare models on the same pairs: which is better, and may it be chance?",
    "attend": "Show where the model looked: rows are the output, columns the source.",
    "align": "Align given pairs, a line of source-target positions i-j for each (Pharaoh format).",
    "check": "Find suspicious pairs: typos, swapped columns, shifted rows; the worst first.",
    "export": "Make a model that runs without PyTorch (ONNX), checked against the original.",
    "serve": "Serve models over HTTP, with a page that shows attention.",
    "experiment": (
        "Run an experiment: what papers claim of attention, seen on models trained here and now."
    ),
    "info": "Say what a model is: its options, its training, its scores.",
}

OUT_OF_MEMORY = "out of memory; a smaller --batch-tokens or --beam-size needs less"
# How PyTorch (on a CPU, on a GPU) and ONNX Runtime say it; neither raises a MemoryError.
MEMORY_SIGNS = ("allocate memory", "not enough memory", "out of memory", "bad_alloc", "bad alloc")
PAIR_COMMANDS = ("train", "evaluate", "align", "check")


class _Help:
    """Shows help as cyclopts does, with the lines of a docstring joined to fill the width."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        from cyclopts.help import DefaultFormatter, InlineText
        from rich.text import Text

        for entry in panel.entries:
            shown = entry.description
            if isinstance(shown, InlineText) and isinstance(shown.primary_renderable, Text):
                shown.primary_renderable.plain = " ".join(str(shown.primary_renderable).split())
        DefaultFormatter()(console, options, panel)

    def render_usage(self, console: Console, options: ConsoleOptions, usage: object) -> None:
        from cyclopts.help import DefaultFormatter

        DefaultFormatter().render_usage(console, options, usage)


app = App(
    name="foveate",
    help="Train, use and look into sequence-to-sequence models with attention, on a CPU.",
    version=__version__,
    help_format="plaintext",
    help_formatter=_Help(),
    suppress_keyboard_interrupt=False,  # `main` says that it was stopped
    help_epilogue="""\
Begin with:
  foveate demo                       what attention is good for, in minutes
  foveate train pairs.tsv -o model   learn from a file of source TAB target
  foveate translate model new.txt    one output for each line
""",
)

for number, (name, summary) in enumerate(COMMANDS.items(), start=1):
    app.command(f"foveate.commands.{name}:app", name=name, help=summary, sort_key=number)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        argv: the arguments after the program's name (default: those of this process).
    """
    prepare_streams()
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
        drop_output()
        return 128 + 13
    except OSError as error:
        drop_output()
        print_error(_describe_system(error))
        return 2
    except MemoryError:
        print_error(OUT_OF_MEMORY)
        return 1
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        print_error(OUT_OF_MEMORY)
        return 1


def _describe_call(error: CycloptsError) -> str:
    """Return what is wrong with a call in one line, with the place to read how it is called."""
    command = " ".join(["foveate", *(error.command_chain or ())])
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name = error.keyword or error.argument.name
        is_bare = bool(error.argument.tokens) or error.keyword
        what = f"{name} needs a value" if is_bare else f"{name} is missing"
        what += _describe_two_files(error) + _describe_others(error)
    elif isinstance(error, UnknownCommandError) and (ours := find_command(_find_first(error))):
        what = f"unknown command: {_find_first(error)}; here it is foveate {ours}"
    elif isinstance(error, UnusedCliTokensError):
        what = _describe_unused(error)
    elif isinstance(error, UnknownOptionError) and (ours := find_ours(_flag(error))):
        what = f"unknown option: {_flag(error)}; here it is {ours}"
    elif isinstance(error, UnknownOptionError):
        what = _keep_near_name(str(error), _flag(error))
    else:
        what = str(error)
    what = what.partition(" Available commands:")[0]
    what = what.replace(STANDARD_STREAM, "-").strip().rstrip(".")
    what = what[:1].lower() + what[1:] if what[1:2].islower() else what
    return f"{what} (see {command} --help)"


def _keep_near_name(what: str, flag: str) -> str:
    """Drop the name that cyclopts proposes for an unknown option where it is not alike."""
    before, _, proposed = what.partition(" Did you mean ")
    name = proposed.partition("?")[0].strip('"-')
    is_near = did_you_mean(flag.partition("=")[0].strip("-"), [name])
    return what if is_near else before


def _flag(error: UnknownOptionError) -> str:
    return error.token.keyword or error.token.value


def _find_first(error: CycloptsError) -> str:
    return next(iter(error.unused_tokens or error.root_input_tokens or ()), "")


def _describe_two_files(error: CycloptsError) -> str:
    """Say that two files beside each other are one argument; nothing where there are none."""
    given = list(error.root_input_tokens or ())
    if not given or given[0] not in PAIR_COMMANDS:
        return ""
    for one, other in pairwise(given[1:]):
        if Path(one).is_file() and Path(other).is_file():
            return f"; two files are one argument: {one},{other}"
    return ""


def _describe_others(error: CycloptsError) -> str:
    """Name the options of other toolkits in a call that lacks something else."""
    given = [token for token in error.root_input_tokens or () if token.startswith("--")]
    return "".join(
        f"; unknown option: {token}; here it is {ours}"
        for token in given
        if (ours := find_ours(token))
    )


def _describe_unused(error: UnusedCliTokensError) -> str:
    """Say which arguments are too many; two parallel files are what people often mean."""
    unused, given = list(error.unused_tokens or ()), list(error.root_input_tokens or ())
    what = f"too many arguments: {' '.join(unused)}"
    takes_pairs = (error.command_chain or ("",))[0] in PAIR_COMMANDS
    if not takes_pairs or len(unused) != 1 or unused[0] not in given[2:]:
        return what
    before = given[given.index(unused[0], 2) - 1]
    are_files = Path(before).is_file() and Path(unused[0]).is_file()
    return f"{what}; two files are one argument: {before},{unused[0]}" if are_files else what


def _is_out_of_memory(error: RuntimeError) -> bool:
    text = str(error).lower()
    return any(sign in text for sign in MEMORY_SIGNS)


def _describe_system(error: OSError) -> str:
    if error.errno == errno.EBADF and not error.filename:
        return "standard input or output is closed: open it, or name a file"
    place = f"{error.filename}: " if error.filename else "cannot read or write: "
    return place + (error.strerror or str(error))
