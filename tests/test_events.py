"""A run in TensorBoard: what is written is read back by TensorBoard's own reader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from foveate.cli import main


def test_what_the_log_has_is_in_the_events(tmp_path: Path) -> None:
    pairs, out, events = tmp_path / "pairs.tsv", tmp_path / "model", tmp_path / "events"
    rows = [f"{a}{b}{c}\t{c}{b}{a}" for a in "abcde" for b in "fgh" for c in "ijk"]
    pairs.write_text("\n".join(rows) + "\n", encoding="utf-8")
    small = ["--max-updates", "12", "--num-validations", "3", "--hidden-size", "8"]
    told = ["--out", str(out), "--tensorboard", str(events), "--threads", "1", *small]
    assert main(["train", str(pairs), *told]) == 0
    log = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    validations = [row for row in log if row["kind"] == "validation"]
    assert validations
    found = EventAccumulator(str(events)).Reload()
    for name, value in validations[-1]["dev"].items():
        scalars = {event.step: event.value for event in found.Scalars(f"dev/{name}")}
        assert scalars[validations[-1]["update"]] == pytest.approx(value, rel=1e-6)
    assert "train/loss" in found.Tags()["scalars"]
    assert "plan/text_summary" in found.Tags()["tensors"]
