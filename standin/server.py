"""The server process: one port for the API, the image host and the control channel."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from standin import website
from standin.albums import library
from standin.answers import Served, is_json, respond
from standin.api import KINDS as API_KINDS
from standin.api import Api
from standin.collections import shown
from standin.control import Control
from standin.faults import KINDS as IMAGE_KINDS
from standin.faults import Faults
from standin.images import ADDRESS, Images
from standin.ledger import Connection, Entry, Ledger
from standin.network import Network, Profile

__all__ = ["serve"]


class Standin:
    """Hands each request to its part."""

    def __init__(self, profile: Profile) -> None:
        self.ledger = Ledger()
        self.connections: dict[RequestHandler, Connection] = {}
        has = library(profile.sizes, profile.width)
        has.collections |= shown()
        faults, api_faults = Faults(IMAGE_KINDS), Faults(API_KINDS)
        self._network = Network(profile)
        self._images = Images(has, faults, strict_agent=profile.strict_agent)
        if profile.width:
            self._images.draw(item.picture for item in has.albums["PdA9Amq"].items)
        self._api = Api(has, api_faults)
        self._control = Control(has, faults, api_faults, self.ledger, self._api.asked)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request for anything."""
        if request.path.startswith("/_/"):
            return await self._told(request)
        connection = self.connections[request.protocol]
        if request.path.startswith(("/3/", f"/{website.PREFIX}")):
            return await self._asked(request, connection)
        return await self._served(request, connection)

    async def _asked(self, request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
        """The API."""
        base = f"{request.scheme}://{request.host}"
        sent = request.headers.get("Authorization", "")
        # As it was escaped: a tag may hold a slash.
        path = urlsplit(request.raw_path).path.removeprefix("/3/").strip("/")
        if path.endswith("/favorites") and "page" in request.query:
            # Of a folder, the page may be named either way.
            path = f"{path}/{request.query['page']}"
        answer = self._api.answer(path, sent, base, request.query.get("q", ""))
        await self._network.delay(connecting=connection.first())
        return await respond(request, answer, self._network, Served())

    async def _served(self, request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
        """The image host."""
        with self.ledger.serving(connection, _entry(request, connection)) as entry:
            answer = await self._images.answer(request.path, request.headers)
            await self._network.delay(connecting=connection.first())
            return await respond(request, answer, self._network, entry)

    async def _told(self, request: web.BaseRequest) -> web.StreamResponse:
        """The control channel, which knows no delays."""
        try:
            body: Any = await request.json() if request.can_read_body else {}
        except ValueError as error:
            answer = is_json({"error": f"the body is no JSON: {error}"}, 400)
        else:
            path = request.path.removeprefix("/_/")
            answer = await self._control.answer(request.method, path, body, request.query)
        return await respond(request, answer, Network(Profile()), Served())


def _entry(request: web.BaseRequest, connection: Connection) -> Entry:
    address = ADDRESS.fullmatch(request.path)
    return Entry(
        id=address[1][:7] if address else "",
        path=request.path,
        target=request.raw_path,
        range=request.headers.get("Range"),
        connection=connection.number,
        user_agent=request.headers.get("User-Agent"),
        had_authorization="Authorization" in request.headers,
    )


class Server(web.Server):
    """aiohttp's low-level server, with a record of its connections."""

    def __init__(self, standin: Standin) -> None:
        # A handler ends with its connection, so that a stall does not outlive its client.
        super().__init__(standin.answer, handler_cancellation=True, access_log=None)
        self._standin = standin

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._standin.connections[handler] = Connection()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        if connection := self._standin.connections.pop(handler, None):
            self._standin.ledger.closed(connection)


async def serve(profile: Profile, host: str, port: int, ready: Callable[[str, int], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is told the host and the port once it listens.

    Raises:
        OSError: the port is taken, or the host is none of this machine.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.ServerRunner(Server(Standin(profile)), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        ready(host, runner.addresses[0][1])
        await stop.wait()
    finally:
        await runner.cleanup()
