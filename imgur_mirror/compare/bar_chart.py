"""Pictures as SVG text, for reports whose Markdown shows images from data addresses."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgur_mirror.report.svg import FAINT, FONTS, INK, PAPER
from imgur_mirror.report.tables import Row
from imgur_mirror.text import counted, duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure

__all__ = [
    "Margins",
    "bar_chart",
    "drawing",
    "svg_text",
]

# Two colours of Okabe and Ito's palette, which colour-blind readers tell apart, each with the
# colour of the text that is read on it.
PARTS = {"start-up": ("#E69F00", INK), "download": ("#0072B2", PAPER)}

# Inches; 7.3 of them are 700 pixels of an SVG, which counts 72 points to an inch.
WIDTH, BAR, ABOVE, BELOW, LEFT, RIGHT = 7.3, 0.55, 0.5, 0.55, 1.15, 0.15
# A part narrower than this share of the axis has no room for its figure.
ROOM = 0.08

# Text stays text, in the reader's own font, and the same figures give the same bytes.
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": FONTS,
    "font.size": 10.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "imgur-mirror",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
# The date would make every picture a different one.
UNDATED = {"Date": None, "Creator": None, "Format": None, "Type": None}


def bar_chart(rows: Sequence[Row]) -> str:
    """The rows of a comparison as stacked bars, start-up and download told apart.

    The SVG group of each bar has the id `start-up-STRATEGY` or `download-STRATEGY`.
    """
    with drawing(BAR * max(len(rows), 1), Margins(LEFT, RIGHT, ABOVE, BELOW)) as (figure, axes):
        _frame(axes, rows)
        _bars(axes, rows)
        return svg_text(figure)


@dataclass(frozen=True, slots=True)
class Margins:
    """Inches around the axes of a picture."""

    left: float
    right: float
    above: float
    below: float


@contextmanager
def drawing(height: float, margins: Margins) -> Iterator[tuple["Figure", "Axes"]]:
    """Give an empty picture `WIDTH` inches wide, whose axes are `height` inches high."""
    # Half a second and 40 MB that only a comparison pays, after all that it times.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    whole = margins.above + height + margins.below
    inside = WIDTH - margins.left - margins.right
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, whole), facecolor=PAPER)
        axes = figure.add_axes(
            (margins.left / WIDTH, margins.below / whole, inside / WIDTH, height / whole)
        )
        yield figure, axes


def _frame(axes: "Axes", rows: Sequence[Row]) -> None:
    """The strategies from top to bottom, seconds from left to right, and nothing more."""
    longest = max((_stacked(row) for row in rows), default=0.0) or 1.0
    # Room for the label at the end of the longest bar.
    axes.set_xlim(0, longest * 1.3)
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), labels=[_named(row) for row in rows])
    axes.set_xlabel("seconds")
    axes.tick_params(length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)


def _bars(axes: "Axes", rows: Sequence[Row]) -> None:
    """Both parts of every bar, the key to them above, and the totals behind them."""
    before = [0.0] * len(rows)
    for part, (colour, _) in PARTS.items():
        widths = [_seconds(row, part) for row in rows]
        drawn = axes.barh(range(len(rows)), widths, 0.62, left=before, color=colour, label=part)
        _inscribe(axes, part, rows, drawn)
        before = [start + width for start, width in zip(before, widths, strict=True)]
    for place, (row, end) in enumerate(zip(rows, before, strict=True)):
        axes.annotate(
            _total(row),
            (end, place),
            (6, 0),
            textcoords="offset points",
            va="center",
            weight="bold",
            # On paper of its own: the grid would run through it.
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1},
        )
    if rows:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.3
        )


def _inscribe(axes: "Axes", part: str, rows: Sequence[Row], drawn: "BarContainer") -> None:
    """Give each bar of one part its id, and its figure where that fits."""
    _, ink = PARTS[part]
    for row, bar in zip(rows, drawn, strict=True):
        bar.set_gid(f"{part}-{row['strategy']}")
        if bar.get_width() >= ROOM * axes.get_xlim()[1]:
            middle = bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height() / 2
            axes.annotate(
                duration(bar.get_width()), middle, ha="center", va="center", color=ink, size=9
            )


def svg_text(figure: "Figure") -> str:
    """A figure as SVG, the same bytes for the same figures; draw it within `STYLE`."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", facecolor=PAPER, metadata=UNDATED)
    return buffer.getvalue()


def _seconds(row: Row, part: str) -> float:
    return float(row[f"{part} s"])


def _stacked(row: Row) -> float:
    return sum(_seconds(row, part) for part in PARTS)


def _named(row: Row) -> str:
    return f"{row['strategy']}\n{counted(int(row['workers']), 'worker')}"


def _total(row: Row) -> str:
    """`1.4 s · 3.4 ×`; the second only where there is something to be faster than."""
    total, faster = duration(_seconds(row, "total")), row["speed-up"]
    if row["strategy"] == "sequential" or faster == "":
        return total
    return f"{total} · {faster:.1f} ×"
