"""What went on inside a search, in texts: the choices at every place, and the tree of prefixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from foveate.data.batching import collate_sources
from foveate.inside_values import Choice, NodeState, TreeNode
from foveate.records import Request, Translation
from foveate.search import Node, Stepper, run_all
from foveate.search.choices import Candidate, list_choices
from foveate.search.workers import BATCH_TOKENS, cut_batches
from foveate.text.steering import Steering
from foveate.text.vocabulary import BOS, EOS


def describe_choices(
    found: Sequence[Sequence[Candidate]], tokens: Sequence[str], steering: Steering
) -> list[list[Choice]]:
    """Return the candidates at every place of an output of these tokens."""
    return [
        [_describe_choice(one, tokens[:place], steering) for one in candidates]
        for place, candidates in enumerate(found)
    ]


def _describe_choice(one: Candidate, before: Sequence[str], steering: Steering) -> Choice:
    written = steering.codec.tokens([one.token])  # none for EOS
    prefix = steering.spell_prefix([*before, *written])
    return Choice("".join(written), one.log_prob, prefix, one.token == EOS)


def draw_tree(
    nodes: Sequence[Node], returned: Sequence[Translation], steering: Steering
) -> list[TreeNode]:
    """Return a search's tree in texts; `kept` is what led to one of the outputs returned."""
    tokens = ["".join(steering.codec.tokens([node.token])) for node in nodes]
    kept = _find_kept(nodes, tokens, returned)
    histories: list[list[str]] = []
    tree = []
    for place, (node, token) in enumerate(zip(nodes, tokens, strict=True)):
        before = histories[node.parent] if histories else []
        histories.append([*before, token] if node.token not in (BOS, EOS) else before)
        prefix = steering.spell_prefix(histories[place])
        state: NodeState = "kept" if place in kept else "dropped"
        state = "finished" if node.is_finished else state
        tree.append(TreeNode(node.parent, token, node.log_prob, node.score, prefix, state))
    return tree


def _find_kept(
    nodes: Sequence[Node], tokens: Sequence[str], returned: Sequence[Translation]
) -> set[int]:
    named = zip(nodes, tokens, strict=True)
    places = {(node.parent, token): place for place, (node, token) in enumerate(named)}
    kept = {0}
    for translation in returned:
        place: int | None = 0
        for token in translation.tokens:
            place = None if place is None else places.get((place, token))
            kept |= set() if place is None else {place}
    return kept


def add_trees(
    requests: Sequence[Request],
    trees: Sequence[Sequence[Node]],
    results: list[Translation],
    steering: Steering,
) -> None:
    """Add to the results what the searches held, where it is asked for."""
    for row, (request, nodes) in enumerate(zip(requests, trees, strict=True)):
        if request.tree and nodes:
            returned = [results[row], *results[row].alternatives]
            results[row] = replace(results[row], tree=draw_tree(nodes, returned, steering))


def add_choices(
    stepper: Stepper,
    steering: Steering,
    sources: Sequence[list[int]],
    counts: Sequence[int],
    results: list[Translation],
    threads: int,
) -> None:
    """Add to results, and to their alternatives, what else the model might have written.

    Args:
        stepper: the model.
        steering: of its target side.
        sources: ids of each.
        counts: how many choices each wants; 0 is none.
        results: the translations.
        threads: batches at a time.
    """
    asked = [row for row, ids in enumerate(sources) if counts[row] and ids]
    if not asked:
        return
    outputs = [(row, one) for row in asked for one in (results[row], *results[row].alternatives)]
    found = _list_choices(
        stepper,
        [sources[row] for row, _ in outputs],
        [_spell(one, steering) for _, one in outputs],
        [counts[row] for row, _ in outputs],
        threads,
    )
    described = iter(
        replace(one, choices=describe_choices(candidates, one.tokens, steering), alternatives=[])
        for (_, one), candidates in zip(outputs, found, strict=True)
    )
    for row in asked:
        best, others = next(described), list(islice(described, len(results[row].alternatives)))
        results[row] = replace(best, alternatives=others)


def _spell(output: Translation, steering: Steering) -> list[int]:
    return [*steering.codec.vocabulary.ids(output.tokens), *[EOS] * output.is_finished]


def _list_choices(
    stepper: Stepper,
    sources: Sequence[list[int]],
    outputs: Sequence[list[int]],
    counts: Sequence[int],
    threads: int,
) -> list[list[list[Candidate]]]:
    """Return the likeliest tokens at every place of some outputs, several batches at a time."""
    results: list[list[list[Candidate]]] = [[] for _ in outputs]

    def run(rows: Sequence[int]) -> None:
        places: dict[tuple[int, ...], int] = {}
        owners = [places.setdefault(tuple(sources[row]), len(places)) for row in rows]
        source, mask = collate_sources(list(places))
        own_ids, own_counts = [outputs[row] for row in rows], [counts[row] for row in rows]
        found = list_choices(stepper, source, mask, owners, own_ids, own_counts)
        for row, choices in zip(rows, found, strict=True):
            results[row] = choices

    lengths = [len(source) for source in sources]
    run_all(threads, run, cut_batches(lengths, [1] * len(lengths), BATCH_TOKENS, threads))
    return results
