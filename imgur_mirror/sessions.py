"""The connections that images come over: a session for each thread, or one for a loop.

Both connect to public addresses only (but to a `host:port` that is listed as such), keep their
connections alive, send no credentials and no cookies, and follow nothing by themselves.
"""

import asyncio
import heapq
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp
import requests
from aiohttp.abc import AbstractResolver, ResolveResult
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from imgur_mirror.hosts import check_address, is_listed_with_port, resolve
from imgur_mirror.settings import Wire

__all__ = ["BLOCK", "connections", "shared_connections", "thread_session"]

BLOCK = 256 * 1024
"""Bytes read and written at a time."""

HEADERS = {
    # The default agents of HTTP libraries meet 429 at Imgur, where an honest name does not.
    "User-Agent": f"imgur-mirror/{version('imgur-mirror')}",
    # With text/html among what is accepted, Imgur sends a page around the picture.
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}


# One for each thread

_local = threading.local()


def thread_session(wire: Wire) -> requests.Session:
    """Give this thread's session; it is closed when its thread ends."""
    if getattr(_local, "wire", None) != wire:
        _local.wire, _local.session = wire, _new_session(wire)
    session: requests.Session = _local.session
    return session


class _Session(requests.Session):
    """Looks at no redirect, where requests would read all of its body to prepare the next."""

    def get_redirect_target(self, *_: object) -> None:
        return None


def _new_session(wire: Wire) -> requests.Session:
    session = _Session()
    session.headers.clear()
    session.headers.update(HEADERS)
    # No netrc: credentials go to the API alone.
    session.trust_env = False
    session.cookies.set_policy(_NoCookies())
    adapter = _CheckedAdapter(wire)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _NoCookies(DefaultCookiePolicy):
    """Neither takes nor sends cookies."""

    def set_ok(self, *_: object) -> bool:
        return False


class _CheckedAdapter(HTTPAdapter):
    """Connects to public addresses only, but for a `host:port` that is listed as such."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        super().__init__(pool_connections=4, pool_maxsize=1, max_retries=0)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: object
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = _checked_pools(self._wire)


def _checked_pools(wire: Wire) -> dict[str, type[HTTPConnectionPool]]:
    """Give pools whose connections go to checked addresses, with urllib3's own way to connect."""

    class Checked:
        _dns_host: str
        port: int

        def _new_conn(self) -> socket.socket:
            name = self._dns_host
            if is_listed_with_port(name, self.port, wire.image_hosts):
                return self._connect()
            addresses = resolve(name, self.port)
            try:
                for address in addresses[:-1]:
                    self._dns_host = address
                    with suppress(NewConnectionError, ConnectTimeoutError):
                        return self._connect()
                self._dns_host = addresses[-1]
                return self._connect()
            finally:
                self._dns_host = name

        def _connect(self) -> socket.socket:
            connected: socket.socket = super()._new_conn()  # type: ignore[misc]
            return connected

    class PlainConnection(Checked, HTTPConnection):
        pass

    class SecureConnection(Checked, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = PlainConnection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": PlainPool, "https": SecurePool}


# One for a loop


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
            yield f"slot {number}"
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
