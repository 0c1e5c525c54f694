"""A Dask cluster as a user starts it: a scheduler, and workers with a process each."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import BenchmarkError
from benchmarks.session import Session
from runners.cluster import ClusterError, width

__all__ = ["Cluster", "dask_cluster"]

START = 60
"""Seconds within which the scheduler is there, and its workers."""

DASK = (sys.executable, "-m", "dask")
PRELOADED = ("--preload", "runners.dask", "--preload", "tasks.shards", "--preload", "tasks.images")


@dataclass(frozen=True, slots=True)
class Cluster:
    """The address of the scheduler, and the processes."""

    address: str
    scheduler: Session
    workers: tuple[Session, ...]

    def peaks(self) -> dict[str, float]:
        """The most memory of the scheduler, and of the worker that had most."""
        for one in (self.scheduler, *self.workers):
            one.look()
        return {
            "scheduler memory": self.scheduler.peak,
            "worker memory": max(worker.peak for worker in self.workers),
        }


@contextmanager
def dask_cluster(processes: int, ground: Path) -> Iterator[Cluster]:
    """Start a scheduler and so many workers of one thread, with the settings of this process.

    Raises:
        BenchmarkError: where they are not there in time.
    """
    found = ground / "scheduler.json"
    environment = os.environ | {"DASK_LOGGING__DISTRIBUTED": "error"}
    with ExitStack() as stack:

        def started(name: str, *command: str) -> Session:
            session = Session((*DASK, *command), ground / f"{name}.log", environment)
            return stack.enter_context(session)

        file = ("--scheduler-file", str(found))
        local = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        scheduler = started("scheduler", "scheduler", *local, *file)
        _await(scheduler, found.exists)
        # Without a nanny, which would start them again when they are killed.
        alone = (
            "--no-nanny",
            "--no-dashboard",
            "--nthreads",
            "1",
            "--local-directory",
            str(ground),
        )
        workers = [
            started(f"worker-{number}", "worker", *file, *alone, *PRELOADED)
            for number in range(processes)
        ]
        address: str = json.loads(found.read_bytes())["address"]
        _await(scheduler, lambda: _width(address) == processes)
        yield Cluster(address, scheduler, tuple(workers))


def _await(scheduler: Session, sign: Callable[[], bool]) -> None:
    if not scheduler.until(sign, START, every=0.1):
        raise BenchmarkError(f"the Dask cluster did not start: {scheduler.said}")


def _width(address: str) -> int:
    try:
        return width(address)
    except ClusterError:
        return 0
