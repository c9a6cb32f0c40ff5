"""Suspicious pairs in a file: what rules find, and what models that have not seen a pair doubt.

The pairs are dealt into folds; a model learns from all folds but one and judges that one
(cross-validation). What a model is good at, it learns from the pairs that are right: typos,
swapped columns and shifted rows are what it cannot explain.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.config import Config, build_config
from foveate.counted import counted
from foveate.data.oddities import Kind, Oddity, find_oddities
from foveate.data.table import PairTable
from foveate.errors import ConfigError, DataError, MissingExtraError
from foveate.records import Translation
from foveate.training.report import Listener, Report, be_silent
from foveate.translator import Translator

Display = Callable[[str], AbstractContextManager[Listener]]
Watch = Callable[[Iterable[Any], int], Iterable[Any]]

LEAST_FENCE = 0.5  # nats a token: what any model is uncertain of
TRAINING_SHARE = 0.8  # of the minutes; the rest is for judging
MOST_DEV = 200  # pairs that choose the weights of a fold's model
NEARBY = 3  # rows
CHARACTERS_A_MINUTE = 200_000


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A pair, and what speaks against it.

    Attributes:
        row: its number among the pairs, from 0.
        suspicion: nats a target token by which a model that has not seen the pair finds its own
            output likelier, and 1 to 3 for each reason that a rule gives (repeats, variants: 0).
        kinds: what kinds of reasons there are, each once.
        reasons: the same for people.
        source: the source.
        target: the target, as given.
        expected: what the model would have written; empty without a model.
    """

    row: int
    suspicion: float
    kinds: tuple[Kind, ...]
    reasons: tuple[str, ...]
    source: str
    target: str
    expected: str = ""


def check(
    sources: Iterable[str],
    targets: Iterable[str],
    *,
    minutes: float | None = None,
    folds: int = 2,
    **options: Any,
) -> list[Suspicion]:
    """Return every pair with what speaks against it, the most suspicious first.

    Args:
        sources: one text a pair.
        targets: as many texts.
        minutes: time for everything (default: found from the size of the data; 0: rules only).
        folds: how many models to train, each on all pairs but its share.
        options: further options of `Config` for the models.

    Raises:
        ConfigError: an option is unknown or out of range.
        DataError: the sides differ in number, or there are too few pairs.
        MissingExtraError: PyTorch is not installed.

    Example:
        >>> found = check(["cat", "dog", "cat"], ["K AE T", "D AO G", "K AE T"], minutes=0)
        >>> found[2].reasons, found[2].suspicion
        (('the same pair as 1',), 0.0)
    """
    table = PairTable.from_texts(sources, targets)
    if minutes == 0:
        return list(check_table(table, None))
    given = {"minutes": minutes, **options} if minutes is not None else options
    return list(check_table(table, build_config(given), folds=folds))


def check_table(
    table: PairTable,
    config: Config | None,
    *,
    folds: int = 2,
    lines: NDArray[np.int64] | None = None,
    display: Display | None = None,
    watch: Watch | None = None,
) -> Iterator[Suspicion]:
    """Yield every pair with what speaks against it, the most suspicious first.

    Args:
        table: the pairs.
        config: options of the models, `minutes` for all of them together; None: rules only.
        folds: how many models to train, each on all pairs but its share.
        lines: what to call each row in a reason (default: its number, from 1).
        display: given a label, shows the training of a model.
        watch: passes items through and shows how many of how many there were.

    Raises:
        ConfigError: fewer than two folds.
        DataError: there are too few sources for so many folds.
        MissingExtraError: PyTorch is not installed.
        KeyboardInterrupt: stopped by Ctrl-C; nothing is left behind.
    """
    oddities = find_oddities(table, lines)
    judged = _Judged.build(len(table))
    if config is not None:
        judged = judge(table, config, folds, display or _show_nothing, watch or _pass_through)
    return rank(table, judged, [*oddities, *judged.oddities])


def rank(table: PairTable, judged: _Judged, oddities: Sequence[Oddity]) -> Iterator[Suspicion]:
    """Yield the pairs in the order of their suspicion, equal ones in that of the file."""
    of_row: defaultdict[int, list[Oddity]] = defaultdict(list)
    suspicion = np.maximum(judged.excess, 0.0)
    for oddity in oddities:
        of_row[oddity.row].append(oddity)
        suspicion[oddity.row] += oddity.points
    for row in np.argsort(-suspicion, kind="stable").tolist():
        found = of_row.get(row, [])
        yield Suspicion(
            row,
            float(suspicion[row]),
            tuple(dict.fromkeys(oddity.kind for oddity in found)),
            tuple(oddity.reason for oddity in found),
            table.source(row),
            table.target(row),
            judged.expected[row],
        )


@dataclass
class _Judged:
    """What the models say: a row of each array for each pair."""

    excess: NDArray[np.float64]  # nats a token
    expected: list[str]
    oddities: list[Oddity]

    @classmethod
    def build(cls, num_pairs: int) -> _Judged:
        return cls(np.zeros(num_pairs), [""] * num_pairs, [])


def judge(table: PairTable, config: Config, folds: int, display: Display, watch: Watch) -> _Judged:
    """Let a model that has not seen it judge every pair; arguments are those of `check_table`."""
    fold_of_row = deal(table, folds, config.seed)
    _require_training()
    tasks = [
        _Fold(table, np.flatnonzero(fold_of_row == fold), _share_minutes(table, config, folds))
        for fold in range(folds)
    ]
    judged = _Judged.build(len(table))
    for fold, found in enumerate(_judge_folds(tasks, config.jobs, display, watch)):
        rows = tasks[fold].held
        judged.excess[rows] = found.excess[rows]
        for row in rows.tolist():
            judged.expected[row] = found.expected[row]
        judged.oddities += found.oddities
    judged.oddities = keep_runs(judged.oddities)
    return judged


@dataclass(frozen=True)
class _Fold:
    """The rows that one model judges, having learnt from all others."""

    table: PairTable
    held: NDArray[np.int64]
    config: Config


def _judge_folds(
    folds: Sequence[_Fold], jobs: int, display: Display, watch: Watch
) -> Iterator[_Judged]:
    """Yield what each model says of its fold, one after another or side by side."""
    from foveate.training.side_by_side import run_side_by_side

    if min(jobs, len(folds)) > 1:
        with display(f"{len(folds)} models, {jobs} at a time") as report:
            report(Report("note", f"{len(folds)} models, {jobs} at a time"))
            yield from run_side_by_side(_judge_apart, folds, jobs)
        return
    for number, fold in enumerate(folds, start=1):
        with display(f"model {number} of {len(folds)}") as report:
            report(Report("note", f"model {number} of {len(folds)}"))
            translator = _train_fold(fold, report)
        yield _judge(fold, translator, watch)


def _judge_apart(fold: _Fold) -> _Judged:
    return _judge(fold, _train_fold(fold, be_silent), _pass_through)


def _judge(fold: _Fold, translator: Translator, watch: Watch) -> _Judged:
    judged = _Judged.build(len(fold.table))
    _judge_fold(fold.table, fold.held, translator, judged, watch)
    return judged


def _train_fold(fold: _Fold, report: Listener) -> Translator:
    """Train a model on all rows but those of a fold.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C.
    """
    from foveate.training.run import hold_out, train

    rest = np.delete(np.arange(len(fold.table)), fold.held)
    training, dev = hold_out(fold.table.rows(rest), fold.config.seed, MOST_DEV)
    trained = train(training, dev, fold.config, report=report)
    if trained.was_interrupted:
        raise KeyboardInterrupt
    return trained.translator


def deal(table: PairTable, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of every row: all rows of a source in one, sources dealt out by a hash.

    Raises:
        ConfigError: fewer than two folds.
        DataError: there are too few sources.
    """
    if folds < 2:
        raise ConfigError(f"folds: must be at least 2, not {folds}")
    num_sources = len(set(table.sources()))
    if num_sources < 2 * folds:
        raise DataError(
            f"{counted(num_sources, 'different source')}: too few to train on a part and judge the "
            "rest: "
            "check them by rules only (--rules-only; minutes=0 in Python)"
        )
    return table.deal(folds, seed)


def default_minutes(table: PairTable) -> float:
    """Return the minutes for everything when none are told: 1 to 60, with the size of the data."""
    size = sum(map(len, table.sources())) + sum(map(len, table.targets()))
    return min(max(size / CHARACTERS_A_MINUTE, 1.0), 60.0)


def _share_minutes(table: PairTable, config: Config, folds: int) -> Config:
    if config.max_updates is not None:
        return config
    minutes = config.minutes or default_minutes(table)
    return config.replace(minutes=TRAINING_SHARE * minutes / folds)


def _require_training() -> None:
    try:
        import_module("foveate.training.run")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("PyTorch", "train", "a check by a model (not by rules)") from None


def _judge_fold(
    table: PairTable,
    rows: NDArray[np.int64],
    translator: Translator,
    judged: _Judged,
    watch: Watch,
) -> None:
    """Fill in what a model says of the rows that it has not seen."""
    rows = np.array([row for row in rows.tolist() if _has_tokens(translator, table, row)], int)
    held = table.rows(rows)
    given = translator.score_pairs(zip(held.sources(), held.targets(), strict=True))
    own = translator.translate(held.sources(), beam_size=1, attention=False)
    own_cost = np.zeros(len(rows))
    excess = np.zeros(len(rows))
    both = zip(rows.tolist(), given, own, strict=True)
    for place, (row, target, output) in enumerate(watch(both, len(rows))):
        own_cost[place] = mean_cost(output)
        excess[place] = mean_cost(target) - own_cost[place]
        judged.expected[row] = output.text
    judged.excess[rows] = excess
    usual, fence = find_fence(excess)
    doubtful = np.flatnonzero(excess > fence)
    for place in doubtful.tolist():
        reason = f"implausible ({excess[place]:.1f} nats a token)"
        judged.oddities.append(Oddity(int(rows[place]), "implausible", reason, 0.0))
    judged.oddities += find_shifted(table, rows[doubtful], own_cost[doubtful] + usual, translator)


def mean_cost(translation: Translation) -> float:
    """Return the mean nats a token, the end mark counted."""
    return -translation.score / (len(translation.tokens) + 1)


def find_fence(excess: NDArray[np.float64]) -> tuple[float, float]:
    """Return what three quarters of the pairs stay below, and what is far out.

    Reference: Tukey 1977, chapter 2: far out is Q3 + 3 (Q3 - Q1).

    Example:
        >>> find_fence(np.array([0.0, 1.0, 2.0, 3.0, 4.0]))
        (3.0, 9.0)
    """
    if not len(excess):
        return 0.0, LEAST_FENCE
    low, high = np.quantile(excess, [0.25, 0.75]).tolist()
    return high, max(high + 3 * (high - low), LEAST_FENCE)


def find_shifted(
    table: PairTable,
    rows: NDArray[np.int64],
    limits: NDArray[np.float64],
    translator: Translator,
) -> Iterator[Oddity]:
    """Find rows whose source goes with the target of the row above or below.

    Args:
        table: the pairs.
        rows: doubtful ones.
        limits: mean nats a token up to which a target is good for the source of each row.
        translator: has not seen these rows.
    """
    trials = [
        (row, limit, row + step, word)
        for row, limit in zip(rows.tolist(), limits.tolist(), strict=True)
        for step, word in ((-1, "above"), (1, "below"))
        if 0 <= row + step < len(table)
        and table.target(row + step) != table.target(row)
        and table.source(row + step) != table.source(row)
        and _has_tokens(translator, table, row + step)
    ]
    scored = translator.score_pairs((table.source(row), table.target(o)) for row, _, o, _ in trials)
    for (row, limit, _, word), found in zip(trials, scored, strict=True):
        if mean_cost(found) <= limit:
            yield Oddity(row, "shifted", f"the target {word} fits")


def keep_runs(oddities: Sequence[Oddity]) -> list[Oddity]:
    """Drop a shifted row without another one nearby: in a sorted lexicon neighbours are alike.

    Example:
        >>> rows = [Oddity(row, "shifted", "the target above fits") for row in (3, 5, 9)]
        >>> [oddity.row for oddity in keep_runs(rows)]
        [3, 5]
    """
    shifted = {(oddity.row, oddity.reason) for oddity in oddities if oddity.kind == "shifted"}

    def has_company(oddity: Oddity) -> bool:
        steps = (step for step in range(-NEARBY, NEARBY + 1) if step)
        return any((oddity.row + step, oddity.reason) in shifted for step in steps)

    return [one for one in oddities if one.kind != "shifted" or has_company(one)]


def is_suspicious(one: Suspicion) -> bool:
    """Tell whether anything speaks against a pair; repeats and other targets do not.

    Example:
        >>> [is_suspicious(one) for one in check(["a", "a", " b"], ["x", "x", "y"], minutes=0)]
        [True, False, False]
    """
    return bool(set(one.kinds) - {"repeat", "variants"})


def count_kinds(found: Iterable[Suspicion]) -> Counter[Kind]:
    """Count the pairs that have a reason of each kind."""
    return Counter(kind for one in found for kind in one.kinds)


def _has_tokens(translator: Translator, table: PairTable, row: int) -> bool:
    """Tell whether there is something to judge; some characters are no token at all."""
    source, target = translator.source_codec, translator.target_codec
    return bool(source.split(table.source(row)) and target.split(table.target(row)))


def _show_nothing(label: str) -> AbstractContextManager[Listener]:
    return nullcontext(be_silent)


def _pass_through(items: Iterable[Any], total: int) -> Iterable[Any]:
    return items
