"""The prefixes that a search held, as a tree. Kept only for queries that ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.search.hypothesis import Hypothesis, Integers, Node, Trace
from foveate.search.query import Query
from foveate.text.vocabulary import BOS, EOS


class _Tree:
    """The nodes of one source; samples that begin alike share them."""

    def __init__(self) -> None:
        self.nodes = [Node(-1, BOS, 0.0, 0.0)]
        self._places: dict[tuple[int, int], int] = {}

    def add(self, parent: int, token: int, log_prob: float, *, is_finished: bool = False) -> int:
        """Return the place of a node; it is made unless it is there."""
        place = self._places.setdefault((parent, token), len(self.nodes))
        score = self.nodes[parent].score + log_prob
        node = Node(parent, token, log_prob, score, is_finished)
        if place == len(self.nodes):
            self.nodes.append(node)
        elif is_finished:
            self.nodes[place] = node
        return place

    def has(self, parent: int, token: int) -> bool:
        """Say whether a node is there."""
        return (parent, token) in self._places


class TreeTrace(Trace):
    """A trace that also grows a tree for every source whose query asks for one.

    Beside what went on or ended, a step adds the best candidates that did neither, at most as many
    as the beam is wide. Samples have none of those.

    Args:
        source_lengths: number of real source tokens of every beam.
        queries: of every beam.
        sources: the source of each beam; None: each has one, in their order.
    """

    def __init__(
        self, source_lengths: Integers, queries: Sequence[Query], sources: Integers | None
    ) -> None:
        super().__init__(source_lengths)
        self._queries = queries
        self._source_of = list(range(len(queries))) if sources is None else sources.tolist()
        self._trees = {
            source: _Tree()
            for source, query in zip(self._source_of, queries, strict=True)
            if query.tree
        }
        # of each row: its beam, and the place of its prefix in the tree of its source
        self._rows = [(beam, 0) for beam in range(len(queries))]
        self._missed: list[list[tuple[int, int, float]]] = [[] for _ in queries]

    def consider(self, ids: Integers, log_probs: NDArray[np.float32], length: int) -> None:
        """Take note of the candidates [R, k] of the present rows, each of `length` tokens."""
        self._missed = [[] for _ in self._queries]
        for row, (beam, place) in enumerate(self._rows):
            query = self._queries[beam]
            if query.tree and query.sampling is None:
                own = slice(query.num_considered + 1)  # a wider beam of the batch gets more
                pairs = zip(ids[row, own].tolist(), log_probs[row, own].tolist(), strict=True)
                self._missed[beam] += [
                    (place, token, log_prob)
                    for token, log_prob in pairs
                    if log_prob > -np.inf and (token == EOS or length < query.max_length)
                ]

    def extend(
        self,
        parents: Integers | None,
        tokens: Integers,
        log_probs: NDArray[np.float32],
        attention: NDArray[np.float32] | None,
    ) -> None:
        """Make new rows: row i is row `parents[i]` of the present ones, and n tokens more."""
        super().extend(parents, tokens, log_probs, attention)
        self._take(parents)
        for new_tokens, numbers in zip(tokens.tolist(), log_probs.tolist(), strict=True):
            self._rows = [
                (beam, self._add(beam, place, token, number))
                for (beam, place), token, number in zip(
                    self._rows, new_tokens, numbers, strict=True
                )
            ]
        self._add_missed()

    def keep(self, rows: Integers) -> None:
        """Drop all present rows but these."""
        super().keep(rows)
        self._take(rows)

    def end(
        self,
        owners: Integers,
        rows: Integers,
        log_probs: NDArray[np.float32] | float = 0.0,
        *,
        is_finished: NDArray[np.bool_] | bool,
        **rest: Any,
    ) -> None:
        """Let present rows end, with EOS (`is_finished`) or for want of room."""
        super().end(owners, rows, log_probs, is_finished=is_finished, **rest)
        numbers = np.broadcast_to(log_probs, rows.shape).tolist()
        finished = np.broadcast_to(is_finished, rows.shape).tolist()
        for row, number, has_ended in zip(rows.tolist(), numbers, finished, strict=True):
            if has_ended:
                beam, place = self._rows[row]
                self._add(beam, place, EOS, number, is_finished=True)

    def attach(self, results: Sequence[Sequence[Hypothesis]]) -> None:
        """Give each tree to the first hypothesis of its source."""
        for source, tree in self._trees.items():
            results[source][0].tree = tree.nodes

    def _take(self, rows: Integers | None) -> None:
        if rows is not None:
            self._rows = [self._rows[row] for row in rows.tolist()]

    def _add(
        self, beam: int, place: int, token: int, log_prob: float, *, is_finished: bool = False
    ) -> int:
        """Return the place of a prefix that is one token longer; 0 where no tree is wanted."""
        if not self._queries[beam].tree:
            return 0
        tree = self._trees[self._source_of[beam]]
        return tree.add(place, token, log_prob, is_finished=is_finished)

    def _add_missed(self) -> None:
        """Add the best candidates of every beam that did neither go on nor end."""
        for beam, candidates in enumerate(self._missed):
            if not candidates:
                continue
            tree = self._trees[self._source_of[beam]]
            missed = [one for one in candidates if not tree.has(one[0], one[1])]
            missed.sort(key=lambda one: -(tree.nodes[one[0]].score + one[2]))
            for place, token, log_prob in missed[: self._queries[beam].width]:
                tree.add(place, token, log_prob)
        self._missed = [[] for _ in self._queries]
