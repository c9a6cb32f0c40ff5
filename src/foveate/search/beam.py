"""The K best prefixes of every beam, all beams at once.

Every array has one entry a row (R live prefixes), or one a beam with its candidates side by
side; no Python object stands for a prefix or for a candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foveate.ranking import rank_score
from foveate.search.chooser import Chooser
from foveate.search.hypothesis import Integers, Trace
from foveate.search.query import Query
from foveate.text.vocabulary import EOS

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


class Beams:
    """The live prefixes of all beams that are wider than one row.

    A hypothesis has finished when its EOS is among the best K candidates of its beam; the best K
    others go on. A prefix is dropped when no continuation of it can rank above the worst of
    `n_best` finished hypotheses, however long it gets. Once K hypotheses have finished, it is also
    dropped when it would not do so at its present length: otherwise a length penalty keeps the
    search alive for endless repetitions. With length penalty 0 the two are the same.

    Where tokens are demanded, candidates are in banks, by how many demanded tokens they have met.
    The order of "best" is then the best of each bank, the fullest bank first, then the second best
    of each, and so on: the places that a bank does not use go to the others.

    Args:
        numbers: the beams [A] that are searched, by number; each begins with one row.
        widths: [G] K of every beam.
        queries: what is wanted, for all G beams.
        chooser: knows the rules.
        trace: is told what ends.

    Reference:
        Post & Vilar 2018, Fast Lexically Constrained Decoding with Dynamic Beam Allocation,
        section 3; Hu et al. 2019, Improved Lexically Constrained Decoding, section 3.3.
    Differs:
        Banks take turns, instead of having shares that are made equal afterwards.
    """

    def __init__(
        self,
        numbers: Integers,
        widths: Sequence[int],
        queries: Sequence[Query],
        chooser: Chooser,
        trace: Trace,
    ) -> None:
        self._chooser, self._trace = chooser, trace
        most = max(queries[number].n_best for number in numbers.tolist())
        self._best_ranks = np.full((len(queries), most), -np.inf)
        self._num_finished = np.zeros(len(queries), np.int64)
        self._beam = _Rows(
            _Options(
                numbers,
                np.array([widths[number] for number in numbers.tolist()]),
                np.array([queries[number].n_best - 1 for number in numbers.tolist()]),
                np.array([queries[number].max_length for number in numbers.tolist()]),
                np.array([queries[number].length_penalty for number in numbers.tolist()]),
            ),
            np.arange(len(numbers)),
            np.zeros(len(numbers), np.int64),
            np.zeros(len(numbers)),
        )

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self._beam.scores)

    def advance(
        self,
        ids: Integers,
        log_probs: NDArray[np.float32],
        banks: Integers | None,
        length: int,
        offset: int,
    ) -> tuple[Integers, Integers, NDArray[np.float32]]:
        """Let hypotheses end, and return row, token and log-probability of the prefixes that go on.

        Args:
            ids: [R, k] candidates of every row.
            log_probs: [R, k], -inf for what is no candidate.
            banks: [R, k] the bank of each candidate; None: all are in one.
            length: number of tokens so far.
            offset: the place of the first row among all rows of the search.
        """
        table = _Candidates(ids, log_probs, banks, self._beam)
        is_last = self._beam.options.limits <= length
        ended = self._end(table, length, offset)
        self._cut(table, ended, is_last, length, offset)
        is_kept = table.is_live & ~is_last[:, None]
        if self._num_finished.any():
            is_kept &= self._can_still_win(table, length + 1)
        rows, columns, self._beam = _go_on(table, is_kept, self._beam)
        return rows + offset, ids[rows, columns], log_probs[rows, columns]

    def _end(self, table: _Candidates, length: int, offset: int) -> Integers:
        """Record the hypotheses that have finished and return their rows."""
        places, candidates = np.nonzero(table.is_ending)
        rows = table.rows[places, candidates]
        if not rows.size:
            return rows
        numbers, penalties = self._beam.options.numbers, self._beam.options.penalties
        owners = numbers[places]
        ranks = rank_score(table.totals[places, candidates], length + 1, penalties[places])
        log_probs = table.log_probs[rows, table.columns[places, candidates]]
        self._trace.end(owners, rows + offset, log_probs, is_finished=True, ranks=ranks)
        self._num_finished[numbers] += table.is_ending.sum(axis=1)
        new_ranks = np.full(table.totals.shape, -np.inf)
        new_ranks[places, candidates] = ranks
        all_ranks = np.concatenate([self._best_ranks[numbers], new_ranks], axis=1)
        all_ranks = -np.sort(-all_ranks, axis=1)
        self._best_ranks[numbers] = all_ranks[:, : self._best_ranks.shape[1]]
        return rows

    def _cut(
        self, table: _Candidates, ended: Integers, is_last: Booleans, length: int, offset: int
    ) -> None:
        """Record as unfinished the other prefixes of beams at their length or without a way on."""
        is_cut = is_last | ~table.is_live.any(axis=1)
        if not is_cut.any():
            return
        is_row_cut = is_cut[self._beam.places]
        is_row_cut[ended] = False
        rows = np.flatnonzero(is_row_cut)
        places = self._beam.places[rows]
        owners, penalties = self._beam.options.numbers[places], self._beam.options.penalties
        ranks = rank_score(self._beam.scores[rows], length, penalties[places])
        unmet = self._chooser.count_unmet(rows + offset)
        self._trace.end(owners, rows + offset, is_finished=False, ranks=ranks, num_unmet=unmet)

    def _can_still_win(self, table: _Candidates, length: int) -> Booleans:
        """Tell which continuations [A, C], now of `length` tokens, the search should follow."""
        options = self._beam.options
        is_full = self._num_finished[options.numbers] >= options.widths
        horizons = np.where(is_full, length, options.limits + 1)[:, None]
        bounds = rank_score(table.totals, horizons, options.penalties[:, None])
        worst = self._best_ranks[options.numbers, options.last_places]
        can_win: Booleans = bounds > worst[:, None]
        return can_win


@dataclass(slots=True)
class _Options:
    """What is wanted of A active beams."""

    numbers: Integers  # [A] the number of the beam
    widths: Integers  # [A] K
    last_places: Integers  # [A] n_best - 1
    limits: Integers  # [A] greatest number of tokens
    penalties: Floats  # [A]
    widest: int = field(init=False)
    is_even: bool = field(init=False)  # whether all are that wide

    def __post_init__(self) -> None:
        """Find the greatest width once, not at every step."""
        self.widest = int(self.widths.max(initial=0))
        self.is_even = bool((self.widths == self.widest).all())

    def take(self, is_active: Booleans) -> _Options:
        """Return those of some beams."""
        if is_active.all():
            return self
        return _Options(
            self.numbers[is_active],
            self.widths[is_active],
            self.last_places[is_active],
            self.limits[is_active],
            self.penalties[is_active],
        )


@dataclass(slots=True)
class _Rows:
    """The R live prefixes of A active beams."""

    options: _Options
    places: Integers  # [R] which of the A a prefix belongs to
    slots: Integers  # [R] its place among the prefixes of its beam, best first
    scores: Floats  # [R]


class _Candidates:
    """The best 2K continuations of every active beam, best first, as arrays [A, C].

    There is at most one EOS for each of at most K prefixes, so K others are among the 2K.
    """

    def __init__(
        self,
        ids: Integers,
        log_probs: NDArray[np.float32],
        banks: Integers | None,
        beam: _Rows,
    ) -> None:
        num_beams = len(beam.options.numbers)
        width = int(beam.slots.max()) + 1
        num_columns = ids.shape[1]
        cells = beam.places * width + beam.slots
        totals = np.full((num_beams * width, num_columns), -np.inf)
        totals[cells] = beam.scores[:, None] + log_probs
        is_end = np.zeros(totals.shape, np.bool_)
        is_end[cells] = ids == EOS
        rows = np.zeros(len(totals), np.int64)
        rows[cells] = np.arange(len(cells))
        totals = totals.reshape(num_beams, -1)
        order = np.argsort(-totals, axis=1, kind="stable")
        here = np.arange(num_beams)[:, None]
        if banks is not None:
            spread = np.zeros(is_end.shape, np.int64)
            spread[cells] = banks
            order = order[
                here, _take_turns(totals[here, order], spread.reshape(totals.shape)[here, order])
            ]
        own, widest = beam.options.widths, beam.options.widest
        order = order[:, : 2 * widest]
        self.totals: Floats = totals[here, order]
        self.rows: Integers = rows[here * width + order // num_columns]
        self.columns: Integers = order % num_columns
        is_end = is_end.reshape(totals.shape)[here, order]
        is_possible = self.totals > -np.inf
        self.is_ending: Booleans = is_end & is_possible
        self.is_ending[:, widest:] = False
        others = ~is_end & is_possible
        self.is_live: Booleans = others & (others.cumsum(axis=1) <= own[:, None])
        if not beam.options.is_even:
            self.is_ending &= np.arange(order.shape[1]) < own[:, None]
        self.log_probs = log_probs


def _take_turns(totals: Floats, banks: Integers) -> Integers:
    """Return the order in which banks take turns, the fullest first, from candidates best first."""
    turns = np.zeros(banks.shape, np.int64)
    for bank in np.unique(banks).tolist():
        is_own = banks == bank
        turns += np.where(is_own, is_own.cumsum(axis=1), 0)
    keys = turns * (int(banks.max()) + 1) - banks
    keys[totals == -np.inf] = np.iinfo(np.int64).max
    order: Integers = np.argsort(keys, axis=1, kind="stable")
    return order


def _go_on(table: _Candidates, is_kept: Booleans, beam: _Rows) -> tuple[Integers, Integers, _Rows]:
    """Return the parent row and the candidate column of every new prefix, and the new rows."""
    places, candidates = np.nonzero(is_kept)
    is_active: Booleans = np.asarray(is_kept.any(axis=1))
    following = _Rows(
        options=beam.options.take(is_active),
        places=(is_active.cumsum() - 1)[places],
        slots=(is_kept.cumsum(axis=1) - 1)[places, candidates],
        scores=table.totals[places, candidates],
    )
    return table.rows[places, candidates], table.columns[places, candidates], following
