"""The shards of a job at work: as many at once as it has use for, and what came of them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any
from uuid import UUID

from prefect import get_run_logger
from prefect.futures import PrefectFuture

from flows.support.progress import ProgressArtifact
from imgur_mirror.bulk.job import Job, Shard, Tally
from imgur_mirror.bulk.shard_run import ShardFailed
from imgur_mirror.bulk.source import BadSource
from imgur_mirror.bulk.summary import job_so_far, shard_line
from imgur_mirror.download.progress import Progress
from imgur_mirror.store import StoreError

__all__ = ["Found", "ShardQueue"]

UPDATE = 5.0
"""Seconds between two updates of the artifact that shows how far the job is."""

Submit = Callable[[Shard], PrefectFuture[Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a job's shards, in how long, and what ended it before its last one."""

    tally: Tally
    seconds: float
    stopped: StoreError | BadSource | None = None


@dataclass(frozen=True, slots=True)
class _AtWork:
    """A shard that was submitted, its task run, and how far it is."""

    shard: Shard
    future: PrefectFuture[Any]
    progress: Progress


@dataclass
class ShardQueue:
    """Submits at most `most` shards at once, so that the memory of a job does not grow with it."""

    job: Job
    submit: Submit
    most: int
    artifact: ProgressArtifact
    _tally: Tally = field(default_factory=Tally)
    _at_work: dict[UUID, _AtWork] = field(default_factory=dict)
    _done: SimpleQueue[UUID] = field(default_factory=SimpleQueue)
    _began: float = field(default_factory=time.monotonic)
    _shown: float = 0.0
    _read: float = 0.0

    def run(self, shards: Iterator[Shard]) -> Found:
        """Mirror the shards that no earlier run has finished, and count all of them."""
        stopped: StoreError | BadSource | None = None
        try:
            for shard in shards:
                self._read = shard.read
                if not self._is_done(shard):
                    self._await(self.most - 1)
                    self._start(shard)
        except (StoreError, BadSource) as error:
            stopped = error
        # What is at work ends of itself where the store is broken, and has something to say.
        try:
            self._await(0)
        except StoreError as error:
            stopped = stopped or error
        if self.artifact:
            self._show(last=True)
        return Found(self._tally, time.monotonic() - self._began, stopped)

    def _is_done(self, shard: Shard) -> bool:
        earlier = self.job.report(shard).tally(shard)
        if earlier is None or earlier.again:
            return False
        self._tally += earlier
        return True

    def _start(self, shard: Shard) -> None:
        future = self.submit(shard)
        known = _AtWork(shard, future, Progress(self.job.folder(shard)))
        self._at_work[future.task_run_id] = known
        future.add_done_callback(lambda done: self._done.put(done.task_run_id))

    def _await(self, most: int) -> None:
        """Take in shards that are done, until no more than so many are at work.

        Raises:
            StoreError: where one could not be stored: then none can.
        """
        while len(self._at_work) > most:
            try:
                ended = self._at_work.pop(self._done.get(timeout=UPDATE))
            except Empty:
                pass
            else:
                tally = _outcome(ended)
                self._tally += tally
                get_run_logger().info(shard_line(str(ended.shard), tally))
            self._show()

    def _show(self, last: bool = False) -> None:
        """Keep the artifact up to date; where that fails, the job goes on."""
        now = time.monotonic()
        if now - self._shown < UPDATE and not last:
            return
        self._shown = now
        try:
            self._update(now - self._began)
        except Exception as error:  # noqa: BLE001 - whatever the client raises
            get_run_logger().warning("the progress of this job is not shown: %s", error)

    def _update(self, seconds: float) -> None:
        at_work = sum(one.progress.read().images for one in self._at_work.values())
        said = job_so_far(self._tally, at_work, (self._tally.fetched + at_work) / seconds)
        waiting = sum(one.shard.count for one in self._at_work.values())
        images = self._tally.images + at_work
        # Of the input that was cut so far, this much is done.
        percent = round(100 * self._read * images / max(1, self._tally.images + waiting), 1)
        self.artifact.show(min(percent, 100.0), said)


def _outcome(ended: _AtWork) -> Tally:
    """Read the result of a task run, which may hold failures or be one.

    Raises:
        StoreError: where the shard could not be stored.
    """
    try:
        tally: Tally = ended.future.result()
    except ShardFailed as failed:
        return failed.tally
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - however a task run ends, its shard has an outcome
        lost = ended.shard.count
        said = f"its task run ended with {type(error).__name__}: {error}"
        return Tally(shards=1, failed=lost, again=lost, errors=((said, lost),))
    return tally
