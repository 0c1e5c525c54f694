"""The waterfall of a run: when each image waited and came, and which workers were idle."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby, pairwise
from typing import NamedTuple
from xml.etree.ElementTree import Element

from imgur_mirror.models import Download, Mirrored, Outcome
from imgur_mirror.report import svg
from imgur_mirror.report.tables import label
from imgur_mirror.text import counted, plain

__all__ = ["waterfall"]


class Kind(StrEnum):
    """What a bar shows; in the order in which they are drawn, the last on top.

    An image that was fetched in pieces spans what its worker did besides, and must not hide it.
    """

    STARTUP = "start-up"
    QUEUED = "queued"
    IDLE = "idle"
    SEVERAL = "several requests"
    WAITING = "waiting"
    TRANSFER = "transfer"
    NO_FILE = "no file"


# Okabe and Ito's palette, which colour-blind readers tell apart, on greys.
COLOURS = {
    Kind.STARTUP: "#F3F3F3",
    Kind.QUEUED: svg.FAINT,
    Kind.IDLE: svg.FAINT,
    Kind.SEVERAL: "#56B4E9",
    Kind.WAITING: "#E69F00",
    Kind.TRANSFER: "#0072B2",
    Kind.NO_FILE: "#CC79A7",
}

MAX_IMAGE_ROWS = 60
"""The most images that get a row each; where there are more, each worker has one."""

MAX_BARS = 12_000
"""Of a picture; what has more is condensed to what prevails in each of `COLUMNS` of a row."""

COLUMNS = 600

# Pixels.
WIDTH, ABOVE, BELOW = 700, 72, 52
IMAGE_ROW, WORKER_ROW, MAX_WORKER_ROWS = 19, 29, 768
MIN_BAR, QUEUED_LINE = 0.5, 2
TEXT, SMALL_TEXT = 13, 11


class Bar(NamedTuple):
    """What a row shows from `begin` to `end`, in seconds of the run."""

    row: int
    kind: Kind
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn, and where: `names` label the rows on the left, `workers` on the right.

    The bars lie between `left` and `right`, in rows `pitch` high; all three in pixels.
    """

    title: str
    seconds: float
    startup: float
    bars: Sequence[Bar]
    names: Sequence[str]
    workers: Sequence[str]
    left: float
    right: float
    pitch: float

    @property
    def bottom(self) -> float:
        """Where the rows end."""
        return ABOVE + self.pitch * len(self.names)

    def x(self, seconds: float) -> float:
        """Where a time is."""
        return self.left + (self.right - self.left) * seconds / self.seconds

    def y(self, row: float) -> float:
        """Where the middle of a row is."""
        return ABOVE + self.pitch * (row + 0.5)


def waterfall(mirrored: Mirrored) -> str | None:
    """Draw a run as SVG; None where nothing was requested.

    All bars of a kind are one path, which has the kind as its id, `-` for spaces.
    """
    asked = [row for row in mirrored.downloads if row.started is not None and row.seconds]
    if not asked:
        return None
    asked.sort(key=lambda row: row.started or 0.0)
    by = _by_image if len(asked) <= MAX_IMAGE_ROWS else _by_worker
    return _drawn(by(asked, mirrored))


def _by_image(asked: Sequence[Download], mirrored: Mirrored) -> Picture:
    """Give each image a row: how long it was queued, and what came then."""
    began = mirrored.timings.began
    bars = [bar for row, download in enumerate(asked) for bar in _bars(download, row, began)]
    firsts = {bar.row: bar.begin for bar in reversed(bars)}
    queued = [Bar(row, Kind.QUEUED, 0.0, first) for row, first in firsts.items()]
    return Picture(
        title=_title(mirrored),
        seconds=_length(bars),
        startup=max(mirrored.timings.startup, 0.0),
        bars=[*queued, *bars],
        names=[_shortened(label(download)) for download in asked],
        workers=[plain(download.worker or "?") for download in asked],
        left=139,
        right=WIDTH - 62,
        pitch=IMAGE_ROW,
    )


def _by_worker(asked: Sequence[Download], mirrored: Mirrored) -> Picture:
    """Give each worker a row: what it was at, and when it was idle."""
    names = sorted({row.worker or "" for row in asked}, key=lambda name: (len(name), name))
    rows = {name: row for row, name in enumerate(names)}
    began, startup = mirrored.timings.began, max(mirrored.timings.startup, 0.0)
    bars = [bar for row in asked for bar in _bars(row, rows[row.worker or ""], began)]
    seconds = _length(bars)
    if len(bars) > MAX_BARS:
        bars = _condensed(bars, len(names), seconds)
    return Picture(
        title=_title(mirrored),
        seconds=seconds,
        startup=startup,
        bars=[*(Bar(row, Kind.IDLE, startup, seconds) for row in rows.values()), *bars],
        names=[plain(name) for name in names],
        workers=(),
        left=58,
        right=WIDTH - 14,
        pitch=min(WORKER_ROW, MAX_WORKER_ROWS / len(names)),
    )


def _bars(download: Download, row: int, began: float) -> Iterator[Bar]:
    """Give the bars of one image: the clocks of two machines may disagree, and are clipped."""
    begin = max((download.started or 0.0) - began, 0.0)
    end = begin + max(download.seconds or 0.0, 0.0)
    if download.outcome in (Outcome.FAILED, Outcome.GONE):
        yield Bar(row, Kind.NO_FILE, begin, end)
    elif download.attempts > 1:
        # Its first byte is of the last request, and when that was sent is not known.
        yield Bar(row, Kind.SEVERAL, begin, end)
    elif download.first_byte is None:
        yield Bar(row, Kind.WAITING, begin, end)
    else:
        came = min(begin + max(download.first_byte, 0.0), end)
        yield Bar(row, Kind.WAITING, begin, came)
        yield Bar(row, Kind.TRANSFER, came, end)


def _length(bars: Iterable[Bar]) -> float:
    """Seconds of the run; one where the clocks say that it took none."""
    return max(bar.end for bar in bars) or 1.0


def _condensed(bars: Iterable[Bar], rows: int, seconds: float) -> list[Bar]:
    """Cut the time into columns, and give each row what it did for most of each column."""
    columns = max(min(COLUMNS, MAX_BARS // rows), 20)
    width = seconds / columns
    spent = _spent(bars, columns, width)
    return [
        bar
        for row in range(rows)
        for bar in _joined(row, [_prevailing(spent[row, n], width) for n in range(columns)], width)
    ]


def _spent(
    bars: Iterable[Bar], columns: int, width: float
) -> Mapping[tuple[int, int], Mapping[Kind, float]]:
    """Add up the seconds of each kind in each row and column."""
    spent: defaultdict[tuple[int, int], defaultdict[Kind, float]]
    spent = defaultdict(lambda: defaultdict(float))
    for bar in bars:
        first, last = int(bar.begin / width), min(int(bar.end / width), columns - 1)
        cuts = [bar.begin, *(column * width for column in range(first + 1, last + 1)), bar.end]
        for column, (begin, end) in enumerate(pairwise(cuts), first):
            spent[bar.row, column][bar.kind] += end - begin
    return spent


def _prevailing(spent: Mapping[Kind, float], width: float) -> Kind:
    every = {**spent, Kind.IDLE: width - sum(spent.values())}
    return max(every, key=lambda kind: every[kind])


def _joined(row: int, kinds: Iterable[Kind], width: float) -> Iterator[Bar]:
    """Give a bar for each run of columns of the same kind, if it is not idle."""
    first = 0
    for kind, run in groupby(kinds):
        end = first + len(list(run))
        if kind is not Kind.IDLE:
            yield Bar(row, kind, first * width, end * width)
        first = end


def _drawn(picture: Picture) -> str:
    """Lay the parts over each other: the start-up and the grid lie below the bars."""
    by_kind = {kind: [bar for bar in picture.bars if bar.kind is kind] for kind in Kind}
    shown = [kind for kind, bars in by_kind.items() if bars]
    startup = min(picture.startup, picture.seconds)
    return svg.document(
        WIDTH,
        picture.bottom + BELOW,
        svg.text(9, 17, picture.title, TEXT, font_weight="bold"),
        *_key([Kind.STARTUP, *shown] if startup else shown),
        _startup(picture, startup),
        *_grid(picture),
        *_labels(picture),
        *(_path(picture, kind, by_kind[kind]) for kind in shown),
    )


def _startup(picture: Picture, seconds: float) -> Element:
    width, height = picture.x(seconds) - picture.left, picture.bottom - ABOVE
    return svg.rect(picture.left, ABOVE, width, height, COLOURS[Kind.STARTUP])


def _path(picture: Picture, kind: Kind, bars: Iterable[Bar]) -> Element:
    """Draw all bars of a kind as one line with gaps; an element for each takes thrice the bytes."""
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
        thickness = QUEUED_LINE if kind is Kind.QUEUED else 10
        yield svg.line(f"M{x:g} {y:g}h16", COLOURS[kind], thickness)
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
    """Give the distance of the lines: 1, 2 or 5 times a power of ten, ten of them at most."""
    power = 10.0 ** math.floor(math.log10(seconds / 10))
    return power * next((factor for factor in (1, 2, 5) if seconds <= 10 * power * factor), 10)


def _labels(picture: Picture) -> Iterator[Element]:
    """Name the rows, as many as there is room for, and each image's worker."""
    header = ABOVE - 11
    apart = math.ceil(IMAGE_ROW / picture.pitch)
    for row, name in list(enumerate(picture.names))[::apart]:
        yield _small(picture.left - 5, picture.y(row), name, "end")
    if not picture.workers:
        yield _small(picture.left - 5, header, "worker", "end")
        return
    yield _small(picture.right + 8, header, "worker", "start")
    for row, worker in enumerate(picture.workers):
        yield _small(picture.right + 8, picture.y(row), worker, "start")


def _small(x: float, y: float, content: str, anchor: str) -> Element:
    return svg.text(x, y, content, SMALL_TEXT, text_anchor=anchor)


def _shortened(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:7]}…{name[-8:]}"


def _title(mirrored: Mirrored) -> str:
    when = datetime.fromtimestamp(mirrored.timings.began, UTC).strftime("%Y-%m-%d %H:%M UTC")
    workers = counted(mirrored.workers, "worker")
    return f"{plain(mirrored.album.id)} · {mirrored.strategy}, {workers} · {when}"
