"""The waterfall of a run: when each image waited and was received, and which workers were idle."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple
from xml.etree.ElementTree import Element

from imgur_mirror.models import Download, Mirrored, Outcome
from imgur_mirror.report import svg
from imgur_mirror.report.tables import label
from imgur_mirror.text import counted, plain

__all__ = ["waterfall"]


class Kind(StrEnum):
    """What a bar shows, in the order of drawing: the last is on top.

    An image that was fetched in byte ranges overlaps its worker's other images, and must not hide
    them.
    """

    STARTUP = "start-up"
    QUEUED = "queued"
    IDLE = "idle"
    SEVERAL = "several requests"
    WAITING = "waiting"
    TRANSFER = "transfer"
    WORK = "work"
    NO_FILE = "no file"


# Okabe and Ito's palette, which colour-blind readers tell apart, on greys.
COLOURS = {
    Kind.STARTUP: "#F3F3F3",
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

MAX_BARS = 12_000
"""A picture with more bars is condensed to the prevailing kind in each of `COLUMNS` of a row."""

COLUMNS = 600

# Pixels.
WIDTH, ABOVE, BELOW = 700, 72, 52
IMAGE_ROW, WORKER_ROW, MAX_WORKER_ROWS = 19, 29, 768
MIN_BAR, QUEUED_LINE = 0.5, 2
TEXT, SMALL_TEXT = 13, 11


class Bar(NamedTuple):
    """What a row shows from `begin` to `end`, in seconds since the start of the run."""

    row: int
    kind: Kind
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn: `names` label the rows on the left; `workers`, if each row is an image's, on
    the right. `seconds` is the length of the run, `startup` that of its start-up.

    The properties and methods say where, in pixels.
    """

    title: str
    seconds: float
    startup: float
    bars: Sequence[Bar]
    names: Sequence[str]
    workers: Sequence[str] = ()

    @property
    def left(self) -> int:
        return 139 if self.workers else 58

    @property
    def right(self) -> int:
        return WIDTH - 62 if self.workers else WIDTH - 14

    @property
    def pitch(self) -> float:
        """The height of a row."""
        return IMAGE_ROW if self.workers else min(WORKER_ROW, MAX_WORKER_ROWS / len(self.names))

    @property
    def bottom(self) -> float:
        return ABOVE + self.pitch * len(self.names)

    def x(self, seconds: float) -> float:
        return self.left + (self.right - self.left) * seconds / self.seconds

    def y(self, row: float) -> float:
        """The middle of a row."""
        return ABOVE + self.pitch * (row + 0.5)


def waterfall(mirrored: Mirrored) -> str | None:
    """Draw a run as SVG; None if nothing was requested.

    All bars of a kind are one path, which has the kind as its id, with `-` for spaces.
    """
    requested = [
        row
        for row in mirrored.downloads
        if (row.started is not None and row.seconds) or row.work_started is not None
    ]
    if not requested:
        return None
    requested.sort(key=lambda row: row.started or row.work_started or 0.0)
    picture = _by_image if len(requested) <= MAX_IMAGE_ROWS else _by_worker
    return _document(picture(requested, mirrored))


def _by_image(requested: Sequence[Download], mirrored: Mirrored) -> Picture:
    """Give each image a row: how long it was queued, and what happened then."""
    bars = _bars(enumerate(requested), mirrored)
    sent: dict[int, float] = {}
    for bar in bars:
        sent[bar.row] = min(bar.begin, sent.get(bar.row, bar.begin))
    return Picture(
        title=_title(mirrored),
        seconds=_length(bars),
        startup=max(mirrored.timings.startup, 0.0),
        bars=[*(Bar(row, Kind.QUEUED, 0.0, begin) for row, begin in sent.items()), *bars],
        names=[_shortened(label(download)) for download in requested],
        workers=[plain(download.worker or "?") for download in requested],
    )


def _by_worker(requested: Sequence[Download], mirrored: Mirrored) -> Picture:
    """Give each worker a row: what it did, and when it was idle."""
    names = sorted({row.worker or "" for row in requested}, key=lambda name: (len(name), name))
    rows = {name: row for row, name in enumerate(names)}
    bars = _bars(((rows[row.worker or ""], row) for row in requested), mirrored)
    startup, seconds = max(mirrored.timings.startup, 0.0), _length(bars)
    if len(bars) > MAX_BARS:
        bars = list(_condensed(bars, len(names), seconds))
    return Picture(
        title=_title(mirrored),
        seconds=seconds,
        startup=startup,
        bars=[*(Bar(row, Kind.IDLE, startup, seconds) for row in rows.values()), *bars],
        names=[plain(name) for name in names],
    )


def _bars(rows: Iterable[tuple[int, Download]], mirrored: Mirrored) -> list[Bar]:
    began = mirrored.timings.began
    return [bar for row, download in rows for bar in _bars_of(download, row, began)]


def _bars_of(download: Download, row: int, began: float) -> Iterator[Bar]:
    """Give the bars of one image, clipped since the clocks of two machines may disagree."""
    if download.work_started is not None:
        work = max(download.work_started - began, 0.0)
        yield Bar(row, Kind.WORK, work, work + max(download.work_seconds or 0.0, 0.0))
    if download.started is None:
        return
    begin = max(download.started - began, 0.0)
    end = begin + max(download.seconds or 0.0, 0.0)
    if download.outcome in (Outcome.FAILED, Outcome.GONE):
        yield Bar(row, Kind.NO_FILE, begin, end)
    elif download.attempts > 1:
        # The first byte is of the last request, whose own start is not known.
        yield Bar(row, Kind.SEVERAL, begin, end)
    elif download.first_byte is None:
        yield Bar(row, Kind.WAITING, begin, end)
    else:
        first_byte = min(begin + max(download.first_byte, 0.0), end)
        yield Bar(row, Kind.WAITING, begin, first_byte)
        yield Bar(row, Kind.TRANSFER, first_byte, end)


def _length(bars: Iterable[Bar]) -> float:
    """Give the seconds of the run; one if the clocks say that it took none."""
    return max(bar.end for bar in bars) or 1.0


def _condensed(bars: Iterable[Bar], rows: int, seconds: float) -> Iterator[Bar]:
    """Cut the time into columns, and give each row what it did for most of each column."""
    columns = max(min(COLUMNS, MAX_BARS // rows), 20)
    width = seconds / columns
    spent = _seconds_spent(bars, columns, width)
    for row in range(rows):
        cells = [spent[row, column] for column in range(columns)]
        kinds = [max(cell, key=cell.__getitem__) for cell in cells]
        for kind, run in groupby(range(columns), kinds.__getitem__):
            first, *others = run
            if kind is not Kind.IDLE:
                yield Bar(row, kind, first * width, (first + 1 + len(others)) * width)


def _seconds_spent(
    bars: Iterable[Bar], columns: int, width: float
) -> Mapping[tuple[int, int], Mapping[Kind, float]]:
    """Give the seconds of each kind in each row and column; what no bar covers is idle."""
    spent: defaultdict[tuple[int, int], defaultdict[Kind, float]]
    spent = defaultdict(lambda: defaultdict(float, {Kind.IDLE: width}))
    for bar in bars:
        last = min(int(bar.end / width), columns - 1)
        for column in range(int(bar.begin / width), last + 1):
            covered = min(bar.end, (column + 1) * width) - max(bar.begin, column * width)
            spent[bar.row, column][bar.kind] += covered
            spent[bar.row, column][Kind.IDLE] -= covered
    return spent


def _document(picture: Picture) -> str:
    """Lay the parts over each other: the start-up and the grid lie below the bars."""
    by_kind = {kind: [bar for bar in picture.bars if bar.kind is kind] for kind in Kind}
    shown = [kind for kind, bars in by_kind.items() if bars]
    startup = min(picture.startup, picture.seconds)
    width, height = picture.x(startup) - picture.left, picture.bottom - ABOVE
    return svg.document(
        WIDTH,
        picture.bottom + BELOW,
        svg.text(9, 17, picture.title, TEXT, font_weight="bold"),
        *_key([Kind.STARTUP, *shown] if startup else shown),
        svg.rect(picture.left, ABOVE, width, height, COLOURS[Kind.STARTUP]),
        *_grid(picture),
        *_labels(picture),
        *(_path(picture, kind, by_kind[kind]) for kind in shown),
    )


def _path(picture: Picture, kind: Kind, bars: Iterable[Bar]) -> Element:
    """Draw all bars of a kind as one line with gaps: an element for each takes thrice the bytes."""
    thickness = QUEUED_LINE if kind is Kind.QUEUED else 0.7 * picture.pitch
    path = []
    for bar in bars:
        begin = picture.x(bar.begin)
        end = max(picture.x(bar.end), begin + MIN_BAR)
        path.append(f"M{begin:g} {picture.y(bar.row):g}H{end:g}")
    return svg.line("".join(path), COLOURS[kind], thickness, id=kind.replace(" ", "-"))


def _key(kinds: Iterable[Kind]) -> Iterator[Element]:
    """Say what the colours mean, side by side."""
    x, y = 9.0, 36.0
    for kind in kinds:
        yield svg.line(
            f"M{x:g} {y:g}h16", COLOURS[kind], QUEUED_LINE if kind is Kind.QUEUED else 10
        )
        yield svg.text(x + 24, y, kind.value, TEXT)
        # How wide the reader's font is can only be guessed.
        x += 44 + 7.2 * len(kind)


def _grid(picture: Picture) -> Iterator[Element]:
    """Draw the axis: a line every so many seconds."""
    step = _tick(picture.seconds)
    decimals = max(-math.floor(math.log10(step)), 0)
    for number in range(math.floor(picture.seconds / step) + 1):
        x = picture.x(number * step)
        yield svg.line(f"M{x:g} {ABOVE}V{picture.bottom:g}", svg.FAINT, 1)
        yield _small(x, picture.bottom + 12, f"{number * step:.{decimals}f}", "middle")
    middle = (picture.left + picture.right) / 2
    yield svg.text(middle, picture.bottom + 33, "seconds", TEXT, text_anchor="middle")


def _tick(seconds: float) -> float:
    """Give the distance of the lines: 1, 2 or 5 times a power of ten, for ten lines at most."""
    power = 10.0 ** math.floor(math.log10(seconds / 10))
    return power * next((factor for factor in (1, 2, 5) if seconds <= 10 * power * factor), 10)


def _labels(picture: Picture) -> Iterator[Element]:
    """Name the rows, as many as there is room for, and each image's worker."""
    left, right, header = picture.left - 5, picture.right + 8, ABOVE - 11
    every = math.ceil(IMAGE_ROW / picture.pitch)
    for row in range(0, len(picture.names), every):
        yield _small(left, picture.y(row), picture.names[row], "end")
    if picture.workers:
        yield _small(right, header, "worker", "start")
    else:
        yield _small(left, header, "worker", "end")
    for row, worker in enumerate(picture.workers):
        yield _small(right, picture.y(row), worker, "start")


def _small(x: float, y: float, content: str, anchor: str) -> Element:
    return svg.text(x, y, content, SMALL_TEXT, text_anchor=anchor)


def _shortened(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:7]}…{name[-8:]}"


def _title(mirrored: Mirrored) -> str:
    when = datetime.fromtimestamp(mirrored.timings.began, UTC).strftime("%Y-%m-%d %H:%M UTC")
    workers = counted(mirrored.workers, "worker")
    return f"{plain(mirrored.album.id)} · {mirrored.strategy}, {workers} · {when}"
