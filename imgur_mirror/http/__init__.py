"""What any request needs, whichever library sends it.

`requests_session` and `aiohttp_session` are imported by their own paths, since they load these
libraries.
"""

from imgur_mirror.http.allowed_hosts import (
    Proxies,
    RefusedAddress,
    check_address,
    check_link,
    is_web_address,
    origin,
    resolve,
)
from imgur_mirror.http.headers import (
    API_HEADERS,
    IMAGE_HEADERS,
    Headers,
    content_length,
    content_range,
    etag_of,
    is_strong_etag,
    md5_in_etag,
)
from imgur_mirror.http.retry import LONGEST_PAUSE, backoff, retry_after

__all__ = [
    "API_HEADERS",
    "IMAGE_HEADERS",
    "LONGEST_PAUSE",
    "Headers",
    "Proxies",
    "RefusedAddress",
    "backoff",
    "check_address",
    "check_link",
    "content_length",
    "content_range",
    "etag_of",
    "is_strong_etag",
    "is_web_address",
    "md5_in_etag",
    "origin",
    "resolve",
    "retry_after",
]
