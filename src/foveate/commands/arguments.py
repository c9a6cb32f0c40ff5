"""What several commands take and do alike: kinds of arguments, a table of pairs, a model."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter, Token

from foveate.commands.groups import ESSENTIAL
from foveate.console import say
from foveate.errors import ConfigError, MissingExtraError, ModelMismatchError

if TYPE_CHECKING:
    from foveate.data.table import PairTable
    from foveate.translator import Translator

STANDARD_STREAM = "\0-"  # how a bare `-` passes through the parser, which takes it for an option


def _restore_dash(kind: Any, tokens: Sequence[Token]) -> str:
    return "-" if tokens[0].value == STANDARD_STREAM else tokens[0].value


# Larger numbers are slips of the hand: they would take all memory, or fit no integer.
MOST_OF_ANY = 10**9
MOST = defaultdict(lambda: MOST_OF_ANY, threads=4096, beam_size=10_000, n_best=10_000, folds=1000)

SEARCH = Group("Search", sort_key=2)
STEERING = Group("Steering", sort_key=3)
SAMPLING = Group("Sampling", sort_key=4)
INSIDE = Group("What went on inside", sort_key=5)
MACHINE = Group("Machine", sort_key=9)

Place = Annotated[str, Parameter(converter=_restore_dash, metavar="FILE")]
BackendName = Literal["auto", "torch", "onnx"]
Backend = Annotated[BackendName, Parameter(group=MACHINE)]
BleuTokenize = Literal["13a", "none", "intl", "char", "zh"]
Threads = Annotated[int, Parameter(group=MACHINE, metavar="N")]
TrustCode = Annotated[bool, Parameter(group=MACHINE, negative="", show_default=False)]
Columns = Annotated[str | None, Parameter(group=ESSENTIAL, metavar="SOURCE,TARGET")]
BeamSize = Annotated[int | None, Parameter(group=SEARCH, metavar="K")]


def read_table(
    where: str, *, columns: str | None = None, skip_bad: bool = False, **limits: int
) -> PairTable:
    """Read pairs into a table; columns and limits are those of `read_pairs`."""
    from foveate.data import plain

    return plain.read_table(where, columns=columns, skip_bad=skip_bad, report=say, **limits)


def load_translator(
    model: str,
    backend: BackendName,
    threads: int,
    trust_code: bool,
    max_source: int | None = None,
) -> Translator:
    """Load a model for one of the commands that use it."""
    check_least(0, threads=threads)
    check_least(1, max_source=max_source)
    from foveate.search.workers import cut_threads
    from foveate.translator import Translator

    threads = cut_threads(threads, say)
    return Translator.load(
        model, backend=backend, threads=threads, max_source=max_source, trust_code=trust_code
    )


def missing_torch(error: ModuleNotFoundError) -> Exception:
    """Return what to raise when a module could not be imported: what to install for PyTorch."""
    if error.name == "torch":
        return MissingExtraError("PyTorch", "train", "this command")
    return error


def require_attention(translator: Translator) -> None:
    """Raise a ModelMismatchError when there is nothing to look at."""
    if not translator.has_attention:
        raise ModelMismatchError(
            f"a {translator.bundle.model.architecture} model has no attention weights to show: "
            "train one with --architecture attention"
        )


def check_least(least: int, **values: int | None) -> None:
    """Raise a ConfigError for the first number given that is too small, or larger than any use."""
    for name, value in values.items():
        if value is not None and not least <= value <= MOST[name]:
            bound = f"at least {least}" if value < least else f"at most {MOST[name]:,}"
            raise ConfigError(f"{_flag(name)}: must be {bound}, not {value}")


def check_positive(**values: float | None) -> None:
    """Raise a ConfigError for the first number given that is not above 0, or not finite."""
    for name, value in values.items():
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise ConfigError(f"{_flag(name)}: must be a number above 0, not {value:g}")


def check_finite(**values: float | None) -> None:
    """Raise a ConfigError for the first number given that is infinite or not a number."""
    for name, value in values.items():
        if value is not None and not math.isfinite(value):
            raise ConfigError(f"{_flag(name)}: must be a finite number, not {value:g}")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
