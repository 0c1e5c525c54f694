"""Images over the wire with aiohttp: for the slots of one event loop, over one shared session.

`transfer` is the same for threads and processes; the two differ only where they wait.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import aiohttp

from imgur_mirror.download.attempt import FAILURES, SMALL, Exchange, unexpected
from imgur_mirror.download.batch import Batch, Work
from imgur_mirror.download.committer import commit_async
from imgur_mirror.http.aiohttp_session import SharedConnections, connections, shared_connections
from imgur_mirror.models import Download, Piece
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
    async with Work(batch, folder, wire) as work:
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


async def _fetch_each(pieces: Iterator[Piece], shared: SharedConnections, work: Work) -> None:
    """Fetch over one connection, which goes on while the last image is brought to the disk."""
    connection = asyncio.Lock()

    async def fetch() -> None:
        for piece in pieces:
            for exchange in work.exchanges_of(piece, slot):
                with exchange:
                    await _fetch_async(shared, connection, exchange, work)

    with shared.slot() as slot:
        async with asyncio.TaskGroup() as group:
            for _ in range(AHEAD):
                group.create_task(fetch())


async def _fetch_async(
    shared: SharedConnections, connection: asyncio.Lock, exchange: Exchange, work: Work
) -> None:
    try:
        exchange.check()
        while True:
            async with connection:
                while exchange.asking:
                    await _wait_async(work)
                    await _ask_async(shared.session, exchange, work)
            if await _commit_async(exchange, work):
                return
    except (*FAILURES, aiohttp.ClientError) as error:
        work.give_up(exchange, error)
    except Exception as error:  # noqa: BLE001 - every image ends as an outcome
        work.give_up(exchange, unexpected(error))


async def _commit_async(exchange: Exchange, work: Work) -> bool:
    """Wait until it is committed; when cancelled as well: the file must not be closed before."""
    done = commit_async(exchange, work.record)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait([done])
        raise


async def _wait_async(work: Work) -> None:
    for seconds in work.pace.waits():
        await asyncio.sleep(seconds)


async def _ask_async(session: aiohttp.ClientSession, exchange: Exchange, work: Work) -> None:
    async with session.get(
        exchange.url,
        headers=exchange.headers,
        allow_redirects=False,
        proxy=work.proxies.of(exchange.url),
    ) as response:
        wanted = False
        try:
            wanted = exchange.accept(response.status, response.headers)
            if wanted:
                async for block in response.content.iter_any():
                    exchange.write(block)
        finally:
            if not wanted:
                await _drain_async(response)


async def _drain_async(response: aiohttp.ClientResponse) -> None:
    if response.content_length is not None and response.content_length <= SMALL:
        with suppress(OSError, aiohttp.ClientError):
            await response.read()
