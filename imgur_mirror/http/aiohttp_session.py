"""The connections of an event loop: one aiohttp session that its tasks share.

They are as those of `sessions`: to public addresses only, kept alive, without credentials or
cookies, following nothing by themselves.
"""

import asyncio
import heapq
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from imgur_mirror.download.attempt import BLOCK, HEADERS
from imgur_mirror.http.allowed_hosts import check_address, is_listed_with_port
from imgur_mirror.settings import Wire

__all__ = ["SharedConnections", "connections", "shared_connections"]


class SharedConnections:
    """What the tasks of one loop share: a session, and the names of its slots."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self._free: list[int] = []
        self._used = 0

    @contextmanager
    def slot(self) -> Iterator[str]:
        """Lend the lowest free number, so that a report shows as many rows as there are slots."""
        if not self._free:
            heapq.heappush(self._free, self._used)
            self._used += 1
        number = heapq.heappop(self._free)
        try:
            # Named after its process too: a cluster has such slots in several.
            yield f"{os.getpid()}/slot {number}"
        finally:
            heapq.heappush(self._free, number)


_loops: dict[asyncio.AbstractEventLoop, SharedConnections] = {}


def shared_connections() -> SharedConnections:
    """Give what the running loop's tasks share; the loop has entered `connections`."""
    return _loops[asyncio.get_running_loop()]


@asynccontextmanager
async def connections(wire: Wire) -> AsyncIterator[None]:
    """Keep the shared session of the running loop open."""
    loop = asyncio.get_running_loop()
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=wire.connect_timeout, sock_read=wire.read_timeout
    )
    async with aiohttp.ClientSession(
        # How many there are at once is the task runner's business.
        connector=aiohttp.TCPConnector(limit=0, resolver=_CheckedResolver(wire)),
        headers=HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=timeout,
        read_bufsize=BLOCK,
        middlewares=[_sent_once],
    ) as session:
        _loops[loop] = SharedConnections(session)
        try:
            yield
        finally:
            del _loops[loop]


async def _sent_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending again by itself: tries are counted, and have their pace.

    It does so after these two errors, whether or not the connection was an old one.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error


class _CheckedResolver(AbstractResolver):
    """Resolves to public addresses only, but for a `host:port` that is listed as such."""

    def __init__(self, wire: Wire) -> None:
        self._hosts = wire.image_hosts
        self._proxies = [_host_and_port(proxy) for proxy in getproxies().values()]
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


def _host_and_port(proxy: str) -> str:
    parts = urlsplit(proxy)
    port = "" if parts.port else ":443" if parts.scheme == "https" else ":80"
    return parts.netloc.rpartition("@")[2].lower() + port
