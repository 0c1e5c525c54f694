"""Strategies side by side: their figures, charts and history, and advice which one to use."""

from imgur_mirror.compare.advice import Advice, BadAdvice, advice_for, advise, read_advice
from imgur_mirror.compare.agreement import why_not_comparable
from imgur_mirror.compare.comparison import (
    Comparison,
    comparison_charts,
    comparison_headline,
    comparison_markdown,
    comparison_rows,
    comparison_text,
)
from imgur_mirror.compare.history import Earlier, earlier_in, history_rows, slowdowns
from imgur_mirror.compare.points import (
    Point,
    is_sweep,
    points,
    side_by_side,
    sweep_rows,
    worker_counts,
)

__all__ = [
    "Advice",
    "BadAdvice",
    "Comparison",
    "Earlier",
    "Point",
    "advice_for",
    "advise",
    "comparison_charts",
    "comparison_headline",
    "comparison_markdown",
    "comparison_rows",
    "comparison_text",
    "earlier_in",
    "history_rows",
    "is_sweep",
    "points",
    "read_advice",
    "side_by_side",
    "slowdowns",
    "sweep_rows",
    "why_not_comparable",
    "worker_counts",
]
