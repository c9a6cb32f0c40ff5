"""One step of attention taken apart: scores, weights, weighted states, context.

As a picture, and as lines of text for a terminal. One head at a time: what several heads do is
several pictures, since the mean of their weights is not what any of them computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveate.errors import SearchError
from foveate.inside_values import Choice, Explanation, Look
from foveate.insight.labels import (
    LONGEST_LABEL,
    is_right_to_left,
    shorten,
    show_tokens,
    show_weight,
    width_in_em,
)
from foveate.insight.palette import level_of, signed_level
from foveate.insight.scene import Box, Scene, Words
from foveate.insight.terminal import cell_width

END, BEGIN = "(end)", "(begin)"
MOST_NUMBERS = 48  # of a state that are drawn; all of them are in the arrays
FIRST_NUMBERS = 4  # that are written in a terminal
MOST_CHOICES = 5

_ROW, _TOP, _MARGIN = 26.0, 118.0, 20.0
_SCORES, _WEIGHTS, _NUMBER = 130.0, 150.0, 5.0


@dataclass(frozen=True)
class HeadStep:
    """The numbers of one head at one step, and the labels of what it saw.

    Attributes:
        labels: of the S positions.
        query: [Q] what asked.
        keys: [S, K] what the scores compare it with.
        scores: [S], -inf where a position may not be seen.
        weights: [S].
        weighted: [S, D] weighted states, of this head alone.
        context: [D] their sum.
    """

    labels: list[str]
    query: NDArray[np.float32]
    keys: NDArray[np.float32]
    scores: NDArray[np.float32]
    weights: NDArray[np.float32]
    weighted: NDArray[np.float32]
    context: NDArray[np.float32]


def label_positions(explanation: Explanation, look: Look) -> tuple[list[str], list[str]]:
    """Return the labels of what asks and of what is seen.

    Example:
        >>> one = np.ones((1, 1), np.float32)
        >>> look = Look("decoder", 1, one, one, one, one[None], one[None], one)
        >>> label_positions(Explanation(["a"], ["b", ""], [look], 0), look)
        (['b', '(end)'], ['(begin)', 'b'])
    """
    source = show_tokens(explanation.source_tokens, hyphens=True)
    is_ended = bool(explanation.tokens) and not explanation.tokens[-1]
    tokens = explanation.tokens[:-1] if is_ended else explanation.tokens
    target = [*show_tokens(tokens, hyphens=True), *[END] * is_ended]
    if look.kind == "encoder":
        return source, source
    return target, source if look.kind == "cross" else [BEGIN, *target[:-1]]


def take_head(explanation: Explanation, look: Look, step: int, head: int) -> HeadStep:
    """Return the numbers of one head, from 1, at a step, from 0.

    Raises:
        SearchError: the attention has no such head, or nothing asks at this step.
    """
    if not 1 <= head <= look.num_heads:
        raise SearchError(f"there is no head {head}: layer {look.layer} has {look.num_heads}")
    asking, seen = label_positions(explanation, look)
    if not 0 <= step < len(asking):
        raise SearchError(f"there is no step {step + 1}: this output has {len(asking)}")
    width = look.values.shape[1] // look.num_heads
    part = slice((head - 1) * width, head * width)
    query = look.queries[step]
    return HeadStep(
        [shorten(label, LONGEST_LABEL) for label in seen],
        np.split(query, look.num_heads)[head - 1] if look.is_split else query,
        np.split(look.keys, look.num_heads, axis=1)[head - 1],
        look.scores[head - 1, step],
        look.weights[head - 1, step],
        look.weighted_states(step)[:, part],
        look.context[step, part],
    )


def name_look(look: Look) -> str:
    """Return what an attention is called: its kind and its layer.

    Example:
        >>> one = np.ones((1, 1), np.float32)
        >>> name_look(Look("encoder", 2, one, one, one, one[None], one[None], one))
        'self-attention of the encoder, layer 2'
    """
    kinds = {
        "cross": "attention to the source",
        "encoder": "self-attention of the encoder",
        "decoder": "self-attention of the decoder",
    }
    return f"{kinds[look.kind]}, layer {look.layer}"


def title_step(explanation: Explanation, look: Look, step: int, head: int) -> str:
    """Say which step this is, and what is written or read there."""
    asking, _ = label_positions(explanation, look)
    what = f"reads {asking[step]}" if look.kind == "encoder" else f"writes {asking[step]}"
    heads = f", head {head} of {look.num_heads}" if look.num_heads > 1 else ""
    return f"Step {step + 1} of {len(asking)}: {what} ({name_look(look)}{heads})"


# A picture


def stage_step(explanation: Explanation, look: Look, step: int, head: int = 1) -> Scene:
    """Return the picture of one head at one step; the sizes are those of the widest labels.

    Raises:
        SearchError: there is no such step or head.
    """
    numbers = take_head(explanation, look, step, head)
    labels = max([width_in_em(label) * 12 for label in numbers.labels] + [70.0])
    shown = min(len(numbers.context), MOST_NUMBERS)
    columns = _place(_MARGIN + labels + 14, shown * _NUMBER)
    has_choices = look.kind != "encoder" and bool(explanation.choices)
    title = title_step(explanation, look, step, head)
    bottom = _TOP + _ROW * len(numbers.labels)
    width = max(columns[3] + (170 if has_choices else 0), _MARGIN * 2 + width_in_em(title) * 15)
    note = is_right_to_left(explanation.source_tokens) and look.kind != "decoder"
    rows = max(len(numbers.labels), MOST_CHOICES * has_choices - 1)
    height = _TOP + _ROW * rows + 78 + 18 * note
    scene = Scene(width + _MARGIN, height, _describe(title, numbers))
    scene.shapes += [Words(_MARGIN, 34, title, size=15, is_bold=True)]
    scene.shapes += _stage_heads(explanation, columns)
    scene.shapes += _stage_rows(numbers, columns, shown)
    scene.shapes += _stage_context(numbers, columns, bottom, shown)
    scene.shapes += _stage_notes(numbers, height - 18 - 18 * note, shown)
    if has_choices:
        scene.shapes += _stage_choices(explanation.choices[step], columns[3] + 24)
    if note:
        text = "The source is written right to left; its first token stands on top."
        scene.shapes += [Words(_MARGIN, scene.height - 12, text, "muted", 10)]
    return scene


def _place(left: float, strip: float) -> tuple[float, float, float, float]:
    """Return where scores, weights and states begin, and where the states end."""
    weights = left + _SCORES + 24
    states = weights + _WEIGHTS + 24
    return left, weights, states, states + max(strip, 150.0)


def _stage_heads(explanation: Explanation, columns: Sequence[float]) -> Iterator[Words]:
    """Write over each column what it has, and by which equation."""
    formulas = {one.name: one for one in explanation.equations}
    names = ("scores", "weights", "context")
    titles = ("scores e", "weights α", "weighted states α h")
    for x, name, title in zip(columns, names, titles, strict=False):
        yield Words(x, 68, title, size=12, is_bold=True)
        if name in formulas:
            for row, part in enumerate(formulas[name].formula.replace(" + f", "\n+ f").split("\n")):
                yield Words(x, 86 + 14 * row, part, "muted", 10)
    yield Words(columns[0] - 14, 68, "position", "muted", 11, "end")


def _stage_rows(numbers: HeadStep, columns: Sequence[float], shown: int) -> Iterator[Box | Words]:
    finite = numbers.scores[np.isfinite(numbers.scores)]
    low, high = (min(finite, default=0.0), max(finite, default=0.0))
    span = max(max(high, 0) - min(low, 0), 1e-9)
    zero = columns[0] + (_SCORES - 44) * float(-min(low, 0) / span)
    largest = _largest(numbers)
    for row, label in enumerate(numbers.labels):
        y = _TOP + row * _ROW
        yield Words(columns[0] - 14, y + 16, label, size=12, anchor="end")
        yield from _stage_score(float(numbers.scores[row]), zero, (_SCORES - 44) / span, columns, y)
        yield from _stage_weight(float(numbers.weights[row]), columns[1], y)
        for place, value in enumerate(numbers.weighted[row, :shown].tolist()):
            yield _stage_number(value, largest, columns[2] + place * _NUMBER, y, 20)


def _stage_score(
    score: float, zero: float, scale: float, columns: Sequence[float], y: float
) -> Iterator[Box | Words]:
    end = columns[0] + _SCORES
    if not math.isfinite(score):
        yield Words(end, y + 15, "not seen", "muted", 10, "end")
        return
    x, width = min(zero, zero + score * scale), abs(score) * scale
    yield Box(x, y + 4, max(width, 1), 14, "bar" if score >= 0 else "minus", f"{score:.4f}")
    yield Box(zero, y, 0.8, 22, "rule")
    yield Words(end, y + 15, f"{score:.2f}", "muted", 10.5, "end")


def _stage_weight(weight: float, x: float, y: float) -> Iterator[Box | Words]:
    level = level_of(weight)
    yield Box(x, y, 34, 22, f"w{level}", f"{weight:.4f}")
    yield Words(x + 17, y + 15, show_weight(weight), f"n{level}", 10, "middle")
    yield Box(x + 40, y + 4, (_WEIGHTS - 40) * weight, 14, "bar", f"{weight:.4f}")


def _stage_number(value: float, largest: float, x: float, y: float, height: float) -> Box:
    role = f"v{signed_level(value / largest)}"
    return Box(x, y + 1, _NUMBER - 0.5, height, role, f"{value:.3f}")


def _largest(numbers: HeadStep) -> float:
    values = [*np.abs(numbers.weighted).ravel().tolist(), *np.abs(numbers.context).tolist()]
    return max([value for value in values if math.isfinite(value)] or [1.0]) or 1.0


def _stage_context(
    numbers: HeadStep, columns: Sequence[float], bottom: float, shown: int
) -> Iterator[Box | Words]:
    yield Box(columns[2], bottom + 4, shown * _NUMBER, 0.8, "rule")
    yield Words(columns[2] - 12, bottom + 26, "their sum, the context c", "ink", 12, "end", True)
    largest = _largest(numbers)
    for place, value in enumerate(numbers.context[:shown].tolist()):
        yield _stage_number(value, largest, columns[2] + place * _NUMBER, bottom + 11, 22)


def _stage_notes(numbers: HeadStep, y: float, shown: int) -> Iterator[Words]:
    size = len(numbers.context)
    of = f"all {size} numbers" if size == shown else f"the first {shown} of {size} numbers"
    text = (
        f"A query of {len(numbers.query)} numbers asks. Of a state you see {of}: "
        f"orange is below 0, blue above, the strongest {_largest(numbers):.2g}."
    )
    yield Words(_MARGIN, y, text, "muted", 10)


def _stage_choices(choices: Sequence[Choice], x: float) -> Iterator[Box | Words]:
    yield Words(x, 68, "likeliest tokens", size=12, is_bold=True)
    for row, one in enumerate(choices[:MOST_CHOICES]):
        y = _TOP + row * _ROW
        probability = math.exp(min(one.log_prob, 0.0))
        label = shorten(END if one.is_end else show_tokens([one.token])[0], 8.0)
        yield Words(x + 66, y + 16, label, size=12, anchor="end")
        yield Box(x + 72, y + 4, 66 * probability, 14, "bar", f"{probability:.4f}")
        yield Words(x + 74 + 66 * probability, y + 15, f"{probability:.2f}", "muted", 10)


def _norm(values: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(values))


def _describe(title: str, numbers: HeadStep) -> str:
    rows = "; ".join(
        f"{label}: score {score:.2f}, weight {weight:.2f}"
        for label, score, weight in zip(
            numbers.labels, numbers.scores.tolist(), numbers.weights.tolist(), strict=True
        )
    )
    return f"{title}. {rows}."


# Lines of text


def format_steps(
    explanation: Explanation, look: Look, steps: Sequence[int], heads: Sequence[int]
) -> str:
    """Return steps as lines of text: numbers of every position, context, likeliest tokens.

    Raises:
        SearchError: there is no such step or head.
    """
    blocks = [
        "\n".join(_format_step(explanation, look, step, head)) for step in steps for head in heads
    ]
    equations = [f"{one.name}: {one.formula}   ({one.reference})" for one in explanation.equations]
    return "\n\n".join([*blocks, "\n".join(equations)])


def _format_step(explanation: Explanation, look: Look, step: int, head: int) -> Iterator[str]:
    numbers = take_head(explanation, look, step, head)
    yield title_step(explanation, look, step, head)
    yield f"  query: {_format_numbers(numbers.query)}"
    width = max(cell_width(label) for label in [*numbers.labels, "position"])
    yield f"  {_pad('position', width)}  length of key    score  weight  length of α h"
    for row, label in enumerate(numbers.labels):
        score, weight = float(numbers.scores[row]), float(numbers.weights[row])
        shown = f"{score:9.3f}" if math.isfinite(score) else " not seen"
        bar = "█" * round(20 * weight)
        key, length = _norm(numbers.keys[row]), _norm(numbers.weighted[row])
        line = f"  {_pad(label, width)}  {key:13.3f}{shown}  {weight:6.3f}  {length:13.3f}  {bar}"
        yield line.rstrip()
    yield f"  context: {_format_numbers(numbers.context)}"
    if look.kind != "encoder" and explanation.choices:
        likely = (
            f"{END if one.is_end else show_tokens([one.token])[0]} {math.exp(one.log_prob):.3f}"
            for one in explanation.choices[step][:MOST_CHOICES]
        )
        yield f"  likeliest: {', '.join(likely)}"


def _pad(label: str, width: int) -> str:
    return label + " " * (width - cell_width(label))


def _format_numbers(values: NDArray[np.float32]) -> str:
    first = " ".join(f"{value:.3f}" for value in values[:FIRST_NUMBERS].tolist())
    more = " ..." if len(values) > FIRST_NUMBERS else ""
    return f"{len(values)} numbers of length {_norm(values):.3f}: {first}{more}"
