"""Comparisons made by hand: forty images, one of them large, under each strategy and work."""

from dataclasses import replace

from imgur_mirror.compare import Comparison, Machine, advise_each, points
from imgur_mirror.models import Album, Download, Mirrored, Outcome, Strategy, Timings, Usage, Work
from tests.support.rows import BEGAN

__all__ = ["compared", "ran"]

ALBUM = Album(id="PdA9Amq", title="Forty <late> & “ways”")
MACHINE = Machine(2, "Linux 6, x86_64", (("Python", "3.11.7"), ("prefect", "3.9.1")))
LARGE = 25
"""Images; the tenth takes as long as so many."""

STARTUP = {Strategy.DASK: 1.6}
# Seconds of one image's work, and the cores in use, where two workers share what bounds them.
WORK = {
    (Work.THUMBNAIL, Strategy.SEQUENTIAL): (0.06, 0.9),
    (Work.THUMBNAIL, Strategy.DASK): (0.07, 1.8),
    (Work.THUMBNAIL, Strategy.THREADS): (0.07, 1.9),
    (Work.THUMBNAIL, Strategy.ASYNC): (0.07, 1.9),
    (Work.BLURHASH, Strategy.SEQUENTIAL): (0.12, 0.95),
    (Work.BLURHASH, Strategy.DASK): (0.13, 1.8),
    (Work.BLURHASH, Strategy.THREADS): (0.24, 1.0),
    (Work.BLURHASH, Strategy.ASYNC): (0.24, 1.1),
}


def ran(strategy, work=Work.NONE, workers=2, cores=0.2, seconds=0.0, startup=0.1, memory=150e6):
    """A run whose workers each take the next image; `seconds` is what the work takes of each."""
    workers = 1 if strategy is Strategy.SEQUENTIAL else workers
    free = [startup] * workers
    rows = []
    for number in range(40):
        worker = free.index(min(free))
        start = free[worker]
        fetched = start + (0.05 * LARGE if number == 9 else 0.05)
        free[worker] = fetched + seconds
        rows.append(
            Download(
                id=f"img{number:04}",
                name=f"img{number:04}.jpg",
                outcome=Outcome.DOWNLOADED,
                bytes=50_000,
                attempts=1,
                started=BEGAN + start,
                first_byte=0.03,
                finished=BEGAN + fetched,
                worker=str(worker + 1),
                work_started=BEGAN + fetched if seconds else None,
                work_seconds=seconds or None,
            )
        )
    ended = max(free)
    return Mirrored(
        album=ALBUM,
        strategy=strategy,
        workers=workers,
        downloads=tuple(rows),
        timings=Timings(BEGAN, BEGAN + startup, BEGAN + ended),
        work=work,
        usage=Usage(cores * ended, round(memory)),
    )


def compared(works=tuple(Work), workers=(2,), **more):
    """A comparison of all strategies, on a machine of two cores."""
    runs = tuple(
        ran(
            strategy,
            work,
            count,
            *reversed(WORK.get((work, strategy), (0.0, 0.2))),
            startup=STARTUP.get(strategy, 0.1),
        )
        for work in works
        for strategy in Strategy
        for count in (workers if strategy is not Strategy.SEQUENTIAL else (1,))
    )
    advice = advise_each(points(runs), ALBUM.id, "2026-02-02T20:20:20+00:00")
    return replace(Comparison(runs, (), advice, (), MACHINE), **more)
