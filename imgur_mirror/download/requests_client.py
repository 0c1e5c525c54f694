"""Images over the wire with requests: for threads and processes, each with its own connection.

`aiohttp_client` is the same for an event loop; the two differ only where they wait. What they
decide is in `attempt`, what they remember in `batch`.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import requests
import urllib3

from imgur_mirror.download.actions import Action, Ask, Commit, Done, GiveUp, ReadBody
from imgur_mirror.download.attempt import BLOCK, MAX_DRAINED, FetchAttempt
from imgur_mirror.download.batch import Batch, BatchRun
from imgur_mirror.download.committer import commit
from imgur_mirror.download.errors import RetryableError, connection_failure
from imgur_mirror.http import Headers
from imgur_mirror.http.requests_session import get, thread_session
from imgur_mirror.models import Download
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder

__all__ = ["ask_once", "fetch_batch"]

LIBRARY_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError)


def fetch_batch(
    batch: Batch, folder: AlbumFolder, wire: Wire, must_store: bool = False
) -> tuple[Download, ...]:
    """Fetch a batch over this thread's connection, and return the outcomes of its images.

    Raises:
        StoreAway: where the store does not answer as the batch begins.
        StoreError: with `must_store`, where the store cannot be written.
    """
    session = thread_session(wire)
    worker = f"{os.getpid()}/{threading.get_ident()}"
    with BatchRun(batch, folder, wire, must_store) as run:
        for byte_range in batch.byte_ranges:
            for attempt in run.attempts_of(byte_range, worker):
                with run.fetching(attempt, LIBRARY_ERRORS):
                    _fetch(session, attempt, run)
            if row := run.pending_work(byte_range):
                run.work_on(row, worker)
        return run.outcomes()


def ask_once(attempt: FetchAttempt, ask: Ask, run: BatchRun) -> Action:
    """Send one request for who fetches with another library; blocks.

    Raises:
        RetryableError: where the connection fails, besides what the attempt raises.
    """
    try:
        return _ask(thread_session(attempt.spec.wire), attempt, ask, run)
    except LIBRARY_ERRORS as error:
        raise RetryableError(connection_failure(error)) from error


def _fetch(session: requests.Session, attempt: FetchAttempt, run: BatchRun) -> None:
    action: Action = attempt.start()
    while not isinstance(action, Done):
        match action:
            case Ask():
                _wait(run)
                action = _ask(session, attempt, action, run)
            case Commit():
                action = commit(action, attempt.spec.folder, run.record).result()
            case GiveUp(error):
                raise error


def _wait(run: BatchRun) -> None:
    for seconds in run.pace.waits():
        time.sleep(seconds)


def _ask(session: requests.Session, attempt: FetchAttempt, ask: Ask, run: BatchRun) -> Action:
    wire = attempt.spec.wire
    proxy = run.proxies.of(ask.url)
    timeout = wire.connect_timeout, wire.read_timeout
    response = get(session, ask.url, attempt.headers(ask), proxy, timeout)
    # A connection whose response was read to its end is back in its pool before it is closed.
    with closing(response):
        action = attempt.accept(ask, response.status_code, Headers(response.raw.headers.items()))
        if not isinstance(action, ReadBody):
            _drain(response)
            return action
        for block in _blocks(response):
            attempt.write(block)
        return Commit(attempt.finish)


def _blocks(response: requests.Response) -> Iterator[bytes]:
    # read1 gives what has come: when a connection breaks, nothing that was received is lost.
    while block := response.raw.read1(BLOCK, decode_content=False):
        yield block


def _drain(response: requests.Response) -> None:
    left = response.raw.length_remaining
    if left is not None and left <= MAX_DRAINED:
        with suppress(OSError, urllib3.exceptions.HTTPError):
            response.raw.read(MAX_DRAINED, decode_content=False)
