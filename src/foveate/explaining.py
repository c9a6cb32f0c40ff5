"""What attention computed while an output was written: asked of the model once more, and recorded.

The outputs are there already. PyTorch gets them again, token by token, as `inside.py` does for
choices; so a search is as fast as ever, and nobody pays who does not ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from foveate.backends import build_torch_members
from foveate.bundle import Bundle
from foveate.errors import ModelMismatchError
from foveate.inside_values import Equation, Explanation, Look
from foveate.options import AttendingOptions, AttentionOptions, ModelOptions, TransformerOptions
from foveate.records import Translation
from foveate.text.vocabulary import BOS

if TYPE_CHECKING:
    from foveate.models.seq2seq import Seq2SeqModel

NUM_CHOICES = 5  # likeliest tokens of every step of an explanation
BAHDANAU, VASWANI = "Bahdanau et al. 2015", "Vaswani et al. 2017"
CHOROWSKI = "Chorowski et al. 2015, equations 8 and 9"
SCORES = {
    "additive": ("vᵀ tanh(W {s} + U hⱼ)", f"{BAHDANAU}, appendix A.1.2"),
    "general": ("{s}ᵀ W hⱼ", "Luong et al. 2015, section 3.1"),
    "dot": ("{s}ᵀ hⱼ", "Luong et al. 2015, section 3.1"),
    "scaled_dot": ("(W {s})ᵀ (U hⱼ) / √D", f"{VASWANI}, equation 1"),
}


def count_choices(choices: int, explain: bool) -> int:
    """Return how many choices a request wants: an explanation has some of its own."""
    return choices or NUM_CHOICES * explain


def add_explanations(
    bundle: Bundle,
    sources: Sequence[list[int]],
    asked: Sequence[bool],
    results: list[Translation],
) -> None:
    """Add to results what attention computed, where it is asked for.

    Args:
        bundle: the model.
        sources: ids of each.
        asked: whether each wants it.
        results: the translations, with their choices.

    Raises:
        ModelMismatchError: the model has no attention, or no weights for PyTorch.
        MissingExtraError: PyTorch is not installed.
    """
    if not any(asked):
        return
    models = _build_models(bundle)
    for row, (ids, is_asked) in enumerate(zip(sources, asked, strict=True)):
        if is_asked and ids and len(_list_steps(results[row])):
            results[row] = replace(
                results[row], explanation=_explain(bundle, models, ids, results[row])
            )


def _build_models(bundle: Bundle) -> list[Seq2SeqModel]:
    """Build the PyTorch models of a bundle, of its own for this one purpose."""
    if not isinstance(bundle.model, AttendingOptions):
        raise ModelMismatchError(
            f"a {bundle.model.architecture} model has no attention to explain: "
            "train one with --architecture attention"
        )
    if not bundle.weights:
        raise ModelMismatchError(
            "an exported model returns attention weights only, no scores and no states: "
            "explain the model that it was exported from, or look at the weights"
        )
    return [one.model for one in build_torch_members(bundle, origin="model")]


def _list_steps(output: Translation) -> list[str]:
    """Return the token of every step, an empty one for the end."""
    return [*output.tokens, *[""] * output.is_finished]


def _explain(
    bundle: Bundle, models: Sequence[Seq2SeqModel], source: list[int], output: Translation
) -> Explanation:
    from foveate.models.looking import record_one

    steps = _list_steps(output)
    history = [BOS, *bundle.target_codec.vocabulary.ids(output.tokens)][: len(steps)]
    is_split = isinstance(bundle.model, TransformerOptions)
    looks = [
        Look(kind, layer, **arrays, model=number, is_split=is_split)
        for number, model in enumerate(models, start=1)
        for kind, layer, arrays in record_one(model, source, history)
    ]
    return Explanation(
        output.source_tokens,
        steps,
        looks,
        _find_shown(bundle.model, looks),
        tuple(describe_equations(bundle.model)),
        output.choices,
    )


def _find_shown(options: ModelOptions, looks: Sequence[Look]) -> int:
    """Return the place of the attention that a decoder shows: cross-attention, last layer but one.

    A recurrent decoder has only one.
    """
    crossing = [place for place, one in enumerate(looks) if one.kind == "cross" and one.model == 1]
    return crossing[max(len(crossing) - 2, 0)] if isinstance(options, TransformerOptions) else 0


def describe_equations(options: ModelOptions) -> Iterator[Equation]:
    """Yield how the numbers of a model come about, in the letters of the papers.

    Example:
        >>> from foveate.options import ModelOptions
        >>> list(describe_equations(ModelOptions.__new__(ModelOptions)))
        []
    """
    if isinstance(options, TransformerOptions):
        reference = f"{VASWANI}, equation 1"
        yield Equation("scores", "e = Q Kᵀ / √D", reference)
        yield Equation("weights", "α = softmax(e)", reference)
        yield Equation("context", "c = α V", reference)
    elif isinstance(options, AttentionOptions):
        yield Equation("scores", *_describe_scores(options))
        if options.attention_weights == "entmax":
            yield Equation("weights", "αᵢⱼ = max(eᵢⱼ / 2 − τᵢ, 0)²", "Peters et al. 2019")
        else:
            formula = "αᵢⱼ = exp(eᵢⱼ) / Σₖ exp(eᵢₖ)"
            yield Equation("weights", formula, f"{BAHDANAU}, equation 6")
        yield Equation("context", "cᵢ = Σⱼ αᵢⱼ hⱼ", f"{BAHDANAU}, equation 5")


def _describe_scores(options: AttentionOptions) -> tuple[str, str]:
    state = "sᵢ₋₁" if options.layout == "bahdanau" else "sᵢ"
    if options.attention_module:
        formula, reference = f"score({state}, hⱼ)", options.attention_module
    else:
        formula, reference = SCORES[options.attention_score]
    formula = f"eᵢⱼ = {formula.format(s=state)}"
    if options.location_window:
        formula += f" + fᵀ tanh(V {state} + F αᵢ₋₁)"
        reference += f"; {CHOROWSKI}"
    return formula, reference
