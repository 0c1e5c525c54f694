"""Images over the wire with aiohttp: for the slots of one event loop, over one shared session.

`transfer` is the same for threads and processes; the two differ only where they wait.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import aiohttp

from imgur_mirror.batch import Batch, Work
from imgur_mirror.exchange import FAILURES, SMALL, Exchange, unexpected
from imgur_mirror.models import Download
from imgur_mirror.sessions_async import shared_connections
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder

__all__ = ["fetch_batch_async"]

_T = TypeVar("_T")


async def fetch_batch_async(batch: Batch, folder: AlbumFolder, wire: Wire) -> tuple[Download, ...]:
    """Fetch a batch over one of this loop's connections, one image after another.

    Runs on a loop that has entered `connections`.

    Raises:
        BatchFailed: where an image failed, after all others were tried.
    """
    shared = shared_connections()
    with shared.slot() as slot:
        work = Work(batch, folder, wire, slot)
        for exchange in work.exchanges():
            with exchange:
                work.record(await _fetch_async(shared.session, exchange, work))
        return work.result()


async def _fetch_async(session: aiohttp.ClientSession, exchange: Exchange, work: Work) -> Download:
    try:
        exchange.check()
        while True:
            while exchange.asking:
                await _wait_async(work)
                await _ask_async(session, exchange, work)
            # The bytes are brought to the disk beside the loop, which has others to serve.
            if download := await _beside(exchange.complete):
                return download
    except (*FAILURES, aiohttp.ClientError) as error:
        return work.give_up(exchange, error)
    except Exception as error:  # noqa: BLE001 - every image ends as an outcome
        return work.give_up(exchange, unexpected(error))


async def _beside(function: Callable[[], _T]) -> _T:
    """Call in a thread; when cancelled, only once that is done: the file must not close before."""
    thread = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise


async def _wait_async(work: Work) -> None:
    limiter = work.pace.limiter
    if limiter:
        await limiter.try_acquire_async("images")
    while seconds := work.pace.wait():
        await asyncio.sleep(seconds)
        if limiter:
            await limiter.try_acquire_async("images")


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
