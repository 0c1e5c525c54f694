"""Commits what was downloaded: checks it, syncs it to the disk, and renames it to its name.

A file gets its name only after its bytes are on the disk, so at any instant, also after a loss of
power, it is whole. Committing threads wait for the disk, so that no event loop does; they sync
several files at once, which the file system commits together.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread

from imgur_mirror.download.attempt import FetchAttempt
from imgur_mirror.download.uploading import uploaded
from imgur_mirror.models import Download

__all__ = ["commit", "commit_async"]

THREADS = 8
"""Files that are committed at the same time."""


@dataclass(frozen=True, slots=True)
class PendingCommit:
    """A download that waits to be committed, and the future that waits for it."""

    attempt: FetchAttempt
    record: Callable[[Download], None]
    future: Future[bool]

    def run(self) -> None:
        """Commit it, unless that was cancelled, and notify the waiting future."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            complete = self.attempt.complete()
            if complete:
                self.record(self.attempt.place())
        except BaseException as error:  # noqa: BLE001 - raised where the future is waited for
            self.future.set_exception(error)
        else:
            self.future.set_result(complete)


def commit(attempt: FetchAttempt, record: Callable[[Download], None]) -> Future[bool]:
    """Begin to commit what an attempt has; true when done, false if there is more to ask for.

    `record` is called with the outcome before that, in another thread. The future raises what
    `FetchAttempt.complete` and `FetchAttempt.place` do.
    """
    if attempt.folder.remote:
        return uploaded(attempt, record)
    future: Future[bool] = Future()
    _queue().put(PendingCommit(attempt, record, future))
    return future


def commit_async(attempt: FetchAttempt, record: Callable[[Download], None]) -> asyncio.Future[bool]:
    """Do as `commit` does, for the running event loop."""
    return asyncio.wrap_future(commit(attempt, record))


_queues: dict[int, SimpleQueue[PendingCommit]] = {}
_starting = Lock()


def _queue() -> SimpleQueue[PendingCommit]:
    """Return the queue of this process; a forked one starts its own threads."""
    process = os.getpid()
    if process not in _queues:
        with _starting:
            if process not in _queues:
                _queues[process] = _start_threads()
    return _queues[process]


def _start_threads() -> SimpleQueue[PendingCommit]:
    pending: SimpleQueue[PendingCommit] = SimpleQueue()
    for number in range(THREADS):
        # Daemons, and so no executor: that takes no more commits once the interpreter exits,
        # while threads that still download have some.
        Thread(target=_serve, args=[pending], name=f"committer-{number}", daemon=True).start()
    return pending


def _serve(pending: SimpleQueue[PendingCommit]) -> None:
    while True:
        pending.get().run()
