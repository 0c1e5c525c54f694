"""Images over the wire, twice: with requests for threads and processes, with aiohttp for a loop.

The two differ only where they wait. All that they decide is in `exchange`, all that they remember
in `batch`. A worker is a connection: a thread or process keeps one session with one connection,
a loop shares one session among its slots.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

import aiohttp
import requests
import urllib3

from imgur_mirror.batch import Batch, Work
from imgur_mirror.exchange import Exchange, TransferError
from imgur_mirror.hosts import RefusedAddress, proxy_for
from imgur_mirror.models import Download
from imgur_mirror.names import printable
from imgur_mirror.sessions import BLOCK, shared_connections, thread_session
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder, StoreError

__all__ = ["fetch_batch", "fetch_batch_async"]

_FAILURES = (TransferError, StoreError, RefusedAddress, OSError)

SMALL = 64 * 1024
"""Bytes of an unwanted body that are read all the same, since that keeps the connection."""

_T = TypeVar("_T")
_logger = logging.getLogger(__name__)


def _unexpected(error: Exception) -> TransferError:
    """Say what nobody thought of: it costs its image, and not the rest of the batch."""
    _logger.error("a transfer ended unexpectedly", exc_info=error)
    return TransferError(f"unexpected: {type(error).__name__}: {printable(str(error))}")


# Threads and processes


def fetch_batch(batch: Batch, folder: AlbumFolder, wire: Wire) -> tuple[Download, ...]:
    """Fetch a batch over this thread's connection, one image after another.

    Raises:
        BatchFailed: where an image failed, after all others were tried.
    """
    work = Work(batch, folder, wire)
    session = thread_session(wire)
    for exchange in work.exchanges():
        with exchange:
            work.record(_fetch(session, exchange, work, wire))
    return work.result()


def _fetch(session: requests.Session, exchange: Exchange, work: Work, wire: Wire) -> Download:
    try:
        exchange.check()
        while True:
            while exchange.asking:
                _wait(work)
                _ask(session, exchange, wire)
            if download := exchange.complete():
                return download
    except (*_FAILURES, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        return work.give_up(exchange, error)
    except Exception as error:  # noqa: BLE001 - every image ends as an outcome
        return work.give_up(exchange, _unexpected(error))


def _wait(work: Work) -> None:
    limiter = work.pace.limiter
    if limiter:
        limiter.try_acquire("images")
    while seconds := work.pace.wait():
        time.sleep(seconds)
        if limiter:
            # Whoever waited asks for a turn of its own, or all would ask at once.
            limiter.try_acquire("images")


def _ask(session: requests.Session, exchange: Exchange, wire: Wire) -> None:
    proxy = proxy_for(exchange.url)
    response = session.get(
        exchange.url,
        headers=exchange.headers,
        proxies={"http": proxy, "https": proxy} if proxy else {},
        stream=True,
        allow_redirects=False,
        timeout=(wire.connect_timeout, wire.read_timeout),
    )
    wanted = False
    try:
        wanted = exchange.accept(response.status_code, response.headers)
        if wanted:
            for block in _blocks(response):
                exchange.write(block)
    finally:
        if not wanted:
            _drain(response)
        # A connection whose answer was read to its end is back in its pool by now.
        response.close()


def _blocks(response: requests.Response) -> Iterator[bytes]:
    # read1 gives what has come: a connection that breaks loses nothing that was received.
    while block := response.raw.read1(BLOCK, decode_content=False):
        yield block


def _drain(response: requests.Response) -> None:
    left = response.raw.length_remaining
    if left is not None and left <= SMALL:
        with suppress(OSError, urllib3.exceptions.HTTPError):
            response.raw.read(SMALL, decode_content=False)


# One event loop


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
                await _ask_async(session, exchange)
            # The bytes are brought to the disk beside the loop, which has others to serve.
            if download := await _beside(exchange.complete):
                return download
    except (*_FAILURES, aiohttp.ClientError) as error:
        return work.give_up(exchange, error)
    except Exception as error:  # noqa: BLE001 - every image ends as an outcome
        return work.give_up(exchange, _unexpected(error))


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


async def _ask_async(session: aiohttp.ClientSession, exchange: Exchange) -> None:
    async with session.get(
        exchange.url,
        headers=exchange.headers,
        allow_redirects=False,
        proxy=proxy_for(exchange.url),
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
