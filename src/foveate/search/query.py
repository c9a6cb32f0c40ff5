"""What is wanted for one source, in ids: the search's side of a request. Knows no text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from foveate.errors import SearchError
from foveate.ranking import MOST_PENALTY
from foveate.records import Sampling
from foveate.text.vocabulary import EOS, UNK

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """What is wanted for one source.

    One of four things is done with it: with `target` the target is scored; with `sampling`
    `n_best` outputs are drawn; with `beam_size` 1 the output is greedy; else a beam searches.
    All other fields hold for each of the last three, but that samples cannot be made to
    meet demands.

    **A prefix that ends inside a token.** `begins` is a lattice of token sequences, as a table
    of places. A row starts at place 0, after the tokens of `prefix`. `begins[place]` has the
    tokens that may be written there and the place to which each leads, further on in the table;
    the place `len(begins)` is the end of the lattice, where everything is free. So a text layer
    can say "the text begins with `abc`" for a vocabulary of subwords, whatever the segmentation:
    a place is a number of characters already written, and the tokens at a place p are those which
    equal the next n characters (they lead to p + n), and those which begin with all that is left
    (they lead to the end). With the tokens a=4, ab=5, b=6, bcd=7, c=8, cd=9 that is

        begins=({4: 1, 5: 2}, {6: 2, 7: 3}, {8: 3, 9: 3})

    The lattice may be smaller than all segmentations; each way in it is one beam's matter. No
    place should be without a way on.

    **Demands.** An item of `must` is met when one of its alternatives stands somewhere in the
    output, its tokens side by side; alternatives are, for instance, different segmentations of one
    word. A beam gives a place to each number of demanded tokens that a prefix has already met
    (Post & Vilar 2018), and is made wider by the number of tokens demanded. An output that does
    not meet every demand is never finished: if there is nothing better it comes back with
    `is_finished` False and the number of what is missing in `Hypothesis.num_unmet`.

    Attributes:
        max_length: greatest number of tokens, EOS not counted, those of `prefix` counted. What
            has so many without EOS comes back unfinished, below the finished ones. It is
            overlooked with `target`.
        beam_size: number of live prefixes; 1 is greedy.
        n_best: how many hypotheses are wanted; the search goes on until so many are settled.
        num_found: how many hypotheses to return at most, when they have been found anyway; 0
            means `n_best`. Useful when some of them will turn out to be one text.
        length_penalty: 0 ranks by the sum of the log-probabilities, 1 by their mean.
        prefix: the first tokens of every output.
        begins: the lattice that comes after `prefix`, see above.
        must: what has to stand in the output; for every item its alternatives.
        must_not: token sequences that may not stand in the output.
        no_repeat: n-grams of this length stand in the output once at most; 0 allows all.
            Those which `prefix` repeats are let through.
        sampling: draw `n_best` outputs instead of searching for the best.
        tree: the first hypothesis gets all prefixes that the search held, see `Hypothesis.tree`.
        number: place of the source in the whole input, for the random generator: samples depend on
            the seed and this, not on how the input is cut into batches.
        target: score exactly these tokens and EOS; the fields above do not matter then.

    Raises:
        SearchError: a value is out of range, or what is asked for is impossible on its face; all
            such problems at once.

    Reference:
        Post & Vilar 2018, Fast Lexically Constrained Decoding with Dynamic Beam Allocation.

    Example:
        >>> Query(max_length=10, beam_size=5, must=(((7, 8), (9,)),)).must
        (((7, 8), (9,)),)
    """

    max_length: int
    beam_size: int = 1
    n_best: int = 1
    num_found: int = 0
    length_penalty: float = 0.0
    prefix: Tokens = ()
    begins: tuple[Mapping[int, int], ...] = ()
    must: tuple[tuple[Tokens, ...], ...] = ()
    must_not: tuple[Tokens, ...] = ()
    no_repeat: int = 0
    sampling: Sampling | None = None
    tree: bool = False
    number: int = 0
    target: Tokens | None = None

    def __post_init__(self) -> None:
        """Check all values."""
        problems = _find_bad_numbers(self)
        if self.has_rules:
            problems += _find_bad_sampling(self.sampling) + _find_bad_tokens(self)
        if problems:
            raise SearchError("search: " + "; ".join(problems))

    @property
    def has_rules(self) -> bool:
        """Whether anything else is wanted than what the model finds best."""
        return bool(
            self.prefix
            or self.begins
            or self.must
            or self.must_not
            or self.no_repeat
            or self.sampling is not None
            or self.target is not None
        )

    @property
    def num_beams(self) -> int:
        """How many searches it takes: one, or one for each sample."""
        return self.n_best if self.sampling is not None and self.target is None else 1

    @property
    def width(self) -> int:
        """How many live prefixes each of them may have."""
        if self.target is not None or self.sampling is not None:
            return 1
        return self.beam_size + (sum(min(map(len, item)) for item in self.must) if self.must else 0)

    @property
    def num_considered(self) -> int:
        """How many candidates to look at: those that live, and for a tree as many that do not."""
        return 2 * self.width if self.tree else self.width

    @property
    def num_rows(self) -> int:
        """How many rows of a batch it takes at most.

        Example:
            >>> Query(9, beam_size=5, must=(((4, 5, 6), (7, 8)),)).num_rows
            7
        """
        return self.num_beams * self.width


def _find_bad_numbers(query: Query) -> list[str]:
    problems = []
    if query.max_length < 1:
        problems.append(f"max_length must be at least 1, not {query.max_length}")
    if query.beam_size < 1:
        problems.append(f"beam_size must be at least 1, not {query.beam_size}")
    if query.n_best < 1:
        problems.append(f"n_best must be at least 1, not {query.n_best}")
    elif query.sampling is None and query.n_best > max(1, query.beam_size):
        problems.append(
            f"n_best must be from 1 to beam_size ({query.beam_size}), not {query.n_best}"
        )
    if query.num_found and query.num_found < query.n_best:
        problems.append(
            f"num_found must be 0 or at least n_best ({query.n_best}), not {query.num_found}"
        )
    if not 0 <= query.length_penalty <= MOST_PENALTY:
        problems.append(
            f"length_penalty must be from 0 to {MOST_PENALTY:g}, not {query.length_penalty}"
        )
    if query.no_repeat < 0:
        problems.append(f"no_repeat must be 0 (off) or more, not {query.no_repeat}")
    if query.number < 0:
        problems.append(f"number must not be negative, not {query.number}")
    return problems


def _find_bad_sampling(sampling: Sampling | None) -> list[str]:
    if sampling is None:
        return []
    problems = []
    if not 0 < sampling.temperature < float("inf"):
        problems.append(
            f"temperature must be above 0, not {sampling.temperature} (beam_size 1 for 0)"
        )
    if sampling.top_k < 0:
        problems.append(f"top_k must be 0 (all) or more, not {sampling.top_k}")
    if not 0 < sampling.top_p <= 1:
        problems.append(f"top_p must be above 0 and at most 1, not {sampling.top_p}")
    if sampling.seed < 0:
        problems.append(f"seed must not be negative, not {sampling.seed}")
    return problems


def _find_bad_tokens(query: Query) -> list[str]:
    problems = []
    for name, tokens in (("target", query.target), ("prefix", query.prefix)):
        if tokens and min(tokens) <= EOS and not all(map(_is_given, tokens)):
            problems.append(
                f"{name}: PAD, BOS, EOS and negative ids cannot be forced: "
                "give the tokens only, EOS is added"
            )
    if len(query.prefix) > query.max_length:
        problems.append(f"prefix: {len(query.prefix)} tokens, but max_length {query.max_length}")
    if query.begins:
        problems += _find_bad_lattice(query.begins)
    if query.must_not:
        problems += _find_bad_bans(query)
    if query.must:
        problems += _find_bad_demands(query)
    return problems


def _find_bad_bans(query: Query) -> list[str]:
    if not all(query.must_not) or not all(map(_is_written, query.must_not)):
        return ["must_not: every sequence needs tokens, and EOS (3) or less is none"]
    if any(_contains(query.prefix, sequence) for sequence in query.must_not):
        return ["prefix contains a sequence of must_not"]
    return []


def _is_given(token: int) -> bool:
    return token > EOS or token == UNK


def _is_written(sequence: Tokens) -> bool:
    return all(token > EOS for token in sequence)


def _contains(tokens: Tokens, sequence: Tokens) -> bool:
    size = len(sequence)
    return any(tokens[i : i + size] == sequence for i in range(len(tokens) - size + 1))


def _find_bad_lattice(begins: tuple[Mapping[int, int], ...]) -> list[str]:
    for place, edges in enumerate(begins):
        if not edges:
            return [f"begins: no token leads on from place {place}"]
        if not all(map(_is_given, edges)):
            return [f"begins: place {place} has PAD, BOS, EOS or a negative id"]
        if not all(place < target <= len(begins) for target in edges.values()):
            return [f"begins: place {place} must lead further on, at most to {len(begins)}"]
    return []


def _find_bad_demands(query: Query) -> list[str]:
    problems = []
    if query.sampling is not None:
        problems.append("must: samples cannot be made to meet demands; use a beam")
    for number, item in enumerate(query.must):
        if not item or not all(item) or not all(map(_is_written, item)):
            problems.append(
                f"must, item {number}: needs alternatives that have tokens, "
                "and EOS (3) or less is none"
            )
            continue
        open_ones = [one for one in item if not any(_contains(one, bad) for bad in query.must_not)]
        shortest = min(map(len, item))
        if not open_ones:
            problems.append(f"must, item {number}: must_not forbids all of its alternatives")
        elif shortest > query.max_length:
            problems.append(
                f"must, item {number}: {shortest} tokens, but max_length {query.max_length}"
            )
    return problems
