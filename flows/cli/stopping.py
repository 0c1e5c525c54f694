"""A command that is told to stop, by Ctrl-C or SIGTERM, exits in time.

Prefect reports the crash to its server, and retries for long where that does not answer; so do its
threads when the process exits. What was downloaded does not depend on that.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from types import FrameType

__all__ = ["Stopped", "is_stopping", "raise_if_stopped", "stoppable"]

GRACE_SECONDS = 25.0
"""From the signal to the end of the process, at most: Kubernetes kills after 30."""


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
    """Let SIGTERM raise, as Ctrl-C does, and exit at most `GRACE_SECONDS` after either.

    The caller is to exit once `Stopped` was raised: if it does not, the process is ended all the
    same.

    Raises:
        Stopped: instead of whatever the signal led to.
    """
    # Imported where it is used: it is slow to import, and every flow imports this module.
    from flows.cli.server import kill_servers

    handler = signal.signal(signal.SIGTERM, _terminate)
    watch = _Watch(kill_servers)
    _watches.append(watch)
    # Python writes every signal's number there, whoever handles it. While a flow runs, Prefect
    # replaces our handler, and passes SIGTERM on to it only after it has told its server
    # (`capture_sigterm` in prefect 3.9.1): a deadline set by the handler would come too late where
    # no server answers.
    before = signal.set_wakeup_fd(watch.signals, warn_on_full_buffer=False)
    hook, sys.unraisablehook = sys.unraisablehook, partial(_print_unless_told, sys.unraisablehook)
    try:
        yield
    except BaseException as error:
        if (number := watch.number or _number_of(error)) is None:
            watch.ended.set()
            raise
        watch.stopped = Stopped(number)
        raise watch.stopped from error
    else:
        watch.ended.set()
    finally:
        signal.signal(signal.SIGTERM, handler)
        signal.set_wakeup_fd(before)
        os.close(watch.signals)
        if watch.stopped is None:
            _watches.remove(watch)
            sys.unraisablehook = hook


def _print_unless_told(
    hook: Callable[["sys.UnraisableHookArgs"], object], what: "sys.UnraisableHookArgs"
) -> None:
    """Say nothing of a signal that met a callback, which cannot raise: the watch ends the process.

    Python would print it with its traceback, before the one sentence that the command ends with.
    """
    if not is_stopping() and _number_of(what.exc_value) is None:
        hook(what)


def raise_if_stopped() -> None:
    """Raise KeyboardInterrupt if the command was told to stop, before the next piece of work.

    At the very end of a flow run Prefect swallows the signal, or raises what its server answered.
    """
    if is_stopping():
        raise KeyboardInterrupt


def is_stopping() -> bool:
    """Return whether the command was told to stop."""
    return any(watch.number for watch in _watches)


class _Terminated(BaseException):
    """SIGTERM came; a flow's engine records the crash and raises it again."""


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated


def _number_of(error: BaseException | None) -> int | None:
    """Find the signal in the chain of an error: `_Watch` may not have read it yet."""
    # Imported where it is used: see `stoppable`.
    from prefect.exceptions import TerminationSignal

    numbers: dict[type[BaseException], int] = {
        KeyboardInterrupt: signal.SIGINT,
        _Terminated: signal.SIGTERM,
        TerminationSignal: signal.SIGTERM,
    }
    while error is not None:
        if number := numbers.get(type(error)):
            return number
        error = error.__context__
    return None


class _Watch:
    """Ends the process by force `GRACE_SECONDS` after a signal, once `clean_up` was called.

    The command sets `ended` when no signal is to end the process any more, and `stopped` when it
    reports itself that it was stopped.
    """

    def __init__(self, clean_up: Callable[[], None]) -> None:
        self._clean_up = clean_up
        self.number: int | None = None
        self.stopped: Stopped | None = None
        self.ended = Event()
        self._reader, self.signals = os.pipe()
        os.set_blocking(self.signals, False)
        # Started before there is a signal: its handler may interrupt the start of another thread.
        Thread(target=self._serve, name="stopping", daemon=True).start()

    def _serve(self) -> None:
        # Read to the end of the process: Prefect sends itself the signal again, and Python says so
        # on stderr where nobody has the other end of the pipe any more.
        with os.fdopen(self._reader, "rb", buffering=0) as signals:
            while (read := signals.read(1)) and read[0] not in (signal.SIGINT, signal.SIGTERM):
                pass
            if read:
                self.number = read[0]
                self._end(Stopped(self.number))

    def _end(self, stopped: Stopped) -> None:
        if self.ended.wait(GRACE_SECONDS):
            return
        try:
            self._clean_up()
            if self.stopped is None:
                print(stopped, file=sys.stderr, flush=True)
        finally:
            os._exit(stopped.status)


_watches: list[_Watch] = []
"""Of the command that runs in this process, if one does, or was stopped and is to exit."""
