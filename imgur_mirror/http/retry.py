"""How long to wait before a request is sent again."""

import random
import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["LONGEST_PAUSE", "backoff", "retry_after"]

LONGEST_PAUSE = 120.0
"""Seconds that a run waits at most between two requests, whatever a host asks for."""

# Whole seconds by the standard; a fraction is taken too, 300 years or a sign are not.
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?")


def retry_after(value: str | None) -> float | None:
    """Return the seconds from now that a `Retry-After` header names, as seconds or as a date.

    None where the header is missing or malformed. RFC 9110, section 10.2.3.
    """
    if value is None:
        return None
    if _SECONDS.fullmatch(value.strip()):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - time.time())


def backoff(base: float, attempt: int) -> float:
    """Return the seconds to wait after a failed attempt (1, 2, …), with jitter.

    `base` seconds after the first, doubled with each, at most `LONGEST_PAUSE`.
    """
    jitter = random.uniform(0.75, 1.25)  # noqa: S311 - spreads requests, hides nothing
    return min(LONGEST_PAUSE, base * 2.0 ** min(attempt - 1, 30) * jitter)
