"""A large image fetched in byte ranges, over several workers' connections at once.

Each range is written at its offset in the one partial file that the workers share; the worker that
finds all bytes there verifies and commits the whole. Where the host sends no ranges, another total
than the API says, or another version, the worker that finds it first fetches the whole image, and
the others leave it to that one.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from imgur_mirror.download.actions import Ask, Commit, Done, ReadBody
from imgur_mirror.download.attempt import FetchAttempt, FetchSpec
from imgur_mirror.download.errors import RetryableError
from imgur_mirror.download.responses import check_size
from imgur_mirror.download.verification import FetchedFile, Verified, verify
from imgur_mirror.http import content_range, etag_of, is_strong_etag
from imgur_mirror.models import Outcome
from imgur_mirror.store import StoreError
from imgur_mirror.store.partial_file import SharedFile
from imgur_mirror.store.range_log import missing

__all__ = ["ByteRangeAttempt"]


class ByteRangeAttempt(FetchAttempt):
    """One attempt at one byte range of an image, of a size that the API knows.

    Of what is missing, the bytes `_at` to before `_end` are asked for; those from `_kept` on are
    not in the log yet.
    """

    def __init__(self, spec: FetchSpec) -> None:
        super().__init__(spec)
        self._total = self.image.size or 0
        self._start, self._stop = spec.byte_range.start, spec.byte_range.stop or 0
        self._kept = self._at = self._end = self._start
        self._part: SharedFile = spec.folder.shared_file(self.image.name)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The bytes that came before a connection broke are not fetched again.
        with suppress(StoreError):
            self._keep()
        self._part.__exit__(kind, error, traceback)

    # Requests

    def _first(self) -> Ask | Commit:
        return self._next() or Commit(self._settle)

    def _next(self) -> Ask | None:
        """Ask for the first bytes that are missing of the range; for none if all are there."""
        lacking = missing(self._part.log.done, self._start, self._stop)
        if not lacking or self._part.log.is_invalid:
            return None
        self._at, self._end = lacking[0]
        self._kept = self._at
        return Ask(self.image.link)

    def _conditions(self) -> dict[str, str]:
        wanted = {"Range": f"bytes={self._at}-{self._end - 1}"}
        etag = self._part.log.etag
        return wanted if etag is None else wanted | {"If-Range": etag}

    # Responses

    def _statuses(self) -> Collection[int]:
        return (200, 206, 416)

    def _take(self, status: int, headers: Mapping[str, str]) -> ReadBody | Commit:
        check_size(self._total, self.spec.wire.max_bytes)
        fits = content_range(headers) == (self._at, self._end - 1, self._total)
        etag = etag_of(headers)
        # Only a strong ETag says that two ranges are of one version.
        same = is_strong_etag(etag) and self._part.log.same_version(etag, self._total)
        if status == 206 and fits and same:
            return ReadBody()
        return Commit(self._invalidate)

    def write(self, block: bytes) -> None:
        if self._at + len(block) > self._end:
            raise RetryableError("more came than the range that was asked for")
        self._part.write(block, self._at)
        self._at += len(block)
        self._received += len(block)

    def _keep(self) -> None:
        """Sync the bytes that came, and log that they are there."""
        if self._kept < self._at:
            self._part.keep(self._kept, self._at)
            self._kept = self._at

    # Outcomes

    def finish(self) -> Ask | Done:
        if self._at < self._end:
            raise RetryableError(f"the body is short: {self._at} of {self._end} bytes")
        self._keep()
        return self._next() or self._settle()

    def _settle(self) -> Done:
        """Commit the image if all of its ranges are there and no other worker does."""
        if self._part.log.is_invalid:
            return self._invalidate()
        if missing(self._part.log.done, 0, self._total) or not self._part.log.elect_finisher(
            self._start
        ):
            row = self._row(Outcome.BYTE_RANGE)
            return Done(replace(row, bytes=self._stop - self._start))
        return self._commit()

    def _commit(self) -> Done:
        file = self._fetched()
        match verify(file):
            case Verified(evidence, media_type):
                stored = replace(
                    self._row(self._put(self._part)),
                    bytes=file.size,
                    md5=file.md5,
                    etag=file.etag,
                    type=media_type,
                    verified=evidence,
                )
                return Done(stored)
            case _:
                # The whole image tells why: damaged on the way, an ETag that is no digest, or
                # no picture.
                return self._invalidate(file.md5)

    def _fetched(self) -> FetchedFile:
        return FetchedFile(
            size=self._total,
            md5=self._part.digest(),
            head=self._part.head,
            expected_size=self._total,
            etag=self._part.log.etag,
        )

    def _invalidate(self, md5: str | None = None) -> Done:
        """Give up the ranges of all workers; the first that does fetches the whole image."""
        refetch_whole = self._part.log.invalidate(self._start)
        row = self._row(Outcome.BYTE_RANGE)
        return Done(replace(row, md5=md5, refetch_whole=refetch_whole))

    def _discard(self) -> None:
        """Keep the file: other workers write to it. The end of the run removes it if it may."""
