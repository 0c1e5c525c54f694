"""Whether the bytes that came are the image: decided from facts about them, without acting.

A rule returns what is to be done about bytes that it objects to, or None. A new reason not to store
something is a new rule in `RULES`; `verify` applies them in order, and the first objection counts.
"""

from collections.abc import Callable
from dataclasses import dataclass

from imgur_mirror.download.errors import Gone, RetryableError, TransferError
from imgur_mirror.download.media_types import is_html, media_type_of
from imgur_mirror.download.substitutes import BLOCKED, is_blocked
from imgur_mirror.http import md5_in_etag

__all__ = ["REMOVED_MD5", "FetchedFile", "Refetch", "Reject", "Verified", "verify"]

REMOVED_MD5 = "d835884373f4d6c8f24742ceabe74946"
"""https://i.imgur.com/removed.png, should it ever come without a redirect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedFile:
    """What is known of a file that came.

    `head` are its first 64 bytes. The response announced `expected_size` and `etag`, and with
    `chunked` it marked the end of its body; `redirected`: it was not the one to the image's link.
    `listed_size` is the API's, and `earlier_md5` the MD5 of a fetch before this one, of which the
    ETag said another. Sizes are in bytes.
    """

    size: int
    md5: str
    head: bytes
    expected_size: int | None
    etag: str | None
    chunked: bool = False
    redirected: bool = False
    listed_size: int | None = None
    earlier_md5: str | None = None

    @property
    def evidence(self) -> str:
        """What vouches for the bytes, once no rule objects: see `manifest.Entry.verified`."""
        digest = md5_in_etag(self.etag)
        if digest is None:
            return "length"
        return "etag" if digest == self.md5 else "two fetches"


@dataclass(frozen=True, slots=True)
class Verified:
    """The bytes are the image: `evidence` vouches for them, `media_type` is told by their head."""

    evidence: str
    media_type: str | None


@dataclass(frozen=True, slots=True)
class Refetch:
    """Only another fetch of the whole file can tell."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The bytes are not the image; where they are `resumable`, they are the beginning of it."""

    error: TransferError
    resumable: bool = False


Rule = Callable[[FetchedFile], Refetch | Reject | None]


def verify(file: FetchedFile) -> Verified | Refetch | Reject:
    """Decide whether a file that came may be stored."""
    for rule in RULES:
        objection = rule(file)
        if objection is not None:
            return objection
    return Verified(file.evidence, media_type_of(file.head))


def _is_complete(file: FetchedFile) -> Reject | None:
    if file.size == 0:
        return Reject(RetryableError("the body is empty"))
    if file.expected_size is not None and file.size < file.expected_size:
        short = f"the body is short: {file.size} of {file.expected_size} bytes"
        return Reject(RetryableError(short), resumable=True)
    return None


def _is_no_substitute(file: FetchedFile) -> Reject | None:
    if file.md5 == REMOVED_MD5:
        return Reject(Gone("Imgur sent its picture for removed images"))
    if is_blocked(file.md5):
        return Reject(TransferError(BLOCKED))
    if is_html(file.head) and file.redirected:
        return Reject(RetryableError("the image host redirects to an HTML page"))
    if is_html(file.head):
        return Reject(RetryableError("an HTML page came instead of a picture"))
    return None


def _agrees_with_etag(file: FetchedFile) -> Refetch | Reject | None:
    """Imgur's ETag is the MD5 of an object that was stored in one part.

    Where 32 hex digits are not the digest, either the bytes are damaged or the ETag is none: two
    fetches tell.
    """
    digest = md5_in_etag(file.etag)
    if digest in (None, file.md5) or file.earlier_md5 == file.md5:
        return None
    if file.earlier_md5 is None:
        return Refetch()
    return Reject(RetryableError(f"two fetches differ from each other and from the ETag {digest}"))


def _has_known_end(file: FetchedFile) -> Reject | None:
    known = file.expected_size is not None or file.chunked or file.size == file.listed_size
    if known or md5_in_etag(file.etag) is not None:
        return None
    return Reject(RetryableError("nothing tells whether the body is whole: no length, no digest"))


def _has_known_media_type(file: FetchedFile) -> Reject | None:
    if media_type_of(file.head) is not None:
        return None
    return Reject(RetryableError("what came is no picture or video of a known kind"))


RULES: tuple[Rule, ...] = (
    _is_complete,
    _is_no_substitute,
    _agrees_with_etag,
    _has_known_end,
    _has_known_media_type,
)
