"""Shards over the wire: the three ways in which the connections of one are driven."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Thread

from imgur_mirror.bulk.job import Tally
from imgur_mirror.bulk.shard_run import ShardRun, Stage
from imgur_mirror.download import Batch
from imgur_mirror.models import Download
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder

__all__ = ["fetch_shard", "fetch_shard_alone", "fetch_shard_async"]

TAKEN = 50
"""Images that a thread takes at a time: few, so that at the end none waits long for another."""

Parts = Callable[[Batch, AlbumFolder], Iterator[Batch]]
PartsAsync = Callable[[Batch, AlbumFolder], AsyncIterator[Batch]]


def at_once(batch: Batch, _: AlbumFolder) -> Iterator[Batch]:
    """Give a batch in one part: nothing else is asked before it is fetched."""
    yield batch


async def at_once_async(batch: Batch, _: AlbumFolder) -> AsyncIterator[Batch]:
    """Do as `at_once` does, on an event loop."""
    yield batch


def fetch_shard(run: ShardRun, wire: Wire, connections: int, parts: Parts = at_once) -> Tally:
    """Fetch a shard over so many threads, each with its connection.

    A batch is fetched in the `parts` that are given, each as it is given.

    Raises:
        ShardFailed: where trying again may help.
        StoreError: where something cannot be written.
    """
    for stage in run.stages():
        run.take(_by_threads(stage, wire, connections, parts))
    return run.tally


async def fetch_shard_async(
    run: ShardRun, wire: Wire, connections: int, parts: PartsAsync = at_once_async
) -> Tally:
    """Fetch a shard over so many of this loop's connections; raises as `fetch_shard` does.

    Runs on a loop that has entered `connections`.
    """
    from imgur_mirror.download.aiohttp_client import fetch_batch_async

    stages = run.stages()
    # Between the stages the disk is waited for, and the API: not on the loop.
    while (stage := await asyncio.to_thread(next, stages, None)) is not None:
        rows: list[Download] = []
        async for batch in parts(stage.whole, stage.folder):
            rows += await fetch_batch_async(batch, stage.folder, wire, connections)
        run.take(rows)
    return run.tally


def fetch_shard_alone(
    run: ShardRun, wire: Wire, connections: int, parts: PartsAsync = at_once_async
) -> Tally:
    """Fetch a shard over so many connections of a loop of its own; raises as `fetch_shard` does."""
    from imgur_mirror.download.aiohttp_client import run_with_connections

    return run_with_connections(wire, fetch_shard_async(run, wire, connections, parts))


def _by_threads(stage: Stage, wire: Wire, connections: int, parts: Parts) -> list[Download]:
    """Fetch a stage; each thread takes the next batch when it has done its last.

    Raises:
        StoreError: where something cannot be written.
    """
    from imgur_mirror.download.requests_client import fetch_batch

    waiting: SimpleQueue[Batch] = SimpleQueue()
    for batch in stage.batches(TAKEN):
        waiting.put(batch)
    rows: list[Download] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not errors:
                for batch in parts(waiting.get_nowait(), stage.folder):
                    rows.extend(fetch_batch(batch, stage.folder, wire))
        except Empty:
            return
        except BaseException as error:  # noqa: BLE001 - raised where the threads are waited for
            errors.append(error)

    # Daemons: a thread that waits for the network holds up no process's end.
    count = min(connections, waiting.qsize())
    threads = [Thread(target=copy_context().run, args=[work], daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return rows
