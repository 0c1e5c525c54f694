"""What the head of an image host's response means, decided without acting."""

from collections.abc import Mapping, Sequence
from urllib.parse import urljoin, urlsplit

from imgur_mirror.download.actions import Ask
from imgur_mirror.download.errors import Gone, RetryableError, TransferError
from imgur_mirror.http import RefusedAddress, check_link, is_web_address

__all__ = ["REDIRECTS", "check_body", "check_size", "check_url", "followed", "refusal"]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 5

REMOVED = "removed.png"
"""The file that Imgur redirects to for images that were removed."""

CHANGING = frozenset({
    "aes128gcm", "br", "bzip2", "compress", "dcb", "dcz", "deflate", "exi", "gzip", "lzma",
    "pack200-gzip", "xz", "zstd",
})  # fmt: skip
"""Codings that change bytes. Hosts send other words as well, over bytes that are as they were."""


def followed(ask: Ask, location: str, hosts: Sequence[str]) -> Ask:
    """Return the request that a redirect leads to.

    Raises:
        Gone: it leads to the picture for removed images.
        TransferError: it leads nowhere, or where nothing may be asked, or it is one too many.
    """
    target = _target(ask.url, location)
    if urlsplit(target).path.rsplit("/", 1)[-1] == REMOVED:
        raise Gone("Imgur redirects to its picture for removed images")
    if ask.redirects == MAX_REDIRECTS:
        raise TransferError(f"more than {MAX_REDIRECTS} redirects")
    check_url(target, hosts)
    return Ask(target, ask.redirects + 1)


def _target(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
    except ValueError:
        target = ""
    if not is_web_address(target):
        raise TransferError(f"refused: it redirects to {location!r:.200}, which is no web address")
    return target


def check_url(url: str, hosts: Sequence[str]) -> None:
    """Raise `TransferError` for a link to a place where nothing may be asked."""
    try:
        check_link(url, hosts)
    except RefusedAddress as error:
        raise TransferError(f"refused: {error}") from error


def refusal(status: int) -> TransferError:
    """Return what a status means that brings no bytes, and asks for no pause."""
    if status in (404, 410):
        return Gone(f"Imgur answered {status}")
    if status == 451:
        return TransferError(
            "the image host answered 451: for legal reasons it does not serve this image where "
            "this runs"
        )
    # What is accepted, or has no content yet, may come the next time.
    retryable = status in (408, 425) or status >= 500 or 200 <= status < 300
    kind = RetryableError if retryable else TransferError
    return kind(f"the image host answered {status}")


def check_body(headers: Mapping[str, str]) -> None:
    """Raise `TransferError` where the headers of a body say that it is not the image's bytes."""
    encoding = headers.get("Content-Encoding", "").strip().lower()
    codings = {coding.strip().removeprefix("x-") for coding in encoding.split(",")}
    if codings & CHANGING:
        raise TransferError(f"the body is encoded as {encoding!r:.40}, which was not asked for")


def check_size(size: int | None, max_bytes: int) -> None:
    """Raise `TransferError` where an image is larger than the settings allow."""
    if size is not None and size > max_bytes:
        raise TransferError(f"it is {size} bytes, more than IMGUR_MAX_BYTES ({max_bytes})")
