"""What metrics are called, and how their values are written."""

from __future__ import annotations

METRIC_LABELS = {
    "exact_match": "exact match",
    "exact_match_by_row": "exact match by row",
    "word_error_rate": "word error rate",
    "phoneme_error_rate": "phoneme error rate",
    "token_error_rate": "token error rate",
    "character_error_rate": "character error rate",
    "bleu": "BLEU",
    "chrf": "chrF",
}
FRACTIONS = (
    *("exact_match", "exact_match_by_row", "word_error_rate", "phoneme_error_rate"),
    *("token_error_rate", "character_error_rate"),
)


def format_metric(name: str, value: float) -> str:
    """Return the value of a metric: rates in per cent, BLEU and chrF as they are.

    Example:
        >>> format_metric("exact_match", 0.612), format_metric("bleu", 39.04)
        ('61.2 %', '39.0')
    """
    return f"{100 * value:.1f} %" if name in FRACTIONS else f"{value:.1f}"
