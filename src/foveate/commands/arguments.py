"""What several commands take and do alike: kinds of arguments, a table of pairs, a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter, Token

from foveate.console import say
from foveate.errors import ConfigError, MissingExtraError, ModelMismatchError
from foveate.options import TrainingOptions

if TYPE_CHECKING:
    from foveate.data.table import PairTable
    from foveate.translator import Translator

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


def read_table(
    where: str, *, skip_bad: bool = False, max_characters: int = TrainingOptions.max_characters
) -> PairTable:
    """Read pairs into a table."""
    from foveate.data.readers import read_pairs
    from foveate.data.table import PairTable

    return PairTable.from_pairs(
        read_pairs(
            where,
            skip_bad=skip_bad,
            max_characters=max_characters,
            report=say,
        )
    )


def load_translator(model: str, backend: BackendName, threads: int) -> Translator:
    """Load a model for one of the commands that use it."""
    check_least(0, threads=threads)
    from foveate.translator import Translator

    return Translator.load(model, backend=backend, threads=threads)


def tell_unknown(translator: Translator) -> None:
    """Say how many source tokens the model had never seen."""
    if translator.num_unknown:
        say(f"{translator.num_unknown:,} source tokens were not seen in training (read as unknown)")


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
    """Raise a ConfigError for the first number given that is below the least one allowed."""
    for name, value in values.items():
        if value is not None and value < least:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(f"{flag}: must be at least {least}, not {value}")
