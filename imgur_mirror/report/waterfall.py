"""The waterfall of a run: when each image waited and was received, and which workers were idle.

Or of several runs below each other on one time axis, a lane for each worker.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from imgur_mirror.models import Mirrored
from imgur_mirror.report import svg
from imgur_mirror.report.timeline import Bar, Kind, Timeline, by_image, by_worker, requested
from imgur_mirror.text import counted, duration, plain

__all__ = ["waterfall", "waterfalls"]

# Okabe and Ito's palette, which colour-blind readers tell apart. The bars of comparisons have the
# same colours for the same parts.
COLOURS = {
    Kind.STARTUP: "#F5EE9A",
    Kind.QUEUED: svg.FAINT,
    Kind.IDLE: svg.FAINT,
    Kind.SEVERAL: "#56B4E9",
    Kind.WAITING: "#E69F00",
    Kind.TRANSFER: "#0072B2",
    Kind.WORK: "#009E73",
    Kind.NO_FILE: "#CC79A7",
}

MAX_IMAGE_ROWS = 60
"""The most images that get a row each; if there are more, each worker has one."""

# Pixels.
ABOVE, BELOW, KEY_LINE = 72, 52, 20
IMAGE_ROW, WORKER_ROW, MAX_WORKER_ROWS = 19, 29, 768
LANE, MAX_LANES, HEADING, GAP = 15, 112, 24, 8
MIN_BAR, QUEUED_LINE = 0.5, 2
TEXT, SMALL_TEXT = 13, 11


@dataclass(frozen=True, slots=True)
class Panel:
    """Where a timeline is drawn, in pixels: `top` is that of its first row, `pitch` a row's height.

    `seconds` is what fits between `left` and `right`.
    """

    timeline: Timeline
    left: int
    right: int
    top: float
    pitch: float
    seconds: float

    @property
    def bottom(self) -> float:
        return self.top + self.pitch * len(self.timeline.names)

    def x(self, seconds: float) -> float:
        return self.left + (self.right - self.left) * seconds / self.seconds

    def y(self, row: float) -> float:
        """The middle of a row."""
        return self.top + self.pitch * (row + 0.5)


def waterfall(mirrored: Mirrored) -> str | None:
    """Draw a run as SVG; None if nothing was requested.

    All bars of a kind are one path, which has the kind as its id, with `-` for spaces.
    """
    count = len(requested(mirrored))
    if not count:
        return None
    panel = _single(by_image(mirrored) if count <= MAX_IMAGE_ROWS else by_worker(mirrored))
    return _document(svg.WIDE, _title(mirrored), [panel], list(_labels(panel)))


def _single(timeline: Timeline) -> Panel:
    """Return a timeline all of the picture; images have their worker on the right."""
    if timeline.workers:
        left, right, pitch = 139, svg.WIDE - 62, float(IMAGE_ROW)
    else:
        left, right = 58, svg.WIDE - 14
        pitch = min(WORKER_ROW, MAX_WORKER_ROWS / len(timeline.names))
    return Panel(timeline, left, right, ABOVE, pitch, timeline.seconds)


def waterfalls(runs: Sequence[Mirrored], title: str, width: int = svg.WIDE) -> str | None:
    """Draw runs below each other on one time axis, as SVG; None if nothing was requested.

    Each has its strategy as a heading, and a lane for each worker.
    """
    drawn = {run: by_worker(run) for run in runs if requested(run)}
    if not drawn:
        return None
    seconds = max(timeline.seconds for timeline in drawn.values())
    panels: list[Panel] = []
    top = ABOVE + (KEY_LINE if width < svg.WIDE else 0) - 14.0
    for timeline in drawn.values():
        pitch = min(LANE, MAX_LANES / len(timeline.names))
        panels.append(Panel(timeline, 9, width - 14, top + HEADING, pitch, seconds))
        top = panels[-1].bottom + GAP
    headings = [
        element
        for run, panel in zip(drawn, panels, strict=True)
        for element in _heading(run, panel)
    ]
    return _document(width, title, panels, headings)


def _heading(run: Mirrored, panel: Panel) -> Iterator[Element]:
    """Name a run's strategy above its lanes, and mark its end there."""
    y, end = panel.top - HEADING / 2, panel.x(panel.timeline.seconds)
    workers = counted(run.workers, "worker")
    yield svg.text(panel.left, y, run.strategy.value, TEXT, font_weight="bold")
    details = f"{workers} · {duration(panel.timeline.seconds)}"
    yield _small(panel.left + 8 + 8.6 * len(run.strategy), y, details, "start")
    yield svg.line(f"M{end:g} {panel.top - 3:g}V{panel.bottom + 3:g}", svg.INK, 1.5)


def _document(width: int, title: str, panels: Sequence[Panel], labels: Iterable[Element]) -> str:
    """Lay the parts over each other: the start-up and the grid lie below the bars."""
    shown = {bar.kind for panel in panels for bar in panel.timeline.bars}
    if any(panel.timeline.startup for panel in panels):
        shown.add(Kind.STARTUP)
    return svg.document(
        width,
        panels[-1].bottom + BELOW,
        svg.text(9, 17, title, TEXT, font_weight="bold"),
        *_key((kind for kind in Kind if kind in shown), width),
        *map(_startup, panels),
        *_grid(panels, 10 if width >= svg.WIDE else 5),
        *labels,
        *(path for panel in panels for path in _paths(panel)),
    )


def _startup(panel: Panel) -> Element:
    width = panel.x(min(panel.timeline.startup, panel.seconds)) - panel.left
    height = panel.bottom - panel.top
    return svg.rect(panel.left, panel.top, width, height, COLOURS[Kind.STARTUP])


def _paths(panel: Panel) -> Iterator[Element]:
    for kind in Kind:
        if bars := [bar for bar in panel.timeline.bars if bar.kind is kind]:
            yield _path(panel, kind, bars)


def _path(panel: Panel, kind: Kind, bars: Iterable[Bar]) -> Element:
    """Draw all bars of a kind as one line with gaps: an element for each takes thrice the bytes."""
    thickness = QUEUED_LINE if kind is Kind.QUEUED else 0.7 * panel.pitch
    path = []
    for bar in bars:
        begin = panel.x(bar.begin)
        end = max(panel.x(bar.end), begin + MIN_BAR)
        path.append(f"M{begin:g} {panel.y(bar.row):g}H{end:g}")
    return svg.line("".join(path), COLOURS[kind], thickness, id=kind.replace(" ", "-"))


def _key(kinds: Iterable[Kind], width: int) -> Iterator[Element]:
    """Say what the colours mean, side by side, on as many lines as they take."""
    x, y = 9.0, 38.0
    for kind in kinds:
        # How wide the reader's font is can only be guessed.
        needed = 40 + 7.2 * len(kind)
        if x + needed > width:
            x, y = 9.0, y + KEY_LINE
        thickness = QUEUED_LINE if kind is Kind.QUEUED else 10
        yield svg.line(f"M{x:g} {y:g}h16", COLOURS[kind], thickness)
        yield svg.text(x + 22, y, kind.value, TEXT)
        x += needed


def _grid(panels: Sequence[Panel], most: int) -> Iterator[Element]:
    """Draw the axis: a line every so many seconds, in each panel."""
    first, last = panels[0], panels[-1]
    for seconds, written in svg.ticks(first.seconds, most):
        x = first.x(seconds)
        path = "".join(f"M{x:g} {panel.top:g}V{panel.bottom:g}" for panel in panels)
        yield svg.line(path, svg.FAINT, 1)
        yield _small(x, last.bottom + 12, written, "middle")
    middle = (first.left + first.right) / 2
    yield svg.text(middle, last.bottom + 33, "seconds", TEXT, text_anchor="middle")


def _labels(panel: Panel) -> Iterator[Element]:
    """Name the rows, as many as there is room for, and each image's worker."""
    left, right, header = panel.left - 5, panel.right + 8, ABOVE - 11
    names, workers = panel.timeline.names, panel.timeline.workers
    every = math.ceil(IMAGE_ROW / panel.pitch)
    for row in range(0, len(names), every):
        yield _small(left, panel.y(row), _shortened(names[row]), "end")
    if workers:
        yield _small(right, header, "worker", "start")
    else:
        yield _small(left, header, "worker", "end")
    for row, worker in enumerate(workers):
        yield _small(right, panel.y(row), worker, "start")


def _small(x: float, y: float, content: str, anchor: str) -> Element:
    return svg.text(x, y, content, SMALL_TEXT, text_anchor=anchor)


def _shortened(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:7]}…{name[-8:]}"


def _title(mirrored: Mirrored) -> str:
    when = datetime.fromtimestamp(mirrored.timings.began, UTC).strftime("%Y-%m-%d %H:%M UTC")
    workers = counted(mirrored.workers, "worker")
    return f"{plain(mirrored.album.id)} · {mirrored.strategy}, {workers} · {when}"
