"""What happened when in a run: bars on a row for each image, or on a lane for each worker."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

from imgur_mirror.models import Download, Mirrored, Outcome
from imgur_mirror.report.tables import label
from imgur_mirror.text import plain

__all__ = ["Bar", "Kind", "Timeline", "by_image", "by_worker", "requested"]


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


MAX_BARS = 12_000
"""A timeline with more bars is condensed to what prevails in each of `COLUMNS` of a row."""

COLUMNS = 600


class Bar(NamedTuple):
    """What a row shows from `begin` to `end`, in seconds since the start of the run."""

    row: int
    kind: Kind
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """The bars of a run; `names` are those of its rows, and `workers`, if each row is an image's.

    `seconds` is the length of the run, `startup` that of its start-up.
    """

    seconds: float
    startup: float
    bars: Sequence[Bar]
    names: Sequence[str]
    workers: Sequence[str] = ()


def requested(mirrored: Mirrored) -> list[Download]:
    """Return the rows of what was asked for or worked on, in the order in which it was."""
    rows = [
        row
        for row in mirrored.downloads
        if (row.started is not None and row.seconds) or row.work_started is not None
    ]
    return sorted(rows, key=lambda row: row.started or row.work_started or 0.0)


def by_image(mirrored: Mirrored) -> Timeline:
    """Give each image a row: how long it was queued, and what happened then."""
    rows = requested(mirrored)
    bars = _bars(enumerate(rows), mirrored)
    sent: dict[int, float] = {}
    for bar in bars:
        sent[bar.row] = min(bar.begin, sent.get(bar.row, bar.begin))
    return Timeline(
        seconds=_length(bars),
        startup=max(mirrored.timings.startup, 0.0),
        bars=[*(Bar(row, Kind.QUEUED, 0.0, begin) for row, begin in sent.items()), *bars],
        names=[label(download) for download in rows],
        workers=[plain(download.worker or "?") for download in rows],
    )


def by_worker(mirrored: Mirrored) -> Timeline:
    """Give each worker a lane: what it did, and when it was idle."""
    rows = requested(mirrored)
    names = sorted({row.worker or "" for row in rows}, key=lambda name: (len(name), name))
    lanes = {name: lane for lane, name in enumerate(names)}
    bars = _bars(((lanes[row.worker or ""], row) for row in rows), mirrored)
    startup, seconds = max(mirrored.timings.startup, 0.0), _length(bars)
    if len(bars) > MAX_BARS:
        bars = list(_condensed(bars, len(names), seconds))
    return Timeline(
        seconds=seconds,
        startup=startup,
        bars=[*(Bar(lane, Kind.IDLE, startup, seconds) for lane in lanes.values()), *bars],
        names=[plain(name) for name in names],
    )


def _bars(rows: Iterable[tuple[int, Download]], mirrored: Mirrored) -> list[Bar]:
    began = mirrored.timings.began
    return [bar for row, download in rows for bar in _bars_of(download, row, began)]


def _bars_of(download: Download, row: int, began: float) -> Iterator[Bar]:
    """Yield the bars of one image, clipped since the clocks of two machines may disagree."""
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
    """Return the seconds of the run; one if the clocks say that it took none."""
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
    """Return the seconds of each kind in each row and column; what no bar covers is idle."""
    spent: defaultdict[tuple[int, int], defaultdict[Kind, float]]
    spent = defaultdict(lambda: defaultdict(float, {Kind.IDLE: width}))
    for bar in bars:
        last = min(int(bar.end / width), columns - 1)
        for column in range(int(bar.begin / width), last + 1):
            covered = min(bar.end, (column + 1) * width) - max(bar.begin, column * width)
            spent[bar.row, column][bar.kind] += covered
            spent[bar.row, column][Kind.IDLE] -= covered
    return spent
