"""One run of a shard: what its rows name, what is there already, and the report at its end.

Images go to the shard's own folder; an album, or an image of which only the page is known, goes
where `mirror_album` puts it. What an interrupted run fetched is in its notes and is not fetched
again; nor is what the report of an earlier run has, except what failed.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from imgur_mirror.api import (
    Address,
    AlbumNotFound,
    ApiError,
    BadCredentials,
    Blocked,
    Kind,
    RateLimited,
)
from imgur_mirror.bulk.fetch import Fetch, Fetching
from imgur_mirror.bulk.job import Job
from imgur_mirror.bulk.links import Links, read_links
from imgur_mirror.bulk.outcomes import AlbumOutcome, Row, Tally, tally_rows
from imgur_mirror.bulk.shard import Shard
from imgur_mirror.bulk.shard_notes import noted_albums, write_album_note
from imgur_mirror.bulk.shard_rows import report_rows
from imgur_mirror.download import AlbumMirror, MirrorOptions
from imgur_mirror.download.settling import MAX_WAITING, gone_but_damaged, must_wait, settle
from imgur_mirror.download.substitutes import SeenPictures, is_blocked
from imgur_mirror.models import Album, ByteRange, Download, Image, Outcome, Strategy
from imgur_mirror.report import shortfall
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder, RunState, album_folder, os_errors_as_store_errors

__all__ = ["FetchAlbum", "ShardFailed", "ShardRun"]

ASK_NO_MORE = (BadCredentials, Blocked, RateLimited)
"""Refusals that any other album would meet as well."""

FetchAlbum = Callable[[Address], Album]
"""Asks the API for an album."""


class ShardFailed(Exception):
    """Some images of a shard failed for which trying again may help; its report has all rows."""

    retryable = True

    def __init__(self, tally: Tally) -> None:
        super().__init__(tally)
        self.tally = tally

    def __str__(self) -> str:
        shown = "; ".join(f"{count} × {error}" for error, count in self.tally.errors[:3])
        return f"{self.tally.failed} of {self.tally.images} images failed: {shown}"


@dataclass(slots=True)
class ShardRun:
    """One run of a shard: loads, resolves, runs and saves; the caller does the fetching.

    `bare` is what an id by itself is the id of, `strategy` how the caller fetches. `fetch_album` is
    asked only for rows that are no links to images.
    """

    shard: Shard
    job: Job
    wire: Wire
    bare: Kind
    strategy: Strategy
    fetch_album: FetchAlbum
    tally: Tally = field(default_factory=Tally)
    _links: Links = field(default_factory=Links)
    _own: str = ""
    _images: dict[str, Download] = field(default_factory=dict)
    _albums: dict[Address, AlbumOutcome] = field(default_factory=dict)
    _damaged: set[str] = field(default_factory=set)
    _earlier: dict[tuple[str, str], Download] = field(default_factory=dict)
    _seen: SeenPictures = field(default_factory=SeenPictures)
    _waiting: list[Callable[[], None]] = field(default_factory=list)
    _locks: ExitStack = field(default_factory=ExitStack)
    _api_refusal: ApiError | None = None

    @property
    def _folder(self) -> AlbumFolder:
        return self.job.shard_folder(self.shard)

    @property
    def _state(self) -> RunState:
        return self._folder.run_state

    def fetches(self) -> Iterator[Fetch]:
        """Yield what to fetch, one after another; then the report is written and `tally` known.

        Blocks on the disk and on the API between two of them.

        Raises:
            StoreError: where something cannot be written.
            ShardFailed: where trying again may help.
        """
        # It takes a while: an event loop makes a `ShardRun`, and must not wait for this.
        self._own = self.job.relative(self._folder)
        self._links = read_links(self.shard.texts, self.wire.image_hosts, self.bare)
        with os_errors_as_store_errors(self._folder.local_dir), self._state.lock(), self._locks:
            self._load()
            yield from self._run_images()
            for address in self._links.addresses:
                if address not in self._albums and (album := self._resolve(address)):
                    yield from self._run_album(address, album)
            self._settle()
            for address in self._with_substitutes():
                if album := self._resolve(address):
                    yield from self._run_album(address, album)
            self._settle()
            self._save()
        if any(row.retryable for row in self._outcomes()):
            raise ShardFailed(self.tally)

    # Load: what earlier runs know

    def _load(self) -> None:
        self._state.keep_only(self.shard.digest)
        for row in self.job.report(self.shard).rows(self.shard):
            # One without an id only says what could not be read.
            if row.download.id:
                self._load_row(row)
        self._images |= {row.name: row for row in self._state.all_outcomes()}
        self._albums |= dict(noted_albums(self._state))
        self._drop_unfinished()

    def _load_row(self, row: Row) -> None:
        index = row.row - self.shard.first
        link = self._links.rows[index]
        if isinstance(link, Image):
            name = self._links.file_name(link)
            self._images[name] = replace(row.download, id=name)
        elif isinstance(link, Address) and index == self._links.addresses[link]:
            album = self._albums.setdefault(link, AlbumOutcome(row.folder, [], row.album_note))
            album.downloads.append(row.download)

    def _drop_unfinished(self) -> None:
        """Forget what is to be tried again, and images whose file is not there any more.

        What an earlier try of this run has verified, or found gone, is not looked at again.
        """
        first_try = not self.job.report(self.shard).is_of_run(self.job.began)
        verify = self.job.options.verify and first_try
        retry_gone = self.job.options.retry_gone and first_try
        files = self._folder.files()
        if verify:
            self._damaged = self._find_damaged()
        intact = {name: size for name, size in files.items() if name not in self._damaged}

        def is_final(name: str, row: Download) -> bool:
            return _is_final(row, intact.get(name), retry_gone)

        def is_complete(album: AlbumOutcome) -> bool:
            gone = any(row.outcome is Outcome.GONE for row in album.downloads)
            return not (album.failed or verify or (gone and retry_gone))

        self._earlier = self._rows_of_this_run()
        self._images = {name: row for name, row in self._images.items() if is_final(name, row)}
        self._albums = {at: album for at, album in self._albums.items() if is_complete(album)}

    def _find_damaged(self) -> set[str]:
        """Read all files back, and name those that are not what was stored."""
        digests = self._folder.digests()
        return {
            name
            for name, row in self._images.items()
            if row.md5 is not None and digests.get(name, row.md5) != row.md5
        }

    def _rows_of_this_run(self) -> dict[tuple[str, str], Download]:
        """Return what earlier tries of this run found, by folder and file name."""
        rows = {(self._own, name): row for name, row in self._images.items()}
        for album in self._albums.values():
            rows |= {(album.folder, row.name): row for row in album.downloads}
        return {key: row for key, row in rows.items() if self._is_of_this_run(row)}

    def _is_of_this_run(self, row: Download) -> bool:
        return row.finished is not None and row.finished >= self.job.began

    # Resolve: an address to an album, through the API

    def _resolve(self, address: Address) -> Album | None:
        """List an album; None where the API does not, which then is its outcome."""
        try:
            if self._api_refusal is not None:
                raise self._api_refusal
            return self.fetch_album(address)
        except ApiError as error:
            if isinstance(error, ASK_NO_MORE) and not error.retryable:
                # Each further call would be refused, too, or be one over the limit.
                self._api_refusal = error
            self._albums[address] = AlbumOutcome("", [_not_listed(address, error)])
            return None

    # Run: fetch what is missing

    def _run_images(self) -> Iterator[Fetch]:
        files = self._folder.files().keys() - self._damaged
        missing = tuple(
            ByteRange(image, file_exists=image.name in files)
            for image in self._links.images.values()
            if image.name not in self._images
        )
        if missing:
            fetch = Fetch(self._folder, missing, self._state.next_batch())
            yield fetch
            rows = settle(self._folder, {row.name: row for row in fetch.outcomes}, {}, self._seen)
            self._images |= {
                name: self._with_earlier(self._own, gone_but_damaged(row, self._damaged))
                for name, row in rows.items()
            }

    def _with_substitutes(self) -> list[Address]:
        """Name the albums with pictures that only later ones have shown to be substitutes."""
        return [address for address in self._albums if self._substitutes_of(address)]

    def _substitutes_of(self, address: Address) -> list[str]:
        """Return the names of files that this run stored, and would not store now."""
        album, found = self._albums.get(address), self._seen.substitutes
        stored = [r for r in album.downloads if r.outcome is Outcome.DOWNLOADED] if album else []
        return [r.name for r in stored if r.md5 in found and self._is_of_this_run(r)]

    def _run_album(self, address: Address, album: Album) -> Iterator[Fetch]:
        album_dir = album_folder(self.job.downloads, album.id).as_part_of(self.job.run)
        with ExitStack() as lock:
            folder = lock.enter_context(album_dir.start_run())
            folder.storage.delete(self._substitutes_of(address))
            run = self._prepare(album, folder)
            rows = yield from _fetched(run)
            finish = partial(self._finish_album, address, run, rows)
            if must_wait(album, rows, self._seen):
                self._locks.enter_context(lock.pop_all())
                self._waiting.append(finish)
            else:
                finish()
        if len(self._waiting) >= MAX_WAITING:
            self._settle()

    def _settle(self) -> None:
        """Finish the albums that wait, and unlock them."""
        for finish in self._waiting:
            finish()
        self._waiting.clear()
        self._locks.close()

    def _prepare(self, album: Album, folder: AlbumFolder) -> AlbumMirror:
        verify = self.job.options.verify
        options = MirrorOptions(strategy=self.strategy, workers=1, max_task_runs=1, verify=verify)
        return AlbumMirror.prepare(album, folder, options)

    def _finish_album(self, address: Address, run: AlbumMirror, rows: list[Download]) -> None:
        folder = self.job.relative(run.folder)
        # The album's own report numbers its workers; a shard's names them as they are.
        workers = {row.id: row.worker for row in rows}
        done = [
            self._with_earlier(folder, replace(row, worker=workers.get(row.id)))
            for row in run.finish(rows, self._seen).downloads
        ]
        outcome = AlbumOutcome(folder, done, shortfall(run.album))
        self._albums[address] = outcome
        if outcome.downloads and not outcome.failed:
            write_album_note(self._state, address, outcome)

    def _with_earlier(self, folder: str, row: Download) -> Download:
        """Add what earlier tries of this run did for an image."""
        earlier = self._earlier.get((folder, row.name))
        if earlier is None:
            return row
        if row.outcome is Outcome.UNCHANGED:
            return earlier if earlier.outcome is Outcome.DOWNLOADED else row
        return replace(
            row,
            attempts=earlier.attempts + row.attempts,
            received=earlier.received + row.received,
            started=earlier.started or row.started,
        )

    # Save: the report

    def _save(self) -> None:
        """Write the report, once all that it vouches for has reached the disk."""
        failed = [name for name, row in self._images.items() if row.outcome is Outcome.FAILED]
        self._folder.sweep(failed)
        self._folder.settle()
        rows = list(report_rows(self.shard, self._links.rows, self._found))
        mine = [row for row in self._outcomes() if self._is_of_this_run(row)]
        fetched = sum(row.outcome is Outcome.DOWNLOADED for row in mine)
        self.tally = tally_rows(rows, fetched, sum(row.received for row in mine))
        self.job.report(self.shard).write(self.shard, rows, self.tally, self.job.began)
        self._state.remove()

    def _outcomes(self) -> Iterator[Download]:
        yield from self._images.values()
        for album in self._albums.values():
            yield from album.downloads

    def _found(self, link: Image | Address) -> AlbumOutcome:
        """Return what became of what a row names."""
        if isinstance(link, Image):
            row = self._images[self._links.file_name(link)]
            return AlbumOutcome(self._own, [replace(row, id=link.id)])
        return self._albums[link]


def _is_final(row: Download, size: int | None, retry_gone: bool) -> bool:
    """Return whether an outcome still holds, given the bytes of the file that is there."""
    stored = row.outcome in (Outcome.DOWNLOADED, Outcome.UNCHANGED) and not is_blocked(row.md5)
    gone = row.outcome is Outcome.GONE and not retry_gone
    return gone or (stored and size == row.bytes)


def _not_listed(address: Address, error: ApiError) -> Download:
    """Return the outcome of an album that the API did not list."""
    gone = isinstance(error, AlbumNotFound)
    return Download(
        id=address.id,
        name="",
        outcome=Outcome.GONE if gone else Outcome.FAILED,
        error=str(error),
        retryable=error.retryable,
    )


def _fetched(run: AlbumMirror) -> Fetching:
    """Have the images of an album fetched, and return their outcomes."""
    rows: list[Download] = []
    for batch in run.plan.batches:
        fetch = Fetch(run.folder, batch.byte_ranges)
        yield fetch
        rows += fetch.outcomes
    return rows
