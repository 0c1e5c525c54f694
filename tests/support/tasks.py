"""A task whose module the processes of a cluster can import."""

import os

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

__all__ = ["parent", "standing"]


@task(cache_policy=NO_CACHE)
def standing(variable="PATH"):
    """What a worker process keeps, and what it sees."""
    from runners.dask import _standing_contexts

    return {
        "process": os.getpid(),
        "parent": os.getppid(),
        "client": id(get_client(sync_client=True)),
        "made": _standing_contexts.cache_info().misses,
        "api": PREFECT_API_URL.value(),
        "variable": os.environ.get(variable),
    }


@task(cache_policy=NO_CACHE)
def parent():
    """Its process, and that of a task which it submits."""
    return os.getpid(), standing.submit().result()["process"]
