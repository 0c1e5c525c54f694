"""The times of each work under each strategy as stacked bars, as SVG text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from xml.etree.ElementTree import Element

from imgur_mirror.models import Strategy
from imgur_mirror.report import svg
from imgur_mirror.report.tables import Row
from imgur_mirror.text import counted, duration

__all__ = ["PARTS", "bar_chart"]

# Colours of Okabe and Ito's palette, which colour-blind readers tell apart, each with the colour
# of the text that is read on it. The waterfalls have the same for the same.
PARTS = {
    "start-up": ("#F5EE9A", svg.INK),
    "download": ("#0072B2", svg.PAPER),
    "work": ("#009E73", svg.PAPER),
}

# Pixels.
ABOVE, BELOW, LEFT, RIGHT = 40, 48, 96, 104
BAR, ROW, HEADING = 24, 40, 30
MIN_FIGURE = 40
"""A narrower part has no room for its figure."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How seconds become pixels."""

    width: int
    seconds: float

    def x(self, seconds: float) -> float:
        return LEFT + (self.width - LEFT - RIGHT) * seconds / self.seconds


def bar_chart(rows: Sequence[Row], width: int = svg.WIDE) -> str:
    """Draw the rows of a comparison as stacked bars, under a heading for each work.

    The id of each bar is `PART-WORK-STRATEGY`, such as `download-none-threads`.
    """
    longest = max((sum(_seconds(row, part) for part in PARTS) for row in rows), default=0.0)
    scale = Scale(width, longest or 1.0)
    groups = [(work, list(group)) for work, group in groupby(rows, key=_work)]
    bars: list[Element] = []
    y = float(ABOVE)
    for work, group in groups:
        if len(groups) > 1:
            bars.append(svg.text(9, y + HEADING / 2, str(work), 13, font_weight="bold"))
            y += HEADING
        for row in group:
            bars += _bar(row, scale, y + ROW / 2)
            y += ROW
    shown = [part for part in PARTS if part != "work" or any(_seconds(row, part) for row in rows)]
    return svg.document(width, y + BELOW, *_key(shown), *_axis(scale, y), *bars)


def _key(shown: Sequence[str]) -> Iterator[Element]:
    x = 9.0
    for part in shown:
        yield svg.rect(x, 12, 14, 14, PARTS[part][0])
        yield svg.text(x + 20, 19, part, 13)
        x += 44 + 7.2 * len(part)


def _axis(scale: Scale, bottom: float) -> Iterator[Element]:
    for seconds, written in svg.ticks(scale.seconds, 8 if scale.width >= svg.WIDE else 3):
        x = scale.x(seconds)
        yield svg.line(f"M{x:g} {ABOVE}V{bottom:g}", svg.FAINT, 1)
        yield svg.text(x, bottom + 12, written, 11, text_anchor="middle")
    middle = scale.x(scale.seconds / 2)
    yield svg.text(middle, bottom + 33, "seconds", 13, text_anchor="middle")


def _bar(row: Row, scale: Scale, y: float) -> Iterator[Element]:
    """Draw one row: its name on the left, its parts, and its total at their end."""
    workers = counted(int(row["workers"]), "worker")
    yield svg.text(LEFT - 8, y - 7, str(row["strategy"]), 12, text_anchor="end")
    yield svg.text(LEFT - 8, y + 8, workers, 11, text_anchor="end")
    begin = 0.0
    for part, (colour, ink) in PARTS.items():
        seconds = _seconds(row, part)
        left, width = scale.x(begin), scale.x(begin + seconds) - scale.x(begin)
        if seconds or part != "work":
            identity = f"{part}-{_work(row)}-{row['strategy']}"
            yield svg.rect(left, y - BAR / 2, width, BAR, colour, id=identity)
        if width >= MIN_FIGURE:
            middle = left + width / 2
            yield svg.text(middle, y, duration(seconds), 11, fill=ink, text_anchor="middle")
        begin += seconds
    yield svg.text(scale.x(begin) + 7, y, _total(row), 12, font_weight="bold")


def _seconds(row: Row, part: str) -> float:
    return float(row.get(f"{part} s", 0.0))


def _work(row: Row) -> str:
    return str(row.get("work", "none"))


def _total(row: Row) -> str:
    """Return `1.4 s · 3.4 ×`; without the speed-up if there is no sequential run to compare to."""
    total, speedup = duration(_seconds(row, "total")), row["speed-up"]
    if row["strategy"] == Strategy.SEQUENTIAL or speedup == "":
        return total
    return f"{total} · {speedup:.1f} ×"
