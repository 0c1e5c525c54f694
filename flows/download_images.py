"""The downloads of plans, under the task runner of a strategy."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner
from prefect.tasks import Task

from flows.support.runner import downloading_runner
from imgur_mirror.download import Batch, together
from imgur_mirror.download.plan import Plan
from imgur_mirror.models import Download, Outcome, Strategy
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder
from runners import connections_each
from tasks.images import BatchFailed, FetchOptions, download_task
from tasks.limit import limited
from tasks.quoted import quoted

__all__ = ["Downloads", "download_images", "downloading", "outcomes_of"]


@dataclass(frozen=True, slots=True)
class Downloads:
    """A task runner that is entered, and what its task runs have in common.

    At most `at_once` of them fetch at a time.
    """

    runner: TaskRunner[Any]
    task: Task[..., Any]
    wire: Wire
    options: FetchOptions
    at_once: int

    def batches(self, plan: Plan, least_bytes: int = 0) -> tuple[Batch, ...]:
        """Return the batches of a plan, as large as the connections of a task run ask for.

        They are of about `least_bytes` or more, where the plan has as much.
        """
        enough = math.ceil(least_bytes * len(plan.batches) / max(1, plan.weight))
        return together(plan.batches, max(self.options.connections, enough))

    def submit(self, batch: Batch, folder: AlbumFolder) -> PrefectFuture[Any]:
        """Submit the task run of a batch, whose images are stored in a folder."""
        same = {"folder": folder, "wire": self.wire, "options": self.options}
        future: PrefectFuture[Any] = self.runner.submit(self.task, {"batch": quoted(batch), **same})
        return future


@contextmanager
def downloading(
    strategy: Strategy, workers: int, wire: Wire, scheduler_address: str | None = None
) -> Iterator[Downloads]:
    """Have task runs that download over `workers` connections at once, while the block lasts.

    The task runs belong to the flow run that calls this. Its own task runner is chosen before its
    parameters are known, so the strategy's is entered here.

    Raises:
        BadSettings: where the cluster at the scheduler's address cannot be used, or the limit.
    """
    runner = downloading_runner(strategy, workers, wire, scheduler_address)
    connections = connections_each(runner)
    limit, wire = limited(wire, workers, connections)
    task, options = download_task(strategy, wire), FetchOptions(connections, limit)
    at_once = 1 if strategy is Strategy.SEQUENTIAL else max(1, workers // connections)
    with runner:
        yield Downloads(runner, task, wire, options, at_once)


def download_images(
    plan: Plan,
    folder: AlbumFolder,
    wire: Wire,
    strategy: Strategy,
    workers: int,
    scheduler_address: str | None = None,
) -> tuple[Download, ...]:
    """Run the downloads of a plan, over `workers` connections at once, and give every outcome.

    Raises:
        BadSettings: where the cluster at the scheduler's address cannot be used, or the limit.
    """
    with downloading(strategy, workers, wire, scheduler_address) as downloads:
        batches = downloads.batches(plan)
        futures = [downloads.submit(batch, folder) for batch in batches]
        return tuple(
            row
            for batch, future in zip(batches, futures, strict=True)
            for row in outcomes_of(batch, future, folder)
        )


def outcomes_of(
    batch: Batch, future: PrefectFuture[Any], folder: AlbumFolder
) -> tuple[Download, ...]:
    """Read the result of a batch's task run, which may hold failures or be one."""
    try:
        fetched: tuple[Download, ...] = future.result()
    except BatchFailed as failed:
        return failed.downloads
    except Exception as error:  # noqa: BLE001 - however a task run ends, its images have outcomes
        return _lost(batch, error, folder)
    return fetched


def _lost(batch: Batch, error: Exception, folder: AlbumFolder) -> tuple[Download, ...]:
    """Take what the journal says where a task run ended without a result: killed, or a fault."""
    known = folder.run_state.outcomes(batch.name)
    sentence = f"its task run ended with {type(error).__name__}: {error}"
    whole_instead = [row for (_, offset), row in known.items() if offset is None]
    return (
        *whole_instead,
        *(
            known.get((piece.image.id, piece.offset))
            or piece.stored
            or Download(
                id=piece.image.id,
                name=piece.image.name,
                outcome=Outcome.FAILED,
                range_start=piece.offset,
                error=sentence,
                retryable=True,
            )
            for piece in batch.byte_ranges
            if piece.offset is not None or (piece.image.id, None) not in known
        ),
    )
