"""What the heads of an image host's answers say."""

import re
from collections.abc import Mapping

__all__ = ["STRONG_ETAG", "content_range", "digest_in", "etag_of", "length"]

# Digits are bounded, since Python refuses to read numbers of thousands of them.
_NUMBER = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)")
_DIGEST = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
# What is none of these is not kept, and not sent back: it may hold line ends.
_ETAG = re.compile(r'(?:W/)?"?[!#-~]{1,200}"?')
STRONG_ETAG = re.compile(r'"[!#-~]{1,200}"')


def length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("Content-Length", "")
    return int(value) if _NUMBER.fullmatch(value) else None


def content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None, int | None]:
    """Read `Content-Range` as first, last and total; each None where it is not said."""
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        return None, None, None
    first, last, total = (int(part) if part and part != "*" else None for part in found.groups())
    return first, last, total


def etag_of(headers: Mapping[str, str]) -> str | None:
    value = headers.get("ETag", "").strip()
    return value if _ETAG.fullmatch(value) else None


def digest_in(etag: str | None) -> str | None:
    """Give the MD5 that a strong ETag is, or None; with a dash (several parts) it is none."""
    bare = (etag or "").strip().strip('"')
    return bare.lower() if _DIGEST.fullmatch(bare) else None
