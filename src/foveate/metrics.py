"""How good are these outputs: exact match, error rates, BLEU, chrF, with intervals.

Every metric is a table of sufficient statistics, one row an item, and a function from their sum
to the value; subsets and bootstrap resamples are then sums over other rows. The interval of a
share is Wilson's, that of every other metric a bootstrap one. Knows nothing of models and files.
sacrebleu enters here only.
"""

from __future__ import annotations

import importlib.metadata
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.edits import count_edits, nearest_reference
from foveate.errors import ConfigError, DataError, did_you_mean

METRICS = ("exact_match", "token_error_rate", "character_error_rate", "bleu", "chrf")
BLEU_TOKENIZERS = ("none", "13a", "intl", "char", "zh")  # those of sacrebleu that need no download
BLEU_LENGTH = 4  # tokens of the longest n-grams of BLEU
CHUNK = 1000  # items whose statistics are held as sacrebleu makes them, ten times as large
DRAWN_AT_ONCE = 2**16  # items of resamples, half a megabyte of them
BLANKLESS = ("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
LONGEST_PHONEME = 5  # characters of its name
ARPABET = re.compile(
    "A[AEHOWXY]|AXR|B|CH|DH?|DX|E[HLMNRY]|F|G|HH|I[HXY]|JH|K|L|M|NG?|NX|OW|OY|P|Q|R|SH?|TH?|"
    "U[HWX]|V|WH?|Y|ZH?"
)
IPA = re.compile(r"[\u0250-\u02af\u02b0-\u02d1ŋθβχ]")  # letters that hardly stand in spelling
_STRESS = re.compile(r"[0-2]$")
NORMAL = 1.959964  # of the standard normal distribution, 95 % lie within

References = Sequence[Sequence[str]]
Row = Sequence[float]


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
class Scorer:
    """A metric in the form that scikit-learn's `scoring` takes: greater is better.

    Equal sources are one item, and all of their targets are right.

    Attributes:
        metric: one of `METRICS`.
        sign: -1 for an error rate.
    """

    metric: str
    sign: int

    def __call__(self, estimator: Any, X: Iterable[str], y: Iterable[str]) -> float:
        """Return the score of what an estimator, or a pipeline with one, predicts."""
        sources = [str(source) for source in np.asarray(X, dtype=object).ravel()]
        targets = [str(target) for target in np.asarray(y, dtype=object).ravel()]
        groups: dict[str, list[str]] = {}
        for source, target in zip(sources, targets, strict=True):
            groups.setdefault(source, []).append(unicodedata.normalize("NFC", target))
        outputs = [unicodedata.normalize("NFC", text) for text in estimator.predict([*groups])]
        return (
            self.sign
            * collect_statistics(
                outputs,
                [*groups.values()],
                bleu_tokenize=choose_bleu_tokenizer([*groups.values()]),
                names=[self.metric],
            )[self.metric].value()
        )


def get_scorer(name: str) -> Scorer:
    """Return a metric for `scoring` of scikit-learn's `GridSearchCV`, `cross_val_score` and others.

    Args:
        name: exact_match, bleu or chrf; or an error rate, of which less is better, with `neg_`:
            neg_token_error_rate or neg_character_error_rate.

    Raises:
        ConfigError: there is no such metric.

    Example:
        >>> get_scorer("neg_character_error_rate").sign
        -1
    """
    known = {f"neg_{name}" if "error" in name else name: name for name in METRICS}
    if name not in known:
        hint = did_you_mean(name, known)
        raise ConfigError(f"{name}: no such scorer{hint}; there are {', '.join(known)}")
    return Scorer(known[name], -1 if name.startswith("neg_") else 1)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a metric needs to know of each item.

    Attributes:
        rows: [items, k] numbers whose sum over any items gives the metric of these items.
        combine: from sums [n, k] to values [n].
        sign: from the number of resamples and their seed to the signature.
        is_share: the value is a share of right ones among all, columns 0 and 1.
    """

    rows: NDArray[np.float64]
    combine: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    sign: Callable[[int, int], str]
    is_share: bool = False

    def value(self, chosen: NDArray[Any] | None = None) -> float:
        """Return the metric over all items, or over those chosen by number or mask."""
        rows = self.rows if chosen is None else self.rows[chosen]
        return float(self.combine(rows.sum(axis=0, keepdims=True))[0])


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

    The interval of exact match is Wilson's. The others are percentile bootstrap intervals over
    items; all metrics see the same resamples. Where no item has an error, there is nothing to
    draw from: the error rate is then at most what Wilson's interval leaves to items with errors.

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
    return score_statistics(chosen, resamples=resamples, seed=seed)


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
    recipe = f"exact_match|refs:{_count_references(references, 'any')}"
    return count_shares(((output in accepted, 1) for output, accepted in pairs), recipe)


def count_shares(rows: Iterable[Row], recipe: str) -> Statistics:
    """Return the statistics of a share, given how many of how many are right for each item.

    Args:
        rows: for each item, how many are right, and of how many.
        recipe: begin of the signature.
    """
    numbers = np.array(list(rows), dtype=np.float64).reshape(-1, 2)
    interval = "wilson" if bool((numbers[:, 1] == 1).all()) else "wilson-kish"
    return Statistics(numbers, _divide, partial(_sign_share, recipe, interval), is_share=True)


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


def bin_items(
    source_lengths: Sequence[int],
    chosen: Mapping[str, Statistics],
    edges: Sequence[int] | None = None,
) -> list[dict[str, Any]]:
    """Score the items in bins of source length, given their statistics.

    Args:
        source_lengths: number of source tokens of each item.
        chosen: the statistics of each metric.
        edges: the last length of each bin but the last; None finds up to eight bins of readable
            edges with a fair share of the items each.

    Returns:
        A dictionary a bin: `low` and `high` (lengths, inclusive), `sources` (number of items),
        and the value of each metric. Empty bins are left out.
    """
    lengths = np.asarray(source_lengths, dtype=np.int64)
    for one in chosen.values():
        if len(lengths) != len(one.rows):
            raise ValueError(f"{len(lengths)} lengths but {len(one.rows)} hypotheses")
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


# --- what means something for the data ------------------------------------------------------------


def choose_bleu_tokenizer(references: References) -> str:
    """Return how BLEU should split these texts: `13a`, or `zh` or `char` without blanks.

    Chinese, Japanese, Thai and others are written without blanks between words: their BLEU counts
    characters (`zh`: Chinese ones only).

    Example:
        >>> choose_bleu_tokenizer([["the cat"]]), choose_bleu_tokenizer([["我们去学校。"]])
        ('13a', 'zh')
        >>> choose_bleu_tokenizer([["みずへ行った。"]])
        'char'
    """
    letters = Counter[str]()
    for accepted in references:
        for text in accepted:
            letters.update(text)
    blankless = {one: n for one, n in letters.items() if one >= "\u0e00" and _joins(one)}
    total = sum(blankless.values())
    if 2 * total <= letters.total():
        return "13a"
    chinese = sum(n for one, n in blankless.items() if _script(one) in ("CJK", "IDEOGRAPHIC"))
    return "zh" if 10 * chinese > 9 * total else "char"


def _joins(letter: str) -> bool:
    """Tell whether a letter belongs to a script that has no blanks between its words."""
    return _script(letter) in BLANKLESS


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


def choose_telling(
    references: References, chosen: Mapping[str, Statistics], asked: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the metrics that mean something for these references.

    BLEU counts runs of up to four tokens: texts that are mostly shorter have none. The rate of
    wrong tokens says no more than exact match where a text is one token.

    Args:
        references: the right outputs of each item.
        chosen: the metrics to choose from.
        asked: metrics to keep in any case.

    Example:
        >>> words = collect_statistics(["canto"], [["canto"]])
        >>> choose_telling([["canto"]], words)
        ('exact_match', 'character_error_rate', 'chrf')
    """
    left_out = set()
    num_split = sum(len(accepted[0].split()) > 1 for accepted in references)
    if num_split * 10 < len(references):
        left_out.add("token_error_rate")
    if "bleu" in chosen and not _has_long_runs(chosen["bleu"]):
        left_out.add("bleu")
    if "phoneme_error_rate" in chosen:  # letters of names of phonemes mean nothing
        left_out |= {"token_error_rate", "character_error_rate", "chrf", "bleu"}
    return tuple(name for name in chosen if name in asked or name not in left_out)


def name_pronunciations(
    chosen: Mapping[str, Statistics], sources: Sequence[str], references: References
) -> dict[str, Statistics]:
    """Return statistics with the error rates of words and phonemes too, where these are outputs.

    Example:
        >>> found = collect_statistics(["K AE1 T"], [["K AA1 T"]], names=["token_error_rate"])
        >>> list(name_pronunciations(found, ["cat"], [["K AA1 T"]]))
        ['token_error_rate', 'phoneme_error_rate']
    """
    named = dict(chosen)
    if not are_pronunciations(sources, references):
        return named
    if "exact_match" in chosen:
        rows = chosen["exact_match"].rows
        wrong = np.stack([rows[:, 1] - rows[:, 0], rows[:, 1]], axis=1)
        recipe = f"word_error_rate|refs:{_count_references(references, 'any')}"
        named["word_error_rate"] = count_shares(wrong.tolist(), recipe)
    if "token_error_rate" in chosen:
        refs = _count_references(references, "closest")
        sign = partial(_sign_own, f"phoneme_error_rate|refs:{refs}|average:micro")
        named["phoneme_error_rate"] = replace(chosen["token_error_rate"], sign=sign)
    return named


def are_pronunciations(sources: Sequence[str], references: References) -> bool:
    """Tell whether single words have phonemes for targets: of ARPABET, or of the IPA.

    Example:
        >>> are_pronunciations(["cat"], [["K AE1 T"]]), are_pronunciations(["cat"], [["k ɛ t"]])
        (True, True)
        >>> are_pronunciations(["cat"], [["c h a t"]]), are_pronunciations(["a cat"], [["K AE1 T"]])
        (False, False)
    """
    symbols = Counter(symbol for accepted in references for symbol in accepted[0].split())
    if not symbols or sum(len(source.split()) != 1 for source in sources) > len(sources) / 20:
        return False
    if symbols.total() < 2 * len(references) or max(map(len, symbols)) > LONGEST_PHONEME:
        return False
    names = [_STRESS.sub("", symbol).upper() for symbol in symbols]
    if all(map(ARPABET.fullmatch, names)):
        return any(len(name) > 1 for name in names)
    return any(IPA.search(symbol) for symbol in symbols)


def _has_long_runs(statistics: Statistics) -> bool:
    """Tell whether at least half of the items have a reference of four tokens (column 1)."""
    lengths = statistics.rows[:, 1]
    return bool((lengths >= BLEU_LENGTH).mean() >= 0.5)


# --- edit distance --------------------------------------------------------------------------------


def _error_rate(
    hypotheses: Sequence[str],
    references: References,
    split: Callable[[str], Sequence[str]],
    name: str,
    recipe: str,
) -> Statistics:
    _check(hypotheses, references)
    rows = _stack(
        _compare_closest(split(hypothesis), [split(reference) for reference in accepted])
        for hypothesis, accepted in zip(hypotheses, references, strict=True)
    )
    refs = _count_references(references, "closest")
    sign = partial(_sign_own, f"{name}|refs:{refs}|{recipe}|average:micro")
    return Statistics(rows, _divide, sign)


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
    rows = _stack(_extract_rows(metric, hypotheses, references))
    counts = {len(accepted) for accepted in references}
    metric.num_refs = counts.pop() if len(counts) == 1 else -1  # not those of the last chunk

    def combine(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        counts = np.rint(sums).astype(np.int64)
        distinct, places = np.unique(counts, axis=0, return_inverse=True)  # few, of few sentences
        scores = [metric._compute_score_from_stats(row).score for row in distinct.tolist()]
        return np.array(scores)[places.reshape(-1)]

    def sign(resamples: int, seed: int) -> str:
        metric.n_bootstrap, metric.seed = (resamples, seed) if resamples else (None, None)
        return f"{title}|{metric.get_signature()}"

    return Statistics(rows, combine, sign)


def _extract_rows(metric: Any, hypotheses: Sequence[str], references: References) -> Iterator[Row]:
    """Yield the statistics of each sentence, made chunk by chunk."""
    for begin in range(0, len(hypotheses), CHUNK):
        chunk = references[begin : begin + CHUNK]
        most = max(map(len, chunk))
        streams = [[row[n] if n < len(row) else None for row in chunk] for n in range(most)]
        yield from metric._extract_corpus_statistics(hypotheses[begin : begin + CHUNK], streams)


# --- intervals ------------------------------------------------------------------------------------


def score_statistics(
    chosen: Mapping[str, Statistics], *, resamples: int = 1000, seed: int = 1
) -> dict[str, Score]:
    """Return the value of each metric with its interval, given the statistics of the items.

    Args:
        chosen: the statistics of each metric.
        resamples: 0 leaves the intervals away (low = high = value).
        seed: of the resamples.
    """
    drawn = {name: one for name, one in chosen.items() if resamples and not one.is_share}
    sums = resample_sums([one.rows for one in drawn.values()], resamples, seed)
    values = {
        name: one.combine(rows) for (name, one), rows in zip(drawn.items(), sums, strict=True)
    }
    scores = {}
    for name, one in chosen.items():
        value = low = high = one.value()
        if name in values:
            low, high = np.percentile(values[name], [2.5, 97.5]).tolist()
            if one.combine is _divide and not one.rows[:, 0].any():  # no errors to draw from
                high = 1 - _wilson(1.0, len(one.rows))[0]
        elif resamples:
            low, high = estimate_share_interval(one)
        scores[name] = Score(value, low, high, one.sign(resamples, seed))
    return scores


def estimate_share_interval(statistics: Statistics) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, which has a width at 0 and at 1, too.

    (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    Items of several rows are no more independent than one row each: n is then Kish's effective
    number, (sum of rows)^2 / (sum of squared rows).

    Reference: Wilson 1927; Brown, Cai & DasGupta 2001; Kish 1965, section 11.7.

    Example:
        >>> low, high = estimate_share_interval(exact_match(["a"] * 5, [["a"]] * 5))
        >>> round(low, 3), round(high, 3)
        (0.566, 1.0)
    """
    sizes = statistics.rows[:, 1]
    return _wilson(statistics.value(), float(sizes.sum() ** 2 / (sizes**2).sum()))


def _wilson(share: float, n: float) -> tuple[float, float]:
    z = NORMAL
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return max(0.0, min(low, share)), min(1.0, max(high, share))


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
    ours, theirs = resample_sums([one.rows, other.rows], resamples, seed)
    return float((one.combine(ours) - other.combine(theirs)).std())


def resample_sums(
    tables: Sequence[NDArray[np.float64]], resamples: int, seed: int
) -> list[NDArray[np.float64]]:
    """Return for each table the sums [resamples, k] of as many rows as it has, drawn anew.

    The rows of all tables are about the same items, and the same ones are drawn of each.
    """
    generator = np.random.default_rng(seed)
    sums = [np.empty((resamples, rows.shape[1])) for rows in tables]
    count = len(tables[0]) if tables else 0
    block = max(1, DRAWN_AT_ONCE // max(1, count))
    for begin in range(0, resamples if tables else 0, block):
        size = min(block, resamples - begin)
        drawn = generator.integers(count, size=(size, count))
        drawn += count * np.arange(size)[:, None]  # each resample counts in a range of its own
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        for rows, summed in zip(tables, sums, strict=True):
            summed[begin : begin + size] = times @ rows
    return sums


def sum_clusters(statistics: Statistics, places: Sequence[int]) -> Statistics:
    """Return statistics of which an item is what belongs together: the rows of a source.

    Args:
        statistics: of single items.
        places: which cluster each belongs to; those of one stand together.

    Example:
        >>> single = exact_match(["a", "a", "b"], [["a"], ["x"], ["b"]])
        >>> sum_clusters(single, [0, 0, 1]).rows.tolist()
        [[1.0, 2.0], [1.0, 1.0]]
    """
    begins = np.flatnonzero(np.diff(np.asarray(places), prepend=-1))
    if len(begins) == len(statistics.rows):
        return statistics
    rows = np.add.reduceat(statistics.rows, begins, axis=0)
    if not statistics.is_share:
        return replace(statistics, rows=rows)
    recipe = statistics.sign(0, 0).rpartition("|v:")[0]
    return count_shares(rows.tolist(), recipe)


def _stack(rows: Iterable[Row]) -> NDArray[np.float64]:
    """Return rows of numbers as an array, which holds them in a tenth of the space."""
    blocks = []
    stream = iter(rows)
    while block := list(islice(stream, CHUNK)):
        blocks.append(np.array(block, dtype=np.float64))
    return np.concatenate(blocks)


def _sign_share(recipe: str, interval: str, resamples: int, seed: int) -> str:
    shown = f"|interval:{interval}" if resamples else ""
    return f"{recipe}{shown}|v:{_version()}"


def _sign_own(recipe: str, resamples: int, seed: int) -> str:
    interval = f"|bootstrap:{resamples}|seed:{seed}" if resamples else ""
    return f"{recipe}{interval}|v:{_version()}"


@lru_cache(maxsize=1)
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
