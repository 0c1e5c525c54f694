"""What is slow to start, started in the background while a run does something else."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from threading import Event, Lock, Thread

__all__ = ["warm", "warming"]

Started = Callable[[], AbstractContextManager[str]]


class _Warm:
    """A cluster that a thread starts, keeps, and closes when it is over."""

    def __init__(self, workers: int, prepare: Callable[[], Started]) -> None:
        self.workers = workers
        self.address: Future[str] = Future()
        self._prepare = prepare
        self._over = Event()
        self._deciding = Lock()
        self._is_started = False
        # A daemon: what was not wanted after all keeps no process from its end.
        self._thread = Thread(target=self._serve, name="warm-up", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the cluster; one that is only being prepared is given up, and not waited for."""
        with self._deciding:
            self._over.set()
            is_started = self._is_started
        if is_started:
            self._thread.join()

    def _serve(self) -> None:
        try:
            start = self._prepare()
            with self._deciding:
                if self._over.is_set():
                    return
                self._is_started = True
            with start() as address:
                self.address.set_result(address)
                self._over.wait()
        except BaseException as error:
            if self.address.done():
                raise
            # Whoever asks for the address is told.
            self.address.set_exception(error)


_warm: ContextVar[_Warm | None] = ContextVar("warm", default=None)


@contextmanager
def warming(workers: int, prepare: Callable[[], Started]) -> Iterator[None]:
    """Start a cluster of so many workers in the background, for all that runs inside.

    `prepare` does what takes longest and may be given up half-way; what it returns starts the
    cluster and gives its address. One inside another, of as many workers, uses the outer one's.
    """
    outer = _warm.get()
    if outer is not None and outer.workers == workers:
        yield
        return
    mine = _Warm(workers, prepare)
    token = _warm.set(mine)
    try:
        yield
    finally:
        _warm.reset(token)
        mine.close()


def warm(workers: int) -> str | None:
    """Give the address of the cluster that was started for this, once it is; None without one."""
    mine = _warm.get()
    return mine.address.result() if mine is not None and mine.workers == workers else None
