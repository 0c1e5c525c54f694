"""The task runner of a flow that downloads, with what its tasks share."""

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from importlib import import_module
from threading import Thread
from typing import Any

from prefect.task_runners import TaskRunner

import runners
from imgur_mirror.models import Strategy
from imgur_mirror.settings import BadSettings, Wire
from runners import ClusterError, task_runner

__all__ = ["downloading_runner", "warm_up"]


def warm_up(
    strategy: Strategy, workers: int, scheduler_address: str | None
) -> AbstractContextManager[None]:
    """Start in the background what a strategy is slow to start, best before the album is listed.

    Used as a context manager for all that runs the strategy; it may be left out.
    """
    if strategy is Strategy.ASYNC:
        # A tenth of a second, for aiohttp.
        Thread(target=import_module, args=["imgur_mirror.transfer_async"]).start()
    return runners.warm_up(strategy, workers, scheduler_address)


def downloading_runner(
    strategy: Strategy, workers: int, wire: Wire, scheduler_address: str | None
) -> TaskRunner[Any]:
    """Give the task runner of a strategy, whose event loop has connections where it has a loop.

    Raises:
        BadSettings: where the cluster at the scheduler's address cannot be used.
    """
    try:
        return task_runner(
            strategy,
            workers,
            lifespan=partial(_connections, wire),
            scheduler_address=scheduler_address,
        )
    except ClusterError as error:
        raise BadSettings(str(error)) from error


def _connections(wire: Wire) -> AbstractAsyncContextManager[None]:
    """Open what the tasks share on an event loop; only `async` asks for it, and imports it."""
    from imgur_mirror.sessions_async import connections

    return connections(wire)
