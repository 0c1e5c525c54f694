"""One image's attempt with the image host: all of it but the waiting.

`transfer` and `transfer_async` have the loops around this. They send what
`url` and `headers` say while `asking`, hand over each answer's head and then its blocks, and call
`complete`, or `gave_up` with what went wrong. Either way there is one `Download` at the end.
"""

import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import NoReturn, Self
from urllib.parse import urljoin, urlsplit

from imgur_mirror.download.pacing import Pace
from imgur_mirror.http import (
    LONGEST_PAUSE,
    RefusedAddress,
    backoff,
    check_link,
    is_web_address,
    retry_after,
)
from imgur_mirror.models import ByteRange, Download, Image, Outcome
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder, StoreError
from imgur_mirror.store.fs import StoreAway
from imgur_mirror.text import printable

__all__ = [
    "BLOCK",
    "FAILURES",
    "SMALL",
    "FetchAttempt",
    "Gone",
    "RetryableError",
    "TransferError",
    "unexpected",
]

BLOCK = 256 * 1024
"""Bytes read and written at a time."""

MOST_REDIRECTS = 5
SMALL = 64 * 1024
"""Bytes of an unwanted body that are read all the same, since that keeps the connection."""

REMOVED = "removed.png"
_logger = logging.getLogger(__name__)


class TransferError(Exception):
    """An image could not be had, and asking again will not change that; the sentence says why."""


class RetryableError(TransferError):
    """An image could not be had now; the next try may go well."""


class Gone(TransferError):
    """Imgur says that the image was removed."""


FAILURES = (TransferError, StoreError, RefusedAddress, OSError)
"""What ends a try, besides what the HTTP libraries raise."""


def unexpected(error: Exception) -> TransferError:
    """Say what nobody thought of: it costs its image, and not the rest of the batch."""
    _logger.error("a transfer ended unexpectedly", exc_info=error)
    return TransferError(f"unexpected: {type(error).__name__}: {printable(str(error))}")


class FetchAttempt(ABC):
    """One try at one image or piece, from its first request to its bytes in place.

    Use it as a context manager; leaving it keeps what a later try can go on with.
    """

    def __init__(
        self,
        piece: ByteRange,
        folder: AlbumFolder,
        wire: Wire,
        pace: Pace,
        last: Download | None = None,
        worker: str | None = None,
    ) -> None:
        self.image: Image = piece.image
        self.url = piece.image.link
        self.asking = True
        self.piece = piece
        self.folder = folder
        self._wire = wire
        self._pace = pace
        self._worker = worker or f"{os.getpid()}/{threading.get_ident()}"
        self._attempts = last.attempts if last else 0
        self._started = last.started if last else None
        self._asked = 0.0
        self._first_byte: float | None = None
        self._redirects = 0
        self._received = 0

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    # Asking

    def check(self) -> None:
        """Refuse a link that leads where nothing may be asked of, before anything is sent.

        Raises:
            TransferError: for such a link.
        """
        try:
            check_link(self.url, self._wire.image_hosts)
        except RefusedAddress as error:
            raise TransferError(f"refused: {error}") from error

    @property
    def headers(self) -> dict[str, str]:
        """What to send; read once for each request, as it is sent."""
        self._asked = time.time()
        if self._started is None:
            self._started = self._asked
        if self._redirects == 0:
            self._attempts += 1
        return self._conditions()

    @abstractmethod
    def _conditions(self) -> dict[str, str]:
        """Say which bytes are wanted, and under which condition."""

    def _ask_again(self) -> None:
        """Ask once more in the same try, from the image's own link on."""
        self._redirects = 0
        self.url = self.image.link
        self.asking = True

    # Answers

    def accept(self, status: int, headers: Mapping[str, str]) -> bool:
        """Take an answer's head, and tell whether its body is wanted.

        Raises:
            Gone: the image was removed.
            RetryableError: a later try may go well.
            TransferError: it will not.
        """
        self._first_byte = time.time() - self._asked
        self.asking = False
        if status in (301, 302, 303, 307, 308):
            self._follow(headers.get("Location", ""))
            return False
        if status not in self._wanted():
            self._refuse(status, headers)
        if status in (200, 206):
            self._check_head(headers)
        return self._take(status, headers)

    @abstractmethod
    def _wanted(self) -> tuple[int, ...]:
        """Give the statuses that `_take` can take, as things are."""

    @abstractmethod
    def _take(self, status: int, headers: Mapping[str, str]) -> bool:
        """Take an answer of a wanted status, and tell whether its body is wanted."""

    def _follow(self, location: str) -> None:
        target = _target(self.url, location)
        if urlsplit(target).path.rsplit("/", 1)[-1] == REMOVED:
            raise Gone("Imgur redirects to its picture for removed images")
        self._redirects += 1
        if self._redirects > MOST_REDIRECTS:
            raise TransferError(f"more than {MOST_REDIRECTS} redirects")
        self.url = target
        self.check()
        self.asking = True

    def _refuse(self, status: int, headers: Mapping[str, str]) -> NoReturn:
        if status in (404, 410):
            raise Gone(f"Imgur answered {status}")
        if status in (429, 503):
            self._ease_off(status, retry_after(headers.get("Retry-After")))
        if status in (408, 425) or status >= 500:
            raise RetryableError(f"the image host answered {status}")
        raise TransferError(f"the image host answered {status}")

    def _ease_off(self, status: int, asked: float | None) -> None:
        if asked is not None and asked > LONGEST_PAUSE:
            raise TransferError(
                f"the image host answered {status} and asks to wait {asked:.0f} seconds; "
                "run this again after that"
            )
        wait = backoff(self._wire.backoff, self._attempts) if asked is None else asked
        self._pace.ease_off(wait)
        raise RetryableError(
            f"the image host answered {status}, all workers wait {wait:.1f} seconds"
        )

    def _check_head(self, headers: Mapping[str, str]) -> None:
        encoding = headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise TransferError(f"the body is encoded as {encoding!r:.40}, which was not asked for")
        if headers.get("Content-Type", "").lower().startswith("text/html"):
            raise RetryableError("an HTML page came instead of a picture")

    def _check_size(self, size: int | None) -> None:
        if size is not None and size > self._wire.max_bytes:
            raise TransferError(
                f"it is {size} bytes, more than IMGUR_MAX_BYTES ({self._wire.max_bytes})"
            )

    @abstractmethod
    def write(self, block: bytes) -> None:
        """Take the next block of the body.

        Raises:
            TransferError: where it goes past the largest size, or past the one announced.
            StoreError: where it cannot be stored.
        """

    @abstractmethod
    def complete(self) -> bool:
        """Check what came and write it down; false where there is more to ask for.

        Raises:
            Gone: what came is Imgur's picture for removed images.
            RetryableError: it is not whole, or not a picture.
            StoreError: where it cannot be stored.
        """

    @abstractmethod
    def place(self) -> Download:
        """Bring what is complete to the disk, and then to its name.

        Raises:
            StoreError: where it cannot be.
        """

    @abstractmethod
    def _discard(self) -> None:
        """Throw away what no later try can go on with."""

    def gave_up(self, error: Exception) -> Download:
        """Turn what went wrong into the image's outcome.

        Raises:
            StoreError: where what is of no more use cannot be removed.
        """
        if isinstance(error, RefusedAddress):
            error = TransferError(f"refused: {error}")
        if isinstance(error, TransferError) and not isinstance(error, RetryableError):
            self._discard()
        if isinstance(error, Gone):
            return self._download(Outcome.GONE, error=str(error))
        if isinstance(error, TransferError | StoreError):
            retryable = isinstance(error, RetryableError | StoreAway)
            return self._download(Outcome.FAILED, error=str(error), retryable=retryable)
        return self._download(Outcome.FAILED, error=_wire(error), retryable=True)

    def _download(
        self,
        outcome: Outcome,
        *,
        bytes: int = 0,  # noqa: A002 - the field's name
        md5: str | None = None,
        etag: str | None = None,
        type: str | None = None,  # noqa: A002 - the field's name
        verified: str | None = None,
        error: str | None = None,
        retryable: bool = False,
        refetch_whole: bool = False,
    ) -> Download:
        return Download(
            id=self.image.id,
            name=self.image.name,
            outcome=outcome,
            range_start=self.piece.offset,
            bytes=bytes,
            received=self._received,
            md5=md5,
            etag=etag,
            type=type,
            verified=verified,
            attempts=self._attempts,
            started=self._started,
            first_byte=self._first_byte,
            finished=time.time(),
            worker=self._worker,
            error=error,
            retryable=retryable,
            refetch_whole=refetch_whole,
        )


def _wire(error: Exception) -> str:
    """Say what broke on the wire, without the library's nesting."""
    said = printable(str(error))
    name = type(error).__name__
    return f"the connection failed: {name}{f': {said}' if said else ''}"


def _target(url: str, location: str) -> str:
    """Give where a redirect leads.

    Raises:
        TransferError: where that is no web address.
    """
    try:
        target = urljoin(url, location)
    except ValueError:
        target = ""
    if not is_web_address(target):
        raise TransferError(f"refused: it redirects to {location!r:.200}, which is no web address")
    return target
