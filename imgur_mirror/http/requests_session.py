"""Sessions of requests, for images and for the API: hardened against what a server may answer.

They connect to public addresses only (or to a `host:port` that is listed as such), keep
connections alive, send no cookies and no credentials of a netrc, and follow no redirects.
"""

import os
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from imgur_mirror.http.allowed_hosts import is_listed_with_port, resolve
from imgur_mirror.http.headers import IMAGE_HEADERS
from imgur_mirror.http.responses import FinalResponse
from imgur_mirror.settings import Wire

__all__ = ["get", "new_session", "thread_session"]

_local = threading.local()

_TARGET = "X-Request-Target"
"""Carries what a request asks for to its connection, which takes the header out."""


def thread_session(wire: Wire) -> requests.Session:
    """Return this thread's session for images; it is closed when the thread ends."""
    if getattr(_local, "wire", None) != wire:
        _local.wire, _local.session = wire, new_session(IMAGE_HEADERS, wire.image_hosts)
    session: requests.Session = _local.session
    return session


def new_session(headers: Mapping[str, str], hosts: Sequence[str]) -> requests.Session:
    """Return a session that sends these headers, and no others by itself.

    Only a `host:port` among `hosts` may have an address that is not public; proxies are not
    checked. They are given with each request: those of the environment are not looked up here.
    """
    session = _Session()
    session.headers.clear()
    session.headers.update(headers)
    # Keeps requests from sending the credentials in a netrc to whatever host it asks.
    session.trust_env = False
    # That also makes it ignore these, which a network with a certificate of its own needs.
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    session.verify = bundle or True
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _CheckedAdapter(tuple(hosts))
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def get(
    session: requests.Session,
    url: str,
    headers: Mapping[str, str],
    proxy: str | None,
    timeout: tuple[float, float],
) -> requests.Response:
    """Send a request for exactly this URL; the response's body is left to be read."""
    request = session.prepare_request(requests.Request("GET", url, headers=headers))
    if url.isascii():
        # As requests has it, some escapes are written otherwise: another address to a cache.
        request.url = url
    return session.send(
        request,
        stream=True,
        allow_redirects=False,
        proxies={"http": proxy, "https": proxy} if proxy else {},
        timeout=timeout,
    )


class _Session(requests.Session):
    def get_redirect_target(self, *_: object) -> None:
        """Return None for every response: requests reads a redirect's body, however long it is."""


class _CheckedAdapter(HTTPAdapter):
    """Connects to checked addresses; `hosts` are those of `new_session`."""

    def __init__(self, hosts: tuple[str, ...]) -> None:
        self._hosts = hosts
        super().__init__(pool_connections=4, max_retries=0)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: object
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = _checked_pools(self._hosts)

    def add_headers(self, request: requests.PreparedRequest, **_: object) -> None:
        # urllib3 writes the escapes of a URL in its own way before the connection has it.
        request.headers[_TARGET] = request.path_url


def _checked_pools(hosts: tuple[str, ...]) -> dict[str, type[HTTPConnectionPool]]:
    """Return pools by scheme; urllib3 makes a pool's connections from its class alone."""

    # What is passed on, whatever it is, needs no more precise a type.
    class PlainConnection(_CheckedConnection, HTTPConnection):  # type: ignore[misc]
        trusted = hosts

    class SecureConnection(_CheckedConnection, HTTPSConnection):  # type: ignore[misc]
        trusted = hosts

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = PlainConnection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": PlainPool, "https": SecurePool}


class _CheckedConnection:
    """Mixed into a connection of urllib3: resolves and checks the host, then connects as usual."""

    response_class: type[HTTPResponse] = FinalResponse
    trusted: tuple[str, ...]
    _dns_host: str
    port: int

    def request(
        self,
        method: str,
        url: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        **options: object,
    ) -> None:
        sent = dict(headers or {})
        target = sent.pop(_TARGET, url)
        # A proxy is asked for a whole URL.
        asked = target if url.startswith("/") else url
        super().request(method, asked, body, sent, **options)  # type: ignore[misc]

    def _new_conn(self) -> socket.socket:
        name = self._dns_host
        if is_listed_with_port(name, self.port, self.trusted):
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
