"""Numbers with their nouns, as messages say them."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number and what it counts.

    Example:
        >>> counted(1, "dev pair"), counted(2000, "dev pair")
        ('1 dev pair', '2,000 dev pairs')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"
