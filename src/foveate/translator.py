"""`Translator`: requests in, `Translation`s out, in order, with constant memory.

It puts codec, stepper and search together. Which backend steps is decided in `load` alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, TypeVar, Unpack

import numpy as np

from foveate.backends import Backend, build_stepper, check_backend
from foveate.bundle import Bundle, Summary, load_bundle, save_bundle
from foveate.bundle_files import make_room
from foveate.data.batching import collate_sources
from foveate.errors import ConfigError, ModelMismatchError, SearchError
from foveate.outputs import Partial, order_outputs, put_first, replay
from foveate.ranking import rank_score
from foveate.records import Request, Translation
from foveate.runtime import LENGTH_EXTRA
from foveate.search import Hypothesis, Query, Stepper, run_all, search
from foveate.search.coalescing import Coalescer
from foveate.search.workers import BATCH_TOKENS, LEAST_WORK, cut_batches, granted_threads
from foveate.text.cleaning import clean_source, fold_case, known_letters
from foveate.text.codec import Codec
from foveate.text.stand_ins import put_in
from foveate.text.steering import Steering
from foveate.text.vocabulary import UNK
from foveate.text.word_list import WordList
from foveate.wishes import Wishes, complete_wishes, count_rows

Item = TypeVar("Item")
WINDOW = 2000  # texts that are sorted by length together
TIMES_LONGER = 4  # than the longest source in training: a longer one is cut
LEAST_LIMIT = 100  # tokens that every source may have
USUAL_LIMIT = 500  # where nobody counted the tokens of the longest source in training
MOST_SEARCHES = 50  # of one source, until no way to write what it must not is left


@dataclass(slots=True)
class _Job:
    """A request on its way: its source as ids, and what the search has to do."""

    source: str
    ids: list[int]
    num_cut: int
    attention: bool
    query: Query
    must_not: tuple[str, ...] = ()
    unknown: tuple[int, ...] = ()
    restored: Mapping[str, str] | None = None  # a stand-in, and for what it stands


class Translator:
    """A trained model, ready to use. Any number of threads may use it at the same time.

    Args:
        bundle: the model as values.
        stepper: what steps it.
        threads: processor threads that one call may use; 0 means as many as there are cores.
        max_source: most tokens of a source; a longer one is cut, and its translation says by how
            much (`num_cut`). None means four times the longest source of the training pairs.
    """

    def __init__(
        self, bundle: Bundle, stepper: Stepper, *, threads: int = 0, max_source: int | None = None
    ) -> None:
        if threads < 0 or (max_source is not None and max_source < 1):
            raise ConfigError(
                f"threads must be 0 or more and max_source 1 or more, not {threads}, {max_source}"
            )
        self.bundle = bundle
        self.stepper = stepper
        self.threads = threads or granted_threads()
        self.max_source = max_source or _limit_source(bundle)
        self._known = known_letters(bundle.source_codec)
        self._case = bundle.text.source_case
        ids = bundle.source_codec.vocabulary.ids(bundle.decoding.stand_ins)
        self._stand_ins = list(zip(bundle.decoding.stand_ins, ids, strict=True))
        self._steering = Steering(bundle.target_codec)
        self._search_together = Coalescer(self._search, _may_join)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled, or deeply copied: a model does not travel in a pickle.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "a Translator cannot be pickled or copied: give the model's folder to the other "
            "process and load it there (see foveate.engines.Translate), or share it with threads"
        )

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        backend: Backend = "auto",
        threads: int = 0,
        max_source: int | None = None,
        trust_code: bool = False,
    ) -> Translator:
        """Load a bundle.

        Args:
            path: the model's folder.
            backend: what computes; `auto` is ONNX Runtime for an exported model, else PyTorch.
            threads: processor threads; 0 means as many as there are cores.
            max_source: most tokens of a source, see `Translator`.
            trust_code: the attention of somebody's own that the model names may be imported.

        Raises:
            BundleError: the bundle is missing or damaged.
            ConfigError: an argument is not one of the values above, or what is trusted cannot be
                imported.
            ModelMismatchError: the bundle does not hold what the backend needs, or needs code that
                is not trusted.
            MissingExtraError: what computes is not installed.
        """
        check_backend(backend)
        return cls.from_bundle(
            load_bundle(path),
            backend=backend,
            threads=threads,
            max_source=max_source,
            trust_code=trust_code,
            origin=str(path),
        )

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle,
        *,
        backend: Backend = "auto",
        threads: int = 0,
        max_source: int | None = None,
        trust_code: bool = False,
        origin: str = "model",
    ) -> Translator:
        """Make a translator from a bundle in memory; arguments and errors are those of `load`."""
        stepper = build_stepper(bundle, backend, trust_code=trust_code, origin=origin)
        return cls(bundle, stepper, threads=threads, max_source=max_source)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the model as a bundle.

        Args:
            path: a new folder, or that of this model.
            overwrite: another model may be there, which goes with all that belongs to it.

        Raises:
            BundleError: the path is taken or cannot be written.
        """
        with make_room(Path(path), self.bundle.id, overwrite):
            save_bundle(self.bundle, path, keep_card=not overwrite)

    @property
    def source_codec(self) -> Codec:
        """Text to ids of the source side."""
        return self.bundle.source_codec

    @property
    def target_codec(self) -> Codec:
        """Text to ids of the target side."""
        return self.bundle.target_codec

    @property
    def summary(self) -> Summary:
        """What training did."""
        return self.bundle.summary

    @property
    def has_attention(self) -> bool:
        """Say whether there is something to look at."""
        return self.stepper.capabilities.has_attention

    def translate(
        self,
        requests: Iterable[str | Request],
        *,
        batch_tokens: int = BATCH_TOKENS,
        start: int = 0,
        **wishes: Unpack[Wishes],
    ) -> Iterator[Translation]:
        """Translate texts or requests one by one, in their order, holding only a window of them.

        Args:
            requests: texts, of which `wishes` are wanted, and requests, which say it themselves.
            batch_tokens: source tokens times hypotheses, padding included, of one batch.
            start: texts that came before in an earlier call; what is drawn depends on the number
                of a text.
            wishes: the fields of `foveate.Request`. A `beam_size` of None means 5, or `n_best` if
                that is more; a `length_penalty` of None means 1.

        Raises:
            SearchError: what is wanted makes no sense, or the model cannot write it. What can be
                known of it is said at the call, the rest when the request comes.
        """
        if isinstance(requests, (str, Request)):
            raise SearchError(
                "translate takes a list of texts, or anything that gives them one by one: "
                "put the text into a list, or use translate_one"
            )
        wanted = Request("", **complete_wishes(wishes))
        self._aim(wanted, 1, 0)  # raises what is wrong with the wishes
        return self._translate_all(requests, wanted, batch_tokens, start)

    def translate_batch(self, requests: Sequence[Request]) -> list[Translation]:
        """Translate requests at once; each may want something else.

        Raises:
            SearchError: the model cannot write what a request demands.
        """
        return list(self.translate(requests))

    def translate_one(self, request: str | Request, **wishes: Unpack[Wishes]) -> Translation:
        """Translate one text or request; the options are those of `translate`."""
        if not isinstance(request, Request):
            request = Request(request, **complete_wishes(wishes))
        return self._answer([request.source], [request], 0, BATCH_TOKENS)[0]

    def stream(self, request: Request) -> Iterator[Partial | Translation]:
        """Translate a text greedily, token by token; the whole translation comes last.

        Raises:
            SearchError: the request wants a beam, or what only a whole output can be judged by.
        """
        names = ("must", "must_not", "mbr", "sampling", "choices", "tree", "explain")
        wanted = [name for name in names if getattr(request, name)]
        if request.beam_size > 1:
            wanted.append(f"a beam_size of {request.beam_size}")
        if wanted:
            raise SearchError(
                "a stream is greedy, with prefix and no_repeat at most: leave out "
                f"{', '.join(wanted)}"
            )
        return self._stream(request)

    def _stream(self, request: Request) -> Iterator[Partial | Translation]:
        source = clean_source(request.source, self._known, self._case)
        all_ids = self.source_codec.encode(source)
        ids = all_ids[: self.max_source]
        is_recalled = self.source_codec.normalize(source) in self.bundle.decoding.memory
        if not ids or is_recalled or (self._stand_ins and UNK in ids):
            yield from replay(self.translate_one(request), self.target_codec)
            return
        from foveate.search.streaming import stream_search

        query = self._aim(request, len(ids), 0)
        job = _Job(source, ids, len(all_ids) - len(ids), request.attention, query)
        written: list[int] = []
        found = stream_search(self.stepper, np.array(ids), query, attention=request.attention)
        for part in found:
            if isinstance(part, Hypothesis):
                yield self._add_confidence(self._describe(job, [part]))[0]
                return
            written.append(part.id)
            token = self.target_codec.tokens([part.id])[0]
            yield Partial(token, self.target_codec.decode(written), part.log_prob, part.attention)

    def _translate_all(
        self, given: Iterable[str | Request], wanted: Request, batch_tokens: int, start: int
    ) -> Iterator[Translation]:
        """Translate texts, of all of which the same is wanted, and requests."""
        for window in _windows(given):
            requests = [_find_request(one, wanted) for one in window]
            texts = [one if isinstance(one, str) else one.source for one in window]
            yield from self._answer(texts, requests, start, batch_tokens)
            start += len(window)

    def _answer(
        self, texts: Sequence[str], requests: Sequence[Request], start: int, batch_tokens: int
    ) -> list[Translation]:
        """Translate a window of texts as requests want it; the first has the number `start`."""
        sources = [clean_source(text, self._known, self._case) for text in texts]
        jobs = self._plan(sources, requests, start)
        searched = self._run(jobs, batch_tokens)
        results = [
            order_outputs(self._describe(job, found), request, self._words(request))
            if found
            else self._leave_empty(request)
            for request, job, found in zip(requests, jobs, searched, strict=True)
        ]
        results = self._add_confidence(results)
        self._recall(requests, sources, results)
        if any(one.tree or one.choices or one.explain for one in requests):
            from foveate.inside import add_trees

            trees = [found[0].tree if found else [] for found in searched]
            add_trees(requests, trees, results, self._steering)
            self._look_inside(jobs, requests, results)
        return results

    def _plan(self, sources: Sequence[str], requests: Sequence[Request], start: int) -> list[_Job]:
        """Return what the search has to do for each source; queries that are equal are one."""
        jobs, queries = list[_Job](), dict[tuple[int, int, int], Query]()
        encoded = self.source_codec.encode_many(sources)
        for row, (request, source, ids) in enumerate(zip(requests, sources, encoded, strict=True)):
            num_cut, ids = max(0, len(ids) - self.max_source), ids[: self.max_source]
            aim = id(request), len(ids), (start + row) * (request.sampling is not None)
            if aim not in queries:
                queries[aim] = self._aim(request, len(ids), aim[-1])
            job = _Job(source, ids, num_cut, request.attention, queries[aim], request.must_not)
            if UNK in ids:
                self._stand_in(job)
            jobs.append(job)
        return jobs

    def _add_confidence(self, results: list[Translation]) -> list[Translation]:
        """Add to outputs how sure one may be of them, where the model knows it."""
        confidence = self.bundle.decoding.confidence
        if confidence is None:
            return results
        judged = []
        for one in results:
            can_tell = one.is_finished and one.source_tokens
            sure = confidence.of(one.score) if can_tell else None
            others = self._add_confidence(one.alternatives)
            judged.append(replace(one, confidence=sure, alternatives=others))
        return judged

    def _look_inside(
        self, jobs: Sequence[_Job], requests: Sequence[Request], results: list[Translation]
    ) -> None:
        """Add to the results what else the model might have written, and what attention did."""
        from foveate.explaining import add_explanations, count_choices
        from foveate.inside import add_choices

        sources, asked = [job.ids for job in jobs], [request.explain for request in requests]
        counts = [count_choices(request.choices, request.explain) for request in requests]
        add_choices(self.stepper, self._steering, sources, counts, results, self.threads)
        add_explanations(self.bundle, sources, asked, results)

    def _stand_in(self, job: _Job) -> None:
        """Note the unknown tokens of a source, and let others stand in for them."""
        job.unknown = _find_unknown(job.ids)
        if self._stand_ins:
            tokens = self.source_codec.split(job.source)[: len(job.ids)]
            job.ids, job.restored = put_in(tokens, job.ids, self._stand_ins)

    def _aim(self, request: Request, source_length: int, number: int) -> Query:
        """Return what a request wants of the ids of the output.

        Raises:
            SearchError: the model cannot write it.
        """
        prefix, begins = self._steering.begin(request.prefix)
        must = tuple(self._steering.demand(text) for text in request.must)
        must_not = tuple(way for text in request.must_not for way in self._steering.forbid(text))
        demanded = len(prefix) + len(begins) + sum(min(map(len, ways)) for ways in must)
        num_rows, chosen_from = count_rows(request, self._words(request) is not None)
        may_be_one_text = self.target_codec.kind not in ("characters", "whitespace")
        return Query(
            max_length=request.max_length or self._limit(source_length) + demanded,
            beam_size=request.beam_size,
            n_best=chosen_from,
            num_found=num_rows if may_be_one_text and request.sampling is None else 0,
            length_penalty=request.length_penalty,
            prefix=prefix,
            begins=begins,
            must=must,
            must_not=must_not,
            no_repeat=request.no_repeat,
            sampling=request.sampling,
            tree=request.tree,
            number=number,
        )

    def _limit(self, source_length: int) -> int:
        ratio = self.bundle.decoding.length_ratio
        return math.ceil(source_length * ratio) + LENGTH_EXTRA

    def _words(self, request: Request) -> WordList | None:
        """Return the list of words that ranks the outputs of a request, if one does."""
        is_ranked = request.beam_size > 1 and request.sampling is None and request.mbr is None
        return self.bundle.decoding.words if is_ranked else None

    def score_pairs(
        self, pairs: Iterable[tuple[str, str]], *, choices: int = 0, explain: bool = False
    ) -> Iterator[Translation]:
        """Score given targets: `score` is their log-probability, `attention` where they look.

        Args:
            pairs: sources and targets.
            choices: how many of the likeliest tokens to return for every place of a target.
            explain: whether to return what attention computes at every step.

        Raises:
            ModelMismatchError: a source or target has no tokens.
        """
        for window in _windows(pairs):
            yield from self._score_window(window, choices, explain)

    def counts_as_unknown(self, letter: str) -> bool:
        """Say whether no source of the training pairs had a character, as far as tokens tell."""
        return self._known is not None and letter not in self._known

    def changes_case(self, source: str) -> bool:
        """Say whether a source is read in another case than it is written in."""
        return fold_case(source, self._case) != source

    def has_tokens(self, source: str) -> bool:
        """Say whether anything of a source is left to read."""
        return bool(self.source_codec.split(clean_source(source, self._known, self._case)))

    def _score_window(
        self, pairs: Sequence[tuple[str, str]], choices: int = 0, explain: bool = False
    ) -> list[Translation]:
        sources = [clean_source(source, self._known, self._case) for source, _ in pairs]
        all_ids = self.source_codec.encode_many(sources)
        targets = self.target_codec.encode_many(target for _, target in pairs)
        for side, rows in (("source", all_ids), ("target", targets)):
            if not all(rows):
                pair = pairs[[bool(ids) for ids in rows].index(False)]
                raise ModelMismatchError(
                    f"a {side} is empty: there is nothing to score in the pair {pair!r:.200}"
                )
        jobs = [
            _Job(
                source,
                ids[: self.max_source],
                max(0, len(ids) - self.max_source),
                True,
                Query(max_length=len(target), target=tuple(target)),
            )
            for source, ids, target in zip(sources, all_ids, targets, strict=True)
        ]
        scored = zip(jobs, self._run(jobs, BATCH_TOKENS), pairs, strict=True)
        split = self.target_codec.split
        results = [
            replace(self._describe(job, found)[0], tokens=split(target), text=target)
            for job, found, (_, target) in scored
        ]
        if choices or explain:
            wanted = [Request("", choices=choices, explain=explain)] * len(jobs)
            self._look_inside(jobs, wanted, results)
        return results

    def _run(self, jobs: Sequence[_Job], batch_tokens: int) -> list[list[Hypothesis]]:
        """Search for every job that has a source, several batches at a time."""
        results: list[list[Hypothesis]] = [[] for _ in jobs]

        def run(rows: Sequence[int]) -> None:
            work = sum(lengths[row] * widths[row] for row in rows)
            run_search = self._search_together if work < LEAST_WORK else self._search
            found = run_search([jobs[row] for row in rows])
            for row, hypotheses in zip(rows, found, strict=True):
                results[row] = hypotheses

        lengths = [len(job.ids) for job in jobs]
        widths = [job.query.n_best if job.query.sampling else job.query.beam_size for job in jobs]
        run_all(self.threads, run, cut_batches(lengths, widths, batch_tokens, self.threads))
        return results

    def _search(self, jobs: Sequence[_Job]) -> list[list[Hypothesis]]:
        """Search one batch, again and again while an output has what it must not have.

        There may be very many ways to cut a text into tokens. The usual ones are forbidden from
        the start, and others when they turn up.
        """
        source, mask = collate_sources([job.ids for job in jobs])
        attention = any(job.attention for job in jobs)
        queries = [job.query for job in jobs]
        results = search(self.stepper, source, mask, queries, attention=attention)
        for _ in range(MOST_SEARCHES):
            found = {
                row: ways
                for row, job in enumerate(jobs)
                if job.must_not and (ways := self._find_forbidden(results[row], job.must_not))
            }
            if not found:
                break
            for row, ways in found.items():
                query = queries[row]
                queries[row] = replace(query, must_not=(*query.must_not, *ways))
            rows = list(found)
            again = [queries[row] for row in rows]
            searched = search(self.stepper, source[rows], mask[rows], again, attention=attention)
            for row, hypotheses in zip(rows, searched, strict=True):
                results[row] = hypotheses
        return results

    def _find_forbidden(
        self, found: Sequence[Hypothesis], must_not: Sequence[str]
    ) -> tuple[tuple[int, ...], ...]:
        parts = (self._steering.find(one.ids, text) for one in found for text in must_not)
        return tuple(dict.fromkeys(part for part in parts if part is not None))

    def _describe(self, job: _Job, found: Sequence[Hypothesis]) -> list[Translation]:
        source_tokens = self.source_codec.split(job.source)[: len(job.ids)]
        unknown = job.unknown or (_find_unknown(job.ids) if UNK in job.ids else ())
        codec, penalty = self.target_codec, job.query.length_penalty
        return [
            Translation(
                source_tokens,
                tokens := _put_back(codec.tokens(one.ids), job.restored),
                codec.join(tokens),
                one.score,
                one.attention if job.attention else None,
                is_finished=one.is_finished,
                unknown=unknown,
                token_scores=tuple(one.token_log_probs),
                num_cut=job.num_cut,
                rank_score=rank_score(one.score, len(one.ids) + one.is_finished, penalty),
            )
            for one in found
        ]

    def _leave_empty(self, request: Request) -> Translation:
        """Return the translation of a blank: nothing, and certainly so if nothing is demanded."""
        looks = np.zeros((0, 0), np.float32) if request.attention and self.has_attention else None
        is_finished = not (request.prefix or request.must)
        return Translation([], [], "", 0.0, looks, is_finished=is_finished)

    def _recall(
        self, requests: Sequence[Request], sources: Sequence[str], results: list[Translation]
    ) -> None:
        """Put what a source became in training before what the model would write.

        The recalled target has the model's score and the model's attention for it. It has to be
        what the request asks for.
        """
        sure = self.bundle.decoding.confidence
        memory, normalize = self.bundle.decoding.memory, self.source_codec.normalize
        if not memory:
            return
        recalled = {
            row: target
            for row, (request, source) in enumerate(zip(requests, sources, strict=True))
            if (target := memory.get(normalize(source))) not in (None, results[row].text)
            and results[row].source_tokens  # a blank stays blank, whatever a file says
            and self._may_recall(request, target)
        }
        scored = self._score_window([(sources[row], target) for row, target in recalled.items()])
        for row, best in zip(recalled, scored, strict=True):
            request = requests[row]
            length = len(best.tokens) + 1
            best = replace(
                best,
                attention=best.attention if request.attention else None,
                confidence=sure.recalled if sure else None,
                rank_score=rank_score(best.score, length, request.length_penalty),
            )
            results[row] = put_first(best, results[row], request.n_best)

    def _may_recall(self, request: Request, target: str) -> bool:
        if request.sampling or request.no_repeat or request.mbr:
            return False
        if not self.target_codec.split(target):  # an empty one says nothing
            return False
        return self._steering.is_met(target, request.prefix, request.must, request.must_not)


def _find_request(given: Any, wanted: Request) -> Request:
    if isinstance(given, str):
        return wanted
    return given if isinstance(given, Request) else replace(wanted, source=given)  # which raises


def _put_back(tokens: list[str], restored: Mapping[str, str] | None) -> list[str]:
    """Return tokens in which stands what a stand-in stood for."""
    return [restored.get(token, token) for token in tokens] if restored else tokens


def _find_unknown(ids: Sequence[int]) -> tuple[int, ...]:
    return tuple(place for place, index in enumerate(ids) if index == UNK)


def _may_join(jobs: Sequence[_Job]) -> bool:
    """Say whether jobs of several calls may be one batch: none makes the others slower."""
    queries = [job.query for job in jobs]
    kinds = {(query.has_rules, query.num_considered > 1) for query in queries}
    num_rows = sum(query.num_rows for query in queries)
    return len(kinds) == 1 and max(len(job.ids) for job in jobs) * num_rows <= BATCH_TOKENS


def _limit_source(bundle: Bundle) -> int:
    """Return how many tokens a source may have."""
    longest = bundle.decoding.longest_source
    return max(LEAST_LIMIT, TIMES_LONGER * longest) if longest else USUAL_LIMIT


def _windows(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while window := list(islice(iterator, WINDOW)):
        yield window
