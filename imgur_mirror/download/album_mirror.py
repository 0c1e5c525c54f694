"""The mirror of one album, but for the downloads: what is decided before, and recorded after."""

import time
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Self

from imgur_mirror.download.image_work import lacks_work
from imgur_mirror.download.plan import Plan, Splitting, plan
from imgur_mirror.download.settling import gone_but_damaged, no_pictures, settle_album, suspects
from imgur_mirror.download.substitutes import SeenPictures
from imgur_mirror.models import Album, Download, Mirrored, Outcome, Strategy, Timings, Work
from imgur_mirror.store import AlbumFolder
from imgur_mirror.store.manifest import Entry
from imgur_mirror.store.respelling import respell

__all__ = ["AlbumMirror", "MirrorOptions"]

DECIDING = (
    Outcome.DOWNLOADED,
    Outcome.HELD,
    Outcome.UNCHANGED,
    Outcome.GONE,
    Outcome.FAILED,
    Outcome.BYTE_RANGE,
)
"""Which outcome of an image's byte ranges is the image's: the first of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorOptions:
    """How an album is mirrored: over `workers` connections, in at most `max_task_runs` batches.

    Images above `split_bytes` are shared by several workers; with None each is fetched whole, and
    the byte ranges of an earlier run are not continued. With `verify`, every stored file is read,
    and one that is no longer as the manifest says is fetched again. `work` is done on each image,
    also on those that were stored without it.
    """

    strategy: Strategy
    workers: int
    max_task_runs: int
    split_bytes: int | None = None
    verify: bool = False
    work: Work = Work.NONE


@dataclass(frozen=True, slots=True)
class AlbumMirror:
    """One run that mirrors an album: `prepare` it, download its `plan`, then `finish` it.

    `damaged` are the names of stored files that are not as the manifest says, or no pictures at
    all; `lost` the failures of those whose images are no longer in the album.
    """

    album: Album
    folder: AlbumFolder
    options: MirrorOptions
    plan: Plan
    damaged: AbstractSet[str]
    lost: tuple[Download, ...]
    began: float

    @classmethod
    def prepare(cls, album: Album, folder: AlbumFolder, options: MirrorOptions) -> Self:
        """Decide what is to be downloaded to a folder whose run has started.

        Raises:
            StoreError: where the folder cannot be read or written.
        """
        entries = folder.read_manifest()
        respell(folder.storage, album.images, entries)
        files, damaged = folder.files(), suspects(album, entries)
        if options.verify:
            damaged |= folder.damaged(entries, files) | no_pictures(folder, entries, files)
        splitting = _splitting(album, folder, options)
        work, unworked = options.work, _unworked(entries, folder, options.work)
        todo = plan(
            album, entries, files, options.max_task_runs, splitting, damaged, work, unworked
        )
        folder.sweep(image.name for image in todo.images)
        lost = _damaged_and_unlisted(album, entries.values(), damaged) if options.verify else ()
        return cls(album, folder, options, todo, damaged, lost, time.time())

    def finish(self, outcomes: Iterable[Download], seen: SeenPictures | None = None) -> Mirrored:
        """Write the manifest, given the outcome of every range of the plan.

        `seen` has the pictures of other albums of the run, and takes those of this one.

        Raises:
            StoreError: where the folder cannot be written.
        """
        rows = self._by_image((*self.plan.settled, *outcomes))
        listed = settle_album(self.album, self.folder, rows, seen or SeenPictures())
        downloads = (*listed, *self.lost)
        return Mirrored(
            album=self.album,
            strategy=self.options.strategy,
            workers=self.options.workers,
            downloads=_with_numbered_workers(downloads),
            timings=_timings(self.began, downloads),
            work=self.options.work,
        )

    def _by_image(self, rows: Iterable[Download]) -> dict[str, Download]:
        """Make one row of each image's rows, by the image's id."""
        grouped: dict[str, list[Download]] = {}
        for row in rows:
            grouped.setdefault(row.id, []).append(row)
        return {
            image: gone_but_damaged(self._assembled(_merged(rows)), self.damaged)
            for image, rows in grouped.items()
        }

    def _assembled(self, row: Download) -> Download:
        """Look for the file of an image whose byte ranges came, and nothing said that it is whole.

        A worker that was killed before it could say so has put it together, or another run: there
        was no file of that name when this run began.
        """
        if row.outcome is not Outcome.BYTE_RANGE:
            return row
        size = None if row.name in self.damaged else self.folder.files().get(row.name)
        if size is None:
            error = "its pieces do not make a whole; run this again"
            return replace(row, outcome=Outcome.FAILED, error=error)
        md5 = self.folder.digest(row.name)
        return replace(row, outcome=Outcome.DOWNLOADED, bytes=size, md5=md5, verified="length")


def _unworked(entries: Mapping[str, Entry], folder: AlbumFolder, work: Work) -> set[str]:
    """Return the ids of the images that lack work."""
    thumbnails = folder.thumbnails.known() if work is Work.THUMBNAIL else set[str]()
    return {key for key, entry in entries.items() if lacks_work(entry, work, thumbnails)}


def _splitting(album: Album, folder: AlbumFolder, options: MirrorOptions) -> Splitting | None:
    """Let large images be cut; one connection only continues what an earlier run has cut."""
    if not folder.capabilities.byte_ranges or options.split_bytes is None:
        return None
    cut_above = options.split_bytes if options.workers > 1 else None
    return Splitting(options.workers, cut_above, folder.resumable(album.images, cut_above))


def _damaged_and_unlisted(
    album: Album, entries: Iterable[Entry], damaged: AbstractSet[str]
) -> tuple[Download, ...]:
    listed = {image.id for image in album.images}
    error = "its file is damaged, and the image is no longer in the album: mirror it by its own id"
    return tuple(
        Download(id=entry.image.id, name=entry.file, outcome=Outcome.FAILED, error=error)
        for entry in entries
        if entry.file is not None and entry.file in damaged and entry.image.id not in listed
    )


def _merged(rows: Sequence[Download]) -> Download:
    """Make one row of an image from those of its byte ranges.

    Its outcome stays `BYTE_RANGE` where all ranges came and no worker put them together.
    """
    # An image that was fetched whole in the end has a row of its own, whatever its ranges did.
    final = min(rows, key=lambda row: (row.range_start is not None, DECIDING.index(row.outcome)))
    if (span := _span(rows)) is None:
        return replace(final, range_start=None)
    return replace(
        final,
        range_start=None,
        attempts=sum(row.attempts for row in rows),
        received=sum(row.received for row in rows),
        started=span[0],
        first_byte=next(row.first_byte for row in rows if row.started is not None),
        finished=span[1],
    )


def _span(rows: Iterable[Download]) -> tuple[float, float] | None:
    """Return when the first request was sent and the last outcome known; None without requests."""
    times = [
        (row.started, row.finished)
        for row in rows
        if row.started is not None and row.finished is not None
    ]
    return (min(start for start, _ in times), max(end for _, end in times)) if times else None


def _timings(began: float, downloads: Iterable[Download]) -> Timings:
    times = [
        (row.work_started, row.work_started + (row.work_seconds or 0.0))
        for row in downloads
        if row.work_started is not None
    ]
    if (span := _span(downloads)) is not None:
        times.append(span)
    now = time.time()
    first = min((start for start, _ in times), default=now)
    return Timings(began, first, max((end for _, end in times), default=now))


def _with_numbered_workers(rows: Sequence[Download]) -> tuple[Download, ...]:
    """Call the workers 1, 2, … in the order in which they sent their first requests."""
    in_order = sorted(rows, key=lambda row: row.started or row.work_started or 0.0)
    names = dict.fromkeys(row.worker for row in in_order if row.worker is not None)
    numbers: Mapping[str | None, str] = {name: str(n) for n, name in enumerate(names, 1)}
    return tuple(replace(row, worker=numbers.get(row.worker)) for row in rows)
