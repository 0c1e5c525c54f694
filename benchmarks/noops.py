"""Tasks that do nothing, and the flow that runs many: importable, as Dask needs them."""

import time
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import Task

__all__ = ["noop", "noop_async", "seconds_each"]


@task(cache_policy=NO_CACHE)
def noop(number: int) -> int:
    """Give back what it got."""
    return number


@task(cache_policy=NO_CACHE)
async def noop_async(number: int) -> int:
    """Give back what it got."""
    return number


@flow(name="no-ops", validate_parameters=False)
def seconds_each(one: Task[..., Any], count: int) -> float:
    """Seconds for each of so many task runs, on a runner that has run one before."""
    one.submit(0).result()
    began = time.perf_counter()
    for future in one.map(range(count)):
        future.result()
    return (time.perf_counter() - began) / count
