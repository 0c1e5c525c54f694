"""The waterfall of a run: when each image waited and came, and which workers were idle."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from imgur_mirror.charts import FAINT, WIDTH, Margins, drawing, svg_text
from imgur_mirror.drawing_process import drawn
from imgur_mirror.markdown import counted, label, plain
from imgur_mirror.models import Download, Mirrored, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["waterfall"]

ROWS = 60
"""The most images that get a row each; where there are more, each worker has one."""

WAITING, TRANSFER, SEVERAL, NO_FILE = "waiting", "transfer", "several requests", "no file"
IDLE, QUEUED, STARTUP = "idle", "queued", "start-up"

# Of Okabe and Ito's palette; what is drawn later lies above. An image that was fetched in pieces
# spans what its worker did besides, and must not hide it.
COLOURS = {SEVERAL: "#56B4E9", WAITING: "#E69F00", TRANSFER: "#0072B2", NO_FILE: "#CC79A7"}
BEFORE = "#F3F3F3"

MOST_BARS = 12_000
"""What is drawn; more than that is condensed to what prevails in each column of a lane."""

COLUMNS = 600
NARROWEST = 1 / 1200
"""Of the whole time: what is shorter would not be seen."""

# Inches.
ROW, LANE, HIGHEST, ABOVE, BELOW = 0.2, 0.3, 8.0, 0.75, 0.55


class Bar(NamedTuple):
    """What a row or lane is at, from `begin` to `end` in seconds of the run."""

    place: int
    kind: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn: the bars, what stands beside their places, left and right, and above them.

    `startup` are the seconds before the first request, of `seconds` altogether.
    """

    title: str
    startup: float
    seconds: float
    bars: Sequence[Bar]
    left: Sequence[str]
    right: Sequence[str] = ()

    @property
    def is_by_image(self) -> bool:
        return bool(self.right)


def waterfall(mirrored: Mirrored) -> str | None:
    """Draw a run as SVG; None where nothing was requested.

    The SVG group of all bars of a kind has the kind as its id, `-` for spaces, and one path.
    """
    asked = [row for row in mirrored.downloads if row.started is not None and row.seconds]
    if not asked:
        return None
    asked.sort(key=lambda row: row.started or 0.0)
    return drawn(_svg_of, _pictured(asked, mirrored))


def _pictured(asked: Sequence[Download], mirrored: Mirrored) -> Picture:
    """Lay out a small album as a row an image, another as a lane a worker."""
    title, timings = _title(mirrored), mirrored.timings
    by_image = len(asked) <= ROWS
    workers = sorted({row.worker or "" for row in asked}, key=lambda name: (len(name), name))
    lanes = {worker: place for place, worker in enumerate(workers)}
    bars = [
        bar
        for number, row in enumerate(asked)
        for bar in _bars(row, number if by_image else lanes[row.worker or ""], timings.began)
    ]
    seconds = max(bar.end for bar in bars) or 1.0
    if by_image:
        names = [_shortened(label(row)) for row in asked]
        named = [row.worker or "?" for row in asked]
        return Picture(title, timings.startup, seconds, bars, names, named)
    if len(bars) > MOST_BARS:
        bars = list(_condensed(bars, len(workers), seconds))
    return Picture(title, timings.startup, seconds, bars, [plain(worker) for worker in workers])


def _bars(row: Download, place: int, began: float) -> Iterator[Bar]:
    """Give the bars of one image: the clocks of two machines may disagree, and are clipped."""
    begin = max((row.started or 0.0) - began, 0.0)
    end = begin + max(row.seconds or 0.0, 0.0)
    if row.outcome in (Outcome.FAILED, Outcome.GONE):
        yield Bar(place, NO_FILE, begin, end)
    elif row.attempts > 1:
        # Its first byte is of the last request, and when that was sent is not known.
        yield Bar(place, SEVERAL, begin, end)
    elif row.first_byte is None:
        yield Bar(place, WAITING, begin, end)
    else:
        came = min(begin + max(row.first_byte, 0.0), end)
        yield Bar(place, WAITING, begin, came)
        yield Bar(place, TRANSFER, came, end)


def _condensed(bars: Iterable[Bar], lanes: int, seconds: float) -> Iterator[Bar]:
    """Give the bars of what prevails in each column of a lane, if it is not idle."""
    columns = max(min(COLUMNS, MOST_BARS // lanes), 20)
    width = seconds / columns
    spent: defaultdict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for bar in bars:
        for column in range(int(bar.begin / width), min(int(bar.end / width), columns - 1) + 1):
            inside = min(bar.end, (column + 1) * width) - max(bar.begin, column * width)
            kinds = spent[bar.place, column]
            kinds[bar.kind] = kinds.get(bar.kind, 0.0) + inside
    cells = ((*cell, _prevailing(spent[cell], width)) for cell in sorted(spent))
    # Equal neighbours have the same difference of column and number.
    numbered = enumerate(cells)
    for (place, kind, _), run in groupby(numbered, lambda one: (*one[1][::2], one[1][1] - one[0])):
        found = [column for _, (_, column, _) in run]
        if kind != IDLE:
            yield Bar(place, kind, found[0] * width, (found[-1] + 1) * width)


def _prevailing(kinds: Mapping[str, float], width: float) -> str:
    idle = width - sum(kinds.values())
    return max({**kinds, IDLE: idle}.items(), key=lambda kind: kind[1])[0]


def _shortened(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:7]}…{name[-8:]}"


def _svg_of(picture: Picture) -> str:
    count = len(picture.left)
    inside = ROW * count if picture.is_by_image else min(LANE * count, HIGHEST)
    left, right = (1.45, 0.65) if picture.is_by_image else (0.6, 0.15)
    margins = Margins(left, right, ABOVE, BELOW)
    style = {"path.simplify": False, "text.parse_math": False}
    with drawing(inside, margins, **style) as (figure, axes):
        _frame(axes, picture)
        thickness = 0.7 * 72 * inside / count
        _background(axes, picture, thickness)
        for kind, colour in COLOURS.items():
            _line(axes, kind, [bar for bar in picture.bars if bar.kind == kind], colour, thickness)
        _headed(figure, axes, picture.title)
        return svg_text(figure)


def _frame(axes: "Axes", picture: Picture) -> None:
    """Images or workers from top to bottom, seconds from left to right, and nothing more."""
    count = len(picture.left)
    axes.set_xlim(0, picture.seconds)
    axes.set_ylim(count - 0.5, -0.5)
    step = -(-count // 32) if not picture.is_by_image else 1
    axes.set_yticks(range(0, count, step), labels=list(picture.left[::step]))
    axes.tick_params(length=0, labelsize=8)
    axes.set_xlabel("seconds")
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    if not picture.is_by_image:
        axes.set_ylabel("worker")
        return
    for place, worker in [(-0.9, "worker"), *enumerate(picture.right)]:
        axes.annotate(
            worker,
            (picture.seconds, place),
            (6, 0),
            textcoords="offset points",
            annotation_clip=False,
            va="center",
            size=8,
        )


def _background(axes: "Axes", picture: Picture, thickness: float) -> None:
    """What there is before a bar: the start-up of all, and an image's queueing or an idle lane."""
    startup = max(picture.startup, 0.0)
    if startup:
        axes.axvspan(0, min(startup, picture.seconds), color=BEFORE, zorder=0, label=STARTUP)
    if picture.is_by_image:
        first = {bar.place: bar.begin for bar in reversed(picture.bars)}
        queued = [Bar(place, QUEUED, 0.0, begin) for place, begin in first.items()]
        _line(axes, QUEUED, queued, FAINT, 1.5)
    else:
        lanes = range(len(picture.left))
        idle = [Bar(place, IDLE, startup, picture.seconds) for place in lanes]
        _line(axes, IDLE, idle, FAINT, thickness)


def _line(axes: "Axes", kind: str, bars: Sequence[Bar], colour: str, thickness: float) -> None:
    """Draw all bars of a kind as one line with gaps: an artist a bar would take seconds."""
    if not bars:
        return
    least = axes.get_xlim()[1] * NARROWEST
    gap = float("nan")
    xs = [x for bar in bars for x in (bar.begin, max(bar.end, bar.begin + least), gap)]
    ys = [y for bar in bars for y in (bar.place, bar.place, gap)]
    (line,) = axes.plot(
        xs, ys, color=colour, linewidth=thickness, solid_capstyle="butt", label=kind
    )
    line.set_gid(kind.replace(" ", "-"))


def _headed(figure: "Figure", axes: "Axes", title: str) -> None:
    height = figure.get_size_inches()[1]
    figure.text(0.1 / WIDTH, 1 - 0.12 / height, title, va="top", weight="bold")
    handles, names = axes.get_legend_handles_labels()
    key = figure.legend(
        handles,
        names,
        loc="upper left",
        bbox_to_anchor=(0.1 / WIDTH, 1 - 0.32 / height),
        ncols=len(names),
        frameon=False,
        borderaxespad=0,
        borderpad=0,
        handlelength=1.2,
        columnspacing=1.4,
    )
    for handle, name in zip(key.legend_handles, names, strict=True):
        if name not in (STARTUP, QUEUED) and handle is not None:
            handle.set(linewidth=7)


def _title(mirrored: Mirrored) -> str:
    when = datetime.fromtimestamp(mirrored.timings.began, UTC).strftime("%Y-%m-%d %H:%M UTC")
    workers = counted(mirrored.workers, "worker")
    return f"{plain(mirrored.album.id)} · {mirrored.strategy}, {workers} · {when}"
