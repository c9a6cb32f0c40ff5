"""Variables that a library reads while it is loaded, set for that moment only."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def added_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment that are not set, until the end of the context.

    Example:
        >>> with added_variables({"FOVEATE_EXAMPLE": "1", "PATH": "nothing"}):
        ...     os.environ["FOVEATE_EXAMPLE"], os.environ["PATH"] == "nothing"
        ('1', False)
        >>> "FOVEATE_EXAMPLE" in os.environ
        False
    """
    added = variables.keys() - os.environ.keys()
    os.environ.update({name: variables[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
