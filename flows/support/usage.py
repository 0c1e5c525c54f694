"""What the processes of a run use: processor time and memory, looked at while it runs."""

import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from threading import Event, Lock, Thread
from typing import NamedTuple

import psutil

from imgur_mirror.models import Timings, Usage

__all__ = ["Meter", "metering"]

INTERVAL = 0.2
"""Seconds between two looks at the processor time of what is known to run."""

FULL = 5
"""Every so many looks, new processes are looked for and memory is measured.

That takes 10 ms, and 6 ms for each process. What a new one has used by then is not lost.
"""


class Sample(NamedTuple):
    """Seconds since 1970, processor seconds until then, and bytes in use at that time.

    `busy` are the processor seconds of all that runs on the machine.
    """

    when: float
    processor_seconds: float
    memory: int
    busy: float


class Meter:
    """Looks at this process and at all that it starts from now on, Dask's workers among them.

    What runs already is no part of it, such as a Prefect server of the command's own.
    """

    def __init__(self) -> None:
        self._self = psutil.Process()
        self._others = set(self._self.children(recursive=True))
        # Of those that have ended, too: what they used was used.
        self._processor = {self._self: 0.0}
        self._memory = 0
        self._samples: list[Sample] = []
        self._lock = Lock()

    def look(self, full: bool = True) -> None:
        """Take a sample; a full one finds new processes, and measures memory."""
        with self._lock:
            if full:
                found = {self._self, *self._self.children(recursive=True)} - self._others
                self._processor = dict.fromkeys(found, 0.0) | self._processor
                self._memory = sum(map(_memory, found))
            for process in self._processor:
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    self._processor[process] = times.user + times.system
            total = sum(self._processor.values())
            self._samples.append(Sample(time.time(), total, self._memory, _busy()))

    def usage(self, timings: Timings) -> Usage:
        """Return what was used between the begin and the end of a run that has ended."""
        self.look()
        began, ended = timings.began, timings.ended
        inside = [sample for sample in self._samples if began <= sample.when <= ended]
        return Usage(
            processor_seconds=self._until(ended) - self._until(began),
            # A run that is too short for a look gets the next one.
            peak_memory=max(sample.memory for sample in inside or self._samples[-1:]),
        )

    def others(self) -> float:
        """Return the cores that other programs had in use on average, until now."""
        self.look()
        first, last = self._samples[0], self._samples[-1]
        ours = last.processor_seconds - first.processor_seconds
        return max(last.busy - first.busy - ours, 0.0) / max(last.when - first.when, 0.001)

    def _until(self, when: float) -> float:
        """Return the processor seconds until then, evenly spread between two samples."""
        after = bisect_right(self._samples, when, key=lambda sample: sample.when)
        if after == 0 or after == len(self._samples):
            return self._samples[min(after, len(self._samples) - 1)].processor_seconds
        one, other = self._samples[after - 1], self._samples[after]
        share = (when - one.when) / (other.when - one.when)
        return one.processor_seconds + share * (other.processor_seconds - one.processor_seconds)


@contextmanager
def metering() -> Iterator[Meter]:
    """Look at what the processes use for as long as the block runs."""
    meter, ended = Meter(), Event()
    meter.look()

    def look_again() -> None:
        for number in count(1):
            if ended.wait(INTERVAL):
                return
            meter.look(full=number % FULL == 0)

    thread = Thread(target=look_again, name="usage", daemon=True)
    thread.start()
    try:
        yield meter
    finally:
        ended.set()
        thread.join()


def _busy() -> float:
    """Return the processor seconds that all cores have been in use for."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


def _memory(process: psutil.Process) -> int:
    """Return the bytes of a process, its part of what it shares with those it was forked from."""
    try:
        return int(process.memory_full_info().pss if psutil.LINUX else process.memory_info().rss)
    except psutil.Error:
        return 0
