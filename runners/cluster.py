"""A Dask cluster that was there before the run: whether it can do the work, and how wide it is."""

import asyncio
import platform
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

__all__ = ["ClusterError", "width"]

PATIENCE = 5
"""Seconds in which a scheduler must answer, and have a worker."""


class ClusterError(Exception):
    """The cluster at an address cannot be used; the sentence says why, and what to do."""


def width(address: str) -> int:
    """Check that every worker of the cluster can run this project, and count their threads.

    Raises:
        ClusterError: where no scheduler answers, there is no worker, or one is not as this process.
    """
    # A thread, since the caller's may have a loop that runs.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _width(address)).result()


async def _width(address: str) -> int:
    async with _connected(address) as client:
        try:
            await client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise ClusterError(
                f"the Dask cluster at {address} has no worker: start some with "
                f"dask worker {address}"
            ) from error
        _compare(await client.run(_versions, on_error="return"))
        workers = (await client.scheduler.identity())["workers"].values()
        return sum(worker["nthreads"] for worker in workers)


@asynccontextmanager
async def _connected(address: str) -> AsyncIterator[Any]:
    import distributed

    # Not a sync client: one that cannot connect is never closed, and stops the process for good
    # when it is collected at a bad moment.
    made = distributed.Client
    try:
        client = made(address, timeout=PATIENCE, set_as_default=False, asynchronous=True)  # type: ignore[no-untyped-call]  # distributed's is untyped
    except (OSError, ValueError, TypeError) as error:
        raise _unanswered(address, error) from error
    try:
        try:
            await client
        except (OSError, ValueError, TypeError) as error:
            raise _unanswered(address, error) from error
        yield client
    finally:
        await client.close()  # type: ignore[no-untyped-call]  # as above


def _unanswered(address: str, error: Exception) -> ClusterError:
    return ClusterError(
        f"no Dask scheduler answers at {address} ({error}): start one there with "
        "dask scheduler, or mend DASK_SCHEDULER_ADDRESS"
    )


def _versions() -> dict[str, str]:
    # Python's too: what Dask sends holds compiled functions.
    python = ".".join(platform.python_version_tuple()[:2])
    return {"Python": python} | {name: version(name) for name in ("prefect", "imgur-mirror")}


def _compare(found: dict[str, dict[str, str] | BaseException]) -> None:
    """Compare what each worker has, by its address, with this process."""
    ours = _versions()
    for worker, theirs in found.items():
        if isinstance(theirs, BaseException):
            raise ClusterError(
                f"the Dask worker {worker} cannot import this project ({theirs}): install it there "
                "in the same version, and start the worker from that installation"
            ) from theirs
        differing = [
            f"{name} {theirs[name]} where the run has {ours[name]}"
            for name in ours
            if theirs[name] != ours[name]
        ]
        if differing:
            raise ClusterError(
                f"the Dask worker {worker} has {', '.join(differing)}: install the same there"
            )
