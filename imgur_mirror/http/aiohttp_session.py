"""The session of an event loop, shared by its tasks.

As `requests_session`, it connects to public addresses only, keeps connections alive, sends no
credentials and no cookies, and sends nothing twice by itself.
"""

import asyncio
import heapq
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.request import getproxies

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from imgur_mirror.http.allowed_hosts import check_address, is_listed_with_port, origin
from imgur_mirror.http.headers import IMAGE_HEADERS, MAX_HEADER_BYTES, MAX_HEADERS
from imgur_mirror.settings import Wire

__all__ = ["SharedConnections", "connections", "shared_connections"]

_READ_BUFFER = 256 * 1024
"""Bytes that a connection may be ahead of who reads from it."""


class SharedConnections:
    """What the tasks of one loop share: a session, and the slots that its connections are in."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self._free: list[int] = []
        self._used = 0

    @contextmanager
    def slot(self) -> Iterator[str]:
        """Lend the free slot of the lowest number: a report has as many rows as slots were used."""
        if not self._free:
            heapq.heappush(self._free, self._used)
            self._used += 1
        number = heapq.heappop(self._free)
        try:
            # With the process: a cluster has slots of the same number in several.
            yield f"{os.getpid()}/slot {number}"
        finally:
            heapq.heappush(self._free, number)


_loops: dict[asyncio.AbstractEventLoop, SharedConnections] = {}


def shared_connections() -> SharedConnections:
    """Return what the tasks of the running loop share.

    Raises:
        KeyError: where the loop has not entered `connections`.
    """
    return _loops[asyncio.get_running_loop()]


@asynccontextmanager
async def connections(wire: Wire) -> AsyncIterator[None]:
    """Keep the shared session of the running loop open."""
    loop = asyncio.get_running_loop()
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=wire.connect_timeout, sock_read=wire.read_timeout
    )
    async with aiohttp.ClientSession(
        # The task runner bounds how many connections there are at once.
        connector=aiohttp.TCPConnector(limit=0, resolver=_CheckedResolver(wire)),
        headers=IMAGE_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=timeout,
        read_bufsize=_READ_BUFFER,
        max_field_size=MAX_HEADER_BYTES,
        max_headers=MAX_HEADERS,
        middlewares=[_send_once],
    ) as session:
        _loops[loop] = SharedConnections(session)
        try:
            yield
        finally:
            del _loops[loop]


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending again by itself: attempts are counted and rate-limited.

    It would after these two errors; as another one, they reach the caller.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error


class _CheckedResolver(AbstractResolver):
    """Resolves to public addresses only, except for a `host:port` that is listed, or a proxy."""

    def __init__(self, wire: Wire) -> None:
        self._hosts = wire.image_hosts
        self._proxies = [origin(proxy) for proxy in getproxies().values()]
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not is_listed_with_port(host, port, (*self._hosts, *self._proxies)):
            for address in found:
                check_address(host, address["host"])
        return found

    async def close(self) -> None:
        await self._resolver.close()
