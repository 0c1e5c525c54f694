"""Why an image did not come, and whether another try may help."""

import logging

from imgur_mirror.http.allowed_hosts import RefusedAddress
from imgur_mirror.store import StoreError
from imgur_mirror.text import printable, root_cause

__all__ = [
    "FAILURES",
    "Gone",
    "RetryableError",
    "TransferError",
    "connection_failure",
    "unexpected",
]

_logger = logging.getLogger(__name__)


class TransferError(Exception):
    """An image did not come, and another try will not change that; the sentence says why."""


class RetryableError(TransferError):
    """An image did not come; another try may succeed."""


class Gone(TransferError):
    """Imgur says that the image was removed."""


FAILURES: tuple[type[Exception], ...] = (TransferError, StoreError, RefusedAddress, OSError)
"""What ends an attempt, besides what the HTTP libraries raise."""


def connection_failure(error: Exception) -> str:
    """Say what broke on the connection, without the nested errors of the HTTP library."""
    text = printable(root_cause(error))
    name = type(error).__name__
    return f"the connection failed: {name}{f': {text}' if text != name else ''}"


def unexpected(error: Exception) -> TransferError:
    """Return a fault of this program as an error of its image: it must not end the whole batch."""
    _logger.error("a transfer ended unexpectedly", exc_info=error)
    return TransferError(f"unexpected: {type(error).__name__}: {printable(str(error))}")
