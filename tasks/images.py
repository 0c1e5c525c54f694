"""The downloads, as tasks: one for threads and processes, one for an event loop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.tasks import Task, task

from imgur_mirror.download.batch import Batch, BatchFailed, settled
from imgur_mirror.models import Download, Strategy
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder
from tasks.limit import Limit
from tasks.log import drop_lines_of
from tasks.retries import patient

__all__ = ["FetchOptions", "download_task"]


NAME = "download"

drop_lines_of(NAME)


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How a task run fetches its batch: over how many connections, and within which limit."""

    connections: int = 1
    limit: Limit | None = None


@task(name=NAME, task_run_name="{batch}", cache_policy=NO_CACHE)
def download(
    batch: Batch, folder: AlbumFolder, wire: Wire, options: FetchOptions
) -> tuple[Download, ...]:
    """Fetch one batch over this worker's connection, or over several that it opens."""
    limit, rows = options.limit, list[Download]()
    parts = limit.parts(batch, folder) if limit else (batch,)
    with _fetching(folder, wire, options.connections) as fetch:
        for part in parts:
            try:
                rows += fetch(part)
            except BatchFailed as failed:
                rows += failed.downloads
    return settled(rows)


@contextmanager
def _fetching(
    folder: AlbumFolder, wire: Wire, connections: int
) -> Iterator[Callable[[Batch], tuple[Download, ...]]]:
    # Either HTTP library is imported where it is used: a flow needs one of the two.
    if connections > 1:
        from imgur_mirror.download.aiohttp_client import fetching_at_once

        with fetching_at_once(folder, wire, connections) as fetch:
            yield fetch
    else:
        from imgur_mirror.download.requests_client import fetch_batch

        yield lambda batch: fetch_batch(batch, folder, wire)


@task(name=NAME, task_run_name="{batch}", cache_policy=NO_CACHE)
async def download_async(
    batch: Batch, folder: AlbumFolder, wire: Wire, options: FetchOptions
) -> tuple[Download, ...]:
    """Fetch one batch over one of the loop's connections."""
    from imgur_mirror.download.aiohttp_client import fetch_batch_async

    if options.limit is None:
        return await fetch_batch_async(batch, folder, wire)
    rows: list[Download] = []
    async for part in options.limit.parts_async(batch, folder):
        try:
            rows += await fetch_batch_async(part, folder, wire)
        except BatchFailed as failed:
            rows += failed.downloads
    return settled(rows)


def download_task(strategy: Strategy, wire: Wire) -> Task[..., Any]:
    """Give the download task of a strategy, with the retries that the settings ask for.

    It raises `BatchFailed`, with all outcomes, where an image of its batch failed.
    """
    chosen = download_async if strategy is Strategy.ASYNC else download
    return patient(chosen, wire.retries, wire.backoff)
