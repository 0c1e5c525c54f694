"""HTTP headers: those that requests send, and what those of a response mean."""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version

__all__ = [
    "API_HEADERS",
    "IMAGE_HEADERS",
    "MAX_HEADERS",
    "MAX_HEADER_BYTES",
    "Headers",
    "content_length",
    "content_range",
    "etag_of",
    "is_strong_etag",
    "md5_in_etag",
]

# The default agents of HTTP libraries meet 429 at Imgur, where an honest name does not.
_USER_AGENT = f"imgur-mirror/{version('imgur-mirror')}"

IMAGE_HEADERS = {
    "User-Agent": _USER_AGENT,
    # With text/html among what is accepted, Imgur sends a page around the picture.
    "Accept": "*/*",
    # Encoded bytes would match neither the size nor the ETag.
    "Accept-Encoding": "identity",
}
"""What every request to an image host sends."""

API_HEADERS = {
    "User-Agent": _USER_AGENT,
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
}
"""What every request to the API sends."""

MAX_HEADER_BYTES = 65536
"""Bytes of one header at most; policies and cookies are often of 8 kB and more."""

MAX_HEADERS = 1000
"""Headers of one response at most."""

# Digits are bounded, since Python refuses to read numbers of thousands of them.
_NUMBER = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)")
_MD5 = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
# Anything else is dropped: an ETag is sent back, and must not smuggle in line ends.
_ETAG = re.compile(r'(?:W/)?"?[!#-~]{1,200}"?')
_STRONG_ETAG = re.compile(r'"[!#-~]{1,200}"')


class Headers(Mapping[str, str]):
    """The headers of a response by their names, in capitals or not.

    One that is sent twice and says the same counts once; the libraries disagree about those.
    """

    def __init__(self, sent: Iterable[tuple[str, str]]) -> None:
        values: dict[str, dict[str, None]] = {}
        for name, value in sent:
            values.setdefault(name.lower(), {})[value.strip()] = None
        self._values = {name: ", ".join(each) for name, each in values.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def content_length(headers: Mapping[str, str]) -> int | None:
    """Return the bytes that `Content-Length` announces; None where it is missing or no number.

    Some hosts say the same number twice (RFC 9110, section 8.6).
    """
    values = {value.strip() for value in headers.get("Content-Length", "").split(",")}
    value = values.pop()
    return int(value) if not values and _NUMBER.fullmatch(value) else None


def content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None, int | None]:
    """Return `Content-Range` as first byte, last byte (inclusive) and total size in bytes.

    Each is None where the header leaves it open, all are where it is missing or malformed.
    """
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        return None, None, None
    first, last, total = (int(part) if part and part != "*" else None for part in found.groups())
    return first, last, total


def etag_of(headers: Mapping[str, str]) -> str | None:
    """Return the `ETag` as it was sent, quotes included; None where it is missing or malformed."""
    value = headers.get("ETag", "").strip()
    return value if _ETAG.fullmatch(value) else None


def is_strong_etag(etag: str | None) -> bool:
    """Return whether an ETag is strong, and so fit for `If-Range` (RFC 9110, section 13.1.5)."""
    return etag is not None and _STRONG_ETAG.fullmatch(etag) is not None


def md5_in_etag(etag: str | None) -> str | None:
    """Return the MD5, in lower-case hex, that an ETag consists of; None for any other ETag.

    One of a multipart upload is no MD5 of the file: it ends in a dash and the number of parts.
    """
    bare = (etag or "").strip().strip('"')
    return bare.lower() if _MD5.fullmatch(bare) else None
