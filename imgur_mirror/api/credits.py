"""Imgur's credits: how many requests are left, and how long to wait for more.

Imgur counts by the hour and by the day, and blocks for the rest of the month whoever goes on
asking: where the server names no time, the waits are long. All waits are in seconds, and none is
over a day.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from imgur_mirror.http import retry_after

__all__ = ["UNKNOWN_WAIT", "Credits", "describe_wait", "wait_after_refusal", "whole_number"]

UNKNOWN_WAIT = 15 * 60
"""Seconds to wait after a refusal that names no time."""

_UNKNOWN_RESET = 60 * 60
_MAX_WAIT = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Credits:
    """The requests that are left, by the last response, and when there are more.

    Those of the user (this IP address) and of the client id are None where the server does not
    name them; times are in seconds since 1970.
    """

    user_remaining: int | None = None
    user_reset_at: float = 0
    client_remaining: int | None = None
    client_reset_at: float = 0

    @classmethod
    def read(cls, headers: Mapping[str, str], now: float) -> Self | None:
        """Return the credits in a response's headers; None where there are none."""
        user, client = (
            whole_number(headers.get(f"X-RateLimit-{owner}Remaining"))
            for owner in ("User", "Client")
        )
        if user is None and client is None:
            return None
        return cls(
            user_remaining=user,
            user_reset_at=now + _seconds_to_reset(headers, "User", now, _UNKNOWN_RESET),
            client_remaining=client,
            client_reset_at=now + _seconds_to_reset(headers, "Client", now, _UNKNOWN_RESET),
        )

    def wait(self, now: float) -> float:
        """Return the seconds until a request may be sent: 0 once the reset has passed."""
        resets = (
            (self.user_remaining, self.user_reset_at),
            (self.client_remaining, self.client_reset_at),
        )
        waits = [reset - now for remaining, reset in resets if remaining == 0]
        return min(max([0, *waits]), _MAX_WAIT)


def wait_after_refusal(headers: Mapping[str, str], now: float) -> float:
    """Return the seconds to wait after a 429: what the server names, else `UNKNOWN_WAIT`."""
    seconds = retry_after(headers.get("Retry-After"))
    if seconds is None:
        return _seconds_to_reset(headers, "User", now, UNKNOWN_WAIT)
    return min(seconds, _MAX_WAIT)


def describe_wait(wait: float, now: float) -> str:
    """Return `in 12 minutes (at 14:05 UTC)`."""
    clock = datetime.fromtimestamp(now + wait, UTC).strftime("%H:%M UTC")
    if wait < 2 * 60:
        return f"in {max(1, round(wait))} s (at {clock})"
    return f"in {round(wait / 60)} minutes (at {clock})"


def whole_number(value: str | None) -> int | None:
    """Return the whole number in a header, None where it is none; a negative one counts as 0."""
    found = re.fullmatch(r"\s*(-?\d{1,12})(?:\.\d*)?\s*", value or "", re.ASCII)
    return max(0, int(found[1])) if found else None


def _seconds_to_reset(headers: Mapping[str, str], owner: str, now: float, default: float) -> float:
    """Return the seconds until the credits of `owner` (User or Client) are reset."""
    number = whole_number(headers.get(f"X-RateLimit-{owner}Reset"))
    if number is None:
        return default
    # Imgur documents the Unix time of the reset, and sends the seconds left.
    seconds = number - now if number > 1_000_000_000 else number
    return min(max(0, seconds), _MAX_WAIT)
