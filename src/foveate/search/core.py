"""The search: one loop over a `Stepper` and a chooser, for every way of decoding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveate.search.hypothesis import Hypothesis
from foveate.search.query import Query
from foveate.search.stepper import Stepper


def search(
    stepper: Stepper,
    source: NDArray[np.int64],
    source_mask: NDArray[np.bool_],
    queries: Sequence[Query],
    *,
    attention: bool = True,
) -> list[list[Hypothesis]]:
    """Return what each query asks for of its source, best first.

    Args:
        stepper: the model.
        source: [B, S] ids, padded on the right; every row has a token.
        source_mask: [B, S], True where a real token stands.
        queries: one for each source; they may differ in everything, and each gives exactly what
            it gives alone.
        attention: whether the hypotheses get attention weights.

    Raises:
        SearchError: shapes or numbers do not go together, an id is not in the model's
            vocabulary, or the model gives no numbers.
    """
    raise NotImplementedError
