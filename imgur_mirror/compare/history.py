"""A comparison beside the earlier ones of the same album: what takes longer than it did."""

import json
from collections.abc import Iterable, Sequence
from statistics import median

from imgur_mirror.models import Strategy
from imgur_mirror.report.tables import Cell, Row
from imgur_mirror.text import duration

__all__ = ["Earlier", "earlier_in", "history_rows", "slowdowns"]

ENOUGH = 1 / 10
"""Of the median: no less is called a slowdown, however close together the earlier ones were."""

Trial = tuple[Strategy, int, int]
"""A strategy, its workers, and the images that it fetched: only the same are compared."""

Earlier = dict[Trial, float]
"""The totals of one earlier comparison, in seconds."""


def earlier_in(table: object) -> Earlier:
    """Read the rows that a comparison left, as JSON or as text; what is no such row is skipped."""
    try:
        rows = json.loads(table) if isinstance(table, str) else table
    except (ValueError, RecursionError):
        return {}
    if not isinstance(rows, list):
        return {}
    return dict(filter(None, map(_figures, rows)))


def _figures(row: object) -> tuple[Trial, float] | None:
    match row:
        case {
            "strategy": str(name),
            "workers": int(workers),
            "images": int(images),
            "total s": int(total) | float(total),
        } if name in list(Strategy) and 0 < total < float("inf"):
            return (Strategy(name), workers, images), float(total)
    return None


def history_rows(rows: Iterable[Row], earlier: Sequence[Earlier]) -> list[Row]:
    """The rows of a comparison beside the median of the earlier ones that did the same.

    None for a strategy that never did: with the same workers, for as many images. Times are in
    seconds; `spread s` is the slowest of the earlier ones less the fastest.
    """
    return [found for row in rows for found in _beside(row, earlier)]


def _beside(row: Row, earlier: Sequence[Earlier]) -> list[Row]:
    now = _figures(row)
    before = [each[now[0]] for each in earlier if now and now[0] in each]
    if now is None or not before:
        return []
    change = now[1] - median(before)
    return [
        {
            "strategy": now[0][0].value,
            "workers": now[0][1],
            "now s": round(now[1], 3),
            "median before s": round(median(before), 3),
            "change s": round(change, 3),
            "spread before s": round(max(before) - min(before), 3),
            "comparisons before": len(before),
        }
    ]


def slowdowns(history: Iterable[Row]) -> list[str]:
    """A sentence for each strategy that took longer than its earlier spread explains."""
    return [_sentence(row) for row in history if float(row["change s"]) > _margin(row)]


def _margin(row: Row) -> float:
    return max(float(row["spread before s"]), float(row["median before s"]) * ENOUGH)


def _sentence(row: Row) -> str:
    count = int(row["comparisons before"])
    before = f"the median of the {count} before" if count > 1 else "the one before"
    spread = f", spread {_time(row['spread before s'])}" if count > 1 else ""
    return (
        f"{row['strategy']} took {_time(row['now s'])}, {_time(row['change s'])} longer than"
        f" {before} ({_time(row['median before s'])}{spread})"
    )


def _time(cell: Cell) -> str:
    return duration(float(cell))
