"""Images over the wire with requests: for threads and processes, each with a connection of its own.

`transfer_async` is the same for an event loop; the two differ only where they wait. All that they
decide is in `exchange`, all that they remember in `batch`.
"""

import time
from collections.abc import Iterator
from contextlib import suppress

import requests
import urllib3

from imgur_mirror.download.attempt import BLOCK, FAILURES, SMALL, Exchange, unexpected
from imgur_mirror.download.batch import Batch, Work
from imgur_mirror.download.committer import commit
from imgur_mirror.http.requests_session import thread_session
from imgur_mirror.models import Download
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder

__all__ = ["fetch_batch"]


def fetch_batch(batch: Batch, folder: AlbumFolder, wire: Wire) -> tuple[Download, ...]:
    """Fetch a batch over this thread's connection, one image after another.

    Raises:
        BatchFailed: where an image failed, after all others were tried.
    """
    session = thread_session(wire)
    with Work(batch, folder, wire) as work:
        for exchange in work.exchanges():
            with exchange:
                _fetch(session, exchange, work, wire)
        return work.result()


def _fetch(session: requests.Session, exchange: Exchange, work: Work, wire: Wire) -> None:
    try:
        exchange.check()
        while True:
            while exchange.asking:
                _wait(work)
                _ask(session, exchange, work, wire)
            if commit(exchange, work.record).result():
                return
    except (*FAILURES, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        work.give_up(exchange, error)
    except Exception as error:  # noqa: BLE001 - every image ends as an outcome
        work.give_up(exchange, unexpected(error))


def _wait(work: Work) -> None:
    for seconds in work.pace.waits():
        time.sleep(seconds)


def _ask(session: requests.Session, exchange: Exchange, work: Work, wire: Wire) -> None:
    proxy = work.proxies.of(exchange.url)
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
