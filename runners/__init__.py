"""The four task runners, behind one function."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from prefect.task_runners import TaskRunner

from imgur_mirror.models import Strategy
from runners.asynchronous import AsyncTaskRunner, Lifespan
from runners.cluster import ClusterError, width
from runners.threads import ThreadTaskRunner

__all__ = [
    "AsyncTaskRunner",
    "ClusterError",
    "Lifespan",
    "connections_each",
    "task_runner",
]


def task_runner(
    strategy: Strategy,
    workers: int,
    *,
    lifespan: Lifespan | None = None,
    scheduler_address: str | None = None,
) -> TaskRunner[Any]:
    """The task runner of a strategy, with `workers` connections at once, not yet started.

    `lifespan` is what the tasks share on the event loop (async only), `scheduler_address` a Dask
    cluster to use instead of a local one.

    Raises:
        ClusterError: where that cluster cannot be used.
    """
    constructors: dict[Strategy, Callable[[], TaskRunner[Any]]] = {
        Strategy.SEQUENTIAL: lambda: ThreadTaskRunner(max_workers=1),
        Strategy.THREADS: lambda: ThreadTaskRunner(max_workers=workers),
        Strategy.DASK: lambda: _on_dask(workers, scheduler_address),
        Strategy.ASYNC: lambda: AsyncTaskRunner(workers, lifespan),
    }
    return constructors[strategy]()


def connections_each(runner: TaskRunner[Any]) -> int:
    """How many connections each task run keeps open, for as many as `workers` altogether.

    More than one only on a Dask cluster that has fewer threads than that.
    """
    return getattr(runner, "connections", 1)


def _on_dask(workers: int, scheduler_address: str | None) -> TaskRunner[Any]:
    # Imported when it is wanted: Dask costs every other strategy's start-up too much.
    runner = import_module("runners.dask").LeanDaskTaskRunner
    if scheduler_address:
        made = runner.sharing(scheduler_address, workers, width(scheduler_address))
    else:
        made = runner.on(workers)
    return cast(TaskRunner[Any], made)
