"""A command that is told to stop, by Ctrl-C or SIGTERM, and does so in time.

Prefect tells its server that the run crashed, and waits and asks again where the server does not
answer; so do its threads at the end of the process. What was downloaded depends on none of that.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from flows.server import kill_servers

__all__ = ["STOPPED", "Terminated", "stoppable"]

PATIENCE = 30.0
"""Seconds for what a run has to say when it is told to stop; service managers wait as long."""

STOPPED = "stopped; what was finished is kept, and the same call goes on from there"


class Terminated(BaseException):
    """SIGTERM came; Prefect's flows record it and pass it on."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM raise `Terminated`, and end the process if it still is there after `PATIENCE`.

    Its status is then 128 and the signal's number, as it is if it ends by itself.
    """

    def terminate(*_: object) -> None:
        raise Terminated

    heard, told = os.pipe()
    os.set_blocking(told, False)
    over = Event()
    handler = signal.signal(signal.SIGTERM, terminate)
    wakeup = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    # Started before there is a signal: whoever handles one may be at the start of a thread.
    Thread(target=_watch, args=[heard, over], name="stopping", daemon=True).start()
    try:
        yield
        over.set()
    except (KeyboardInterrupt, Terminated):
        raise  # and is still watched: the process has not ended
    except BaseException:
        over.set()
        raise
    finally:
        signal.signal(signal.SIGTERM, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(told)


def _watch(heard: int, over: Event) -> None:
    """Wait for the signal, and then for the end of the process."""
    with os.fdopen(heard, "rb", buffering=0) as signals:
        while number := signals.read(1):
            if number[0] in (signal.SIGINT, signal.SIGTERM) and not over.wait(PATIENCE):
                print(STOPPED, file=sys.stderr, flush=True)
                kill_servers()
                os._exit(128 + number[0])
