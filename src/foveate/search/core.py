"""The search: one loop over a `Stepper` and a `Chooser`, for every way of decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from foveate.errors import SearchError
from foveate.search.beam import Beams
from foveate.search.chooser import Chooser
from foveate.search.hypothesis import Hypothesis, Integers, Trace, find_lowest
from foveate.search.query import Query
from foveate.search.stepper import State, Stepper, Writer, Written
from foveate.search.tree import TreeTrace
from foveate.text.vocabulary import BOS, EOS

# row, token and log-probability of what goes on; no rows: all of them
Following = tuple[Integers | None, Integers, NDArray[np.float32]]
STRIDE = 4  # tokens that a `Writer` writes before rows that have ended are dropped


def search(
    stepper: Stepper,
    source: Integers,
    source_mask: NDArray[np.bool_],
    queries: Sequence[Query],
    *,
    attention: bool = True,
) -> list[list[Hypothesis]]:
    """Return what each query asks for of its source, best first.

    Finished hypotheses come first, by `rank_score`; what was cut off at its greatest length comes
    after them. There is always at least one. Samples come in the order in which they are drawn.

    Args:
        stepper: the model.
        source: [B, S] ids, padded on the right; every row has a token.
        source_mask: [B, S], True where a real token stands.
        queries: one for each source; they may differ in everything, and each gives exactly what
            it gives alone.
        attention: whether the hypotheses get attention weights.

    Raises:
        SearchError: shapes or numbers do not go together, an id is not in the model's
            vocabulary, or the model gives no numbers.
    """
    lengths = _check_source(source, source_mask, queries)
    if not queries:
        return []
    plan = plan_search(queries)
    state = stepper.start(source, source_mask, attention=attention)
    if plan.sources is not None:
        lengths = lengths[plan.sources]
        if not _is_identity(plan.sources, len(queries)):
            state = stepper.reorder(state, plan.sources)
    has_tree = any(query.tree for query in queries)
    trace = TreeTrace(lengths, plan.queries, plan.sources) if has_tree else Trace(lengths)
    Search(stepper, state, plan, trace).run()
    results = found = trace.hypotheses(np.array(plan.num_found))
    if plan.sources is not None:
        results = [[] for _ in queries]
        for source_number, own in zip(plan.sources.tolist(), found, strict=True):
            results[source_number] += own
    if isinstance(trace, TreeTrace):
        trace.attach(results)
    return results


@dataclass(slots=True)
class Plan:
    """The G beams of a search: those of one row (greedy, forced, each sample) before the others."""

    queries: Sequence[Query]  # [G]
    sources: Integers | None  # [G] the source of each beam; None: each has one, in their order
    chooser: Chooser
    widths: list[int]  # [G] rows that it may have
    limits: list[int]  # [G] greatest number of tokens
    num_found: list[int]  # [G] hypotheses to return
    num_singles: int


def plan_search(queries: Sequence[Query]) -> Plan:
    """Return the beams of a search, and what is wanted of each."""
    distinct = {id(query): query for query in queries}.values()  # many texts may share one
    if any(query.has_rules for query in distinct):
        return _plan_beams(queries)
    widths = [query.beam_size for query in queries]
    num_singles = widths.count(1)
    if 0 < num_singles < len(widths):
        return _plan_beams(queries)
    limits = [query.max_length for query in queries]
    num_found = [query.num_found or query.n_best for query in queries]
    chooser = Chooser([query.num_considered for query in distinct])
    return Plan(queries, None, chooser, widths, limits, num_found, num_singles)


def _plan_beams(queries: Sequence[Query]) -> Plan:
    beams = [
        (query.width, place, copy)
        for place, query in enumerate(queries)
        for copy in range(query.num_beams)
    ]
    beams.sort(key=lambda beam: beam[0] > 1)
    widths = [width for width, _, _ in beams]
    own = [_strip(queries[place]) for _, place, _ in beams]
    considered = [query.num_considered for query in own]
    copies = [copy for _, _, copy in beams]
    return Plan(
        own,
        np.array([place for _, place, _ in beams]),
        _build_chooser(own, considered, copies),
        widths,
        [0 if query.target == () else query.max_length for query in own],
        [query.num_found or query.n_best for query in own],
        widths.count(1),
    )


def _build_chooser(queries: Sequence[Query], widths: list[int], copies: list[int]) -> Chooser:
    if not any(query.has_rules for query in queries):
        return Chooser(widths)
    from foveate.search.rules import Rules  # most searches have none

    return Rules(queries, widths, copies)


def _strip(query: Query) -> Query:
    """Leave out of a query what does not matter for it."""
    if query.target is None:
        return query
    return Query(max(1, len(query.target)), target=query.target)


class Search:
    """The rows of a search: first those of beams of one row, then those of wider beams."""

    def __init__(self, stepper: Stepper, state: State, plan: Plan, trace: Trace) -> None:
        self.trace = trace
        self._stepper, self._state, self._chooser = stepper, state, plan.chooser
        self._limits = np.array(plan.limits)
        self._singles = np.arange(plan.num_singles)  # the beams of the first rows
        self._least_limit = min(plan.limits)
        self._beams: Beams | None = None
        if plan.num_singles < len(plan.queries):
            wide = np.arange(plan.num_singles, len(plan.queries))
            self._beams = Beams(wide, plan.widths, plan.queries, plan.chooser, trace)
        self._tokens = np.full(len(plan.queries), BOS, np.int64)
        self._length = 0

    def run(self) -> None:
        """Step until no row is left."""
        can = self._stepper.capabilities
        while self._tokens.size:
            if can.can_write and self._chooser.is_greedy:
                self._write()
            else:
                self._step(can_choose=can.can_choose)

    def advance(self) -> bool:
        """Write one token, and say whether a row is left."""
        self._step(can_choose=self._stepper.capabilities.can_choose)
        return bool(self._tokens.size)

    def _step(self, *, can_choose: bool) -> None:
        """Write one token: ask the model, let the chooser choose, and let rows end or go on."""
        k = self._chooser.count() if can_choose else None
        step = self._stepper.step(self._state, self._tokens, k)
        find_lowest(step.log_probs[:, 0])
        ids, log_probs = self._chooser.choose(step, self._length, is_whole=k is None)
        self.trace.consider(ids, log_probs, self._length)
        rows, tokens, chosen = self._advance(ids, log_probs)
        looks = None if step.attention is None else step.attention[None]
        self.trace.extend(rows, tokens[None], chosen[None], looks)
        self._chooser.follow(rows, tokens)
        self._state, self._tokens = step.state, tokens
        if rows is not None and rows.size and not _is_identity(rows, len(ids)):
            self._state = self._stepper.reorder(self._state, rows)
        self._length += 1

    def _advance(self, ids: Integers, log_probs: NDArray[np.float32]) -> Following:
        """Return row, token and log-probability of the prefixes that go on."""
        count = self._singles.size
        if self._beams is None:
            return self._advance_singles(ids[:, 0], log_probs[:, 0])
        banks = self._chooser.rank_banks(ids)
        banks = None if banks is None else banks[count:]
        wide = self._beams.advance(ids[count:], log_probs[count:], banks, self._length, count)
        if not self._beams.size:
            self._beams = None
        if not count:
            return wide
        rows, tokens, chosen = self._advance_singles(ids[:count, 0], log_probs[:count, 0])
        return (
            np.concatenate([np.arange(count) if rows is None else rows, wide[0]]),
            np.concatenate([tokens, wide[1]]),
            np.concatenate([chosen, wide[2]]),
        )

    def _advance_singles(self, tokens: Integers, log_probs: NDArray[np.float32]) -> Following:
        """Let those end that wrote EOS, have no room, or have no way on."""
        is_over = is_end = tokens == EOS
        if float(log_probs.min()) == -np.inf:  # no way on
            is_dead = (log_probs == -np.inf) & ~self._chooser.find_forced(len(tokens))
            is_over, is_end = is_end | is_dead, is_end & ~is_dead
        if self._length >= self._least_limit:
            is_over = is_over | (self._limits[self._singles] <= self._length)
        if not is_over.any():
            return None, tokens, log_probs
        over = np.flatnonzero(is_over)
        has_ended = is_end[over]
        self.trace.end(
            self._singles[over],
            over,
            np.where(has_ended, log_probs[over], 0.0),
            is_finished=has_ended,
            num_unmet=np.where(has_ended, 0, self._chooser.count_unmet(over)),
        )
        rows = np.flatnonzero(~is_over)
        self._keep_singles(rows)
        return rows, tokens[rows], log_probs[rows]

    def _keep_singles(self, rows: Integers) -> None:
        self._singles = self._singles[rows]
        if rows.size:
            self._least_limit = int(self._limits[self._singles].min())

    def _write(self) -> None:
        """Let the model write several tokens of rows that want no more than the most probable."""
        room = self._limits[self._singles] - self._length
        num_rows = room.size
        steps = int(room.max()) + 1
        steps = steps if num_rows == 1 else min(steps, STRIDE)
        written = cast(Writer, self._stepper).write(self._state, self._tokens, steps)
        is_over = written.ids == EOS
        if find_lowest(written.log_probs) == -np.inf:  # no way on
            is_over |= written.log_probs == -np.inf
        self.trace.extend(None, written.ids, written.log_probs, written.attention)
        num_written = len(written.ids)
        ends = np.where(is_over.any(axis=0), is_over.argmax(axis=0), num_written)
        ends = np.minimum(ends, room)
        over = np.flatnonzero(ends < num_written)
        if over.size:
            self._end_written(over, ends[over], written)
        self._length += num_written
        self._state, self._tokens = written.state, written.ids[-1]
        if over.size == num_rows:
            self._tokens = self._tokens[:0]
        elif over.size:
            kept = np.flatnonzero(ends == num_written)
            self._tokens = self._tokens[kept]
            self._keep_singles(kept)
            self.trace.keep(kept)
            self._chooser.keep(kept)
            self._state = self._stepper.reorder(self._state, kept)

    def _end_written(self, rows: Integers, ends: Integers, written: Written) -> None:
        """Let rows end at EOS, where they have no room, or where they have no way on."""
        log_probs = written.log_probs[ends, rows]
        has_ended = (written.ids[ends, rows] == EOS) & (log_probs > -np.inf)
        self.trace.end(
            self._singles[rows],
            rows,
            np.where(has_ended, log_probs, 0.0),
            is_finished=has_ended,
            steps=self._length + ends,
        )


def _check_source(
    source: Integers, source_mask: NDArray[np.bool_], queries: Sequence[Query]
) -> Integers:
    """Return the number of real tokens of every source row."""
    if source.ndim != 2 or source.shape != source_mask.shape:
        raise SearchError(
            f"source {source.shape} and source_mask {source_mask.shape}: both must be [B, S]"
        )
    if len(queries) != len(source):
        raise SearchError(f"{len(queries)} queries for {len(source)} sources: give one for each")
    lengths: Integers = source_mask.sum(axis=1, dtype=np.int64)
    if not lengths.all():
        raise SearchError(f"source row {lengths.argmin()} has no tokens: leave empty sources out")
    return lengths


def _is_identity(rows: Integers, num_rows: int) -> bool:
    return rows.size == num_rows and bool((rows == np.arange(num_rows)).all())
