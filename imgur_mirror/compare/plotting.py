"""What all charts of a comparison share: their size, style and axes, and the SVG text of them."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from imgur_mirror.report.svg import FAINT, FONTS, INK, PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Margins", "add_grid", "add_label", "svg_chart"]

WIDTH = 7.3
"""Inches; they are 700 pixels of the SVG, which counts 72 points to an inch."""

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
# With a date, every picture would be a different one.
UNDATED = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True, slots=True)
class Margins:
    """Inches around the axes of a chart."""

    left: float
    right: float
    above: float
    below: float


def svg_chart(height: float, margins: Margins, draw: Callable[["Axes"], None]) -> str:
    """Give a chart as SVG text, the same bytes for the same figures.

    `draw` fills the axes, which are `height` inches high.
    """
    # matplotlib takes half a second and 40 MB, so it is imported after all that is timed.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    whole = margins.above + height + margins.below
    inside = WIDTH - margins.left - margins.right
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, whole), facecolor=PAPER)
        draw(
            figure.add_axes(
                (margins.left / WIDTH, margins.below / whole, inside / WIDTH, height / whole)
            )
        )
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", facecolor=PAPER, metadata=UNDATED)
        return buffer.getvalue()


def add_grid(axes: "Axes", lines: Literal["x", "both"], *, frame: tuple[str, ...]) -> None:
    """Draw faint lines at the ticks, below the figures, and only the edges named in `frame`."""
    axes.tick_params(length=0)
    axes.grid(axis=lines, color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(side in frame)


def add_label(
    axes: "Axes",
    text: str,
    point: tuple[float, float],
    offset: tuple[float, float],
    *,
    colour: str = INK,
    opacity: float = 1.0,
) -> None:
    """Write bold text at an offset, in typographic points, from a point of the data.

    It has a background of that opacity, so that no line runs through it.
    """
    axes.annotate(
        text,
        point,
        offset,
        textcoords="offset points",
        va="center",
        color=colour,
        weight="bold",
        annotation_clip=False,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1, "alpha": opacity},
    )
