"""An image fetched whole: from its first byte, or on from where an earlier try ended."""

from collections.abc import Mapping
from types import TracebackType

from imgur_mirror.download.attempt import FetchAttempt, Gone, RetryableError
from imgur_mirror.download.media_types import is_page, kind_of
from imgur_mirror.download.pacing import Pace
from imgur_mirror.http import content_length, content_range, etag_of, is_strong_etag, md5_in_etag
from imgur_mirror.models import ByteRange, Download, Outcome
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder
from imgur_mirror.store.partial_file import RESUMABLE, Part

__all__ = ["REMOVED_MD5", "WholeFileAttempt"]

REMOVED_MD5 = "d835884373f4d6c8f24742ceabe74946"
"""https://i.imgur.com/removed.png, should it ever come without a redirect."""


class WholeFileAttempt(FetchAttempt):
    """One try at one image, from its first request to its file in place.

    `unvouched` is the MD5 that an earlier fetch gave, where the ETag said another, and `held` that
    of a file which is known to lie there under its name.
    """

    def __init__(
        self,
        piece: ByteRange,
        folder: AlbumFolder,
        wire: Wire,
        pace: Pace,
        last: Download | None = None,
        worker: str | None = None,
        unvouched: str | None = None,
        held: str | None = None,
    ) -> None:
        super().__init__(piece, folder, wire, pace, last, worker)
        # Elsewhere it was asked before, where no event loop waits for the answer.
        ask = piece.held and held is None and not folder.remote
        self._held = folder.held(self.image.name) if ask else held
        self._part: Part = folder.part(self.image.name)
        self._part_etag = self._resumed()
        self._etag: str | None = None
        self._expected: int | None = None
        self._framed = False
        self._unvouched = unvouched
        self._same = False
        self._verified: str | None = None
        self._kind: str | None = None

    def _resumed(self) -> str | None:
        """Take up what an earlier try left, and give its ETag."""
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

    def _conditions(self) -> dict[str, str]:
        if self._held is not None:
            return {"If-None-Match": f'"{self._held}"'}
        if self._part.size and self._part_etag is not None:
            return {"Range": f"bytes={self._part.size}-", "If-Range": self._part_etag}
        return {}

    def _ask_anew(self) -> None:
        """Start over with the whole file, in the same try."""
        self._part.discard()
        self._part_etag = None
        self._ask_again()

    def _wanted(self) -> tuple[int, ...]:
        wanted = [200, 206]
        if self._held is not None:
            wanted.append(304)
        if self._part.size:
            wanted.append(416)
        return tuple(wanted)

    def _take(self, status: int, headers: Mapping[str, str]) -> bool:
        if status == 304:
            self._same = True
            return False
        if status == 416:
            return self._past_the_end(headers)
        if status == 206:
            return self._continue(headers)
        self._begin(headers)
        return True

    def _begin(self, headers: Mapping[str, str]) -> None:
        """Take the whole file from its first byte."""
        self._held = None
        self._expected = content_length(headers)
        self._framed = "chunked" in headers.get("Transfer-Encoding", "").lower()
        self._etag = etag_of(headers)
        self._check_size(self._expected)
        if self._expected == 0:
            raise RetryableError("the body is empty")
        worth_keeping = self._expected is None or self._expected > RESUMABLE
        continuable = worth_keeping and is_strong_etag(self._etag)
        self._part.restart(self._etag if continuable else None)

    def _continue(self, headers: Mapping[str, str]) -> bool:
        """Take the rest of a file, if it is the rest of the very one that was begun."""
        first, last, total = content_range(headers)
        etag = etag_of(headers) if "ETag" in headers else self._part_etag
        if not self._part.size:
            raise RetryableError("a part of the file came where all of it was asked for")
        sound = last is not None and total is not None and self._part.size <= last < total
        if first != self._part.size or not sound or etag != self._part_etag:
            self._ask_anew()
            return False
        self._check_size(total)
        self._expected, self._etag, self._framed = total, etag, False
        return True

    def _past_the_end(self, headers: Mapping[str, str]) -> bool:
        """Nothing follows what is there: it is all, or no part of this file."""
        _, _, total = content_range(headers)
        if total == self._part.size:
            self._expected, self._etag = total, self._part_etag
        else:
            self._ask_anew()
        return False

    def write(self, block: bytes) -> None:
        size = self._part.size + len(block)
        self._check_size(size)
        if self._expected is not None and size > self._expected:
            raise RetryableError(f"more than the announced {self._expected} bytes came")
        self._part.write(block)
        self._received += len(block)

    def complete(self) -> bool:
        if self._same:
            return True
        size, md5 = self._part.size, self._part.md5
        if size == 0:
            raise RetryableError("the body is empty")
        if self._expected is not None and size < self._expected:
            raise RetryableError(f"the body is short: {size} of {self._expected} bytes")
        if md5 == REMOVED_MD5:
            self._part.discard()
            raise Gone("Imgur sent its picture for removed images")
        if is_page(self._part.head):
            self._part.discard()
            raise RetryableError("an HTML page came instead of a picture")
        self._verified = self._vouch(size, md5)
        if self._verified is None:
            return False
        self._kind = kind_of(self._part.head)
        if self._verified != "etag" and self._kind is None:
            self._part.discard()
            raise RetryableError("what came is no picture or video of a known kind")
        self._part.ready()
        return True

    def place(self) -> Download:
        if self._same:
            return self._unchanged()
        self._part.place()
        return self._download(
            Outcome.DOWNLOADED,
            bytes=self._part.size,
            md5=self._part.md5,
            etag=self._etag,
            type=self._kind,
            verified=self._verified,
        )

    def _vouch(self, size: int, md5: str) -> str | None:
        """Say what vouches for the bytes; None where they have to be fetched once more.

        Imgur's ETag is the MD5 of an object that was stored in one part. Where 32 hex digits are
        not the digest, either the bytes are damaged or the ETag is none: two fetches tell.
        """
        digest = md5_in_etag(self._etag)
        if digest == md5:
            return "etag"
        if digest is not None and self._unvouched is None:
            self._unvouched = md5
            self._ask_anew()
            return None
        if digest is not None and self._unvouched != md5:
            self._part.discard()
            raise RetryableError(f"two fetches differ from each other and from the ETag {digest}")
        if digest is not None:
            return "two fetches"
        if self._expected is None and not self._framed and size != self.image.size:
            self._part.discard()
            raise RetryableError("nothing tells whether the body is whole: no length, no digest")
        return "length"

    def _unchanged(self) -> Download:
        size, head = self.folder.beginning(self.image.name)
        return self._download(
            Outcome.UNCHANGED,
            bytes=size,
            md5=self._held,
            etag=f'"{self._held}"',
            type=kind_of(head),
            verified="etag",
        )

    def _discard(self) -> None:
        self._part.discard()
