"""One image's exchange with the image host: all of it but the waiting.

`transfer` has two loops around this, one with requests and one with aiohttp. They send what
`url` and `headers` say while `asking`, hand over each answer's head and then its blocks, and call
`complete`, or `gave_up` with what went wrong. Either way there is one `Download` at the end.
"""

import os
import re
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

from imgur_mirror.hosts import RefusedAddress, check_link
from imgur_mirror.kinds import is_page, kind_of
from imgur_mirror.models import Download, Image, Outcome, Piece
from imgur_mirror.names import printable
from imgur_mirror.pace import LONGEST_PAUSE, Pace, backoff, retry_after
from imgur_mirror.part import RESUMABLE, Part
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder, StoreError

__all__ = ["Exchange", "Gone", "Passing", "TransferError"]

MOST_REDIRECTS = 5
REMOVED = "removed.png"
REMOVED_MD5 = "d835884373f4d6c8f24742ceabe74946"
"""The 503 bytes of https://i.imgur.com/removed.png, should they ever come without a redirect."""

# Digits are bounded, since Python refuses to read numbers of thousands of them.
_NUMBER = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)")
_DIGEST = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
# What is none of these is not kept, and not sent back: it may hold line ends.
_ETAG = re.compile(r'(?:W/)?"?[!#-~]{1,200}"?')
_STRONG_ETAG = re.compile(r'"[!#-~]{1,200}"')
# A backslash is refused as well: some readers of addresses take it for a slash.
_WEB_ADDRESS = re.compile(r"https?://[!-\[\]-~]{1,2000}", re.IGNORECASE | re.ASCII)


class TransferError(Exception):
    """An image could not be had, and asking again will not change that; the sentence says why."""


class Passing(TransferError):
    """An image could not be had now; the next try may go well."""


class Gone(TransferError):
    """Imgur says that the image was removed."""


class Exchange:
    """One try at one image, from its first request to its file in place.

    Use it as a context manager; leaving it keeps what a later try can go on with.
    """

    def __init__(
        self,
        piece: Piece,
        folder: AlbumFolder,
        wire: Wire,
        pace: Pace,
        last: Download | None = None,
        worker: str | None = None,
    ) -> None:
        self.image: Image = piece.image
        self.url = piece.image.link
        self.asking = True
        self._folder = folder
        self._wire = wire
        self._pace = pace
        there = piece.held and (folder.path / self.image.name).is_file()
        self._held = folder.digest(self.image.name) if there else None
        self._part: Part = folder.part(self.image.name)
        self._part_etag = self._resumed()
        self._worker = worker or f"{os.getpid()}/{threading.get_ident()}"
        self._attempts = last.attempts if last else 0
        self._started = last.started if last else None
        self._asked = 0.0
        self._first_byte: float | None = None
        self._redirects = 0
        self._etag: str | None = None
        self._expected: int | None = None
        self._framed = False
        self._unvouched: str | None = None
        self._same = False

    def _resumed(self) -> str | None:
        """Take up what an earlier try left, and give its ETag."""
        try:
            return self._part.resume()
        except BaseException:
            self._part.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._part.__exit__(kind, error, traceback)

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
        if self._held is not None:
            return {"If-None-Match": f'"{self._held}"'}
        if self._part.size and self._part_etag is not None:
            return {"Range": f"bytes={self._part.size}-", "If-Range": self._part_etag}
        return {}

    def _ask_anew(self) -> None:
        """Start over with the whole file, in the same try."""
        self._part.discard()
        self._part_etag = None
        self._redirects = 0
        self.url = self.image.link
        self.asking = True

    # Answers

    def accept(self, status: int, headers: Mapping[str, str]) -> bool:
        """Take an answer's head, and tell whether its body is wanted.

        Raises:
            Gone: the image was removed.
            Passing: a later try may go well.
            TransferError: it will not.
        """
        self._first_byte = time.time() - self._asked
        self.asking = False
        if status in (301, 302, 303, 307, 308):
            self._follow(headers.get("Location", ""))
            return False
        if status == 304 and self._held is not None:
            self._same = True
            return False
        if status == 416 and self._part.size:
            return self._past_the_end(headers)
        self._check_status(status, headers)
        self._check_head(headers)
        if status == 206:
            return self._continue(headers)
        self._begin(headers)
        return True

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

    def _check_status(self, status: int, headers: Mapping[str, str]) -> None:
        if status in (200, 206):
            return
        if status in (404, 410):
            raise Gone(f"Imgur answered {status}")
        if status in (429, 503):
            self._ease_off(status, retry_after(headers.get("Retry-After")))
        if status in (408, 425) or status >= 500:
            raise Passing(f"the image host answered {status}")
        raise TransferError(f"the image host answered {status}")

    def _ease_off(self, status: int, asked: float | None) -> None:
        if asked is not None and asked > LONGEST_PAUSE:
            raise TransferError(
                f"the image host answered {status} and asks to wait {asked:.0f} seconds; "
                "run this again after that"
            )
        wait = backoff(self._wire.backoff, self._attempts) if asked is None else asked
        self._pace.ease_off(wait)
        raise Passing(f"the image host answered {status}, all workers wait {wait:.1f} seconds")

    def _check_head(self, headers: Mapping[str, str]) -> None:
        encoding = headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise TransferError(f"the body is encoded as {encoding!r:.40}, which was not asked for")
        if headers.get("Content-Type", "").lower().startswith("text/html"):
            raise Passing("an HTML page came instead of a picture")

    def _begin(self, headers: Mapping[str, str]) -> None:
        """Take the whole file from its first byte."""
        self._held = None
        self._expected = _length(headers)
        self._framed = "chunked" in headers.get("Transfer-Encoding", "").lower()
        self._etag = _etag(headers)
        self._check_size(self._expected)
        if self._expected == 0:
            raise Passing("the body is empty")
        worth_keeping = self._expected is None or self._expected > RESUMABLE
        continuable = worth_keeping and _STRONG_ETAG.fullmatch(self._etag or "")
        self._part.restart(self._etag if continuable else None)

    def _continue(self, headers: Mapping[str, str]) -> bool:
        """Take the rest of a file, if it is the rest of the very one that was begun."""
        first, last, total = _content_range(headers)
        etag = _etag(headers) if "ETag" in headers else self._part_etag
        if not self._part.size:
            raise Passing("a part of the file came where all of it was asked for")
        sound = last is not None and total is not None and self._part.size <= last < total
        if first != self._part.size or not sound or etag != self._part_etag:
            self._ask_anew()
            return False
        self._check_size(total)
        self._expected, self._etag, self._framed = total, etag, False
        return True

    def _past_the_end(self, headers: Mapping[str, str]) -> bool:
        """Nothing follows what is there: it is all, or no part of this file."""
        _, _, total = _content_range(headers)
        if total == self._part.size:
            self._expected, self._etag = total, self._part_etag
        else:
            self._ask_anew()
        return False

    def _check_size(self, size: int | None) -> None:
        if size is not None and size > self._wire.max_bytes:
            raise TransferError(
                f"it is {size} bytes, more than IMGUR_MAX_BYTES ({self._wire.max_bytes})"
            )

    def write(self, block: bytes) -> None:
        """Take the next block of the body.

        Raises:
            TransferError: where it goes past the largest size, or past the one announced.
            StoreError: where it cannot be stored.
        """
        size = self._part.size + len(block)
        self._check_size(size)
        if self._expected is not None and size > self._expected:
            raise Passing(f"more than the announced {self._expected} bytes came")
        self._part.write(block)

    # Ending

    def complete(self) -> Download | None:
        """Check what came and put it in place; None where it has to be fetched once more.

        Raises:
            Gone: what came is Imgur's picture for removed images.
            Passing: it is not whole, or not a picture.
            StoreError: where it cannot be stored.
        """
        if self._same:
            return self._unchanged()
        size, md5 = self._part.size, self._part.md5
        if size == 0:
            raise Passing("the body is empty")
        if self._expected is not None and size < self._expected:
            raise Passing(f"the body is short: {size} of {self._expected} bytes")
        if md5 == REMOVED_MD5:
            self._part.discard()
            raise Gone("Imgur sent its picture for removed images")
        if is_page(self._part.head):
            self._part.discard()
            raise Passing("an HTML page came instead of a picture")
        verified = self._vouch(size, md5)
        if verified is None:
            return None
        kind = kind_of(self._part.head)
        if kind is None and verified != "etag":
            self._part.discard()
            raise Passing("what came is no picture or video of a known kind")
        self._part.place()
        return self._download(
            Outcome.DOWNLOADED, bytes=size, md5=md5, etag=self._etag, type=kind, verified=verified
        )

    def _vouch(self, size: int, md5: str) -> str | None:
        """Say what vouches for the bytes; None where they have to be fetched once more.

        Imgur's ETag is the MD5 of an object that was stored in one part. Where 32 hex digits are
        not the digest, either the bytes are damaged or the ETag is none: two fetches tell.
        """
        digest = _digest_in(self._etag)
        if digest == md5:
            return "etag"
        if digest is not None and self._unvouched is None:
            self._unvouched = md5
            self._ask_anew()
            return None
        if digest is not None and self._unvouched != md5:
            self._part.discard()
            raise Passing(f"two fetches differ from each other and from the ETag {digest}")
        if digest is not None:
            return "two fetches"
        if self._expected is None and not self._framed and size != self.image.size:
            self._part.discard()
            raise Passing("nothing tells whether the body is whole: no length, no digest")
        return "length"

    def _unchanged(self) -> Download:
        path = self._folder.path / self.image.name
        with path.open("rb") as file:
            head = file.read(64)
        return self._download(
            Outcome.UNCHANGED,
            bytes=path.stat().st_size,
            md5=self._held,
            etag=f'"{self._held}"',
            type=kind_of(head),
            verified="etag",
        )

    def gave_up(self, error: Exception) -> Download:
        """Turn what went wrong into the image's outcome.

        Raises:
            StoreError: where what is of no more use cannot be removed.
        """
        if isinstance(error, RefusedAddress):
            error = TransferError(f"refused: {error}")
        if isinstance(error, TransferError) and not isinstance(error, Passing):
            self._part.discard()
        if isinstance(error, Gone):
            return self._download(Outcome.GONE, error=str(error))
        if isinstance(error, TransferError | StoreError):
            passing = isinstance(error, Passing)
            return self._download(Outcome.FAILED, error=str(error), passing=passing)
        return self._download(Outcome.FAILED, error=_wire(error), passing=True)

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
        passing: bool = False,
    ) -> Download:
        return Download(
            id=self.image.id,
            name=self.image.name,
            outcome=outcome,
            bytes=bytes,
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
            passing=passing,
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
    if not _WEB_ADDRESS.fullmatch(target):
        raise TransferError(f"refused: it redirects to {location!r:.200}, which is no web address")
    return target


def _length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("Content-Length", "")
    return int(value) if _NUMBER.fullmatch(value) else None


def _content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None, int | None]:
    """Read `Content-Range` as first, last and total; each None where it is not said."""
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        return None, None, None
    first, last, total = (int(part) if part and part != "*" else None for part in found.groups())
    return first, last, total


def _etag(headers: Mapping[str, str]) -> str | None:
    value = headers.get("ETag", "").strip()
    return value if _ETAG.fullmatch(value) else None


def _digest_in(etag: str | None) -> str | None:
    """Give the MD5 that a strong ETag is, or None; with a dash (several parts) it is none."""
    bare = (etag or "").strip().strip('"')
    return bare.lower() if _DIGEST.fullmatch(bare) else None
