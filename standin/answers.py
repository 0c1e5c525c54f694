"""An answer as a value, and how it goes out: paced, and ending well or badly."""

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NoReturn

from aiohttp import web

from standin.network import Network
from standin.pictures import Body, Bytes

__all__ = ["NOTHING", "Answer", "Ending", "Served", "html", "is_json", "respond", "text"]

NOTHING = Bytes(b"")


class Ending(Enum):
    """What becomes of the connection when all that is to be sent has been sent."""

    WELL = auto()
    RESET = auto()
    CLOSE = auto()
    STALL = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to answer. `length` is the Content-Length claimed (None: chunked, without one).

    `stop` is how many bytes of the body are sent before `ending`; with `mute` there is not even
    a header. `rate` is this answer's own, in bytes a second. `head` goes out just as it is, in
    place of one that the status and the headers make; the body then comes in chunks if `chunked`.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = NOTHING
    length: int | None
    stop: int
    ending: Ending = Ending.WELL
    mute: bool = False
    rate: float | None = None
    head: bytes | None = None
    chunked: bool = False

    @classmethod
    def of(cls, body: Body, status: int = 200, **headers: str) -> "Answer":
        """A body sent well; underscores in the names of headers stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status=status, headers=named, body=body, length=body.size, stop=body.size)

    @property
    def plain(self) -> bool:
        """Whether it can be sent in one go."""
        return (
            self.ending is Ending.WELL
            and self.length == self.stop
            and isinstance(self.body, Bytes)
            and not self.rate
        )


@dataclass(slots=True)
class Served:
    """What was sent, filled in as it goes."""

    status: int = 0
    sent: int = 0


def text(content: str, status: int = 200, kind: str = "text/plain", **headers: str) -> Answer:
    """A page of text."""
    return Answer.of(Bytes(content.encode()), status, Content_Type=kind, **headers)


def html(title: str, status: int = 200, **headers: str) -> Answer:
    """A page for people where a program asked."""
    page = f"<!doctype html><html><head><title>{title}</title></head><body>{title}</body></html>"
    return text(page, status, "text/html; charset=utf-8", **headers)


def is_json(value: object, status: int = 200, **headers: str) -> Answer:
    """A value as JSON."""
    return text(json.dumps(value), status, "application/json", **headers)


async def respond(
    request: web.BaseRequest, answer: Answer, network: Network, served: Served
) -> web.StreamResponse:
    """Send the answer and end the connection as it says."""
    if answer.mute:
        await _end(request, answer.ending)
    served.status = answer.status
    if answer.head is not None:
        await _verbatim(request, answer, answer.head, network, served)
    if answer.plain and not network.paced():
        return await _at_once(request, answer, served)
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    if answer.length is None:
        response.enable_chunked_encoding()
    else:
        response.content_length = answer.length
    await response.prepare(request)
    if request.method != "HEAD":
        async with aclosing(network.blocks(answer.body, answer.stop, answer.rate)) as blocks:
            async for block in blocks:
                await response.write(block)
                served.sent += len(block)
    if answer.ending is not Ending.WELL:
        await _end(request, answer.ending)
    await response.write_eof()
    return response


async def _at_once(request: web.BaseRequest, answer: Answer, served: Served) -> web.StreamResponse:
    """The fast path of an answer without faults on a network without rates."""
    body = answer.body.read(0, answer.stop)
    response = web.Response(status=answer.status, headers=answer.headers, body=body)
    await response.prepare(request)
    await response.write_eof()
    served.sent = 0 if request.method == "HEAD" else len(body)
    return response


async def _verbatim(
    request: web.BaseRequest, answer: Answer, head: bytes, network: Network, served: Served
) -> NoReturn:
    """Write past the library, which refuses heads that some hosts send; the connection ends."""
    transport = request.transport
    if transport is not None:
        transport.write(head)
        stop = 0 if request.method == "HEAD" else answer.stop
        async with aclosing(network.blocks(answer.body, stop, answer.rate)) as blocks:
            async for block in blocks:
                transport.write(b"%x\r\n%b\r\n" % (len(block), block) if answer.chunked else block)
                served.sent += len(block)
        if answer.chunked:
            transport.write(b"0\r\n\r\n")
    await _end(request, Ending.CLOSE)


async def _end(request: web.BaseRequest, ending: Ending) -> NoReturn:
    """Leave the client without the rest; ends when the connection is gone."""
    transport = request.transport
    if transport is not None and ending is Ending.RESET:
        await _delivered(transport)
        # Closing a socket that lingers for no time at all sends RST instead of FIN.
        lingering = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, lingering
        )
        transport.abort()
    elif transport is not None and ending is Ending.CLOSE:
        transport.close()
    # The server cancels a handler whose connection is lost, or when it stops.
    await asyncio.Event().wait()
    raise AssertionError("nobody sets that event")


async def _delivered(transport: asyncio.Transport) -> None:
    """Wait until what was written has left the process, and a moment for the kernel."""
    # A transport tells nobody when its buffer has run empty.
    while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.02)
