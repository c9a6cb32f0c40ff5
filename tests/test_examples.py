"""The examples do what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_an_attention_of_ones_own_is_trained_saved_and_loaded_on_demand() -> None:
    call = [sys.executable, EXAMPLES / "own_attention.py"]
    said = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    assert "train_plain:CosineAttention: if you trust it" in said
    assert "bagchef becomes fehcgab" in said


def test_parts_train_in_a_loop_of_ones_own_with_an_attention_of_ones_own() -> None:
    call = [sys.executable, EXAMPLES / "train_plain.py"]
    said = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    assert "bagchef becomes fehcgab" in said
    assert "looked at f e h c g a b" in said
