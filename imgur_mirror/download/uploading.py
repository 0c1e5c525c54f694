"""What came whole, checked and sent to a store elsewhere, beside the connections that fetch.

`placing` does it for a folder, where a few threads have all that the disk takes. Here each waits
for an answer over the network, so there are as many as there are files to send, up to a bound.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

from imgur_mirror.download.attempt import Exchange
from imgur_mirror.models import Download
from imgur_mirror.store.fsspec_client import AT_ONCE

__all__ = ["uploaded"]


def uploaded(exchange: Exchange, record: Callable[[Download], None]) -> Future[bool]:
    """Begin to check and send what an exchange has; see `placing.commit`."""
    return _pool(os.getpid()).submit(_upload, exchange, record)


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Give the threads of this process; a forked one has its own, as it has no threads."""
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"uploading-{process}")


def _upload(exchange: Exchange, record: Callable[[Download], None]) -> bool:
    if not exchange.complete():
        return False
    record(exchange.place())
    return True
