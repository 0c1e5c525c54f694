"""The four task runners, behind one function."""

from collections.abc import Callable
from importlib import import_module
from threading import Thread
from types import ModuleType
from typing import Any

from prefect.task_runners import TaskRunner

from imgur_mirror.models import Strategy
from runners.asynchronous import AsyncTaskRunner, Lifespan
from runners.threads import ThreadTaskRunner

__all__ = ["AsyncTaskRunner", "Lifespan", "task_runner", "warm_up"]


def task_runner(
    strategy: Strategy,
    workers: int,
    *,
    lifespan: Lifespan | None = None,
    scheduler_address: str | None = None,
) -> TaskRunner[Any]:
    """The task runner of a strategy, with `workers` task runs at once, not yet started.

    `lifespan` is what the tasks share on the event loop (async only), `scheduler_address` a Dask
    cluster to use instead of a local one; that cluster's size then stands for `workers`.
    """
    constructors: dict[Strategy, Callable[[], TaskRunner[Any]]] = {
        Strategy.SEQUENTIAL: lambda: ThreadTaskRunner(max_workers=1),
        Strategy.THREADS: lambda: ThreadTaskRunner(max_workers=workers),
        Strategy.DASK: lambda: _dask().LeanDaskTaskRunner.on(workers, scheduler_address),
        Strategy.ASYNC: lambda: AsyncTaskRunner(workers, lifespan),
    }
    return constructors[strategy]()


def warm_up(strategy: Strategy) -> None:
    """Begin in the background what is slow to start; returns at once, and may be left out.

    For a local Dask cluster that is the process its workers are forked from, which has Prefect to
    import. Call it before other work that takes a while.
    """
    if strategy is Strategy.DASK:
        Thread(target=lambda: _dask().start_forkserver(), name="warm-up", daemon=True).start()


def _dask() -> ModuleType:
    # Imported when it is wanted: Dask costs every other strategy's start-up too much.
    return import_module("runners.dask")
