"""What came whole, checked and sent to a store elsewhere, beside the connections that fetch.

`placing` does it for a folder, where a few threads have all that the disk takes. Here each waits
for an answer over the network, so there are as many as there are files to send, up to a bound.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

from imgur_mirror.download.attempt import FetchAttempt
from imgur_mirror.models import Download
from imgur_mirror.store.fsspec_client import AT_ONCE

__all__ = ["uploaded"]


def uploaded(attempt: FetchAttempt, record: Callable[[Download], None]) -> Future[bool]:
    """Begin to check and send what an attempt has; see `placing.commit`."""
    return _pool(os.getpid()).submit(_upload, attempt, record)


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Give the threads of this process; a forked one has its own, as it has no threads."""
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"uploading-{process}")


def _upload(attempt: FetchAttempt, record: Callable[[Download], None]) -> bool:
    if not attempt.complete():
        return False
    record(attempt.place())
    return True
