"""Images over the wire with aiohttp: for the slots of one event loop, over one shared session.

`transfer` is the same for threads and processes; the two differ only where they wait.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import aiohttp

from imgur_mirror.download.attempt import FAILURES, SMALL, FetchAttempt, unexpected
from imgur_mirror.download.batch import Batch, BatchRun
from imgur_mirror.download.committer import commit_async
from imgur_mirror.http.aiohttp_session import SharedConnections, connections, shared_connections
from imgur_mirror.models import ByteRange, Download
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder

__all__ = ["fetch_batch_async", "fetching_at_once"]

AHEAD = 2
"""Images that a connection is at: one on the wire, one that is brought to the disk meanwhile."""


async def fetch_batch_async(
    batch: Batch, folder: AlbumFolder, wire: Wire, at_once: int = 1
) -> tuple[Download, ...]:
    """Fetch a batch over so many of this loop's connections, each one image after another.

    Runs on a loop that has entered `connections`.

    Raises:
        BatchFailed: where an image failed, after all others were tried.
    """
    shared = shared_connections()
    # Each connection takes the next when it has done its last.
    pieces = iter(batch.pieces)
    async with BatchRun(batch, folder, wire) as work:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(batch.pieces))):
                group.create_task(_fetch_each(pieces, shared, work))
        return work.result()


@contextmanager
def fetching_at_once(
    folder: AlbumFolder, wire: Wire, at_once: int
) -> Iterator[Callable[[Batch], tuple[Download, ...]]]:
    """Give what fetches batches over so many connections, on a loop of its own, as it is called.

    It raises `BatchFailed` as `fetch_batch_async` does.
    """
    shared = connections(wire)
    with asyncio.Runner() as loop:
        loop.run(shared.__aenter__())
        try:
            yield lambda batch: loop.run(fetch_batch_async(batch, folder, wire, at_once))
        finally:
            loop.run(shared.__aexit__(None, None, None))


async def _fetch_each(
    pieces: Iterator[ByteRange], shared: SharedConnections, work: BatchRun
) -> None:
    """Fetch over one connection, which goes on while the last image is brought to the disk."""
    connection = asyncio.Lock()

    async def fetch() -> None:
        for piece in pieces:
            for attempt in work.attempts_of(piece, slot):
                with attempt:
                    await _fetch_async(shared, connection, attempt, work)

    with shared.slot() as slot:
        async with asyncio.TaskGroup() as group:
            for _ in range(AHEAD):
                group.create_task(fetch())


async def _fetch_async(
    shared: SharedConnections, connection: asyncio.Lock, attempt: FetchAttempt, work: BatchRun
) -> None:
    try:
        attempt.check()
        while True:
            async with connection:
                while attempt.asking:
                    await _wait_async(work)
                    await _ask_async(shared.session, attempt, work)
            if await _commit_async(attempt, work):
                return
    except (*FAILURES, aiohttp.ClientError) as error:
        work.give_up(attempt, error)
    except Exception as error:  # noqa: BLE001 - every image ends as an outcome
        work.give_up(attempt, unexpected(error))


async def _commit_async(attempt: FetchAttempt, work: BatchRun) -> bool:
    """Wait until it is committed; when cancelled as well: the file must not be closed before."""
    done = commit_async(attempt, work.record)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait([done])
        raise


async def _wait_async(work: BatchRun) -> None:
    for seconds in work.pace.waits():
        await asyncio.sleep(seconds)


async def _ask_async(session: aiohttp.ClientSession, attempt: FetchAttempt, work: BatchRun) -> None:
    async with session.get(
        attempt.url,
        headers=attempt.headers,
        allow_redirects=False,
        proxy=work.proxies.of(attempt.url),
    ) as response:
        wanted = False
        try:
            wanted = attempt.accept(response.status, response.headers)
            if wanted:
                async for block in response.content.iter_any():
                    attempt.write(block)
        finally:
            if not wanted:
                await _drain_async(response)


async def _drain_async(response: aiohttp.ClientResponse) -> None:
    if response.content_length is not None and response.content_length <= SMALL:
        with suppress(OSError, aiohttp.ClientError):
            await response.read()
