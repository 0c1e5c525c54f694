"""Imgur's credits: how many calls are left, and how long to wait for more.

Imgur counts by the hour and by the day, and blocks for the rest of the month who goes on asking:
where nothing is said, the waits are long. All of them are in seconds, and none is over a day.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from imgur_mirror.download.pacing import retry_after

__all__ = ["UNKNOWN_WAIT", "Credits", "wait_told", "when", "whole_number"]

UNKNOWN_WAIT = 15 * 60
"""After a refusal that says nothing about the time."""

_UNKNOWN_RESET = 60 * 60
_LONGEST = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Credits:
    """The calls that are left, as last heard, and when there are more (seconds since 1970)."""

    user_remaining: int | None = None
    user_reset_at: float = 0
    client_remaining: int | None = None
    client_reset_at: float = 0

    @classmethod
    def read(cls, headers: Mapping[str, str], now: float) -> Self | None:
        """The credits in an answer's headers; None where they tell nothing."""
        user, client = (
            whole_number(headers.get(f"X-RateLimit-{who}Remaining")) for who in ("User", "Client")
        )
        if user is None and client is None:
            return None
        return cls(
            user_remaining=user,
            user_reset_at=now + _reset_told(headers, "User", now, _UNKNOWN_RESET),
            client_remaining=client,
            client_reset_at=now + _reset_told(headers, "Client", now, _UNKNOWN_RESET),
        )

    def wait(self, now: float) -> float:
        """Seconds until there is a credit to spend: none once the time of the reset has passed."""
        resets = (
            (self.user_remaining, self.user_reset_at),
            (self.client_remaining, self.client_reset_at),
        )
        waits = [reset - now for left, reset in resets if left == 0]
        return min(max([0, *waits]), _LONGEST)


def wait_told(headers: Mapping[str, str], now: float) -> float:
    """Seconds to wait after a refusal: what the server says, else long enough to annoy no one."""
    told = retry_after(headers.get("Retry-After"))
    if told is None:
        return _reset_told(headers, "User", now, UNKNOWN_WAIT)
    return min(told, _LONGEST)


def when(wait: float, now: float) -> str:
    """`in 12 minutes (at 14:05 UTC)`."""
    clock = datetime.fromtimestamp(now + wait, UTC).strftime("%H:%M UTC")
    if wait < 2 * 60:
        return f"in {max(1, round(wait))} s (at {clock})"
    return f"in {round(wait / 60)} minutes (at {clock})"


def whole_number(value: str | None) -> int | None:
    """The whole number in a header, where it is one; below zero is none left."""
    found = re.fullmatch(r"\s*(-?\d{1,12})(?:\.\d*)?\s*", value or "", re.ASCII)
    return max(0, int(found[1])) if found else None


def _reset_told(headers: Mapping[str, str], who: str, now: float, unknown: float) -> float:
    """Seconds until a reset: Imgur documents its Unix time, and sends the seconds left."""
    number = whole_number(headers.get(f"X-RateLimit-{who}Reset"))
    if number is None:
        return unknown
    return min(max(0, number - now if number > 1_000_000_000 else number), _LONGEST)
