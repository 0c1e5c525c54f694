"""A batch: the pieces that one task run fetches one after another, and what became of each."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Self

from imgur_mirror.download.attempt import FetchAttempt
from imgur_mirror.download.byte_ranges import ByteRangeAttempt
from imgur_mirror.download.pacing import pace_of
from imgur_mirror.download.whole_file import WholeFileAttempt
from imgur_mirror.http import Proxies
from imgur_mirror.models import ByteRange, Download, Outcome
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder, StoreError
from imgur_mirror.store.base import Outcomes
from imgur_mirror.store.fs import StoreAway

__all__ = ["Batch", "BatchFailed", "BatchRun", "settled", "together"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one task run fetches, in this order; `name` is unique in its run."""

    name: str
    pieces: tuple[ByteRange, ...]

    def __str__(self) -> str:
        """Give the name of the task run: the first file, and how many come with it."""
        first, more = self.pieces[0], len(self.pieces) - 1
        at = "" if first.offset is None else f" from {first.offset / 1e6:.1f} MB"
        return f"{first.image.name}{at}" + (f" +{more}" if more else "")


def together(batches: Sequence[Batch], count: int) -> tuple[Batch, ...]:
    """Put each `count` batches into one, for a task run that has so many connections."""
    return tuple(
        Batch(one[0].name, tuple(_in_turns(one)))
        for one in (batches[start : start + count] for start in range(0, len(batches), count))
    )


def _in_turns(batches: Sequence[Batch]) -> Iterator[ByteRange]:
    # Each has its largest first, and so has what is taken from them in turns.
    for turn in zip_longest(*(batch.pieces for batch in batches)):
        yield from (piece for piece in turn if piece is not None)


class BatchFailed(Exception):
    """Some images of a batch failed; `downloads` has the outcome of every one."""

    def __init__(self, downloads: tuple[Download, ...]) -> None:
        self.downloads = downloads
        failed = [row for row in downloads if row.outcome is Outcome.FAILED]
        shown = "; ".join(f"{row.name}: {row.error}" for row in failed[:3])
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        super().__init__(f"{len(failed)} of {len(downloads)} images failed: {shown}{more}")

    def __reduce__(self) -> tuple[type["BatchFailed"], tuple[tuple[Download, ...]]]:
        return type(self), (self.downloads,)

    @property
    def retryable(self) -> bool:
        """Whether trying again may help."""
        return any(row.retryable for row in self.downloads)


def settled(rows: Iterable[Download]) -> tuple[Download, ...]:
    """Give the outcomes of a batch.

    Raises:
        BatchFailed: where an image failed; it carries the outcomes too.
    """
    downloads = tuple(rows)
    if any(row.outcome is Outcome.FAILED for row in downloads):
        raise BatchFailed(downloads)
    return downloads


class BatchRun:
    """One run of a batch: takes up where an earlier run of the same batch ended.

    The batch's journal says what is done. So a task that is tried again, on whichever worker,
    fetches only what is missing, and no outcome is lost with an exception.
    """

    def __init__(
        self, batch: Batch, folder: AlbumFolder, wire: Wire, worker: str | None = None
    ) -> None:
        self._batch = batch
        self._folder = folder
        self._wire = wire
        self._worker = worker
        self._rows: Outcomes = {}
        self._held: Mapping[str, str] = {}
        self._journal = folder.journal(batch.name)
        self._broken: str | None = None
        self.proxies = Proxies()
        self.pace = pace_of(folder.run_dir, wire.max_requests_per_second)

    def __enter__(self) -> Self:
        """Take up what is known of the batch; raises `StoreAway` where no store answers."""
        names = {piece.image.name: piece.held for piece in self._batch.pieces}
        try:
            known = self._folder.batch_state(self._batch.name, names)
        except StoreAway:
            raise
        except StoreError as error:
            self._broken = str(error)
        else:
            self._rows, self._held = known.outcomes, known.digests
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    async def __aenter__(self) -> Self:
        # A store elsewhere is asked, and told: no event loop waits for that.
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.__exit__)

    def attempts(self) -> Iterator[FetchAttempt]:
        """Give what is still to be fetched; ends early when the store cannot be written."""
        for piece in self._batch.pieces:
            yield from self.attempts_of(piece, self._worker)

    def attempts_of(self, piece: ByteRange, worker: str | None) -> Iterator[FetchAttempt]:
        """Give what is still to be fetched of one piece, over the connection of that name."""
        yield from self._opened(piece, worker)
        row = self._rows.get(_key(piece))
        if row is not None and row.refetch_whole:
            yield from self._opened(ByteRange(piece.image), worker, row.md5)

    def _opened(
        self, piece: ByteRange, worker: str | None, unvouched: str | None = None
    ) -> Iterator[FetchAttempt]:
        """Give the attempt of a piece, unless an earlier one was the last."""
        last = self._rows.get(_key(piece))
        if self._broken is not None or (last is not None and not last.retryable):
            return
        about = (piece, self._folder, self._wire, self.pace, last, worker)
        try:
            if piece.offset is None:
                attempt: FetchAttempt = WholeFileAttempt(
                    *about, unvouched, self._held.get(piece.image.name)
                )
            else:
                attempt = ByteRangeAttempt(*about)
        except StoreError as error:
            self._broken = str(error)
        else:
            yield attempt

    def give_up(self, attempt: FetchAttempt, error: Exception) -> None:
        """Record what went wrong as the outcome; a store that fails ends the whole batch."""
        if isinstance(error, StoreError) and not error.retryable:
            self._broken = str(error)
        try:
            self.record(attempt.gave_up(error))
        except StoreError as also:
            self._broken = str(also)
            self.record(self._failed(attempt.piece))

    def record(self, download: Download) -> None:
        """Keep an outcome, on the disk as well."""
        self._rows[download.id, download.range_start] = download
        try:
            self._journal.append(download)
        except StoreError as error:
            self._broken = str(error)

    def result(self) -> tuple[Download, ...]:
        """Give every outcome, of each piece and of each image that was fetched whole instead.

        Raises:
            BatchFailed: where an image failed; it carries the outcomes too.
        """
        pieces = self._batch.pieces
        rows = [self._rows.get(_key(piece)) or self._failed(piece) for piece in pieces]
        split = dict.fromkeys(piece.image.id for piece in pieces if piece.offset is not None)
        # Images that were fetched whole instead of in pieces.
        rows += [row for key in split if (row := self._rows.get((key, None)))]
        if self._broken is not None:
            # What might pass otherwise does not while nothing can be stored.
            rows = [replace(row, retryable=False) for row in rows]
        return settled(rows)

    def _failed(self, piece: ByteRange) -> Download:
        return Download(
            id=piece.image.id,
            name=piece.image.name,
            outcome=Outcome.FAILED,
            range_start=piece.offset,
            error=self._broken,
            worker=self._worker,
        )


def _key(piece: ByteRange) -> tuple[str, int | None]:
    return piece.image.id, piece.offset
