"""How fast a run asks: together slower when the host says so, never above a set rate."""

import fcntl
import math
import os
import random
import re
import time
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyrate_limiter import Limiter

__all__ = ["LONGEST_PAUSE", "Pace", "backoff", "retry_after"]

LONGEST_PAUSE = 120.0
"""Seconds that a run waits when the host asks for it; who asks for more is told no more is sent."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of one run, the same for all its workers, in whichever process they are.

    The run's workers share one empty file: the time until which nobody asks is its modification
    time. Reading that costs microseconds and needs no server. `per_second` is this process's
    share of the run's bound.
    """

    run: Path
    per_second: float | None = None

    @property
    def _sign(self) -> Path:
        return self.run / "pause"

    def wait(self) -> float:
        """Give the seconds until the next request may be sent."""
        try:
            until = self._sign.stat().st_mtime
        except FileNotFoundError:
            return 0.0
        # Bounded as it was set, in case the clock was turned back since.
        return min(LONGEST_PAUSE, max(0.0, until - time.time()))

    def ease_off(self, seconds: float) -> None:
        """Keep every worker of the run from asking for so many seconds from now on."""
        until = time.time() + min(seconds, LONGEST_PAUSE)
        with self._sign.open("a") as sign:
            # One at a time, so that a short pause never replaces a longer one.
            fcntl.flock(sign, fcntl.LOCK_EX)
            if os.fstat(sign.fileno()).st_mtime < until:
                os.utime(sign.fileno(), (until, until))

    @property
    def limiter(self) -> "Limiter | None":
        """The limiter that this process's workers share; None where no rate is set."""
        if self.per_second is None:
            return None
        # A cache alone lets threads that come first at once make one each.
        with _making:
            return _limiter(self.run, self.per_second)


_making = Lock()


@cache
def _limiter(_run: Path, per_second: float) -> "Limiter":
    # Imported where a rate is set, which few do.
    from pyrate_limiter import InMemoryBucket, Limiter, Rate

    # One request each 1/rate seconds, so that a rate below one a second works as well and no
    # second begins with a burst.
    return Limiter(InMemoryBucket([Rate(1, math.ceil(1000 / per_second))]), buffer_ms=1)


# Whole seconds by the standard; a fraction is taken too, 300 years or a sign are not.
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?")


def retry_after(value: str | None) -> float | None:
    """Read a `Retry-After` header, seconds or a date, as seconds from now; None if it is neither.

    RFC 9110, section 10.2.3.
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
    """Give the seconds to wait after a failed attempt (1, 2, …): doubled each time, with jitter."""
    jitter = random.uniform(0.75, 1.25)  # noqa: S311 - spreads requests, hides nothing
    return min(LONGEST_PAUSE, base * 2.0 ** min(attempt - 1, 30) * jitter)
