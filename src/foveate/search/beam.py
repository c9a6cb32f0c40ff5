"""Beam search: keep the K most probable prefixes of every source, all sources at once.

Every array has one entry a row (R live prefixes), or one a source with its candidates side by
side; no Python object stands for a prefix or for a candidate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveate.errors import SearchError
from foveate.search.hypothesis import Hypothesis, Integers, Trace
from foveate.search.stepper import Step, Stepper
from foveate.search.walk import check_max_lengths, check_source
from foveate.text.vocabulary import BOS, EOS

Floats = NDArray[np.float64]
LEAST_COVERAGE = 1e-6  # keeps the logarithm of a source token that was never looked at finite


def beam_search(
    stepper: Stepper,
    source: NDArray[np.int64],
    source_mask: NDArray[np.bool_],
    *,
    beam_size: int,
    n_best: int = 1,
    length_penalty: float = 0.0,
    max_lengths: ArrayLike,
    min_length: int = 0,
    coverage_penalty: float = 0.0,
) -> list[list[Hypothesis]]:
    """Return the `n_best` outputs that a beam of `beam_size` finds for every source, best first.

    Hypotheses are ranked by

        score / length**length_penalty + coverage_penalty * sum_i log(min(sum_j a_ji, 1))

    where length counts the tokens and EOS, and a_ji is the attention of token j to source token
    i. The live prefixes of a step all have one length, and are compared by score alone.

    A hypothesis has finished when its EOS is among the best `beam_size` candidates of its source;
    the best `beam_size` others go on. A prefix is dropped when no continuation of it can rank
    above the worst of `n_best` finished hypotheses, however long it gets. Once `beam_size`
    hypotheses have finished, it is also dropped when it would not do so at its present length:
    otherwise a length penalty keeps the search alive for endless repetitions. With
    length_penalty 0 the two are the same. A beam of 1 is greedy search.

    Args:
        stepper: the model.
        source: [B, S] ids, padded on the right.
        source_mask: [B, S], True where a real token stands.
        beam_size: number of live prefixes a source.
        n_best: number of hypotheses to return a source; fewer when there are no more.
        length_penalty: 0 ranks by the sum of the log-probabilities, 1 by their mean.
        max_lengths: greatest number of tokens, EOS not counted: one number, or [B]. What has so
            many without EOS comes back unfinished, below the finished ones.
        min_length: least number of tokens, EOS not counted.
        coverage_penalty: how much it costs to leave source tokens without attention.

    Raises:
        SearchError: a number is out of range, or a coverage penalty without attention.

    Reference:
        Wu et al. 2016, Google's Neural Machine Translation System, section 7, equation 14.
    Differs:
        The length is plain, not (5 + length) / 6, so a penalty of 1 is the mean a token.
    """
    _check(beam_size, n_best, length_penalty, min_length, coverage_penalty)
    limits = check_max_lengths(max_lengths, len(source), min_length)
    lengths = check_source(source, source_mask)
    if not len(lengths):
        return []
    ranking = _Ranking(length_penalty, coverage_penalty, source_mask)
    trace = Trace(lengths)
    pool = _Pool(np.full((len(lengths), n_best), -np.inf), np.zeros(len(lengths), np.int64))
    beam = _Beam(
        owners=np.arange(len(lengths)),
        places=np.arange(len(lengths)),
        slots=np.zeros(len(lengths), np.int64),
        scores=np.zeros(len(lengths)),
        coverage=np.zeros(source.shape) if coverage_penalty else None,
    )
    state = stepper.start(source, source_mask)
    tokens = np.full(len(lengths), BOS, np.int64)
    length = 0
    while tokens.size:
        step = stepper.step(state, tokens, beam_size + 1)
        trace.see(step)
        if coverage_penalty and step.attention is None:
            raise SearchError("coverage_penalty: this model has no attention; leave it at 0")
        table = _Candidates(step, beam, beam_size, allow_end=length >= min_length)
        is_last = limits[beam.owners] <= length
        ended = _end(table, beam, length, ranking, pool, trace)
        _cut(table, ended, is_last, beam, length, ranking, trace)
        is_kept = table.is_live & ~is_last[:, None]
        is_kept &= pool.can_still_win(table, beam, length + 1, limits, ranking, beam_size)
        rows, columns, beam = _go_on(table, is_kept, step, beam)
        tokens = step.ids[rows, columns]
        trace.extend(rows, tokens, step.log_probs[rows, columns])
        state = step.state
        if rows.size and not _is_identity(rows, len(step.ids)):
            state = stepper.reorder(state, rows)
        length += 1
    return trace.hypotheses(n_best)


def _check(
    beam_size: int, n_best: int, length_penalty: float, min_length: int, coverage_penalty: float
) -> None:
    problems = []
    if beam_size < 1:
        problems.append(f"beam_size must be at least 1, not {beam_size}")
    if not 1 <= n_best <= max(beam_size, 1):
        problems.append(f"n_best must be from 1 to beam_size ({beam_size}), not {n_best}")
    if not 0 <= length_penalty < float("inf"):
        problems.append(f"length_penalty must be 0 or more, not {length_penalty}")
    if min_length < 0:
        problems.append(f"min_length must be 0 or more, not {min_length}")
    if not 0 <= coverage_penalty < float("inf"):
        problems.append(f"coverage_penalty must be 0 or more, not {coverage_penalty}")
    if problems:
        raise SearchError("beam search: " + "; ".join(problems))


@dataclass(slots=True)
class _Beam:
    """The R live prefixes of A active sources."""

    owners: Integers  # [A] the number of the source
    places: Integers  # [R] which of the A a prefix belongs to
    slots: Integers  # [R] its place among the prefixes of its source, best first
    scores: Floats  # [R]
    coverage: Floats | None  # [R, S] attention that the source tokens have had


class _Candidates:
    """The best 2K continuations of every active source, best first, as arrays [A, C].

    There is at most one EOS for each of at most K prefixes, so K others are among the 2K.
    """

    def __init__(self, step: Step, beam: _Beam, beam_size: int, *, allow_end: bool) -> None:
        width = int(beam.slots.max()) + 1
        num_columns = step.ids.shape[1]
        cells = beam.places * width + beam.slots
        totals = np.full((len(beam.owners) * width, num_columns), -np.inf)
        totals[cells] = beam.scores[:, None] + step.log_probs
        is_end = np.zeros(totals.shape, np.bool_)
        is_end[cells] = step.ids == EOS
        if not allow_end:
            totals[is_end] = -np.inf
        rows = np.zeros(len(totals), np.int64)
        rows[cells] = np.arange(len(cells))
        totals = totals.reshape(len(beam.owners), -1)
        order = np.argsort(-totals, axis=1, kind="stable")[:, : 2 * beam_size]
        here = np.arange(len(order))[:, None]
        self.totals: Floats = totals[here, order]
        self.rows: Integers = rows[here * width + order // num_columns]
        self.columns: Integers = order % num_columns
        is_end = is_end.reshape(totals.shape)[here, order]
        is_possible = self.totals > -np.inf
        self.is_ending: NDArray[np.bool_] = is_end & is_possible
        self.is_ending[:, beam_size:] = False
        others = ~is_end & is_possible
        self.is_live: NDArray[np.bool_] = others & (others.cumsum(axis=1) <= beam_size)
        self.log_probs = step.log_probs


@dataclass(slots=True)
class _Ranking:
    length_penalty: float
    coverage_penalty: float
    source_mask: NDArray[np.bool_]

    def ranks(self, scores: Floats, length: int, beam: _Beam, rows: Integers) -> Floats:
        """Rank hypotheses that come from `rows` and have `length` log-probabilities."""
        ranks: Floats = scores / float(max(length, 1)) ** self.length_penalty
        if beam.coverage is None:
            return ranks
        is_real = self.source_mask[beam.owners[beam.places[rows]]]
        covered = np.where(is_real, beam.coverage[rows].clip(LEAST_COVERAGE, 1), 1)
        ranks += self.coverage_penalty * np.log(covered).sum(axis=1)
        return ranks

    def bounds(self, scores: Floats, lengths: Integers) -> Floats:
        """Return ranks that prefixes of these scores cannot surpass up to these lengths."""
        bounds: Floats = scores / (lengths.astype(np.float64) ** self.length_penalty)[:, None]
        return bounds


@dataclass(slots=True)
class _Pool:
    """What is known of the finished hypotheses of all B sources while searching."""

    best_ranks: Floats  # [B, n_best], best first; -inf where there is none yet
    counts: Integers  # [B]

    def add(self, owners: Integers, ranks: Floats) -> None:
        """Take in [A, C] ranks of the sources `owners` [A], -inf where nothing has finished."""
        ranks = np.concatenate([self.best_ranks[owners], ranks], axis=1)
        ranks = -np.sort(-ranks, axis=1)
        self.best_ranks[owners] = ranks[:, : self.best_ranks.shape[1]]

    def can_still_win(
        self,
        table: _Candidates,
        beam: _Beam,
        length: int,
        limits: Integers,
        ranking: _Ranking,
        beam_size: int,
    ) -> NDArray[np.bool_]:
        """Tell which continuations [A, C], now of `length` tokens, the search should follow."""
        is_full = self.counts[beam.owners] >= beam_size
        horizons = np.where(is_full, length, limits[beam.owners] + 1)
        bounds = ranking.bounds(table.totals, horizons)
        can_win: NDArray[np.bool_] = bounds > self.best_ranks[beam.owners, -1][:, None]
        return can_win


def _end(
    table: _Candidates, beam: _Beam, length: int, ranking: _Ranking, pool: _Pool, trace: Trace
) -> Integers:
    """Record the hypotheses that have finished and return their rows."""
    places, candidates = np.nonzero(table.is_ending)
    rows = table.rows[places, candidates]
    if not rows.size:
        return rows
    ranks = ranking.ranks(table.totals[places, candidates], length + 1, beam, rows)
    log_probs = table.log_probs[rows, table.columns[places, candidates]]
    trace.end(beam.owners[places], rows, log_probs, is_finished=True, ranks=ranks)
    pool.counts[beam.owners] += table.is_ending.sum(axis=1)
    new_ranks = np.full(table.totals.shape, -np.inf)
    new_ranks[places, candidates] = ranks
    pool.add(beam.owners, new_ranks)
    return rows


def _cut(
    table: _Candidates,
    ended: Integers,
    is_last: NDArray[np.bool_],
    beam: _Beam,
    length: int,
    ranking: _Ranking,
    trace: Trace,
) -> None:
    """Record as unfinished the other prefixes of sources at their length or without a way on."""
    is_cut = is_last | ~table.is_live.any(axis=1)
    if not is_cut.any():
        return
    is_row_cut = is_cut[beam.places]
    is_row_cut[ended] = False
    rows = np.flatnonzero(is_row_cut)
    ranks = ranking.ranks(beam.scores[rows], length, beam, rows)
    trace.end(beam.owners[beam.places[rows]], rows, is_finished=False, ranks=ranks)


def _go_on(
    table: _Candidates, is_kept: NDArray[np.bool_], step: Step, beam: _Beam
) -> tuple[Integers, Integers, _Beam]:
    """Return the parent row and the candidate column of every new prefix, and the new beam."""
    places, candidates = np.nonzero(is_kept)
    rows = table.rows[places, candidates]
    is_active = is_kept.any(axis=1)
    coverage = beam.coverage
    if coverage is not None and step.attention is not None:
        coverage = coverage[rows] + step.attention[rows]
    return (
        rows,
        table.columns[places, candidates],
        _Beam(
            owners=beam.owners[is_active],
            places=(is_active.cumsum() - 1)[places],
            slots=(is_kept.cumsum(axis=1) - 1)[places, candidates],
            scores=table.totals[places, candidates],
            coverage=coverage,
        ),
    )


def _is_identity(rows: Integers, num_rows: int) -> bool:
    return rows.size == num_rows and bool((rows == np.arange(num_rows)).all())
