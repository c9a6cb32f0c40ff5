"""What a bundle records of a training: facts, scores, errors; nothing that computes reads them.

A record may come from a stranger, so what is read is checked: its types, sizes, numbers and depth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, get_args, get_origin, get_type_hints

MOST_DEPTH = 16
MOST_COUNT = 10**15
MOST_EXTRA = 1000  # further facts
MOST_ROWS = 10_000  # of one table or list
LONGEST_NAME = 1000
LONGEST_TEXT = 2**20  # the longest line that is ever read is shorter

INTERVAL = {"value": float, "low": float, "high": float}
SCORE = {**INTERVAL, "signature": str}
CONFUSION = {"reference": str, "output": str, "count": int}
RELIABILITY = {
    "expected_calibration_error": float,
    "bins": [{"sources": int, "said": float, "right": float}],
}
WORST = {"source": str, "output": str, "reference": str, "edits": int}


@dataclass(kw_only=True)
class Summary:
    """What training did.

    Attributes:
        plan: in one line, what was trained on what.
        pairs: training pairs.
        dev_pairs: pairs that chose the weights.
        parameters: numbers that were learnt, of all models together.
        updates: that were done.
        epochs: passes over the data.
        minutes: that it took.
        best_update: whose weights these are.
        seed: of every random choice.
        was_interrupted: it was stopped before its end.
        training: every training option, as it was used; never read back as a default.
        examples: some dev sources, to check an export on.
        models: how many decide together.
        memory: entries of the memory, where there is one.
        words: entries of the list of words, where there is one.
        diagnosis: by set of pairs, what is wrong in the outputs (`evaluation.diagnose`).
        ensemble: what each model scores alone.
        parent: id of the model that this one goes on from.
        before: by set of pairs, what that one scores.
        traditional: by set of pairs, what a model without attention scores.
        learning_curve: scores by number of pairs, on dev or on a test set.
        origin: date, versions, machine, and what was told of data, licence and language.
        exported: what kind of export this is.
        extra: further facts, by name.
    """

    plan: str = ""
    pairs: int = 0
    dev_pairs: int = 0
    parameters: int = 0
    updates: int = 0
    epochs: float = 0.0
    minutes: float = 0.0
    best_update: int = 0
    seed: int = 0
    was_interrupted: bool = False
    training: dict[str, Any] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    models: int = 1
    memory: int | None = None
    words: int | None = None
    diagnosis: dict[str, Any] = field(default_factory=dict)
    ensemble: dict[str, Any] = field(default_factory=dict)
    parent: str = ""
    before: dict[str, Any] = field(default_factory=dict)
    traditional: dict[str, Any] = field(default_factory=dict)
    learning_curve: list[Any] = field(default_factory=list)
    origin: dict[str, Any] = field(default_factory=dict)
    exported: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what there is to say, by name; parts that are empty are left out."""
        empty: tuple[Any, ...] = (None, "", {}, [])
        plain = {name: value for name, value in vars(self).items() if value not in empty}
        return {**plain.pop("extra", {}), **plain}

    def facts(self) -> list[tuple[str, Any]]:
        """Return the plain facts, in their order."""
        return [
            (name, value)
            for name, value in self.to_dict().items()
            if isinstance(value, int | float | str) and name != "plan"
        ]


def read_summary(values: dict[str, Any]) -> Summary:
    """Return a summary from plain values; what has no place of its own is `extra`.

    Raises:
        ValueError: a value is of the wrong type, too large, or nested too deeply.

    Example:
        >>> read_summary({"pairs": 7, "weather": "fine"}).extra
        {'weather': 'fine'}
    """
    _check_plain(values)
    kinds = _kinds()
    known = {name: value for name, value in values.items() if name in kinds}
    for name, value in known.items():
        if not _is_of_kind(value, kinds[name]):
            raise ValueError(f"{name} is of the wrong type")
    for name, shape in SHAPES.items():
        if known.get(name) and not _fits(known[name], shape):
            raise ValueError(f"{name} has not the form of one")
    extra = {name: value for name, value in values.items() if name not in kinds}
    if len(extra) > MOST_EXTRA:
        raise ValueError(f"it has {len(extra):,} facts that nobody knows")
    return Summary(**known, extra=extra)


@lru_cache(maxsize=1)
def _kinds() -> dict[str, Any]:
    return {name: kind for name, kind in get_type_hints(Summary).items() if name != "extra"}


def check_scores(values: Any) -> dict[str, Any]:
    """Return scores, by set of pairs and metric, that have the form of some.

    Raises:
        ValueError: they have not.
    """
    _check_plain(values)
    if not _fits(values, {str: {str: SCORE}}):
        raise ValueError("scores are no numbers with intervals")
    return dict(values)


# What is inside of those parts of a summary that are shown; `str` as a key: any name; a
# name with a question mark need not be there.
SHAPES: dict[str, Any] = {
    "examples": [str],
    "diagnosis": {
        str: {
            "memory": INTERVAL,
            "seen": float,
            "unchanged?": {str: INTERVAL},
            "confusions": [CONFUSION],
            "worst": [WORST],
            "reliability?": RELIABILITY,
        }
    },
    "learning_curve": [{"pairs": int, "metric": str, **INTERVAL, "set?": str}],
    "ensemble": {"metric": str, "alone": [float], "together?": float},
    "origin": {
        "date?": str,
        "versions?": {str: str},
        "machine?": str,
        "language?": str,
        "licence?": str,
        "data?": [{"set": str, "name": str, "bytes": int, "sha256": str}],
    },
    "before": {str: {str: SCORE}},
    "traditional": {str: {str: SCORE}},
}


def _fits(value: Any, shape: Any) -> bool:
    """Tell whether a value has a shape: a type, a list of one, or a table; more keys may stand."""
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(item, shape[0]) for item in value)
    if not isinstance(shape, dict):
        return _is_of_kind(value, shape)
    if not isinstance(value, dict):
        return False
    if str in shape:
        return all(_fits(item, shape[str]) for item in value.values())
    given = {**{f"{name}?": item for name, item in value.items()}, **value}
    return all(
        _fits(given[name], inner) if name in given else name.endswith("?")
        for name, inner in shape.items()
    )


def _is_of_kind(value: Any, kind: Any) -> bool:
    if type(None) in get_args(kind):
        kind = get_args(kind)[0]
    kind = get_origin(kind) or kind
    if kind is float and isinstance(value, float):
        return abs(value) < MOST_COUNT
    if kind in (int, float):
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return is_number and abs(value) < MOST_COUNT
    return isinstance(value, kind)


def _check_plain(value: Any) -> None:
    """Raise a ValueError for what no page or card could show: endless, or nested too deeply."""
    level = [value]
    for _ in range(MOST_DEPTH):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, (dict, list)):
                _check_size(one)
                inner.extend(one.values() if isinstance(one, dict) else one)
            elif isinstance(one, str):
                if len(one) > LONGEST_TEXT:
                    raise ValueError(f"it has a text of {len(one):,} characters")
            elif one is not None and not abs(one) < MOST_COUNT:  # as also no number is not
                raise ValueError("it has a number that is none, or is too large")
        level = inner
    if level:
        raise ValueError("it is nested too deeply")


def _check_size(rows: dict[str, Any] | list[Any]) -> None:
    if len(rows) > MOST_ROWS:
        raise ValueError(f"it has a table of {len(rows):,} rows")
    if isinstance(rows, dict) and any(len(name) > LONGEST_NAME for name in rows):
        raise ValueError("it has a name that is too long")
