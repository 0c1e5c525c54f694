"""Shards over the wire: over threads, over an event loop, and over a loop of their own."""

import asyncio
from collections.abc import Callable, Iterator
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread

from imgur_mirror.bulk.fetch import Fetch
from imgur_mirror.bulk.outcomes import Tally
from imgur_mirror.bulk.shard_run import ShardRun
from imgur_mirror.download import Batch
from imgur_mirror.download.turns import Turn, Turns, fetch_in_turns, fetch_in_turns_async
from imgur_mirror.models import Download
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder

__all__ = ["fetch_shard", "fetch_shard_async", "fetch_shard_in_process"]

BATCH = 50
"""Images that a thread takes at a time: few, so that at the end none waits long for another."""


def fetch_shard(run: ShardRun, connections: int, limit: Turns | None = None) -> Tally:
    """Fetch a shard over so many threads, each with its connection.

    Raises:
        ShardFailed: where trying again may help.
        StoreError: where something cannot be written.
    """
    for fetch in run.fetches():
        fetch.outcomes += _fetch_over_threads(fetch, run.wire, connections, limit)
    return run.tally


async def fetch_shard_async(run: ShardRun, connections: int, limit: Turns | None = None) -> Tally:
    """Fetch a shard over so many of this loop's connections; raises as `fetch_shard` does.

    Runs on a loop that has entered `connections`.
    """
    from imgur_mirror.download.aiohttp_client import fetch_batch_async

    fetches = run.fetches()
    while (fetch := await asyncio.to_thread(next, fetches, None)) is not None:
        fetch.outcomes += await fetch_in_turns_async(
            _turns(fetch.whole, fetch.folder, limit),
            partial(
                fetch_batch_async,
                folder=fetch.folder,
                wire=run.wire,
                at_once=connections,
                must_store=True,
            ),
        )
    return run.tally


def fetch_shard_in_process(run: ShardRun, connections: int, limit: Turns | None = None) -> Tally:
    """Fetch a shard over so many connections of a loop of its own; raises as `fetch_shard` does."""
    from imgur_mirror.download.aiohttp_client import run_with_connections

    return run_with_connections(run.wire, fetch_shard_async(run, connections, limit))


def _turns(batch: Batch, folder: AlbumFolder, limit: Turns | None) -> Iterator[Turn]:
    return limit.turns(batch, folder) if limit else iter([batch])


def _fetch_over_threads(
    fetch: Fetch, wire: Wire, connections: int, limit: Turns | None
) -> list[Download]:
    """Fetch in batches; each thread takes the next when it has done its last.

    Raises:
        StoreError: where something cannot be written.
    """
    from imgur_mirror.download.requests_client import fetch_batch

    # No other image can be stored where one cannot.
    fetch_some = partial(fetch_batch, folder=fetch.folder, wire=wire, must_store=True)
    batches: SimpleQueue[Batch] = SimpleQueue()
    for batch in fetch.batches(BATCH):
        batches.put(batch)
    rows: list[Download] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not errors:
                turns = _turns(batches.get_nowait(), fetch.folder, limit)
                rows.extend(fetch_in_turns(turns, fetch_some))
        except Empty:
            return
        except BaseException as error:  # noqa: BLE001 - raised where the threads are waited for
            errors.append(error)

    _run_threads(work, min(connections, batches.qsize()))
    if errors:
        raise errors[0]
    return rows


def _run_threads(work: Callable[[], None], count: int) -> None:
    # Daemons: a thread that waits for the network must not keep the process alive.
    threads = [Thread(target=copy_context().run, args=[work], daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
