"""A task runner of threads, which does not wait for them when a run is cancelled."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from prefect.client.schemas.objects import RunInput
from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect.task_runners import TaskRunner
from prefect.tasks import Task

__all__ = ["ThreadTaskRunner"]

Call = tuple[Future[Any], Callable[[], Any]]


class ThreadTaskRunner(TaskRunner[PrefectConcurrentFuture[Any]]):
    """Runs tasks in at most `max_workers` threads, as Prefect's `ThreadPoolTaskRunner` does.

    Leaving drains what was submitted. Leaving with an exception cancels what has not begun, and
    does not wait for the rest: a thread that waits for the network can't be interrupted, and Ctrl-C
    would wait for the whole batch that it fetches. It is left to end with its process: what it
    writes is safe from that, as from any crash.
    """

    def __init__(self, max_workers: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Prefect's is untyped
        self._max_workers = max_workers
        self._threads: _DaemonThreads | None = None
        self._cancelled = Event()

    def duplicate(self) -> Self:
        return type(self)(self._max_workers)

    def __enter__(self) -> Self:
        super().__enter__()
        self._threads = _DaemonThreads(self._max_workers)
        self._cancelled = Event()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        threads, self._threads = self._threads, None
        if threads is None:
            raise RuntimeError("the task runner is not started")
        try:
            if exc_type is None:
                threads.drain()
        except BaseException:
            # Ctrl-C while it drains, for one.
            exc_type = KeyboardInterrupt
            raise
        finally:
            if exc_type is not None:
                self._cancelled.set()
                threads.cancel()
            super().__exit__(exc_type, exc_value, traceback)

    def submit(
        self,
        task: Task[..., Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[RunInput]] | None = None,
    ) -> PrefectConcurrentFuture[Any]:
        # Imported where it is used: it takes long, and who imports a flow may not run it.
        from prefect.task_engine import run_task_async, run_task_sync

        if self._threads is None:
            raise RuntimeError("the task runner is not started: enter it before submitting")
        task_run_id = uuid4()
        call: dict[str, Any] = {
            "task": task,
            "task_run_id": task_run_id,
            "parameters": parameters,
            "wait_for": wait_for,
            "dependencies": dependencies,
            "return_type": "state",
            # By this the engine does not try a task again whose runner was left.
            "context": {"cancel_event": self._cancelled},
        }

        def run() -> Any:  # noqa: ANN401 - whatever the task gives
            return asyncio.run(run_task_async(**call)) if task.isasync else run_task_sync(**call)

        # The copied context carries the flow run, tags and settings to the thread.
        future = self._threads.submit(partial(copy_context().run, run))
        return PrefectConcurrentFuture(task_run_id=task_run_id, wrapped_future=future)


class _DaemonThreads:
    """Threads that are daemons: the end of the process does not wait for them."""

    def __init__(self, max_workers: int) -> None:
        self._max_workers = max_workers
        self._threads: list[Thread] = []
        self._calls: SimpleQueue[Call | None] = SimpleQueue()

    def submit(self, act: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        self._calls.put((future, act))
        if len(self._threads) < self._max_workers:
            thread = Thread(target=self._work, daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def drain(self) -> None:
        """Wait until all is done that was submitted."""
        self._end()
        for thread in self._threads:
            thread.join()

    def cancel(self) -> None:
        """Cancel what has not begun, and wait for nothing."""
        while True:
            try:
                call = self._calls.get_nowait()
            except Empty:
                break
            if call is not None:
                call[0].cancel()
        self._end()

    def _end(self) -> None:
        for _ in self._threads:
            self._calls.put(None)

    def _work(self) -> None:
        while call := self._calls.get():
            future, act = call
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(act())
                except BaseException as error:  # noqa: BLE001 - it is the caller's
                    future.set_exception(error)
