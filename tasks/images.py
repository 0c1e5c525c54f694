"""The downloads, as tasks: one for threads and processes, one for an event loop."""

import logging
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import Task

from imgur_mirror.batch import Batch
from imgur_mirror.models import Download, Sealed, Strategy
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder
from tasks.retries import patient

__all__ = ["download_task"]


NAME = "download"

Fetched = Sealed[tuple[Download, ...]]


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Drop the engine's line for each download that went well: a log is read for the others."""
    return record.levelno > logging.INFO or getattr(record, "task_name", None) != NAME


logging.getLogger("prefect.task_runs").addFilter(_is_worth_a_line)


@task(name=NAME, task_run_name="{batch}", cache_policy=NO_CACHE)
def download(batch: Sealed[Batch], folder: AlbumFolder, wire: Wire) -> Fetched:
    """Fetch one batch over this worker's connection."""
    # Either HTTP library is imported where it is used: a flow needs one of the two.
    from imgur_mirror.transfer import fetch_batch

    return Sealed(fetch_batch(batch.value, folder, wire))


@task(name=NAME, task_run_name="{batch}", cache_policy=NO_CACHE)
async def download_async(batch: Sealed[Batch], folder: AlbumFolder, wire: Wire) -> Fetched:
    """Fetch one batch over one of the loop's connections."""
    from imgur_mirror.transfer_async import fetch_batch_async

    return Sealed(await fetch_batch_async(batch.value, folder, wire))


def download_task(strategy: Strategy, wire: Wire) -> Task[..., Any]:
    """Give the download task of a strategy, with the retries that the settings ask for.

    It raises `BatchFailed`, with all outcomes, where an image of its batch failed.
    """
    chosen = download_async if strategy is Strategy.ASYNC else download
    return patient(chosen, wire.retries, wire.backoff)
