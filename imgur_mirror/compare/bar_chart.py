"""The times of each strategy as stacked bars, as SVG text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgur_mirror.compare.plotting import Margins, add_grid, add_label, svg_chart
from imgur_mirror.report.svg import INK, PAPER
from imgur_mirror.report.tables import Row
from imgur_mirror.text import counted, duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer

__all__ = ["bar_chart"]

# Two colours of Okabe and Ito's palette, which colour-blind readers tell apart, each with the
# colour of the text that is read on it.
PARTS = {"start-up": ("#E69F00", INK), "download": ("#0072B2", PAPER)}

BAR = 0.55
"""Inches for each bar."""

MARGINS = Margins(left=1.15, right=0.15, above=0.5, below=0.55)

MIN_SHARE = 0.08
"""Of the axis: a narrower part has no room for its figure."""


def bar_chart(rows: Sequence[Row]) -> str:
    """Draw the rows of a comparison as stacked bars of start-up and download.

    The SVG group of each bar has the id `start-up-STRATEGY` or `download-STRATEGY`.
    """

    def draw(axes: "Axes") -> None:
        _draw_axes(axes, rows)
        _draw_bars(axes, rows)

    return svg_chart(BAR * max(len(rows), 1), MARGINS, draw)


def _draw_axes(axes: "Axes", rows: Sequence[Row]) -> None:
    """Put the strategies from top to bottom and seconds from left to right."""
    longest = max((sum(_seconds(row, part) for part in PARTS) for row in rows), default=0.0) or 1.0
    # Leave room for the label at the end of the longest bar.
    axes.set_xlim(0, longest * 1.3)
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), labels=[_name(row) for row in rows])
    axes.set_xlabel("seconds")
    add_grid(axes, "x", frame=("left",))


def _draw_bars(axes: "Axes", rows: Sequence[Row]) -> None:
    """Draw both parts of every bar, the key to them above, and the totals to the right."""
    ends = [0.0] * len(rows)
    for part, (colour, _) in PARTS.items():
        widths = [_seconds(row, part) for row in rows]
        bars = axes.barh(range(len(rows)), widths, 0.62, left=ends, color=colour, label=part)
        _label_bars(axes, part, rows, bars)
        ends = [start + width for start, width in zip(ends, widths, strict=True)]
    for place, (row, end) in enumerate(zip(rows, ends, strict=True)):
        add_label(axes, _total(row), (end, place), (6, 0))
    if rows:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.3
        )


def _label_bars(axes: "Axes", part: str, rows: Sequence[Row], bars: "BarContainer") -> None:
    """Give each bar of one part its id, and its figure if that fits."""
    _, ink = PARTS[part]
    for row, bar in zip(rows, bars, strict=True):
        bar.set_gid(f"{part}-{row['strategy']}")
        width = bar.get_width()
        if width >= MIN_SHARE * axes.get_xlim()[1]:
            middle = bar.get_x() + width / 2, bar.get_y() + bar.get_height() / 2
            axes.annotate(duration(width), middle, ha="center", va="center", color=ink, size=9)


def _seconds(row: Row, part: str) -> float:
    return float(row[f"{part} s"])


def _name(row: Row) -> str:
    return f"{row['strategy']}\n{counted(int(row['workers']), 'worker')}"


def _total(row: Row) -> str:
    """Give `1.4 s · 3.4 ×`; without the speed-up if there is no sequential run to compare to."""
    total, speedup = duration(_seconds(row, "total")), row["speed-up"]
    if row["strategy"] == "sequential" or speedup == "":
        return total
    return f"{total} · {speedup:.1f} ×"
