"""How the connections of a very large job are divided among its shards."""

import os
from dataclasses import dataclass
from typing import Any

from prefect.task_runners import TaskRunner

from flows.support.runner import downloading_runner
from imgur_mirror.models import Strategy
from imgur_mirror.settings import Settings
from runners import connections_each

__all__ = ["ConnectionPlan", "plan_connections"]

SHARDS_PER_PROCESS = 2
"""Shards at once in one process: the end of one leaves connections idle, which the next uses."""


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """Fetches `shards` at once, each over `connections`, with `submitted` task runs at a time.

    `connections_each` are those of one thread or loop.
    """

    shards: int
    connections: int
    submitted: int
    connections_each: int


def plan_connections(
    strategy: Strategy, workers: int, one_shard: bool, settings: Settings
) -> tuple[TaskRunner[Any], ConnectionPlan]:
    """Return the task runner of a strategy, and divide `workers` connections among its task runs.

    Raises:
        BadSettings: where the cluster at the scheduler's address cannot be used.
    """
    address = settings.dask_scheduler_address
    if address and strategy is Strategy.DASK:
        runner = downloading_runner(strategy, workers, settings.wire, address)
        return runner, _on_cluster(workers, connections_each(runner))
    plan = _on_this_machine(strategy, workers, one_shard)
    return downloading_runner(strategy, plan.shards, settings.wire, None), plan


def _on_cluster(workers: int, connections: int) -> ConnectionPlan:
    shards = max(1, workers // connections)
    return ConnectionPlan(shards, connections, shards, connections)


def _on_this_machine(strategy: Strategy, workers: int, one_shard: bool) -> ConnectionPlan:
    if strategy is Strategy.SEQUENTIAL:
        return ConnectionPlan(shards=1, connections=1, submitted=2, connections_each=1)
    most = (os.cpu_count() or 1) if strategy is Strategy.DASK else SHARDS_PER_PROCESS
    shards = 1 if one_shard else min(workers, most)
    connections = workers // shards
    each = 1 if strategy is Strategy.THREADS else connections
    # One more is submitted, so that no worker waits while the next part of the file is read.
    return ConnectionPlan(shards, connections, shards + 1, each)
