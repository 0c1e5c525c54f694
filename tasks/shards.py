"""The shards of a very large job, as tasks: one for threads, one for processes, one for a loop."""

from threading import Lock
from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.tasks import Task, task

from imgur_mirror.api import Address, Kind
from imgur_mirror.bulk import Job, Shard, Tally
from imgur_mirror.bulk.shard_run import ShardRun
from imgur_mirror.bulk.summary import job_headline, job_markdown
from imgur_mirror.models import Album, Strategy
from imgur_mirror.settings import Wire, read_settings
from tasks.artifact_key import artifact_key
from tasks.credentials import access
from tasks.images import FetchOptions
from tasks.log import drop_lines_of
from tasks.retries import patient

__all__ = ["publish_job", "shard_task"]

NAME = "mirror-shard"

# The flow logs a line for each, with its figures.
drop_lines_of(NAME)

_one_call = Lock()


def _fetch_album(address: Address) -> Album:
    """Ask the API for an album, one at a time: each call costs credits of the client id.

    The client id is read where it is used, so that it is sent to no other process.
    """
    from imgur_mirror.api import client

    with _one_call:
        return client.fetch_album(address, access(read_settings()))


@task(name=NAME, task_run_name="{shard}", cache_policy=NO_CACHE)
def mirror_shard(
    shard: Shard, job: Job, wire: Wire, bare: Kind, strategy: Strategy, options: FetchOptions
) -> Tally:
    """Fetch one shard over so many threads, or over so many connections of this process."""
    from imgur_mirror.bulk.shard_fetch import fetch_shard, fetch_shard_in_process

    run = ShardRun(shard, job, wire, bare, strategy, _fetch_album)
    fetch = fetch_shard_in_process if strategy is Strategy.DASK else fetch_shard
    return fetch(run, options.connections, options.limit)


@task(name=NAME, task_run_name="{shard}", cache_policy=NO_CACHE)
async def mirror_shard_async(
    shard: Shard,
    job: Job,
    wire: Wire,
    bare: Kind,
    strategy: Strategy,
    options: FetchOptions,
) -> Tally:
    """Fetch one shard over so many of the loop's connections."""
    from imgur_mirror.bulk.shard_fetch import fetch_shard_async

    run = ShardRun(shard, job, wire, bare, strategy, _fetch_album)
    return await fetch_shard_async(run, options.connections, options.limit)


def shard_task(strategy: Strategy, wire: Wire) -> Task[..., Any]:
    """Return the task of a strategy, with the retries that the settings ask for.

    It raises `ShardFailed`, with the counts, where trying again may help.
    """
    chosen = mirror_shard_async if strategy is Strategy.ASYNC else mirror_shard
    return patient(chosen, wire.retries, wire.backoff)


@task(name="publish-job", task_run_name="publish {job.name}", cache_policy=NO_CACHE)
def publish_job(job: Job, tally: Tally, seconds: float, removed: int) -> None:
    """Publish a job: its figures, and why images failed; `removed` are reports of old shards."""
    text = job_markdown(job.name, job.folder.uri, tally, seconds, removed)
    headline = job_headline(tally, seconds, removed)
    create_markdown_artifact(text, key=f"job-{artifact_key(job.name)}", description=headline)
