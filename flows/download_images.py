"""The downloads of one plan, under the task runner of a strategy."""

from typing import Any

from prefect.futures import PrefectFuture
from prefect.utilities.annotations import unmapped

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

__all__ = ["download_images"]


def download_images(
    plan: Plan,
    folder: AlbumFolder,
    wire: Wire,
    strategy: Strategy,
    workers: int,
    scheduler_address: str | None = None,
) -> tuple[Download, ...]:
    """Run the downloads of a plan, over `workers` connections at once, and give every outcome.

    The task runs belong to the flow run that calls this. Its own task runner is chosen before its
    parameters are known, so the strategy's is entered here.

    Raises:
        BadSettings: where the cluster at the scheduler's address cannot be used, or the limit.
    """
    runner = downloading_runner(strategy, workers, wire, scheduler_address)
    connections = connections_each(runner)
    limit, wire = limited(wire, workers, connections)
    batches = together(plan.batches, connections)
    parameters = {
        "batch": [*map(quoted, batches)],
        "folder": unmapped(folder),
        "wire": unmapped(wire),
        "options": unmapped(FetchOptions(connections, limit)),
    }
    with runner:
        futures = runner.map(download_task(strategy, wire), parameters)
        return tuple(
            row
            for batch, future in zip(batches, futures, strict=True)
            for row in _outcomes(batch, future, folder)
        )


def _outcomes(
    batch: Batch, future: PrefectFuture[Any], folder: AlbumFolder
) -> tuple[Download, ...]:
    """Read the result of a task run, which may hold failures or be one."""
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
