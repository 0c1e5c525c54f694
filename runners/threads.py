"""Prefect's thread pool, but for how it is left when a run is cancelled: at once."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from prefect.task_runners import ThreadPoolTaskRunner

from runners.prefect_internals import take_executor, use_executor

__all__ = ["ThreadTaskRunner"]

P = ParamSpec("P")
T = TypeVar("T")
Call = tuple[Future[Any], Callable[[], Any]]


class ThreadTaskRunner(ThreadPoolTaskRunner[Any]):
    """`ThreadPoolTaskRunner` that drains, and does not wait when an exception leaves it.

    A thread that waits for the network can't be interrupted, and Ctrl-C would wait for the whole
    batch that it fetches. Here it is left to end with its process: what it writes is safe from
    that, as from any crash.
    """

    def __enter__(self) -> Self:
        super().__enter__()
        use_executor(self, _DaemonThreads)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        executor = take_executor(self)
        try:
            if exc_type is None:
                executor.shutdown()
        finally:
            # Ctrl-C may have come while it drained.
            executor.shutdown(wait=False, cancel_futures=True)
            super().__exit__(exc_type, exc_value, traceback)


class _DaemonThreads(Executor):
    """A `ThreadPoolExecutor` of daemons: the end of the process does not wait for them."""

    def __init__(self, max_workers: int, initializer: Callable[[], None]) -> None:
        self._max_workers = max_workers
        self._initializer = initializer
        self._threads: list[Thread] = []
        self._calls: SimpleQueue[Call | None] = SimpleQueue()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._calls.put((future, lambda: fn(*args, **kwargs)))
        if len(self._threads) < self._max_workers:
            thread = Thread(target=self._work, daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        while cancel_futures:
            try:
                call = self._calls.get_nowait()
            except Empty:
                break
            if call is not None:
                call[0].cancel()
        for _ in self._threads:
            self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _work(self) -> None:
        self._initializer()
        while call := self._calls.get():
            future, act = call
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(act())
                except BaseException as error:  # noqa: BLE001 - it is the caller's
                    future.set_exception(error)
