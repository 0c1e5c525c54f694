"""What all flows mean by mirroring an album that was listed."""

import time
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace

from prefect.logging import get_run_logger

from flows.cli.stopping import go_on
from flows.download_images import download_images
from flows.support.progress import progress_shown
from imgur_mirror.download.byte_ranges import merged
from imgur_mirror.download.plan import Plan, Splitting, plan
from imgur_mirror.models import Album, Download, Mirrored, Outcome, Strategy, Timings
from imgur_mirror.report import fetched_line, plan_line
from imgur_mirror.settings import Settings
from imgur_mirror.store import AlbumFolder, Entry

__all__ = ["Incomplete", "mirror"]


class Incomplete(Exception):
    """A mirror lacks something; the message says what, and `mirrored` has every row."""

    def __init__(self, message: str, mirrored: Mirrored) -> None:
        super().__init__(message)
        self.mirrored = mirrored


def mirror(
    album: Album,
    strategy: Strategy,
    workers: int,
    folder: AlbumFolder,
    settings: Settings,
    verify: bool = False,
) -> Mirrored:
    """Fetch what the folder lacks of an album, and write its manifest.

    With `verify`, a file that is no longer as the manifest says counts as lacking.

    Raises:
        StoreError: where the folder cannot be written.
        KeyboardInterrupt: where the command was told to stop before.
    """
    go_on()
    workers = 1 if strategy is Strategy.SEQUENTIAL else workers
    with folder.start_run() as mine:
        entries, files = mine.read_manifest(), mine.files()
        damaged = mine.damaged(entries, files) if verify else set()
        whole = {name: size for name, size in files.items() if name not in damaged}
        splitting = _splitting(album, workers, mine, settings)
        todo = plan(album, entries, whole, settings.max_task_runs, splitting)
        mine.sweep(image.name for image in todo.images)
        began = time.time()
        fetched = _fetch(todo, mine, strategy, workers, settings)
        rows = _by_image((*todo.settled, *fetched), mine, damaged)
        downloads = (
            *(_mourned(rows[image.id], damaged) for image in album.images),
            *_left_damaged(album, entries.values(), damaged),
        )
        mine.sweep(row.name for row in downloads if row.outcome is Outcome.FAILED)
        mine.write_manifest(album, downloads)
    return Mirrored(
        album=album,
        strategy=strategy,
        workers=workers,
        downloads=_numbered(downloads),
        timings=_timings(began, downloads),
    )


def _splitting(
    album: Album, workers: int, folder: AlbumFolder, settings: Settings
) -> Splitting | None:
    """Let large images be cut into pieces, where there is more than one connection for them.

    One connection goes on with the pieces of an earlier run, and makes none; a store elsewhere
    takes images whole.
    """
    if not folder.capabilities.byte_ranges:
        return None
    if workers == 1:
        return Splitting(settings.max_bytes, 1, folder.resumable(album.images, None))
    resumable = folder.resumable(album.images, settings.split_bytes)
    return Splitting(settings.split_bytes, workers, resumable)


def _by_image(
    rows: Iterable[Download], folder: AlbumFolder, damaged: AbstractSet[str]
) -> dict[str, Download]:
    """Give one row for each image, by its id."""
    pieces: dict[str, list[Download]] = {}
    for row in rows:
        pieces.setdefault(row.id, []).append(row)
    return {image: _settled(merged(rows), folder, damaged) for image, rows in pieces.items()}


def _settled(row: Download, folder: AlbumFolder, damaged: AbstractSet[str]) -> Download:
    """Say what became of an image of which all that is known is that its pieces came."""
    if row.outcome is not Outcome.BYTE_RANGE:
        return row
    size = None if row.name in damaged else folder.files().get(row.name)
    if size is None:
        error = "its pieces do not make a whole; run this again"
        return replace(row, outcome=Outcome.FAILED, error=error)
    # Put together by a worker that was killed before it could say so, or by another run: there
    # was no file of that name when this run began.
    md5 = folder.digest(row.name)
    return replace(row, outcome=Outcome.DOWNLOADED, bytes=size, md5=md5, verified="length")


def _mourned(row: Download, damaged: AbstractSet[str]) -> Download:
    """Say of a damaged file that it cannot be fetched again: to be gone is then a loss."""
    if row.outcome is not Outcome.GONE or row.name not in damaged:
        return row
    error = "its file is damaged, and Imgur removed the image: look for a copy of the file"
    return replace(row, outcome=Outcome.FAILED, error=error)


def _left_damaged(
    album: Album, entries: Iterable[Entry], damaged: AbstractSet[str]
) -> list[Download]:
    """Say which damaged files are of images that are no longer in the album."""
    listed = {image.id for image in album.images}
    error = "its file is damaged, and the image is no longer in the album: mirror it by its own id"
    return [
        Download(id=entry.image.id, name=entry.file, outcome=Outcome.FAILED, error=error)
        for entry in entries
        if entry.file is not None and entry.file in damaged and entry.image.id not in listed
    ]


def _fetch(
    todo: Plan, folder: AlbumFolder, strategy: Strategy, workers: int, settings: Settings
) -> tuple[Download, ...]:
    log = get_run_logger()
    log.info(plan_line(len(todo.settled), len(todo.images), len(todo.batches), strategy, workers))
    if not todo.batches:
        return ()
    with progress_shown(todo, folder, f"{folder.name} · {strategy}"):
        rows = download_images(
            todo,
            folder,
            settings.wire,
            strategy,
            workers,
            settings.dask_scheduler_address,
        )
    log.info(fetched_line(rows))
    return rows


def _timings(began: float, downloads: Iterable[Download]) -> Timings:
    asked = [row for row in downloads if row.started is not None and row.finished is not None]
    if not asked:
        now = time.time()
        return Timings(began, now, now)
    return Timings(
        began,
        min(row.started for row in asked if row.started is not None),
        max(row.finished for row in asked if row.finished is not None),
    )


def _numbered(downloads: Iterable[Download]) -> tuple[Download, ...]:
    """Call the workers 1, 2, … in the order in which they sent their first requests."""
    rows = tuple(downloads)
    numbers: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: row.started or 0.0):
        if row.worker is not None:
            numbers.setdefault(row.worker, str(len(numbers) + 1))
    return tuple(
        replace(row, worker=numbers[row.worker]) if row.worker is not None else row for row in rows
    )
