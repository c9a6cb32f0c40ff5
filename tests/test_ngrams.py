"""N-gram embeddings: which n-grams a position sees, and that hashing keeps them apart."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from foveate.models.ngrams import FACTOR, PRIME, NgramEmbedding

SENTENCE = [4, 9, 5, 7, 4, 6, 8]


def build(longest: int = 5, num_rows: int = 997) -> NgramEmbedding:
    torch.manual_seed(2)
    return NgramEmbedding(longest, num_rows, row_size=3, embedding_size=6).double()


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
