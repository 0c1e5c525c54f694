"""The downloads, as tasks: one for threads and processes, one for an event loop."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.tasks import Task, task

from imgur_mirror.download import Batch
from imgur_mirror.download.turns import fetch_in_turns, fetch_in_turns_async
from imgur_mirror.models import Download, Outcome, Strategy
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder
from tasks.limit import Limit
from tasks.log import drop_lines_of
from tasks.retries import patient

__all__ = ["BatchFailed", "FetchOptions", "download_task"]


# Unlike "download", no name that the task of someone else in this process is likely to have, whose
# lines stay in the log.
NAME = "download-images"

drop_lines_of(NAME)

# No `timeout_seconds`, here as elsewhere: Prefect can stop no thread that waits for the network.
# Each connection, read and response has its limit (`Wire`), which holds in every strategy.


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How a task run fetches its batch: over how many connections, and within which limit."""

    connections: int = 1
    limit: Limit | None = None


class BatchFailed(Exception):
    """Some images of a batch failed; `downloads` has the outcome of every one."""

    def __init__(self, downloads: tuple[Download, ...]) -> None:
        self.downloads = downloads
        failed = [row for row in downloads if row.outcome is Outcome.FAILED]
        shown = "; ".join(f"{row.name}: {row.error}" for row in failed[:3])
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        super().__init__(f"{len(failed)} of {len(downloads)} images failed: {shown}{more}")

    def __reduce__(self) -> tuple[type["BatchFailed"], tuple[tuple[Download, ...]]]:
        return type(self), (self.downloads,)

    @property
    def retryable(self) -> bool:
        """Whether trying again may help."""
        return any(row.retryable for row in self.downloads)


@task(name=NAME, task_run_name="{batch}", cache_policy=NO_CACHE)
def download(
    batch: Batch, folder: AlbumFolder, wire: Wire, options: FetchOptions
) -> tuple[Download, ...]:
    """Fetch one batch over this worker's connection, or over several that it opens."""
    # Either HTTP library is imported where it is used: a flow needs one of the two.
    if options.connections > 1:
        from imgur_mirror.download.aiohttp_client import run_with_connections

        return _checked(run_with_connections(wire, _fetch_async(batch, folder, wire, options)))
    from imgur_mirror.download.requests_client import fetch_batch

    turns = options.limit.turns(batch, folder) if options.limit else iter([batch])
    return _checked(fetch_in_turns(turns, partial(fetch_batch, folder=folder, wire=wire)))


@task(name=NAME, task_run_name="{batch}", cache_policy=NO_CACHE)
async def download_async(
    batch: Batch, folder: AlbumFolder, wire: Wire, options: FetchOptions
) -> tuple[Download, ...]:
    """Fetch one batch over one of the loop's connections."""
    return _checked(await _fetch_async(batch, folder, wire, options))


async def _fetch_async(
    batch: Batch, folder: AlbumFolder, wire: Wire, options: FetchOptions
) -> list[Download]:
    from imgur_mirror.download.aiohttp_client import fetch_batch_async

    if options.limit is None:
        return [*await fetch_batch_async(batch, folder, wire, options.connections)]
    fetch = partial(fetch_batch_async, folder=folder, wire=wire, at_once=options.connections)
    return await fetch_in_turns_async(options.limit.turns(batch, folder), fetch)


def _checked(rows: Iterable[Download]) -> tuple[Download, ...]:
    """Return the outcomes; raises `BatchFailed`, which carries them too, where an image failed."""
    downloads = tuple(rows)
    if any(row.outcome is Outcome.FAILED for row in downloads):
        raise BatchFailed(downloads)
    return downloads


def download_task(strategy: Strategy, wire: Wire) -> Task[..., Any]:
    """Return the download task of a strategy, with the retries that the settings ask for.

    It raises `BatchFailed`, with all outcomes, where an image of its batch failed.
    """
    chosen = download_async if strategy is Strategy.ASYNC else download
    return patient(chosen, wire.retries, wire.backoff)
