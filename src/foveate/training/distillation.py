"""Word-level distillation: what a teacher finds likely at each step, to learn from.

    q(y) = (1 - a) [y = y_i] + a/M sum_m p_m(y | y_<i, x),   loss = -sum_y q(y) log p(y | y_<i, x)

The M models of an ensemble read every pair once, and the student learns their mean beside the
token that stands there: how sure they are, and what they find nearly as likely. It costs these
passes over the data and one more training, and runs as fast as any single model.

Reference: Kim & Rush 2016, section 3.1; the mixture with the truth is that of their section 2.2.
Of an ensemble, for pronunciation: Sun et al. 2019.

Differs: only the likeliest tokens are kept, and share the whole.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import foveate.torch_loading  # noqa: F401  # isort: skip  # before torch
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from foveate.backends import build_torch_members
from foveate.bundle import Bundle
from foveate.data.batching import EncodedPairs, collate, plan_batches
from foveate.errors import BundleError
from foveate.files import replace_file
from foveate.records import Batch, SoftTargets
from foveate.torch_backend import TorchStepper
from foveate.training.report import Listener, Report

TEACHERS_SHARE = 0.5  # a
NUM_LIKELY = 8  # tokens that are kept of each step
BATCH_TOKENS = 4000
REPORT_SECONDS = 1.0


def write_soft_targets(
    teachers: Bundle, pairs: EncodedPairs, report: Listener, threads: int = 0
) -> SoftTargets:
    """Return the targets of the pairs, mixed with what an ensemble finds likely at every step.

    Args:
        teachers: one model or several.
        pairs: encoded with their vocabularies.
        report: is told how far it is, in pairs.
        threads: of the processor; 0 means as many as are granted.
    """
    members = build_torch_members(teachers, origin="the teachers")
    size = len(teachers.target_codec.vocabulary)
    num_likely = min(NUM_LIKELY, size)
    ids = np.zeros((pairs.num_steps, num_likely), np.min_scalar_type(size))
    probabilities = np.zeros(ids.shape, np.float16)
    begin = last = time.perf_counter()
    done = 0
    for rows in plan_batches(pairs.source_lengths, pairs.target_lengths, BATCH_TOKENS, 0, 0):
        batch = collate([pairs.source(row) for row in rows], [pairs.target(row) for row in rows])
        steps = pairs.steps(rows)
        ids[steps], probabilities[steps] = _find_likely(members, batch, num_likely)
        done += len(rows)
        now = time.perf_counter()
        if now - last >= REPORT_SECONDS or done == len(pairs):
            last, left = now, (now - begin) / done * (len(pairs) - done)
            report(
                Report(
                    "progress",
                    "pair",
                    update=done,
                    total_updates=len(pairs),
                    seconds=round(now - begin, 2),
                    seconds_left=round(left, 1),
                )
            )
    return SoftTargets(ids, probabilities)


@torch.inference_mode()
def _find_likely(
    members: list[TorchStepper], batch: Batch, num_likely: int
) -> tuple[np.ndarray, np.ndarray]:
    arrays = (batch.source, batch.source_mask, batch.target_in)
    mask = torch.from_numpy(batch.target_mask)
    total = torch.zeros(())
    for member in members:
        model = member.model.eval()
        output = model(*(torch.from_numpy(array).to(member.device) for array in arrays))
        total = total + torch.softmax(output.logits.cpu()[mask], dim=-1)
    true = torch.from_numpy(batch.target_out)[mask].unsqueeze(1)
    mean = TEACHERS_SHARE / len(members) * total
    likely, ids = mean.scatter_add(1, true, mean.new_full(true.shape, 1 - TEACHERS_SHARE)).topk(
        num_likely, dim=-1
    )
    return ids.numpy(), (likely / likely.sum(dim=-1, keepdim=True)).numpy()


def save_soft_targets(soft_targets: SoftTargets, path: Path) -> None:
    """Keep soft targets, so that a run that is resumed has the same.

    Raises:
        BundleError: they cannot be written.
    """
    arrays = {"ids": soft_targets.ids, "probabilities": soft_targets.probabilities}
    try:
        replace_file(path, save(arrays))
    except OSError as error:
        raise BundleError(f"{path}: cannot write there: {error.strerror}") from None


def load_soft_targets(pairs: EncodedPairs, path: Path) -> SoftTargets:
    """Return the soft targets of `save_soft_targets`.

    Raises:
        BundleError: the file is damaged, or of other pairs.
    """
    try:
        arrays = load(path.read_bytes())
        soft_targets = SoftTargets(arrays["ids"], arrays["probabilities"])
        if len(soft_targets) != pairs.num_steps:
            raise ValueError(
                f"{len(soft_targets):,} steps for the {pairs.num_steps:,} of the pairs"
            )
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise BundleError(f"{path}: cannot go on from it: {error}; remove the file") from None
    return soft_targets
