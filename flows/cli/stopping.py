"""A command that is told to stop, by Ctrl-C or SIGTERM, and does so in time.

Prefect tells its server that the run crashed, and waits and asks again where the server does not
answer; so do its threads at the end of the process. What was downloaded depends on none of that.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from types import FrameType

__all__ = ["Stopped", "go_on", "stoppable"]

PATIENCE = 25.0
"""Seconds for what a run has to say when it is told to stop: Kubernetes kills after 30."""


class Stopped(Exception):
    """The command was told to stop, by the signal of that number."""

    def __init__(self, number: int) -> None:
        super().__init__("stopped; what was finished is kept, and the same call goes on from there")
        self.number = number

    @property
    def status(self) -> int:
        """The exit status that says so."""
        return 128 + self.number


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM raise, as Ctrl-C does, and have the process end within `PATIENCE` after either.

    So it is to end once `Stopped` was raised: that is watched as well.

    Raises:
        Stopped: instead of whatever the signal led to.
    """
    # Imported where it is used: every flow imports this module, and that one takes long.
    from flows.cli.server import kill_servers

    handler = signal.signal(signal.SIGTERM, _terminate)
    watch = _Watch(kill_servers)
    _watches.append(watch)
    # Every signal writes its number there, whoever handles it. While a flow runs, Prefect replaces
    # our handler, and passes SIGTERM on to it only after it has told its server (`capture_sigterm`
    # in prefect 3.8.8): a deadline set by the handler would come too late where no server answers.
    before = signal.set_wakeup_fd(watch.told, warn_on_full_buffer=False)
    try:
        yield
    except BaseException as error:
        if (number := watch.number or _number_of(error)) is None:
            watch.over.set()
            raise
        watch.stopped = Stopped(number)
        raise watch.stopped from error
    else:
        watch.over.set()
    finally:
        signal.signal(signal.SIGTERM, handler)
        signal.set_wakeup_fd(before)
        os.close(watch.told)
        _watches.remove(watch)


def go_on() -> None:
    """Go on with the next piece of work, unless the command was told to stop.

    Prefect keeps that to itself at the very end of a flow run, or raises what its server answered.

    Raises:
        KeyboardInterrupt: where it was told.
    """
    if any(watch.number for watch in _watches):
        raise KeyboardInterrupt


class _Terminated(BaseException):
    """SIGTERM came; Prefect's flows record it and pass it on."""


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated


def _number_of(error: BaseException | None) -> int | None:
    """Tell which signal raised this, or what it came of: `_Watch` may not have looked yet."""
    numbers = {KeyboardInterrupt: signal.SIGINT, _Terminated: signal.SIGTERM}
    while error is not None:
        if number := numbers.get(type(error)):
            return number
        error = error.__context__
    return None


class _Watch:
    """Ends the process, if it has not ended so long after it was told to, once `left` was called.

    `over` says that it need not any more; `stopped`, that it has said that it was stopped.
    """

    def __init__(self, left: Callable[[], None]) -> None:
        self._left = left
        self.number: int | None = None
        self.stopped: Stopped | None = None
        self.over = Event()
        self._heard, self.told = os.pipe()
        os.set_blocking(self.told, False)
        # Before there is a signal: who handles one may be in the middle of starting a thread.
        Thread(target=self._serve, name="stopping", daemon=True).start()

    def _serve(self) -> None:
        with os.fdopen(self._heard, "rb", buffering=0) as signals:
            while (read := signals.read(1)) and read[0] not in (signal.SIGINT, signal.SIGTERM):
                pass
        if not read:
            return
        self.number = read[0]
        if self.over.wait(PATIENCE):
            return
        stopped = Stopped(self.number)
        try:
            self._left()
            if self.stopped is None:
                print(stopped, file=sys.stderr, flush=True)
        finally:
            os._exit(stopped.status)


_watches: list[_Watch] = []
"""Those of the commands that are under way in this process: one, or none."""
