"""Images a second over the number of workers, a line for each strategy, as SVG text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgur_mirror.compare.plotting import Margins, add_grid, add_label, svg_chart
from imgur_mirror.compare.points import Point
from imgur_mirror.models import Strategy
from imgur_mirror.report.svg import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curve_chart"]

# Colours of Okabe and Ito's palette, dark enough for text on white; a marker for each strategy
# tells them apart without colour.
LOOKS = {
    Strategy.SEQUENTIAL: ("#1B1B1B", "D"),
    Strategy.THREADS: ("#D55E00", "s"),
    Strategy.DASK: ("#00785A", "^"),
    Strategy.ASYNC: ("#0072B2", "o"),
}
HEIGHT = 2.8
"""Inches of the axes."""

MARGINS = Margins(left=0.75, right=1.35, above=0.2, below=0.6)
"""The names of the lines are on the right."""

NAME_HEIGHT = 0.065
"""Of the height of the axes: what the name of a line takes."""


def curve_chart(measured: Sequence[Point], chosen: Point | None = None) -> str:
    """Draw the points as lines, each named at its end, with a ring around the chosen one.

    The SVG group of each line has the id `curve-STRATEGY`; that of the ring `chosen`.
    """

    def draw(axes: "Axes") -> None:
        _draw_axes(axes, measured)
        _draw_lines(axes, measured)
        _draw_names(axes, measured)
        if chosen is not None:
            _draw_ring(axes, chosen)

    return svg_chart(HEIGHT, MARGINS, draw)


def _draw_axes(axes: "Axes", measured: Sequence[Point]) -> None:
    """Put workers from left to right, doubling at equal distances, and images a second upwards."""
    workers = sorted({point.workers for point in measured}) or [1]
    ticks = _spaced(workers)
    axes.set_xscale("log", base=2)
    axes.set_xlim(workers[0] / 1.15, workers[-1] * 1.15)
    axes.set_xticks(ticks, labels=[str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("workers (connections in use at once)")
    axes.set_ylim(0, 1.12 * max((point.rate for point in measured), default=0.0) or 1.0)
    axes.set_ylabel("images a second, start-up included")
    add_grid(axes, "both", frame=("left", "bottom"))


def _spaced(workers: Sequence[int]) -> list[int]:
    """Give the numbers that have room for their labels: the last, and those well below the next."""
    kept = [workers[-1]]
    for number in reversed(workers[:-1]):
        if number * 1.35 <= kept[0]:
            kept.insert(0, number)
    return kept


def _draw_lines(axes: "Axes", measured: Sequence[Point]) -> None:
    for strategy, (colour, marker) in LOOKS.items():
        line = sorted(
            (point.workers, point.rate) for point in measured if point.strategy is strategy
        )
        if line:
            workers, rates = zip(*line, strict=True)
            (drawn,) = axes.plot(
                workers, rates, color=colour, marker=marker, markersize=6, linewidth=1.8
            )
            drawn.set_gid(f"curve-{strategy}")


def _draw_names(axes: "Axes", measured: Sequence[Point]) -> None:
    """Name each line to the right of its end, no two names closer than their height.

    A line that ends to the left of others, as sequential does with one worker, is named there.
    """
    max_workers = max((point.workers for point in measured), default=1)
    height = NAME_HEIGHT * axes.get_ylim()[1]
    ends = {point.strategy: point for point in sorted(measured, key=lambda point: point.workers)}
    lowest = 0.0
    for strategy, end in sorted(ends.items(), key=lambda item: item[1].rate):
        y, offset = end.rate, (8.0, -9.0)
        if end.workers == max_workers:
            y, offset = max(y, lowest), (10.0, 0.0)
            lowest = y + height
        point, (colour, _) = (end.workers, y), LOOKS[strategy]
        add_label(axes, strategy.value, point, offset, colour=colour, opacity=0.8)


def _draw_ring(axes: "Axes", chosen: Point) -> None:
    (ring,) = axes.plot(
        [chosen.workers],
        [chosen.rate],
        marker="o",
        markersize=14,
        markerfacecolor="none",
        markeredgecolor=INK,
        markeredgewidth=1.4,
        linestyle="none",
    )
    ring.set_gid("chosen")
