"""Which backend steps a model: ONNX Runtime for an exported one, else PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from foveate.bundle import Bundle
from foveate.errors import ConfigError, MissingExtraError, ModelMismatchError, did_you_mean
from foveate.onnx_backend import build_onnx_stepper
from foveate.own_code import import_trusted
from foveate.search import Stepper, join_steppers

if TYPE_CHECKING:
    from foveate.torch_backend import TorchStepper

Backend = Literal["auto", "torch", "onnx"]


def check_backend(backend: str) -> None:
    """Raise a ConfigError for what is no backend."""
    if backend not in get_args(Backend):
        hint = did_you_mean(str(backend), get_args(Backend))
        raise ConfigError(f"backend must be auto, torch or onnx, not {backend!r}{hint}")


def build_stepper(
    bundle: Bundle, backend: Backend, *, trust_code: bool = False, origin: str
) -> Stepper:
    """Build what steps a model.

    Args:
        bundle: the model.
        backend: what computes; `auto` is ONNX Runtime for an exported model, else PyTorch.
        trust_code: the attention of somebody's own that the model names may be imported.
        origin: what to call the model in an error.

    Raises:
        ConfigError: there is no such backend.
        ModelMismatchError: the bundle does not hold what the backend needs, or needs code that is
            not trusted.
        MissingExtraError: what computes is not installed.
    """
    check_backend(backend)
    if backend == "onnx" and not bundle.graphs:
        raise ModelMismatchError(
            f"{origin}: holds no ONNX model: make one with foveate export, or use --backend torch"
        )
    if backend == "torch" and not bundle.weights:
        raise ModelMismatchError(
            f"{origin}: is an exported model, without weights for PyTorch: "
            "use --backend onnx, or the model that it was exported from"
        )
    if bundle.graphs and backend != "torch":
        size = len(bundle.target_codec.vocabulary)
        return build_onnx_stepper(bundle.graphs, num_tokens=size, origin=origin)
    return join_steppers(build_torch_members(bundle, trust_code=trust_code, origin=origin))


def build_torch_members(
    bundle: Bundle, *, trust_code: bool = False, origin: str
) -> list[TorchStepper]:
    """Build the PyTorch steppers of a bundle: one, or each of an ensemble.

    Args:
        bundle: gets its `attention`, where it names one.
        trust_code: what it names may be imported.
        origin: what to call the model in an error.

    Raises:
        MissingExtraError: PyTorch is not installed.
        BundleError: the weights are not those of the configuration and vocabularies.
        ModelMismatchError: the model needs code that is not trusted.
    """
    try:
        from foveate.torch_backend import build_torch_stepper
    except ImportError:
        purpose = f"{origin}: a model that was not exported (foveate export)"
        raise MissingExtraError("PyTorch", "train", purpose) from None
    if bundle.attention is None:
        bundle.attention = import_trusted(bundle.model, trust_code=trust_code, origin=origin)
    return [
        build_torch_stepper(
            bundle.model,
            (len(bundle.source_codec.vocabulary), len(bundle.target_codec.vocabulary)),
            bundle.is_shared,
            weights,
            target_ids=bundle.target_ids,
            attention=bundle.attention,
            origin=origin,
        )
        for weights in bundle.members
    ]
