"""Commits what was downloaded, beside the connections that download.

A file gets its name only after its bytes are on the disk, so at any instant, also after a loss of
power, it is whole. Committing threads wait for that, so that no event loop does. How many there are
depends on the store: a disk syncs a few files together, and an object store takes many at once.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread

from imgur_mirror.download.actions import Ask, Commit, Done
from imgur_mirror.models import Download
from imgur_mirror.store import AlbumFolder
from imgur_mirror.store.fsspec_client import AT_ONCE

__all__ = ["commit", "commit_async"]

DISK_THREADS = 8
"""Files that are committed to a folder of this machine at the same time."""

Record = Callable[[Download], None]


def commit(work: Commit, folder: AlbumFolder, record: Record) -> "Future[Ask | Done]":
    """Begin to commit in another thread, which calls `record` before the future has a result.

    The future raises what `Commit.finish` does.
    """
    future: Future[Ask | Done] = Future()
    _queue(folder.capabilities.local).put(PendingCommit(work, record, future))
    return future


def commit_async(work: Commit, folder: AlbumFolder, record: Record) -> "asyncio.Future[Ask | Done]":
    """Do as `commit` does, for the running event loop."""
    return asyncio.wrap_future(commit(work, folder, record))


@dataclass(frozen=True, slots=True)
class PendingCommit:
    """What is to be committed, and the future that waits for it."""

    work: Commit
    record: Record
    future: "Future[Ask | Done]"

    def run(self) -> None:
        """Commit it, unless that was cancelled, and notify the waiting future."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            action = self.work.finish()
            if isinstance(action, Done):
                self.record(action.download)
        except BaseException as error:  # noqa: BLE001 - raised where the future is waited for
            self.future.set_exception(error)
        else:
            self.future.set_result(action)


_Queue = SimpleQueue[PendingCommit]
_queues: dict[tuple[int, bool], _Queue] = {}
_starting = Lock()


def _queue(local: bool) -> _Queue:
    """Return this process's queue for a kind of store; a forked process has its own threads."""
    key = os.getpid(), local
    if key not in _queues:
        with _starting:
            if key not in _queues:
                _queues[key] = _start_threads(DISK_THREADS if local else AT_ONCE)
    return _queues[key]


def _start_threads(count: int) -> _Queue:
    pending: _Queue = SimpleQueue()
    for number in range(count):
        # Daemons, and so no executor: that takes no more commits once the interpreter exits,
        # while threads that still download have some.
        Thread(target=_serve, args=[pending], name=f"committer-{number}", daemon=True).start()
    return pending


def _serve(pending: _Queue) -> None:
    while True:
        pending.get().run()
