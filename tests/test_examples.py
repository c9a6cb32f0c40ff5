"""The examples do what they say."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """Run an example as `python examples/NAME` does, and return what it writes."""
    monkeypatch.syspath_prepend(EXAMPLES)

    def call(name: str) -> str:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return call


@pytest.mark.long
def test_an_attention_of_ones_own_is_trained_saved_and_loaded_on_demand(
    run: Callable[[str], str],
) -> None:
    said = run("own_attention.py")
    assert "train_plain:CosineAttention: if you trust it" in said
    assert "bagchef becomes fehcgab" in said


@pytest.mark.long
def test_parts_train_in_a_loop_of_ones_own_with_an_attention_of_ones_own(
    run: Callable[[str], str],
) -> None:
    said = run("train_plain.py")
    assert "bagchef becomes fehcgab" in said
    assert "looked at f e h c g a b" in said
