"""Mirror what a file lists, however much that is: `python -m flows.mirror_many FILE`."""

import os
import sys
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner
from pydantic import Field

from flows.support.heartbeat import heartbeat, own_heartbeats
from flows.support.hooks import say_why
from flows.support.parameters import Workers
from flows.support.progress import ProgressArtifact
from flows.support.runner import downloading_runner
from flows.support.shard_queue import Found, ShardQueue
from imgur_mirror.api import Kind
from imgur_mirror.bulk.job import Job, Shard, job_name, opened_job, shards
from imgur_mirror.bulk.source import BadSource, Source, open_source
from imgur_mirror.bulk.summary import job_headline, job_lacks
from imgur_mirror.models import Strategy
from imgur_mirror.settings import BadSettings, Settings, Wire, read_settings
from imgur_mirror.store import StoreError
from runners import connections_each
from tasks.images import FetchOptions
from tasks.limit import limited
from tasks.shards import job_key, publish_job, shard_task

__all__ = ["mirror_many"]

OVERLAP = 2
"""Shards at once in one process: the end of one leaves connections idle, which the next has use
for."""

ShardSize = Annotated[int, Field(ge=1, le=100_000)]
JobName = Annotated[str, Field(pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]{0,79})?$")]


@dataclass(frozen=True, slots=True)
class Lanes:
    """How the connections of a job are shared out.

    `shards` are fetched at once, each over `connections`; `submitted` are handed to the task
    runner, of which `workers` is what it is made with.
    """

    shards: int
    connections: int
    submitted: int
    workers: int


@dataclass(frozen=True, slots=True)
class Cut:
    """An input and how it is cut into shards."""

    source: Source
    shard_size: int

    @property
    def is_one(self) -> bool:
        """Whether it is one shard altogether.

        Raises:
            BadSource: where there is not even one.
        """
        found = len(list(islice(shards(self.source, self.shard_size), 2)))
        if not found:
            raise BadSource(f"{self.source.path} lists nothing: there should be links in it")
        return found == 1


def _run_name() -> str:
    parameters: dict[str, Any] = runtime.flow_run.parameters or {}
    name = parameters.get("name") or Path(str(parameters["source"])).name
    return f"{name} · {Strategy(parameters['strategy'])}"


@flow(name="mirror-many", flow_run_name=_run_name, on_failure=[say_why], on_crashed=[say_why])
def mirror_many(
    source: Annotated[str, Field(min_length=1)],
    strategy: Strategy = Strategy.ASYNC,
    workers: Workers = 16,
    downloads: str = "",
    shard_size: ShardSize = 10_000,
    name: JobName = "",
) -> Found | State[Any]:
    """Copy all images and albums that a file lists, in shards that a later run need not repeat.

    Args:
        source: A Parquet file, a CSV file, or a text file with one link or album a line.
        strategy: How the downloads run at the same time.
        workers: How many connections are in use at once; sequential always has one.
        downloads: The folder or address (s3://bucket/mirror) for all albums; empty for the
            setting IMGUR_DOWNLOADS.
        shard_size: How many rows of the file make a shard, which has a task run and a report.
        name: What the job's folder is called; empty for the name of the file.
    """
    with heartbeat():
        try:
            settings = read_settings()
            cut = Cut(open_source(source), shard_size)
            alone = cut.is_one
            name = name or job_name(cut.source)
            root = downloads or settings.downloads
            with opened_job(root, name, cut.source, shard_size) as job:
                found = _mirror(cut, job, strategy, workers, alone, settings)
        except (BadSource, BadSettings, StoreError) as error:
            return Failed(message=str(error), data=error)
        publish_job(job, found.tally, found.seconds)
        headline = job_headline(found.tally, found.seconds)
        if found.stopped is not None:
            return Failed(message=f"{found.stopped}; until then {headline}", data=found.stopped)
        if lost := job_lacks(found.tally):
            return Failed(message=f"{lost} · {headline}")
        return Completed(message=headline, data=found)


def _mirror(
    cut: Cut, job: Job, strategy: Strategy, workers: int, alone: bool, settings: Settings
) -> Found:
    """Run the shards under the task runner of the strategy.

    Raises:
        BadSettings: where the cluster at the scheduler's address cannot be used.
    """
    wire, address = settings.wire, settings.dask_scheduler_address
    lanes = _lanes(strategy, workers, alone)
    runner = downloading_runner(strategy, workers if address else lanes.workers, wire, address)
    if strategy is Strategy.DASK and address:
        lanes = _cluster_lanes(runner, workers)
    apiece = 1 if strategy is Strategy.THREADS else lanes.connections
    limit, wire = limited(wire, workers, apiece)
    if wire.max_requests_per_second is not None:
        # Each shard keeps to its share: those at once make up the whole.
        share = wire.max_requests_per_second / lanes.shards
        wire = replace(wire, max_requests_per_second=share)
    shards_flow = _mirror_shards.with_options(task_runner=runner)
    options = FetchOptions(lanes.connections, limit)
    with own_heartbeats():
        return shards_flow(cut, job, wire, strategy, options, lanes.submitted)


def _lanes(strategy: Strategy, workers: int, alone: bool) -> Lanes:
    """Share out the connections of this machine."""
    if strategy is Strategy.SEQUENTIAL:
        return Lanes(shards=1, connections=1, submitted=2, workers=1)
    most = (os.cpu_count() or 1) if strategy is Strategy.DASK else OVERLAP
    count = 1 if alone else min(workers, most)
    # One more is submitted, so that none waits until the next part of the file is read.
    return Lanes(count, workers // count, count + 1, count)


def _cluster_lanes(runner: TaskRunner[Any], workers: int) -> Lanes:
    connections = connections_each(runner)
    count = max(1, workers // connections)
    return Lanes(count, connections, count, workers)


@flow(name="mirror-shards", flow_run_name="{strategy}", validate_parameters=False)
def _mirror_shards(
    cut: Cut, job: Job, wire: Wire, strategy: Strategy, options: FetchOptions, most: int
) -> Found:
    task = shard_task(strategy, wire)
    bare = Kind.IMAGE if cut.source.column.strip().lower() == "image" else Kind.ALBUM

    def submit(shard: Shard) -> PrefectFuture[Any]:
        return task.submit(shard, job, wire, bare, options)

    artifact = ProgressArtifact(f"many-{job_key(job.name)}")
    with heartbeat():
        queue = ShardQueue(job, submit, most, artifact)
        return queue.run(shards(cut.source, cut.shard_size))


def described(found: Found) -> str:
    """Say what a job that is complete has."""
    return job_headline(found.tally, found.seconds)


if __name__ == "__main__":
    from flows.cli.command_line import main

    sys.exit(main(mirror_many, described))
