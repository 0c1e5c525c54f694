"""Images over the wire with aiohttp: for the slots of one event loop, over one shared session.

`requests_client` is the same for threads and processes; the two differ only where they wait.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import aiohttp
from yarl import URL

from imgur_mirror.download.actions import Action, Ask, Commit, Done, GiveUp, ReadBody
from imgur_mirror.download.attempt import MAX_DRAINED, FetchAttempt
from imgur_mirror.download.batch import Batch, BatchRun
from imgur_mirror.download.committer import commit_async
from imgur_mirror.http import Headers
from imgur_mirror.http.aiohttp_session import SharedConnections, connections, shared_connections
from imgur_mirror.models import ByteRange, Download
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder

__all__ = ["fetch_batch_async", "run_with_connections"]

IMAGES_EACH = 2
"""Images of one connection: one on the wire, and one that is committed meanwhile.

More would be lost by a kill, and fetched again; on loopback they gained 4 % at the most.
"""

R = TypeVar("R")


async def fetch_batch_async(
    batch: Batch, folder: AlbumFolder, wire: Wire, at_once: int = 1, must_store: bool = False
) -> tuple[Download, ...]:
    """Fetch a batch over so many of this loop's connections; return the outcomes of its images.

    Runs on a loop that has entered `connections`.

    Raises:
        StoreAway: where the store does not answer as the batch begins.
        StoreError: with `must_store`, where the store cannot be written.
    """
    shared = shared_connections()
    # Each connection takes the next when it has done its last.
    ranges = iter(batch.byte_ranges)
    async with BatchRun(batch, folder, wire, must_store) as run:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(batch.byte_ranges))):
                group.create_task(_fetch_each(ranges, shared, run))
        return run.outcomes()


def run_with_connections(wire: Wire, main: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine that fetches batches on an event loop of its own, and return its result."""

    async def run() -> R:
        async with connections(wire):
            return await main

    return asyncio.run(run())


async def _fetch_each(
    ranges: Iterator[ByteRange], shared: SharedConnections, run: BatchRun
) -> None:
    """Fetch over one connection, which goes on while the image before is committed."""
    connection = asyncio.Lock()

    async def fetch() -> None:
        for byte_range in ranges:
            for attempt in run.attempts_of(byte_range, slot):
                with run.fetching(attempt, (aiohttp.ClientError,)):
                    await _fetch(shared.session, connection, attempt, run)
            if row := run.pending_work(byte_range):
                # In a thread: it would keep the loop from all that the other connections receive.
                work = asyncio.to_thread(run.work_on, row, slot)
                await _ended(asyncio.ensure_future(work))

    with shared.slot() as slot:
        async with asyncio.TaskGroup() as group:
            for _ in range(IMAGES_EACH):
                group.create_task(fetch())


async def _fetch(
    session: aiohttp.ClientSession, connection: asyncio.Lock, attempt: FetchAttempt, run: BatchRun
) -> None:
    action: Action = attempt.start()
    while not isinstance(action, Done):
        match action:
            case Ask():
                async with connection:
                    # A redirect is followed before the other image has its turn.
                    while isinstance(action, Ask):
                        await _wait(run)
                        action = await _ask(session, attempt, action, run)
            case Commit():
                action = await _commit(action, attempt, run)
            case GiveUp(error):
                raise error


async def _commit(work: Commit, attempt: FetchAttempt, run: BatchRun) -> Ask | Done:
    return await _ended(commit_async(work, attempt.spec.folder, run.record))


async def _ended(future: "asyncio.Future[R]") -> R:
    """Wait for a thread, after a cancellation too: until then the attempt's file stays open."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


async def _wait(run: BatchRun) -> None:
    for seconds in run.pace.waits():
        await asyncio.sleep(seconds)


async def _ask(
    session: aiohttp.ClientSession, attempt: FetchAttempt, ask: Ask, run: BatchRun
) -> Action:
    try:
        return await _ask_here(session, attempt, ask, run)
    except aiohttp.ClientResponseError:
        # It takes no head that says its length twice, which the other library understands.
        from imgur_mirror.download.requests_client import ask_once

        await _wait(run)
        asked = asyncio.to_thread(ask_once, attempt, ask, run)
        return await _ended(asyncio.ensure_future(asked))


async def _ask_here(
    session: aiohttp.ClientSession, attempt: FetchAttempt, ask: Ask, run: BatchRun
) -> Action:
    async with session.get(
        # As it is written: of some escapes yarl makes another address to a cache.
        URL(ask.url, encoded=True) if ask.url.isascii() else ask.url,
        headers=attempt.headers(ask),
        allow_redirects=False,
        proxy=run.proxies.of(ask.url),
    ) as response:
        action = attempt.accept(ask, response.status, Headers(response.headers.items()))
        if not isinstance(action, ReadBody):
            await _drain(response)
            return action
        async for block in response.content.iter_any():
            attempt.write(block)
        return Commit(attempt.finish)


async def _drain(response: aiohttp.ClientResponse) -> None:
    if response.content_length is not None and response.content_length <= MAX_DRAINED:
        with suppress(OSError, aiohttp.ClientError):
            await response.read()
