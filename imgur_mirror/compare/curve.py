"""Images a second over the number of workers, a line for each strategy, as SVG text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgur_mirror.compare.bar_chart import Margins, drawing, svg_text
from imgur_mirror.compare.points import Point
from imgur_mirror.models import Strategy
from imgur_mirror.report.svg import FAINT, INK, PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curve_chart"]

# Colours of Okabe and Ito's palette, dark enough for text on white; a mark of its own for each
# strategy tells them apart without colour.
LOOKS = {
    Strategy.SEQUENTIAL: ("#1B1B1B", "D"),
    Strategy.THREADS: ("#D55E00", "s"),
    Strategy.DASK: ("#00785A", "^"),
    Strategy.ASYNC: ("#0072B2", "o"),
}
HEIGHT = 2.8
"""Inches of the axes."""

MARGINS = Margins(left=0.75, right=1.35, above=0.2, below=0.6)
"""To the right stand the names of the lines."""

LINE = 0.065
"""Of the height of the axes: what the name of a line takes."""


def curve_chart(measured: Sequence[Point], chosen: Point | None = None) -> str:
    """The points as lines, each named at its end, the chosen one ringed.

    The SVG group of each line has the id `curve-STRATEGY`; of the ring, `chosen`.
    """
    with drawing(HEIGHT, MARGINS) as (figure, axes):
        _frame(axes, measured)
        _lines(axes, measured)
        if chosen is not None:
            _ring(axes, chosen)
        return svg_text(figure)


def _frame(axes: "Axes", measured: Sequence[Point]) -> None:
    """Workers from left to right, doubling at equal distances, and images a second upwards."""
    workers = sorted({point.workers for point in measured}) or [1]
    axes.set_xscale("log", base=2)
    axes.set_xlim(workers[0] / 1.15, workers[-1] * 1.15)
    axes.set_xticks(_apart(workers), labels=[str(each) for each in _apart(workers)])
    axes.minorticks_off()
    axes.set_xlabel("workers (connections in use at once)")
    axes.set_ylim(0, 1.12 * max((point.rate for point in measured), default=0.0) or 1.0)
    axes.set_ylabel("images a second, start-up included")
    axes.tick_params(length=0)
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _apart(workers: Sequence[int]) -> list[int]:
    """The numbers that have room for their labels: the last, and those well below the next."""
    kept = [workers[-1]]
    for number in reversed(workers[:-1]):
        if number * 1.35 <= kept[0]:
            kept.insert(0, number)
    return kept


def _lines(axes: "Axes", measured: Sequence[Point]) -> None:
    for strategy, (colour, mark) in LOOKS.items():
        mine = sorted((p for p in measured if p.strategy is strategy), key=lambda p: p.workers)
        if mine:
            across, up = [p.workers for p in mine], [p.rate for p in mine]
            (line,) = axes.plot(across, up, color=colour, marker=mark, markersize=6, linewidth=1.8)
            line.set_gid(f"curve-{strategy}")
    _names(axes, measured)


def _names(axes: "Axes", measured: Sequence[Point]) -> None:
    """Name each line to the right of its end, a line's height apart at least.

    A strategy that ended far to the left, as sequential does with one worker, is named there.
    """
    most = max((point.workers for point in measured), default=1)
    lowest = 0.0
    top = axes.get_ylim()[1]
    ends = {point.strategy: point for point in sorted(measured, key=lambda p: p.workers)}
    for strategy, end in sorted(ends.items(), key=lambda item: item[1].rate):
        place = end.rate
        if end.workers == most:
            place = max(place, lowest)
            lowest = place + LINE * top
        axes.annotate(
            strategy.value,
            (end.workers, place),
            (10, 0) if end.workers == most else (8, -9),
            textcoords="offset points",
            va="center",
            color=LOOKS[strategy][0],
            weight="bold",
            annotation_clip=False,
            # On paper of its own: a line would run through it.
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1, "alpha": 0.8},
        )


def _ring(axes: "Axes", chosen: Point) -> None:
    """Mark what the advice is, with its figure above."""
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
