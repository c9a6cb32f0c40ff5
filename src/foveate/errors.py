"""Errors that tell a user what happened, where, and what to do.

Everything that a user can cause is a `FoveateError`; its message is whole by itself, and the
command line prints it on one line and exits with `exit_status`. A traceback is for our own
mistakes only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FoveateError(Exception):
    """Base of every error that Foveate raises on purpose."""

    exit_status = 2


class ConfigError(FoveateError):
    """An option is unknown, out of range, or does not go with another."""


class DataError(FoveateError):
    """A file of pairs cannot be read, or a row of it is bad (message: `file:line: what`)."""


class BundleError(FoveateError):
    """A model folder is missing, damaged, or of a format this version does not know."""


class ModelMismatchError(FoveateError):
    """The model and what it is asked to do do not fit each other."""


class SearchError(FoveateError):
    """A search was asked for something that it cannot do (beam size 0, impossible lengths)."""


class TrainingError(FoveateError):
    """Training failed for a reason that is not the call's (the loss is not a number)."""

    exit_status = 1


class ExportError(FoveateError):
    """An exported model does not do what the original does."""

    exit_status = 1


class MissingExtraError(FoveateError):
    """An optional library is not installed."""

    def __init__(self, library: str, extra: str, purpose: str, instead: str = "") -> None:
        instead = f"; {instead}" if instead else ""
        super().__init__(f"{purpose} needs {library}: pip install 'foveate[{extra}]'{instead}")


def describe_change(name: str, old: object, new: object) -> str:
    """Return what changed, for a message; None is what nobody told.

    Example:
        >>> describe_change("seed", 1, 2), describe_change("hidden_size", 8, None)
        ('seed was 1, now it is 2', 'hidden_size was 8, now it is not told')
    """
    old, new = ("not told" if value is None else value for value in (old, new))
    return f"{name} was {old}, now it is {new}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean X?` when a known word is close to `word`, else an empty string.

    Example:
        >>> did_you_mean("hiden_size", ["hidden_size", "dropout"])
        ', did you mean hidden_size?'
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""
