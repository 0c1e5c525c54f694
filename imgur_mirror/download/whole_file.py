"""An image fetched whole: from its first byte, or on from where an earlier attempt ended."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import TracebackType

from imgur_mirror.download.actions import Ask, Commit, Done, ReadBody
from imgur_mirror.download.attempt import FetchAttempt, FetchSpec
from imgur_mirror.download.errors import RetryableError
from imgur_mirror.download.media_types import media_type_of
from imgur_mirror.download.responses import check_size
from imgur_mirror.download.substitutes import is_blocked
from imgur_mirror.download.verification import FetchedFile, Refetch, Reject, Verified, verify
from imgur_mirror.http import content_length, content_range, etag_of, is_strong_etag
from imgur_mirror.models import Download, Outcome
from imgur_mirror.store.partial_file import RESUMABLE, ExclusiveFile

__all__ = ["WholeFileAttempt"]


@dataclass(frozen=True, slots=True)
class _Announced:
    """What a response says of the whole file: its bytes, its ETag, and whether it comes chunked."""

    size: int | None = None
    etag: str | None = None
    chunked: bool = False


class WholeFileAttempt(FetchAttempt):
    """One attempt at one image."""

    def __init__(self, spec: FetchSpec) -> None:
        super().__init__(spec)
        self._existing_md5 = spec.existing_md5
        self._earlier_md5 = spec.earlier_md5
        self._announced = _Announced()
        self._part: ExclusiveFile = spec.folder.partial_file(self.image.name)
        self._part_etag = self._resume()

    def _resume(self) -> str | None:
        """Continue what an earlier attempt left, and return its ETag."""
        if self.image.size is not None and self.image.size < RESUMABLE:
            return None
        try:
            return self._part.resume()
        except BaseException:
            self._part.__exit__()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._part.__exit__(kind, error, traceback)

    # Requests

    def _conditions(self) -> dict[str, str]:
        if self._existing_md5 is not None:
            return {"If-None-Match": f'"{self._existing_md5}"'}
        if self._part.size and self._part_etag is not None:
            return {"Range": f"bytes={self._part.size}-", "If-Range": self._part_etag}
        return {}

    def _restart(self) -> Ask:
        """Ask for the whole file, whatever is there of it."""
        self._part.discard()
        self._part_etag = None
        return Ask(self.image.link)

    # Responses

    def _statuses(self) -> Collection[int]:
        statuses = {200, 206}
        if self._existing_md5 is not None:
            statuses.add(304)
        if self._part.size:
            statuses.add(416)
        return statuses

    def _take(self, status: int, headers: Mapping[str, str]) -> Ask | ReadBody | Commit:
        match status:
            case 304:
                return Commit(self._keep_existing)
            case 416:
                return self._take_no_more(headers)
            case 206:
                return self._take_rest(headers)
            case _:
                return self._take_whole(headers)

    def _take_whole(self, headers: Mapping[str, str]) -> ReadBody:
        chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        # Of a body in chunks a length says nothing (RFC 9112, section 6.3).
        size, etag = None if chunked else content_length(headers), etag_of(headers)
        self._check_size(size)
        if size == 0:
            raise RetryableError("the body is empty")
        self._announced = _Announced(size, etag, chunked)
        self._existing_md5 = None
        worth_keeping = size is None or size > RESUMABLE
        resumable = worth_keeping and is_strong_etag(etag)
        self._part.restart(etag if resumable else None)
        return ReadBody()

    def _take_rest(self, headers: Mapping[str, str]) -> ReadBody | Ask:
        """Take the rest of a file, if it is the rest of the very one that is there in part."""
        first, last, total = content_range(headers)
        etag = etag_of(headers) if "ETag" in headers else self._part_etag
        have = self._part.size
        if not have:
            raise RetryableError("a part of the file came where all of it was asked for")
        sound = last is not None and total is not None and have <= last < total
        if first != have or not sound or etag != self._part_etag:
            return self._restart()
        self._check_size(total)
        self._announced = _Announced(total, etag)
        return ReadBody()

    def _take_no_more(self, headers: Mapping[str, str]) -> Commit | Ask:
        """Nothing follows the bytes that are there: they are all, or not of this file."""
        _, _, total = content_range(headers)
        if total != self._part.size:
            return self._restart()
        self._announced = _Announced(total, self._part_etag)
        return Commit(self.finish)

    def write(self, block: bytes) -> None:
        size, expected = self._part.size + len(block), self._announced.size
        self._check_size(size)
        if expected is not None and size > expected:
            raise RetryableError(f"more than the announced {expected} bytes came")
        self._part.write(block)
        self._received += len(block)

    def _check_size(self, size: int | None) -> None:
        check_size(size, self.spec.wire.max_bytes)

    # Outcomes

    def finish(self) -> Ask | Done:
        match verify(self._fetched()):
            case Refetch():
                self._earlier_md5 = self._part.md5
                return self._restart()
            case Reject(error, resumable):
                if not resumable:
                    self._part.discard()
                raise error
            case Verified() as verified:
                return Done(self._stored(self._put(self._part), verified))

    def _fetched(self) -> FetchedFile:
        return FetchedFile(
            size=self._part.size,
            md5=self._part.md5,
            head=self._part.head,
            expected_size=self._announced.size,
            etag=self._announced.etag,
            chunked=self._announced.chunked,
            redirected=self._redirected,
            listed_size=self.image.size,
            earlier_md5=self._earlier_md5,
        )

    def _stored(self, outcome: Outcome, verified: Verified) -> Download:
        return replace(
            self._row(outcome),
            bytes=self._part.size,
            md5=self._part.md5,
            etag=self._announced.etag,
            type=verified.media_type,
            verified=verified.evidence,
        )

    def _keep_existing(self) -> Ask | Done:
        size, head = self.spec.folder.beginning(self.image.name)
        if media_type_of(head) is None or is_blocked(self._existing_md5):
            # The host has it as well, and yet it is no image.
            self._existing_md5 = None
            return self._restart()
        unchanged = replace(
            self._row(Outcome.UNCHANGED),
            bytes=size,
            md5=self._existing_md5,
            etag=f'"{self._existing_md5}"',
            type=media_type_of(head),
            verified="etag",
        )
        return Done(unchanged)

    def _discard(self) -> None:
        self._part.discard()
