"""Images over the wire with requests: for threads and processes, each with a connection of its own.

`transfer_async` is the same for an event loop; the two differ only where they wait. All that they
decide is in `attempt`, all that they remember in `batch`.
"""

import time
from collections.abc import Iterator
from contextlib import suppress

import requests
import urllib3

from imgur_mirror.download.attempt import BLOCK, FAILURES, SMALL, FetchAttempt, unexpected
from imgur_mirror.download.batch import Batch, BatchRun
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
    with BatchRun(batch, folder, wire) as work:
        for attempt in work.attempts():
            with attempt:
                _fetch(session, attempt, work, wire)
        return work.result()


def _fetch(session: requests.Session, attempt: FetchAttempt, work: BatchRun, wire: Wire) -> None:
    try:
        attempt.check()
        while True:
            while attempt.asking:
                _wait(work)
                _ask(session, attempt, work, wire)
            if commit(attempt, work.record).result():
                return
    except (*FAILURES, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        work.give_up(attempt, error)
    except Exception as error:  # noqa: BLE001 - every image ends as an outcome
        work.give_up(attempt, unexpected(error))


def _wait(work: BatchRun) -> None:
    for seconds in work.pace.waits():
        time.sleep(seconds)


def _ask(session: requests.Session, attempt: FetchAttempt, work: BatchRun, wire: Wire) -> None:
    proxy = work.proxies.of(attempt.url)
    response = session.get(
        attempt.url,
        headers=attempt.headers,
        proxies={"http": proxy, "https": proxy} if proxy else {},
        stream=True,
        allow_redirects=False,
        timeout=(wire.connect_timeout, wire.read_timeout),
    )
    wanted = False
    try:
        wanted = attempt.accept(response.status_code, response.headers)
        if wanted:
            for block in _blocks(response):
                attempt.write(block)
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
