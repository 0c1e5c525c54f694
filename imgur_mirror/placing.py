"""What came whole, checked and brought to its place beside the connections: several at a time.

Each file is synced by itself: what other programs write to the same disk is not waited for. Several
threads do that at once, since the file system commits together what they sync. A file gets its name
no sooner: at any instant, also after a loss of power, it is whole.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Protocol

from imgur_mirror.disk import said
from imgur_mirror.exchange import Exchange
from imgur_mirror.models import Download
from imgur_mirror.uploading import uploaded

__all__ = ["placed", "placed_async"]

THREADS = 8
"""Files that are synced at the same time, each by a thread that waits for the disk."""

MOST = 64
"""Files that are brought to the disk together, so that the first does not wait for long."""


class Checked(Protocol):
    """Something that came: `Exchange` has these of an image."""

    def complete(self) -> bool:
        """Check it and write it down; false where there is more to ask for."""

    @property
    def unsynced(self) -> int | None:
        """The descriptor of what has to reach the disk before it is placed."""


@dataclass(slots=True)
class Finished:
    """What has all that was asked for, and who is to be told of what became of it.

    `place` brings it to its name in `folder`. `loop` is that of an asyncio future; `outcome` is
    what the future gets.
    """

    what: Checked
    folder: Path
    place: Callable[[], None]
    future: Future[bool] | asyncio.Future[bool]
    loop: asyncio.AbstractEventLoop | None = None
    outcome: bool | BaseException = True

    @contextmanager
    def faults_told(self) -> Iterator[None]:
        """Hand what goes wrong to who waits, and keep it from the other files."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self.outcome = error


def placed(exchange: Exchange, record: Callable[[Download], None]) -> Future[bool]:
    """Begin to check and place what an exchange has; true when done, false to ask for more.

    `record` is called with the outcome before that, in another thread. The future raises what
    `Exchange.complete` and `Exchange.place` do.
    """
    if exchange.folder.remote:
        return uploaded(exchange, record)
    future: Future[bool] = Future()
    queue(finished(exchange, record, future))
    return future


def placed_async(exchange: Exchange, record: Callable[[Download], None]) -> asyncio.Future[bool]:
    """Do as `placed` does, for the running event loop, which is woken once for several files."""
    if exchange.folder.remote:
        return asyncio.wrap_future(uploaded(exchange, record))
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bool] = loop.create_future()
    queue(finished(exchange, record, future, loop))
    return future


def queue(one: Finished) -> None:
    """Have the threads of this process check and place it, with others."""
    _queue_of(os.getpid()).put(one)


def tell(some: Iterable[Finished]) -> None:
    """Tell who waits what became of each; for asyncio futures, on their loop."""
    for one in some:
        if one.future.done():
            continue  # cancelled
        if isinstance(one.outcome, BaseException):
            one.future.set_exception(one.outcome)
        else:
            one.future.set_result(one.outcome)


def finished(
    exchange: Exchange,
    record: Callable[[Download], None],
    future: Future[bool] | asyncio.Future[bool],
    loop: asyncio.AbstractEventLoop | None = None,
) -> Finished:
    """Say of an exchange how it is placed, and who waits for that."""

    def place() -> None:
        record(exchange.place())

    return Finished(exchange, exchange.folder.here, place, future, loop)


_queues: dict[int, SimpleQueue[Finished]] = {}
_making = Lock()


def _queue_of(process: int) -> SimpleQueue[Finished]:
    """Give the queue of this process; a forked one has its own, as it has no threads."""
    if process not in _queues:
        with _making:
            if process not in _queues:
                _queues[process] = _served_queue()
    return _queues[process]


def _served_queue() -> SimpleQueue[Finished]:
    waiting: SimpleQueue[Finished] = SimpleQueue()
    for number in range(THREADS):
        name = f"placing-{number}"
        Thread(target=_serve, args=[waiting], name=name, daemon=True).start()
    return waiting


def _serve(waiting: SimpleQueue[Finished]) -> None:
    while True:
        _place([waiting.get(), *_more_of(waiting)])


def _more_of(waiting: SimpleQueue[Finished]) -> Iterator[Finished]:
    """Give this thread's share of what has come meanwhile."""
    try:
        for _ in range(min(MOST, waiting.qsize() // THREADS)):
            yield waiting.get_nowait()
    except Empty:
        return


def _place(some: list[Finished]) -> None:
    for one in [one for one in some if _is_complete(one)]:
        with one.faults_told():
            if one.what.unsynced is not None:
                with said(one.folder):
                    os.fdatasync(one.what.unsynced)
            one.place()
    for loop, told in groupby(some, key=lambda one: one.loop):
        if loop is None:
            tell(told)
        else:
            # A loop that is closed has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, list(told))


def _is_complete(one: Finished) -> bool:
    """Tell whether there is something to place; not where more is asked for, or it is wrong."""
    with one.faults_told():
        one.outcome = one.what.complete()
    return one.outcome is True
