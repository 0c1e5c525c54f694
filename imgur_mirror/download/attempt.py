"""One attempt at one image with the image host: all of it but the waiting.

A client asks `start` what to do, does it, and asks for the next `Action`: it hands over the head of
each response to `accept`, the blocks of its body to `write`, and what went wrong to `outcome_of`.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from imgur_mirror.download.actions import Ask, Commit, Done, GiveUp, ReadBody
from imgur_mirror.download.errors import (
    Gone,
    RetryableError,
    TransferError,
    connection_failure,
)
from imgur_mirror.download.pacing import Pace
from imgur_mirror.download.responses import REDIRECTS, check_body, check_url, followed, refusal
from imgur_mirror.http import LONGEST_PAUSE, RefusedAddress, backoff, retry_after
from imgur_mirror.models import ByteRange, Download, Image, Outcome
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder, StoreAway, StoreError
from imgur_mirror.store.partial_file import PartialFile

__all__ = ["BLOCK", "MAX_DRAINED", "FetchAttempt", "FetchSpec"]

BLOCK = 256 * 1024
"""Bytes read and written at a time."""

MAX_DRAINED = 64 * 1024
"""Bytes of an unwanted body that are read all the same, since that keeps the connection."""


@dataclass(frozen=True, slots=True)
class FetchSpec:
    """What an attempt fetches, where to, and what is known of it before.

    `worker` names the connection in reports and `last` is the outcome of the attempt before.
    `existing_md5` is the MD5 of a file that lies under the image's name already, `earlier_md5` that
    of an earlier fetch whose ETag said another.
    """

    byte_range: ByteRange
    folder: AlbumFolder
    wire: Wire
    pace: Pace
    worker: str
    last: Download | None = None
    existing_md5: str | None = None
    earlier_md5: str | None = None


class FetchAttempt(ABC):
    """One attempt at one image or byte range, from its first request to its bytes in the store.

    Use it as a context manager; leaving it keeps what a later attempt can continue.
    """

    def __init__(self, spec: FetchSpec) -> None:
        self.spec = spec
        self.image: Image = spec.byte_range.image
        self._attempts = spec.last.attempts if spec.last else 0
        self._started = spec.last.started if spec.last else None
        self._asked = 0.0
        self._first_byte: float | None = None
        self._received = 0
        self._redirected = False

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    # Requests

    def start(self) -> Ask | Commit:
        """Return the first action.

        Raises:
            TransferError: where nothing may be asked at the image's link.
            StoreError: where the store cannot be read.
        """
        check_url(self.image.link, self.spec.wire.image_hosts)
        return self._first()

    def _first(self) -> Ask | Commit:
        return Ask(self.image.link)

    def headers(self, ask: Ask) -> dict[str, str]:
        """Return what to send with a request; call it once for each, as it is sent."""
        self._asked = time.time()
        if self._started is None:
            self._started = self._asked
        if ask.redirects == 0:
            self._attempts += 1
        return self._conditions()

    @abstractmethod
    def _conditions(self) -> dict[str, str]:
        """Return the headers that say which bytes are wanted, and on which condition."""

    # Responses

    def accept(
        self, ask: Ask, status: int, headers: Mapping[str, str]
    ) -> Ask | ReadBody | Commit | GiveUp:
        """Return the action that follows from the head of a response.

        Raises:
            StoreError: where the store cannot be written.
        """
        self._first_byte = time.time() - self._asked
        self._redirected = ask.redirects > 0
        try:
            if status in REDIRECTS:
                location = headers.get("Location", "")
                return followed(ask, location, self.spec.wire.image_hosts)
            if status not in self._statuses():
                return GiveUp(self._refusal(status, headers))
            if status in (200, 206):
                check_body(headers)
            return self._take(status, headers)
        except TransferError as error:
            return GiveUp(error)

    @abstractmethod
    def _statuses(self) -> Collection[int]:
        """Return the statuses that `_take` understands after the request that was sent."""

    @abstractmethod
    def _take(self, status: int, headers: Mapping[str, str]) -> Ask | ReadBody | Commit:
        """Return the action after a response of such a status; raises as `accept` gives up."""

    def _refusal(self, status: int, headers: Mapping[str, str]) -> TransferError:
        if status in (429, 503):
            return self._pause(status, retry_after(headers.get("Retry-After")))
        return refusal(status)

    def _pause(self, status: int, asked: float | None) -> TransferError:
        """Have all workers of the run wait: the `asked` seconds, or else by the settings."""
        if asked is not None and asked > LONGEST_PAUSE:
            return TransferError(
                f"the image host answered {status} and asks to wait {asked:.0f} seconds; "
                "run this again after that"
            )
        wait = backoff(self.spec.wire.backoff, self._attempts) if asked is None else asked
        self.spec.pace.ease_off(wait)
        return RetryableError(
            f"the image host answered {status}, all workers wait {wait:.1f} seconds"
        )

    @abstractmethod
    def write(self, block: bytes) -> None:
        """Take the next block of the body.

        Raises:
            TransferError: where it goes past the largest size, or past the one announced.
            StoreError: where it cannot be stored.
        """

    @abstractmethod
    def finish(self) -> Ask | Done:
        """Verify and store what came, or return what else to ask for: see `Commit`.

        Raises:
            TransferError: what came is not the image.
            StoreError: it cannot be stored.
        """

    # Outcomes

    def _put(self, part: PartialFile) -> Outcome:
        """Commit what was verified; under a name of its own where a file lies under the image's.

        Only the end of the run tells whether it is the one substitute for every image.
        """
        if self._is_name_taken():
            part.hold()
            return Outcome.HELD
        part.commit()
        return Outcome.DOWNLOADED

    def _is_name_taken(self) -> bool:
        folder = self.spec.folder
        # An object store was asked before the batch began.
        if self.spec.existing_md5 is not None or not folder.capabilities.local:
            return self.spec.existing_md5 is not None
        return folder.storage.stat(self.image.name) is not None

    @abstractmethod
    def _discard(self) -> None:
        """Throw away what no later attempt can continue."""

    def outcome_of(self, error: Exception) -> Download:
        """Return the outcome of the image after what went wrong.

        Raises:
            StoreError: where what is of no more use cannot be removed.
        """
        if isinstance(error, RefusedAddress):
            error = TransferError(f"refused: {error}")
        if isinstance(error, TransferError) and not isinstance(error, RetryableError):
            self._discard()
        if isinstance(error, Gone):
            return self._row(Outcome.GONE, error=str(error))
        if isinstance(error, TransferError | StoreError):
            retryable = isinstance(error, RetryableError | StoreAway)
            return self._row(Outcome.FAILED, error=str(error), retryable=retryable)
        return self._row(Outcome.FAILED, error=connection_failure(error), retryable=True)

    def _row(
        self, outcome: Outcome, *, error: str | None = None, retryable: bool = False
    ) -> Download:
        """Return the outcome with the figures of this attempt."""
        return Download(
            id=self.image.id,
            name=self.image.name,
            outcome=outcome,
            range_start=self.spec.byte_range.offset,
            received=self._received,
            attempts=self._attempts,
            started=self._started,
            first_byte=self._first_byte,
            finished=time.time(),
            worker=self.spec.worker,
            error=error,
            retryable=retryable,
        )
