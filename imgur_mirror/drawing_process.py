"""Pictures drawn by another process, which imports the chart library while a run downloads.

To import it takes half a second of an interpreter that the downloads have better use for, and
40 MB. A thread would have to be waited for as well by a run that is stopped: a process that ends
while one of its threads imports the library is aborted. Whatever goes wrong in the other process is
done in this one instead, which says what is wrong.
"""

import atexit
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from subprocess import DEVNULL
from threading import RLock
from typing import IO, ParamSpec, TypeVar, cast

from imgur_mirror.child_process import child_process

__all__ = ["drawn", "prepare"]

READY = b"ready to draw\n"

P = ParamSpec("P")
T = TypeVar("T")


class _DrawingProcess:
    """The process, as the one that asks it has it."""

    def __init__(self) -> None:
        self._process = child_process(__name__, stderr=DEVNULL)
        self._questions = cast(IO[bytes], self._process.stdin)
        self._answers = cast(IO[bytes], self._process.stdout)
        self._ready = False

    @property
    def is_alive(self) -> bool:
        """Whether it still is there."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Return when it has imported what it draws with; raises `EOFError` where it cannot."""
        # Whatever else is printed as an interpreter starts comes before.
        while not self._ready:
            line = self._answers.readline()
            if not line:
                raise EOFError
            self._ready = line == READY

    def drawn(self, draw: Callable[P, T], *about: P.args, **options: P.kwargs) -> T:
        """Have it drawn there; raises what pipes and pickles do where that does not go well."""
        pickle.dump((draw, about, options), self._questions)
        self._questions.flush()
        self.wait()
        return cast(T, pickle.load(self._answers))  # noqa: S301 - of our own process

    def end(self) -> None:
        """End it, whatever it is at."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._questions, self._answers):
            with suppress(OSError):
                pipe.close()


_processes: dict[int, _DrawingProcess] = {}
"""That of this process, by its number: a forked one starts its own."""

_one_at_a_time = RLock()


def prepare(*, wait: bool = False) -> None:
    """Start the process that draws, unless there is one; and `wait` until it can.

    Where there can be none, this process draws.
    """
    with _one_at_a_time, _done_without():
        if (process := _processes.get(os.getpid())) and not process.is_alive:
            _end()
        if os.getpid() not in _processes:
            _processes[os.getpid()] = _DrawingProcess()
            atexit.register(_end)
        if wait:
            _processes[os.getpid()].wait()


def drawn(draw: Callable[P, T], *about: P.args, **options: P.kwargs) -> T:
    """Give what a function draws: in the process that was prepared, or else in this one.

    The function, what it is called with and what it gives have to be such as can be pickled.
    """
    with _one_at_a_time, _done_without():
        if process := _processes.get(os.getpid()):
            return process.drawn(draw, *about, **options)
    return draw(*about, **options)


@contextmanager
def _done_without() -> Iterator[None]:
    """Pass over what goes wrong, and end the process then.

    Nobody would know any more which question its next answer is to.
    """
    try:
        yield
    except BaseException as error:
        _end()
        if not isinstance(error, Exception):
            raise


def _end() -> None:
    atexit.unregister(_end)
    if process := _processes.pop(os.getpid(), None):
        process.end()


def _main() -> None:
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    import matplotlib.backends.backend_svg
    import matplotlib.figure  # noqa: F401 - it takes long, and is what this process is for

    answers.write(b"\n" + READY)
    answers.flush()
    with suppress(EOFError, BrokenPipeError):
        while True:
            draw, about, options = pickle.load(questions)  # noqa: S301 - of who started this
            pickle.dump(draw(*about, **options), answers)
            answers.flush()


if __name__ == "__main__":
    _main()
