"""One run of a shard: what its rows name, what is there already, and the report at its end.

Images go to the shard's own folder; an album, or an image of which only the page is known, goes
where `mirror_album` puts it. What an interrupted run fetched is in its notes and is not fetched
again; nor is what the report of an earlier run has, except what failed.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace

from imgur_mirror.api import (
    Address,
    AlbumNotFound,
    ApiError,
    BadCredentials,
    Kind,
    RateLimited,
)
from imgur_mirror.bulk.job import Job
from imgur_mirror.bulk.links import Links, read_links
from imgur_mirror.bulk.outcomes import AlbumOutcome, Row, Tally, tally_rows
from imgur_mirror.bulk.shard import Shard
from imgur_mirror.bulk.shard_notes import noted_albums, write_album_note
from imgur_mirror.download import Batch
from imgur_mirror.download.plan import plan
from imgur_mirror.models import Album, ByteRange, Download, Image, Outcome
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder, RunState, album_folder, os_errors_as_store_errors

__all__ = ["Fetch", "FetchAlbum", "ShardFailed", "ShardRun"]

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
class Fetch:
    """Images to fetch into one folder; whoever fetches them adds to `outcomes`.

    No journal of the folder has the number `first_batch` yet, nor any above it.
    """

    folder: AlbumFolder
    byte_ranges: tuple[ByteRange, ...]
    first_batch: int = 0
    outcomes: list[Download] = field(default_factory=list)

    @property
    def whole(self) -> Batch:
        """All of it as one batch."""
        return Batch(f"{self.first_batch:05}", self.byte_ranges)

    def batches(self, size: int) -> Iterator[Batch]:
        """Cut it into batches of so many images."""
        for number, start in enumerate(range(0, len(self.byte_ranges), size), self.first_batch):
            yield Batch(f"{number:05}", self.byte_ranges[start : start + size])


Fetching = Generator[Fetch, None, list[Download]]


@dataclass(slots=True)
class ShardRun:
    """One run of a shard: loads, resolves, runs and saves; the caller does the fetching.

    `bare` is what an id by itself is the id of. `fetch_album` is asked only for rows that are no
    links to images.
    """

    shard: Shard
    job: Job
    wire: Wire
    bare: Kind
    fetch_album: FetchAlbum
    tally: Tally = field(default_factory=Tally)
    _links: Links = field(default_factory=Links)
    _images: dict[str, Download] = field(default_factory=dict)
    _albums: dict[Address, AlbumOutcome] = field(default_factory=dict)
    _api_refusal: ApiError | None = None
    _fetched: int = 0
    _received: int = 0

    @property
    def _folder(self) -> AlbumFolder:
        return self.job.shard_folder(self.shard)

    @property
    def _state(self) -> RunState:
        return self._folder.run_state

    def fetches(self) -> Iterator[Fetch]:
        """Give what to fetch, one after another; then the report is written and `tally` known.

        Blocks on the disk and on the API between two of them.

        Raises:
            StoreError: where something cannot be written.
            ShardFailed: where trying again may help.
        """
        # It takes a while: an event loop makes a `ShardRun`, and must not wait for this.
        self._links = read_links(self.shard.texts, self.wire.image_hosts, self.bare)
        with os_errors_as_store_errors(self._folder.local_dir), self._state.lock():
            self._load()
            yield from self._run_images()
            for address in self._links.addresses:
                if address not in self._albums and (album := self._resolve(address)):
                    yield from self._run_album(address, album)
            self._save()
        if any(row.retryable for row in self._outcomes()):
            raise ShardFailed(self.tally)

    # Load: what earlier runs know

    def _load(self) -> None:
        self._state.keep_only(self.shard.digest)
        for row in self.job.report(self.shard).rows(self.shard):
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
            album = self._albums.setdefault(link, AlbumOutcome(row.folder, []))
            album.downloads.append(row.download)

    def _drop_unfinished(self) -> None:
        """Forget what is to be tried again, and images whose file is not there any more."""
        files = self._folder.files()
        self._images = {
            name: row for name, row in self._images.items() if _is_final(row, files.get(name))
        }
        self._albums = {
            address: album for address, album in self._albums.items() if not album.failed
        }

    # Resolve: an address to an album, through the API

    def _resolve(self, address: Address) -> Album | None:
        """List an album; None where the API does not, which then is its outcome."""
        try:
            if self._api_refusal is not None:
                raise self._api_refusal
            return self.fetch_album(address)
        except ApiError as error:
            if isinstance(error, RateLimited | BadCredentials) and not error.retryable:
                # Each further call would be refused as well, and be one over the limit.
                self._api_refusal = error
            self._albums[address] = AlbumOutcome("", [_not_listed(address, error)])
            return None

    # Run: fetch what is missing

    def _run_images(self) -> Iterator[Fetch]:
        files = self._folder.files()
        missing = tuple(
            ByteRange(image, file_exists=image.name in files)
            for image in self._links.images.values()
            if image.name not in self._images
        )
        if missing:
            rows = yield from self._fetch(self._folder, missing, self._state.next_batch())
            self._images |= {row.name: row for row in rows}

    def _run_album(self, address: Address, album: Album) -> Iterator[Fetch]:
        folder = album_folder(self.job.downloads, album.id).as_part_of(self.job.run)
        with folder.start_run() as folder:
            downloads = yield from self._mirror_album(album, folder)
        outcome = AlbumOutcome(self.job.relative(folder), downloads)
        self._albums[address] = outcome
        if downloads and not outcome.failed:
            write_album_note(self._state, address, outcome)

    def _mirror_album(self, album: Album, folder: AlbumFolder) -> Fetching:
        todo = plan(album, folder.read_manifest(), folder.files(), 1)
        folder.sweep(image.name for image in todo.images)
        rows = {row.id: row for row in todo.settled}
        for batch in todo.batches:
            fetched = yield from self._fetch(folder, batch.byte_ranges)
            rows |= {row.id: row for row in fetched}
        downloads = [rows[image.id] for image in album.images]
        folder.sweep(row.name for row in downloads if row.outcome is Outcome.FAILED)
        folder.write_manifest(album, downloads)
        return downloads

    def _fetch(
        self, folder: AlbumFolder, byte_ranges: tuple[ByteRange, ...], first_batch: int = 0
    ) -> Fetching:
        fetch = Fetch(folder, byte_ranges, first_batch)
        yield fetch
        self._fetched += sum(row.outcome is Outcome.DOWNLOADED for row in fetch.outcomes)
        self._received += sum(row.received for row in fetch.outcomes)
        return fetch.outcomes

    # Save: the report

    def _save(self) -> None:
        """Write the report, once all that it vouches for has reached the disk."""
        failed = [name for name, row in self._images.items() if row.outcome is Outcome.FAILED]
        self._folder.sweep(failed)
        self._folder.settle()
        rows = list(self._rows())
        self.tally = tally_rows(rows, self._fetched, self._received)
        self.job.report(self.shard).write(self.shard, rows, self.tally)
        self._state.remove()

    def _outcomes(self) -> Iterator[Download]:
        yield from self._images.values()
        for album in self._albums.values():
            yield from album.downloads

    def _rows(self) -> Iterator[Row]:
        folder = self.job.relative(self._folder)
        texts = zip(self.shard.texts, self._links.rows, strict=True)
        for number, (text, link) in enumerate(texts, self.shard.first):
            if isinstance(link, Image):
                row = self._images[self._links.file_name(link)]
                yield _row(number, text, folder, replace(row, id=link.id))
            elif isinstance(link, Address):
                album = self._albums[link]
                for download in album.downloads:
                    yield _row(number, text, album.folder, download)
            else:
                invalid = Download(id="", name="", outcome=Outcome.FAILED, error=str(link))
                # Trying again does not help: the row stays what it is.
                yield Row(number, text, "", invalid, again=False)


def _is_final(row: Download, size: int | None) -> bool:
    """Tell whether an outcome still holds, given the bytes of the file that is there."""
    stored = row.outcome in (Outcome.DOWNLOADED, Outcome.UNCHANGED)
    return row.outcome is Outcome.GONE or (stored and size == row.bytes)


def _not_listed(address: Address, error: ApiError) -> Download:
    """Give the outcome of an album that the API did not list."""
    gone = isinstance(error, AlbumNotFound)
    return Download(
        id=address.id,
        name="",
        outcome=Outcome.GONE if gone else Outcome.FAILED,
        error=str(error),
        retryable=error.retryable,
    )


def _row(number: int, text: str, folder: str, download: Download) -> Row:
    return Row(number, text, folder, download, again=download.outcome is Outcome.FAILED)
