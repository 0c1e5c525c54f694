"""A comparison beside the earlier ones of the same album, and what has become slower since."""

import json
from collections.abc import Iterable, Sequence
from statistics import median

from imgur_mirror.models import Strategy, Work
from imgur_mirror.report.tables import Cell, Row
from imgur_mirror.text import duration

__all__ = ["Earlier", "earlier_in", "history_rows", "slowdowns"]

MIN_SLOWDOWN = 1 / 10
"""Of the median: less is no slowdown, however small the spread of the earlier ones is."""

Trial = tuple[Work, Strategy, int, int]
"""A work, a strategy, its workers, and how many images: only equal trials are compared."""

Earlier = dict[Trial, float]
"""The totals of one earlier comparison, in seconds."""


def earlier_in(table: object) -> Earlier:
    """Read the rows that a comparison left, as values or as JSON text; skip what is no such row."""
    try:
        rows = json.loads(table) if isinstance(table, str) else table
    except (ValueError, RecursionError):
        return {}
    if not isinstance(rows, list):
        return {}
    return dict(filter(None, map(_figures, rows)))


def _figures(row: object) -> tuple[Trial, float] | None:
    # A comparison of the downloads alone names no work.
    match {"work": Work.NONE.value, **row} if isinstance(row, dict) else row:
        case {
            "work": str(work),
            "strategy": str(name),
            "workers": int(workers),
            "images": int(images),
            "total s": int(total) | float(total),
        } if work in list(Work) and name in list(Strategy) and 0 < total < float("inf"):
            return (Work(work), Strategy(name), workers, images), float(total)
    return None


def history_rows(rows: Iterable[Row], earlier: Sequence[Earlier]) -> list[Row]:
    """Return the rows of a comparison beside the median of the earlier comparisons.

    A strategy has no row if it never ran with the same workers for as many images before. Times
    are in seconds; `spread before s` is the slowest of the earlier ones less the fastest.
    """
    return list(filter(None, (_history_row(row, earlier) for row in rows)))


def _history_row(row: Row, earlier: Sequence[Earlier]) -> Row | None:
    figures = _figures(row)
    if figures is None:
        return None
    trial, now = figures
    before = [totals[trial] for totals in earlier if trial in totals]
    if not before:
        return None
    work, strategy, workers, _ = trial
    named = {"work": work.value} if "work" in row else {}
    return {
        **named,
        "strategy": strategy.value,
        "workers": workers,
        "now s": round(now, 3),
        "median before s": round(median(before), 3),
        "change s": round(now - median(before), 3),
        "spread before s": round(max(before) - min(before), 3),
        "comparisons before": len(before),
    }


def slowdowns(history: Iterable[Row]) -> list[str]:
    """Return a sentence for each strategy that took longer than its earlier spread explains."""
    return [_sentence(row) for row in history if float(row["change s"]) > _margin(row)]


def _margin(row: Row) -> float:
    return max(float(row["spread before s"]), float(row["median before s"]) * MIN_SLOWDOWN)


def _sentence(row: Row) -> str:
    count = int(row["comparisons before"])
    before = f"the median of the {count} before" if count > 1 else "the one before"
    spread = f", spread {_time(row['spread before s'])}" if count > 1 else ""
    with_work = f" with {row['work']}" if "work" in row else ""
    return (
        f"{row['strategy']}{with_work} took {_time(row['now s'])}, {_time(row['change s'])} longer"
        f" than {before} ({_time(row['median before s'])}{spread})"
    )


def _time(cell: Cell) -> str:
    return duration(float(cell))
