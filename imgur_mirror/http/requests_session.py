"""The connections of threads and processes: a requests session for each thread.

They go to public addresses only (but to a `host:port` that is listed as such), are kept alive,
send no credentials and no cookies, and follow nothing by themselves.
"""

import socket
import threading
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from imgur_mirror.download.attempt import HEADERS
from imgur_mirror.http.allowed_hosts import is_listed_with_port, resolve
from imgur_mirror.settings import Wire

__all__ = ["thread_session"]

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
