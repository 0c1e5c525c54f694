"""Images a second over the number of workers, a line for each strategy, as SVG text."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from imgur_mirror.compare.points import Point
from imgur_mirror.models import Strategy
from imgur_mirror.report import svg

__all__ = ["curve_chart"]

# Like Okabe and Ito's, but dark enough for text on white. The page has lighter ones on dark paper.
COLOURS = {
    Strategy.SEQUENTIAL: svg.INK,
    Strategy.THREADS: "#B84A00",
    Strategy.DASK: "#00785A",
    Strategy.ASYNC: "#0072B2",
}
# Pixels.
HEIGHT, ABOVE, BELOW, LEFT, RIGHT = 260, 40, 56, 56, 92
NAME = 16
"""The height of a line's name: two are no closer."""

DOT = 4.0


@dataclass(frozen=True, slots=True)
class Plot:
    """How workers and images a second become pixels: twice the workers are equally far apart."""

    width: int
    fewest: int
    most: int
    rate: float

    def x(self, workers: int) -> float:
        octaves = math.log2(self.most / self.fewest) or 1.0
        return LEFT + (self.width - LEFT - RIGHT) * math.log2(workers / self.fewest) / octaves

    def y(self, rate: float) -> float:
        return ABOVE + HEIGHT * (1 - rate / self.rate)


def curve_chart(
    measured: Sequence[Point], chosen: Point | None = None, width: int = svg.WIDE
) -> str:
    """Draw the points as lines, each named at its end, with a ring around the chosen one.

    The path of each line has the id `curve-STRATEGY`; that of the ring `chosen`.
    """
    counts = sorted({point.workers for point in measured}) or [1]
    highest = 1.08 * max((point.rate for point in measured), default=0.0) or 1.0
    plot = Plot(width, counts[0], counts[-1], highest)
    ring = [_dot(plot, chosen, svg.INK, 8, id="chosen", fill="none")] if chosen else []
    return svg.document(
        width,
        ABOVE + HEIGHT + BELOW,
        svg.text(9, 18, "images a second, start-up included", 13),
        *_grid(plot, counts),
        *_lines(plot, measured),
        *_names(plot, measured),
        *ring,
    )


def _grid(plot: Plot, counts: Sequence[int]) -> Iterator[Element]:
    bottom, right = plot.y(0), plot.x(plot.most)
    for rate, written in svg.ticks(plot.rate, 6):
        y = plot.y(rate)
        yield svg.line(f"M{LEFT} {y:g}H{right:g}", svg.FAINT, 1)
        yield svg.text(LEFT - 7, y, written, 11, text_anchor="end")
    for workers in _spaced(counts):
        x = plot.x(workers)
        yield svg.line(f"M{x:g} {ABOVE}V{bottom:g}", svg.FAINT, 1)
        yield svg.text(x, bottom + 14, str(workers), 11, text_anchor="middle")
    label = "workers (connections in use at once)"
    yield svg.text((LEFT + right) / 2, bottom + 37, label, 13, text_anchor="middle")


def _spaced(counts: Sequence[int]) -> list[int]:
    """Return the numbers that have room for a label: the last, and those well below the next."""
    kept = [counts[-1]]
    for number in reversed(counts[:-1]):
        if number * 1.35 <= kept[0]:
            kept.insert(0, number)
    return kept


def _lines(plot: Plot, measured: Sequence[Point]) -> Iterator[Element]:
    for strategy, colour in COLOURS.items():
        line = sorted(
            (point for point in measured if point.strategy is strategy),
            key=lambda point: point.workers,
        )
        if line:
            places = (f"{plot.x(point.workers):g} {plot.y(point.rate):g}" for point in line)
            path = "M" + "L".join(places)
            yield svg.line(path, colour, 2, id=f"curve-{strategy}", fill="none")
            yield from (_dot(plot, point, colour, DOT, fill=colour) for point in line)


def _dot(
    plot: Plot, point: Point, colour: str, radius: float, **attributes: str | float
) -> Element:
    x, y = plot.x(point.workers), plot.y(point.rate)
    half = f"a{radius:g} {radius:g} 0 1 0"
    path = f"M{x - radius:g} {y:g}{half} {2 * radius:g} 0{half} {-2 * radius:g} 0"
    return svg.line(path, colour, 1.4, **attributes)


def _names(plot: Plot, measured: Sequence[Point]) -> Iterator[Element]:
    """Name each line to the right of its end, no two names closer than their height.

    A line that ends to the left of others, as sequential does with one worker, is named below it.
    """
    ends = {point.strategy: point for point in sorted(measured, key=lambda point: point.workers)}
    lowest = math.inf
    for strategy, end in sorted(ends.items(), key=lambda item: item[1].rate):
        x, y = plot.x(end.workers) + 9, plot.y(end.rate)
        if end.workers == plot.most:
            y = min(y, lowest)
            lowest = y - NAME
        else:
            y += 12
        # A halo, so that no line runs through it.
        yield svg.text(
            x,
            y,
            strategy.value,
            12,
            fill=COLOURS[strategy],
            font_weight="bold",
            stroke=svg.PAPER,
            stroke_width=3,
            paint_order="stroke",
        )
