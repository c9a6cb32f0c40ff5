"""The rules of queries: what every row may write next, and what it has to, over arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveate.errors import SearchError
from foveate.search.automaton import FREE, build_lattices, build_phrases
from foveate.search.chooser import Candidates, Chooser
from foveate.search.hypothesis import Integers
from foveate.search.query import Query
from foveate.search.sampling import draw_columns, draw_uniforms, list_settings
from foveate.search.stepper import Step, best
from foveate.text.vocabulary import EOS

Booleans = NDArray[np.bool_]


class Rules(Chooser):
    """Choose the candidates of every row by the rules of its query.

    What it remembers of the rows stands in arrays in their order, and is reordered with them.

    Args:
        queries: one for each beam.
        widths: [G] how many candidates each beam looks at, beside EOS: the rows that it may have.
        copies: [G] which sample of its source a beam is; 0 for all that do not draw.
    """

    def __init__(
        self, queries: Sequence[Query], widths: Sequence[int], copies: Sequence[int]
    ) -> None:
        super().__init__(widths)
        self._beams = np.arange(len(queries))  # [R] the beam of each row
        # candidates that a row needs: EOS may be one of them
        self._counts = np.array([width + 1 if width > 1 else 1 for width in widths])
        self._lattices, self._places = build_lattices(queries)
        self._phrases = build_phrases(queries)
        self._nodes = self._phrases.starts
        self._is_met = self._phrases.weights[self._beams] == 0
        self._spans = np.array([query.no_repeat for query in queries], np.int64)
        self._history = np.zeros((len(queries), 0), np.int64)
        self._targets = _pad_targets(queries)
        self._is_forced = np.array([query.target is not None for query in queries], np.bool_)
        self._settings, self._setting_of = list_settings([query.sampling for query in queries])
        self._uniforms = _draw_all(queries, copies)
        for number, sampling in enumerate(self._settings):
            self._counts[self._setting_of == number] = sampling.top_k
        self._has_phrases = bool((self._nodes != FREE).any())
        self._has_places = bool((self._places != FREE).any())
        self._has_spans = bool(self._spans.any())
        is_whole = self._is_forced | (self._nodes != FREE) | (self._spans > 0)
        self._is_whole = is_whole | (self._counts == 0)
        self._is_greedy = ~self._is_whole & (self._counts == 1) & (self._setting_of < 0)
        largest = max(self._lattices.largest_token, self._phrases.edges.largest_token)
        self._largest = max(largest, int(self._targets.max(initial=EOS)))

    @property
    def is_greedy(self) -> bool:
        """Whether every row is free and wants its most probable token, no more."""
        if self._has_places and self._places.any():
            return False
        return bool(self._is_greedy[self._beams].all())

    def count(self) -> int | None:
        """Return how many candidates to ask the stepper for; None: the whole vocabulary."""
        if self._has_places and self._places.any():
            return None
        if self._is_whole[self._beams].any():
            return None
        return int(self._counts[self._beams].max())

    def choose(self, step: Step, length: int, *, is_whole: bool) -> Candidates:
        """Return the candidates of every row, best first; -inf for what is none.

        A row that draws, or is forced, has what it writes in its first column; what stands behind
        means nothing.

        Args:
            step: what the stepper gave.
            length: number of tokens so far.
            is_whole: whether that is the whole vocabulary, in the order of its ids.
        """
        if not is_whole:
            if not self._settings:
                return step.ids, step.log_probs
            ids, log_probs = step.ids.copy(), step.log_probs.copy()
            self._draw(ids, log_probs, None, None, length)
            return ids, log_probs
        self._check_ids(step.log_probs.shape[1])
        allowed = self._allow(step.log_probs.shape)
        ids, log_probs = self._choose_best(step.log_probs, allowed)
        self._draw(ids, log_probs, (step.ids, step.log_probs), allowed, length)
        self._force(ids, log_probs, step.log_probs, length)
        return ids, log_probs

    def rank_banks(self, ids: Integers) -> Integers | None:
        """Return how many demanded tokens each candidate [R, k] has met; None: none demanded."""
        if not self._is_met.shape[1]:
            return None
        places = self._phrases.follow(np.broadcast_to(self._nodes[:, None], ids.shape), ids)
        is_met = self._is_met[:, None] | self._phrases.meets[places]
        weights = self._phrases.weights[self._beams][:, None]
        progress = np.where(is_met, 0, self._phrases.progress[places]).max(axis=2)
        banks: Integers = np.where(is_met, weights, 0).sum(axis=2) + progress
        return banks

    def follow(self, rows: Integers | None, tokens: Integers) -> None:
        """Make the rows of the next step: row i is row `rows[i]` of this one, and a token."""
        if rows is None:
            rows = np.arange(len(tokens))
        self._beams = self._beams[rows]
        if self._has_places:
            places = self._places[rows]
            self._places = self._lattices.follow(places, tokens, np.full_like(places, FREE))
        if self._has_phrases:
            self._nodes = self._phrases.follow(self._nodes[rows], tokens)
            self._is_met = self._is_met[rows] | self._phrases.meets[self._nodes]
        if self._has_spans:
            self._history = np.concatenate([self._history[rows], tokens[:, None]], axis=1)

    def keep(self, rows: Integers) -> None:
        """Keep some rows of those that wrote greedily."""
        self._beams = self._beams[rows]
        if self._has_places:
            self._places = self._places[rows]

    def find_forced(self, num_rows: int) -> Booleans:
        """Tell which of the first rows write what they are given, however bad it is."""
        return self._is_forced[self._beams[:num_rows]]

    def count_unmet(self, rows: Integers) -> Integers:
        """Return how many demands the prefixes of `rows` do not meet."""
        unmet = np.zeros(len(rows), np.int64)
        if self._has_phrases:
            unmet += (~self._is_met[rows]).sum(axis=1)
        if self._has_places:
            unmet += self._places[rows] != FREE
        return unmet

    def _check_ids(self, vocabulary_size: int) -> None:
        if self._largest >= vocabulary_size:
            raise SearchError(
                f"the query has the id {self._largest}, but the model knows only "
                f"{vocabulary_size} tokens: is it another model's vocabulary?"
            )

    def _allow(self, shape: tuple[int, ...]) -> Booleans | None:
        """Return which tokens [R, V] the rows may write; None: all but PAD, UNK and BOS."""
        if not (self._has_places or self._has_phrases or self._has_spans):
            return None
        allowed = np.ones(shape, np.bool_)
        allowed[:, :EOS] = False
        if self._has_spans:
            self._forbid_repeats(allowed)
        if self._has_places:
            bound = np.flatnonzero(self._places != FREE)
            rows, tokens, _ = self._lattices.list_from(self._places[bound])
            allowed[bound] = False
            allowed[bound[rows], tokens] = True
        if self._has_phrases:
            rows, tokens, targets = self._phrases.list_from(self._nodes)
            is_forbidden = self._phrases.is_forbidden[targets]
            allowed[rows[is_forbidden], tokens[is_forbidden]] = False
            allowed[~self._is_met.all(axis=1), EOS] = False
        return allowed

    def _forbid_repeats(self, allowed: Booleans) -> None:
        spans = self._spans[self._beams]
        length = self._history.shape[1]
        for span in np.unique(spans[(spans > 0) & (spans <= length)]).tolist():
            rows = np.flatnonzero(spans == span)
            history = self._history[rows]
            grams = np.lib.stride_tricks.sliding_window_view(history, span, axis=1)
            ends = history[:, length - span + 1 :]
            is_seen = (grams[:, :, :-1] == ends[:, None]).all(axis=2)
            which, where = np.nonzero(is_seen)
            allowed[rows[which], grams[which, where, -1]] = False

    def _demand(self, shape: tuple[int, ...]) -> Booleans | None:
        """Return which tokens [R, V] bring a demand of a row nearer; None: there are none."""
        if not self._is_met.shape[1]:
            return None
        rows, tokens, targets = self._phrases.list_from(self._nodes)
        is_wanted = (self._phrases.opens[targets] & ~self._is_met[rows]).any(axis=1)
        demanded = np.zeros(shape, np.bool_)
        demanded[rows[is_wanted], tokens[is_wanted]] = True
        return demanded

    def _choose_best(self, log_probs: NDArray[np.float32], allowed: Booleans | None) -> Candidates:
        k = int(np.where(self._is_forced, 0, self._counts)[self._beams].max())
        if k:
            return best(log_probs, k, allowed, self._demand(log_probs.shape))
        shape = (len(log_probs), 1)  # all rows are forced, or draw from the whole vocabulary
        return np.zeros(shape, np.int64), np.full(shape, -np.inf, np.float32)

    def _draw(
        self,
        ids: Integers,
        log_probs: NDArray[np.float32],
        whole: Candidates | None,
        allowed: Booleans | None,
        length: int,
    ) -> None:
        """Put what rows draw into their first column."""
        setting_of = self._setting_of[self._beams]
        for number, sampling in enumerate(self._settings):
            rows = np.flatnonzero(setting_of == number)
            if not rows.size:
                continue
            if sampling.top_k or whole is None:
                own_ids, own = ids[rows, : sampling.top_k], log_probs[rows, : sampling.top_k]
            else:
                own_ids, own = _list_all(whole, allowed, rows, is_sorted=sampling.top_p < 1)
            columns = draw_columns(own, self._uniforms[self._beams[rows], length], sampling)
            here = np.arange(len(rows))
            ids[rows, 0], log_probs[rows, 0] = own_ids[here, columns], own[here, columns]

    def _force(
        self,
        ids: Integers,
        log_probs: NDArray[np.float32],
        whole: NDArray[np.float32],
        length: int,
    ) -> None:
        """Put what rows have to write into their first column."""
        rows = np.flatnonzero(self._is_forced[self._beams])
        if rows.size:
            tokens = self._targets[self._beams[rows], length]
            ids[rows, 0], log_probs[rows, 0] = tokens, whole[rows, tokens]


def _list_all(
    whole: Candidates, allowed: Booleans | None, rows: Integers, *, is_sorted: bool
) -> Candidates:
    """Return all tokens and log-probabilities of `rows`, -inf for what may not be written."""
    ids, log_probs = whole
    if allowed is None:
        ids, log_probs = ids[:, EOS:], log_probs[:, EOS:]
    else:
        log_probs = np.where(allowed, log_probs, np.float32(-np.inf))
    if len(rows) < len(log_probs):
        ids, log_probs = ids[rows], log_probs[rows]
    if not is_sorted:
        return ids, log_probs
    order = np.argsort(-log_probs, axis=1, kind="stable")
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(log_probs, order, axis=1)


def _pad_targets(queries: Sequence[Query]) -> Integers:
    targets = [query.target or () for query in queries]
    padded = np.full((len(targets), max(map(len, targets), default=0) + 1), EOS, np.int64)
    for row, target in zip(padded, targets, strict=True):
        row[: len(target)] = target
    return padded


def _draw_all(queries: Sequence[Query], copies: Sequence[int]) -> NDArray[np.float64]:
    """Draw the numbers of all beams, [G, T + 1]; 0 for those that do not draw."""
    longest = max((query.max_length for query in queries if query.sampling), default=-1)
    uniforms = np.zeros((len(queries), longest + 1))
    drawn = np.zeros((0, 0))
    for row, query, copy in zip(uniforms, queries, copies, strict=True):
        if query.sampling:
            if copy == 0:  # the samples of one source stand side by side
                seed, length = query.sampling.seed, query.max_length
                drawn = draw_uniforms(seed, query.number, length, query.n_best)
            row[: query.max_length + 1] = drawn[copy]
    return uniforms
