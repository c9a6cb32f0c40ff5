"""How good are these outputs: exact match, error rates, BLEU, chrF, with intervals.

Every metric is a table of sufficient statistics, one row an item, and a function from their sum
to the value; subsets and bootstrap resamples are then sums over other rows. Knows nothing of
models and files. sacrebleu enters here only.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.edits import count_edits, nearest_reference
from foveate.errors import ConfigError, DataError, did_you_mean

METRICS = ("exact_match", "token_error_rate", "character_error_rate", "bleu", "chrf")
BLEU_TOKENIZERS = ("none", "13a", "intl", "char", "zh")  # those of sacrebleu that need no download

References = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Score:
    """A value, its 95 % interval, and the recipe that makes it comparable."""

    value: float
    low: float
    high: float
    signature: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and text, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a metric needs to know of each item.

    Attributes:
        rows: [items, k] numbers whose sum over any items gives the metric of these items.
        combine: from sums [n, k] to values [n].
        sign: from `bootstrap:1000|seed:1`, or "", to the whole signature.
    """

    rows: NDArray[np.float64]
    combine: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    sign: Callable[[int, int], str]

    def value(self, chosen: NDArray[Any] | None = None) -> float:
        """Return the metric over all items, or over those chosen by number or mask."""
        rows = self.rows if chosen is None else self.rows[chosen]
        return float(self.combine(rows.sum(axis=0, keepdims=True))[0])

    def score(self, *, resamples: int = 1000, seed: int = 1) -> Score:
        """Return the metric with its bootstrap interval (`resamples=0`: without one)."""
        return _score_all({"": self}, resamples, seed)[""]


def measure(
    hypotheses: Sequence[str],
    references: References,
    *,
    bleu_tokenize: str = "13a",
    names: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 1,
) -> dict[str, Score]:
    """Score outputs with every metric, in the order of `METRICS`.

    The intervals are percentile bootstrap intervals over items; all metrics see the same
    resamples.

    Args:
        hypotheses: one output an item.
        references: the right outputs of each item, one or more.
        bleu_tokenize: sacrebleu's tokenizer: "none" for text that is tokens already.
        names: only these metrics.
        resamples: 0 leaves the intervals away (low = high = value).
        seed: of the resamples.

    Raises:
        DataError: there is nothing to score.
        ConfigError: an unknown metric or BLEU tokenizer.

    Example:
        >>> scores = measure(["K AE T"], [["K AE T S", "K AE D"]], names=["token_error_rate"])
        >>> round(scores["token_error_rate"].value, 2)  # closest, and the longer one of a tie
        0.25
    """
    chosen = collect_statistics(hypotheses, references, bleu_tokenize=bleu_tokenize, names=names)
    return _score_all(chosen, resamples, seed)


def collect_statistics(
    hypotheses: Sequence[str],
    references: References,
    *,
    bleu_tokenize: str = "13a",
    names: Sequence[str] | None = None,
) -> dict[str, Statistics]:
    """Compute the statistics of several metrics; arguments and errors are those of `measure`."""
    for name in names or ():
        if name not in METRICS:
            raise ConfigError(f"{name}: unknown metric{did_you_mean(name, METRICS)}")
    makers: dict[str, Callable[[Sequence[str], References], Statistics]] = {
        "exact_match": exact_match,
        "token_error_rate": token_error_rate,
        "character_error_rate": character_error_rate,
        "bleu": partial(bleu, tokenize=bleu_tokenize),
        "chrf": chrf,
    }
    wanted = METRICS if names is None else tuple(names)
    return {name: makers[name](hypotheses, references) for name in METRICS if name in wanted}


def exact_match(hypotheses: Sequence[str], references: References) -> Statistics:
    """Share of items whose output equals any of their references."""
    _check(hypotheses, references)
    pairs = zip(hypotheses, references, strict=True)
    rows = [(hypothesis in accepted, 1) for hypothesis, accepted in pairs]
    recipe = f"exact_match|refs:{_count_references(references, 'any')}"
    return Statistics(np.array(rows, dtype=np.float64), _divide, partial(_sign_own, recipe))


def token_error_rate(hypotheses: Sequence[str], references: References) -> Statistics:
    """Edits per reference token (phone, word: whatever whitespace separates).

    The closest reference counts, the longest one of several that are equally close. Edits of all
    items are divided by the length of all these references.
    """
    return _error_rate(hypotheses, references, str.split, "token_error_rate", "tokens:whitespace")


def character_error_rate(hypotheses: Sequence[str], references: References) -> Statistics:
    """Edits per reference character (Unicode code point), otherwise as `token_error_rate`."""
    recipe = "characters:codepoints"
    return _error_rate(hypotheses, references, str, "character_error_rate", recipe)


def bleu(hypotheses: Sequence[str], references: References, *, tokenize: str = "13a") -> Statistics:
    """Corpus BLEU as sacrebleu computes it, 0-100, case kept.

    Raises:
        ConfigError: an unknown tokenizer.

    Reference: Papineni et al. 2002; Post 2018 (sacreBLEU).
    """
    if tokenize not in BLEU_TOKENIZERS:
        known = ", ".join(BLEU_TOKENIZERS)
        raise ConfigError(f"bleu_tokenize: {tokenize!r} is not one of {known}")
    metric = _sacrebleu().BLEU(tokenize=tokenize, force=True)
    return _from_sacrebleu("BLEU", metric, hypotheses, references)


def chrf(hypotheses: Sequence[str], references: References) -> Statistics:
    """Corpus chrF2 as sacrebleu computes it, 0-100.

    Reference: Popović 2015.
    """
    return _from_sacrebleu("chrF2", _sacrebleu().CHRF(), hypotheses, references)


def by_length(
    source_lengths: Sequence[int],
    hypotheses: Sequence[str],
    references: References,
    edges: Sequence[int] | None = None,
    *,
    bleu_tokenize: str = "13a",
    names: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Score the items in bins of source length.

    Args:
        source_lengths: number of source tokens of each item.
        hypotheses: one output an item.
        references: the right outputs of each item.
        edges: the last length of each bin but the last; None finds up to eight bins of readable
            edges with a fair share of the items each.
        bleu_tokenize: as in `measure`.
        names: as in `measure`.

    Returns:
        A dictionary a bin: `low` and `high` (lengths, inclusive), `sources` (number of items),
        and the value of each metric. Empty bins are left out.
    """
    lengths = np.asarray(source_lengths, dtype=np.int64)
    if len(lengths) != len(hypotheses):
        raise ValueError(f"{len(lengths)} lengths but {len(hypotheses)} hypotheses")
    chosen = collect_statistics(hypotheses, references, bleu_tokenize=bleu_tokenize, names=names)
    inner = sorted(set(_choose_edges(lengths) if edges is None else edges))
    bins = np.searchsorted(np.array(inner, dtype=np.int64), lengths, side="left")
    table = []
    for number in np.unique(bins).tolist():
        rows = np.flatnonzero(bins == number)
        low = inner[number - 1] + 1 if number else int(lengths.min())
        high = inner[number] if number < len(inner) else int(lengths.max())
        values = {name: statistics.value(rows) for name, statistics in chosen.items()}
        table.append({"low": low, "high": high, "sources": len(rows), **values})
    return table


# --- edit distance --------------------------------------------------------------------------------


def _error_rate(
    hypotheses: Sequence[str],
    references: References,
    split: Callable[[str], Sequence[str]],
    name: str,
    recipe: str,
) -> Statistics:
    _check(hypotheses, references)
    rows = [
        _compare_closest(split(hypothesis), [split(reference) for reference in accepted])
        for hypothesis, accepted in zip(hypotheses, references, strict=True)
    ]
    refs = _count_references(references, "closest")
    sign = partial(_sign_own, f"{name}|refs:{refs}|{recipe}|average:micro")
    return Statistics(np.array(rows, dtype=np.float64), _divide, sign)


def _compare_closest(
    hypothesis: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[int, int]:
    """Return the edits to the closest reference and its length; the longest one wins a tie."""
    nearest = nearest_reference(hypothesis, references)
    return count_edits(hypothesis, nearest), len(nearest)


def _divide(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide column 0 by column 1; without any reference token, every output token is an error."""
    counts, totals = sums[:, 0], sums[:, 1]
    return np.where(totals > 0, counts / np.maximum(totals, 1), np.minimum(counts, 1))


# --- sacrebleu ------------------------------------------------------------------------------------


def _sacrebleu() -> Any:
    from sacrebleu import metrics

    return metrics


def _from_sacrebleu(
    title: str, metric: Any, hypotheses: Sequence[str], references: References
) -> Statistics:
    """Take sacrebleu's statistics of each sentence, and its formula.

    These three methods of its `Metric` are not public, but are what its own bootstrap uses; a
    test compares with its public `corpus_score`.
    """
    _check(hypotheses, references)
    most = max(map(len, references))
    streams = [[row[n] if n < len(row) else None for row in references] for n in range(most)]
    rows = metric._extract_corpus_statistics(hypotheses, streams)

    def combine(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        counts = np.rint(sums).astype(np.int64).tolist()
        return np.array([metric._compute_score_from_stats(row).score for row in counts])

    def sign(resamples: int, seed: int) -> str:
        metric.n_bootstrap, metric.seed = (resamples, seed) if resamples else (None, None)
        return f"{title}|{metric.get_signature()}"

    return Statistics(np.array(rows, dtype=np.float64), combine, sign)


# --- bootstrap ------------------------------------------------------------------------------------


def _score_all(chosen: dict[str, Statistics], resamples: int, seed: int) -> dict[str, Score]:
    if not chosen:
        return {}
    sums = _resample(np.hstack([one.rows for one in chosen.values()]), resamples, seed)
    scores = {}
    column = 0
    for name, one in chosen.items():
        width = one.rows.shape[1]
        value = low = high = one.value()
        if resamples:
            values = one.combine(sums[:, column : column + width])
            low, high = np.percentile(values, [2.5, 97.5]).tolist()
        scores[name] = Score(value, low, high, one.sign(resamples, seed))
        column += width
    return scores


def estimate_difference_error(
    one: Statistics, other: Statistics, *, resamples: int = 200, seed: int = 1
) -> float:
    """Return the standard error of the difference of a metric between two sets of outputs.

    Both are outputs for the same items and see the same bootstrap resamples of them, so what the
    two have in common does not count.

    Reference: Koehn 2004, paired bootstrap resampling; Efron & Tibshirani 1993, chapter 6.

    Example:
        >>> ones = exact_match(["a", "b"], [["a"], ["b"]])
        >>> estimate_difference_error(ones, ones)
        0.0
    """
    sums = _resample(np.hstack((one.rows, other.rows)), resamples, seed)
    width = one.rows.shape[1]
    return float((one.combine(sums[:, :width]) - other.combine(sums[:, width:])).std())


def _resample(rows: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """Return the sums [resamples, k] of as many rows as there are, drawn with replacement."""
    generator = np.random.default_rng(seed)
    sums = np.empty((resamples, rows.shape[1]))
    for number in range(resamples):
        drawn = generator.integers(len(rows), size=len(rows))
        sums[number] = np.bincount(drawn, minlength=len(rows)) @ rows
    return sums


def _sign_own(recipe: str, resamples: int, seed: int) -> str:
    interval = f"|bootstrap:{resamples}|seed:{seed}" if resamples else ""
    return f"{recipe}{interval}|v:{_version()}"


def _version() -> str:
    try:
        return importlib.metadata.version("foveate")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


# --- bins and checks ------------------------------------------------------------------------------


def _choose_edges(lengths: NDArray[np.int64], num_bins: int = 8) -> list[int]:
    """Take the readable lengths that close a bin with a fair share of the items."""
    enough = max(10, len(lengths) / (2 * num_bins))
    counts = np.bincount(lengths)
    edges = []
    begin = 0
    for edge in _readable_edges(len(counts)):
        is_rest_enough = counts[edge + 1 :].sum() >= enough
        if counts[begin : edge + 1].sum() >= 2 * enough and is_rest_enough:
            edges.append(edge)
            begin = edge + 1
    return edges


def _readable_edges(limit: int) -> list[int]:
    tens = (1, 10, 100, 1000, 10_000)
    steps = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    small = set(range(1, 11)) | {12, 14, 16, 18}
    large = {int(step * ten) for ten in tens for step in steps}
    return sorted(edge for edge in small | large if edge < limit)


def _count_references(references: References, several: str) -> str:
    return "1" if all(len(accepted) == 1 for accepted in references) else several


def _check(hypotheses: Sequence[str], references: References) -> None:
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses but {len(references)} lists of references")
    if not len(hypotheses):
        raise DataError("there is nothing to score: no outputs, no references")
    if any(isinstance(accepted, str) or not len(accepted) for accepted in references):
        raise ValueError("references must be a list of one or more strings for each hypothesis")
