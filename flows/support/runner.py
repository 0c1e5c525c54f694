"""The task runner of a flow that downloads, with what its tasks share."""

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from prefect.task_runners import TaskRunner

from flows.support.main_script import check_main_script
from imgur_mirror.models import Strategy
from imgur_mirror.settings import BadSettings, Wire
from runners import ClusterError, task_runner

__all__ = ["downloading_runner"]


def downloading_runner(
    strategy: Strategy, workers: int, wire: Wire, scheduler_address: str | None
) -> TaskRunner[Any]:
    """Return the task runner of a strategy, whose event loop has connections where it has a loop.

    Raises:
        BadSettings: where the cluster at the scheduler's address cannot be used, or the script that
            runs cannot be imported by the processes of a local one.
    """
    if strategy is Strategy.DASK and not scheduler_address:
        check_main_script()
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
    from imgur_mirror.http.aiohttp_session import connections

    return connections(wire)
