"""Tables by which rows remember where they are in a prefix and in the phrases of their queries.

A place in a table is a number, so the places of all rows are one array. The tables of all queries
of a batch stand in one another's continuation; place 0 is that of a query which asks for nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foveate.search.hypothesis import Integers
from foveate.search.query import Query, Tokens

FREE = 0
SHIFT = 32  # an edge is found by one number: the place above these bits, the token below


class Edges:
    """Which tokens lead from which place to which, for N places.

    Args:
        table: for every place its tokens, and the place that each leads to.
    """

    def __init__(self, table: Sequence[Mapping[int, int]]) -> None:
        counts = np.array([len(edges) for edges in table], np.int64)
        places = np.arange(len(table)).repeat(counts)
        self._tokens = _to_array(token for edges in table for token in edges)
        self._targets = _to_array(target for edges in table for target in edges.values())
        order = np.lexsort((self._tokens, places))
        self._tokens, self._targets = self._tokens[order], self._targets[order]
        self._keys = (places[order] << SHIFT) | self._tokens
        self._ends = counts.cumsum()
        self._counts = counts
        self.largest_token = int(self._tokens.max(initial=-1))

    def follow(self, places: Integers, tokens: Integers, otherwise: Integers) -> Integers:
        """Return where `tokens` lead from `places`, or `otherwise` where there is no edge."""
        if not self._keys.size:
            return otherwise
        keys = (places << SHIFT) | tokens
        found = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        targets: Integers = np.where(self._keys[found] == keys, self._targets[found], otherwise)
        return targets

    def list_from(self, places: Integers) -> tuple[Integers, Integers, Integers]:
        """Return all edges from `places` [R]: the row of each, its token, and its target."""
        counts = self._counts[places]
        rows = np.arange(len(places)).repeat(counts)
        within = np.arange(len(rows)) - (counts.cumsum() - counts).repeat(counts)
        edges = (self._ends[places] - counts).repeat(counts) + within
        return rows, self._tokens[edges], self._targets[edges]


def _to_array(numbers: Iterable[int]) -> Integers:
    return np.fromiter(numbers, np.int64)


def build_lattices(queries: Sequence[Query]) -> tuple[Edges, Integers]:
    """Return the edges of `prefix` and `begins` of all queries, and where each query starts.

    From a place that is not `FREE` only its edges may be taken.
    """
    table: list[Mapping[int, int]] = [{}]
    starts = []
    for query in queries:
        if not query.prefix and not query.begins:
            starts.append(FREE)
            continue
        first, last = len(table), len(query.prefix) + len(query.begins)
        starts.append(first)
        own = [{token: place + 1} for place, token in enumerate(query.prefix)]
        own += [
            {token: len(query.prefix) + place for token, place in edges.items()}
            for edges in query.begins
        ]
        table += [
            {token: FREE if place == last else first + place for token, place in edges.items()}
            for edges in own
        ]
    return Edges(table), np.array(starts, np.int64)


@dataclass(slots=True)
class Phrases:
    """The sequences of `must` and `must_not` of Q queries, as one table of N places.

    The place of a row is the longest end of its output with which a sequence begins. Items are
    the demands of a query, at most I; those that a query has not are met from the start.

    Attributes:
        edges: edges that do not lead back to the query's first place or to one right after it.
        roots: [N] the first place of the query that a place belongs to.
        is_forbidden: [N] whether a sequence of `must_not` ends here.
        meets: [N, I] which items are met by coming here.
        opens: [N, I] the items of which an alternative has begun, or ends, here.
        progress: [N, I] tokens that an item which has begun counts already.
        starts: [Q] where each query starts.
        weights: [Q, I] tokens that an item counts when it is met: its shortest alternative.

    Reference:
        Aho & Corasick 1975, Efficient string matching, sections 2 and 3.
    """

    edges: Edges
    roots: Integers
    is_forbidden: NDArray[np.bool_]
    meets: NDArray[np.bool_]
    opens: NDArray[np.bool_]
    progress: Integers
    starts: Integers
    weights: Integers

    def follow(self, places: Integers, tokens: Integers) -> Integers:
        """Return where `tokens` lead from `places`."""
        roots = self.roots[places]
        return self.edges.follow(places, tokens, self.edges.follow(roots, tokens, roots))

    def list_from(self, places: Integers) -> tuple[Integers, Integers, Integers]:
        """Return all edges from `places` and from their roots; a token may come twice."""
        own, roots = self.edges.list_from(places), self.edges.list_from(self.roots[places])
        rows, tokens, targets = (np.concatenate(parts) for parts in zip(own, roots, strict=True))
        return rows, tokens, targets


def build_phrases(queries: Sequence[Query]) -> Phrases:
    """Return the table of all queries."""
    most = max((len(query.must) for query in queries), default=0)
    builder = _Builder(most)
    starts = [builder.add(query) for query in queries]
    weights = np.zeros((len(queries), most), np.int64)
    for number, query in enumerate(queries):
        weights[number, : len(query.must)] = [min(map(len, item)) for item in query.must]
    shape = (len(builder.nodes), most)
    return Phrases(
        Edges([node.edges for node in builder.nodes]),
        _to_array(node.root for node in builder.nodes),
        np.array([node.is_forbidden for node in builder.nodes]),
        np.array([node.meets for node in builder.nodes], np.bool_).reshape(shape),
        np.array([node.opens for node in builder.nodes], np.bool_).reshape(shape),
        np.array([node.progress for node in builder.nodes], np.int64).reshape(shape),
        np.array(starts, np.int64),
        weights,
    )


@dataclass(slots=True)
class _Node:
    root: int
    meets: list[bool]
    opens: list[bool]
    progress: list[int]
    is_forbidden: bool = False
    edges: dict[int, int] = field(default_factory=dict)


class _Builder:
    """Sequences as trees, one tree a query, with the edges that Aho and Corasick add."""

    def __init__(self, num_items: int) -> None:
        self.num_items = num_items
        self.nodes = [self._build_node(FREE)]

    def _build_node(self, root: int) -> _Node:
        size = self.num_items
        return _Node(root, [False] * size, [False] * size, [0] * size)

    def add(self, query: Query) -> int:
        """Add the sequences of a query and return its first place."""
        if not query.must and not query.must_not:
            return FREE
        root = len(self.nodes)
        self.nodes.append(self._build_node(root))
        for sequence in query.must_not:
            self._add_path(root, sequence)[-1].is_forbidden = True
        for item, alternatives in enumerate(query.must):
            weight = min(map(len, alternatives))
            for sequence in alternatives:
                path = self._add_path(root, sequence)
                path[-1].meets[item] = True
                for depth, node in enumerate(path, start=1):
                    node.opens[item] = True
                    node.progress[item] = max(node.progress[item], min(depth, weight - 1))
        self._add_fallbacks(root)
        return root

    def _add_path(self, root: int, sequence: Tokens) -> list[_Node]:
        path, node = [], self.nodes[root]
        for token in sequence:
            if token not in node.edges:
                node.edges[token] = len(self.nodes)
                self.nodes.append(self._build_node(root))
            node = self.nodes[node.edges[token]]
            path.append(node)
        return path

    def _add_fallbacks(self, root: int) -> None:
        """Give every node what holds for its longest proper end that is a node, too."""
        first = self.nodes[root].edges
        waiting = deque((place, root) for place in first.values())
        while waiting:
            place, fallback = waiting.popleft()
            node, other = self.nodes[place], self.nodes[fallback]
            waiting.extend(
                (child, other.edges.get(token, first.get(token, root)))
                for token, child in node.edges.items()
            )
            if fallback == root:
                continue
            node.is_forbidden |= other.is_forbidden
            node.meets = [a or b for a, b in zip(node.meets, other.meets, strict=True)]
            node.opens = [a or b for a, b in zip(node.opens, other.opens, strict=True)]
            node.progress = list(map(max, node.progress, other.progress))
            node.edges = {**other.edges, **node.edges}
