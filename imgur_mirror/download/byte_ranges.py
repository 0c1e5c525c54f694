"""A large image fetched in pieces, over several workers' connections at once.

Each piece is written at its offset in the one file that the workers share; the worker that finds
all bytes there puts the whole together: its digest, its checks, its name. Where the host sends no
ranges, another total than the API says, or another version, the worker that finds it first fetches
the image whole instead, and the others leave it to that one.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from imgur_mirror.download.attempt import FetchAttempt, RetryableError
from imgur_mirror.download.media_types import is_page, kind_of
from imgur_mirror.download.pacing import Pace
from imgur_mirror.http import content_range, etag_of, is_strong_etag, md5_in_etag
from imgur_mirror.models import ByteRange, Download, Outcome
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder, StoreError
from imgur_mirror.store.split_file import SplitPart, missing

__all__ = ["ByteRangeAttempt", "merged"]


class ByteRangeAttempt(FetchAttempt):
    """One try at one piece of an image, of a size that the API knows."""

    def __init__(
        self,
        piece: ByteRange,
        folder: AlbumFolder,
        wire: Wire,
        pace: Pace,
        last: Download | None = None,
        worker: str | None = None,
    ) -> None:
        super().__init__(piece, folder, wire, pace, last, worker)
        self._total = self.image.size or 0
        self._start, self._stop = piece.start, piece.stop or 0
        self._given_over = self._refetch_whole = False
        self._part: SplitPart = folder.split_part(self.image.name)
        self._ask_next()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # What came of a range that broke off is not fetched again.
        with suppress(StoreError):
            self._keep()
        self._part.__exit__(kind, error, traceback)

    def _ask_next(self) -> None:
        """Ask for the first range of the piece that is not there; for nothing if all are."""
        self._given_over = self._part.is_spoilt
        lacking = missing(self._part.done, self._start, self._stop)
        if self._given_over:
            lacking = []
        self._kept, self._end = lacking[0] if lacking else (self._stop, self._stop)
        self._at = self._kept
        if lacking:
            self._ask_again()
        else:
            self.asking = False

    def _keep(self) -> None:
        if self._kept < self._at:
            self._part.keep(self._kept, self._at)
            self._kept = self._at

    def _conditions(self) -> dict[str, str]:
        wanted = {"Range": f"bytes={self._at}-{self._end - 1}"}
        etag = self._part.etag
        return wanted if etag is None else wanted | {"If-Range": etag}

    def _wanted(self) -> tuple[int, ...]:
        return (200, 206, 416)

    def _take(self, status: int, headers: Mapping[str, str]) -> bool:
        fits = content_range(headers) == (self._at, self._end - 1, self._total)
        self._check_size(self._total)
        etag = etag_of(headers)
        # Without a strong ETag nothing says that two pieces are of one version.
        tied = is_strong_etag(etag)
        if status == 206 and fits and tied and self._part.agree(etag, self._total):
            return True
        self._refetch_whole = self._part.spoil(self._start)
        self._given_over = True
        return False

    def write(self, block: bytes) -> None:
        if self._at + len(block) > self._end:
            raise RetryableError("more came than the range that was asked for")
        self._part.write(block, self._at)
        self._at += len(block)
        self._received += len(block)

    def complete(self) -> bool:
        if self._given_over:
            return True
        if self._at < self._end:
            raise RetryableError(f"the body is short: {self._at} of {self._end} bytes")
        self._keep()
        self._ask_next()
        return not self.asking

    def place(self) -> Download:
        if self._given_over:
            return self._download(Outcome.BYTE_RANGE, refetch_whole=self._refetch_whole)
        if missing(self._part.done, 0, self._total) or not self._part.claim(self._start):
            return self._download(Outcome.BYTE_RANGE, bytes=self._stop - self._start)
        return self._put_together()

    def _put_together(self) -> Download:
        md5, head, etag = self._part.digest(), self._part.head, self._part.etag
        digest = md5_in_etag(etag)
        kind = kind_of(head)
        if is_page(head) or digest not in (None, md5) or (kind is None and digest is None):
            # Fetched whole it tells: damaged on the way, an ETag that is no digest, or no picture.
            refetch_whole = self._part.spoil(self._start)
            return self._download(Outcome.BYTE_RANGE, md5=md5, refetch_whole=refetch_whole)
        self._part.place()
        return self._download(
            Outcome.DOWNLOADED,
            bytes=self._total,
            md5=md5,
            etag=etag,
            type=kind,
            verified="length" if digest is None else "etag",
        )

    def _discard(self) -> None:
        """Keep what is there: others write to it too. The end of the run sweeps it if it may."""


def merged(rows: Sequence[Download]) -> Download:
    """Make one row of an image from those of its pieces.

    It is `PIECE` where all its bytes came and nobody put them together, which the run that looks
    at the folder can tell from a failure.
    """
    if len(rows) == 1 and rows[0].range_start is None:
        return rows[0]
    order = [
        Outcome.DOWNLOADED,
        Outcome.UNCHANGED,
        Outcome.GONE,
        Outcome.FAILED,
        Outcome.BYTE_RANGE,
    ]
    # An image that was fetched whole in the end has a row of its own, whatever its pieces did.
    final = min(rows, key=lambda row: (row.range_start is not None, order.index(row.outcome)))
    asked = [row for row in rows if row.started is not None and row.finished is not None]
    if len(rows) == 1 or not asked:
        return replace(final, range_start=None)
    return replace(
        final,
        range_start=None,
        attempts=sum(row.attempts for row in rows),
        received=sum(row.received for row in rows),
        started=min(row.started for row in asked if row.started is not None),
        first_byte=asked[0].first_byte,
        finished=max(row.finished for row in asked if row.finished is not None),
    )
