"""How fast a run asks: together slower when the host says so, never above a set rate."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import inf

from imgur_mirror.http import LONGEST_PAUSE
from imgur_mirror.store import RunState

__all__ = ["Pace", "pace_of"]

MOST_WAITING = 1000
"""More than there are workers in any run: no turn is further off than that many."""


LOOK = 0.005
"""Seconds for which a worker need not look again whether another was told to wait."""


@lru_cache(maxsize=16)
def pace_of(run: RunState, per_second: float | None) -> "Pace":
    """Return the pace of a run, the same one to all that this process does for it."""
    return Pace(run, per_second)


@dataclass(slots=True)
class Pace:
    """The pace of one run, the same for all its workers, in whichever process they are.

    They read it from the run's state: that costs microseconds and needs no server. `per_second` is
    the run's bound on requests; across machines it holds where these share the state.
    """

    run: RunState
    per_second: float | None = None
    _looked: float = -inf

    def waits(self) -> Iterator[float]:
        """Yield the seconds to sleep, one after another, until the next request may be sent."""
        if seconds := self._turn():
            yield seconds
        while seconds := self.wait():
            yield seconds
            # Whoever waited asks for a turn of its own, or all would ask at once.
            if seconds := self._turn():
                yield seconds

    def _turn(self) -> float:
        """Take the next turn of the run, and return the seconds until it comes."""
        if self.per_second is None:
            return 0.0
        gap = 1 / self.per_second
        return self.run.take_turn(gap, max(LONGEST_PAUSE, MOST_WAITING * gap))

    def wait(self) -> float:
        """Return the seconds until the next request may be sent."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return 0.0
        seconds = self.run.paused_until() - time.time()
        if seconds <= 0:
            self._looked = now
            return 0.0
        # Bounded as it was set, in case the clock was turned back since.
        return min(LONGEST_PAUSE, seconds)

    def ease_off(self, seconds: float) -> None:
        """Keep every worker of the run from asking for so many seconds from now on."""
        self._looked = -inf
        self.run.pause_until(time.time() + min(seconds, LONGEST_PAUSE))
