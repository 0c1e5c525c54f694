"""The shards of a very large job, as tasks: one for threads, one for processes, one for a loop."""

import re
from threading import Lock
from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.tasks import Task, task

from imgur_mirror.api import Address, Kind
from imgur_mirror.bulk.job import Job, Shard, Tally
from imgur_mirror.bulk.shard_run import ShardRun
from imgur_mirror.bulk.summary import job_headline, job_markdown
from imgur_mirror.models import Album, Strategy
from imgur_mirror.settings import Wire, read_settings
from tasks.credentials import access
from tasks.images import FetchOptions
from tasks.log import drop_lines_of
from tasks.retries import patient

__all__ = ["job_key", "publish_job", "shard_task"]

NAME = "mirror-shard"


# The flow has a line for each, with its figures.
drop_lines_of(NAME)

_listing = Lock()


def _listed(address: Address) -> Album:
    """Ask the API for an album, one at a time: the credits are spent too soon as it is.

    The client id is read where it is used, and so is sent to no other process.
    """
    from imgur_mirror.api import client

    with _listing:
        return client.fetch_album(address, access(read_settings()))


def _run(shard: Shard, job: Job, wire: Wire, bare: Kind) -> ShardRun:
    return ShardRun(shard, job, wire, bare, _listed)


@task(name=NAME, task_run_name="{shard}", cache_policy=NO_CACHE)
def mirror_shard(shard: Shard, job: Job, wire: Wire, bare: Kind, options: FetchOptions) -> Tally:
    """Fetch one shard over so many threads."""
    from imgur_mirror.bulk.shard_fetch import at_once, fetch_shard

    parts = options.limit.parts if options.limit else at_once
    run = _run(shard, job, wire, bare)
    return fetch_shard(run, wire, options.connections, parts)


@task(name=NAME, task_run_name="{shard}", cache_policy=NO_CACHE)
def mirror_shard_alone(
    shard: Shard, job: Job, wire: Wire, bare: Kind, options: FetchOptions
) -> Tally:
    """Fetch one shard over so many connections of this process."""
    from imgur_mirror.bulk.shard_fetch import at_once_async, fetch_shard_alone

    parts = options.limit.parts_async if options.limit else at_once_async
    run = _run(shard, job, wire, bare)
    return fetch_shard_alone(run, wire, options.connections, parts)


@task(name=NAME, task_run_name="{shard}", cache_policy=NO_CACHE)
async def mirror_shard_async(
    shard: Shard, job: Job, wire: Wire, bare: Kind, options: FetchOptions
) -> Tally:
    """Fetch one shard over so many of the loop's connections."""
    from imgur_mirror.bulk.shard_fetch import at_once_async, fetch_shard_async

    parts = options.limit.parts_async if options.limit else at_once_async
    run = _run(shard, job, wire, bare)
    return await fetch_shard_async(run, wire, options.connections, parts)


TASKS: dict[Strategy, Task[..., Any]] = {
    Strategy.SEQUENTIAL: mirror_shard,
    Strategy.THREADS: mirror_shard,
    Strategy.DASK: mirror_shard_alone,
    Strategy.ASYNC: mirror_shard_async,
}


def shard_task(strategy: Strategy, wire: Wire) -> Task[..., Any]:
    """Give the task of a strategy, with the retries that the settings ask for.

    It raises `ShardFailed`, with the counts, where images of its shard failed that may pass.
    """
    return patient(TASKS[strategy], wire.retries, wire.backoff)


@task(name="publish-job", task_run_name="publish {job.name}", cache_policy=NO_CACHE)
def publish_job(job: Job, tally: Tally, seconds: float) -> None:
    """Publish a job: its figures, and why images failed."""
    text = job_markdown(job.name, job.place.uri, tally, seconds)
    headline = job_headline(tally, seconds)
    create_markdown_artifact(text, key=f"job-{job_key(job.name)}", description=headline)


def job_key(name: str) -> str:
    """Give the name as the key of an artifact may have it."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
