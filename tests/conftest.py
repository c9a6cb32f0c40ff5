"""What every test has: one thread a process, shapes that are checked, repeatable examples."""

from __future__ import annotations

import os

# Before anything imports numpy or torch: two test processes with two threads each crawl.
# Subprocesses of the end-to-end tests inherit it.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import sys

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# Annotations such as Float[Tensor, "B T H"] are executed in the test run, and only there.
install_import_hook(["foveate.models", "foveate.torch_backend"], "beartype.beartype")

is_in_ci = bool(os.environ.get("CI"))
settings.register_profile("foveate", deadline=None, derandomize=is_in_ci, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=300)  # in `make slow`
settings.load_profile("foveate")


@pytest.fixture(autouse=True)
def one_torch_thread() -> None:
    """Give every test one torch thread, also after a test that asked for more."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
