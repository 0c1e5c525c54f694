"""A batch: the byte ranges that one task run fetches one after another, and their outcomes."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Self

from imgur_mirror.download.attempt import FetchAttempt, FetchSpec
from imgur_mirror.download.byte_ranges import ByteRangeAttempt
from imgur_mirror.download.errors import FAILURES, unexpected
from imgur_mirror.download.image_work import do_work, has_work
from imgur_mirror.download.pacing import pace_of
from imgur_mirror.download.whole_file import WholeFileAttempt
from imgur_mirror.http import Proxies
from imgur_mirror.models import ByteRange, Download, Outcome, Work
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder, Outcomes, StoreAway, StoreError

__all__ = ["Batch", "BatchRun", "together"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one task run fetches, in this order, and which work it does on each image.

    `name` is unique in its run.
    """

    name: str
    byte_ranges: tuple[ByteRange, ...]
    work: Work = Work.NONE

    def __str__(self) -> str:
        """Return the name of the task run: the first file, and how many come with it."""
        first, more = self.byte_ranges[0], len(self.byte_ranges) - 1
        at = "" if first.offset is None else f" from {first.offset / 1e6:.1f} MB"
        return f"{first.image.name}{at}" + (f" +{more}" if more else "")


def together(batches: Sequence[Batch], count: int) -> tuple[Batch, ...]:
    """Merge each `count` batches into one, for a task run that has so many connections."""
    return tuple(
        replace(group[0], byte_ranges=tuple(_in_turns(group)))
        for group in (batches[start : start + count] for start in range(0, len(batches), count))
    )


def _in_turns(batches: Sequence[Batch]) -> Iterator[ByteRange]:
    # Each has its largest first; taken in turns, so has the result.
    for turn in zip_longest(*(batch.byte_ranges for batch in batches)):
        yield from (byte_range for byte_range in turn if byte_range is not None)


class BatchRun:
    """One run of a batch: continues where an earlier run of the same batch ended.

    The batch's journal says what is done. So a task that is tried again, on whichever worker,
    fetches only what is missing, and no outcome is lost with an exception. Once the store cannot be
    written, nothing more is fetched; with `must_store`, that is then raised.
    """

    def __init__(
        self, batch: Batch, folder: AlbumFolder, wire: Wire, must_store: bool = False
    ) -> None:
        self._must_store = must_store
        self._batch = batch
        self._folder = folder
        self._wire = wire
        self._rows: Outcomes = {}
        self._existing_md5s: Mapping[str, str] = {}
        self._journal = folder.run_state.journal(batch.name)
        self._store_error: str | None = None
        self.proxies = Proxies()
        self.pace = pace_of(folder.run_state, wire.max_requests_per_second)

    def __enter__(self) -> Self:
        """Read what is known of the batch; raises `StoreAway` where the store does not answer."""
        # Of what only lacks its work, nothing need be known.
        wanted = (each for each in self._batch.byte_ranges if each.stored is None)
        names = {each.image.name: each.file_exists for each in wanted}
        try:
            state = self._folder.batch_state(self._batch.name, names)
        except StoreAway:
            raise
        except StoreError as error:
            self._store_error = str(error)
        else:
            self._rows, self._existing_md5s = state.outcomes, state.digests
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    # In a thread: an object store is asked over the network, which would block the event loop.

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.__exit__)

    # Attempts

    def attempts_of(self, byte_range: ByteRange, worker: str) -> Iterator[FetchAttempt]:
        """Yield the attempt at a byte range, then one at the whole image where that asks for it.

        None is given for what an earlier run of the batch has done. `worker` names the connection.
        """
        if attempt := self._attempt(byte_range, worker):
            yield attempt
        row = self._rows.get(_key(byte_range))
        if row is not None and row.refetch_whole:
            whole = ByteRange(byte_range.image)
            if attempt := self._attempt(whole, worker, earlier_md5=row.md5):
                yield attempt

    def _attempt(
        self, byte_range: ByteRange, worker: str, earlier_md5: str | None = None
    ) -> FetchAttempt | None:
        last = self._rows.get(_key(byte_range))
        is_done = byte_range.stored is not None or (last is not None and not last.retryable)
        if self._store_error is not None or is_done:
            return None
        kind = WholeFileAttempt if byte_range.offset is None else ByteRangeAttempt
        try:
            existing = self._existing_md5(byte_range)
            about = (byte_range, self._folder, self._wire, self.pace, worker, last)
            return kind(FetchSpec(*about, existing, earlier_md5))
        except StoreError as error:
            self._store_error = str(error)
            return None

    def _existing_md5(self, byte_range: ByteRange) -> str | None:
        name = byte_range.image.name
        known = self._existing_md5s.get(name)
        # An object store was asked when the batch began.
        if known is None and byte_range.file_exists and self._folder.capabilities.local:
            return self._folder.existing_md5(name)
        return known

    @contextmanager
    def fetching(
        self, attempt: FetchAttempt, library_errors: tuple[type[Exception], ...]
    ) -> Iterator[None]:
        """Record what goes wrong in the context as the attempt's outcome; the batch goes on.

        `library_errors` are what the HTTP library raises. Leaving it keeps what the attempt has.
        """
        with attempt:
            try:
                yield
            except (*FAILURES, *library_errors) as error:
                self._give_up(attempt, error)
            except Exception as error:  # noqa: BLE001 - every image ends as an outcome
                self._give_up(attempt, unexpected(error))

    def _give_up(self, attempt: FetchAttempt, error: Exception) -> None:
        if isinstance(error, StoreError) and not error.retryable:
            self._store_error = str(error)
        try:
            self.record(attempt.outcome_of(error))
        except StoreError as also:
            self._store_error = str(also)
            self.record(self._failed(attempt.spec.byte_range))

    # Work

    def pending_work(self, byte_range: ByteRange) -> Download | None:
        """Return the outcome of the range's image, if this worker is to do the work on it now.

        Of an image in several ranges, that is the worker that put them together, or fetched the
        whole instead.
        """
        row = self._rows.get(_key(byte_range), byte_range.stored)
        if row is not None and row.refetch_whole:
            row = self._rows.get((byte_range.image.id, None))
        return row if row is not None and has_work(row, self._batch.work) else None

    def work_on(self, row: Download, worker: str) -> None:
        """Do the work on an image, and record it; blocks, and fails no image."""
        done = do_work(row, self._folder, self._batch.work)
        self.record(replace(done, worker=done.worker or worker))

    # Outcomes

    def record(self, download: Download) -> None:
        """Keep an outcome, in the journal as well; called from several threads."""
        self._rows[download.id, download.range_start] = download
        try:
            self._journal.append(download)
        except StoreError as error:
            self._store_error = str(error)

    def outcomes(self) -> tuple[Download, ...]:
        """Return the outcome of each byte range, and of each image that was refetched whole.

        Raises:
            StoreError: where the store could not be written, and `must_store` says to raise it.
        """
        if self._must_store and self._store_error is not None:
            raise StoreError(self._store_error)
        ranges = self._batch.byte_ranges
        rows = [self._rows.get(_key(one)) or one.stored or self._failed(one) for one in ranges]
        split = dict.fromkeys(one.image.id for one in ranges if one.offset is not None)
        rows += [row for image in split if (row := self._rows.get((image, None)))]
        if self._store_error is not None:
            # Trying again is of no use while nothing can be stored.
            rows = [replace(row, retryable=False) for row in rows]
        return tuple(rows)

    def _failed(self, byte_range: ByteRange) -> Download:
        return Download(
            id=byte_range.image.id,
            name=byte_range.image.name,
            outcome=Outcome.FAILED,
            range_start=byte_range.offset,
            error=self._store_error,
        )


def _key(byte_range: ByteRange) -> tuple[str, int | None]:
    return byte_range.image.id, byte_range.offset
