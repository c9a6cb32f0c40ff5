"""From what was prepared to a trainer with a new model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import foveate.torch_loading  # noqa: F401  # isort: skip  # before torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from foveate.errors import ConfigError, ModelMismatchError
from foveate.models.build import build_model
from foveate.models.copying import LexicalPrior
from foveate.models.randomness import OwnGenerator
from foveate.models.seq2seq import Seq2SeqModel
from foveate.records import SoftTargets
from foveate.torch_loading import keep_kernels
from foveate.training.prepare import Prepared
from foveate.training.ranks import Ranks
from foveate.training.trainer import Trainer

LEXICON = ("copying.words", "copying.chances")
GROWING = (  # parameters with a row for each token
    "source_embedding.weight",
    "target_embedding.weight",
    "output_bias",
    *LEXICON,
)


def build_trainer(
    prepared: Prepared, soft_targets: SoftTargets | None = None, ranks: Ranks | None = None
) -> Trainer:
    """Build a new model, which depends on the seed alone, and its trainer.

    Args:
        prepared: the pairs and the options.
        soft_targets: of every step of the pairs, learnt instead of their targets.
        ranks: the processes that train together.
    """
    options, facts, lexicon = prepared.options, prepared.facts, prepared.lexicon
    training = options.training
    assert soft_targets is None or len(soft_targets) == prepared.pairs.num_steps
    keep_kernels(training.batch_tokens)
    sizes = facts.source_size, facts.target_size
    with OwnGenerator(training.seed):
        model = build_model(
            options.model,
            *sizes,
            prepared.is_shared,
            prepared.target_ids,
            needs_weights=training.guidance > 0,
            attention=prepared.attention,
        )
    if lexicon is not None and isinstance(model.copying, LexicalPrior):
        model.copying.set_lexicon(*lexicon.likeliest(model.copying.words.shape[1]))
    if prepared.parent is not None:
        inherit(model, prepared.parent.bundle.weights)
    # Soft targets are of one way to split the target: then no other ways are sampled.
    encode = prepared.encode_epoch if soft_targets is None else lambda epoch: prepared.pairs
    model = model.to(choose_device(training.device))
    return Trainer(model, training, encode, lexicon, soft_targets, ranks)


@torch.no_grad()
def inherit(model: Seq2SeqModel, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Give a new model the weights of an old one, whose vocabularies may be smaller.

    Rows of tokens that the old one did not have stay as they are. So do rows of its lexicon that
    are empty.

    Args:
        model: has the same sizes.
        weights: of the old model, by parameter name.

    Raises:
        ModelMismatchError: the weights are not those of such a model.
    """
    for name, parameter in model.named_parameters():
        old = _find_rows(name, parameter, weights)
        rows = parameter[: len(old)] if name in GROWING else parameter
        if name in LEXICON:
            known = torch.from_numpy(weights[LEXICON[1]]).sum(dim=1) > 0
            rows[known] = old[known]
        else:
            rows.copy_(old)


def _find_rows(name: str, parameter: Tensor, weights: Mapping[str, NDArray[np.float32]]) -> Tensor:
    """Return the old weights of a parameter, which fit into it."""
    shape, old = parameter.shape, weights.get(name, np.zeros((0, 0, 0), np.float32))
    grows = name in GROWING and old.shape[1:] == shape[1:] and len(old) <= len(parameter)
    if old.shape != shape and not grows:
        raise ModelMismatchError(
            f"the old model has other weights than its options say: {name} is {old.shape}, "
            f"not {tuple(shape)}: copy or train it again"
        )
    return torch.from_numpy(old)


def choose_device(name: str) -> torch.device:
    """Return the device that an option names.

    Raises:
        ConfigError: PyTorch does not know it or cannot use it here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError):
        raise ConfigError(f"device: {name!r} cannot be used here; cpu can") from None
