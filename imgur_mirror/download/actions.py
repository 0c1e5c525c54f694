"""What a client does next for an attempt: each step of an attempt returns one of these."""

from collections.abc import Callable
from dataclasses import dataclass

from imgur_mirror.download.errors import TransferError
from imgur_mirror.models import Download

__all__ = ["Action", "Ask", "Commit", "Done", "GiveUp", "ReadBody"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a request for `url`, where so many redirects led; hand over the head of its response."""

    url: str
    redirects: int = 0


@dataclass(frozen=True, slots=True)
class ReadBody:
    """Hand over the blocks of the body, then `Commit` what the attempt has."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Call `finish` where no event loop waits for it: it verifies, and writes to the store.

    It raises `TransferError` where what came is not the image, `StoreError` where it cannot be
    stored.
    """

    finish: Callable[[], "Ask | Done"]


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Record the error as the outcome; the body of the response is of no use."""

    error: TransferError


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing more is to be done: this is the outcome."""

    download: Download


Action = Ask | Commit | GiveUp | Done
"""What a client's loop has to do; it reads a body as it asks."""
