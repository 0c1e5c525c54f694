"""The shards of a job at work: as many at once as it has use for, and what came of them."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any
from uuid import UUID

from prefect import get_run_logger
from prefect.futures import PrefectFuture

from flows.support.progress import HowFar, ProgressArtifact, show_bar
from imgur_mirror.bulk import BadSource, Job, Shard, Tally
from imgur_mirror.bulk.shard_run import ShardFailed
from imgur_mirror.bulk.summary import job_so_far, shard_line
from imgur_mirror.download.progress import Progress
from imgur_mirror.store import StoreError

__all__ = ["JobResult", "ShardQueue"]

UPDATE_SECONDS = 5.0
"""Between two updates of the artifact that shows how far the job is."""

Submit = Callable[[Shard], PrefectFuture[Any]]


@dataclass(frozen=True, slots=True)
class JobResult:
    """What became of a job's shards, in how long, and what ended it before its last one.

    `removed` are the reports of shards that its input no longer has.
    """

    tally: Tally
    seconds: float
    stopped_by: StoreError | BadSource | None = None
    removed: int = 0


@dataclass(frozen=True, slots=True)
class _SubmittedShard:
    shard: Shard
    future: PrefectFuture[Any]
    progress: Progress
    bar_progress: Progress


@dataclass
class ShardQueue:
    """Submits at most `most` shards at once, so that the memory of a job does not grow with it."""

    job: Job
    submit: Submit
    most: int
    artifact: ProgressArtifact
    _tally: Tally = field(default_factory=Tally)
    _submitted: dict[UUID, _SubmittedShard] = field(default_factory=dict)
    _ended: SimpleQueue[UUID] = field(default_factory=SimpleQueue)
    _began: float = field(default_factory=time.monotonic)
    _last_update: float = 0.0
    _share_read: float = 0.0
    _cut: int = 0

    def run(self, shards: Iterator[Shard]) -> JobResult:
        """Mirror the shards that no earlier run has finished, and count all of them."""
        stopped_by: StoreError | BadSource | None = None
        removed = 0
        with show_bar(self.job.name, self._how_far):
            try:
                self._submit_all(shards)
                removed = self.job.remove_reports_from(self._cut)
            except (StoreError, BadSource) as error:
                stopped_by = error
            # Shards at work are waited for even then: their counts belong to the result.
            while self._submitted:
                try:
                    self._wait_until_at_most(0)
                except StoreError as error:
                    stopped_by = stopped_by or error
        if self.artifact:
            self._show(last=True)
        return JobResult(self._tally, time.monotonic() - self._began, stopped_by, removed)

    def _submit_all(self, shards: Iterator[Shard]) -> None:
        for shard in shards:
            self._cut += 1
            self._share_read = shard.share_read
            finished = self._tally_of_earlier_run(shard)
            if finished is not None:
                self._tally += finished
                self.job.remove_state(shard)
            else:
                self._wait_until_at_most(self.most - 1)
                self._start(shard)

    def _tally_of_earlier_run(self, shard: Shard) -> Tally | None:
        """Return the counts of a shard; None unless it is finished, with nothing to try again."""
        options = self.job.options
        earlier = None if options.verify else self.job.report(shard).tally(shard)
        if earlier is None or earlier.again or (options.retry_gone and earlier.gone):
            return None
        return earlier

    def _start(self, shard: Shard) -> None:
        future = self.submit(shard)
        folder = self.job.shard_folder(shard)
        # The bar has a thread of its own, and reads the journals by itself.
        submitted = _SubmittedShard(shard, future, Progress(folder), Progress(folder))
        self._submitted[future.task_run_id] = submitted
        future.add_done_callback(lambda ended: self._ended.put(ended.task_run_id))

    def _wait_until_at_most(self, most: int) -> None:
        """Count shards as they end, until no more than so many are left.

        Raises:
            StoreError: where one could not be stored: then none can.
        """
        while len(self._submitted) > most:
            with suppress(Empty):
                self._count(self._submitted.pop(self._ended.get(timeout=UPDATE_SECONDS)))
            self._show()

    def _count(self, ended: _SubmittedShard) -> None:
        tally = _outcome(ended)
        self._tally += tally
        get_run_logger().info(shard_line(str(ended.shard), tally))

    def _show(self, last: bool = False) -> None:
        """Keep the artifact up to date; where that fails, the job goes on."""
        now = time.monotonic()
        if now - self._last_update < UPDATE_SECONDS and not last:
            return
        self._last_update = now
        try:
            self._update(now - self._began)
        except Exception as error:  # noqa: BLE001 - whatever the client raises
            get_run_logger().warning("the progress of this job is not shown: %s", error)

    def _how_far(self) -> HowFar:
        """Return what the bar shows; called from its thread."""
        at_work = list(self._submitted.values())
        progress = [one.bar_progress.read() for one in at_work]
        done = self._tally.images + sum(each.images for each in progress)
        cut = self._tally.images + sum(one.shard.count for one in at_work)
        total = max(done, round(cut / self._share_read)) if self._share_read else None
        return HowFar(done, total, self._tally.received + sum(each.bytes for each in progress))

    def _update(self, seconds: float) -> None:
        at_work = sum(one.progress.read().images for one in self._submitted.values())
        text = job_so_far(self._tally, at_work, (self._tally.fetched + at_work) / seconds)
        expected = self._tally.images + sum(one.shard.count for one in self._submitted.values())
        # `expected` is about the shards cut so far, which are this share of the input.
        done = self._share_read * (self._tally.images + at_work) / max(1, expected)
        self.artifact.show(min(round(100 * done, 1), 100.0), text)


def _outcome(ended: _SubmittedShard) -> Tally:
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
        count = ended.shard.count
        sentence = f"its task run ended with {type(error).__name__}: {error}"
        return Tally(shards=1, failed=count, again=count, errors=((sentence, count),))
    return tally
