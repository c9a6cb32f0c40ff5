"""Which pairs are held out of the training pairs, to choose weights by."""

from __future__ import annotations

from foveate.counted import counted
from foveate.data.table import PairTable
from foveate.errors import DataError

LARGEST_DEV = 2000
LEAST_PAIRS = 10  # fewer are too few to hold some out


def hold_out(table: PairTable, seed: int, most: int = LARGEST_DEV) -> tuple[PairTable, PairTable]:
    """Split a dev set off: a twentieth of the pairs, at most `most`, a tenth if few.

    With fewer than ten pairs, or one source, there is nothing to spare: dev is then the training
    pairs.
    """
    if len(table) < LEAST_PAIRS:
        return table, table
    count = min(max(len(table) // 20, min(50, len(table) // 10)), most)
    try:
        return table.split_off(max(count, 1), seed)
    except DataError:
        return table, table


def choose_dev(
    table: PairTable, dev: PairTable | None, seed: int
) -> tuple[PairTable, PairTable, tuple[str, ...]]:
    """Return training pairs, dev pairs, and what is to be said of them.

    Args:
        table: the pairs that were given.
        dev: those to choose weights by; None takes some from `table`.
        seed: another one holds out other sources.
    """
    if dev is not None:
        return table, dev, _tell_overlap(table, dev)
    training, held = hold_out(table, seed)
    if held is table:
        return (
            table,
            table,
            (
                f"dev: the {counted(len(table), 'training pair')} "
                f"{'itself' if len(table) == 1 else 'themselves'}, too few to hold some out: "
                "the scores say nothing about new ones",
            ),
        )
    pairs, sources = counted(len(held), "pair"), counted(len(set(held.sources())), "source")
    note = f"dev: {pairs} held out of the training pairs, of {sources} that no other pair has"
    return training, held, (note,)


def _tell_overlap(table: PairTable, dev: PairTable) -> tuple[str, ...]:
    """Say how many sources of dev stand in the training pairs, too."""
    wanted = set(dev.sources())
    seen = len(wanted.intersection(table.sources()))
    if not seen:
        return ()
    every = "all" if seen == len(wanted) else f"{seen:,} of"
    return (
        f"dev: {every} {counted(len(wanted), 'source')} stand in the training pairs, too: "
        "what the scores say of these is no measure of new ones",
    )
