"""Strategies side by side: their figures, charts and history, and advice which one to use."""

from imgur_mirror.compare.advice import (
    Advice,
    BadAdvice,
    advice_for,
    advise,
    advise_each,
    read_advice,
)
from imgur_mirror.compare.agreement import why_not_comparable
from imgur_mirror.compare.comparison import Comparison, comparison_headline, comparison_rows
from imgur_mirror.compare.explanation import Bound, bound, explain
from imgur_mirror.compare.history import Earlier, earlier_in, history_rows, slowdowns
from imgur_mirror.compare.machine import Machine, busy_note, this_machine
from imgur_mirror.compare.page import PAGE, comparison_page
from imgur_mirror.compare.points import (
    Parts,
    Point,
    is_sweep,
    parts,
    points,
    side_by_side,
    sweep_rows,
    worker_counts,
)
from imgur_mirror.compare.report import comparison_charts, comparison_markdown, comparison_text

__all__ = [
    "PAGE",
    "Advice",
    "BadAdvice",
    "Bound",
    "Comparison",
    "Earlier",
    "Machine",
    "Parts",
    "Point",
    "advice_for",
    "advise",
    "advise_each",
    "bound",
    "busy_note",
    "comparison_charts",
    "comparison_headline",
    "comparison_markdown",
    "comparison_page",
    "comparison_rows",
    "comparison_text",
    "earlier_in",
    "explain",
    "history_rows",
    "is_sweep",
    "parts",
    "points",
    "read_advice",
    "side_by_side",
    "slowdowns",
    "sweep_rows",
    "this_machine",
    "why_not_comparable",
    "worker_counts",
]
