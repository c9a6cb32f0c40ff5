"""`TorchStepper`: a PyTorch model behind the `Stepper` that search sees.

Arrays go in, arrays come out; tensors stay in the state. Knows no text.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foveate.errors import BundleError, ConfigError
from foveate.models.attention import mean_head
from foveate.models.build import build_model
from foveate.models.decoders import State
from foveate.models.randomness import OwnGenerator
from foveate.models.seq2seq import Seq2SeqModel
from foveate.options import ModelOptions
from foveate.search.stepper import Step
from foveate.text.vocabulary import EOS

KERNELS_VARIABLE = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
IS_TOLD_KERNELS = KERNELS_VARIABLE in os.environ
os.environ.setdefault(KERNELS_VARIABLE, "16")
SMALL_BATCH = 400  # tokens, up to which compiling a kernel takes longer than it saves memory
GRANTED_THREADS = torch.get_num_threads()  # the cores, or what OMP_NUM_THREADS says


def use_threads(threads: int) -> None:
    """Let PyTorch use so many threads; 0 means as many as were granted when it was loaded."""
    torch.set_num_threads(threads or GRANTED_THREADS)


def keep_kernels(batch_tokens: int) -> None:
    """Choose how many compiled RNN kernels oneDNN keeps, before it compiles the first.

    There is one, with its own memory, for each shape of a layer, and every batch has a shape of
    its own. With large batches that is hundreds of megabytes that save no time; with small ones it
    is little, and compiling anew takes a fifth of an update.
    """
    if not IS_TOLD_KERNELS:
        os.environ[KERNELS_VARIABLE] = "1024" if batch_tokens <= SMALL_BATCH else "16"


class TorchStepper:
    """Step a `Seq2SeqModel` in evaluation mode, without gradients.

    Args:
        model: it is switched to evaluation mode at every start.
        with_attention: return attention weights, averaged over heads; without, they are not
            copied out of PyTorch.
    """

    def __init__(self, model: Seq2SeqModel, with_attention: bool = True) -> None:
        self.model = model
        self.with_attention = with_attention
        self.device = model.output_bias.device

    @property
    def workers(self) -> int:
        """How many batches may be searched at a time: one for each of PyTorch's threads."""
        return torch.get_num_threads() if self.device.type == "cpu" else 1

    @contextmanager
    def on_one_core(self) -> Iterator[None]:
        """Let PyTorch use one thread for each operation, until the end of the context."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @torch.inference_mode()
    def start(self, source: NDArray[np.int64], source_mask: NDArray[np.bool_]) -> State:
        """Encode the sources [B, S]."""
        self.model.eval()
        return self.model.start(self._tensor(source), self._tensor(source_mask))

    @torch.inference_mode()
    def step(self, state: State, tokens: NDArray[np.int64], k: int | None) -> Step:
        """Return the k best next tokens of every row, or all of them in the order of their ids."""
        logits, attention, state = self.model.step(self._tensor(tokens), state)
        log_probs = torch.log_softmax(logits, dim=-1)  # R V
        if k is None:
            ids = torch.arange(log_probs.shape[1]).expand(log_probs.shape)
        else:
            allowed = log_probs[:, EOS:]  # PAD, UNK and BOS are no candidates
            if k == 1:
                log_probs, ids = allowed.max(dim=-1, keepdim=True)
            else:
                log_probs, ids = allowed.topk(min(k, allowed.shape[1]), dim=-1)
            ids = ids + EOS
        weights = None
        if attention is not None and self.with_attention:
            weights = mean_head(attention).cpu().numpy()  # R S
        return Step(state, ids.cpu().numpy(), log_probs.cpu().numpy(), weights)

    @torch.inference_mode()
    def reorder(self, state: State, rows: NDArray[np.int64]) -> State:
        """Pick rows, in the given order, with repetition."""
        index = self._tensor(rows)
        return {name: tensor.index_select(0, index) for name, tensor in state.items()}

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


def build_torch_stepper(
    options: ModelOptions,
    vocabulary_sizes: tuple[int, int],
    is_shared: bool,
    weights: Mapping[str, NDArray[np.float32]],
    *,
    target_ids: Sequence[int] | None = None,
    threads: int = 0,
    origin: str = "model",
) -> TorchStepper:
    """Build the model that options describe, give it its weights, and wrap it.

    Args:
        options: of the model.
        vocabulary_sizes: entries of the source and the target vocabulary.
        is_shared: both sides have one embedding table.
        weights: parameter name to array.
        target_ids: for each source id the target id of the same token; only needed for copying.
        threads: processor threads; 0 means as many as are granted.
        origin: what to call the model in an error.

    Raises:
        BundleError: the weights are not those of the configuration and vocabularies.
    """
    use_threads(threads)
    try:
        with OwnGenerator(0):  # what is drawn is overwritten; the program's numbers stay
            model = build_model(options, *vocabulary_sizes, is_shared, target_ids)
    except ConfigError as error:
        raise BundleError(f"{origin}: {error}") from None
    parameters = dict(model.named_parameters())
    if parameters.keys() != weights.keys():
        names = ", ".join(sorted(parameters.keys() ^ weights.keys())[:3])
        raise BundleError(f"{origin}: the weights are not those of its configuration: {names}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            if parameter.shape != weights[name].shape:
                raise BundleError(
                    f"{origin}: {name} has the shape {weights[name].shape}, but the "
                    f"configuration and vocabularies ask for {tuple(parameter.shape)}"
                )
            parameter.copy_(torch.from_numpy(weights[name]))
    return TorchStepper(model.eval())
