"""What every test has: one thread a process, shapes that are checked, repeatable examples."""

from __future__ import annotations

import os

# Before anything imports numpy or torch: two test processes with two threads each crawl.
# Subprocesses of the end-to-end tests inherit it.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import functools
import gc
import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import jaxtyping
import pytest
from hypothesis import settings

# Subprocesses load what was compiled before, as they do for every user.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Annotations such as Float[Tensor, "B T H"] are executed in the test run, and only there: in the
# first calls of each function in each test, then in every 32nd. A run of hundreds of updates
# learns nothing from the others, and the checks take a quarter of its time.
CHECKED_AT_FIRST = 4
CHECKED_LATER = 32
check_shapes = jaxtyping.jaxtyped
calls_of_this_test: dict[int, int] = {}


def check_some_shapes(function: Any, typechecker: Any) -> Any:
    """Decorate a function as jaxtyping does, but let most of many calls pass unchecked."""
    checked = check_shapes(function, typechecker=typechecker)
    if not isinstance(function, FunctionType):
        return checked
    own = id(function)

    @functools.wraps(function)
    def call(*told: Any, **named: Any) -> Any:
        count = calls_of_this_test[own] = calls_of_this_test.get(own, 0) + 1
        is_checked = count <= CHECKED_AT_FIRST or count % CHECKED_LATER == 0
        if is_checked and not is_traced():
            return checked(*told, **named)
        return function(*told, **named)

    return call


def is_traced() -> bool:
    """Return whether an export records what is done: looks at shapes would become operations."""
    return "torch" in sys.modules and bool(sys.modules["torch"].jit.is_tracing())


def decorate(*, typechecker: Any) -> Callable[[Any], Any]:
    """Return the decorator that jaxtyping's import hook puts before every function."""
    return functools.partial(check_some_shapes, typechecker=typechecker)


jaxtyping.jaxtyped = decorate
jaxtyping.install_import_hook(["foveate.models", "foveate.torch_backend"], "beartype.beartype")

is_in_ci = bool(os.environ.get("CI"))
settings.register_profile("foveate", deadline=None, derandomize=is_in_ci, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=300)  # in `make slow`
settings.load_profile("foveate")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import everything without looking for garbage: it stays, and nobody looks at it again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def count_anew() -> None:
    """Check shapes again from the first call on."""
    calls_of_this_test.clear()


@pytest.fixture(autouse=True)
def one_torch_thread() -> None:
    """Give every test one torch thread, also after a test that asked for more."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
