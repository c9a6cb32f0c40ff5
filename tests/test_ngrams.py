"""N-gram embeddings: which n-grams a position sees, and that hashing keeps them apart."""

from __future__ import annotations

from itertools import combinations, product

import torch
from torch import Tensor

from foveate.models.dropout import seeded_dropout
from foveate.models.ngrams import FACTOR, PRIME, NgramEmbedding

SENTENCE = [4, 9, 5, 7, 4, 6, 8]


def build(longest: int = 5, num_rows: int = 997, dropout: float = 0.0) -> NgramEmbedding:
    torch.manual_seed(2)
    return NgramEmbedding(longest, num_rows, row_size=3, embedding_size=6, dropout=dropout).double()


def look_up(ngrams: NgramEmbedding, *rows: list[int]) -> Tensor:
    width = max(map(len, rows))
    ids = torch.tensor([row + [1] * (width - len(row)) for row in rows])  # what is masked may be
    mask = torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in rows])
    with torch.no_grad():
        return ngrams(ids, mask)


def test_it_is_a_sum_over_windows_worked_out_by_hand() -> None:
    ngrams = build(longest=3)
    padded = [0, *SENTENCE, 0]
    for position, found in enumerate(look_up(ngrams, SENTENCE)[0]):
        before, here, after = padded[position : position + 3]
        total = torch.zeros(3).double()
        for left, right, tokens in (
            (1, 0, (before, here)),
            (0, 1, (here, after)),
            (1, 1, (before, here, after)),
        ):
            code = left * FACTOR + right + 1
            for token in tokens:
                code = (code * FACTOR + token) % PRIME
            total += ngrams.table.weight[code * FACTOR % PRIME % 997].detach()
        torch.testing.assert_close(found, ngrams.projection.weight.detach() @ total)


def test_a_position_sees_two_tokens_to_each_side_of_it() -> None:
    ngrams = build(longest=5)
    whole = look_up(ngrams, SENTENCE)[0]
    for changed in range(len(SENTENCE)):
        other = [10 if place == changed else token for place, token in enumerate(SENTENCE)]
        is_same = torch.isclose(look_up(ngrams, other)[0], whole).all(dim=1).tolist()
        assert is_same == [abs(place - changed) > 2 for place in range(len(SENTENCE))]


def test_padding_and_company_change_nothing() -> None:
    ngrams = build()
    together = look_up(ngrams, SENTENCE, SENTENCE[:3], [5])
    for row, alone in enumerate((SENTENCE, SENTENCE[:3], [5])):
        torch.testing.assert_close(together[row, : len(alone)], look_up(ngrams, alone)[0])


def test_trigrams_are_spread_over_the_whole_table() -> None:
    ngrams = build(num_rows=2**12)
    ids = torch.tensor(list(product(range(4, 34), repeat=3)))  # 27,000 of them
    rows = ngrams.rows(ids, 1, 1)[:, 1]
    counts = torch.bincount(rows, minlength=2**12).double()
    assert counts.min() > 0 and counts.max() < 30  # 6.6 on average; chance would give about 18
    assert float(counts.var() / counts.mean()) < 1.5  # about 1 if they fell at random
    assert not torch.equal(rows, ngrams.rows(ids, 2, 0)[:, 1])


def test_ngrams_are_dropped_whole_and_in_training_only() -> None:
    ngrams = build(longest=3, dropout=0.75)
    torch.testing.assert_close(
        look_up(ngrams.eval(), SENTENCE), look_up(build(longest=3), SENTENCE)
    )
    ids = torch.tensor([SENTENCE])
    rows = torch.stack([ngrams.rows(ids, left, right)[0] for left, right in ngrams.windows])
    parts = 4 * ngrams.projection(ngrams.table(rows)).detach()  # W S E, scaled by 1 / (1 - p)
    choices = [
        parts[list(kept)].sum(dim=0)  # S E
        for number in range(len(parts) + 1)
        for kept in combinations(range(len(parts)), number)
    ]
    numbers = []
    for seed in range(30):
        with seeded_dropout(seed):
            found = look_up(ngrams.train(), SENTENCE)[0]
        is_choice = torch.stack([torch.isclose(found, one).all(dim=1) for one in choices])  # C S
        assert is_choice.any(dim=0).all()
        numbers.append(is_choice[0].double().mean())  # positions without any n-gram
    assert abs(float(sum(numbers)) / 30 - 0.75 ** len(parts)) < 0.1
