"""`TorchStepper`: a PyTorch model behind the `Stepper` that search sees.

Arrays go in, arrays come out; tensors stay in the state. Knows no text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveate.torch_loading import keep_kernels, threads_here  # isort: skip  # before torch
import torch
from torch import Tensor

from foveate.errors import BundleError, ConfigError
from foveate.models.attention import Attention, mean_head
from foveate.models.build import build_model
from foveate.models.decoders import State as Tensors
from foveate.models.initial_weights import WeightsFollow
from foveate.models.seq2seq import Seq2SeqModel
from foveate.options import ModelOptions
from foveate.search.stepper import Capabilities, Step
from foveate.text.vocabulary import EOS


@dataclass(frozen=True, slots=True)
class TorchState:
    """The decoder's state of R rows, and whether their attention weights are wanted."""

    tensors: Tensors
    attention: bool


class TorchStepper:
    """Step a `Seq2SeqModel` in evaluation mode, without gradients.

    Every call computes on the one processor thread that makes it, so that as many searches as
    there are cores may run at a time (docs/decisions/0015).

    Args:
        model: it is switched to evaluation mode at every start.
    """

    def __init__(self, model: Seq2SeqModel) -> None:
        self.model = model
        self.device = model.output_bias.device
        self.capabilities = Capabilities(has_attention=model.decoder.has_attention, can_choose=True)

    def start(
        self, source: NDArray[np.int64], source_mask: NDArray[np.bool_], *, attention: bool
    ) -> TorchState:
        """Encode the sources [B, S]; attention weights, when wanted, are means over the heads."""
        with _inference():
            if self.model.training:
                self.model.eval()
            tensors = self.model.start(self._tensor(source), self._tensor(source_mask))
        return TorchState(tensors, attention)

    def step(self, state: TorchState, tokens: NDArray[np.int64], k: int | None) -> Step:
        """Return the k best next tokens of every row, or all of them in the order of their ids."""
        with _inference():
            logits, attention, tensors = self.model.step(self._tensor(tokens), state.tensors)
            log_probs = torch.log_softmax(logits, dim=-1).float()  # R V
            ids, log_probs = _choose(log_probs, k)
            weights = None
            if attention is not None and state.attention:
                weights = mean_head(attention).cpu().numpy()  # R S
            following = TorchState(tensors, state.attention)
            return Step(following, ids.cpu().numpy(), log_probs.cpu().numpy(), weights)

    def reorder(self, state: TorchState, rows: NDArray[np.int64]) -> TorchState:
        """Pick rows, in the given order, with repetition."""
        with _inference():
            index = self._tensor(rows)
            tensors = {
                name: tensor.index_select(0, index) for name, tensor in state.tensors.items()
            }
        return TorchState(tensors, state.attention)

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


@contextmanager
def _inference() -> Iterator[None]:
    with torch.inference_mode(), threads_here(1):
        yield


def _choose(log_probs: Tensor, k: int | None) -> tuple[Tensor, Tensor]:
    """Return ids and log-probabilities of the k best, or of all in the order of their ids."""
    if k is None:
        return torch.arange(log_probs.shape[1]).expand(log_probs.shape), log_probs
    allowed = log_probs[:, EOS:]  # PAD, UNK and BOS are no candidates
    if k == 1:
        log_probs, ids = allowed.max(dim=-1, keepdim=True)
    else:
        log_probs, ids = allowed.topk(min(k, allowed.shape[1]), dim=-1)
    return ids + EOS, log_probs


def build_torch_stepper(
    options: ModelOptions,
    vocabulary_sizes: tuple[int, int],
    is_shared: bool,
    weights: Mapping[str, NDArray[np.float32]],
    *,
    target_ids: Sequence[int] | None = None,
    attention: Callable[..., Attention] | None = None,
    origin: str = "model",
) -> TorchStepper:
    """Build the model that options describe, give it its weights, and wrap it.

    Args:
        options: of the model.
        vocabulary_sizes: entries of the source and the target vocabulary.
        is_shared: both sides have one embedding table.
        weights: parameter name to array.
        target_ids: for each source id the target id of the same token; only needed for copying.
        attention: what `attention_module` names, where it names something.
        origin: what to call the model in an error.

    Raises:
        BundleError: the weights are not those of the configuration and vocabularies.
    """
    keep_kernels()
    try:
        with WeightsFollow():  # and the program's random numbers stay
            sizes = vocabulary_sizes
            model = build_model(options, *sizes, is_shared, target_ids, attention=attention)
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
