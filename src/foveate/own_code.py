"""Code of the user's own: an attention, called by its import path, `module:Name`.

A model that attends with it names the path and no more. Nothing is imported here because a file
says so: whoever calls `import_attention` has the user's word for it. Does not load PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from types import FunctionType
from typing import Any

from foveate.errors import ConfigError, ModelMismatchError
from foveate.options import AttentionOptions, ModelOptions

AttentionFactory = Callable[..., Any]  # what it makes is checked where PyTorch is


def attention_path(model: ModelOptions) -> str:
    """Return the import path of a model's own attention; empty where it has none."""
    return model.attention_module if isinstance(model, AttentionOptions) else ""


def name_attention(attention: object) -> str:
    """Return the import path of a class or function.

    Raises:
        ConfigError: it cannot be imported by one, so a model that needs it could never be loaded.
    """
    if not isinstance(attention, type | FunctionType):
        raise ConfigError(
            "attention must be a class, or a function that makes one, not an object of "
            f"{type(attention).__name__}"
        )
    module, name = attention.__module__, attention.__qualname__
    if module == "__main__" or not all(part.isidentifier() for part in name.split(".")):
        raise ConfigError(
            f"attention {name} of {module} could not be imported when the model is loaded again: "
            "put it into a file of its own, and import it from there"
        )
    if import_attention(f"{module}:{name}") is not attention:
        raise ConfigError(f"attention: {module}:{name} is another one than what was given")
    return f"{module}:{name}"


def import_attention(path: str) -> AttentionFactory:
    """Import what a path names. This runs the code of its module.

    Raises:
        ConfigError: it cannot be imported.

    Example:
        >>> import_attention("foveate.errors:did_you_mean").__name__
        'did_you_mean'
    """
    module, _, name = path.partition(":")
    try:
        found = attrgetter(name)(import_module(module))
    except Exception as error:  # whatever the code of the user's own raises
        raise ConfigError(
            f"attention_module: cannot import {path}: {error} "
            "(modules are looked for on sys.path; PYTHONPATH adds a folder to it)"
        ) from error
    if not callable(found):
        raise ConfigError(f"attention_module: {path} is no class or function")
    factory: AttentionFactory = found
    return factory


def import_trusted(
    model: ModelOptions, *, trust_code: bool, origin: str
) -> AttentionFactory | None:
    """Import the attention of a model's own, if it has one and the user trusts it.

    Raises:
        ModelMismatchError: it has one, and nobody said that it may run.
        ConfigError: it cannot be imported.
    """
    path = attention_path(model)
    if not path:
        return None
    if not trust_code:
        raise ModelMismatchError(
            f"{origin}: attends with code that is not Foveate's, {path}: if you trust it, load the "
            "model with trust_code=True (--trust-code); exported, it needs no code"
        )
    return import_attention(path)
