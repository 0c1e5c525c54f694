"""The errors of the API: eight kinds, each with what to do about it."""

from typing import ClassVar

from imgur_mirror.api.credits import UNKNOWN_WAIT

__all__ = [
    "AlbumNotFound",
    "ApiError",
    "ApiUnavailable",
    "BadCredentials",
    "Blocked",
    "OverCapacity",
    "Private",
    "RateLimited",
    "UnexpectedResponse",
]

# The longest that a task may wait before it retries, in seconds.
_MAX_RETRY_WAIT = 2 * 60


class ApiError(Exception):
    """A request to the API failed; the message says what was asked, what came back, what to do.

    `status` is the HTTP status, None where no response came; `retryable` says whether the same
    request may succeed soon. `finding` and `remedy` are the parts of the message that all errors
    of a kind share.
    """

    retryable: bool = False
    finding: ClassVar[str]
    remedy: ClassVar[str]

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class AlbumNotFound(ApiError):
    """Nothing is at that address, or nothing that the public may see."""

    finding = "Imgur has no such thing"
    remedy = "check the address in a browser: it may be mistyped, private or removed"


class BadCredentials(ApiError):
    """The client id is missing, wrong, or not allowed to see this."""

    finding = "Imgur asks for a client id that is valid"
    remedy = "set IMGUR_CLIENT_ID, in the environment or in .env, to a client id that works"


class Private(ApiError):
    """It is there, and its owner does not show it to the public."""

    finding = "it is private at Imgur"
    remedy = "only its owner can open it to the public"


class Blocked(ApiError):
    """Imgur, or what stands before it, refuses this network or country."""

    finding = "Imgur is blocked here, perhaps for legal reasons in your country"
    remedy = "open the address in a browser; from another network it may be there"


class RateLimited(ApiError):
    """The credits are spent: retry in `wait` seconds."""

    finding = "the limit of Imgur requests is reached"
    remedy = "try again"

    def __init__(
        self, message: str, *, status: int | None = None, wait: float = UNKNOWN_WAIT
    ) -> None:
        super().__init__(message, status=status)
        self.wait = wait
        self.retryable = wait <= _MAX_RETRY_WAIT


class OverCapacity(ApiError):
    """Imgur has too much to do."""

    retryable = True
    finding = "Imgur is over capacity"
    remedy = "try again in a few minutes"


class ApiUnavailable(ApiError):
    """No response, a server error, or a web page in the place of a response."""

    retryable = True
    finding = "the Imgur API is not available"
    remedy = "try again in a few minutes; if it stays so, check the network and IMGUR_API_URL"


class UnexpectedResponse(ApiError):
    """A response that cannot be what was asked for."""

    finding = "the Imgur API gave an answer that cannot be used"
    remedy = "open the address in a browser, and check IMGUR_API_URL"
