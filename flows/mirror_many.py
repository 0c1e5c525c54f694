"""Mirror what a file lists, however much that is: `python -m flows.mirror_many FILE`."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from prefect import runtime
from prefect.futures import PrefectFuture

from flows.support.connection_plan import plan_connections
from flows.support.mirror_flow import Finished, Incomplete, mirror_flow
from flows.support.parameters import JobName, ShardSize, SourceAddress, Workers
from flows.support.progress import ProgressArtifact
from flows.support.shard_queue import JobResult, ShardQueue
from imgur_mirror.api import Kind
from imgur_mirror.bulk import (
    Job,
    JobOptions,
    Shard,
    Source,
    check_links,
    cut_into_shards,
    job_name,
    open_job,
    open_source,
)
from imgur_mirror.bulk.summary import job_headline, job_lacks
from imgur_mirror.models import Strategy
from imgur_mirror.settings import Settings, read_settings
from tasks.artifact_key import artifact_key
from tasks.images import FetchOptions
from tasks.limit import limited
from tasks.shards import publish_job, shard_task

__all__ = ["mirror_many"]


@dataclass(frozen=True, slots=True)
class Cut:
    """An input and how it is cut into shards."""

    source: Source
    shard_size: int

    def shards(self) -> Iterator[Shard]:
        """Return the shards, each cut when it is asked for."""
        return cut_into_shards(self.source, self.shard_size)

    def is_one_shard(self) -> bool:
        """Return whether it is one shard altogether."""
        return sum(1 for _ in islice(self.shards(), 2)) == 1

    @property
    def names_images(self) -> bool:
        """Whether a bare id is an image's, by the name of its column; an album's otherwise."""
        return self.source.column.strip().lower() in ("image", "images")


def _run_name() -> str:
    parameters: dict[str, Any] = runtime.flow_run.parameters or {}
    name = parameters.get("name") or Path(str(parameters["source"])).name
    return f"{name} · {Strategy(parameters['strategy'])}"


@mirror_flow("mirror-many", _run_name)
def mirror_many(
    source: SourceAddress,
    strategy: Strategy = Strategy.ASYNC,
    workers: Workers = 16,
    downloads: str = "",
    shard_size: ShardSize = 10_000,
    name: JobName = "",
    url_column: str = "",
    verify: bool = False,
    retry_gone: bool = False,
    skip_foreign: bool = False,
) -> Finished[JobResult]:
    """Copy all images and albums that a file lists, in shards that a later run need not repeat.

    Args:
        source: A Parquet, CSV, TSV or JSON file, or a text file with one link or album a line; a
            folder or a pattern for several; - for standard input.
        strategy: How the downloads run at the same time.
        workers: How many connections are in use at once; sequential always has one.
        downloads: The folder or address (s3://bucket/mirror) for all albums; empty for the
            setting IMGUR_DOWNLOADS.
        shard_size: How many rows of the file make a shard, which has a task run and a report.
        name: What the job's folder is called; empty for the name of the file.
        url_column: The column with the links; empty where its name, as url or link, tells.
        verify: Read back every stored file, and fetch again what is damaged or missing.
        retry_gone: Ask again for what was gone in an earlier run.
        skip_foreign: Let links to other sites be no failure; they are counted all the same.
    """
    settings = read_settings()
    cut = Cut(open_source(source, url_column), shard_size)
    check_links(cut.source, settings.wire.image_hosts)
    one_shard = cut.is_one_shard()
    root, name = downloads or settings.downloads, name or job_name(cut.source)
    options = JobOptions(verify=verify, retry_gone=retry_gone)
    with open_job(root, name, cut.source, shard_size, options) as job:
        result = _mirror(cut, job, strategy, workers, one_shard, settings)
    publish_job(job, result.tally, result.seconds, result.removed)
    return _finished(result, skip_foreign)


def _mirror(
    cut: Cut, job: Job, strategy: Strategy, workers: int, one_shard: bool, settings: Settings
) -> JobResult:
    """Mirror the shards under the task runner of the strategy.

    Raises:
        BadSettings: where the cluster at the scheduler's address cannot be used, or the limit.
    """
    runner, plan = plan_connections(strategy, workers, one_shard, settings)
    limit, wire = limited(settings.wire, workers, plan.connections_each)
    task = shard_task(strategy, wire)
    every = {
        "job": job,
        "wire": wire,
        "bare": Kind.IMAGE if cut.names_images else Kind.ALBUM,
        "strategy": strategy,
        "options": FetchOptions(plan.connections, limit),
    }

    def submit(shard: Shard) -> PrefectFuture[Any]:
        future: PrefectFuture[Any] = runner.submit(task, {"shard": shard, **every})
        return future

    artifact = ProgressArtifact(f"many-{artifact_key(job.name)}")
    with runner:
        return ShardQueue(job, submit, plan.submitted, artifact).run(cut.shards())


def _finished(result: JobResult, skip_foreign: bool) -> Finished[JobResult]:
    """Return what a complete job has; raises `Incomplete` where it lacks something."""
    headline = described(result)
    if result.stopped_by is not None:
        message = f"{result.stopped_by}; until then {headline}"
        raise Incomplete(message, result) from result.stopped_by
    if lacking := job_lacks(result.tally, skip_foreign):
        raise Incomplete(f"{lacking} · {headline}", result)
    return Finished(result, headline)


def described(result: JobResult) -> str:
    """Say what a job that is complete has."""
    return job_headline(result.tally, result.seconds, result.removed)


if __name__ == "__main__":
    from flows.cli.command_line import main

    sys.exit(main(mirror_many, described))
