"""What went on inside a search, in texts: the choices at every place, and the tree of prefixes."""

from __future__ import annotations

from collections.abc import Sequence

from foveate.records import Choice, NodeState, Translation, TreeNode
from foveate.search import Candidate, Node
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
