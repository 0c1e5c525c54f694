"""How fast a run asks: together slower when the host says so, never above a set rate."""

import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from pathlib import Path

from imgur_mirror.http import LONGEST_PAUSE

__all__ = ["Pace", "pace_of"]

MOST_WAITING = 1000
"""More than there are workers in any run: no turn is further off than that many."""


LOOK = 0.005
"""Seconds for which a worker need not look again whether another was told to wait."""


@lru_cache(maxsize=16)
def pace_of(run: Path, per_second: float | None) -> "Pace":
    """Give the pace of a run, the same one to all that this process does for it."""
    return Pace(run, per_second)


@dataclass(slots=True)
class Pace:
    """The pace of one run, the same for all its workers, in whichever process they are.

    The run's workers share two files: one's modification time is the time until which nobody asks,
    the other holds the time of the last turn. Reading them costs microseconds and needs no server.
    `per_second` is the run's bound on requests; across machines it holds where these share the
    files.
    """

    run: Path
    per_second: float | None = None
    _looked: float = -inf

    def waits(self) -> Iterator[float]:
        """Give the seconds to sleep, one after another, until the next request may be sent."""
        if seconds := self._turn():
            yield seconds
        while seconds := self.wait():
            yield seconds
            # Whoever waited asks for a turn of its own, or all would ask at once.
            if seconds := self._turn():
                yield seconds

    def _turn(self) -> float:
        """Take the next turn of the run, and give the seconds until it comes."""
        if self.per_second is None:
            return 0.0
        gap = 1 / self.per_second
        turns = os.open(self.run / "turns", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(turns, fcntl.LOCK_EX)
            now, last = time.time(), float(os.pread(turns, 32, 0) or 0)
            # Bounded, in case the clock was turned back since.
            at = min(max(now, last + gap), now + max(LONGEST_PAUSE, MOST_WAITING * gap))
            os.pwrite(turns, f"{at:<32.6f}".encode("ascii"), 0)
        finally:
            os.close(turns)
        return at - now

    @property
    def _sign(self) -> Path:
        return self.run / "pause"

    def wait(self) -> float:
        """Give the seconds until the next request may be sent."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return 0.0
        try:
            until = self._sign.stat().st_mtime
        except FileNotFoundError:
            self._looked = now
            return 0.0
        # Bounded as it was set, in case the clock was turned back since.
        return min(LONGEST_PAUSE, max(0.0, until - time.time()))

    def ease_off(self, seconds: float) -> None:
        """Keep every worker of the run from asking for so many seconds from now on."""
        until = time.time() + min(seconds, LONGEST_PAUSE)
        self._looked = -inf
        with self._sign.open("a") as sign:
            # One at a time, so that a short pause never replaces a longer one.
            fcntl.flock(sign, fcntl.LOCK_EX)
            if os.fstat(sign.fileno()).st_mtime < until:
                os.utime(sign.fileno(), (until, until))
