"""Parts of a large table: so many pairs as fit into the memory at once, as ids.

The rows are dealt out, one to each part in turn, so that every part has rows from everywhere. A
pass over the pairs visits all parts, in another order each time. Other tables are one part.
"""

from __future__ import annotations

import numpy as np

from foveate.data.table import PairTable

WHOLE_BYTES = 128 * 2**20  # of a table that is one part
PART_BYTES = 16 * 2**20


def count_parts(table: PairTable, whole_bytes: int = WHOLE_BYTES) -> int:
    """Return how many parts a table has."""
    size = table.size_in_bytes
    return 1 if size <= whole_bytes else -(-size // PART_BYTES)


def take_part(table: PairTable, number: int, num_parts: int) -> PairTable:
    """Return a part of a table.

    Example:
        >>> table = PairTable.from_texts("abcde", "vwxyz")
        >>> list(take_part(table, 1, 2).sources())
        ['b', 'd']
    """
    return table if num_parts == 1 else table.rows(np.arange(number, len(table), num_parts))


def choose_part(epoch: int, num_parts: int, seed: int) -> int:
    """Return which part is trained on, of all that were counted from the begin of the run.

    Example:
        >>> sorted(choose_part(epoch, 4, seed=1) for epoch in range(4, 8))
        [0, 1, 2, 3]
    """
    passed, place = divmod(epoch, num_parts)
    return int(np.random.default_rng([seed, passed]).permutation(num_parts)[place])
