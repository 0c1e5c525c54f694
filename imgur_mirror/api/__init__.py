"""What Imgur's API says: addresses, albums, errors, credits, file names.

`client` is imported by its own path, since it loads imgurpython and requests.
"""

from imgur_mirror.api.address import (
    Address,
    BadAddress,
    Kind,
    check_album,
    original_link,
    parse_address,
    parse_album,
)
from imgur_mirror.api.credits import Credits
from imgur_mirror.api.errors import (
    AlbumNotFound,
    ApiError,
    ApiUnavailable,
    BadCredentials,
    Blocked,
    OverCapacity,
    Private,
    RateLimited,
    UnexpectedResponse,
)
from imgur_mirror.api.file_names import UnsafeName, capital_bits, distinct, file_name
from imgur_mirror.api.parsing import image_at
from imgur_mirror.api.posts import Listed, with_earlier

__all__ = [
    "Address",
    "AlbumNotFound",
    "ApiError",
    "ApiUnavailable",
    "BadAddress",
    "BadCredentials",
    "Blocked",
    "Credits",
    "Kind",
    "Listed",
    "OverCapacity",
    "Private",
    "RateLimited",
    "UnexpectedResponse",
    "UnsafeName",
    "capital_bits",
    "check_album",
    "distinct",
    "file_name",
    "image_at",
    "original_link",
    "parse_address",
    "parse_album",
    "with_earlier",
]
