"""One shard fetched: what its rows name, what is there already, and the report at its end.

`fetch_shard` and `fetch_shard_async` differ only where they wait for the downloads. Images go to
the shard's own folder; an album, or an image whose page alone is known, goes where `mirror_album`
puts it. What an interrupted run has fetched is in the journals of the shard's folder, and is not
fetched again; nor is what the report of an earlier run has, but for what failed.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from imgur_mirror.api import (
    Address,
    AlbumNotFound,
    ApiError,
    BadAddress,
    BadCredentials,
    Kind,
    RateLimited,
    distinct,
)
from imgur_mirror.bulk.job import Job, Row, Shard, Tally, tallied
from imgur_mirror.bulk.links import read_link, same
from imgur_mirror.download.batch import Batch
from imgur_mirror.download.plan import plan
from imgur_mirror.models import Album, ByteRange, Download, Image, Outcome
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder, album_folder
from imgur_mirror.store.fs import is_at, said, write_whole
from imgur_mirror.store.manifest import outcomes_in

__all__ = ["Lister", "ShardFailed", "ShardRun", "Stage"]

Lister = Callable[[Address], Album]
"""Asks the API for an album."""


class ShardFailed(Exception):
    """Some images of a shard failed that may go well when tried again; its report has all rows."""

    retryable = True

    def __init__(self, tally: Tally) -> None:
        super().__init__(tally)
        self.tally = tally

    def __str__(self) -> str:
        shown = "; ".join(f"{count} × {error}" for error, count in self.tally.errors[:3])
        return f"{self.tally.failed} of {self.tally.images} images failed: {shown}"


@dataclass(frozen=True, slots=True)
class Stage:
    """Pieces that are fetched into one folder, before anything else is done.

    `first` is a number that no journal of the folder has yet, nor any above it.
    """

    folder: AlbumFolder
    pieces: tuple[ByteRange, ...]
    first: int = 0

    @property
    def whole(self) -> Batch:
        """All pieces as one batch."""
        return Batch(f"{self.first:05}", self.pieces)

    def batches(self, size: int) -> Iterator[Batch]:
        """Deal the pieces out to batches of so many."""
        for number, start in enumerate(range(0, len(self.pieces), size), self.first):
            yield Batch(f"{number:05}", self.pieces[start : start + size])


class ShardRun:
    """One run of a shard, in steps: between two of them the caller fetches what a stage names.

    `list_album` is asked only for rows that are no links to images.
    """

    def __init__(self, shard: Shard, job: Job, wire: Wire, bare: Kind, list_album: Lister) -> None:
        self._shard = shard
        self._job = job
        self._folder = job.folder(shard)
        self._report = job.report(shard)
        self._list = list_album
        self._read = partial(_entry, wire=wire, bare=bare)
        self._entries: list[Entry] = []
        self._images: dict[str, Image] = {}
        self._albums: dict[Address, list[tuple[str, Download]]] = {}
        self._rows: dict[str, Download] = {}
        self._taken: list[Download] = []
        self._refused: ApiError | None = None
        self._fetched = self._received = 0
        self.tally = Tally()

    def take(self, downloads: Iterable[Download]) -> None:
        """Hand over the outcomes of the stage that was given last."""
        self._taken = list(downloads)
        self._fetched += sum(row.outcome is Outcome.DOWNLOADED for row in self._taken)
        self._received += sum(row.received for row in self._taken)

    def stages(self) -> Iterator[Stage]:
        """Go from one stage to the next; at the end the report is written, and the tally known.

        Raises:
            StoreError: where something cannot be written.
            ShardFailed: where trying again may help.
        """
        # Here and not before: it takes a while, and this is not run on an event loop.
        self._entries = [self._read(text) for text in self._shard.texts]
        self._images = _images(self._entries)
        with said(self._folder.local_dir), _held(self._folder.run_dir):
            self._take_up()
            yield from self._fetch_images()
            for address in _addresses(self._entries):
                if address not in self._albums:
                    yield from self._fetch_album(address)
            self._finish()
        if any(row.retryable for row in self._outcomes()):
            raise ShardFailed(self.tally)

    # What is there

    def _take_up(self) -> None:
        """Read what earlier runs of these rows have done, from the report and the journals."""
        state, digest = self._folder.run_dir, self._shard.digest
        if _text(state / "digest") != digest:
            for stale in state.iterdir():
                stale.unlink()
            (state / "digest").write_text(digest)
        for row in self._report.rows(self._shard):
            self._take_up_row(row)
        for journal in sorted(state.glob("*.jsonl")):
            self._rows |= {row.name: row for row in outcomes_in(journal.read_bytes())}
        for path in state.glob("*.album"):
            with suppress(ValueError, KeyError, TypeError, BadAddress):
                about = json.loads(path.read_bytes())
                address = Address(about["kind"], about["id"])
                self._albums[address] = [
                    (about["folder"], Download(**row | {"outcome": Outcome(row["outcome"])}))
                    for row in about["rows"]
                ]
        self._forget_failures()

    def _take_up_row(self, row: Row) -> None:
        entry = self._entries[row.row - self._shard.first]
        if isinstance(entry, Image):
            name = self._images[same(entry.link)].name
            self._rows[name] = replace(row.download, id=name)
        elif isinstance(entry, Address) and row.row == self._first_of(entry):
            self._albums.setdefault(entry, []).append((row.folder, row.download))

    def _first_of(self, address: Address) -> int:
        return self._shard.first + self._entries.index(address)

    def _forget_failures(self) -> None:
        """Leave what is to be tried again, and what is not where it was said to be."""
        files = self._folder.files()
        stored = (Outcome.DOWNLOADED, Outcome.UNCHANGED)
        self._rows = {
            name: row
            for name, row in self._rows.items()
            if row.outcome is Outcome.GONE
            or (row.outcome in stored and files.get(name) == row.bytes)
        }
        self._albums = {
            address: rows
            for address, rows in self._albums.items()
            if all(row.outcome is not Outcome.FAILED for _, row in rows)
        }

    # What is fetched

    def _fetch_images(self) -> Iterator[Stage]:
        there = self._folder.files()
        pieces = tuple(
            ByteRange(image, held=image.name in there)
            for image in self._images.values()
            if image.name not in self._rows
        )
        if pieces:
            journals = [int(path.stem) for path in self._folder.run_dir.glob("*.jsonl")]
            yield Stage(self._folder, pieces, max(journals, default=-1) + 1)
            self._rows |= {row.name: row for row in self._taken}

    def _fetch_album(self, address: Address) -> Iterator[Stage]:
        """Mirror an album, as `mirror_album` does but for the pieces, over all connections."""
        try:
            if self._refused is not None:
                raise self._refused
            listing = self._list(address)
        except ApiError as error:
            if isinstance(error, RateLimited | BadCredentials) and not error.retryable:
                # Each further call would be refused as well, and be one over the limit.
                self._refused = error
            self._albums[address] = [("", _unlisted(address, error))]
            return
        folder = album_folder(self._job.downloads, listing.id)
        with folder.opened() as mine:
            yield from self._fetch_listed(address, listing, mine)

    def _fetch_listed(
        self, address: Address, listing: Album, folder: AlbumFolder
    ) -> Iterator[Stage]:
        todo = plan(listing, folder.read_manifest(), folder.files(), 1)
        folder.sweep(image.name for image in todo.images)
        rows = {row.id: row for row in todo.settled}
        for batch in todo.batches:
            yield Stage(folder, batch.byte_ranges)
            rows |= {row.id: row for row in self._taken}
        downloads = [rows[image.id] for image in listing.images]
        folder.sweep(row.name for row in downloads if row.outcome is Outcome.FAILED)
        folder.write_manifest(listing, downloads)
        self._albums[address] = [(self._job.below(folder), row) for row in downloads]
        self._note(address)

    def _note(self, address: Address) -> None:
        """Keep what became of an album, so that it is not listed again after a crash."""
        rows = self._albums[address]
        if rows and all(row.outcome is not Outcome.FAILED for _, row in rows):
            about = {"kind": address.kind, "id": address.id, "folder": rows[0][0]}
            about["rows"] = [asdict(row) for _, row in rows]  # type: ignore[assignment]
            path = self._folder.run_dir / f"{address.kind}-{address.id}.album"
            write_whole(path, [json.dumps(about).encode()])

    # What became of it

    def _finish(self) -> None:
        """Write the report, once all that it vouches for has reached the disk."""
        failed = [name for name, row in self._rows.items() if row.outcome is Outcome.FAILED]
        self._folder.sweep(failed)
        self._folder.settle()
        rows = list(self._report_rows())
        self.tally = tallied(rows, self._fetched, self._received)
        self._report.write(self._shard, rows, self.tally)
        shutil.rmtree(self._folder.run_dir)

    def _outcomes(self) -> Iterator[Download]:
        yield from self._rows.values()
        for rows in self._albums.values():
            yield from (row for _, row in rows)

    def _report_rows(self) -> Iterator[Row]:
        here = self._job.below(self._folder)
        texts = zip(self._shard.texts, self._entries, strict=True)
        for number, (text, entry) in enumerate(texts, self._shard.first):
            if isinstance(entry, Image):
                row = self._rows[self._images[same(entry.link)].name]
                yield _row(number, text, here, replace(row, id=entry.id))
            elif isinstance(entry, Address):
                for folder, download in self._albums[entry]:
                    yield _row(number, text, folder, download)
            else:
                garbage = Download(id="", name="", outcome=Outcome.FAILED, error=str(entry))
                # Whatever the network does, the row stays what it is.
                yield Row(number, text, "", garbage, again=False)


@contextmanager
def _held(state: Path) -> Iterator[None]:
    """Hold a shard's run, once whoever has it is done: a worker may outlive the run it was of."""
    while True:
        state.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            lock = os.open(state, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if is_at(lock, state):
                break
            os.close(lock)
    try:
        yield
    finally:
        os.close(lock)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


Entry = Image | Address | BadAddress
"""What a row of the input names, or why it names nothing."""


def _entry(text: str, wire: Wire, bare: Kind) -> Entry:
    try:
        return read_link(text, wire.image_hosts, bare)
    except BadAddress as error:
        return error


def _images(entries: Sequence[Entry]) -> dict[str, Image]:
    """Give each image once, by its link, under a name that is its alone; that is its id as well."""
    images: dict[str, Image] = {}
    for entry in entries:
        if isinstance(entry, Image):
            images.setdefault(same(entry.link), entry)
    names = distinct([image.name for image in images.values()])
    return {
        # Of a link no more is known; to replace these two among all takes several times as long.
        link: Image(id=name, name=name, link=image.link, type=image.type)
        for (link, image), name in zip(images.items(), names, strict=True)
    }


def _addresses(entries: Sequence[Entry]) -> list[Address]:
    return list(dict.fromkeys(entry for entry in entries if isinstance(entry, Address)))


def _unlisted(address: Address, error: ApiError) -> Download:
    """Say what became of an album that the API did not list."""
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
