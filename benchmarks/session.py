"""A process in a session of its own, with all that it starts: watched, and killed at once."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

from benchmarks.measuring import BenchmarkError, memory

__all__ = ["Session", "kill_members", "members"]

LONGEST = 3600
"""Seconds after which a process that neither ends nor gets anywhere is a fault."""


LOOK = 0.5
"""Seconds between two looks at the memory of the processes."""


class Session:
    """A process, what it said, and the most memory that it and its children had resident.

    Use it as a context manager where it may be left before its end: then it is killed.
    """

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.log = log
        self.peaks: dict[int, int] = {}
        self.name = " ".join(command[:3])
        with log.open("wb") as file:
            self._process = subprocess.Popen(  # noqa: S603 - nothing in it comes from outside
                command,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    @property
    def said(self) -> str:
        """The end of what it printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-1500:]

    @property
    def peak(self) -> int:
        """The most bytes that the process itself had resident, as far as `look` has seen."""
        return self.peaks.get(self._process.pid, 0)

    def memory(self) -> dict[str, float]:
        """The same, and the most bytes that any one of its children had, if it has any."""
        children = [peak for pid, peak in self.peaks.items() if pid != self._process.pid]
        worker = {"worker memory": float(max(children))} if children else {}
        return {"flow memory": self.peak, **worker}

    def until(
        self, sign: Callable[[], bool], seconds: float = LONGEST, every: float = 0.005
    ) -> bool:
        """Wait for a sign, looked for so often; tell whether it came before the end."""
        deadline = time.monotonic() + seconds
        while self.status is None and time.monotonic() < deadline:
            if sign():
                return True
            time.sleep(every)
        return False

    def look(self) -> None:
        """See what memory its processes have had until now."""
        for process in members(self._process.pid):
            self.peaks[process.pid] = max(self.peaks.get(process.pid, 0), memory(process.pid))

    def watch(self) -> None:
        """Wait for its end, and see what memory its processes have.

        Raises:
            BenchmarkError: where it does not end well.
        """

        def looked() -> bool:
            self.look()
            return False

        self.until(looked, every=LOOK)
        if self.status != 0:
            raise BenchmarkError(f"{self.name} ended with {self.status}: {self.said}")

    def kill(self) -> None:
        """Kill it with all that it started: at one instant, since they are one process group."""
        if self.status is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        kill_members(self._process.pid)


def kill_members(session: int) -> None:
    """Kill the processes of a session, until none is left."""
    while left := members(session):
        for process in left:
            # It may end by itself just now.
            with suppress(psutil.NoSuchProcess):
                process.kill()


def members(session: int) -> list[psutil.Process]:
    """Find the living processes of a session."""
    return [process for process in psutil.process_iter() if _session(process) == session]


def _session(process: psutil.Process) -> int | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getsid(process.pid)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return None
